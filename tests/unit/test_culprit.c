/* Who is to blame for a profile: stories of programs, each with the function that a person would name. A frame is written
 * "function" (of the program), or "function@FILE" (of a library or plug-in). */
#include "incident/inside.h"
#include "profile/profile.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LIB "/usr/lib/x86_64-linux-gnu/"

struct story {
    struct gs_profile *profile;
    struct gs_plumbing plumbing;
    struct gs_culprit culprit;
};

enum { SAMPLE_BYTES = 1000, OBJECTS = 0, SPACE = 1, LIVE_OBJECTS = 2, LIVE = 3 };

static struct story story(void)
{
    struct story s = {.profile = gs_profile_new()};
    static const char *const types[][2] = {{"alloc_objects", "count"},
                                           {"alloc_space", "bytes"},
                                           {"inuse_objects", "count"},
                                           {"inuse_space", "bytes"}};
    for (size_t i = 0; i < 4; i++)
        gs_profile_add_sample_type(s.profile, types[i][0], types[i][1]);
    s.profile->period = SAMPLE_BYTES;
    (void)gs_profile_add_mapping(s.profile,
                                 &(struct gs_profile_mapping){.path = "/usr/bin/server", .build_id = ""});
    return s;
}

static uint32_t frame(struct gs_profile *profile, const char *written)
{
    const char *at = strchr(written, '@');
    char name[400];
    uint32_t mapping = 0;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(written, "@"), written);
    if (at)
        mapping =
            gs_profile_add_mapping(profile, &(struct gs_profile_mapping){.path = at + 1, .build_id = ""});
    struct gs_line line = {gs_profile_add_function(profile, name, name, "", 0), 0};
    return gs_profile_add_location(
        profile, &(struct gs_location){.mapping = mapping + 1, .line_count = 1, .line = &line});
}

/* WRITTEN: frames, leaf first, separated by " < ". COUNT blocks of SIZE bytes were allocated, KEPT of them live. */
static void allocated(struct story *s, const char *written, int64_t count, int64_t size, int64_t kept)
{
    char text[1000], *rest = text;
    uint32_t location[32], depth = 0;
    snprintf(text, sizeof text, "%s", written);
    while (rest) {
        char *next = strstr(rest, " < ");
        if (next)
            *next = 0;
        location[depth++] = frame(s->profile, rest);
        rest = next ? next + 3 : NULL;
    }
    const int64_t value[] = {count, count * size, kept, kept * size};
    gs_profile_append_sample(s->profile,
                             &(struct gs_sample){.location = location, .value = value, .depth = depth});
}

/* The same, for blocks of 1000 bytes, all kept (or all given back, since the baseline). */
static void holds(struct story *s, const char *written, int64_t count)
{
    allocated(s, written, count, 1000, count);
}

static const char *culprit(struct story *s)
{
    s->profile->plumbing = &s->plumbing;
    bool found = gs_incident_culprit_find(s->profile, LIVE, "growth", &s->culprit);
    assert_false(s->profile->failed);
    return found ? s->culprit.function : "";
}

static void over(struct story *s)
{
    gs_profile_free(s->profile);
}

#define CULPRIT(s, name) assert_string_equal(culprit(&(s)), name)

/* ---- whose code --------------------------------------------------------------------------------------------------------------- */

static void an_allocator_of_the_program_is_passed_over(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s,
          "malloc@/lib/libc.so.6 < ztrymalloc_usable < zmalloc < createStringObject < processMultibulkBuffer "
          "< main",
          100);
    CULPRIT(s, "createStringObject");
    assert_int_equal(s.culprit.via_count, 2);
    assert_string_equal(s.culprit.via[0], "ztrymalloc_usable");
    assert_string_equal(s.culprit.via[1], "zmalloc");
    assert_string_equal(s.culprit.through, "zmalloc");
    assert_string_equal(s.culprit.module, "server");
    assert_int_equal(s.culprit.doubts, 0);
    over(&s);
}

/* ngx_palloc is exported and has a name in a stripped file; ngx_palloc_large, which it calls, has not. */
static void a_helper_of_plumbing_is_plumbing(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s,
          "malloc@/lib/libc.so.6 < ngx_alloc < server+0x278c4 < server+0x27900 < ngx_create_temp_buf < "
          "server+0x70f7b < main",
          100);
    CULPRIT(s, "server+0x70f7b");
    assert_int_equal(s.culprit.via_count, 4);
    assert_string_equal(s.culprit.through, "ngx_create_temp_buf");
    over(&s);
}

/* jemalloc is linked into the program: its helpers have names of any kind, its entries are known. */
static void what_an_allocator_calls_is_its_own(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s, "os_pages_map < pac_alloc_real < arena_slab_alloc < je_malloc_default < make_session < main", 100);
    CULPRIT(s, "make_session");
    assert_string_equal(s.culprit.through, "je_malloc_default");
    over(&s);
    s = story();
    holds(&s, "os_pages_map < map_table < main", 100);
    CULPRIT(s, "os_pages_map");
    over(&s);
}

static void the_rules_name_more_of_them(void **state)
{
    static const char *const rules[] = {"grab", "pool_*"}, *const options[] = {"Cache<*>::slot"};
    struct story s = story();
    (void)state;
    holds(&s, "malloc < grab < pool_get < Cache<int>::slot < store < main", 100);
    CULPRIT(s, "grab");
    s.plumbing.user[GS_PLUMBING_RULES].pattern = rules;
    s.plumbing.user[GS_PLUMBING_RULES].count = 2;
    CULPRIT(s, "Cache<int>::slot");
    s.plumbing.user[GS_PLUMBING_OPTIONS].pattern = options;
    s.plumbing.user[GS_PLUMBING_OPTIONS].count = 1;
    CULPRIT(s, "store");
    assert_int_equal(s.culprit.via_count, 3);
    over(&s);
}

static void a_library_of_the_distribution_works_for_the_program(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s,
          "malloc@/lib/libc.so.6 < CRYPTO_malloc@" LIB "libcrypto.so.3 < libssl.so.3+0x1a0@" LIB
          "libssl.so.3 < SSL_new@" LIB "libssl.so.3 < session_open < main",
          60);
    holds(&s, "malloc@/lib/libc.so.6 < libssl.so.3+0x2b0@" LIB "libssl.so.3 < session_open < main", 60);
    holds(&s, "malloc@/lib/libc.so.6 < load_table < main", 50);
    CULPRIT(s, "session_open");
    assert_int_equal(s.culprit.value, 120000);
    assert_string_equal(s.culprit.through, "libssl.so.3");
    assert_int_equal(s.culprit.via_count, 3);
    assert_string_equal(s.culprit.via[2], "SSL_new");
    over(&s);
}

static void a_plugin_is_the_programs_own(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s,
          "malloc < g_malloc@" LIB
          "libglib-2.0.so.0 < image_keep@/usr/lib/server/plugins/image.so < run_plugin < main",
          60);
    CULPRIT(s, "image_keep");
    assert_string_equal(s.culprit.module, "image.so");
    over(&s);
}

/* A resolver thread of a library. Nobody of the program is on its stack: the library's function that has a name, with a doubt. */
static void a_thread_of_a_library_has_only_the_library_to_blame(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s,
          "malloc@/lib/libc.so.6 < libdns.so.9+0x10@" LIB "libdns.so.9 < libdns.so.9+0x20@" LIB
          "libdns.so.9 < dns_cache_add@" LIB "libdns.so.9 < libc.so.6+0x30@/lib/libc.so.6",
          60);
    CULPRIT(s, "dns_cache_add");
    assert_int_equal(s.culprit.doubts, GS_DOUBT_NOT_OWN);
    over(&s);
}

static void functions_of_a_library_without_names_are_not_one(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s, "malloc@/lib/libc.so.6 < libdns.so.9+0x10@" LIB "libdns.so.9", 60);
    holds(&s, "malloc@/lib/libc.so.6 < libdns.so.9+0x20@" LIB "libdns.so.9", 50);
    holds(&s, "malloc@/lib/libc.so.6 < libisc.so.9+0x20@" LIB "libisc.so.9", 70);
    CULPRIT(s, "libisc.so.9+0x20");
    assert_int_equal(s.culprit.value, 70000);
    over(&s);
}

/* /usr/bin/ruby is a `main` in front of libruby: then the library is the program. A program with more to it is not such. */
static void an_interpreter_behind_a_main_is_the_program(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s,
          "malloc@/lib/libc.so.6 < libruby-3.1.so.3.1+0x10@" LIB "libruby-3.1.so.3.1 < rb_str_new@" LIB
          "libruby-3.1.so.3.1 < ruby_run_node@" LIB
          "libruby-3.1.so.3.1 < main < libc.so.6+0x1@/lib/libc.so.6 < _start",
          60);
    CULPRIT(s, "rb_str_new");
    holds(&s,
          "malloc@/lib/libc.so.6 < rb_str_new@" LIB
          "libruby-3.1.so.3.1 < evaluate_filter < main < libc.so.6+0x1@/lib/libc.so.6",
          200);
    CULPRIT(s, "evaluate_filter");
    holds(&s,
          "malloc@/lib/libc.so.6 < sqlite3_step@" LIB "libsqlite3.so.0 < main < libc.so.6+0x1@/lib/libc.so.6",
          400);
    CULPRIT(s, "main");
    over(&s);
}

static void templates_and_the_rust_library_are_passed_over(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s,
          "operator new < std::pair<int, bool> std::_Rb_tree<int, int>::_M_insert_unique<int>(int&&) < "
          "boost::container::map<int>::insert < std::pair<int, bool> cache::Store<int>::put<int>(int) < main",
          60);
    CULPRIT(s, "std::pair<int, bool> cache::Store<int>::put<int>(int)");
    holds(&s,
          "__rust_alloc < alloc::raw_vec::finish_grow < <alloc::vec::Vec<T> as core::clone::Clone>::clone < "
          "hashbrown::map::HashMap<K,V>::insert < server::session_leak < server::main < "
          "core::ops::function::FnOnce::call_once",
          100);
    CULPRIT(s, "server::session_leak");
    over(&s);
}

/* The function that a person knows was compiled into another location, together with what it inlined. */
static void what_was_inlined_in_the_programs_function_is_passed_over(void **state)
{
    struct story s = story();
    struct gs_line lines[2];
    const int64_t value[] = {9, 9000, 9, 9000};
    (void)state;
    lines[0] = (struct gs_line){
        gs_profile_add_function(s.profile, "std::vector<int>::push_back", "", "stl_vector.h", 0), 1200};
    lines[1] = (struct gs_line){gs_profile_add_function(s.profile, "cache_insert", "", "cache.cc", 0), 88};
    uint32_t location = gs_profile_add_location(
        s.profile, &(struct gs_location){.mapping = 1, .line_count = 2, .line = lines});
    gs_profile_append_sample(s.profile,
                             &(struct gs_sample){.location = &location, .value = value, .depth = 1});
    CULPRIT(s, "cache_insert");
    assert_string_equal(s.culprit.file, "cache.cc");
    assert_int_equal(s.culprit.line, 88);
    over(&s);
}

/* fgets of a program that is compiled with _FORTIFY_SOURCE is inlined: it has a name and a line, but is not the program's code. A
 * header of another library is judged by the names of its functions, as before. */
static void what_was_inlined_from_the_c_librarys_headers_is_not_the_culprit(void **state)
{
    struct story s = story();
    const int64_t value[] = {9, 9000, 9, 9000};
    uint32_t location[2];
    (void)state;
    struct gs_line inner = {gs_profile_add_function(s.profile, "fgets", "fgets",
                                                    "/usr/include/x86_64-linux-gnu/bits/stdio2.h", 0),
                            213},
                   outer = {gs_profile_add_function(s.profile, "read_config", "", "/src/config.c", 0), 7};
    location[0] = gs_profile_add_location(
        s.profile, &(struct gs_location){.mapping = 1, .line_count = 1, .line = &inner});
    location[1] = gs_profile_add_location(
        s.profile, &(struct gs_location){.mapping = 1, .line_count = 1, .line = &outer});
    gs_profile_append_sample(s.profile,
                             &(struct gs_sample){.location = location, .value = value, .depth = 2});
    CULPRIT(s, "read_config");
    assert_true(gs_symbol_source_is_runtime("/usr/include/stdlib.h"));
    assert_true(gs_symbol_source_is_runtime("/usr/include/c++/12/bits/stl_vector.h"));
    assert_false(gs_symbol_source_is_runtime("/usr/include/mylib/bits/pool.h"));
    assert_false(gs_symbol_source_is_runtime("/usr/include/uthash.h"));
    assert_false(gs_symbol_source_is_runtime("/src/usr/include/stdlib.h"));
    assert_false(gs_symbol_source_is_runtime(""));
    over(&s);
}

/* std::mutex is a handful of inline functions with names of C. So is fgets, with _FORTIFY_SOURCE. */
static void what_was_inlined_from_the_librarys_headers_is_passed_over(void **state)
{
    static const char *const inlined[][2] = {
        {"__gthread_mutex_lock", "/usr/include/x86_64-linux-gnu/c++/12/bits/gthr-default.h"},
        {"fgets", "/usr/include/x86_64-linux-gnu/bits/stdio2.h"},
        {"rebind", "/opt/gcc-14/include/c++/14.2.0/functional"}};
    (void)state;
    for (size_t i = 0; i < sizeof inlined / sizeof *inlined; i++) {
        struct story s = story();
        struct gs_line lines[2];
        const int64_t value[] = {9, 9000, 9, 9000};
        lines[0] =
            (struct gs_line){gs_profile_add_function(s.profile, inlined[i][0], "", inlined[i][1], 0), 749};
        lines[1] =
            (struct gs_line){gs_profile_add_function(s.profile, "Bank::transfer", "", "bank.cc", 0), 29};
        uint32_t location = gs_profile_add_location(
            s.profile, &(struct gs_location){.mapping = 1, .line_count = 2, .line = lines});
        gs_profile_append_sample(s.profile,
                                 &(struct gs_sample){.location = &location, .value = value, .depth = 1});
        CULPRIT(s, "Bank::transfer");
        assert_int_equal(s.culprit.line, 29);
        over(&s);
    }
}

/* A project may have folders of these names. */
static void a_programs_own_headers_are_its_own(void **state)
{
    struct story s = story();
    const int64_t value[] = {9, 9000, 9, 9000};
    struct gs_line line = {
        gs_profile_add_function(s.profile, "grow", "", "/src/server/include/bits/table.h", 0), 12};
    (void)state;
    uint32_t location = gs_profile_add_location(
        s.profile, &(struct gs_location){.mapping = 1, .line_count = 1, .line = &line});
    gs_profile_append_sample(s.profile,
                             &(struct gs_sample){.location = &location, .value = value, .depth = 1});
    CULPRIT(s, "grow");
    over(&s);
}

static void stacks_of_plumbing_alone_have_a_name_too(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s, "malloc@/lib/libc.so.6 < zmalloc < sdsnewlen < start_thread@/lib/libc.so.6", 10);
    CULPRIT(s, "zmalloc");
    assert_true(s.culprit.doubts & GS_DOUBT_NOT_OWN);
    over(&s);
    s = story();
    holds(&s, "malloc", 10);
    CULPRIT(s, "malloc");
    over(&s);
}

static void a_recursion_is_charged_once_and_is_not_its_own_caller(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s, "malloc < node < node < node < build < main", 60);
    holds(&s, "malloc < node < parse < main", 20);
    CULPRIT(s, "node");
    assert_int_equal(s.culprit.value, 80000);
    assert_string_equal(s.culprit.caller, "build");
    assert_true(s.culprit.caller_share == 0.75);
    over(&s);
}

/* ---- sums --------------------------------------------------------------------------------------------------------------------- */

/* At each refresh the catalogue's blocks are freed, and as many allocated on another path: it did not grow. */
static void what_is_renewed_on_another_path_is_not_a_leak(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s, "malloc < catalogue_add < catalogue_load < main", -1000);
    holds(&s, "malloc < catalogue_add < catalogue_refresh < on_timer < main", 1010);
    holds(&s, "malloc < session_leak < handle < main", 200);
    CULPRIT(s, "session_leak");
    assert_int_equal(s.culprit.value, 200000);
    assert_true(s.culprit.share > 0.952 && s.culprit.share < 0.953); // 200 of 210
    over(&s);
}

static void what_only_shrank_is_nobodys_fault(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s, "malloc < catalogue_add < load < main", -1000);
    holds(&s, "malloc < catalogue_add < refresh < main", 900);
    CULPRIT(s, "");
    over(&s);
}

/* Functions of one name in two files are two. */
static void a_name_is_of_its_file(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s, "malloc < init@/opt/a.so < load_a < main", 60);
    holds(&s, "malloc < init@/opt/b.so < load_b < main", 50);
    holds(&s, "malloc < load < main", 70);
    CULPRIT(s, "load");
    over(&s);
}

static void a_shared_helper_is_named_with_the_caller_that_has_most_of_it(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s, "malloc < score < rank_hits < main", 40);
    holds(&s, "malloc < score < std::sort<int> < rank_hits < serve < main", 40);
    holds(&s, "malloc < score < warm_up < main", 20);
    CULPRIT(s, "score");
    assert_string_equal(s.culprit.caller, "rank_hits");
    assert_true(s.culprit.caller_share == 0.8);
    assert_string_equal(s.culprit.stack[2], "rank_hits");
    holds(&s, "malloc < score < warm_up < main", 60); // now neither has most of it
    CULPRIT(s, "score");
    assert_null(s.culprit.caller);
    over(&s);
    s = story();
    holds(&s, "malloc < score < rank_hits < main", 100); // not shared
    CULPRIT(s, "score");
    assert_null(s.culprit.caller);
    over(&s);
}

/* A stripped program exports some of its functions: the nearest of them tells the reader where he is. */
static void a_function_without_a_name_is_named_with_its_caller(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s, "malloc < sdsResize < server+0x8fe8e < tryObjectEncoding < main", 100);
    CULPRIT(s, "server+0x8fe8e");
    assert_string_equal(s.culprit.caller, "tryObjectEncoding");
    over(&s);
    s = story();
    holds(&s, "malloc < server+0x8fe8e < server+0x8ff00 < main", 100);
    CULPRIT(s, "server+0x8fe8e");
    assert_null(s.culprit.caller);
    over(&s);
}

/* ---- doubts ------------------------------------------------------------------------------------------------------------------- */

static void thin_evidence_says_so(void **state)
{
    struct story s = story();
    (void)state;
    allocated(&s, "malloc < load < main", 4, 9000, 4); // 36000 bytes: one sample stands for 9000 + 1000
    CULPRIT(s, "load");
    assert_int_equal(s.culprit.doubts, GS_DOUBT_SAMPLES);
    assert_true(s.culprit.samples > 3.5 && s.culprit.samples < 3.7);
    allocated(&s, "malloc < load < main", 26, 9000, 26);
    CULPRIT(s, "load");
    assert_int_equal(s.culprit.doubts, 0);
    over(&s);
}

static void a_close_second_is_named(void **state)
{
    struct story s = story();
    (void)state;
    holds(&s, "malloc < load < main", 100000); // 50000 samples
    holds(&s, "malloc < fetch < main", 76000);
    CULPRIT(s, "load");
    assert_int_equal(s.culprit.doubts, GS_DOUBT_RUNNER_UP);
    assert_string_equal(s.culprit.runner_up, "fetch");
    assert_true(s.culprit.runner_up_share > 0.431 && s.culprit.runner_up_share < 0.433); // 76 of 176
    over(&s);
    s = story();
    holds(&s, "malloc < load < main", 100000);
    holds(&s, "malloc < fetch < main", 74000);
    CULPRIT(s, "load");
    assert_int_equal(s.culprit.doubts, 0);
    over(&s);
    s = story();
    holds(&s, "malloc < load < main", 40);  // 20 samples, give or take 4.5
    holds(&s, "malloc < fetch < main", 28); // 14, give or take 3.7
    CULPRIT(s, "load");
    assert_int_equal(s.culprit.doubts, GS_DOUBT_RUNNER_UP);
    over(&s);
}

/* ---- wrappers that no table knows ------------------------------------------------------------------------------------------------ */

/* Twelve functions allocate through FUNCTION: KINDS sizes of blocks; every third caller's blocks are TEMPORARY. */
static void is_called_by_twelve(struct story *s, const char *function, unsigned kinds, bool temporary)
{
    char stack[300];
    for (unsigned i = 0; i < 12; i++) {
        int64_t size = (int64_t[]){40, 400, 4000}[i % kinds], count = 200000 / size;
        snprintf(stack, sizeof stack, "malloc@/lib/libc.so.6 < %s < handler_%u < main", function, i);
        allocated(s, stack, count, size, temporary && i % 4 == 0 ? 0 : count);
    }
}

static const char *after_learning(struct story *s)
{
    assert_int_equal(gs_profile_learn_plumbing(s->profile, &s->plumbing), 0);
    return culprit(s);
}

static void a_function_that_allocates_for_all_purposes_is_a_wrapper(void **state)
{
    struct story s = story();
    (void)state;
    is_called_by_twelve(&s, "grab", 3, true);
    allocated(&s, "malloc@/lib/libc.so.6 < grab < session_leak < handle < main", 5000, 400, 5000);
    CULPRIT(s, "grab");                                    // without the evidence
    assert_string_equal(s.culprit.caller, "session_leak"); // still the way to it
    assert_string_equal(after_learning(&s), "session_leak");
    assert_string_equal(s.culprit.via[0], "grab");
    over(&s);
}

static void a_wrapper_of_a_wrapper_is_found(void **state)
{
    struct story s = story();
    (void)state;
    is_called_by_twelve(&s, "grab < grab_zeroed", 3, true);
    allocated(&s, "malloc@/lib/libc.so.6 < grab < grab_zeroed < session_leak < handle < main", 5000, 400,
              5000);
    s.plumbing.user[GS_PLUMBING_RULES].pattern = (const char *[]){"grab"};
    s.plumbing.user[GS_PLUMBING_RULES].count = 1;
    CULPRIT(s, "grab_zeroed");
    assert_string_equal(after_learning(&s), "session_leak");
    assert_int_equal(s.culprit.via_count, 2);
    over(&s);
}

static void a_cache_that_is_filled_over_many_paths_is_the_culprit(void **state)
{
    struct story s = story();
    (void)state;
    is_called_by_twelve(&s, "cache_insert", 1, true); // entries of one size
    assert_string_equal(after_learning(&s), "cache_insert");
    over(&s);
    s = story();
    is_called_by_twelve(&s, "cache_insert", 3, false); // of many, but all are kept
    assert_string_equal(after_learning(&s), "cache_insert");
    over(&s);
    s = story();
    is_called_by_twelve(&s, "cache_insert", 3, true); // and other parts of the program allocate as well
    allocated(&s, "malloc@/lib/libc.so.6 < parse < main", 30000, 40, 100);
    assert_string_equal(after_learning(&s), "cache_insert");
    over(&s);
    s = story();
    is_called_by_twelve(&s,
                        "strdup@" LIB "libglib-2.0.so.0 < g_thing_new@" LIB "libglib-2.0.so.0 < make_thing",
                        3, true); // through a library
    assert_string_equal(after_learning(&s), "make_thing");
    over(&s);
}

static void nothing_is_learned_from_little(void **state)
{
    struct story s = story();
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        char stack[100];
        snprintf(stack, sizeof stack, "malloc < grab < handler_%u < main", i);
        allocated(&s, stack, 4, (int64_t[]){40, 400, 4000}[i % 3], i % 4 ? 4 : 0);
    }
    assert_string_equal(after_learning(&s), "grab");
    assert_int_equal(s.plumbing.learned_count, 0);
    over(&s);
}

/* ---- how a stack is shown --------------------------------------------------------------------------------------------------------- */

static void shows(const char *written, const char *wanted)
{
    struct story s = story();
    struct gs_stacks stacks;
    struct gs_text text = {0};
    holds(&s, written, 10);
    assert_int_equal(gs_profile_stacks(s.profile, LIVE, &stacks), 0);
    gs_incident_add_stack(&text, s.profile, &stacks.row[0]);
    assert_string_equal(text.bytes, wanted);
    gs_text_fini(&text);
    gs_profile_stacks_fini(&stacks);
    over(&s);
}

static void a_long_stack_is_cut_in_its_middle(void **state)
{
    (void)state;
    shows("malloc < zmalloc < put < main < _start", "put ← main\n");
    shows("malloc < a < b < c < d < e < f < g", "a ← b ← c ← d ← e ← f ← g\n");
    shows("malloc < a < b < c < d < e < f < g < h < main < _start", "a ← b ← c ← d ← e ← f ← … ← main\n");
    shows("malloc < l1@" LIB "libx.so.1 < l2@" LIB "libx.so.1 < l3@" LIB "libx.so.1 < l4@" LIB
          "libx.so.1 < l5@" LIB "libx.so.1 < l6@" LIB "libx.so.1 < l7@" LIB
          "libx.so.1 < put < b < c < d < e < main < _start",
          "l1 ← l2 ← … ← put ← b ← c ← … ← main\n");
    shows("std::vector<std::basic_string<char, std::char_traits<char> >, std::allocator<int> >::push_back < "
          "Store<std::basic_string<char, std::char_traits<char> >, cache::Session>::put < main",
          "Store<std::basic_string<…>, …>::put ← main\n");
    shows("malloc", "malloc\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allocator_of_the_program_is_passed_over),
        cmocka_unit_test(a_helper_of_plumbing_is_plumbing),
        cmocka_unit_test(what_an_allocator_calls_is_its_own),
        cmocka_unit_test(the_rules_name_more_of_them),
        cmocka_unit_test(a_library_of_the_distribution_works_for_the_program),
        cmocka_unit_test(a_plugin_is_the_programs_own),
        cmocka_unit_test(a_thread_of_a_library_has_only_the_library_to_blame),
        cmocka_unit_test(functions_of_a_library_without_names_are_not_one),
        cmocka_unit_test(an_interpreter_behind_a_main_is_the_program),
        cmocka_unit_test(templates_and_the_rust_library_are_passed_over),
        cmocka_unit_test(what_was_inlined_in_the_programs_function_is_passed_over),
        cmocka_unit_test(what_was_inlined_from_the_c_librarys_headers_is_not_the_culprit),
        cmocka_unit_test(what_was_inlined_from_the_librarys_headers_is_passed_over),
        cmocka_unit_test(a_programs_own_headers_are_its_own),
        cmocka_unit_test(stacks_of_plumbing_alone_have_a_name_too),
        cmocka_unit_test(a_recursion_is_charged_once_and_is_not_its_own_caller),
        cmocka_unit_test(what_is_renewed_on_another_path_is_not_a_leak),
        cmocka_unit_test(what_only_shrank_is_nobodys_fault),
        cmocka_unit_test(a_name_is_of_its_file),
        cmocka_unit_test(a_shared_helper_is_named_with_the_caller_that_has_most_of_it),
        cmocka_unit_test(a_function_without_a_name_is_named_with_its_caller),
        cmocka_unit_test(thin_evidence_says_so),
        cmocka_unit_test(a_close_second_is_named),
        cmocka_unit_test(a_function_that_allocates_for_all_purposes_is_a_wrapper),
        cmocka_unit_test(a_wrapper_of_a_wrapper_is_found),
        cmocka_unit_test(a_cache_that_is_filled_over_many_paths_is_the_culprit),
        cmocka_unit_test(nothing_is_learned_from_little),
        cmocka_unit_test(a_long_stack_is_cut_in_its_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
