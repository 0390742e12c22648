/* The governor, as a host would meet it: a budget of 1 % of a CPU, a second a tick. */
#include "watch/governor.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct machine {
    struct gs_governor governor;
    struct gs_cost cost;
};

/* SECONDS pass, in each of which sampling would cost FULL_NS at the distance that was asked for. */
static unsigned pass(struct machine *m, int seconds, uint64_t full_ns, uint64_t watching_ns)
{
    unsigned doublings = m->governor.doublings;
    for (int i = 0; i < seconds; i++) {
        m->cost.time_ns += 1000000000;
        m->cost.sampling_ns += full_ns >> doublings;
        m->cost.watching_ns += watching_ns;
        doublings = gs_watch_governor_tick(&m->governor, &m->cost);
    }
    return doublings;
}

static struct machine machine_with(double budget)
{
    return (struct machine){.governor = {.budget = budget, .before = {.time_ns = 1}}, .cost = {.time_ns = 1}};
}

/* Within its budget the agent samples as it was asked to. */
static void nothing_changes_within_the_budget(void **state)
{
    (void)state;
    struct machine m = machine_with(0.01);
    assert_int_equal(pass(&m, 100, 9000000, 900000), 0); // 0.9 % and 0.09 %
}

/* 6 % at the asked distance: 3 %, 1.5 % and 0.75 % with one, two, three doublings. */
static void it_widens_until_it_fits(void **state)
{
    (void)state;
    struct machine m = machine_with(0.01);
    assert_int_equal(pass(&m, 1, 60000000, 0), 1);
    assert_int_equal(pass(&m, 2, 60000000, 0), 3);
    assert_int_equal(pass(&m, 100, 60000000, 0), 3);
}

/* The storm is over: one step back after every 30 quiet seconds. */
static void it_comes_back_slowly(void **state)
{
    (void)state;
    struct machine m = machine_with(0.01);
    assert_int_equal(pass(&m, 10, 60000000, 0), 3);
    assert_int_equal(pass(&m, 29, 100000, 0), 3);
    assert_int_equal(pass(&m, 1, 100000, 0), 2);
    assert_int_equal(pass(&m, 60, 100000, 0), 0);
}

/* Half of the budget is neither too much nor little enough to come back: no swinging to and fro. */
static void it_does_not_swing(void **state)
{
    (void)state;
    struct machine m = machine_with(0.01);
    assert_int_equal(pass(&m, 1, 16000000, 0), 1); // 1.6 %, then 0.8 %
    assert_int_equal(pass(&m, 500, 16000000, 0), 1);
}

/* A thousand threads to look at cost the watcher 2 %: fewer samples would not help. */
static void it_does_not_widen_for_what_sampling_does_not_cost(void **state)
{
    (void)state;
    struct machine m = machine_with(0.01);
    assert_int_equal(pass(&m, 100, 900000, 20000000), 0);
}

/* Ticks of 10 ms: judged once a second all the same. And without a budget, never. */
static void it_judges_by_the_second(void **state)
{
    (void)state;
    struct machine m = machine_with(0.01);
    for (int i = 0; i < 99; i++) {
        m.cost.time_ns += 10000000;
        m.cost.sampling_ns += 10000000;
        assert_int_equal(gs_watch_governor_tick(&m.governor, &m.cost), 0);
    }
    m.cost.time_ns += 10000000;
    assert_int_equal(gs_watch_governor_tick(&m.governor, &m.cost), 1);
    m = machine_with(0);
    assert_int_equal(pass(&m, 100, 900000000, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_changes_within_the_budget), cmocka_unit_test(it_widens_until_it_fits),
        cmocka_unit_test(it_comes_back_slowly), cmocka_unit_test(it_does_not_swing),
        cmocka_unit_test(it_does_not_widen_for_what_sampling_does_not_cost), cmocka_unit_test(it_judges_by_the_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
