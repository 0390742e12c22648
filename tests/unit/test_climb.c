/* When the climb began that fired a rule on memory. An incident holds growth against a baseline that is older than that. */
#include "history/history.h"
#include "incident/inside.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SECOND (1000000000LL)
#define MIB(n) ((double)(n) * (1 << 20))

static struct gs_history *history;
static int64_t now_ns;
static double rss;

static int at_start(void **state)
{
    const char *const names[] = {"rss", "heap_in_use"};
    (void)state;
    history = gs_history_new(names, 2, SECOND);
    now_ns = 1800000000 * SECOND;
    rss = 0;
    return history == NULL;
}

static int at_end(void **state)
{
    (void)state;
    gs_history_free(history);
    return 0;
}

/* SECONDS ticks, of which each is MIB_A_SECOND above the one before. */
static void go_on(int seconds, double mib_a_second)
{
    for (int i = 0; i < seconds; i++) {
        now_ns += SECOND;
        rss += MIB(mib_a_second);
        gs_history_add(history, now_ns, (double[]){rss, rss / 2});
    }
}

static struct gs_climb climb_of(const char *metric, const char *condition, double value)
{
    struct gs_incident_trigger trigger = {
        .metric = metric, .condition = condition, .value = value, .line = NAN, .triggered_ns = now_ns};
    return gs_incident_find_climb(&trigger, history);
}

static void assert_climb(const char *metric, int64_t seconds, double mib)
{
    struct gs_climb climb = climb_of(metric, "above", rss);
    assert_int_equal(climb.age_ns, seconds * SECOND);
    assert_true(climb.rise == MIB(mib));
}

/* An hour at 500 MiB, then 5 MiB more each second for 50 s. Two seconds into it less than 1/20 has come: 10 of 250 MiB. */
static void a_burst_began_where_the_level_stretch_ended(void **state)
{
    (void)state;
    rss = MIB(500);
    go_on(3600, 0);
    go_on(50, 5);
    assert_climb("rss", 48, 250);
    assert_climb("major_faults", 48, 250); // a rule about something else that resident memory tells of
}

/* The rule says "for": "1m", so it fires a minute after the climb. */
static void a_plateau_before_the_trigger_is_passed_over(void **state)
{
    (void)state;
    rss = MIB(500);
    go_on(3600, 0);
    go_on(50, 5);
    go_on(60, 0);
    assert_climb("rss", 108, 250);
}

/* It filled its cache as it started. That is not what fired the rule an hour later. */
static void an_earlier_climb_is_not_part_of_this_one(void **state)
{
    (void)state;
    go_on(50, 10);
    go_on(3600, 0);
    go_on(50, 5);
    assert_climb("rss", 48, 250);
}

/* 1 MiB a second since the start: 100 to 699 MiB in ten minutes. 1/20 of 599 MiB had come after 29 s. */
static void a_leak_since_the_start_began_at_the_start(void **state)
{
    (void)state;
    rss = MIB(99);
    go_on(600, 1);
    assert_climb("rss", 599 - 29, 599);
}

/* 300 to 329 MiB and back each minute; then 3 MiB a second. The last dip before it is where it began. */
static void a_sawtooth_ends_where_the_climb_begins(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        rss = MIB(300);
        go_on(30, 0);
        go_on(29, 1);
        go_on(1, -29);
    }
    go_on(200, 3);
    assert_climb("rss", 190, 600); // 10 ticks of 3 MiB are 1/20 of 600
}

/* Ten hours level, ten hours of 36 MiB an hour: long merged into steps of minutes and of ten minutes. */
static void a_slow_climb_is_found_in_the_coarse_part(void **state)
{
    (void)state;
    rss = MIB(500);
    go_on(36000, 0);
    go_on(36000, 0.01);
    struct gs_climb climb = climb_of("rss", "above", rss);
    assert_true(climb.age_ns > 34200 * SECOND &&
                climb.age_ns < (36000 + 600) * SECOND); // 95 % of ten hours, and a step
}

/* The sampler woke the watcher between two ticks: one row is all there is, half a second old. */
static void one_row_is_enough(void **state)
{
    (void)state;
    rss = MIB(200);
    go_on(1, 0); // of heap_in_use: 100
    now_ns += SECOND / 2;
    struct gs_climb climb = climb_of("heap_in_use", "above", MIB(400));
    assert_int_equal(climb.age_ns, SECOND / 2);
    assert_true(climb.rise == MIB(300));
}

static void what_did_not_climb_has_no_climb(void **state)
{
    (void)state;
    assert_climb("rss", 0, 0); // no row at all
    rss = MIB(500);
    go_on(600, 0);
    gs_history_add(history, now_ns, (double[]){NAN, NAN});
    assert_climb("rss", 0, 0);
    go_on(8, 1); // 1.6 %
    assert_climb("rss", 0, 0);
    go_on(50, 5);
    assert_int_equal(climb_of("rss", "below", MIB(1)).age_ns, 0);
    assert_int_equal(climb_of("fds", "above", 500).age_ns, 0);
    assert_int_equal(climb_of(NULL, "call", NAN).age_ns, 0);
}

#define STORY(function) cmocka_unit_test_setup_teardown(function, at_start, at_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_burst_began_where_the_level_stretch_ended),
        STORY(a_plateau_before_the_trigger_is_passed_over),
        STORY(an_earlier_climb_is_not_part_of_this_one),
        STORY(a_leak_since_the_start_began_at_the_start),
        STORY(a_sawtooth_ends_where_the_climb_begins),
        STORY(a_slow_climb_is_found_in_the_coarse_part),
        STORY(one_row_is_enough),
        STORY(what_did_not_climb_has_no_climb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
