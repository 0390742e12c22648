/* How old live blocks are: the sample type inuse_old, and what an incident says of ages. Samples are put into the probe's tables by hand,
 * with the time of their allocation. */
#include "base/clock.h"
#include "gather/inside.h"
#include "incident/inside.h"
#include "probe/heap/inside.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define SECOND GS_NS_PER_S
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)
#define MIB(n) ((uint64_t)(n) << 20)
enum { ONE = 1 << GS_OBJECT_SHIFT };

static char memory[64][64]; // addresses of blocks
static int blocks;
static int64_t now_ns;

static uint32_t site(uintptr_t offset)
{
    uintptr_t frames[] = {(uintptr_t)site + offset, (uintptr_t)memcmp};
    return gs_heap_stack_intern(frames, 2, false, 0);
}

/* A sample that stands for one object of BYTES, taken AGE_NS ago; COUNTED: the stack's counters have it, too. */
static void block(uint32_t stack, uint64_t bytes, int64_t age_ns, bool counted)
{
    struct gs_live live = {
        .stack = stack, .objects = ONE, .bytes = bytes, .born_ns = (uint64_t)(now_ns - age_ns)};
    assert_true(gs_heap_live_insert(memory[blocks++], &live));
    if (counted)
        gs_heap_stack_count_alloc(stack, ONE, bytes);
}

static int begin(void **state)
{
    (void)state;
    gs_json_use_our_memory();
    now_ns = gs_clock_monotonic_ns();
    return 0;
}

/* Nothing is in use for the next story. */
static int end(void **state)
{
    struct gs_live live;
    (void)state;
    while (blocks > 0)
        assert_true(gs_heap_live_take(memory[--blocks], &live));
    for (uint32_t stack = 0; stack < gs_probe_stack_count(); stack++) {
        struct gs_heap_counts counts = gs_probe_stack_counts(stack);
        gs_heap_stack_count_free(stack, counts.inuse_objects, counts.inuse_space);
    }
    return 0;
}

/* The heap profile; with a baseline that is an hour old, or without. */
static void gather(struct gs_gathered *out, bool baseline)
{
    struct gs_baselines *baselines = gs_gather_baselines_new(NULL);
    struct gs_maps *maps = gs_symbol_maps_read(0);
    if (baseline)
        gs_gather_baselines_tick(baselines, now_ns - 2 * HOUR, 1, now_ns - HOUR);
    const struct gs_gather how = {
        .maps = maps, .baselines = baselines, .now_ns = now_ns, .start_ns = now_ns - DAY, .reason = "test"};
    *out = (struct gs_gathered){0};
    assert_int_equal(gs_gather(GS_HEAP, &how, out), 0);
    gs_gather_baselines_free(baselines);
    gs_symbol_maps_free(maps);
}

/* What PROFILE has of TYPE in the stack at OFFSET. */
static int64_t value(const struct gs_profile *profile, uintptr_t offset, const char *type)
{
    int64_t sum = 0;
    int at = gs_profile_sample_type(profile, type);
    assert_true(at >= 0);
    for (size_t i = 0; i < profile->sample_count; i++) {
        const struct gs_sample *sample = &profile->sample[i];
        if (profile->location[sample->location[0]].address == (uintptr_t)site + offset - 1)
            sum += sample->value[at];
    }
    return sum;
}

static void blocks_are_told_apart_by_their_age(void **state)
{
    struct gs_gathered heap;
    uint32_t a = site(10), b = site(11);
    (void)state;
    gs_heap_stack_count_alloc(a, 7 * ONE, 7000);
    gs_heap_stack_count_free(a, 7 * ONE, 7000); // allocated, and freed again
    block(a, 100, 5 * SECOND, true);
    block(a, 300, 2 * HOUR, true);
    block(a, 40, 2 * HOUR + SECOND, true);
    block(a, 2000, 8 * DAY, true);
    block(b, 60, 59 * SECOND, true);
    block(b, 7, HOUR - SECOND, true);
    gather(&heap, true);
    assert_string_equal(heap.profile->sample_type[4].type, "inuse_space");
    assert_int_equal(heap.profile->default_sample_type, 4);
    assert_int_equal(value(heap.profile, 10, "inuse_space"), 2440);
    assert_int_equal(value(heap.profile, 10, "inuse_objects"), 4);
    assert_int_equal(value(heap.profile, 10, "alloc_space"), 9440);
    assert_int_equal(value(heap.profile, 10, "inuse_old"), 2340);
    assert_int_equal(value(heap.profile, 11, "inuse_space"), 67);
    assert_int_equal(value(heap.profile, 11, "inuse_old"), 0);
    static const uint64_t older[GS_AGE_CLASSES] = {2507, 2407, 2347, 2347, 2340, 2000, 2000, 2000};
    assert_memory_equal(heap.ages.older, older, sizeof older);
    assert_int_equal(heap.ages.older_than_baseline, 2340);
    assert_true(heap.ages.known && heap.ages.baseline);
    gs_gather_fini(&heap);
}

/* A block that was allocated just before the baseline was taken is in it. */
static void the_baseline_has_the_types_of_the_profile(void **state)
{
    struct gs_gathered heap;
    uint32_t a = site(12);
    (void)state;
    block(a, 500, HOUR, true);
    gather(&heap, true); // the baseline is taken now, but called an hour old
    assert_int_equal(heap.base->sample_type_count, heap.profile->sample_type_count);
    assert_int_equal(value(heap.base, 12, "inuse_space"), 500);
    assert_int_equal(value(heap.base, 12, "inuse_old"), 500);
    assert_int_equal(value(heap.profile, 12, "inuse_old"), 500);
    assert_int_equal(gs_profile_subtract(heap.profile, heap.base), 0);
    assert_int_equal(heap.profile->sample_count, 0);
    gs_gather_fini(&heap);
}

static void nothing_is_older_than_no_baseline(void **state)
{
    struct gs_gathered heap;
    uint32_t a = site(13);
    (void)state;
    block(a, 500, 9 * DAY, true);
    gather(&heap, false);
    assert_null(heap.base);
    assert_int_equal(value(heap.profile, 13, "inuse_old"), 0);
    assert_true(heap.ages.known && !heap.ages.baseline);
    assert_int_equal(heap.ages.older[GS_AGE_CLASSES - 1], 500);
    gs_gather_fini(&heap);
}

/* The table is read before the counters: what has come meanwhile is young, what has gone is taken off the youngest. */
static void the_sum_is_the_counters(void **state)
{
    struct gs_ages ages;
    uint32_t a = site(20), b = site(21), c = site(22);
    (void)state;
    block(a, 300, 2 * HOUR, true);
    gs_heap_stack_count_alloc(a, ONE, 50);
    block(b, 300, 2 * HOUR, true);
    block(b, 100, 5 * SECOND, false);
    block(c, 300, 2 * HOUR, false);
    gs_heap_stack_count_alloc(c, ONE / 2, 10);
    assert_true(gs_gather_ages_take(&ages, now_ns, now_ns - HOUR));
    struct gs_heap_counts counts = gs_probe_stack_counts(a);
    struct gs_stack_ages of = gs_gather_ages_of(&ages, a, &counts);
    assert_int_equal(of.class[4].bytes, 300);
    assert_int_equal(of.class[0].bytes, 50);
    assert_int_equal(of.class[0].objects, ONE);
    assert_int_equal(of.old_bytes, 300);
    counts = gs_probe_stack_counts(b);
    of = gs_gather_ages_of(&ages, b, &counts);
    assert_int_equal(of.class[4].bytes, 300);
    assert_int_equal(of.class[0].bytes, 0);
    counts = gs_probe_stack_counts(c);
    of = gs_gather_ages_of(&ages, c, &counts);
    assert_int_equal(of.class[4].bytes, 10);
    assert_int_equal(of.class[4].objects, ONE / 2);
    assert_int_equal(of.old_bytes, 10);
    of = gs_gather_ages_of(&ages, ages.count, &counts); // a stack that came after the table was read
    assert_int_equal(of.class[0].bytes, 10);
    assert_int_equal(of.old_bytes, 0);
    gs_gather_ages_fini(&ages);
}

static void says(const struct gs_heap_ages *ages, const char *wanted)
{
    struct gs_text text = {0};
    struct gs_incident_findings findings = {.ages = *ages, .base_age_ns = 2 * HOUR};
    gs_incident_add_ages(&text, &findings);
    assert_string_equal(text.bytes ? text.bytes : "", wanted);
    gs_text_fini(&text);
}

static void an_incident_says_how_old_most_of_the_heap_is(void **state)
{
    (void)state;
    struct gs_heap_ages leak = {.known = true,
                                .baseline = true,
                                .older = {MIB(1200), MIB(1190), MIB(1100), MIB(1000), MIB(900), MIB(300)},
                                .older_than_baseline = MIB(870)};
    says(&leak,
         "\nOf 1.2 GiB in use, 900 MiB (75 %) are older than 1 h, 870 MiB (72.5 %) older than the baseline "
         "(2 h)\n");
    says(&(struct gs_heap_ages){.known = true, .older = {MIB(100), MIB(30)}},
         "\nOf 100 MiB in use, 70 MiB (70 %) are younger than 10 s\n");
    says(&(struct gs_heap_ages){.known = true, .older = {MIB(100), MIB(50), MIB(49)}},
         "\nOf 100 MiB in use, 50 MiB (50 %) are older than 10 s\n");
    says(&(struct gs_heap_ages){.known = false}, "");
    says(&(struct gs_heap_ages){.known = true}, "");
}

static void what_it_says_can_be_read_back(void **state)
{
    (void)state;
    struct gs_heap_ages ages = {
        .known = true, .baseline = true, .older = {9, 8, 7, 6, 5, 4, 3, 2}, .older_than_baseline = 5};
    json_t *json = gs_incident_ages_json(&ages);
    struct gs_heap_ages read = gs_incident_read_ages(json);
    assert_true(read.known && read.baseline);
    assert_memory_equal(read.older, ages.older, sizeof ages.older);
    assert_int_equal(read.older_than_baseline, 5);
    assert_true(json_number_value(json_object_get(json_array_get(json_object_get(json, "classes"), 4),
                                                  "older_than_s")) == 3600);
    json_decref(json);
    ages.known = false;
    json = gs_incident_ages_json(&ages);
    assert_true(json_is_null(json) && !gs_incident_read_ages(json).known);
    json_decref(json);
}

/* Anybody may have written it: what is older never is more. */
static void lies_are_cut(void **state)
{
    (void)state;
    json_t *json = json_pack("{s:[{s:i},{s:i},{s:i},{},{s:i},{},{},{s:s}], s:i}", "classes", "bytes", 10,
                             "bytes", 50, "bytes", -7, "bytes", 3, "bytes", "x", "older_than_baseline", 99);
    struct gs_heap_ages read = gs_incident_read_ages(json);
    static const uint64_t older[GS_AGE_CLASSES] = {10, 10};
    assert_memory_equal(read.older, older, sizeof older);
    assert_int_equal(read.older_than_baseline, 10);
    json_decref(json);
    assert_false(gs_incident_read_ages(NULL).known);
}

static struct gs_profile *two_types(const char *first, const char *second, int64_t a, int64_t b)
{
    struct gs_profile *profile = gs_profile_new();
    gs_profile_add_sample_type(profile, first, "bytes");
    gs_profile_add_sample_type(profile, second, "bytes");
    profile->default_sample_type = 1;
    gs_profile_add_named_sample(profile, "f", (const int64_t[]){a, b}, NULL, 0);
    return profile;
}

static void profiles_are_compared_by_what_both_have(void **state)
{
    (void)state;
    struct gs_profile *now = two_types("inuse_old", "inuse_space", 10, 100),
                      *base = two_types("inuse_space", "more", 30, 5);
    gs_profile_keep_common_types(now, base);
    assert_int_equal(now->sample_type_count, 1);
    assert_string_equal(now->sample_type[now->default_sample_type].type, "inuse_space");
    assert_int_equal(gs_profile_subtract(now, base), 0);
    assert_int_equal(now->sample[0].value[0], 70);
    gs_profile_free(now);
    gs_profile_free(base);
    now = two_types("a", "b", 1, 2), base = two_types("c", "d", 3, 4);
    gs_profile_keep_common_types(now, base);
    assert_int_equal(now->sample_type_count, 2);
    assert_int_equal(gs_profile_subtract(now, base), -EINVAL);
    gs_profile_free(now);
    gs_profile_free(base);
    now = two_types("a", "a", 1, 2), base = two_types("b", "a", 3, 4); // a damaged file
    gs_profile_keep_common_types(now, base);
    assert_int_equal(now->sample_type_count, 1);
    assert_int_equal(base->sample_type_count, 1);
    assert_int_equal(base->sample[0].value[0], 4);
    gs_profile_free(now);
    gs_profile_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blocks_are_told_apart_by_their_age, begin, end),
        cmocka_unit_test_setup_teardown(the_baseline_has_the_types_of_the_profile, begin, end),
        cmocka_unit_test_setup_teardown(nothing_is_older_than_no_baseline, begin, end),
        cmocka_unit_test_setup_teardown(the_sum_is_the_counters, begin, end),
        cmocka_unit_test(an_incident_says_how_old_most_of_the_heap_is),
        cmocka_unit_test(what_it_says_can_be_read_back),
        cmocka_unit_test(lies_are_cut),
        cmocka_unit_test(profiles_are_compared_by_what_both_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
