/* test_reaches.c - stories about "reaches": when the line will be crossed at the slope of the window. */
#include "base/clock.h"
#include "rules/rules.h"
#include "story.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h> // wants the others before it

#define MIB (1024.0 * 1024)
#define RULE(members) \
    "{ \"name\": \"soon\", \"metric\": \"rss\", \"cooldown\": \"0s\", \"reaches\": { " members " } }"

static struct story s;

/* COUNT ticks a second apart, from FROM on, each RISE higher than the one before. The tick at which the rule fired first; -1. */
static int climb(int count, double from, double rise)
{
    for (int i = 0; i < count; i++) {
        size_t fired = story_tick(&s, &(struct gs_tick){.time_ns = s.now_ns}, from + i * rise);
        s.now_ns += GS_NS_PER_S;
        if (fired)
            return i;
    }
    return -1;
}

/* From 100 MiB by 1 MiB a second: the line, 95 % of 1000 MiB, is 60 s away at 890 MiB, the tick number 790. */
static void a_climb_fires_that_long_before_the_line(void **state)
{
    (void)state;
    story_begin(&s, "", RULE("\"line\": \"95%\", \"within\": \"60s\", \"over\": 30"), (uint64_t)(1000 * MIB));
    assert_int_equal(climb(1000, 100 * MIB, MIB), 790);
    assert_string_equal(s.last.condition, "reaches");
    assert_string_equal(
        s.last.reason,
        "rss 890 MiB will reach 95 % of the limit (950 MiB of 1000 MiB) in 1 min: it has grown by "
        "60 MiB/min over the 30 ticks before");
    assert_true(fabs(s.last.line - 890 * MIB) < 1);
    story_end(&s);
}

/* Twice as fast: twice as far away. */
static void a_faster_climb_fires_earlier(void **state)
{
    (void)state;
    story_begin(&s, "", RULE("\"line\": \"950MiB\", \"within\": \"60s\", \"over\": 30"), 0);
    assert_int_equal(climb(1000, 100 * MIB, 2 * MIB), 365); // 830 MiB
    story_end(&s);
}

static void a_flat_value_below_the_line_is_silent_and_one_at_the_line_is_not(void **state)
{
    (void)state;
    story_begin(&s, "", RULE("\"line\": \"950MiB\", \"within\": \"10d\", \"over\": 10"), 0);
    assert_int_equal(climb(100, 949 * MIB, 0), -1);
    assert_string_equal(story_why_not(&s, s.now_ns),
                        "value 949 MiB does not grow over 10 ticks, fires 10 d before 950 MiB");
    assert_int_equal(climb(1, 950 * MIB, 0), 0);
    assert_string_equal(s.last.reason, "rss 950 MiB has reached 950 MiB");
    story_end(&s);
}

/* One tick in ten is as high as the line nearly, which changes few of the pairs; and a fall reaches nothing. */
static void spikes_and_falls_are_silent(void **state)
{
    (void)state;
    story_begin(&s, "", RULE("\"line\": \"950MiB\", \"within\": \"1h\", \"over\": 30"), 0);
    for (int i = 0; i < 30; i++)
        assert_int_equal(climb(9, 100 * MIB, 0) + climb(1, 949 * MIB, 0), -2);
    story_begin(&s, "", RULE("\"line\": \"950MiB\", \"within\": \"1h\", \"over\": 30"), 0);
    assert_int_equal(climb(300, 940 * MIB, -MIB), -1);
    story_end(&s);
}

static void it_waits_for_a_full_window_and_a_known_limit(void **state)
{
    (void)state;
    story_begin(&s, "", RULE("\"line\": \"950MiB\", \"within\": \"1h\", \"over\": 30"), 0);
    assert_int_equal(climb(30, 100 * MIB, 10 * MIB),
                     -1); // the window is full of the 30 ticks before this one
    assert_int_equal(climb(1, 400 * MIB, 0), 0);
    story_begin(&s, "", RULE("\"line\": \"95%\", \"within\": \"1h\", \"over\": 10"), 0);
    assert_int_equal(climb(100, 100 * MIB, 10 * MIB), -1);
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_climb_fires_that_long_before_the_line),
        cmocka_unit_test(a_faster_climb_fires_earlier),
        cmocka_unit_test(a_flat_value_below_the_line_is_silent_and_one_at_the_line_is_not),
        cmocka_unit_test(spikes_and_falls_are_silent),
        cmocka_unit_test(it_waits_for_a_full_window_and_a_known_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
