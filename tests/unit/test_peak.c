/* The peak of the heap: a copy of what every stack held is made when the heap is high enough above the copy before, and the highest one is
 * kept for one to two periods. The probe's counters are changed by hand, or by a simulated program and sampler. */
#include "base/clock.h"
#include "base/memory.h"
#include "gather/inside.h"
#include "probe/heap/inside.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define KiB(n)   ((uint64_t)(n) << 10)
#define MiB(n)   ((uint64_t)(n) << 20)
#define SECOND   GS_NS_PER_S
#define DISTANCE KiB(512)

static uint32_t base, known, other; // stacks

static uint32_t site(uintptr_t offset)
{
    uintptr_t frames[] = {(uintptr_t)site + offset};
    return gs_heap_stack_intern(frames, 1, false, 0);
}

static void hold(uint32_t stack, uint64_t bytes)
{
    gs_heap_stack_count_alloc(stack, 1 << GS_OBJECT_SHIFT, bytes);
    (void)gs_heap_totals_add(bytes);
}

static void drop(uint32_t stack, uint64_t bytes)
{
    gs_heap_stack_count_free(stack, 1 << GS_OBJECT_SHIFT, bytes);
    gs_heap_totals_subtract(bytes);
}

/* An empty heap, of which no peak is known. */
static void begin(int64_t period_ns, double budget)
{
    base = site(1);
    known = site(2);
    other = site(3);
    gs_gather_peak_forget();
    gs_gather_peak_configure(&(struct gs_peak_settings){period_ns, budget});
    assert_int_equal(gs_probe_heap_in_use(), 0);
}

static uint64_t held(uint32_t stack)
{
    int64_t values[GS_HEAP_VALUES];
    gs_gather_peak_values(stack, values);
    return (uint64_t)values[GS_INUSE_SPACE];
}

/* ---- by hand --------------------------------------------------------------------------------------------------------------- */

static void a_peak_between_two_ticks_is_kept(void **state)
{
    (void)state;
    begin(3600 * SECOND, 1);
    assert_true(gs_gather_peak_line() == UINT64_MAX); // nothing to be above, before the first tick
    hold(base, MiB(100));
    assert_true(gs_gather_peak_tick(1 * SECOND));
    assert_int_equal(gs_gather_peak_line(), MiB(105));
    hold(known, MiB(4));
    assert_false(gs_gather_peak_look(1 * SECOND + 1, false)); // 104 MiB: less than 5 % above
    hold(known, MiB(56));
    assert_true(gs_gather_peak_look(1 * SECOND + 2, true));
    drop(known, MiB(60));
    hold(other, MiB(30));
    assert_false(gs_gather_peak_tick(2 * SECOND));
    assert_int_equal(gs_gather_peak_time_ns(), 1 * SECOND + 2);
    assert_int_equal(held(base), MiB(100));
    assert_int_equal(held(known), MiB(60));
    assert_int_equal(held(other), 0);
    assert_int_equal(gs_gather_peak_line(), MiB(168));
    drop(other, MiB(30));
    drop(base, MiB(100));
}

static void what_is_over_before_the_watcher_looks_is_said_but_not_copied(void **state)
{
    (void)state;
    begin(3600 * SECOND, 1);
    hold(base, MiB(100));
    assert_true(gs_gather_peak_tick(1 * SECOND));
    hold(known, MiB(100));
    drop(known, MiB(100));
    assert_false(gs_gather_peak_look(2 * SECOND, true));
    assert_int_equal(held(known), 0);
    assert_int_equal(gs_gather_peak_highest_bytes(), MiB(200));
    for (int i = 0; i < 7; i++) // a tooth that is always over too soon does not wake the watcher for ever
        assert_false(gs_gather_peak_look(2 * SECOND, true));
    assert_true(gs_gather_peak_line() == UINT64_MAX);
    assert_false(gs_gather_peak_tick(3 * SECOND));
    assert_int_equal(gs_gather_peak_line(), MiB(105));
    drop(base, MiB(100));
}

static void a_peak_is_remembered_for_one_period_and_forgotten_after_two(void **state)
{
    (void)state;
    begin(3600 * SECOND, 1);
    hold(base, MiB(100));
    assert_true(gs_gather_peak_tick(1 * SECOND));
    hold(known, MiB(100));
    assert_true(gs_gather_peak_look(3599 * SECOND, true));
    drop(known, MiB(100));
    assert_false(gs_gather_peak_tick(3601 * SECOND)); // the next period: 100 MiB are its highest, 200 those of the last
    assert_int_equal(held(known), MiB(100));
    assert_int_equal(gs_gather_peak_highest_bytes(), MiB(200));
    assert_int_equal(gs_gather_peak_line(), MiB(105));
    hold(other, MiB(50));
    assert_false(gs_gather_peak_look(3700 * SECOND, true)); // copied, but it is not the peak
    assert_int_equal(held(known), MiB(100));
    drop(other, MiB(50));
    (void)gs_gather_peak_tick(7201 * SECOND);
    assert_int_equal(held(known), 0);
    assert_int_equal(held(other), MiB(50));
    assert_int_equal(gs_gather_peak_time_ns(), 3700 * SECOND);
    gs_gather_peak_configure(&(struct gs_peak_settings){0, 1}); // the rules keep none any more
    assert_int_equal(gs_gather_peak_time_ns(), 0);
    assert_true(gs_gather_peak_line() == UINT64_MAX);
    assert_false(gs_gather_peak_tick(7202 * SECOND));
    drop(base, MiB(100));
}

/* A budget so small that no copy can be paid for a second time: the next one waits. */
static void copies_keep_within_the_budget(void **state)
{
    (void)state;
    begin(3600 * SECOND, 1e-9);
    hold(base, MiB(100));
    assert_true(gs_gather_peak_tick(20 * SECOND)); // what the budget allows in ten seconds may be used at once: 2 ns
    hold(known, MiB(100));
    assert_true(gs_gather_peak_line() == UINT64_MAX);
    assert_false(gs_gather_peak_look(20 * SECOND + 1, true));
    assert_int_equal(held(known), 0);
    gs_gather_peak_configure(&(struct gs_peak_settings){3600 * SECOND, 1});
    assert_true(gs_gather_peak_tick(31 * SECOND));
    assert_int_equal(held(known), MiB(100));
    drop(known, MiB(100));
    drop(base, MiB(100));
}

static void others_get_a_copy_of_their_own(void **state)
{
    struct gs_peak peak;
    (void)state;
    begin(3600 * SECOND, 1);
    assert_false(gs_gather_peak_get(&peak));
    hold(base, MiB(100));
    assert_true(gs_gather_peak_tick(1 * SECOND));
    assert_true(gs_gather_peak_get(&peak));
    hold(known, MiB(100));
    assert_true(gs_gather_peak_look(2 * SECOND, true));
    assert_int_equal(peak.bytes, MiB(100));
    assert_int_equal(peak.copy.counts[base].inuse_space, MiB(100));
    assert_int_equal(peak.copy.counts[known].inuse_space, 0);
    gs_free(peak.copy.counts);
    drop(known, MiB(100));
    drop(base, MiB(100));
}

/* More than 10 % above, and more than 3 · √(peak · distance): for 100 MiB at 512 KiB that is 21.2 MiB, for 4 GiB 136 MiB. */
static void a_peak_counts_if_it_is_clearly_higher(void **state)
{
    (void)state;
    assert_false(gs_gather_peak_is_higher(MiB(100), MiB(79), DISTANCE));
    assert_true(gs_gather_peak_is_higher(MiB(100), MiB(78), DISTANCE));
    assert_false(gs_gather_peak_is_higher(MiB(4096), MiB(3724), DISTANCE));
    assert_true(gs_gather_peak_is_higher(MiB(4096), MiB(3723), DISTANCE));
    assert_false(gs_gather_peak_is_higher(MiB(100), MiB(200), DISTANCE));
    assert_true(gs_gather_peak_is_higher(MiB(100), 0, DISTANCE));
}

/* ---- a simulated program ---------------------------------------------------------------------------------------------------- */

enum { BLOCK = 16 << 10, BLOCKS_MAX = 8000, LATE_MAX = 5 };

/* A program whose blocks all have BLOCK bytes, sampled as in probe/heap/sampler.c, and a watcher that comes some blocks late. */
static struct {
    uint64_t random, countdown;
    uint64_t weight[BLOCKS_MAX]; // bytes that the sample of a block stands for; 0: it was not sampled
    unsigned blocks, late;       // late: blocks until the watcher runs; 0: it sleeps
    int64_t now_ns;
    uint64_t highest;
} sim;

static void watch(void)
{
    sim.now_ns += 1000;
    if (sim.late && --sim.late == 0)
        (void)gs_gather_peak_look(sim.now_ns, true);
    else if (!sim.late && gs_probe_heap_in_use() >= gs_gather_peak_line())
        sim.late = 1 + (unsigned)(gs_heap_random(&sim.random) % LATE_MAX);
    if (gs_probe_heap_in_use() > sim.highest)
        sim.highest = gs_probe_heap_in_use();
}

static void allocate(uint32_t stack, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes / BLOCK; i++, watch()) {
        uint64_t *weight = &sim.weight[sim.blocks++];
        *weight = 0;
        if (!gs_count_down(&sim.countdown, BLOCK))
            continue;
        sim.countdown = gs_heap_draw_gap(gs_heap_random(&sim.random), DISTANCE);
        *weight = (uint64_t)(gs_heap_sample_weight(BLOCK, DISTANCE) * BLOCK + 0.5);
        hold(stack, *weight);
    }
}

/* Free the last blocks, which are STACK's. */
static void release(uint32_t stack, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes / BLOCK; i++, watch())
        if (sim.weight[--sim.blocks])
            drop(stack, sim.weight[sim.blocks]);
}

/* A saw-tooth of 48 MiB over 32 MiB; one tooth in the middle has 80 MiB of another function. */
static void run(uint64_t seed)
{
    sim.random = seed * 0x9e3779b97f4a7c15u;
    sim.blocks = sim.late = 0;
    sim.highest = 0;
    sim.now_ns = SECOND;
    sim.countdown = gs_heap_draw_gap(gs_heap_random(&sim.random), DISTANCE);
    begin(3600 * SECOND, 1);
    (void)gs_gather_peak_tick(sim.now_ns);
    allocate(base, MiB(32));
    for (int tooth = 0; tooth < 9; tooth++) {
        allocate(tooth == 4 ? known : other, MiB(tooth == 4 ? 80 : 48));
        release(tooth == 4 ? known : other, MiB(tooth == 4 ? 80 : 48));
    }
    release(base, MiB(32));
}

/* The true peak has 32 MiB of base and 80 MiB of known. An estimate of 80 MiB has a standard error of √(80 · 0.5) = 6.3 MiB, and the mean of
 * 400 of them 0.32 MiB; of 32 MiB, 4 MiB and 0.2 MiB. A copy may be 1/20 of 112 MiB = 5.6 MiB below the top. That one of the eight other
 * teeth, of 48 MiB, is estimated higher by chance takes more than three standard errors: in less than one run of a hundred. */
static void the_peak_of_a_saw_tooth_is_found_over_many_seeds(void **state)
{
    enum { SEEDS = 400 };
    double sum_known = 0, sum_base = 0;
    int right = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run(seed);
        uint64_t bytes = held(base) + held(known) + held(other);
        assert_true(bytes <= sim.highest);
        assert_true((double)bytes * 1.05 + (double)MiB(1) + LATE_MAX * (double)DISTANCE >= (double)sim.highest);
        assert_int_equal(gs_gather_peak_highest_bytes(), sim.highest);
        assert_true(!held(known) || !held(other)); // they are never there at once
        if (!held(known))
            continue;
        right++;
        sum_known += (double)held(known) / (double)MiB(1);
        sum_base += (double)held(base) / (double)MiB(1);
    }
    assert_true(right >= SEEDS * 97 / 100);
    double known_mib = sum_known / right, base_mib = sum_base / right;
    assert_true(known_mib > 80 - 5.6 - 6 * 0.32 && known_mib < 80 + 6 * 0.32 + 0.3); // 0.3: runs of a low estimate are left out
    assert_true(base_mib > 32 - 6 * 0.2 && base_mib < 32 + 6 * 0.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peak_between_two_ticks_is_kept),
        cmocka_unit_test(what_is_over_before_the_watcher_looks_is_said_but_not_copied),
        cmocka_unit_test(a_peak_is_remembered_for_one_period_and_forgotten_after_two),
        cmocka_unit_test(copies_keep_within_the_budget),
        cmocka_unit_test(others_get_a_copy_of_their_own),
        cmocka_unit_test(a_peak_counts_if_it_is_clearly_higher),
        cmocka_unit_test(the_peak_of_a_saw_tooth_is_found_over_many_seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
