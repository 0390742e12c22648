/* test_history_steps.c - what becomes of ticks that are too old to be kept one by one.
 * A small history: three ticks, two steps of 4 s, one step of 8 s. */
#include "base/clock.h"
#include "base/text.h"
#include "history/history.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> // wants the others before it

#define S(seconds) ((int64_t)((seconds)*1e9))
static const char *const rss[] = {"rss"};
static const struct gs_history_shape small = {{{3, S(1)}, {4, S(4)}, {2, S(8)}}};

static void tick(struct gs_history *history, double second, double value)
{
    gs_history_add(history, S(second), &value);
}

/* "2:180 4:99 …", with the step in brackets wherever it is another than before. */
static const char *rows(const struct gs_history *history)
{
    static struct gs_text text;
    int64_t before_ns = S(1);
    gs_text_fini(&text);
    gs_text_add(&text, "%s", "");
    for (size_t at = 0; at < gs_history_length(history); at++) {
        int64_t step_ns = gs_history_step_ns(history, at);
        gs_text_add(&text, "%s%g:%g", at ? " " : "", (double)gs_history_time(history, at) / 1e9,
                    gs_history_value(history, at, 0));
        if (step_ns != before_ns)
            gs_text_add(&text, "[%g]", (double)step_ns / 1e9);
        before_ns = step_ns;
    }
    return text.bytes;
}

/* Of four seconds 180 was the highest and 99 the lowest, later: a spike and a dip, at the middle and at the end. */
static void a_step_keeps_its_extremes_in_their_order(void **state)
{
    (void)state;
    struct gs_history *history = gs_history_shaped(rss, 1, &small);
    const double value[] = {100, 104, 180, 99, 101, 102, 103};
    for (int i = 0; i < 3; i++)
        tick(history, i + 1, value[i]);
    assert_string_equal(rows(history), "1:100 2:104 3:180");
    tick(history, 4, 99); // the first tick is the open step: from 0 to 1 s, one value
    assert_string_equal(rows(history), "0.5:100[2] 1:100 2:104[1] 3:180 4:99");
    for (int i = 4; i < 7; i++)
        tick(history, i + 1, value[i]);
    assert_string_equal(rows(history), "2:180[2] 4:99 5:101[1] 6:102 7:103");
    gs_history_free(history);
}

/* It grows by one a second: a step has its low first, and the whole is a ramp still. */
static void a_ramp_stays_a_ramp(void **state)
{
    (void)state;
    struct gs_history *history = gs_history_shaped(rss, 1, &small);
    for (int second = 1; second <= 15; second++)
        tick(history, second, second);
    assert_string_equal(rows(history), "2:1[2] 4:4 6:5 8:8 10:9 12:12 13:13[1] 14:14 15:15");
    for (size_t at = 1; at < gs_history_length(history); at++)
        assert_true(gs_history_value(history, at, 0) > gs_history_value(history, at - 1, 0));
    gs_history_free(history);
}

/* Steps of 4 s fall into those of 8 s; and what falls out of these is gone. Nothing is ever there twice. */
static void steps_fall_into_coarser_steps(void **state)
{
    (void)state;
    struct gs_history *history = gs_history_shaped(rss, 1, &small);
    for (int second = 1; second <= 23; second++)
        tick(history, second, second);
    // ticks 21-23; steps 9-12 (half of it gone into the coarse), 13-16, 17-20 (open); 1-8 a coarse step, 9-12 the next
    assert_string_equal(rows(history),
                        "4:1[4] 8:8 10:9[2] 12:12 14:13 16:16 18:17 20:20 21:21[1] 22:22 23:23");
    for (int second = 24; second <= 10000; second++) {
        tick(history, second, second);
        assert_true(gs_history_length(history) <= 3 + 4 + 2 + 2 + 2);
        for (size_t at = 1; at < gs_history_length(history); at++)
            assert_true(gs_history_time(history, at) > gs_history_time(history, at - 1));
    }
    assert_int_equal(gs_history_serial(history), 10000);
    gs_history_free(history);
}

/* Nothing for a minute: no step bridges it. Nothing for two seconds, within a step: that is not told any more. */
static void a_gap_longer_than_a_step_stays_one(void **state)
{
    (void)state;
    struct gs_history *history = gs_history_shaped(rss, 1, &small);
    tick(history, 1, 7);
    tick(history, 2, 9);
    tick(history, 62, 20);
    tick(history, 65, 22);
    tick(history, 66, 23);
    tick(history, 67, 24);
    tick(history, 68, 25);
    assert_string_equal(rows(history), "1:7[2] 2:9 63:20 65:22 66:23[1] 67:24 68:25");
    gs_history_free(history);
}

/* A metric is missing at times: the step has what was seen, and is missing where nothing was. */
static void what_is_missing_is_no_extreme(void **state)
{
    (void)state;
    struct gs_history *history = gs_history_shaped((const char *const[]){"rss", "gauge:queue"}, 2, &small);
    const double value[][2] = {{NAN, NAN}, {5, NAN}, {INFINITY, NAN}, {3, NAN}, {NAN, 1}, {NAN, 1}, {NAN, 1}};
    for (int i = 0; i < 7; i++)
        gs_history_add(history, S(i + 1), value[i]);
    assert_string_equal(rows(history), "2:5[2] 4:3 5:nan[1] 6:nan 7:nan");
    assert_true(isnan(gs_history_value(history, 0, 1)) && isnan(gs_history_value(history, 1, 1)));
    gs_history_free(history);
}

/* The clock was set back by an hour: a new step begins; times are as they were said. */
static void a_clock_that_is_set_back_begins_a_step(void **state)
{
    (void)state;
    struct gs_history *history = gs_history_shaped(rss, 1, &small);
    tick(history, 3601, 1);
    tick(history, 3602, 2);
    for (int second = 3; second <= 6; second++)
        tick(history, second, second);
    assert_string_equal(rows(history), "3601:1[2] 3602:2 2.5:3 3:3 4:4[1] 5:5 6:6");
    gs_history_free(history);
}

/* The rules were reloaded: steps are taken over as steps, not as ticks that are to be halved once more. */
static void a_reload_keeps_the_steps(void **state)
{
    (void)state;
    struct gs_history *old = gs_history_shaped(rss, 1, &small);
    for (int second = 1; second <= 23; second++)
        tick(old, second, second);
    char before[256];
    snprintf(before, sizeof before, "%s", rows(old));
    const struct gs_history_shape larger = {{{5, S(1)}, {8, S(4)}, {4, S(8)}}};
    struct gs_history *history = gs_history_shaped(rss, 1, &larger);
    gs_history_adopt(history, old);
    assert_string_equal(rows(history), before);

    // into a smaller one: two ticks, one step of 4 s, then steps of 8 s
    const struct gs_history_shape smaller = {{{2, S(1)}, {2, S(4)}, {4, S(8)}}};
    struct gs_history *less = gs_history_shaped(rss, 1, &smaller);
    gs_history_adopt(less, old);
    assert_string_equal(rows(less), "4:1[4] 8:8 12:9 16:16 18:17[2] 20:20 20.5:21 21:21 22:22[1] 23:23");
    gs_history_free(less);
    gs_history_free(history);
    gs_history_free(old);
}

/* The new rules tick faster: the old ticks are steps already, and no step of the new history is made of one of them. */
static void old_ticks_that_are_as_long_as_steps_pass_as_they_are(void **state)
{
    (void)state;
    struct gs_history *old = gs_history_shaped(rss, 1, &(struct gs_history_shape){{{3, S(4)}}});
    for (int i = 1; i <= 3; i++)
        tick(old, 4 * i, i);
    struct gs_history *history = gs_history_shaped(rss, 1, &small);
    gs_history_adopt(history, old);
    assert_string_equal(rows(history), "4:1[4] 8:2 12:3");
    tick(history, 13, 4);
    tick(history, 14, 5);
    assert_string_equal(rows(history), "4:1[4] 8:2 12:3 13:4[1] 14:5");
    gs_history_free(history);
    gs_history_free(old);
}

/* As it runs in a server: three metrics for eight days. */
static void a_week_has_two_hours_of_ticks_and_coarser_days(void **state)
{
    (void)state;
    static const char *const three[] = {"rss", "heap_in_use", "threads"};
    struct gs_history *history = gs_history_new(three, 3, S(1));
    int64_t end = 8 * 86400;
    for (int64_t second = 1; second <= end; second++)
        gs_history_add(history, second * GS_NS_PER_S, (double[]){(double)second, 1, 2});
    size_t length = gs_history_length(history);
    assert_int_equal(gs_history_time(history, length - 1), end * GS_NS_PER_S);
    assert_int_equal(gs_history_time(history, length - 7200), (end - 7199) * GS_NS_PER_S);
    assert_int_equal(gs_history_step_ns(history, length - 7200), S(1));
    assert_int_equal(gs_history_step_ns(history, length - 7201), S(30));
    assert_int_equal(gs_history_step_ns(history, 0), S(300));
    double days = (double)(end - gs_history_time(history, 0) / GS_NS_PER_S) / 86400;
    assert_true(days > 7 && days < 8); // 1008 steps of ten minutes are a week, and half a day of minutes
    assert_true(length <= 7200 + 2 * 720 + 2 * 1008 + 4);
    assert_true(gs_history_value(history, 0, 0) < gs_history_value(history, 1, 0));
    gs_history_free(history);
}

/* Many gauges: the ticks become fewer, but an hour stays. A tick a minute: its steps are longer. */
static void the_shape_suits_metrics_and_interval(void **state)
{
    (void)state;
    const char *names[100];
    char room[100][16];
    double values[100] = {0};
    for (int i = 0; i < 100; i++) {
        snprintf(room[i], sizeof room[i], "gauge:%d", i);
        names[i] = room[i];
    }
    struct gs_history *many = gs_history_new(names, 100, S(1));
    for (int second = 1; second <= 3700; second++)
        gs_history_add(many, second * GS_NS_PER_S, values);
    size_t length = gs_history_length(many);
    assert_int_equal(gs_history_step_ns(many, length - 3600), S(1));
    assert_int_equal(gs_history_step_ns(many, length - 3601), S(30));
    gs_history_free(many);

    struct gs_history *slow = gs_history_new(rss, 1, S(60));
    for (int minute = 1; minute <= 7300; minute++)
        tick(slow, minute * 60, minute);
    assert_int_equal(gs_history_step_ns(slow, 0), S(1800)); // an hour is a step
    assert_int_equal(gs_history_interval_ns(slow), S(60));
    gs_history_free(slow);
}

/* metrics.json says from where on rows speak for how much. */
static void metrics_json_tells_the_steps(void **state)
{
    (void)state;
    struct gs_history *history = gs_history_shaped(rss, 1, &small);
    struct gs_text text = {0};
    for (int second = 1; second <= 23; second++)
        tick(history, second, second);
    gs_history_write_json(history, &(struct gs_history_about){.pid = 9}, &text);
    assert_non_null(strstr(text.bytes,
                           "\"steps\":[{\"from\":4.000,\"step_ms\":4000},{\"from\":10.000,\"step_ms\":2000},"
                           "{\"from\":21.000,\"step_ms\":1000}],\n\"series\":{\n\"rss\":[[4.000,1],\n"));
    gs_text_fini(&text);
    gs_history_free(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_keeps_its_extremes_in_their_order),
        cmocka_unit_test(a_ramp_stays_a_ramp),
        cmocka_unit_test(steps_fall_into_coarser_steps),
        cmocka_unit_test(a_gap_longer_than_a_step_stays_one),
        cmocka_unit_test(what_is_missing_is_no_extreme),
        cmocka_unit_test(a_clock_that_is_set_back_begins_a_step),
        cmocka_unit_test(a_reload_keeps_the_steps),
        cmocka_unit_test(old_ticks_that_are_as_long_as_steps_pass_as_they_are),
        cmocka_unit_test(a_week_has_two_hours_of_ticks_and_coarser_days),
        cmocka_unit_test(the_shape_suits_metrics_and_interval),
        cmocka_unit_test(metrics_json_tells_the_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
