/* Rules judged tick by tick. Time is a number that the test sets: one tick a second, from zero. */
#include "metrics/metrics.h"
#include "rules/rules.h"
#include "base/clock.h"
#include "base/json.h"
#include "story.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MiB(n) ((n) * 1048576.0)
static struct story s;

/* Begin a story with RULES (the members of a "rules" list) and settings MORE before them. */
static void story_with(const char *more, const char *rules)
{
    story_begin(&s, more, rules, 512 << 20);
}

static void story(const char *rule)
{
    story_with("", rule);
}

/* One tick at which every metric has VALUE. */
static void tick_with(double value, bool capturing, bool early)
{
    story_tick(&s, &(struct gs_tick){.time_ns = s.now_ns, .capturing = capturing, .early = early}, value);
    s.now_ns += GS_NS_PER_S;
}

static void ticks(int count, double value)
{
    while (count-- > 0)
        tick_with(value, false, false);
}

static void wait_s(int64_t seconds)
{
    s.now_ns += seconds * GS_NS_PER_S;
}

static const char *why_not(void)
{
    return story_why_not(&s, s.now_ns);
}

/* ---- above and below -------------------------------------------------------------------------------------------------- */

static void above_is_more_than_the_line(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"400MiB\" }");
    ticks(3, MiB(400));
    assert_int_equal(s.incidents, 0);
    assert_string_equal(why_not(), "value 400 MiB, fires above 400 MiB");
    ticks(1, MiB(412));
    assert_int_equal(s.incidents, 1);
    assert_string_equal(s.last.condition, "above");
    assert_string_equal(s.last.reason, "rss 412 MiB is above 400 MiB");
    assert_true(s.last.value == MiB(412) && s.last.line == MiB(400));
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"400MiB\" }");
    ticks(1, MiB(400) + 512); // rounded, both are 400 MiB
    assert_string_equal(s.last.reason, "rss 400.0005 MiB is above 400 MiB");
}

/* 80 % of 512 MiB are 409.6 MiB. */
static void a_share_is_of_the_limit(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"80%\" }");
    ticks(1, MiB(409));
    assert_int_equal(s.incidents, 0);
    ticks(1, MiB(412));
    assert_int_equal(s.incidents, 1);
    assert_string_equal(s.last.reason, "rss 412 MiB is above 80 % of the limit (409.6 MiB of 512 MiB)");
}

static void a_share_of_an_unknown_limit_never_fires(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"80%\" }");
    gs_rules_judge_free(s.judge);
    s.judge = gs_rules_judge_new(s.rules, 0);
    ticks(5, MiB(100000));
    assert_int_equal(s.incidents, 0);
    assert_non_null(strstr(why_not(), "unknown"));
}

/* 80 % of 1024 are 819.2; the server then raises its limit to 4096, and 80 % are 3276.8. */
static void a_share_of_descriptors_is_of_their_limit(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"fds\", \"above\": \"80%\" }");
    ticks(1, 1000);
    assert_int_equal(s.incidents, 0);
    assert_string_equal(why_not(), "value 1000, fires above 80 % of the limit, which is unknown");
    gs_rules_judge_set_limit(s.judge, GS_OF_FILE_LIMIT, 1024);
    ticks(1, 819);
    assert_int_equal(s.incidents, 0);
    ticks(1, 820);
    assert_int_equal(s.incidents, 1);
    assert_string_equal(s.last.reason, "fds 820 is above 80 % of the limit (819.2 of 1024)");
    gs_rules_judge_set_limit(s.judge, GS_OF_FILE_LIMIT, 4096);
    ticks(1, 3276);
    assert_string_equal(why_not(), "cooldown, 10 min left");
    wait_s(600);
    ticks(1, 3276);
    assert_int_equal(s.incidents, 1);
    ticks(1, 3277);
    assert_int_equal(s.incidents, 2);
}

static void below_is_less_than_the_line(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"gauge:workers\", \"below\": 3 }");
    ticks(2, 3);
    assert_int_equal(s.incidents, 0);
    ticks(1, 2);
    assert_int_equal(s.incidents, 1);
    assert_string_equal(s.last.reason, "gauge:workers 2 is below 3");
}

/* ---- for ---------------------------------------------------------------------------------------------------------------- */

static void for_must_hold_without_a_break(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 10, \"for\": \"5s\" }");
    ticks(4, 11); // seconds 0 to 3
    assert_string_equal(why_not(), "held 3 s of 5 s");
    ticks(1, 11);
    assert_int_equal(s.incidents, 0);
    ticks(1, 9); // a break
    ticks(5, 11);
    assert_int_equal(s.incidents, 0);
    ticks(1, 11); // five seconds after the first of them
    assert_int_equal(s.incidents, 1);
    assert_string_equal(s.last.reason, "threads 11 is above 10 for 5 s");
}

static void a_gap_neither_holds_nor_breaks(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 10, \"for\": \"5s\" }");
    ticks(1, 11);
    ticks(4, NAN);
    ticks(1, 11); // second 5: nothing is known of the four before, so it has been held for one
    assert_int_equal(s.incidents, 0);
    assert_string_equal(why_not(), "held 1 s of 5 s");
    ticks(3, 11);
    assert_int_equal(s.incidents, 0);
    ticks(1, 11);
    assert_int_equal(s.incidents, 1);
}

/* ---- cooldown and again ---------------------------------------------------------------------------------------------------- */

static void a_rule_cools_down_and_then_wants_news(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"100MiB\", \"cooldown\": \"60s\" }");
    ticks(1, MiB(200)); // fires at second 0
    ticks(1, MiB(50));  // quiet
    ticks(58, MiB(200));
    assert_int_equal(s.incidents, 1);
    assert_string_equal(why_not(), "rss 200 MiB is above 100 MiB"); // the cooldown ends at second 60: now
    ticks(1, MiB(200));
    assert_int_equal(s.incidents, 2);
}

static void without_quiet_it_fires_again_only_at_a_new_high(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"100MiB\", \"cooldown\": \"1s\" }"); // again: 10 %
    ticks(1, MiB(200));
    ticks(100, MiB(219));
    assert_int_equal(s.incidents, 1);
    assert_string_equal(why_not(), "holds since its last incident, fires again from 220 MiB");
    ticks(1, MiB(220));
    assert_int_equal(s.incidents, 2);
}

static void again_always_needs_neither(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"100MiB\", \"cooldown\": \"10s\", \"again\": \"always\" }");
    ticks(31, MiB(200)); // at seconds 0, 10, 20, 30
    assert_int_equal(s.incidents, 4);
}

/* ---- jitter ------------------------------------------------------------------------------------------------------------------- */

/* A cache grows. Its owner asked to hear of +25 % over ten ticks. The eleventh tick stands at +24 %: silence.
 * The next stands 27 % above the ten before it: one incident, with those numbers. */
static void jitter_fires_on_the_tick_that_jumps(void **state)
{
    (void)state;
    story("{ \"name\": \"jump\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"over\": 10 } }");
    ticks(10, MiB(100));
    ticks(1, MiB(124));
    assert_int_equal(s.incidents, 0);
    ticks(1, MiB(130));
    assert_int_equal(s.incidents, 1);
    assert_string_equal(s.last.reason, "rss 130 MiB is 27.0 % above the mean of the 10 ticks before (102.4 MiB); "
                                       "the rule allows 25 %");
}

static void jitter_waits_for_its_window(void **state)
{
    (void)state;
    story("{ \"name\": \"jump\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"over\": 10 } }");
    ticks(6, MiB(100));
    assert_string_equal(why_not(), "window 6 of 10");
    ticks(3, MiB(100));
    ticks(1, MiB(500)); // nine before it
    assert_int_equal(s.incidents, 0);
}

static void jitter_below_its_minimum_is_silent(void **state)
{
    (void)state;
    story("{ \"name\": \"jump\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"over\": 5, \"min\": \"100MiB\", \"by\": \"10MiB\" } }");
    ticks(5, MiB(10));
    ticks(1, MiB(99)); // a jump, but small
    assert_int_equal(s.incidents, 0);
    ticks(5, MiB(95));
    ticks(1, MiB(150));
    assert_int_equal(s.incidents, 1);
}

/* Ticks during a capture, and those between two ticks, are judged but stay out of the window. */
static void captures_and_early_ticks_stay_out_of_windows(void **state)
{
    (void)state;
    story("{ \"name\": \"jump\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"over\": 3 } }");
    ticks(3, MiB(100));
    tick_with(MiB(120), true, false);
    tick_with(MiB(120), false, true);
    tick_with(MiB(120), false, true);
    assert_int_equal(s.incidents, 0);
    ticks(1, MiB(126)); // against a mean of 100, not of 120
    assert_int_equal(s.incidents, 1);
}

/* More gaps than values in the time of the window: it is not full. */
static void a_window_of_gaps_is_not_judged(void **state)
{
    (void)state;
    story("{ \"name\": \"jump\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"over\": \"10s\" } }");
    ticks(2, MiB(100));
    ticks(9, NAN);
    ticks(1, MiB(500));
    assert_int_equal(s.incidents, 0);
}

/* ---- growth, unusual, every ------------------------------------------------------------------------------------------------------ */

/* 2 MiB a minute, asked for 1 MiB a minute over ten minutes: fires once the window is full. */
static void growth_sees_a_slow_leak(void **state)
{
    (void)state;
    story_with("\"interval\": \"1s\",", "{ \"name\": \"leak\", \"metric\": \"heap_in_use\", \"growth\": { \"rate\": \"1MiB/min\", \"over\": \"10m\" } }");
    for (int i = 0; i < 590; i++)
        ticks(1, MiB(100) + i * MiB(2) / 60);
    assert_int_equal(s.incidents, 0);
    for (int i = 590; i < 620; i++)
        ticks(1, MiB(100) + i * MiB(2) / 60);
    assert_int_equal(s.incidents, 1);
    assert_string_equal(s.last.condition, "growth");
}

/* Asked for 60 % an hour of the median over ten minutes, which is 1 % a minute. From 90 to 110 MiB the median is 100 MiB and the
 * slope 2 MiB a minute, twice what is asked for; from 1900 to 1910 MiB it is 1905 MiB and 1 MiB a minute, a nineteenth. */
static void a_share_of_growth_is_of_the_median(void **state)
{
    (void)state;
    static const char leak[] = "{ \"name\": \"leak\", \"metric\": \"rss\", \"growth\": { \"rate\": \"60%/h\", \"over\": \"10m\" } }";
    story(leak);
    for (int i = 0; i <= 600; i++)
        ticks(1, MiB(1900) + i * MiB(10) / 600);
    assert_int_equal(s.incidents, 0);
    assert_string_equal(why_not(), "grows by 60 MiB/h over 10 min, fires from 1.1 GiB/h (60 %/h of the median 1.9 GiB)");
    story(leak);
    for (int i = 0; i <= 600; i++)
        ticks(1, MiB(90) + i * MiB(20) / 600);
    assert_int_equal(s.incidents, 1);
    assert_string_equal(s.last.reason, "rss 110 MiB has grown by 120 MiB/h over the 10 min before; the rule fires from 60 MiB/h "
                                       "(60 %/h of the median 100 MiB)"); // the median is that of the newest whole point: a hair less
    story(leak);
    ticks(700, 0); // 60 % of nothing is nothing, and that is not growth
    assert_int_equal(s.incidents, 0);
}

static void growth_is_not_misled_by_one_spike(void **state)
{
    (void)state;
    story("{ \"name\": \"leak\", \"metric\": \"heap_in_use\", \"growth\": { \"rate\": \"1MiB/min\", \"over\": \"10m\" } }");
    for (int i = 0; i < 1200; i++)
        ticks(1, i > 900 && i < 950 ? MiB(5000) : MiB(100));
    assert_int_equal(s.incidents, 0);
}

static void unusual_knows_what_is_usual(void **state)
{
    (void)state;
    story("{ \"name\": \"odd\", \"metric\": \"gauge:queue\", \"unusual\": { \"score\": 6, \"over\": 60, \"min\": 20 } }");
    for (int i = 0; i < 70; i++)
        ticks(1, 50 + i % 5); // median 52, MAD 1: a score of 6 is 52 + 8.9
    ticks(1, 60);
    assert_int_equal(s.incidents, 0);
    ticks(1, 62);
    assert_int_equal(s.incidents, 1);
}

static void every_goes_by_the_clock(void **state)
{
    (void)state;
    story("{ \"name\": \"daily\", \"every\": \"10s\", \"cooldown\": \"0s\" }");
    ticks(10, NAN); // seconds 0 to 9
    assert_int_equal(s.incidents, 0);
    ticks(1, NAN); // second 10
    assert_int_equal(s.incidents, 1);
    assert_string_equal(s.last.condition, "every");
    ticks(20, NAN); // 20 and 30
    assert_int_equal(s.incidents, 3);
}

/* ---- what holds a rule back ---------------------------------------------------------------------------------------------------------- */

static void unless_above_wins_and_is_counted(void **state)
{
    (void)state;
    struct gs_rule_state seen;
    story("{ \"name\": \"storm\", \"metric\": \"threads\", \"above\": 500, \"unless_above\": 20000 }");
    ticks(5, 20001);
    assert_int_equal(s.incidents, 0);
    gs_rules_judge_state(s.judge, 0, s.now_ns, &seen);
    assert_int_equal(seen.suppressed, 1); // once, however long it lasts
    ticks(1, 20000);
    assert_int_equal(s.incidents, 1);
}

static void unless_looks_at_another_metric(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"gauge:x\", \"above\": 5, \"unless\": { \"metric\": \"gauge:y\", \"above\": 10 } }");
    ticks(3, 11); // both metrics stand at 11
    assert_int_equal(s.incidents, 0);
    ticks(1, 9);
    assert_int_equal(s.incidents, 1);
}

static void a_limit_an_hour_is_kept(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"gauge:x\", \"above\": 5, \"cooldown\": \"0s\", \"again\": \"always\", \"max_per_hour\": 3 }");
    ticks(100, 6);
    assert_int_equal(s.incidents, 3);
    assert_string_equal(why_not(), "held back: hourly limit of 3 reached");
    wait_s(3600);
    ticks(100, 6);
    assert_int_equal(s.incidents, 6);
}

static void the_limit_of_all_rules_is_kept(void **state)
{
    (void)state;
    story_with("\"incidents\": { \"max_per_hour\": 2 },",
               "{ \"name\": \"a\", \"metric\": \"gauge:x\", \"above\": 5 }, { \"name\": \"b\", \"metric\": \"gauge:x\", \"above\": 5 },"
               "{ \"name\": \"c\", \"metric\": \"gauge:x\", \"above\": 5 }");
    ticks(10, 6);
    assert_int_equal(s.incidents, 2);
}

/* ---- the alarm, taking over ------------------------------------------------------------------------------------------------------------ */

static void the_alarm_stands_at_the_lowest_armed_line(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"heap_in_use\", \"above\": \"200MiB\", \"cooldown\": \"60s\" },"
          "{ \"name\": \"b\", \"metric\": \"heap_in_use\", \"above\": \"100MiB\", \"cooldown\": \"60s\" },"
          "{ \"name\": \"c\", \"metric\": \"rss\", \"above\": \"1MiB\" }");
    assert_int_equal(gs_rules_judge_alarm_line(s.judge, 0), (100 << 20) + 1);
    ticks(1, MiB(150)); // b fires, and cools down
    assert_int_equal(gs_rules_judge_alarm_line(s.judge, s.now_ns), (200 << 20) + 1);
    ticks(1, MiB(250)); // a as well
    assert_true(gs_rules_judge_alarm_line(s.judge, s.now_ns) == UINT64_MAX);
    wait_s(60);
    ticks(1, MiB(150)); // a was quiet; b was not since it fired: a new high of b's can wait for the tick
    assert_int_equal(gs_rules_judge_alarm_line(s.judge, s.now_ns), (200 << 20) + 1);
}

static void no_alarm_is_set_below_the_present(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"heap_in_use\", \"above\": \"100MiB\", \"for\": \"60s\" }");
    ticks(1, MiB(150)); // above the line, and holding: the ticks see to it
    assert_true(gs_rules_judge_alarm_line(s.judge, s.now_ns) == UINT64_MAX);
}

/* Between ticks only those lines are of interest that fire at once: not one with "for", not that of a rule which cools down or whose
 * condition holds, no share of a limit that nobody knows. */
static void lines_to_look_at_between_ticks_fire_at_once(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"200MiB\", \"cooldown\": \"60s\" },"
          "{ \"name\": \"b\", \"metric\": \"rss\", \"above\": \"100MiB\", \"cooldown\": \"60s\" },"
          "{ \"name\": \"c\", \"metric\": \"rss\", \"above\": \"50MiB\", \"for\": \"10s\" },"
          "{ \"name\": \"d\", \"metric\": \"rss\", \"above\": \"10%\" },"
          "{ \"name\": \"e\", \"metric\": \"rss\", \"below\": \"1MiB\" }");
    gs_rules_judge_set_limit(s.judge, GS_OF_MEMORY_LIMIT, 0);
    assert_true(gs_rules_judge_line_above(s.judge, "rss", 0) == MiB(100));
    assert_true(isinf(gs_rules_judge_line_above(s.judge, "group_memory", 0)));
    assert_true(gs_rules_line_above(s.rules, "rss", 0) == MiB(100));
    assert_true(gs_rules_line_above(s.rules, "rss", 512 << 20) == 0.1 * (512 << 20));
    assert_true(isinf(gs_rules_line_above(s.rules, "group_memory", 512 << 20)));
    ticks(1, MiB(150)); // b fires, and cools down
    assert_true(gs_rules_judge_line_above(s.judge, "rss", s.now_ns) == MiB(200));
    ticks(1, MiB(250)); // a as well
    assert_true(isinf(gs_rules_judge_line_above(s.judge, "rss", s.now_ns)));
    assert_true(gs_rules_line_above(s.rules, "rss", 0) == MiB(100)); // armed or not
    wait_s(60);
    ticks(1, MiB(150)); // a was quiet; b still holds
    assert_true(gs_rules_judge_line_above(s.judge, "rss", s.now_ns) == MiB(200));
}

static void a_new_judge_takes_over_what_the_old_one_knew(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"100MiB\", \"cooldown\": \"600s\" }");
    ticks(1, MiB(200));
    struct gs_judge *old = s.judge;
    s.judge = gs_rules_judge_new(s.rules, 512 << 20);
    gs_rules_judge_adopt(s.judge, old);
    gs_rules_judge_free(old);
    ticks(1, MiB(50));
    ticks(100, MiB(200));
    assert_int_equal(s.incidents, 1); // still cooling
}

/* ---- what else the language says ---------------------------------------------------------------------------------------------------- */

static void again_of_below_is_a_new_low(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"gauge:workers\", \"below\": 100, \"cooldown\": \"1s\", \"again\": \"20%\" }");
    ticks(1, 50);
    ticks(20, 41);
    assert_int_equal(s.incidents, 1);
    ticks(1, 40); // 20 % below 50
    assert_int_equal(s.incidents, 2);
}

/* Nothing was kept of the first: behind the cooldown it fires again, although it was never quiet and is no higher. */
static void an_incident_that_failed_is_no_measure(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"100MiB\", \"cooldown\": \"10s\" }");
    ticks(1, MiB(200));
    gs_rules_judge_incident_failed(s.judge, 0, s.now_ns);
    ticks(9, MiB(200));
    assert_int_equal(s.incidents, 1);
    ticks(2, MiB(200));
    assert_int_equal(s.incidents, 2);
    ticks(100, MiB(200)); // this one was kept
    assert_int_equal(s.incidents, 2);
}

/* A capture of its own takes five seconds: what is seen meanwhile is judged, and stays out of the rule's window. */
static void a_rule_does_not_see_its_own_capture_as_usual(void **state)
{
    (void)state;
    struct gs_verdict verdict;
    double value = MiB(200);
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"by\": \"50MiB\", \"over\": 10 }, \"cooldown\": \"0\", \"again\": \"always\" }");
    ticks(10, MiB(100));
    for (int i = 0; i < 5; i++) {
        struct gs_tick tick = {.time_ns = s.now_ns, .value = &value};
        assert_int_equal(gs_rules_judge_tick(s.judge, &tick, &verdict), i == 0); // busy from then on
        s.now_ns += GS_NS_PER_S;
    }
    gs_rules_judge_incident_over(s.judge, 0, s.now_ns);
    ticks(1, MiB(160)); // the tick that fired was kept: (9 × 100 + 200) / 10 = 110, and 50 more are 160: not yet
    assert_int_equal(s.incidents, 0);
    ticks(1, MiB(167)); // (8 × 100 + 200 + 160) / 10 = 116
    assert_int_equal(s.incidents, 1);
}

/* Ten seconds: judged from the eleventh second on, whatever came before. */
static void a_window_of_time_is_full_when_the_time_is_over(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"50%\", \"over\": \"10s\" } }");
    ticks(8, MiB(100));
    assert_string_equal(why_not(), "window 8 s of 10 s");
    ticks(1, MiB(200));
    assert_int_equal(s.incidents, 0);
    ticks(1, MiB(100));
    ticks(1, MiB(166)); // (9 × 100 + 200) / 10 = 110: 51 % more
    assert_int_equal(s.incidents, 1);
}

/* Ticks that come every three seconds instead of every second leave two thirds of the time unseen. */
static void late_ticks_leave_gaps(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"50%\", \"over\": 6 } }");
    for (int i = 0; i < 20; i++) {
        ticks(1, MiB(100));
        wait_s(2);
    }
    assert_non_null(strstr(why_not(), "too many gaps in the window"));
    ticks(1, MiB(500));
    assert_int_equal(s.incidents, 0);
    ticks(7, MiB(100)); // six in a row, and no gap in them
    ticks(1, MiB(500));
    assert_int_equal(s.incidents, 1);
}

static void by_and_rise_must_both_be_exceeded(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"threads\", \"jitter\": { \"rise\": \"50%\", \"by\": 20, \"over\": 4 }, \"cooldown\": \"0\" }");
    ticks(4, 10);
    ticks(1, 30); // three times as many, but just 20 more
    assert_int_equal(s.incidents, 0);
    ticks(4, 10);
    ticks(1, 31);
    assert_int_equal(s.incidents, 1);
    story("{ \"name\": \"a\", \"metric\": \"threads\", \"jitter\": { \"rise\": \"50%\", \"by\": 20, \"over\": 4 } }");
    ticks(4, 100);
    ticks(1, 150); // 50 more, but just half as many again
    assert_int_equal(s.incidents, 0);
    ticks(4, 100);
    ticks(1, 151);
    assert_int_equal(s.incidents, 1);
}

/* A rise over a mean below nothing is one of its magnitude. */
static void jitter_of_what_is_negative(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"gauge:balance\", \"jitter\": { \"rise\": \"50%\", \"over\": 4 } }");
    ticks(4, -100);
    ticks(1, -50);
    assert_int_equal(s.incidents, 0);
    ticks(4, -100);
    ticks(1, -49);
    assert_int_equal(s.incidents, 1);
}

/* Nothing varied: the spread is 1 % of the median, 1.4826 × 1 MiB, and six of them are 8.9 MiB. */
static void unusual_in_a_flat_window(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"unusual\": { \"over\": 20 } }");
    ticks(20, MiB(100));
    ticks(1, MiB(108.8));
    assert_int_equal(s.incidents, 0);
    ticks(1, MiB(109));
    assert_int_equal(s.incidents, 1);
}

/* Five of twenty ticks are far off: neither the median nor how far ticks stray knows of them. */
static void unusual_is_not_misled_by_outliers(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"gauge:q\", \"unusual\": { \"over\": 20, \"min\": 40 } }");
    for (int i = 0; i < 20; i++)
        ticks(1, i % 4 == 3 ? 5000 : 50 + i % 4); // 50, 51, 52, 5000: median 51.5, distances 1.5, 0.5, 0.5, 4948.5: MAD 1
    ticks(1, 60); // 51.5 + 6 × 1.4826 = 60.4
    assert_int_equal(s.incidents, 0);
    ticks(1, 66); // that 60 is in the window now: median 52, distances 0, 1, 2, 8, 4948: MAD 1.5, and 52 + 6 × 2.224 = 65.3
    assert_int_equal(s.incidents, 1);
}

static void a_quarter_of_the_ticks_cannot_fake_growth(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"gauge:q\", \"growth\": { \"rate\": \"1/min\", \"over\": 100 } }");
    for (int i = 0; i < 300; i++)
        ticks(1, i % 4 == 3 ? i * 1000 : 50);
    assert_int_equal(s.incidents, 0);
    assert_non_null(strstr(why_not(), "grows by 0/min over 100 ticks, fires from 1/min"));
}

/* One a minute over five minutes is a growth by five. A step by four is none, wherever it stands in the window; one by eight is
 * one while it stands in the middle, where most pairs lie across it. A spike never is. */
static void a_step_counts_for_no_more_than_it_is(void **state)
{
    (void)state;
    static const char rule[] = "{ \"name\": \"a\", \"metric\": \"gauge:q\", \"growth\": { \"rate\": \"1/min\", \"over\": \"5m\" } }";
    story(rule);
    for (int i = 0; i < 1200; i++)
        ticks(1, i < 600 ? 50 : 54);
    assert_int_equal(s.incidents, 0);
    for (int i = 0; i < 600; i++)
        ticks(1, i > 300 && i < 360 ? 5000 : 54);
    assert_int_equal(s.incidents, 0);
    story(rule);
    for (int i = 0; i < 1200; i++)
        ticks(1, i < 600 ? 50 : 58);
    assert_int_equal(s.incidents, 1);
}

/* What fell due while nobody looked is not made up for, and the next stays in step with the first. */
static void every_does_not_make_up(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"every\": \"10s\" }");
    ticks(1, NAN);
    wait_s(34);
    ticks(1, NAN); // second 35
    assert_int_equal(s.incidents, 1);
    ticks(4, NAN); // 36 to 39
    assert_int_equal(s.incidents, 1);
    ticks(1, NAN);
    assert_int_equal(s.incidents, 2);
}

static void unless_below_holds_back_and_a_missing_figure_does_not(void **state)
{
    (void)state;
    double values[2] = {500, 3};
    struct gs_verdict verdict;
    story("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 400, \"unless\": { \"metric\": \"cpu\", \"below\": \"5%\" } }");
    struct gs_tick tick = {.time_ns = 0, .value = values};
    assert_int_equal(gs_rules_judge_tick(s.judge, &tick, &verdict), 0);
    assert_string_equal(why_not(), "held back: cpu is 3 % (unless)");
    values[1] = NAN;
    tick.time_ns = GS_NS_PER_S;
    assert_int_equal(gs_rules_judge_tick(s.judge, &tick, &verdict), 1);
}

/* The window of the old rules is that of the new ones, though the rise is another. */
static void a_new_judge_takes_over_windows(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"90%\", \"over\": 10 } }");
    ticks(10, MiB(100));
    struct gs_rules *old_rules = s.rules;
    struct gs_judge *old = s.judge;
    int64_t now_ns = s.now_ns;
    s.rules = NULL;
    s.judge = NULL;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"10%\", \"over\": 10 } }");
    gs_rules_judge_adopt(s.judge, old);
    gs_rules_judge_free(old);
    gs_rules_free(old_rules);
    s.now_ns = now_ns;
    ticks(1, MiB(111));
    assert_int_equal(s.incidents, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(above_is_more_than_the_line),
        cmocka_unit_test(a_share_is_of_the_limit),
        cmocka_unit_test(a_share_of_an_unknown_limit_never_fires),
        cmocka_unit_test(a_share_of_descriptors_is_of_their_limit),
        cmocka_unit_test(below_is_less_than_the_line),
        cmocka_unit_test(for_must_hold_without_a_break),
        cmocka_unit_test(a_gap_neither_holds_nor_breaks),
        cmocka_unit_test(a_rule_cools_down_and_then_wants_news),
        cmocka_unit_test(without_quiet_it_fires_again_only_at_a_new_high),
        cmocka_unit_test(again_always_needs_neither),
        cmocka_unit_test(jitter_fires_on_the_tick_that_jumps),
        cmocka_unit_test(jitter_waits_for_its_window),
        cmocka_unit_test(jitter_below_its_minimum_is_silent),
        cmocka_unit_test(captures_and_early_ticks_stay_out_of_windows),
        cmocka_unit_test(a_window_of_gaps_is_not_judged),
        cmocka_unit_test(growth_sees_a_slow_leak),
        cmocka_unit_test(a_share_of_growth_is_of_the_median),
        cmocka_unit_test(growth_is_not_misled_by_one_spike),
        cmocka_unit_test(unusual_knows_what_is_usual),
        cmocka_unit_test(every_goes_by_the_clock),
        cmocka_unit_test(unless_above_wins_and_is_counted),
        cmocka_unit_test(unless_looks_at_another_metric),
        cmocka_unit_test(a_limit_an_hour_is_kept),
        cmocka_unit_test(the_limit_of_all_rules_is_kept),
        cmocka_unit_test(the_alarm_stands_at_the_lowest_armed_line),
        cmocka_unit_test(no_alarm_is_set_below_the_present),
        cmocka_unit_test(lines_to_look_at_between_ticks_fire_at_once),
        cmocka_unit_test(a_new_judge_takes_over_what_the_old_one_knew),
        cmocka_unit_test(again_of_below_is_a_new_low),
        cmocka_unit_test(an_incident_that_failed_is_no_measure),
        cmocka_unit_test(a_rule_does_not_see_its_own_capture_as_usual),
        cmocka_unit_test(a_window_of_time_is_full_when_the_time_is_over),
        cmocka_unit_test(late_ticks_leave_gaps),
        cmocka_unit_test(by_and_rise_must_both_be_exceeded),
        cmocka_unit_test(jitter_of_what_is_negative),
        cmocka_unit_test(unusual_in_a_flat_window),
        cmocka_unit_test(unusual_is_not_misled_by_outliers),
        cmocka_unit_test(a_quarter_of_the_ticks_cannot_fake_growth),
        cmocka_unit_test(a_step_counts_for_no_more_than_it_is),
        cmocka_unit_test(every_does_not_make_up),
        cmocka_unit_test(unless_below_holds_back_and_a_missing_figure_does_not),
        cmocka_unit_test(a_new_judge_takes_over_windows),
    };
    gs_json_use_our_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
