/* How long blocks live: the histogram of each stack, the profile of it, and what it says by function. Lifetimes are given, not measured:
 * no clock is read, but where a test says so. */
#include "base/clock.h"
#include "gather/inside.h"
#include "incident/inside.h"
#include "probe/heap/inside.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define MS     ((uint64_t)GS_NS_PER_MS)
#define MIB(n) ((int64_t)(n) << 20)
enum { ONE = 1 << GS_OBJECT_SHIFT };

static uint32_t site(uintptr_t offset)
{
    uintptr_t frames[] = {(uintptr_t)site + offset, (uintptr_t)memcmp};
    return gs_heap_stack_intern(frames, 2, false, 0);
}

/* What STACK has in the class that begins with FROM_NS; each class is there once at most. */
static struct gs_lifetime in_class(uint32_t stack, int64_t from_ns)
{
    struct gs_lifetime lifetime, found = {0};
    int times = 0;
    for (uint32_t at = 0; gs_probe_lifetimes_next(stack, &at, &lifetime);)
        if (gs_probe_lifetime_from_ns(lifetime.class) == from_ns) {
            found = lifetime;
            times++;
        }
    assert_true(times <= 1);
    return found;
}

static void a_class_ends_where_the_next_begins(void **state)
{
    uint32_t a = site(10);
    (void)state;
    static const uint64_t lifetime[] = {0,  4095,    4096,    8191,       8192,
                                        MS, 1048575, 1048576, 1ull << 55, (1ull << 56) - 1};
    for (size_t i = 0; i < sizeof lifetime / sizeof *lifetime; i++)
        gs_heap_lifetimes_add(a, lifetime[i], ONE, (uint64_t)1 << i);
    assert_int_equal(in_class(a, 0).bytes, 1 + 2);
    assert_int_equal(in_class(a, 0).objects, 2 * ONE);
    assert_int_equal(in_class(a, 4096).bytes, 4 + 8);
    assert_int_equal(in_class(a, 8192).bytes, 16);
    assert_int_equal(in_class(a, 524288).bytes, 32 + 64);
    assert_int_equal(in_class(a, 1048576).bytes, 128);
    assert_int_equal(in_class(a, (int64_t)1 << 55).bytes,
                     256 + 512); // the longest that the table of live samples can tell
    assert_int_equal(in_class(site(11), 0).bytes, 0);
}

enum { THREADS = 4, ROUNDS = 20000, SITES = 7, LENGTHS = 12 };
static uint32_t shared[SITES];

static void *add_many(void *unused)
{
    (void)unused;
    for (uint64_t i = 0; i < ROUNDS; i++)
        gs_heap_lifetimes_add(shared[i % SITES], (uint64_t)4096 << (i % LENGTHS), ONE, 100);
    return NULL;
}

static void threads_count_together(void **state)
{
    pthread_t thread[THREADS];
    uint64_t bytes = 0;
    (void)state;
    for (int i = 0; i < SITES; i++)
        shared[i] = site(20 + (uintptr_t)i);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, add_many, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < SITES; i++)
        for (int length = 0; length < LENGTHS; length++)
            bytes += in_class(shared[i], (int64_t)4096 << length).bytes;
    assert_int_equal(bytes, THREADS * ROUNDS * 100);
}

/* The clock is read here; what was sampled is as old as the test has been running, at most. */
static void a_block_that_is_freed_has_a_lifetime(void **state)
{
    static char ours[64], moved[64];
    struct gs_live live;
    (void)state;
    uint32_t a = site(30);
    int64_t began_ns = gs_clock_monotonic_ns();
    live = (struct gs_live){.stack = a, .objects = ONE, .bytes = 640, .born_ns = (uint64_t)began_ns};
    assert_true(gs_heap_live_insert(ours, &live));
    gs_heap_stack_count_alloc(a, ONE, 640);
    assert_true(gs_heap_live_take(ours, &live)); // realloc, which fails: the block stays, with its time
    gs_heap_sampler_put_back(ours, &live);
    uint32_t at = 0;
    struct gs_lifetime lifetime;
    assert_false(gs_probe_lifetimes_next(a, &at, &lifetime));
    errno = EXDEV;
    gs_heap_sampler_forget(ours);
    assert_int_equal(errno, EXDEV);
    gs_heap_sampler_forget(moved); // never sampled
    assert_true(gs_probe_lifetimes_next(a, &at, &lifetime));
    assert_int_equal(lifetime.bytes, 640);
    assert_true(gs_probe_lifetime_from_ns(lifetime.class) <= gs_clock_monotonic_ns() - began_ns + 4096);
    assert_false(gs_probe_lifetimes_next(a, &at, &lifetime));
    assert_int_equal(gs_probe_stack_counts(a).inuse_space, 0);
    live = (struct gs_live){
        .stack = a, .objects = ONE, .bytes = 77, .born_ns = (uint64_t)(began_ns - 3 * 3600 * GS_NS_PER_S)};
    assert_true(gs_heap_live_insert(ours, &live)); // three hours ago, maybe before the machine was started
    gs_heap_stack_count_alloc(a, ONE, 77);
    gs_heap_sampler_forget(ours);
    assert_int_equal(in_class(a, (int64_t)1 << 43).bytes, 77); // 2.4 h to 4.9 h
}

/* ---- the profile --------------------------------------------------------------------------------------------------- */

static void gather(struct gs_gathered *out)
{
    struct gs_maps *maps = gs_symbol_maps_read(0);
    const struct gs_gather how = {
        .maps = maps, .now_ns = gs_clock_monotonic_ns(), .start_ns = 0, .reason = "test"};
    *out = (struct gs_gathered){0};
    assert_int_equal(gs_gather(GS_LIFETIMES, &how, out), 0);
    gs_symbol_maps_free(maps);
}

/* What PROFILE has of TYPE in the stack at OFFSET, with label KEY of NUMBER ns; NUMBER -1: with any. */
static int64_t value(const struct gs_profile *profile, uintptr_t offset, const char *type, const char *key,
                     int64_t number)
{
    int64_t sum = 0;
    int at = gs_profile_sample_type(profile, type);
    for (size_t i = 0; i < profile->sample_count; i++) {
        const struct gs_sample *sample = &profile->sample[i];
        const struct gs_label_value *label = &sample->label[0];
        assert_int_equal(sample->label_count, 1);
        assert_string_equal(label->unit, "nanoseconds");
        if (profile->location[sample->location[0]].address == (uintptr_t)site + offset - 1 &&
            strcmp(label->key, key) == 0 && (number < 0 || label->number == number))
            sum += sample->value[at];
    }
    return sum;
}

static void what_is_in_use_is_counted_apart(void **state)
{
    static char ours[64];
    struct gs_gathered heap;
    (void)state;
    uint32_t a = site(40);
    struct gs_live live = {.stack = a,
                           .objects = 3 * ONE,
                           .bytes = 3000,
                           .born_ns = (uint64_t)(gs_clock_monotonic_ns() - 7200 * GS_NS_PER_S)};
    assert_true(gs_heap_live_insert(ours, &live));
    gs_heap_stack_count_alloc(a, 3 * ONE, 3000);
    gs_heap_lifetimes_add(a, 3 * MS, 5 * ONE, 500);
    gather(&heap);
    assert_string_equal(heap.profile->sample_type[heap.profile->default_sample_type].type, "freed_space");
    assert_int_equal(value(heap.profile, 40, "freed_space", "lifetime", 2097152), 500);
    assert_int_equal(value(heap.profile, 40, "freed_objects", "lifetime", 2097152), 5);
    assert_int_equal(value(heap.profile, 40, "freed_space", "lifetime", -1), 500);
    assert_int_equal(value(heap.profile, 40, "freed_space", "age", -1), 0);
    assert_int_equal(value(heap.profile, 40, "alive_space", "age", 3600 * GS_NS_PER_S), 3000);
    assert_int_equal(value(heap.profile, 40, "alive_objects", "age", -1), 3);
    assert_int_equal(value(heap.profile, 40, "alive_space", "lifetime", -1), 0);
    gs_gather_fini(&heap);
    assert_true(gs_heap_live_take(ours, &live));
    gs_heap_stack_count_free(a, 3 * ONE, 3000);
}

/* Blocks of known lifetimes, sampled as the sampler samples. Each class is right within six standard errors: for a block of SIZE bytes
 * that is sampled with probability P the variance of the estimate is SIZE^2 (1 - P) / P. */
static void known_mixtures_are_estimated(void **state)
{
    enum { DISTANCE = 16384, BLOCKS = 200000 };
    static const struct {
        uint64_t size, lifetime_ns;
        int64_t class_ns;
        unsigned every;
    } kind[] = {{48, MS, 524288, 1},
                {48, 100 * MS, 67108864, 3},
                {4000, 100 * MS, 67108864, 10},
                {100000, 7000 * MS, 4294967296, 100}};
    uint64_t random = 20261127;
    (void)state;
    for (uintptr_t k = 0; k < sizeof kind / sizeof *kind; k++) {
        uint32_t stack = site(50 + k);
        double weight = gs_heap_sample_weight(kind[k].size, DISTANCE), truth = 0, variance = 0;
        int64_t gap = (int64_t)gs_heap_draw_gap(gs_heap_random(&random), DISTANCE);
        for (unsigned i = 0; i < BLOCKS; i += kind[k].every) {
            truth += (double)kind[k].size;
            variance += (double)kind[k].size * (double)kind[k].size * (weight - 1);
            if ((gap -= (int64_t)kind[k].size) > 0)
                continue;
            gap = (int64_t)gs_heap_draw_gap(gs_heap_random(&random), DISTANCE);
            gs_heap_lifetimes_add(stack, kind[k].lifetime_ns, (uint64_t)(weight * ONE + 0.5),
                                  (uint64_t)(weight * (double)kind[k].size + 0.5));
        }
        double seen = (double)in_class(stack, kind[k].class_ns).bytes;
        if (fabs(seen - truth) > 6 * sqrt(variance) + 0.001 * truth)
            fail_msg("%zu bytes: %.0f of %.0f, standard error %.0f", (size_t)kind[k].size, seen, truth,
                     sqrt(variance));
    }
}

/* ---- by function ------------------------------------------------------------------------------------------------------- */

static struct gs_profile *profile;

static void add(const char *function, const char *key, int64_t ns, int64_t objects, int64_t size)
{
    bool alive = strcmp(key, "age") == 0;
    struct gs_line line = {gs_profile_add_function(profile, function, function, "", 0), 0};
    uint32_t location = gs_profile_add_location(
        profile,
        &(struct gs_location){.address = 4096 + (uint64_t)function[0], .line_count = 1, .line = &line});
    int64_t values[] = {alive ? objects : 0, alive ? objects * size : 0, alive ? 0 : objects,
                        alive ? 0 : objects * size};
    struct gs_label_value label = {key, NULL, ns, "nanoseconds"};
    gs_profile_append_sample(profile, &(struct gs_sample){&location, values, &label, 1, 1});
}

static int begin(void **state)
{
    static const char *const types[][2] = {{"alive_objects", "count"},
                                           {"alive_space", "bytes"},
                                           {"freed_objects", "count"},
                                           {"freed_space", "bytes"}};
    (void)state;
    profile = gs_profile_new();
    for (int i = 0; i < 4; i++)
        gs_profile_add_sample_type(profile, types[i][0], types[i][1]);
    profile->default_sample_type = 3;
    return 0;
}

static int end(void **state)
{
    (void)state;
    gs_profile_free(profile);
    return 0;
}

static void functions_are_told_by_what_their_blocks_live(void **state)
{
    struct gs_lifetimes lifetimes;
    const int64_t second = GS_NS_PER_S;
    (void)state;
    add("parse", "lifetime", 1048576, 60, 100);
    add("parse", "lifetime", 4194304, 40, 100);
    add("parse", "age", 0, 2, 100);
    add("cache", "lifetime", (int64_t)1 << 37, 10, 500); // 137 s
    add("cache", "age", 3600 * second, 7, 500);
    add("cache", "age", 10 * second, 1, 500);
    add("tiny", "lifetime", 0, 8, 10);
    assert_int_equal(gs_profile_lifetimes(profile, &lifetimes), 0);
    assert_int_equal(lifetimes.count, 3);
    assert_int_equal(lifetimes.freed_space, 10000 + 5000 + 80);
    assert_int_equal(lifetimes.short_space, 10000 + 80);
    assert_int_equal(lifetimes.alive_space, 200 + 4000);
    const struct gs_lifetime_row *parse = &lifetimes.row[0], *cache = &lifetimes.row[1],
                                 *tiny = &lifetimes.row[2];
    assert_string_equal(parse->function, "parse");
    assert_int_equal(parse->freed_objects, 100);
    assert_int_equal(parse->short_space, 10000);
    assert_int_equal(parse->long_space, 0);
    assert_int_equal(parse->median_ns, 1048576 + 1048576 * 50 / 60);
    assert_int_equal(parse->most_ns, 4194304 + 4194304 * 3 / 4);
    assert_int_equal(parse->alive_space, 200);
    assert_int_equal(parse->old_space, 0);
    assert_int_equal(cache->short_space, 0);
    assert_int_equal(cache->long_space, 5000);
    assert_int_equal(cache->alive_objects, 8);
    assert_int_equal(cache->old_space, 3500);
    assert_int_equal(tiny->median_ns, 2048);
    gs_profile_lifetimes_fini(&lifetimes);
}

static void what_anybody_may_have_written_is_bounded(void **state)
{
    struct gs_lifetimes lifetimes;
    (void)state;
    add("a", "lifetime", INT64_MAX, INT64_MAX, 1);
    add("a", "lifetime", INT64_MAX, INT64_MAX, 1);
    add("a", "lifetime", -5, 10, 1);
    add("a", "lifetime", 4096, -10, 1);
    add("a", "age", INT64_MIN, 10, 1);
    add("a", "color", 4096, 10, 1);
    assert_int_equal(gs_profile_lifetimes(profile, &lifetimes), 0);
    assert_int_equal(lifetimes.row[0].freed_space, INT64_MAX);
    assert_int_equal(lifetimes.row[0].alive_space, 0);
    assert_true(lifetimes.row[0].median_ns >= (int64_t)1 << 62);
    gs_profile_lifetimes_fini(&lifetimes);
    struct gs_profile *other = gs_profile_new();
    gs_profile_add_sample_type(other, "inuse_space", "bytes");
    assert_int_equal(gs_profile_lifetimes(other, &lifetimes), -EINVAL);
    gs_profile_free(other);
}

static void says(const char *wanted)
{
    struct gs_text text = {0};
    struct gs_incident_findings findings = {.lifetimes = profile};
    gs_incident_add_lifetimes(&text, &findings);
    assert_string_equal(text.bytes ? text.bytes : "", wanted);
    gs_text_fini(&text);
}

static void an_incident_names_who_allocates_what_is_freed_at_once(void **state)
{
    (void)state;
    add("keep", "age", 0, 100, MIB(1));
    add("parse", "lifetime", 1048576, 300, MIB(1));
    add("other", "lifetime", 1048576, 80, MIB(1));
    says(""); // less than four times what is in use
    add("parse", "lifetime", 1048576, 300, MIB(1));
    add("cache", "lifetime", (int64_t)1 << 37, 120, MIB(1));
    says("\nFreed within 1 s: 680 MiB, 85 % of all that was freed; most of it allocated by parse (600 MiB, "
         "half of its blocks within 1.5 ms)\n");
}

static void lifetimes_have_two_figures(void **state)
{
    char text[GS_UNIT_TEXT];
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
    } printed[] = {{0, "0 us"},        {2048, "2 us"},      {12345, "12 us"},
                   {999999, "990 us"}, {2180000, "2.1 ms"}, {17400000000, "17 s"}};
    for (size_t i = 0; i < sizeof printed / sizeof *printed; i++)
        assert_string_equal(gs_profile_print_lifetime(printed[i].ns, text), printed[i].text);
}

/* The table fills up: the last test, because it stays full. What it has is counted on. */
static void a_full_table_is_counted(void **state)
{
    uint32_t a = site(10), full = site(70);
    struct gs_gathered heap;
    (void)state;
    uint64_t before = in_class(a, 4096).bytes;
    assert_int_equal(gs_probe_lifetimes_dropped(), 0);
    for (uintptr_t i = 0; !gs_probe_lifetimes_dropped(); i++)
        for (uint64_t class = 0; class < GS_LIFETIME_CLASSES; class ++)
            gs_heap_lifetimes_add(site(1000 + i), (uint64_t)gs_probe_lifetime_from_ns((unsigned)class), ONE,
                                  1);
    uint64_t dropped = gs_probe_lifetimes_dropped();
    gs_heap_lifetimes_add(full, MS, ONE, 1);
    assert_int_equal(gs_probe_lifetimes_dropped(), dropped + 1);
    gs_heap_lifetimes_add(a, 4096, ONE, 9);
    assert_int_equal(in_class(a, 4096).bytes, before + 9);
    gather(&heap);
    assert_non_null(strstr(heap.notes.bytes, "lifetimes: "));
    gs_gather_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_class_ends_where_the_next_begins),
        cmocka_unit_test(threads_count_together),
        cmocka_unit_test(a_block_that_is_freed_has_a_lifetime),
        cmocka_unit_test(what_is_in_use_is_counted_apart),
        cmocka_unit_test(known_mixtures_are_estimated),
        cmocka_unit_test_setup_teardown(functions_are_told_by_what_their_blocks_live, begin, end),
        cmocka_unit_test_setup_teardown(what_anybody_may_have_written_is_bounded, begin, end),
        cmocka_unit_test_setup_teardown(an_incident_names_who_allocates_what_is_freed_at_once, begin, end),
        cmocka_unit_test(lifetimes_have_two_figures),
        cmocka_unit_test(a_full_table_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
