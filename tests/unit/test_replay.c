/* test_replay.c - rules tried on histories: when they would have fired, and what held back the others.
 * Rows are 10 s apart from 0 on, unless a story says otherwise. */
#include "base/clock.h"
#include "base/json.h"
#include "history/history.h"
#include "reader/reader.h"
#include "rules/rules.h"
#include "story.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> // wants the others before it

#define MiB(n)     ((n)*1048576.0)
#define S(seconds) ((seconds)*GS_NS_PER_S)
enum { ROWS_MAX = 30000 };
static const char *const names[] = {"rss", "cpu", "gauge:n"}; // gauge:n has rss' figures, without a unit

static struct replay_story {
    struct gs_rules *rules;
    struct gs_history *history;
    struct gs_replay *replay;
    int64_t next_ns, step_ns;
} s;

static void forget(void)
{
    gs_reader_replay_free(s.replay);
    gs_history_free(s.history);
    gs_rules_free(s.rules);
    s = (struct replay_story){.step_ns = S(10)};
}

/* Begin a story with RULES (members of the list) and settings MORE before them. */
static void story_with(const char *more, const char *rules)
{
    forget();
    s.rules = story_rules(more, rules);
    s.history = gs_history_shaped(names, 3, &(struct gs_history_shape){{{ROWS_MAX, s.step_ns}}});
}

static void story(const char *rules)
{
    story_with("", rules);
}

static void rows(int count, double rss, double cpu)
{
    for (; count > 0; count--, s.next_ns += s.step_ns)
        gs_history_put(s.history, s.next_ns, s.step_ns, (double[]){rss, cpu, rss});
}

static void gap(int64_t seconds)
{
    s.next_ns += S(seconds);
}

static void replay_with(uint64_t limit_bytes, size_t columns)
{
    gs_reader_replay_free(s.replay);
    s.replay = gs_reader_replay_run(s.rules, s.history, limit_bytes, columns);
    assert_non_null(s.replay);
}

static const struct gs_replayed *replayed(size_t rule)
{
    if (!s.replay)
        replay_with(0, 0);
    return &s.replay->rule[rule];
}

static void assert_held_back(size_t rule, const char *by, int64_t seconds, const char *why)
{
    const struct gs_replayed *r = replayed(rule);
    assert_int_equal(r->fired, 0);
    assert_string_equal(gs_rules_obstacle_name(r->obstacle), by);
    assert_int_equal(r->time_ns, S(seconds));
    assert_string_equal(r->held_back, why);
}

/* ---- firing ---------------------------------------------------------------------------------------------------- */

/* 24 % over the mean is silence, and so is 25 %; the mean of nine times 100 and 124 is 102.4, and 130 is 27 % above. */
static void jitter_fires_at_the_row_that_jumps(void **state)
{
    (void)state;
    story("{ \"name\": \"jump\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"over\": 10 } }");
    rows(10, MiB(100), 1);
    rows(1, MiB(124), 1);
    rows(1, MiB(130), 1);
    const struct gs_replayed *r = replayed(0);
    assert_int_equal(r->fired, 1);
    assert_int_equal(r->firing[0].time_ns, S(110));
    assert_string_equal(r->firing[0].condition, "jitter");
    assert_true(r->firing[0].value == MiB(130) && r->firing[0].line == MiB(128));
    assert_string_equal(r->firing[0].reason,
                        "rss 130 MiB is 27.0 % above the mean of the 10 ticks before (102.4 MiB); "
                        "the rule allows 25 %");
    story("{ \"name\": \"jump\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"over\": 10 } }");
    rows(10, MiB(100), 1);
    rows(1, MiB(125), 1);
    assert_held_back(0, "line", 100, "value 125 MiB, fires above 125 MiB");
}

/* An incident takes no time: the cooldown of a minute is counted from its row. Above the line again after 40 s, which is
 * missed, once however long it lasts; and after two minutes, which fires. */
static void a_cooldown_is_counted_from_the_row(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"gauge:n\", \"above\": 100, \"cooldown\": \"1m\" }");
    rows(1, 101, 1);
    rows(3, 50, 1);
    rows(2, 101, 1);
    rows(6, 50, 1);
    rows(1, 101, 1);
    const struct gs_replayed *r = replayed(0);
    assert_int_equal(r->fired, 2);
    assert_int_equal(r->firing[0].time_ns, 0);
    assert_int_equal(r->firing[1].time_ns, S(120));
    assert_int_equal(r->missed[GS_NO_COOLDOWN], 1);
}

/* The condition holds on without a break: that is one incident and nothing missed. */
static void what_holds_on_is_not_missed(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"gauge:n\", \"above\": 100, \"cooldown\": \"1m\" }");
    rows(60, 101, 1);
    assert_int_equal(replayed(0)->fired, 1);
    for (int i = 0; i < GS_OBSTACLES; i++)
        assert_int_equal(replayed(0)->missed[i], 0);
    story("{ \"name\": \"a\", \"metric\": \"gauge:n\", \"above\": 100, \"cooldown\": \"1m\", \"again\": "
          "\"always\" }");
    rows(13, 101, 1); // at 0, 60 and 120 s; in between it is the same incident still
    assert_int_equal(replayed(0)->fired, 3);
    assert_int_equal(replayed(0)->missed[GS_NO_COOLDOWN], 0);
}

static void every_fires_by_the_rows_times(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"every\": \"5m\" }, { \"name\": \"b\", \"every\": \"1h\" }");
    rows(91, NAN, NAN); // to 900 s
    assert_int_equal(replayed(0)->fired, 3);
    assert_int_equal(replayed(0)->firing[2].time_ns, S(900));
    assert_true(isnan(replayed(0)->firing[0].value));
    assert_held_back(1, "every", 900, "next in 45 min");
}

/* A cooldown of nothing and "always": every row is a firing. All are counted, a thousand are kept. */
static void firings_are_bounded(void **state)
{
    (void)state;
    story_with("\"incidents\": { \"max_per_hour\": 0 },",
               "{ \"name\": \"a\", \"metric\": \"gauge:n\", \"above\": 1, \"cooldown\": \"0s\", \"again\": "
               "\"always\" }");
    rows(2500, 2, 1);
    assert_int_equal(replayed(0)->fired, 2500);
    assert_int_equal(replayed(0)->firing_count, GS_FIRINGS_MAX);
    assert_int_equal(replayed(0)->firing[999].time_ns, S(9990));
}

/* ---- what held it back ------------------------------------------------------------------------------------------- */

static void the_closest_to_a_line_is_told(void **state)
{
    (void)state;
    story("{ \"name\": \"up\", \"metric\": \"rss\", \"above\": \"100MiB\" },"
          "{ \"name\": \"down\", \"metric\": \"cpu\", \"below\": 5 }");
    rows(1, MiB(60), 40);
    rows(1, MiB(90), 20);
    rows(1, MiB(80), 7);
    rows(1, MiB(90), 30);
    assert_held_back(0, "line", 10, "value 90 MiB, fires above 100 MiB");
    assert_true(replayed(0)->value == MiB(90) && replayed(0)->line == MiB(100));
    assert_held_back(1, "line", 20, "value 7 %, fires below 5 %");
}

/* Held for 20 s, then broken, then for 10 s though further beyond: the longer hold was closer. */
static void a_hold_that_was_too_short_is_told(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"gauge:n\", \"above\": 100, \"for\": \"1m\" }");
    rows(2, 50, 1);
    rows(3, 101, 1);
    rows(1, 50, 1);
    rows(2, 150, 1);
    assert_held_back(0, "for", 40, "held 20 s of 1 min");
}

/* Ninety seconds are missing, and count as one row's ten: two rows, the gap, four rows hold for a minute. */
static void a_gap_holds_nothing(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"gauge:n\", \"above\": 100, \"for\": \"1m\" }");
    rows(2, 101, 1);
    gap(80);
    rows(4, 101, 1); // 100 to 130: held 10 + 10 + 30
    replay_with(0, 0);
    assert_int_equal(s.replay->gaps, 1);
    assert_held_back(0, "for", 130, "held 50 s of 1 min");
    rows(1, 101, 1);
    replay_with(0, 0);
    assert_int_equal(replayed(0)->fired, 1);
    assert_int_equal(replayed(0)->firing[0].time_ns, S(140));
}

static void a_window_that_was_never_full_is_told(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"over\": 10 } },"
          "{ \"name\": \"b\", \"metric\": \"rss\", \"growth\": { \"rate\": \"1MiB/min\", \"over\": \"30m\" } "
          "}");
    rows(7, MiB(100), 1);
    assert_held_back(0, "over", 60, "window 7 of 10");
    assert_held_back(1, "over", 60, "window 1 min of 30 min");
}

static void what_is_not_in_the_history_is_told(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 5 }, { \"name\": \"b\", \"metric\": "
          "\"cpu\", \"above\": 5 },"
          "{ \"name\": \"c\", \"metric\": \"rss\", \"above\": \"80%\" }");
    rows(2, MiB(100), NAN);
    rows(1, MiB(120), INFINITY);
    rows(1, MiB(90), NAN);
    assert_held_back(0, "metric", 0, "threads is not in this history");
    assert_held_back(1, "metric", 0, "cpu has no value in this history");
    assert_held_back(2, "limit", 20, "value 120 MiB, fires above 80 % of the limit, which is unknown");
    replay_with(100 << 20, 0); // 80 MiB is the line
    assert_int_equal(replayed(2)->fired, 1);
}

/* Each kind of restraint, told as the nearest thing to an incident. */
static void restraints_are_told(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"gauge:n\", \"above\": 100, \"unless\": { \"metric\": \"cpu\", "
          "\"above\": \"95%\" } },"
          "{ \"name\": \"b\", \"metric\": \"gauge:n\", \"above\": 100, \"unless_above\": 120 }");
    rows(3, 50, 97);
    rows(2, 150, 97);
    rows(1, 50, 97);
    rows(1, 140, 97);
    assert_held_back(0, "unless", 30, "held back: cpu is 97 % (unless)");
    assert_held_back(1, "unless_above", 30, "held back: value 150 is above 120 (unless_above)");
    assert_int_equal(replayed(0)->missed[GS_HELD_BY_UNLESS], 2);
    assert_int_equal(replayed(1)->missed[GS_HELD_BY_UNLESS_ABOVE], 2);

    story_with("\"incidents\": { \"max_per_hour\": 1 },",
               "{ \"name\": \"a\", \"metric\": \"gauge:n\", \"above\": 100 },"
               "{ \"name\": \"b\", \"metric\": \"cpu\", \"above\": 90 }");
    rows(3, 101, 97);
    assert_int_equal(replayed(0)->fired, 1);
    assert_held_back(1, "incidents.max_per_hour", 0, "held back: hourly limit of 1 for all rules reached");

    story("{ \"name\": \"a\", \"metric\": \"gauge:n\", \"above\": 100, \"cooldown\": \"0s\", "
          "\"max_per_hour\": 2 }");
    for (int i = 0; i < 5; i++) {
        rows(1, 50, 1);
        rows(1, 101, 1);
    }
    assert_int_equal(replayed(0)->fired, 2);
    assert_int_equal(replayed(0)->missed[GS_HELD_BY_RULES_HOUR], 3);
}

/* ---- histories of a week ------------------------------------------------------------------------------------------- */

/* Six hours of ticks as an agent keeps them, of which four are steps by now. Memory grows by 2 MiB a minute; cpu stands at
 * 50 % with a spike of one tick in the first hour, a dip of one in the second, and one dip below 40 % in each minute of
 * the third. */
static void live_history(void)
{
    gs_history_free(s.history);
    s.history = gs_history_new(names, 3, S(1));
    for (int second = 1; second <= 6 * 3600; second++) {
        bool third_hour = second > 7200 && second <= 10800;
        double cpu = second == 1800 ? 100 : second == 5400 ? 1 : third_hour && second % 60 == 30 ? 39 : 50;
        gs_history_add(s.history, second * GS_NS_PER_S, (double[]){MiB(100) + second * MiB(2) / 60, cpu, 0});
    }
}

static void old_hours_are_judged_as_ticks_would_have_been(void **state)
{
    (void)state;
    story("{ \"name\": \"leak\", \"metric\": \"rss\", \"growth\": { \"rate\": \"1.9MiB/min\", \"over\": "
          "\"1h\" } },"
          "{ \"name\": \"no-leak\", \"metric\": \"rss\", \"growth\": { \"rate\": \"2.1MiB/min\", \"over\": "
          "\"1h\" } },"
          "{ \"name\": \"spike\", \"metric\": \"cpu\", \"above\": 90 },"
          "{ \"name\": \"dip\", \"metric\": \"cpu\", \"below\": 5 },"
          "{ \"name\": \"jump\", \"metric\": \"cpu\", \"jitter\": { \"rise\": \"25%\", \"over\": 10 } },"
          "{ \"name\": \"low\", \"metric\": \"cpu\", \"below\": 45, \"for\": \"5m\" },"
          "{ \"name\": \"high\", \"metric\": \"cpu\", \"above\": 45, \"for\": \"75m\" }");
    live_history();
    assert_int_equal(gs_history_step_ns(s.history, 0), S(30));
    replay_with(0, 0);
    assert_int_equal(s.replay->gaps, 0);
    assert_true(replayed(0)->fired > 1); // and at each tenth more
    assert_in_range(replayed(0)->firing[0].time_ns, S(3600), S(3660));
    assert_int_equal(replayed(1)->fired, 0);
    assert_int_equal(replayed(2)->fired, 1); // 100 stands at the end or in the middle of its minute
    assert_in_range(replayed(2)->firing[0].time_ns, S(1770), S(1830));
    assert_int_equal(replayed(3)->fired, 1);
    assert_in_range(replayed(3)->firing[0].time_ns, S(5370), S(5430));
    assert_true(replayed(4)->fired >= 1);
    assert_in_range(replayed(4)->firing[0].time_ns, S(1770), S(1830));
    assert_int_equal(replayed(5)->fired, 0); // each minute was above 45 as well
    // the first hour and a half has no dip, from the fourth on there is none: 90 and 180 minutes; between them no hold
    assert_int_equal(replayed(6)->fired, 2);
    assert_in_range(replayed(6)->firing[0].time_ns, S(4500), S(4560));
    assert_in_range(replayed(6)->firing[1].time_ns, S(10800 + 4470), S(10800 + 4530));
}

/* The clock was set back by an hour: windows and cooldowns go on, and nothing fires for it. */
static void a_clock_that_was_set_back_does_no_harm(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"over\": 10 } },"
          "{ \"name\": \"b\", \"metric\": \"cpu\", \"above\": 90, \"cooldown\": \"2m\" }");
    rows(5, 100, 95);
    gap(-3600);
    rows(5, 100, 10);
    rows(1, 126, 95); // 100 s after the first, whatever the clock said: still cooling
    rows(2, 100, 10);
    rows(1, 100, 95);
    assert_int_equal(replayed(0)->fired, 1);
    assert_int_equal(replayed(0)->firing[0].time_ns, S(100 - 3600));
    assert_int_equal(replayed(1)->fired, 2);
    assert_int_equal(replayed(1)->missed[GS_NO_COOLDOWN], 1);
}

/* Times from the ends of what a file can say. */
static void absurd_times_do_no_harm(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"rss\", \"growth\": { \"rate\": \"1MiB/min\", \"over\": \"30d\" "
          "}, \"cooldown\": \"30d\" },"
          "{ \"name\": \"b\", \"every\": \"365d\" }");
    const int64_t time_ns[] = {INT64_MIN, INT64_MIN + 1, 0, INT64_MAX - 1, INT64_MAX, INT64_MIN, 5, 5, 5};
    for (size_t i = 0; i < sizeof time_ns / sizeof *time_ns; i++)
        gs_history_put(s.history, time_ns[i], i % 2 ? S(1) : INT64_MAX, (double[]){1e308, -1e308, 0});
    replay_with(0, 10);
    assert_int_equal(s.replay->rows, 9);
}

/* ---- plots ---------------------------------------------------------------------------------------------------------- */

/* Four rows over 30 s in three columns: one row, one row, two rows. */
static void columns_have_what_their_time_saw(void **state)
{
    (void)state;
    story("{ \"name\": \"a\", \"metric\": \"gauge:n\", \"above\": 100 }");
    rows(1, 50, 1);
    rows(1, NAN, 1);
    rows(1, 90, 1);
    rows(1, 120, 1);
    replay_with(0, 3);
    const struct gs_column *column = replayed(0)->column;
    assert_true(column[0].low == 50 && column[0].high == 50 && column[0].line == 100 && !column[0].fired);
    assert_true(isnan(column[1].low) && isnan(column[1].high));
    assert_true(column[2].low == 90 && column[2].high == 120 && column[2].line == 100 && column[2].fired);
}

static int forget_last(void **state)
{
    (void)state;
    forget();
    return 0;
}

int main(void)
{
    gs_json_use_our_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jitter_fires_at_the_row_that_jumps),
        cmocka_unit_test(a_cooldown_is_counted_from_the_row),
        cmocka_unit_test(what_holds_on_is_not_missed),
        cmocka_unit_test(every_fires_by_the_rows_times),
        cmocka_unit_test(firings_are_bounded),
        cmocka_unit_test(the_closest_to_a_line_is_told),
        cmocka_unit_test(a_hold_that_was_too_short_is_told),
        cmocka_unit_test(a_gap_holds_nothing),
        cmocka_unit_test(a_window_that_was_never_full_is_told),
        cmocka_unit_test(what_is_not_in_the_history_is_told),
        cmocka_unit_test(restraints_are_told),
        cmocka_unit_test(old_hours_are_judged_as_ticks_would_have_been),
        cmocka_unit_test(a_clock_that_was_set_back_does_no_harm),
        cmocka_unit_test(absurd_times_do_no_harm),
        cmocka_unit_test(columns_have_what_their_time_saw),
    };
    return cmocka_run_group_tests(tests, NULL, forget_last);
}
