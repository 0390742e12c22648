/* test_pace.c - a value that climbs as fast as it can is seen at its line, although the looks are few while it is far away. */
#include "watch/pace.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> // wants the others before it

#define MIB (1024.0 * 1024)
#define MS  1000000LL

/* A group of LIMIT bytes that rests at half of it; AT_NS after the first look it begins to climb, and is full 300 ms later. */
static double climbing(double limit, int64_t at_ns, int64_t now_ns)
{
    double climbed = now_ns <= at_ns ? 0 : (double)(now_ns - at_ns) / (300.0 * MS);
    return limit / 2 + limit / 2 * climbed;
}

/* The value at the first look above LINE. */
static double first_seen_above(double limit, double line, int64_t at_ns)
{
    struct gs_pace pace = {0};
    for (int64_t now_ns = 1;;) {
        double value = climbing(limit, at_ns, now_ns);
        if (value > line)
            return value;
        now_ns += gs_watch_pace_next(&pace, &(struct gs_pace_look){now_ns, value, line, limit});
    }
}

/* The case: from half of the limit to the limit in 300 ms. Whenever the climb begins, it is seen at most 10 ms past the
 * line: at 80 % + 10 ms of 50 % in 300 ms = 81.67 %. */
static void a_climb_to_the_limit_in_300_ms_is_seen_at_the_line(void **state)
{
    (void)state;
    const double limits[] = {64 * MIB, 512 * MIB, 2048 * MIB};
    for (int i = 0; i < 3; i++)
        for (int64_t at_ns = 0; at_ns < 400 * MS; at_ns += MS) {
            double seen = first_seen_above(limits[i], 0.8 * limits[i], at_ns);
            assert_true(seen <= 0.8167 * limits[i]);
        }
}

/* 30 % of the limit below the line, at most twice the limit a second: 150 ms. At rest nothing more is needed. */
static void far_from_the_line_looks_are_few(void **state)
{
    (void)state;
    struct gs_pace pace = {0};
    assert_int_equal(gs_watch_pace_next(&pace, &(struct gs_pace_look){1, 50 * MIB, 80 * MIB, 100 * MIB}),
                     150 * MS);
    assert_int_equal(
        gs_watch_pace_next(&pace, &(struct gs_pace_look){150 * MS, 50 * MIB, 80 * MIB, 100 * MIB}), 150 * MS);
}

/* Without a limit, or with a large one: 4 GiB a second. */
static void nothing_is_taken_for_faster_than_4_gib_a_second(void **state)
{
    (void)state;
    const double limits[] = {0, 64 * 1024 * MIB};
    for (int i = 0; i < 2; i++) {
        struct gs_pace pace = {0};
        assert_int_equal(gs_watch_pace_next(&pace, &(struct gs_pace_look){1, 0, 1024 * MIB, limits[i]}),
                         250 * MS);
    }
}

/* Unless it was seen: 512 MiB in 50 ms are 10 GiB/s, and may become 20. The 2 GiB that are left last 100 ms then. */
static void a_faster_climb_is_believed_once_seen(void **state)
{
    (void)state;
    struct gs_pace pace = {0};
    (void)gs_watch_pace_next(&pace, &(struct gs_pace_look){1000 * MS, 1024 * MIB, 4096 * MIB, 0});
    assert_int_equal(gs_watch_pace_next(&pace, &(struct gs_pace_look){1050 * MS, 1536 * MIB, 3584 * MIB, 0}),
                     100 * MS);
}

/* Just below the line, at it, and above it (a rule that cannot fire now): every 10 ms. Far away: once an hour, no overflow. */
static void looks_are_never_closer_than_10_ms(void **state)
{
    (void)state;
    const double values[] = {79.9 * MIB, 80 * MIB, 90 * MIB};
    for (int i = 0; i < 3; i++) {
        struct gs_pace pace = {0};
        assert_int_equal(gs_watch_pace_next(&pace, &(struct gs_pace_look){1, values[i], 80 * MIB, 100 * MIB}),
                         10 * MS);
    }
    struct gs_pace pace = {0};
    assert_int_equal(gs_watch_pace_next(&pace, &(struct gs_pace_look){1, 0, 1e30, 0}), 3600 * 1000 * MS);
}

/* Looks of COST_NS, as soon as they may come, for SECONDS. Returns their number; *FIRST_NS: from the first to the hundredth. */
static int look_at_once(double budget, int64_t cost_ns, int seconds, int64_t *first_ns)
{
    struct gs_pace_credit credit = {0};
    int64_t now_ns = MS;
    int count = 0;
    for (; now_ns <= seconds * 1000 * MS; now_ns += gs_watch_pace_least(&credit, budget)) {
        gs_watch_pace_spend(&credit, budget, cost_ns, now_ns);
        if (++count == 100)
            *first_ns = now_ns - MS;
    }
    return count;
}

/* A quarter of the budget, on average: of 1 %, looks of 0.2 ms may come every 80 ms. Those of a climb come every 10 ms. 0 is no limit,
 * and taken for 1 %. */
static void looks_take_a_quarter_of_the_budget(void **state)
{
    (void)state;
    int64_t first_ns = 0;
    int count = look_at_once(0.01, 200000, 1000, &first_ns);
    assert_int_equal(first_ns, 990 * MS);
    assert_in_range(count, 12500, 12500 + GS_PACE_CREDIT_NS / 200000 + 1);
    assert_int_equal(look_at_once(0, 200000, 1000, &first_ns), count);
    assert_in_range(look_at_once(0.001, 200000, 1000, &first_ns), 1250,
                    1250 + GS_PACE_CREDIT_NS / 200000 + 1);
    assert_int_equal(look_at_once(0.01, 8000, 10, &first_ns), 1000); // cheap ones
}

/* What was not taken is saved, but no more than the limit; a clock that went back is a new beginning. */
static void credit_has_a_limit(void **state)
{
    (void)state;
    struct gs_pace_credit credit = {1, 0};
    gs_watch_pace_spend(&credit, 0.01, 0, 1 + 1000 * MS);
    assert_true(credit.left_ns == 0.0025 * 1000 * MS);
    gs_watch_pace_spend(&credit, 0.01, 0, 3600 * 1000 * MS);
    assert_true(credit.left_ns == GS_PACE_CREDIT_NS);
    gs_watch_pace_spend(&credit, 0.01, 2 * GS_PACE_CREDIT_NS, 3600 * 1000 * MS);
    assert_int_equal(gs_watch_pace_least(&credit, 0.01), 8000 * MS);
    gs_watch_pace_spend(&credit, 0.01, 0, 1);
    assert_int_equal(gs_watch_pace_least(&credit, 0.01), 10 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_climb_to_the_limit_in_300_ms_is_seen_at_the_line),
        cmocka_unit_test(far_from_the_line_looks_are_few),
        cmocka_unit_test(nothing_is_taken_for_faster_than_4_gib_a_second),
        cmocka_unit_test(a_faster_climb_is_believed_once_seen),
        cmocka_unit_test(looks_are_never_closer_than_10_ms),
        cmocka_unit_test(looks_take_a_quarter_of_the_budget),
        cmocka_unit_test(credit_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
