/* test_faults.c - the rises of a metric, and which of them are faults. Rows are a minute apart; values are MiB of rss, limit 1 GiB. */
#include "base/json.h"
#include "base/memory.h"
#include "history/history.h"
#include "reader/suggest.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h> // wants the others before it

enum { HOUR = 60, DAY = 1440, ROWS_MAX = 8 * DAY };
static const int64_t minute_ns = 60 * GS_NS_PER_S;

/* ---- rises of a track ------------------------------------------------------------------------------------------------ */

static double values[ROWS_MAX];
static int64_t times[ROWS_MAX];
static size_t rows;

static void begin(void)
{
    rows = 0;
}

/* COUNT rows from FROM to TO, a straight line; TO is the value after the last of them. */
static void line(size_t count, double from, double to)
{
    for (size_t i = 0; i < count && rows < ROWS_MAX; i++, rows++) {
        times[rows] = (int64_t)rows * minute_ns;
        values[rows] = from + (to - from) * (double)i / (double)count;
    }
}

static void level(size_t count, double value)
{
    line(count, value, value);
}

/* A little up and down, the same in each run, at most AMOUNT either way. */
static void shake(double amount)
{
    uint32_t chance = 1;
    for (size_t i = 0; i < rows; i++) {
        chance = chance * 1664525u + 1013904223u;
        values[i] += amount * ((double)chance / 2147483648.0 - 1);
    }
}

static struct gs_rises rises;

static void find(double floor, int64_t settle_ns)
{
    const struct gs_track track = {.time_ns = times, .value = values, .count = rows};
    const struct gs_rise_scale scale = {.share = 0.8, .floor = floor, .settle_ns = settle_ns};
    gs_free(rises.item);
    rises = (struct gs_rises){0};
    assert_int_equal(gs_reader_find_rises(&track, &scale, &rises), 0);
}

static void assert_rise(size_t at, size_t begins, size_t reaches, size_t ends, bool returned)
{
    assert_true(at < rises.count);
    assert_int_equal(rises.item[at].begin, begins);
    assert_int_equal(rises.item[at].reach, reaches);
    assert_int_equal(rises.item[at].end, ends);
    assert_int_equal(rises.item[at].returned, returned);
}

/* 100 to 300 between the rows 59 and 60, for good: one rise, from 100 to 300. */
static void a_step(void **state)
{
    (void)state;
    begin();
    level(60, 100);
    level(60, 300);
    find(1, HOUR * minute_ns);
    assert_int_equal(rises.count, 1);
    assert_rise(0, 59, 60, 119, false);
    assert_true(rises.item[0].from == 100 && rises.item[0].to == 300);
}

/* From row 60 on two a minute, for 100 rows: 95 % of the rise is row 155. Then a third of it is left from row 160 on. */
static void a_climb_and_a_restart(void **state)
{
    (void)state;
    begin();
    level(60, 100);
    line(100, 100, 300);
    level(60, 100);
    find(1, HOUR * minute_ns);
    assert_int_equal(rises.count, 1);
    assert_true(rises.item[0].begin >= 58 && rises.item[0].begin <= 61); // where the line leaves the level
    assert_true(rises.item[0].reach >= 153 && rises.item[0].reach <= 155);
    assert_int_equal(rises.item[0].end, 160);
    assert_true(rises.item[0].returned);
}

/* 170 is less than 80 % above 100. */
static void what_is_small_is_no_rise(void **state)
{
    (void)state;
    begin();
    level(60, 100);
    level(60, 170);
    find(1, HOUR * minute_ns);
    assert_int_equal(rises.count, 0);
    level(60, 100);
    level(60, 190);
    find(1, HOUR * minute_ns);
    assert_int_equal(rises.count, 1);
    find(100, HOUR * minute_ns); // the floor
    assert_int_equal(rises.count, 0);
}

/* One value, two values; a single low value in a climb does not end it. */
static void single_values(void **state)
{
    (void)state;
    begin();
    level(60, 100);
    level(1, 500);
    level(60, 100);
    level(2, 500);
    level(60, 100);
    find(1, HOUR * minute_ns);
    assert_int_equal(rises.count, 2);
    assert_rise(0, 60, 60, 61, true);
    assert_rise(1, 120, 121, 123, true);
    begin();
    level(60, 100);
    line(100, 100, 300);
    values[130] = 0;
    find(1, HOUR * minute_ns);
    assert_int_equal(rises.count, 1);
}

/* Loaded at the start, quiet for a day, then a climb: two rises, and the second begins after the quiet day. */
static void quiet_separates_rises(void **state)
{
    (void)state;
    begin();
    line(10, 20, 100);
    level(DAY, 100);
    line(200, 100, 400);
    find(1, 3 * HOUR * minute_ns);
    assert_int_equal(rises.count, 2);
    assert_true(rises.item[0].reach <= 10);
    assert_true(rises.item[1].begin >= DAY && rises.item[1].begin <= DAY + 20);
    assert_true(rises.item[1].from == 100);
}

/* Noise of 5 either way, evenly: neighbours are 3.3 apart in the mean, and the estimate is of that size. */
static void noise_is_measured(void **state)
{
    (void)state;
    double scratch[HOUR * 10];
    begin();
    level(HOUR * 10, 100);
    shake(5);
    double noise = gs_reader_noise(&(const struct gs_track){times, values, rows}, scratch);
    assert_true(noise > 2.5 && noise < 3.8);
}

/* ---- faults of a history ------------------------------------------------------------------------------------------- */

static struct gs_suggested *suggested;

/* The rows as rss, in MiB. If LOADED is not 1, with cpu, fds and threads, which are so many times as high in the rows from FROM to TO
 * of each PERIOD. */
static void suggest_periodic(uint64_t limit_bytes, double loaded, size_t from, size_t to, size_t period)
{
    static const char *const names[] = {"rss", "cpu", "fds", "threads"};
    const struct gs_history_shape shape = {.part = {{rows, minute_ns}}};
    struct gs_history *history = gs_history_shaped(names, loaded == 1 ? 1 : 4, &shape);
    assert_non_null(history);
    for (size_t i = 0; i < rows; i++) {
        double load = i % period >= from && i % period < to ? loaded : 1;
        gs_history_put(history, times[i], minute_ns,
                       (double[]){values[i] * 1048576, 10 * load, 50 * load, 20 * load});
    }
    gs_reader_suggested_free(suggested);
    assert_int_equal(
        gs_reader_suggest(history, &(const struct gs_suggest_constraints){1, limit_bytes}, &suggested), 0);
    gs_history_free(history);
}

static void suggest_under_load(uint64_t limit_bytes, double loaded, size_t from, size_t to)
{
    suggest_periodic(limit_bytes, loaded, from, to, ROWS_MAX);
}

static void suggest_each_day(double loaded)
{
    suggest_periodic(0, loaded, DAY / 2, DAY, DAY);
}

static void suggest(void)
{
    suggest_under_load(1 << 30, 1, 0, 0);
}

static bool is_usual(enum gs_usual_cause cause)
{
    for (size_t i = 0; i < suggested->usual_count; i++)
        if (suggested->usual[i].cause == cause)
            return true;
    return false;
}

/* The first incident of any rule on fault AT, in minutes; -1: none. */
static int64_t first_minute(size_t at)
{
    int64_t first = -1;
    for (size_t i = 0; i < suggested->rule_count; i++) {
        const struct gs_hit *hit = &suggested->rule[i].hit[at];
        if (hit->fires && (first < 0 || hit->time_ns / minute_ns < first))
            first = hit->time_ns / minute_ns;
    }
    return first;
}

/* The report that began it: three days, 300 MiB, and 1 GiB more in the last fifth. The climb is seen, left out of what is usual
 * (the line is a tenth above 300 MiB and its noise, not above a quantile of the climb), and rules fire in its first half. */
static void a_climb_in_the_last_fifth(void **state)
{
    (void)state;
    begin();
    level(DAY * 12 / 5, 300);
    line(DAY * 3 / 5, 300, 1300);
    shake(10);
    suggest_under_load(0, 1, 0, 0);
    assert_int_equal(suggested->fault_count, 1);
    const struct gs_fault *fault = &suggested->fault[0];
    assert_int_equal(fault->kind, GS_FAULT_CLIMB);
    assert_true(fault->lasts && !fault->to_limit);
    assert_true(fault->begin_ns / minute_ns >= DAY * 12 / 5 - 15 &&
                fault->begin_ns / minute_ns <= DAY * 12 / 5 + 40);
    assert_true(fabs(fault->part[0].from / 1048576 - 300) < 5);
    assert_true(fabs(fault->part[0].to / 1048576 - 1300) < 20);
    assert_true(first_minute(0) > DAY * 12 / 5 && first_minute(0) < DAY * 12 / 5 + DAY * 3 / 10);
    assert_int_equal(suggested->otherwise, 0);
    assert_non_null(strstr(suggested->rules.bytes, "fires on the climb of rss in this history"));
}

static void a_spike_and_a_step(void **state)
{
    (void)state;
    begin();
    level(DAY, 200);
    level(5, 700);
    level(DAY, 200);
    level(DAY, 600);
    shake(4);
    suggest();
    assert_int_equal(suggested->fault_count, 2);
    assert_int_equal(suggested->fault[0].kind, GS_FAULT_SPIKE);
    assert_int_equal(suggested->fault[0].begin_ns / minute_ns, DAY - 1);
    assert_int_equal(suggested->fault[1].kind, GS_FAULT_STEP);
    assert_int_equal(suggested->fault[1].begin_ns / minute_ns, 2 * DAY + 4);
    assert_true(first_minute(0) >= DAY && first_minute(0) < DAY + 5);
    assert_true(first_minute(1) >= 2 * DAY + 5 && first_minute(1) < 2 * DAY + 10);
}

/* A job every six hours doubles it: usual, unless it goes near the limit. */
static void what_recurs_is_usual(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 12; i++) {
        level(6 * HOUR - 20, 200);
        level(20, 500);
    }
    shake(4);
    suggest();
    assert_int_equal(suggested->fault_count, 0);
    assert_true(is_usual(GS_USUAL_RECURS));
    suggest_under_load(510 << 20, 1, 0, 0); // 500 MiB are 98 % of 510 MiB
    assert_int_equal(suggested->fault_count, 12);
}

static void the_start_is_usual(void **state)
{
    (void)state;
    begin();
    line(5, 30, 300);
    level(2 * DAY, 300);
    shake(4);
    suggest();
    assert_int_equal(suggested->fault_count, 0);
    assert_true(is_usual(GS_USUAL_AT_START));
}

/* Restarted once: it comes back to where it was. */
static void a_level_that_was_seen_is_usual(void **state)
{
    (void)state;
    begin();
    level(DAY, 500);
    level(HOUR, 100);
    line(HOUR, 100, 500);
    level(DAY, 500);
    shake(4);
    suggest();
    assert_int_equal(suggested->fault_count, 0);
    assert_true(is_usual(GS_USUAL_SEEN_BEFORE));
}

static void one_day_is_usual(void **state)
{
    (void)state;
    begin();
    level(6 * HOUR, 200);
    line(6 * HOUR, 200, 600);
    line(6 * HOUR, 600, 200);
    level(6 * HOUR, 200);
    shake(4);
    suggest();
    assert_int_equal(suggested->fault_count, 0);
    assert_true(is_usual(GS_USUAL_DAY));
}

/* The same rise, once with four times the CPU time and descriptors, once without. */
static void more_load_is_no_fault(void **state)
{
    (void)state;
    begin();
    level(DAY, 200);
    level(HOUR, 500);
    level(DAY, 200);
    shake(4);
    suggest_under_load(1 << 30, 4, DAY, DAY + HOUR);
    assert_int_equal(suggested->fault_count, 0);
    assert_true(is_usual(GS_USUAL_LOAD));
    suggest();
    assert_int_equal(suggested->fault_count, 1);
}

/* Each day has its load from noon to midnight, and on the last one the memory climbs meanwhile: the load was there before. */
static void the_load_of_each_day_explains_nothing(void **state)
{
    (void)state;
    begin();
    level(2 * DAY + DAY / 2, 300);
    line(DAY / 2, 300, 1300);
    shake(4);
    suggest_each_day(4);
    assert_int_equal(suggested->fault_count, 1);
    assert_int_equal(suggested->fault[0].kind, GS_FAULT_CLIMB);
}

/* It climbs from the first row to the last: what is usual is its first fifth, and rules fire on the rest. */
static void a_climb_all_the_time(void **state)
{
    (void)state;
    begin();
    line(4 * DAY, 100, 900);
    shake(4);
    suggest();
    assert_int_equal(suggested->fault_count, 1);
    assert_int_equal(suggested->fault[0].kind, GS_FAULT_CLIMB);
    assert_true(first_minute(0) > 0 && first_minute(0) < 2 * DAY);
}

/* 500 to 750 MiB in the last fifth: half again, and it goes on. The same rise that comes to rest counts as usual. */
static void a_climb_that_has_only_begun(void **state)
{
    (void)state;
    begin();
    level(DAY * 12 / 5, 500);
    line(DAY * 3 / 5, 500, 750);
    shake(8);
    suggest_under_load(0, 1, 0, 0);
    assert_int_equal(suggested->fault_count, 1);
    assert_true(first_minute(0) > DAY * 12 / 5 && first_minute(0) < DAY * 12 / 5 + DAY * 3 / 10);
    begin();
    level(DAY, 500);
    line(DAY * 3 / 5, 500, 750);
    level(DAY, 750);
    shake(8);
    suggest_under_load(0, 1, 0, 0);
    assert_int_equal(suggested->fault_count, 0);
}

/* At 97 % of the limit for two hours, ten times at no regular hours, and at 78 % between: no rise that matters, so none of it is a
 * fault. "for" is doubled from three rows, past an hour: 96 min; then the line goes to 95 %, then "for" to 192 min. */
static void near_the_limit_it_waits(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 10; i++) {
        level((size_t)(3 + i * 7 % 5) * HOUR, 800);
        level(2 * HOUR, 990);
    }
    shake(2);
    suggest_under_load(1020 << 20, 1, 0, 0);
    assert_int_equal(suggested->fault_count, 0);
    assert_int_equal(suggested->otherwise, 0);
    const char *rule = strstr(suggested->rules.bytes, "rss-near-limit");
    assert_non_null(rule);
    assert_non_null(
        strstr(rule, "\"above\": \"95%\",\n      \"for\": \"192m\",\n      \"cooldown\": \"192m\""));
    assert_null(suggested->notes.bytes ? strstr(suggested->notes.bytes, "rss-near-limit") : NULL);
}

static int forget(void **state)
{
    (void)state;
    gs_free(rises.item);
    gs_reader_suggested_free(suggested);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step),
        cmocka_unit_test(a_climb_and_a_restart),
        cmocka_unit_test(what_is_small_is_no_rise),
        cmocka_unit_test(single_values),
        cmocka_unit_test(quiet_separates_rises),
        cmocka_unit_test(noise_is_measured),
        cmocka_unit_test(a_climb_in_the_last_fifth),
        cmocka_unit_test(a_spike_and_a_step),
        cmocka_unit_test(what_recurs_is_usual),
        cmocka_unit_test(the_start_is_usual),
        cmocka_unit_test(a_level_that_was_seen_is_usual),
        cmocka_unit_test(one_day_is_usual),
        cmocka_unit_test(more_load_is_no_fault),
        cmocka_unit_test(the_load_of_each_day_explains_nothing),
        cmocka_unit_test(a_climb_all_the_time),
        cmocka_unit_test(a_climb_that_has_only_begun),
        cmocka_unit_test(near_the_limit_it_waits),
    };
    gs_json_use_our_memory();
    return cmocka_run_group_tests(tests, NULL, forget);
}
