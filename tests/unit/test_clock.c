/* Clocks that stand oddly: the epoch's first moment, 2038 and what comes after, machines that have been up for a century,
 * clocks that jump, counters that wrap, values that flap. All clocks are the test's own. */
#include "base/clock.h"
#include "metrics/inside.h"
#include "rules/rules.h"
#include "store/store.h"
#include "story.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define S    GS_NS_PER_S
#define YEAR (365 * 86400 * S)

/* ---- how a moment is written ------------------------------------------------------------------------------------------------ */

static void moments_are_written_and_read_back(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds, ms;
        const char *iso, *folder;
    } moments[] = {
        {0, 0, "1970-01-01T00:00:00.000Z", "19700101T000000.000Z"},
        {951782400, 1, "2000-02-29T00:00:00.001Z", "20000229T000000.001Z"},
        {2147483647, 999, "2038-01-19T03:14:07.999Z", "20380119T031407.999Z"},
        {2147483648, 0, "2038-01-19T03:14:08.000Z", "20380119T031408.000Z"},
        {4107542399, 0, "2100-02-28T23:59:59.000Z", "21000228T235959.000Z"},
        {4107542400, 0, "2100-03-01T00:00:00.000Z", "21000301T000000.000Z"}, // no leap year
        {4294967296, 0, "2106-02-07T06:28:16.000Z", "21060207T062816.000Z"}, // 32 bits unsigned
        {9214646399, 999, "2261-12-31T23:59:59.999Z", "22611231T235959.999Z"},
    };
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        char text[GS_TIME_TEXT];
        int64_t moment_ns = moments[i].seconds * S + moments[i].ms * GS_NS_PER_MS, read_ns;
        assert_string_equal(gs_clock_print(moment_ns + 999999, GS_TIME_ISO, text), moments[i].iso); // cut, not rounded
        assert_true(gs_store_time_read(text, &read_ns) && read_ns == moment_ns);
        assert_string_equal(gs_clock_print(moment_ns, GS_TIME_FOLDER, text), moments[i].folder);
        assert_true(gs_store_time_read(text, &read_ns) && read_ns == moment_ns);
    }
}

/* A clock that was never set, or by a madman: some text, of a length that is known. */
static void the_ends_of_time_are_written_somehow(void **state)
{
    (void)state;
    char text[GS_TIME_TEXT];
    assert_string_equal(gs_clock_print(-1, GS_TIME_ISO, text), "1969-12-31T23:59:59.999Z");
    assert_string_equal(gs_clock_print(INT64_MAX, GS_TIME_ISO, text), "2262-04-11T23:47:16.854Z");
    assert_string_equal(gs_clock_print(INT64_MIN, GS_TIME_ISO, text), "1677-09-21T00:12:43.145Z");
    int64_t none_ns;
    assert_false(gs_store_time_read("2262-04-11T23:47:16.854Z", &none_ns)); // beyond what is sure to fit
    assert_false(gs_store_time_read("9999-12-31T23:59:59.999Z", &none_ns));
    assert_false(gs_store_time_read("1969-12-31T23:59:59.999Z", &none_ns));
}

/* ---- counters -------------------------------------------------------------------------------------------------------------------- */

static void a_counter_that_wraps_is_a_gap(void **state)
{
    (void)state;
    struct gs_metrics_rate rate = {0};
    assert_true(isnan(gs_metrics_rate(&rate, 10 * S, UINT64_MAX - 100))); // one reading is no rate
    assert_true(gs_metrics_rate(&rate, 11 * S, UINT64_MAX - 50) == 50);
    assert_true(isnan(gs_metrics_rate(&rate, 12 * S, 49))); // wrapped, or begun anew: who knows
    assert_true(gs_metrics_rate(&rate, 13 * S, 149) == 100);
    assert_true(gs_metrics_rate(&rate, 14 * S, 149) == 0);
}

static void a_rate_over_a_pause_is_its_mean(void **state)
{
    (void)state;
    struct gs_metrics_rate rate = {0};
    gs_metrics_rate(&rate, 100 * YEAR, 0);
    assert_true(gs_metrics_rate(&rate, 100 * YEAR + 10 * S, 1000) == 100); // stopped for nine of the ten seconds
    assert_true(isnan(gs_metrics_rate(&rate, 100 * YEAR + 9 * S, 2000)));  // a clock that goes back is no clock
    assert_true(gs_metrics_rate(&rate, 100 * YEAR + 10 * S, 2500) == 500);
}

/* ---- rules --------------------------------------------------------------------------------------------------------------------------- */

static struct story s;

static void begin(const char *list)
{
    story_begin(&s, "", list, 0);
}

static int end(void **state)
{
    (void)state;
    story_end(&s);
    return 0;
}

static size_t tick(int64_t now_ns, double value)
{
    return story_tick(&s, &(struct gs_tick){.time_ns = now_ns}, value);
}

/* The same hour, on machines that have been up for no time at all, for a year, for two centuries, and on a clock that began
 * before zero: a leak, a jump in it, and a rule by the clock. */
static void an_uptime_changes_nothing(void **state)
{
    (void)state;
    static const int64_t uptimes[] = {0, 1, -3600 * S, YEAR, (INT64_C(1) << 53) + 1, 200 * YEAR};
    size_t wanted = 0;
    for (size_t u = 0; u < sizeof uptimes / sizeof *uptimes; u++) {
        size_t fired = 0;
        begin("{\"name\": \"a\", \"metric\": \"rss\", \"growth\": {\"rate\": \"1MiB/min\", \"over\": \"10m\"}},"
              "{\"name\": \"b\", \"metric\": \"rss\", \"jitter\": {\"rise\": \"50%\", \"over\": 10}},"
              "{\"name\": \"c\", \"metric\": \"rss\", \"unusual\": {\"score\": 6, \"over\": \"5m\"}},"
              "{\"name\": \"d\", \"every\": \"7m\", \"cooldown\": \"0s\"},"
              "{\"name\": \"e\", \"metric\": \"rss\", \"above\": \"150MiB\", \"for\": \"1m\"}");
        for (int second = 0; second < 3600; second++)
            fired += tick(uptimes[u] + second * S, 1048576.0 * (100 + second * 0.02 + (second == 1800) * 100));
        if (u == 0)
            wanted = fired;
        assert_true(fired >= 8); // "d" alone makes eight
        assert_int_equal(fired, wanted);
    }
}

/* Above and below the line with every tick, for three hours: one incident in each cooldown. */
static void a_value_that_flaps_is_no_storm(void **state)
{
    (void)state;
    size_t fired = 0;
    begin("{\"name\": \"a\", \"metric\": \"threads\", \"above\": 10}");
    for (int second = 0; second < 3 * 3600; second++)
        fired += tick(second * S, second % 2 ? 20 : 5);
    assert_int_equal(fired, 18); // 180 minutes, one in ten
}

/* Eight rules that have no cooldown and want nothing new fire with every tick: twelve incidents an hour, and no more. */
static void a_storm_of_rules_is_kept_to_the_hours_limit(void **state)
{
    (void)state;
    char list[2048] = "";
    size_t fired = 0;
    for (int i = 0; i < 8; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list),
                 "%s{\"name\": \"r%d\", \"metric\": \"threads\", \"above\": 10, \"cooldown\": \"0s\", \"again\": \"always\"}",
                 i ? "," : "", i);
    begin(list);
    for (int second = 0; second < 3 * 3600; second++)
        fired += tick(second * S, 20);
    assert_int_equal(fired, 36);
}

/* The machine slept for a week: what was held is not held longer for it, what was seen before fills no window. */
static void a_week_asleep_is_a_gap(void **state)
{
    (void)state;
    struct gs_rule_state seen;
    begin("{\"name\": \"a\", \"metric\": \"rss\", \"above\": \"1MiB\", \"for\": \"1m\"},"
          "{\"name\": \"b\", \"metric\": \"rss\", \"growth\": {\"rate\": \"1KiB/s\", \"over\": \"5m\"}},"
          "{\"name\": \"c\", \"every\": \"1h\"}");
    int64_t now_ns = 0;
    for (int second = 0; second < 30; second++, now_ns += S)
        assert_int_equal(tick(now_ns, 2e6 + second), 0);
    now_ns += 7 * 86400 * S;
    assert_int_equal(tick(now_ns, 8e6), 1); // "c", and that once
    gs_rules_judge_state(s.judge, 0, now_ns, &seen);
    assert_string_equal(seen.reason, "held 30 s of 1 min"); // 29 s, and one for the tick that was late
    assert_int_equal(tick(now_ns + S, 8e6), 0);
    gs_rules_judge_state(s.judge, 1, now_ns + S, &seen);
    assert_non_null(strstr(seen.reason, "gaps"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_written_and_read_back),
        cmocka_unit_test(the_ends_of_time_are_written_somehow),
        cmocka_unit_test(a_counter_that_wraps_is_a_gap),
        cmocka_unit_test(a_rate_over_a_pause_is_its_mean),
        cmocka_unit_test_teardown(an_uptime_changes_nothing, end),
        cmocka_unit_test_teardown(a_value_that_flaps_is_no_storm, end),
        cmocka_unit_test_teardown(a_storm_of_rules_is_kept_to_the_hours_limit, end),
        cmocka_unit_test_teardown(a_week_asleep_is_a_gap, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
