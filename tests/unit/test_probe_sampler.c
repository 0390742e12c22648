/* The sampler as a host's pool would use it: blocks come and go, and the estimate follows. Blocks are addresses of one
 * array: their bytes are never touched. */
#include "probe/heap/inside.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

enum { BLOCKS = 1 << 20 };
static char block[BLOCKS * 16]; // an address for each

static uint64_t sum_of_stacks(void)
{
    uint64_t sum = 0;
    for (uint32_t stack = 0; stack < gs_probe_stack_count(); stack++)
        sum += gs_probe_stack_counts(stack).inuse_space;
    return sum;
}

static void watch_every(uint64_t bytes)
{
    struct gs_probe_settings settings = {.sample_bytes = bytes, .depth = 16};
    gs_probe_start(&settings);
    static uint64_t seed; // the same draws in every run
    uint64_t random = ++seed * 0x9e3779b97f4a7c15u;
    gs_thread = (struct gs_thread){.ready = true, .distance = bytes, .countdown = gs_heap_draw_gap(gs_heap_random(&random), bytes)};
    gs_thread.random = random;
}

static void take_blocks(int count, size_t size)
{
    for (int i = 0; i < count; i++)
        gs_probe_note_alloc(&block[i * 16], size);
}

static void free_blocks(int count)
{
    for (int i = 0; i < count; i++)
        gs_probe_note_free(&block[i * 16]);
}

/* 2^20 blocks of 32 bytes are 32 MiB; sampled every 16 KiB that is 2048 samples: a standard error of 2.2 %. */
static void small_blocks_are_estimated(void **state)
{
    (void)state;
    watch_every(16384);
    uint64_t before = gs_probe_heap_in_use();
    take_blocks(BLOCKS, 32);
    double estimate = (double)(gs_probe_heap_in_use() - before), truth = 32.0 * BLOCKS;
    assert_true(fabs(estimate - truth) < 0.10 * truth);
    assert_int_equal(sum_of_stacks(), gs_probe_heap_in_use());
    free_blocks(BLOCKS);
    assert_int_equal(gs_probe_heap_in_use(), before);
    assert_int_equal(sum_of_stacks(), before);
}

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool is_ours(const struct gs_live_sample *sample)
{
    return sample->address >= (uintptr_t)block && sample->address < (uintptr_t)block + sizeof block;
}

static int64_t find_ours(uint64_t *bytes, size_t size, int64_t not_before_ns)
{
    const int64_t step = 4096;
    struct gs_live_sample sample;
    int64_t found = 0;
    *bytes = 0;
    for (size_t at = 0; gs_probe_live_next(&at, &sample);) {
        if (!is_ours(&sample))
            continue;
        found++;
        *bytes += sample.bytes;
        assert_true(sample.born_ns > not_before_ns - step && sample.born_ns <= monotonic_ns());
        assert_int_equal(llround((double)(sample.bytes << GS_OBJECT_SHIFT) / (double)sample.objects), size);
    }
    return found;
}

/* The table of live samples has the blocks, the time of their allocation and their size; what was freed is not in it. */
static void live_samples_are_listed(void **state)
{
    (void)state;
    uint64_t bytes, before = gs_probe_heap_in_use();
    watch_every(16384);
    int64_t began_ns = monotonic_ns();
    take_blocks(BLOCKS / 4, 48);
    assert_true(find_ours(&bytes, 48, began_ns) > 100);
    assert_int_equal(bytes, gs_probe_heap_in_use() - before);
    free_blocks(BLOCKS / 4);
    assert_int_equal(find_ours(&bytes, 48, began_ns), 0);
}

/* A block 64 times the distance is always sampled, and stands for itself: to the byte. */
static void large_blocks_are_exact(void **state)
{
    (void)state;
    watch_every(16384);
    take_blocks(100, 1 << 20);
    assert_int_equal(gs_probe_heap_in_use(), 100ull << 20);
    free_blocks(100);
    assert_int_equal(gs_probe_heap_in_use(), 0);
}

/* Forty seeds, sizes from 1 byte to beyond the distance mixed: the mean of the relative errors lies within three of its
 * own standard errors of zero. */
static void the_estimate_is_unbiased(void **state)
{
    (void)state;
    enum { SEEDS = 40, COUNT = 40000 };
    const size_t sizes[] = {1, 8, 24, 100, 1000, 8191, 8192, 30000};
    double sum = 0, squares = 0;
    for (int seed = 0; seed < SEEDS; seed++) {
        double truth = 0;
        watch_every(8192);
        for (int i = 0; i < COUNT; i++) {
            size_t size = sizes[i % 8];
            gs_probe_note_alloc(&block[i * 16], size);
            truth += (double)size;
        }
        double error = (double)gs_probe_heap_in_use() / truth - 1;
        sum += error;
        squares += error * error;
        free_blocks(COUNT);
        assert_int_equal(gs_probe_heap_in_use(), 0);
    }
    double mean = sum / SEEDS, standard_error = sqrt((squares / SEEDS - mean * mean) / SEEDS);
    if (fabs(mean) > 3 * standard_error)
        fail_msg("mean error %g, standard error %g", mean, standard_error);
}

/* NULL has a place in the filter like any address. Where a live block shares it, free(NULL) comes as far as the table,
 * whose empty places are NULL: nothing is taken out. */
static void freeing_null_takes_nothing_out(void **state)
{
    (void)state;
    struct gs_live live = {.stack = GS_STACK_TABLE_FULL, .objects = 1, .bytes = 100}, taken;
    uintptr_t at = 16;
    while (gs_filter_index((void *)at) != gs_filter_index(NULL))
        at += 16;
    assert_true(gs_heap_live_insert((void *)at, &live));
    assert_true(gs_maybe_sampled(NULL));
    assert_false(gs_heap_live_take(NULL, &taken));
    assert_true(gs_maybe_sampled((void *)at));
    assert_true(gs_heap_live_take((void *)at, &taken));
    assert_int_equal(taken.bytes, 100);
    assert_false(gs_maybe_sampled(NULL));
}

static double live_objects(void)
{
    double sum = 0;
    for (uint32_t s = 0; s < gs_probe_stack_count(); s++)
        sum += (double)gs_probe_stack_counts(s).inuse_objects / (1 << GS_OBJECT_SHIFT);
    return sum;
}

/* Blocks of no size hold no byte that a sample could fall on, and are seen all the same, each as one object, whatever stands
 * between them: 40 seeds. The mean of the relative errors lies within six of its standard errors of zero. */
static void empty_blocks_are_not_invisible(void **state)
{
    const struct empty_blocks {
        size_t size;         // of the other blocks
        int others, empties; // so many of each in turn
    } mixes[] = {{24, 1, 1}, {24, 7, 1}, {1000, 1, 3}, {100, 3, 20}, {30000, 1, 1}, {2000, 1, 500}};
    enum { SEEDS = 40, COUNT = 30000 };
    (void)state;
    for (size_t m = 0; m < sizeof mixes / sizeof *mixes; m++) {
        const struct empty_blocks *mix = &mixes[m];
        double sum = 0, squares = 0;
        for (int seed = 0; seed < SEEDS; seed++) {
            watch_every(8192);
            double before = live_objects(), truth = 0;
            for (int i = 0; i < COUNT; i++) { // the empty ones stay
                bool empty = i % (mix->others + mix->empties) >= mix->others;
                gs_probe_note_alloc(&block[i * 16], empty ? 0 : mix->size);
                truth += empty;
                if (!empty)
                    gs_probe_note_free(&block[i * 16]);
            }
            double error = (live_objects() - before) / truth - 1;
            sum += error;
            squares += error * error;
            free_blocks(COUNT);
            assert_true(fabs(live_objects() - before) < 0.01);
        }
        double mean = sum / SEEDS, standard_error = sqrt((squares / SEEDS - mean * mean) / SEEDS);
        if (standard_error > 0.2 || fabs(mean) > 6 * standard_error)
            fail_msg("mix %zu: mean error %g, standard error %g", m, mean, standard_error);
    }
}

/* A thread allocates nothing else. One in about its square root of them is taken, so the table is not filled with them. */
static void a_thread_of_empty_blocks_is_seen(void **state)
{
    (void)state;
    watch_every(512 << 10);
    gs_thread = (struct gs_thread){0};
    double before = live_objects();
    take_blocks(BLOCKS, 0);
    assert_true(fabs(live_objects() - before - BLOCKS) < 0.2 * BLOCKS); // the standard error is 2.9 %
    size_t taken = 0, at = 0;
    for (struct gs_live_sample sample; gs_probe_live_next(&at, &sample);)
        taken++;
    assert_true(taken > 1000 && taken < 4000);
    free_blocks(BLOCKS);
    assert_true(fabs(live_objects() - before) < 0.01);
    assert_int_equal(gs_probe_heap_in_use(), 0);
}

static void nothing_is_sampled_while_stopped(void **state)
{
    (void)state;
    gs_probe_stop();
    gs_thread = (struct gs_thread){0};
    take_blocks(1000, 1 << 20);
    assert_int_equal(gs_probe_heap_in_use(), 0);
}

/* What was sampled before a stop is followed to its end, so that a later start begins true. */
static void frees_count_while_stopped(void **state)
{
    (void)state;
    watch_every(16384);
    take_blocks(10, 1 << 20);
    gs_probe_stop();
    free_blocks(10);
    assert_int_equal(gs_probe_heap_in_use(), 0);
}

/* 4 GiB in blocks of 4 KiB, all of which are sampled at first: 64 MiB on, the tables are crowded and the distance
 * doubles, again and again. None is dropped, the estimate stays true - each step adds about 1 Ki samples, so that the
 * last of them carry an error of some 3 % - and as the blocks go the distance comes back. */
static void a_crowded_table_widens_the_distance(void **state)
{
    (void)state;
    watch_every(16);
    uint64_t drops = gs_probe_drops().samples;
    assert_int_equal(gs_probe_sampling().bytes, 16);
    take_blocks(BLOCKS, 4096);
    double truth = 4096.0 * BLOCKS;
    assert_true(fabs((double)gs_probe_heap_in_use() - truth) < 0.12 * truth);
    assert_true(gs_probe_sampling().for_crowding >= 8 && gs_probe_sampling().bytes == 16ull << gs_probe_sampling().for_crowding);
    assert_int_equal(gs_probe_drops().samples, drops);
    assert_int_equal(sum_of_stacks(), gs_probe_heap_in_use());
    free_blocks(BLOCKS);
    assert_int_equal(gs_probe_heap_in_use(), 0);
    assert_int_equal(gs_probe_sampling().for_crowding, 0);
}

/* The governor's doublings come on top, and every estimate is weighed with the distance it was drawn with. */
static void the_governor_widens_the_distance(void **state)
{
    (void)state;
    watch_every(1024);
    gs_probe_widen(4);
    assert_int_equal(gs_probe_sampling().bytes, 16384);
    take_blocks(BLOCKS, 64); // 64 MiB every 16 KiB: 4096 samples, 1.6 %
    assert_true(fabs((double)gs_probe_heap_in_use() - 64.0 * BLOCKS) < 0.08 * 64.0 * BLOCKS);
    gs_probe_widen(0);
    assert_int_equal(gs_probe_sampling().bytes, 1024);
    free_blocks(BLOCKS);
    assert_int_equal(gs_probe_heap_in_use(), 0);
}

/* What no place is left for is refused, and what has a place is found again. */
static void a_full_table_refuses(void **state)
{
    (void)state;
    struct gs_live live = {.stack = GS_STACK_TABLE_FULL, .objects = 1, .bytes = 7}, taken;
    static bool in[BLOCKS];
    int refused = 0;
    for (int i = 0; i < BLOCKS; i++)
        refused += !(in[i] = gs_heap_live_insert(&block[i * 16], &live));
    assert_true(refused > 0 && refused < BLOCKS);
    for (int i = 0; i < BLOCKS; i++)
        assert_int_equal(gs_heap_live_take(&block[i * 16], &taken), in[i]);
}

/* The watcher sleeps for a minute; the line is crossed; it wakes for the alarm, once. */
static void the_alarm_rings_once(void **state)
{
    (void)state;
    watch_every(16384);
    gs_probe_alarm_at(50 << 20);
    take_blocks(49, 1 << 20);
    assert_int_equal(gs_probe_wait(0), GS_WAKE_TIMEOUT);
    gs_probe_note_alloc(&block[16 * 200], 1 << 20);
    assert_int_equal(gs_probe_wait(60000000000), GS_WAKE_ALARM);
    gs_probe_note_alloc(&block[16 * 201], 1 << 20);
    assert_int_equal(gs_probe_wait(0), GS_WAKE_TIMEOUT);
    free_blocks(202);
}

static void an_alarm_below_the_present_rings_at_once(void **state)
{
    (void)state;
    watch_every(16384);
    take_blocks(10, 1 << 20);
    gs_probe_alarm_at(5 << 20);
    assert_int_equal(gs_probe_wait(60000000000), GS_WAKE_ALARM);
    free_blocks(10);
}

static void gauges_are_told_apart_by_name(void **state)
{
    (void)state;
    double value;
    char name[] = "queue.length";
    assert_false(gs_probe_gauge_read("queue.length", &value));
    gs_probe_gauge(name, 17);
    name[0] = 'Q'; // ours is a copy
    assert_true(gs_probe_gauge_read("queue.length", &value));
    assert_true(value == 17);
    gs_probe_gauge("queue.length", 18.5);
    assert_true(gs_probe_gauge_read("queue.length", &value) && value == 18.5);
}

static void bad_and_too_many_gauges_are_refused_and_counted(void **state)
{
    (void)state;
    const char *bad[] = {"Has.Capitals\n", "", "space d", "a.name.that.is.forty.one.characters.long.x", NULL}, *first;
    uint64_t before = gs_probe_gauges_refused(&first);
    assert_string_equal(first, "");
    double value;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        gs_probe_gauge(bad[i], 1);
    assert_int_equal(gs_probe_gauges_refused(&first) - before, 5);
    assert_string_equal(first, "Has.Capitals?");
    for (int i = 0; i < GS_GAUGES_MAX + 5; i++) {
        char name[] = {'g', (char)('a' + i / 10), (char)('0' + i % 10), 0};
        gs_probe_gauge(name, i);
    }
    assert_true(gs_probe_gauges_refused(&first) - before > 5);
    assert_string_equal(first, "Has.Capitals?");
    assert_true(gs_probe_gauge_read("ga0", &value));
    assert_non_null(gs_probe_gauge_name(GS_GAUGES_MAX - 1));
    assert_null(gs_probe_gauge_name(GS_GAUGES_MAX));
}

/* What malloc's hook does for a block at PTR. */
__attribute__((noinline)) static void malloc_returns(void *ptr, size_t size)
{
    struct gs_caller caller = GS_CALLER();
    if (gs_due(size))
        gs_heap_sampler_record(ptr, size, gs_heap_sampler_begin(size), caller);
}

/* A pool: its chunk of 100 MiB comes from malloc, and its first block of 1 MiB begins where the chunk does. Each is counted, and
 * given back, by itself, in whatever order. */
static void a_noted_block_may_lie_where_mallocs_does(void **state)
{
    enum { MIB = 1 << 20 };
    (void)state;
    watch_every(16 << 10);
    char *chunk = &block[16 * 300];
    uint64_t before = gs_probe_heap_in_use();
    malloc_returns(chunk, 100 * MIB);
    assert_int_equal(gs_probe_heap_in_use() - before, 100 * MIB);
    for (int turn = 0; turn < 3; turn++) {
        gs_probe_note_alloc(chunk, MIB);
        assert_int_equal(gs_probe_heap_in_use() - before, 101 * MIB);
        gs_probe_note_free(chunk);
        assert_int_equal(gs_probe_heap_in_use() - before, 100 * MIB);
    }
    gs_probe_note_alloc(chunk, MIB);
    gs_heap_sampler_forget(chunk); // the pool is destroyed with its block out
    assert_int_equal(gs_probe_heap_in_use() - before, MIB);
    gs_probe_note_free(chunk);
    assert_int_equal(gs_probe_heap_in_use() - before, 0);
}

/* Where the heap is, is told by addresses that a program has. */
static void a_noted_block_is_where_it_is(void **state)
{
    (void)state;
    size_t at = 0, seen = 0;
    uintptr_t address;
    gs_probe_note_alloc(&block[16 * 301], 10 << 20);
    while (gs_probe_block_next(&at, &address)) {
        assert_true(address < (uintptr_t)1 << 56);
        seen += address == (uintptr_t)&block[16 * 301];
    }
    assert_true(seen >= 1);
    gs_probe_note_free(&block[16 * 301]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_blocks_are_exact),
        cmocka_unit_test(small_blocks_are_estimated),
        cmocka_unit_test(live_samples_are_listed),
        cmocka_unit_test(the_estimate_is_unbiased),
        cmocka_unit_test(freeing_null_takes_nothing_out),
        cmocka_unit_test(empty_blocks_are_not_invisible),
        cmocka_unit_test(a_thread_of_empty_blocks_is_seen),
        cmocka_unit_test(nothing_is_sampled_while_stopped),
        cmocka_unit_test(frees_count_while_stopped),
        cmocka_unit_test(the_alarm_rings_once),
        cmocka_unit_test(an_alarm_below_the_present_rings_at_once),
        cmocka_unit_test(gauges_are_told_apart_by_name),
        cmocka_unit_test(bad_and_too_many_gauges_are_refused_and_counted),
        cmocka_unit_test(a_crowded_table_widens_the_distance),
        cmocka_unit_test(the_governor_widens_the_distance),
        cmocka_unit_test(a_full_table_refuses), // last: it fills a filter counter or two for good
        cmocka_unit_test(a_noted_block_may_lie_where_mallocs_does),
        cmocka_unit_test(a_noted_block_is_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
