/* Did the heap grow, or was it drawn anew? And what the summary says then. Sampled every 512 KiB. */
#include "base/clock.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define MIB(n) ((int64_t)(n) << 20)

static struct gs_gathered gathered[GS_INCIDENT_KINDS_MAX], *heap;
static struct gs_report report;
static struct gs_text text;
static struct gs_incident_process process = {.pid = 1, .exe = "/bin/server", .host = "web-3"};
static struct gs_incident_context context;
static struct gs_incident_trigger trigger = {
    .rule = "high", .metric = "rss", .condition = "above", .reason = "it is", .value = NAN};

static struct gs_profile *heap_profile(void)
{
    static const char *const types[][2] = {{"alloc_objects", "count"},
                                           {"alloc_space", "bytes"},
                                           {"inuse_objects", "count"},
                                           {"inuse_space", "bytes"}};
    struct gs_profile *profile = gs_profile_new();
    for (int i = 0; i < 4; i++)
        gs_profile_add_sample_type(profile, types[i][0], types[i][1]);
    profile->period = 512 << 10;
    return profile;
}

static void an_incident(void)
{
    gs_json_use_our_memory();
    heap = gathered;
    for (size_t i = 0; gs_kinds[i].kind != GS_HEAP; i++)
        heap++;
    *heap = (struct gs_gathered){
        .profile = heap_profile(), .base = heap_profile(), .base_age_ns = 600 * GS_NS_PER_S};
    report = (struct gs_report){.trigger = &trigger,
                                .context = &context,
                                .process = &process,
                                .build_id = "",
                                .folder = "d",
                                .steps = gs_json_array(),
                                .notes = gs_json_array(),
                                .errors = gs_json_array()};
}

static int begin(void **state)
{
    (void)state;
    an_incident();
    return 0;
}

static int end(void **state)
{
    (void)state;
    gs_profile_free(heap->profile);
    gs_profile_free(heap->base);
    json_decref(report.steps.json);
    json_decref(report.notes.json);
    json_decref(report.errors.json);
    gs_text_fini(&text);
    return 0;
}

static void add(struct gs_profile *profile, const char *function, int64_t allocated, int64_t in_use,
                int64_t size)
{
    struct gs_line line = {gs_profile_add_function(profile, function, function, "", 0), 0};
    uint32_t location = gs_profile_add_location(
        profile,
        &(struct gs_location){.address = 4096 + (uint64_t)function[0], .line_count = 1, .line = &line});
    int64_t value[] = {allocated, allocated * size, in_use, in_use * size};
    gs_profile_append_sample(profile, &(struct gs_sample){.location = &location, .value = value, .depth = 1});
}

/* FUNCTION's blocks of SIZE bytes, in MiB: at the baseline it had allocated and in use THEN; now it has allocated ALLOCATED in all
 * and NOW in use. The first letter of a name is its address. */
static void blocks(const char *function, int64_t size, int then, int allocated, int now)
{
    add(heap->base, function, MIB(then) / size, MIB(then) / size, size);
    add(heap->profile, function, MIB(allocated) / size, MIB(now) / size, size);
}

static const char *summary(void)
{
    gs_incident_find(&report, gathered);
    gs_incident_write_summary(&report, &text);
    return text.bytes;
}

static const char *culprit(void)
{
    return report.findings.culprit.function ? report.findings.culprit.kind : "none";
}

/* 100 MiB of small blocks, all renewed several times: their estimates differ by sqrt(2 * 100 MiB * 512 KiB), 10 MiB. */
static void what_was_renewed_did_not_grow_by_a_sampling_error(void **state)
{
    (void)state;
    blocks("make_table", 1024, 300, 300, 300);
    blocks("renew", 64, 80, 1000, 100);
    assert_non_null(strstr(
        summary(), "\nNothing grew since the baseline 10 min ago; what holds the heap, by whole stacks\n"
                   "     300 MiB   75 %  make_table\n     100 MiB   25 %  renew\n"));
    assert_null(strstr(text.bytes, "What grew"));
    assert_string_equal(culprit(), "in_use");
    assert_string_equal(report.findings.culprit.function, "make_table");
}

/* Four standard errors. */
static void what_was_renewed_and_grew_by_more_did_grow(void **state)
{
    (void)state;
    blocks("make_table", 1024, 300, 300, 300);
    blocks("renew", 64, 60, 1000, 100);
    assert_non_null(
        strstr(summary(),
               "\nWhat grew since the baseline 10 min ago, by whole stacks\n      40 MiB  100 %  renew\n"));
    assert_null(strstr(text.bytes, "what holds the heap"));
    assert_null(strstr(text.bytes, "What holds the heap"));
    assert_string_equal(culprit(), "growth");
    assert_string_equal(report.findings.culprit.function, "renew");
}

/* Nothing of it was freed: the samples of then are still there, and 20 MiB more. There is no error. */
static void what_only_grew_grew_by_as_much(void **state)
{
    (void)state;
    blocks("make_table", 1024, 300, 320, 320);
    assert_non_null(strstr(
        summary(),
        "\nWhat grew since the baseline 10 min ago, by whole stacks\n      20 MiB  100 %  make_table\n"));
}

/* A block of 50 MiB is always sampled. */
static void a_large_block_is_no_matter_of_luck(void **state)
{
    (void)state;
    blocks("make_table", 1024, 300, 300, 300);
    blocks("renew", MIB(10), 40, 1000, 60);
    (void)summary();
    assert_string_equal(culprit(), "growth");
}

static void less_than_a_hundredth_of_the_heap_is_nothing(void **state)
{
    (void)state;
    blocks("make_table", 1024, 300, 302, 302);
    assert_non_null(strstr(summary(), "\nNothing grew"));
}

/* The climb of 200 MiB began 20 minutes ago, the baseline is 10 minutes old, and 20 MiB came since. */
static void a_baseline_of_the_middle_of_the_climb_is_said_to_be_one(void **state)
{
    (void)state;
    report.findings.climb = (struct gs_climb){1200 * GS_NS_PER_S, (double)MIB(200)};
    blocks("make_table", 1024, 280, 280, 280);
    blocks("renew", 64, 0, 20, 20);
    assert_non_null(
        strstr(summary(),
               "\nThe oldest baseline, 10 min ago, is younger than the climb, which began 20 min ago: growth "
               "before it is not shown\n"));
    assert_non_null(
        strstr(text.bytes,
               "\nWhat grew since the baseline 10 min ago, by whole stacks\n      20 MiB  100 %  renew\n\n"
               "What holds the heap, by whole stacks\n     280 MiB 93.3 %  make_table\n"));
    assert_string_equal(culprit(), "in_use");
}

/* It goes on as before: half of the time, half of the climb. */
static void growth_at_the_pace_of_the_climb_is_of_it(void **state)
{
    (void)state;
    report.findings.climb = (struct gs_climb){1200 * GS_NS_PER_S, (double)MIB(40)};
    blocks("make_table", 1024, 280, 280, 280);
    blocks("renew", 64, 0, 20, 20);
    assert_non_null(strstr(summary(), "growth before it is not shown"));
    assert_null(strstr(text.bytes, "What holds the heap"));
    assert_string_equal(culprit(), "growth");
}

/* The allocator is not seen: no heading stands over nothing. */
static void a_heap_that_is_not_seen_is_not_described(void **state)
{
    (void)state;
    assert_null(strstr(summary(), "heap"));
    assert_string_equal(culprit(), "none");
}

/* COUNT descriptors that FUNCTION opened. */
static void descriptors(struct gs_gathered *fds, const char *function, int64_t count)
{
    gs_profile_add_named_sample(fds->profile, function, &count, NULL, 0);
}

static struct gs_gathered *fds_gathered(void)
{
    struct gs_gathered *fds = gathered;
    for (size_t i = 0; gs_kinds[i].kind != GS_FDS; i++)
        fds++;
    *fds = (struct gs_gathered){.profile = gs_profile_new()};
    gs_profile_add_sample_type(fds->profile, "descriptors", "count");
    gs_text_add(&fds->summary, "\nOpen descriptors, 300 in all: 300 files\n");
    return fds;
}

/* A rule on descriptors with a heap that grew: it did not open them. */
static void the_heap_opens_no_descriptors(void **state)
{
    struct gs_gathered *fds = fds_gathered();
    (void)state;
    trigger.metric = "fds";
    descriptors(fds, GS_NOT_SEEN, 300);
    blocks("make_table", 1024, 280, 380, 380);
    assert_non_null(
        strstr(summary(), "\nCulprit: none found (it was not seen who opened the descriptors)\n"));
    assert_non_null(strstr(text.bytes, "\n\nOpen descriptors, 300 in all: 300 files\n"));
    trigger.metric = "rss";
    gs_gather_fini(fds);
}

/* 210 of 300, in two functions; 60 were not seen to be opened. */
static void who_opened_most_descriptors_is_named(void **state)
{
    struct gs_gathered *fds = fds_gathered();
    (void)state;
    trigger.metric = "fds";
    descriptors(fds, GS_NOT_SEEN, 60);
    descriptors(fds, "open_log", 30);
    descriptors(fds, "accept_peer", 210);
    assert_non_null(
        strstr(summary(), "\nCulprit: accept_peer: opened 210 of 300 descriptors, 70 % of all\n"));
    assert_string_equal(culprit(), "fds");
    assert_int_equal(report.findings.culprit.doubts & GS_DOUBT_RUNNER_UP, 0);
    trigger.metric = "rss";
    gs_gather_fini(fds);
}

/* Most were not seen to be opened: nobody is blamed for them, and the culprit is in doubt. */
static void what_was_not_seen_is_a_doubt_and_no_culprit(void **state)
{
    struct gs_gathered *fds = fds_gathered();
    (void)state;
    trigger.metric = "fds";
    descriptors(fds, "accept_peer", 100);
    descriptors(fds, GS_NOT_SEEN, 160);
    descriptors(fds, "open_log", 40);
    assert_non_null(strstr(summary(), "\nCulprit: accept_peer: opened 100 of 300 descriptors, 33.3 % of all\n"
                                      "  not certain: [not seen] has more, 53.3 %\n"));
    trigger.metric = "rss";
    gs_gather_fini(fds);
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_was_renewed_did_not_grow_by_a_sampling_error),
        STORY(what_was_renewed_and_grew_by_more_did_grow),
        STORY(what_only_grew_grew_by_as_much),
        STORY(a_large_block_is_no_matter_of_luck),
        STORY(less_than_a_hundredth_of_the_heap_is_nothing),
        STORY(a_baseline_of_the_middle_of_the_climb_is_said_to_be_one),
        STORY(growth_at_the_pace_of_the_climb_is_of_it),
        STORY(a_heap_that_is_not_seen_is_not_described),
        STORY(the_heap_opens_no_descriptors),
        STORY(who_opened_most_descriptors_is_named),
        STORY(what_was_not_seen_is_a_doubt_and_no_culprit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
