/* test_history_read.c - histories out of files that anyone may have written. */
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "history/history.h"
#include "reader/reader.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> // wants the others before it

static struct gs_history_about about;
static char said[4096];

/* LENGTH bytes of TEXT, in a block of their own so that the sanitizer sees a step beyond them. What was wrong goes to
 * SAID, a line each. */
static struct gs_history *read_bytes(const char *text, size_t length)
{
    struct gs_errors errors = {0};
    char *copy = malloc(length ? length : 1);
    memcpy(copy, text, length);
    struct gs_history *history = gs_reader_history(copy, length, "h", &about, &errors);
    said[0] = 0;
    for (size_t i = 0, at = 0; i < errors.count && at < sizeof said - 400; i++) {
        gs_errors_format(&errors.item[i], said + at, sizeof said - at);
        at += strlen(said + at);
        said[at++] = '\n';
        said[at] = 0;
    }
    assert_true((history == NULL) == (errors.count > 0));
    gs_errors_fini(&errors);
    free(copy);
    return history;
}

static struct gs_history *good(const char *text)
{
    struct gs_history *history = read_bytes(text, strlen(text));
    if (!history)
        fail_msg("%s", said);
    return history;
}

static const char *bad(const char *text)
{
    struct gs_history *history = read_bytes(text, strlen(text));
    assert_null(history);
    return said;
}

/* ---- CSV ----------------------------------------------------------------------------------------------------- */

/* A row every ten seconds, one missing altogether, some values missing. */
static void a_csv_becomes_rows(void **state)
{
    (void)state;
    struct gs_history *history = good("time,rss,gauge:queue\n0,104857600,3\n10,,4\n20.5,1e3,\n30,-1,+0.25\n60,5,6\n");
    assert_true(about.plain_seconds);
    assert_int_equal(about.limit_bytes, 0);
    assert_int_equal(gs_history_length(history), 5);
    assert_int_equal(gs_history_metric_count(history), 2);
    assert_string_equal(gs_history_metric_name(history, 1), "gauge:queue");
    assert_int_equal(gs_history_interval_ns(history), 10 * GS_NS_PER_S); // of 10, 10.5, 9.5 and 30
    assert_int_equal(gs_history_step_ns(history, 4), 10 * GS_NS_PER_S);
    assert_int_equal(gs_history_time(history, 2), 20500 * GS_NS_PER_MS);
    assert_true(gs_history_value(history, 0, 0) == 104857600);
    assert_true(isnan(gs_history_value(history, 1, 0)));
    assert_true(gs_history_value(history, 2, 0) == 1000);
    assert_true(isnan(gs_history_value(history, 2, 1)));
    assert_true(gs_history_value(history, 3, 1) == 0.25);
    gs_history_free(history);
}

/* As spreadsheets and Windows write it: a mark at the start, quotes, blanks, CR LF, blank lines, no last newline. */
static void other_programs_ways_are_taken(void **state)
{
    (void)state;
    struct gs_history *history =
        good("\xef\xbb\xbf\r\n\"time\" , \"rss\"\r\n1763953509.123,\t\"7\" \r\n\r\n  \r\n1763953510.123, 8");
    assert_int_equal(gs_history_length(history), 2);
    assert_int_equal((gs_history_time(history, 0) + 500) / 1000, 1763953509123000);
    assert_true(gs_history_value(history, 0, 0) == 7);
    assert_true(gs_history_value(history, 1, 0) == 8);
    gs_history_free(history);
    history = good("time,rss\n-5,1\n"); // one row; before the origin
    assert_int_equal(gs_history_interval_ns(history), GS_NS_PER_S);
    assert_int_equal(gs_history_time(history, 0), -5 * GS_NS_PER_S);
    gs_history_free(history);
}

static void errors_of_a_csv_have_their_places(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"", "h: error: the file is empty\n"},
        {" \n\t\r\n", "h: error: the file is empty\n"},
        {"\nseconds,rss\n", "h:2:1: error: expected a header with a column \"time\", found \"seconds\"; for example: time,rss,gauge:queue; or give --column time=NAME\n"},
        {"5,6\n", "h:1:1: error: expected a header with a column \"time\", found \"5\"; the first line has to name the columns: time,rss,gauge:queue\n"},
        {"time\n1\n", "h:1:1: error: the header names no metric; for example: time,rss\n"},
        {"time,rss\n", "h:2:1: error: there is no row after the header\n"},
        {"time,rrs\n1,2\n", "h:1:1: error: no column is a metric: \"rrs\"; did you mean \"rss\"?\n"},
        {"time, latency_of_it\n1,2\n", "h:1:1: error: no column is a metric: \"latency_of_it\"; name one, for example with --column rss=NAME\n"},
        {"time,rss,rss\n1,2,3\n", "h:1:10: error: two columns are rss: \"rss\" and \"rss\"; give them different names\n"},
        {"time,rss,RSS (bytes)\n1,2,3\n", "h:1:10: error: two columns are rss: \"rss\" and \"RSS (bytes)\"; choose one with --column rss=NAME\n"},
        {"time,rss\n1,12 MiBs\n", "h:2:3: error: unknown unit \"MiBs\"; rss is in B kB MB GB TB KiB MiB GiB TiB\n"},
        {"time,rss\n1,12 M\n", "h:2:3: error: unknown unit \"M\"; rss is in B kB MB GB TB KiB MiB GiB TiB\n"},
        {"time,rss\n1,12%\n", "h:2:3: error: unknown unit \"%\"; rss is in B kB MB GB TB KiB MiB GiB TiB\n"},
        {"time,rss\n1,1,234\n", "h:2:5: error: more fields than the header has (2)\n"},
        {"time,rss\n1,\"1,234\"\n", "h:2:3: error: expected a number, found \"1,234\"; leave the field empty where the value is missing\n"},
        {"time,rss\n1,0x10\n", "h:2:3: error: expected a number, found \"0x10\"; leave the field empty where the value is missing\n"},
        {"time,rss\n1,1e999\n", "h:2:3: error: 1e999 is too large\n"},
        {"time,rss\n1,-\n", "h:2:3: error: expected a number, found \"-\"; leave the field empty where the value is missing\n"},
        {"time,rss\n,5\n", "h:2:1: error: expected a time, found \"\"; write it as 2026-11-24T03:05:09Z, or in seconds\n"},
        {"time,rss\n2025-11-24T03:05:09Z,5\n5,6\n", "h:3:1: error: expected a time, found \"5\"; the first one is like 2026-11-24T03:05:09Z\n"},
        {"time,rss\n5,6\n2025-11-24T03:05:09Z,5\n", "h:3:1: error: expected a time, found \"2025-11-24T03:05:09Z\"; time is in seconds, of any origin\n"},
        {"time,rss\n2025-02-29T03:05:09Z,5\n", "h:2:1: error: expected a time, found \"2025-02-29T03:05:09Z\"; write it as 2026-11-24T03:05:09Z, or in seconds\n"},
        {"time,rss\n5,6\n1763953509123,5\n", "h:3:1: error: time 1763953509123 is too far off; the times of this file are seconds\n"},
        {"time,rss\n10,5\n10,6\n", "h:3:1: error: time 10 is not after the time of the previous row; rows must be in the order of their times\n"},
        {"time,rss,cpu\n10,5\n", "h:2:4: error: this row has 2 fields, the header 3; a missing value is an empty field\n"},
        {"time,rss\n10,5,6\n", "h:2:6: error: more fields than the header has (2)\n"},
        {"time,rss\n1,\"2\n3,4\"\n", "h:3:3: error: unknown unit \"\"\"; rss is in B kB MB GB TB KiB MiB GiB TiB\n"},
        {"time,\"a\"\"b\"\n1,2\n", "h:1:1: error: no column is a metric: \"a\"b\"; name one, for example with --column rss=NAME\n"},
        {"time,rss\nx,1\n-5,y\n-6,1\n", "h:2:1: error: expected a time, found \"x\"; write it as 2026-11-24T03:05:09Z, or in seconds\n"
                                     "h:3:4: error: expected a number, found \"y\"; leave the field empty where the value is missing\n"
                                     "h:4:1: error: time -6 is not after the time of the previous row; rows must be in the order of their times\n"},
        {"time,\x1b[31m\n1,1\n", "h:1:1: error: no column is a metric: \"?[31m\"; name one, for example with --column rss=NAME\n"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_string_equal(bad(wrong[i].text), wrong[i].says);
}

/* ---- metrics.json --------------------------------------------------------------------------------------------- */

/* What the agent writes is read back: rows, steps, gaps, limit. */
static void metrics_json_reads_back(void **state)
{
    (void)state;
    static const char *const names[] = {"rss", "gauge:queue"};
    struct gs_history *history = gs_history_new(names, 2, GS_NS_PER_S / 2);
    for (int i = 0; i < 20000; i++)
        gs_history_add(history, (1763953509000 + 500LL * i) * GS_NS_PER_MS, (double[]){i % 3 ? (double)i : NAN, 0.1 * i});
    struct gs_text text = {0};
    gs_history_write_json(history, &(struct gs_history_about){.pid = 42, .limit_bytes = 1 << 30}, &text);
    struct gs_history *read = good(text.bytes);
    assert_int_equal(about.pid, 42);
    assert_int_equal(about.limit_bytes, 1 << 30);
    assert_false(about.plain_seconds);
    assert_int_equal(gs_history_interval_ns(read), GS_NS_PER_S / 2);
    assert_int_equal(gs_history_length(read), gs_history_length(history));
    assert_true(gs_history_step_ns(read, 0) == 30 * GS_NS_PER_S);
    for (size_t at = 0; at < gs_history_length(read); at++) {
        assert_int_equal(gs_history_time(read, at), gs_history_time(history, at));
        assert_int_equal(gs_history_step_ns(read, at), gs_history_step_ns(history, at));
        for (size_t i = 0; i < 2; i++) {
            double a = gs_history_value(read, at, i), b = gs_history_value(history, at, i);
            assert_true(isnan(a) ? isnan(b) : a == b);
        }
    }
    gs_text_fini(&text);
    gs_history_free(read);
    gs_history_free(history);
}

/* Series with times of their own; the clock was set back in the middle. */
static void series_are_put_side_by_side(void **state)
{
    (void)state;
    struct gs_history *history = good("{\"version\":1,\"interval_ms\":1000,\"series\":{\"rss\":[[10,1],[11,2],[9,3]],"
                                      "\"gauge:queue\":[[11,5],[12,6]]}}");
    assert_int_equal(gs_history_length(history), 4);
    static const double expected[4][3] = {{9, 3, NAN}, {10, 1, NAN}, {11, 2, 5}, {12, NAN, 6}};
    for (size_t at = 0; at < 4; at++) {
        assert_int_equal(gs_history_time(history, at), (int64_t)expected[at][0] * GS_NS_PER_S);
        for (size_t i = 0; i < 2; i++) {
            double value = gs_history_value(history, at, i);
            assert_true(isnan(value) ? isnan(expected[at][i + 1]) : value == expected[at][i + 1]);
        }
    }
    gs_history_free(history);
}

static void errors_of_a_metrics_json_say_what_is_wrong(void **state)
{
    (void)state;
#define HEAD "{\"version\":1,\"interval_ms\":1000,"
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"{\"version\":1,\n\"interval_ms\":,", "h:2:15: error: unexpected token near ','\n"},
        {"{}", "h: error: \"version\" must be 1: is this a metrics.json?\nh: error: \"interval_ms\" must be a number of milliseconds\n"
               "h: error: \"series\" must be an object of at most 4096 metrics\n"},
        {HEAD "\"series\":{}}", "h: error: there is no value in \"series\"\n"},
        {HEAD "\"series\":{\"rss\":[]}}", "h: error: there is no value in \"series\"\n"},
        {HEAD "\"series\":[]}", "h: error: \"series\" must be an object of at most 4096 metrics\n"},
        {HEAD "\"series\":{\"rss\":[[1,2],[1],7,[\"1\",2],[1,2,3],[1,null],[1e300,1]]}}",
         "h: error: series.rss[1]: expected [seconds, value]\nh: error: series.rss[2]: expected [seconds, value]\n"
         "h: error: series.rss[3]: expected [seconds, value]\nh: error: series.rss[4]: expected [seconds, value]\n"
         "h: error: series.rss[5]: expected [seconds, value]\nh: error: series.rss[6]: expected [seconds, value]\n"},
        {HEAD "\"series\":{\"rss\":7}}", "h: error: series.rss: expected a metric's name and an array\n"},
        {HEAD "\"series\":{\"\":[]}}", "h: error: series.: expected a metric's name and an array\n"},
        {HEAD "\"steps\":7,\"series\":{\"rss\":[[1,2]]}}", "h: error: \"steps\" must be an array of at most 1000\n"},
        {HEAD "\"steps\":[{\"from\":1}],\"series\":{\"rss\":[[1,2]]}}",
         "h: error: steps[0]: expected {\"from\": seconds, \"step_ms\": milliseconds}\n"},
        {"{\"version\":2,\"interval_ms\":0,\"series\":{\"rss\":[[1,2]]}}",
         "h: error: \"version\" must be 1: is this a metrics.json?\nh: error: \"interval_ms\" must be a number of milliseconds\n"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_string_equal(bad(wrong[i].text), wrong[i].says);
}

/* ---- hostile bytes ---------------------------------------------------------------------------------------------- */

static void packs_are_taken_too(void **state)
{
    (void)state;
    struct gs_history *history = gs_history_new((const char *const[]){"rss"}, 1, GS_NS_PER_S);
    char packed[128];
    gs_history_add(history, GS_NS_PER_S, (double[]){5});
    size_t size = gs_history_pack(history, 0, packed, sizeof packed);
    struct gs_history *read = read_bytes(packed, size);
    assert_non_null(read);
    assert_true(gs_history_value(read, 0, 0) == 5);
    assert_false(about.plain_seconds);
    gs_history_free(read);
    gs_history_free(history);
    assert_null(read_bytes(packed, size - 1));
    assert_string_equal(said, "h: error: this is not a packed history, or it is cut short\n");
}

/* Every good text cut at every length, and with every byte replaced by some that mean something: no crash. */
static void no_bytes_do_harm(void **state)
{
    (void)state;
    static const char *const text[] = {
        "time,\"rss\",cpu\n0,1,2\n1,\"3\",4\r\n\n2,,1e3",
        "{\"version\":1,\"interval_ms\":1000,\"pid\":3,\"limit\":9,\"steps\":[{\"from\":1,\"step_ms\":2}],\"series\":{\"rss\":[[1,2],[2,-0.5]]}}",
    };
    static const char meaning[] = "\",\n\r\t[]{}:-e.9;\0 \xff\x80";
    for (size_t i = 0; i < 2; i++) {
        size_t length = strlen(text[i]);
        for (size_t cut = 0; cut < length; cut++)
            gs_history_free(read_bytes(text[i], cut));
        for (size_t at = 0; at < length; at++)
            for (size_t k = 0; k < sizeof meaning; k++) {
                char changed[256];
                snprintf(changed, sizeof changed, "%s", text[i]);
                changed[at] = meaning[k];
                gs_history_free(read_bytes(changed, length));
            }
    }
}

/* A megabyte of mistakes: the first is told, and how many follow. Nesting without end, and values without end, are refused. */
static void much_is_bounded(void **state)
{
    (void)state;
    struct gs_errors errors = {0};
    struct gs_text text = {0};
    gs_text_add(&text, "time,rss\n");
    for (int i = 0; i < 100000; i++)
        gs_text_add(&text, "x,%d\n", i);
    assert_null(gs_reader_history(text.bytes, text.length, "h", &about, &errors));
    assert_int_equal(errors.count, 2);
    assert_string_equal(errors.item[1].text, "99999 more such errors");
    gs_errors_fini(&errors);
    memset(text.bytes, '[', text.length);
    text.bytes[0] = '{';
    assert_null(read_bytes(text.bytes, text.length));
    gs_text_fini(&text);

    char *many = malloc(6100000);
    memset(many, ',', 6100000);
    many[0] = '{';
    assert_null(read_bytes(many, 6100000));
    assert_string_equal(said, "h: error: more than 2000000 values\n");
    free(many);
}

/* 4,096 metrics with five values each, no two of them at one time: a table of these would have 84 million values. */
static void a_table_that_is_nearly_empty_is_refused(void **state)
{
    struct gs_text text = {0};
    (void)state;
    gs_text_add(&text, "{\"version\": 1, \"interval_ms\": 1000, \"series\": {");
    for (int metric = 0; metric < 4096; metric++)
        gs_text_add(&text, "%s\"gauge:g%d\": [[%d,1],[%d,1],[%d,1],[%d,1],[%d,1]]", metric ? "," : "", metric,
                    metric, metric + 5000, metric + 10000, metric + 15000, metric + 20000);
    gs_text_add(&text, "}}");
    assert_null(read_bytes(text.bytes, text.length));
    assert_string_equal(
        said, "h: error: the series have 20480 different times and 4096 metrics: too many for one table\n");
    gs_text_fini(&text);
}

int main(void)
{
    gs_json_use_our_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_csv_becomes_rows),
        cmocka_unit_test(other_programs_ways_are_taken),
        cmocka_unit_test(errors_of_a_csv_have_their_places),
        cmocka_unit_test(metrics_json_reads_back),
        cmocka_unit_test(series_are_put_side_by_side),
        cmocka_unit_test(errors_of_a_metrics_json_say_what_is_wrong),
        cmocka_unit_test(packs_are_taken_too),
        cmocka_unit_test(no_bytes_do_harm),
        cmocka_unit_test(much_is_bounded),
        cmocka_unit_test(a_table_that_is_nearly_empty_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
