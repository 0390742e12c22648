/* test_suggest.c - figures of a history, and rules fitted to it. Rows are a minute apart. */
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "history/history.h"
#include "reader/suggest.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h> // wants the others before it

#define MiB(n) ((n)*1048576.0)
static const int64_t minute_ns = 60 * GS_NS_PER_S, hour_ns = 3600 * GS_NS_PER_S;

enum { HOUR = 60, DAY = 1440 };

static struct gs_text csv;
static struct gs_history *history;
static int64_t next_s;

static void forget_history(void)
{
    gs_history_free(history);
    gs_text_fini(&csv);
    history = NULL;
    csv = (struct gs_text){0};
}

static void begin(const char *metric)
{
    forget_history();
    next_s = 0;
    gs_text_add(&csv, "time,%s\n", metric);
}

static void row(double value)
{
    if (isnan(value))
        gs_text_add(&csv, "%lld,\n", (long long)next_s);
    else
        gs_text_add(&csv, "%lld,%.17g\n", (long long)next_s, value);
    next_s += 60;
}

static void end(void)
{
    struct gs_history_about about;
    struct gs_errors errors = {0};
    gs_history_free(history);
    history = gs_reader_history(csv.bytes, csv.length, "history", &about, &errors);
    if (!history)
        fail_msg("%d: %s", errors.item[0].line, errors.item[0].text);
}

static struct gs_figures figures(int64_t slope_window_ns, int64_t jump_window_ns)
{
    const struct gs_periods nothing = {0};
    struct gs_figures out;
    end();
    assert_int_equal(gs_reader_figures_of(history, 0, &nothing, slope_window_ns, jump_window_ns, &out), 0);
    return out;
}

static void assert_about(double value, double wanted)
{
    if (!(fabs(value - wanted) <= 1e-6 * (1 + fabs(wanted))))
        fail_msg("%.9g, wanted %.9g", value, wanted);
}

/* 1 to 100, and 20 gaps: the median is 50, 99 % are at most 99. Distances from 50 are 0, twice 1 to 49, and 50: their median is 25. */
static void quantiles_are_of_what_was_seen(void **state)
{
    (void)state;
    begin("gauge:n");
    for (int i = 1; i <= 100; i++) {
        row((i * 37) % 101);
        if (i % 5 == 0)
            row(NAN);
    }
    struct gs_figures f = figures(hour_ns, hour_ns);
    assert_int_equal(f.count, 100);
    assert_about(f.least, 1);
    assert_about(f.median, 50);
    assert_about(f.high, 99);
    assert_about(f.most, 100);
    assert_about(f.spread, 1.4826 * 25);
    assert_true(isnan(f.quiet_hour) && isnan(f.busy_hour)); // less than two days
}

/* Three a minute, for four hours: 0.05 a second over every window, and no window strays. A row stands 3 × 5.5 above the mean
 * of the ten before it. */
static void slopes_and_jumps(void **state)
{
    (void)state;
    begin("gauge:n");
    for (int i = 0; i < 4 * HOUR; i++)
        row(3 * i);
    struct gs_figures f = figures(hour_ns, 10 * minute_ns);
    assert_about(f.slope, 0.05);
    assert_true(fabs(f.slope_spread) < 1e-9);
    assert_about(f.jump, 16.5);
}

/* 10 by night, 30 from noon to one, on three days. */
static void the_hours_of_the_day(void **state)
{
    (void)state;
    begin("gauge:n");
    for (int i = 0; i < 3 * DAY; i++)
        row(i % DAY / HOUR == 12 ? 30 : 10);
    struct gs_figures f = figures(hour_ns, hour_ns);
    assert_about(f.quiet_hour, 10);
    assert_about(f.busy_hour, 30);
}

static void a_metric_that_is_never_there(void **state)
{
    (void)state;
    begin("gauge:n");
    for (int i = 0; i < 100; i++)
        row(NAN);
    assert_int_equal(figures(hour_ns, hour_ns).count, 0);
}

static struct gs_suggested *suggested;

static int suggest(uint64_t per_week, uint64_t limit_bytes)
{
    gs_reader_suggested_free(suggested);
    suggested = NULL;
    end();
    return gs_reader_suggest(history, &(struct gs_suggest_constraints){per_week, limit_bytes}, &suggested);
}

static void assert_says(const struct gs_text *text, const char *words)
{
    if (!text->bytes || !strstr(text->bytes, words))
        fail_msg("not said: %s\n%s", words, text->bytes ? text->bytes : "");
}

/* 100 MiB for a week: the line is a tenth above it, a jump 15 %, a leak a tenth over two days: 10 MiB in 48 hours are 213.3 KiB an
 * hour, rounded up. The limit is 1 GiB. */
static void a_week_of_nothing(void **state)
{
    (void)state;
    begin("rss");
    for (int i = 0; i <= 7 * DAY; i++)
        row(MiB(100));
    assert_int_equal(suggest(1, 1 << 30), 0);
    assert_says(&suggested->rules, "\"above\": \"80%\"");
    assert_says(&suggested->rules, "\"above\": \"110MiB\"");
    assert_says(&suggested->rules, "\"jitter\": { \"by\": \"15MiB\", \"over\": \"10m\" }");
    assert_says(&suggested->rules, "\"growth\": { \"rate\": \"214KiB/h\", \"over\": \"2d\" }");
    assert_says(&suggested->rules, "\"interval\": \"1m\"");
    assert_says(
        &suggested->rules,
        "the median is 100 MiB, 99 % of the time it is at most 100 MiB, its highest value is 100 MiB");
    assert_says(&suggested->notes, "heap_in_use: no rule, it is not in this history");
}

/* At 97 % of the limit for good there is no line that could be crossed. */
static void no_line_beyond_the_limit(void **state)
{
    (void)state;
    begin("rss");
    for (int i = 0; i <= DAY; i++)
        row(0.97 * MiB(1024));
    assert_int_equal(suggest(1, 1 << 30), 0);
    assert_true(!strstr(suggested->rules.bytes, "rss-high"));
    assert_says(&suggested->notes, "rss-high: left out, it has already been as high as it can get");
}

/* Twelve spikes in a week, each of five minutes: as many incidents at first, one is wished for. */
static void spikes_are_widened_away(void **state)
{
    (void)state;
    begin("threads");
    for (int i = 0; i < 7 * DAY; i++)
        row(i % 840 < 5 ? 200 + i / 840 * 10 : 50); // 200, 210, … 310
    assert_int_equal(suggest(12, 0), 0);
    assert_true(!strstr(suggested->rules.bytes, "widened"));
    assert_int_equal(suggest(1, 0), 0);
    assert_says(&suggested->rules, "widened until this history has no more than 1 incident a week");
}

static void too_short_is_said(void **state)
{
    (void)state;
    begin("rss");
    for (int i = 0; i < 59; i++)
        row(MiB(100));
    assert_int_equal(suggest(1, 0), -ENODATA);
    assert_says(&suggested->notes, "the history is too short: 59 rows over 59 min");
    assert_true(suggested->rules.length == 0);
}

static int forget(void **state)
{
    (void)state;
    forget_history();
    gs_reader_suggested_free(suggested);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_of_what_was_seen),
        cmocka_unit_test(slopes_and_jumps),
        cmocka_unit_test(the_hours_of_the_day),
        cmocka_unit_test(a_metric_that_is_never_there),
        cmocka_unit_test(a_week_of_nothing),
        cmocka_unit_test(no_line_beyond_the_limit),
        cmocka_unit_test(spikes_are_widened_away),
        cmocka_unit_test(too_short_is_said),
    };
    gs_json_use_our_memory();
    return cmocka_run_group_tests(tests, NULL, forget);
}
