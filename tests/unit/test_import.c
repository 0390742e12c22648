/* Histories that other programs wrote: what becomes of their columns, times and units, what is said of it, and what is refused. The
 * texts are as the programs print them; tests/cli/sources.sh has files that they wrote just now. */
#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "history/history.h"
#include "reader/reader.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> // wants the others before it

static struct gs_history_about about;
static struct gs_history *history;
static char said[4096]; // the errors, a line each
static char notes[4096];

static void read_as(const char *text, struct gs_import how)
{
    struct gs_errors errors = {0};
    size_t length = strlen(text);
    char *copy = malloc(length ? length : 1); // the sanitizer sees a step beyond it
    memcpy(copy, text, length);
    gs_history_free(history);
    history = gs_reader_history_from(copy, length, "h", &how, &about, &errors);
    said[0] = 0;
    for (size_t i = 0, at = 0; i < errors.count && at < sizeof said - 400; i++) {
        gs_errors_format(&errors.item[i], said + at, sizeof said - at - 1);
        at += strlen(said + at);
        said[at++] = '\n';
        said[at] = 0;
    }
    snprintf(notes, sizeof notes, "%s", how.notes.bytes ? how.notes.bytes : "");
    assert_true((history == NULL) == (errors.count > 0));
    gs_text_fini(&how.notes);
    gs_errors_fini(&errors);
    free(copy);
}

static void good_as(const char *text, struct gs_import how)
{
    read_as(text, how);
    if (!history)
        fail_msg("%s", said);
}

static void good(const char *text)
{
    good_as(text, (struct gs_import){0});
}

static void bad(const char *text, const char *says)
{
    read_as(text, (struct gs_import){0});
    assert_null(history);
    assert_string_equal(said, says);
}

/* The value of METRIC in row AT. */
static double value(size_t at, const char *metric)
{
    size_t index = gs_history_find(history, metric);
    if (index == SIZE_MAX || at >= gs_history_length(history))
        fail_msg("no %s in row %zu", metric, at);
    return gs_history_value(history, at, index);
}

static void assert_close(double a, double b)
{
    if (!(fabs(a - b) <= 1e-9 * fabs(b)))
        fail_msg("%.17g is not %.17g", a, b);
}

static const char *moment(size_t at)
{
    static char text[GS_TIME_TEXT];
    return gs_clock_print(gs_history_time(history, at), GS_TIME_ISO, text);
}

/* ---- times -------------------------------------------------------------------------------------------------------- */

static void every_way_to_write_a_time_is_the_same_moment(void **state)
{
    (void)state;
    static const struct {
        const char *time, *note;
    } same[] = {
        {"2026-11-24T03:05:09.120Z", ""},
        {"2026-11-24t03:05:09.12z", ""},
        {"2026-11-24 03:05:09.12 UTC", ""},
        {"2026-11-24T04:05:09.12+01:00", ""},
        {"2026-11-23T21:35:09.120-0530", ""},
        {"2026-11-24T05:05:09.12+02", ""},
        {"20261124T030509.12Z", ""},
        {"2026/11/24 03:05:09.12", "times have no time zone: taken as UTC\n"},
        {"2026-11-24 03:05:09.12", "times have no time zone: taken as UTC\n"},
        {"1795489509.12", "times are seconds since 1970\n"},
        {"1795489509120", "times are milliseconds since 1970\n"},
        {"1795489509120000", "times are microseconds since 1970\n"},
        {"1795489509120000000", "times are nanoseconds since 1970\n"},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char text[100];
        snprintf(text, sizeof text, "time,rss\n%s,5\n", same[i].time);
        good(text);
        assert_string_equal(moment(0), "2026-11-24T03:05:09.120Z");
        assert_string_equal(notes, same[i].note);
        assert_false(about.no_date);
        assert_true(about.plain_seconds == (strcmp(same[i].time, "1795489509.12") == 0));
    }
    good("time,rss\n2026-11-24,5\n2026-11-24 03:05,6\n");
    assert_string_equal(moment(0), "2026-11-24T00:00:00.000Z");
    assert_string_equal(moment(1), "2026-11-24T03:05:00.000Z");
    good("time,rss\n1795489509123456789,5\n1795489509123456790,6\n"); // a double has not these digits
    assert_int_equal(gs_history_time(history, 1) - gs_history_time(history, 0), 1);
}

static void small_numbers_have_no_date(void **state)
{
    (void)state;
    good("time,rss\n0,5\n86400,6\n");
    assert_true(about.no_date && about.plain_seconds);
    assert_string_equal(notes, "");
}

static void dates_know_the_calendar(void **state)
{
    (void)state;
    static const char *const there[] = {"2024-02-29", "2000-02-29", "2100-02-28", "1970-01-01", "2249-12-31"};
    for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
        char text[100];
        snprintf(text, sizeof text, "time,rss\n%s,5\n", there[i]);
        good(text);
        assert_memory_equal(moment(0), there[i], 10);
    }
    static const char *const not_there[] = {"2100-02-29",
                                            "2026-13-01",
                                            "2026-00-01",
                                            "2026-04-31",
                                            "2026-11-24T25:00Z",
                                            "2026-11-24T03:60Z",
                                            "2026-11-24T03:05:09+1",
                                            "2026-11-24T03:05:09 CET",
                                            "24.11.2026",
                                            "11/24/2026",
                                            "2300-01-01",
                                            "2026-11/24",
                                            "99999-01-01"};
    for (size_t i = 0; i < sizeof not_there / sizeof *not_there; i++) {
        char text[100];
        snprintf(text, sizeof text, "time,rss\n%s,5\n", not_there[i]);
        read_as(text, (struct gs_import){0});
        assert_null(history);
    }
}

/* ---- CSV of others -------------------------------------------------------------------------------------------------- */

/* Grafana's panel, "Download CSV" with formatted values, for Excel: a mark, "sep=", quotes, CR LF. */
static void grafana_with_units(void **state)
{
    (void)state;
    good("\xef\xbb\xbfsep=,\r\n\"Time\",\"RSS (bytes)\",\"CPU %\",\"Open FDs\",\"Uptime\"\r\n"
         "2026-11-24 03:05:00,1.2 GiB,85%,1.20 K,3 days\r\n2026-11-24 03:05:30,512 MiB,12.5%,17,3 days\r\n"
         "2026-11-24 03:06:00,,,,\r\n");
    assert_int_equal(gs_history_length(history), 3);
    assert_int_equal(gs_history_interval_ns(history), 30 * GS_NS_PER_S);
    assert_close(value(0, "rss"), 1.2 * (1 << 30));
    assert_close(value(1, "rss"), 512 << 20);
    assert_close(value(0, "cpu"), 85);
    assert_close(value(0, "fds"), 1200);
    assert_true(isnan(value(2, "rss")));
    assert_string_equal(
        notes, "times have no time zone: taken as UTC\n"
               "rss is \"RSS (bytes)\", cpu is \"CPU %\", fds is \"Open FDs\"\n"
               "left out, because they are no metrics: \"Uptime\"; --column METRIC=NAME takes one\n"
               "cpu: if 100 % of \"CPU %\" is one CPU, give --cpus N, the CPUs that the program may use\n");
}

/* Grafana without formatting: ms, and Prometheus' names with labels as headers; semicolons. */
static void grafana_with_series_as_names(void **state)
{
    (void)state;
    good("\"Time\";\"process_resident_memory_bytes{instance=\"\"web:9100\"\", "
         "job=\"\"web\"\"}\";\"process_open_fds\"\n"
         "1795489500000;104857600;17\n1795489515000;209715200,5;18\n");
    assert_close(value(1, "rss"), 209715200.5); // the decimal comma of such locales
    assert_close(value(1, "fds"), 18);
    good("\"Series\";\"Time\";\"Value\"\nrss;2026-11-24T03:05:00+00:00;5\nrss;2026-11-24T03:05:30+00:00;6\n"
         "other;2026-11-24T03:05:30+00:00;y\nfds;2026-11-24T03:05:00+00:00;7\n"); // one value a row
    assert_close(value(1, "rss"), 6);
    assert_close(value(0, "fds"), 7);
    assert_string_equal(notes,
                        "left out, because they are no metrics: \"other\"; --column METRIC=NAME takes one\n");
}

static void columns_are_told_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *header, *text, *metric;
        double value;
    } known[] = {
        {"RSS", "7", "rss", 7},
        {"rss_kb", "2", "rss", 2000},
        {"Rss [KiB]", "2", "rss", 2048},
        {"Resident Memory (MiB)", "2", "rss", 2 << 20},
        {"resident_memory_mib", "2", "rss", 2 << 20},
        {"rss (MiB)", "2 KiB", "rss", 2048}, // the value's own unit counts
        {"rss", "2.5e3 kB", "rss", 2.5e6},
        {"rss", "123Mi", "rss", 123 << 20},
        {"%CPU", "50", "cpu", 50},
        {"cpu_percent", "50 %", "cpu", 50},
        {"cpu (ratio)", "0.5", "cpu", 50},
        {"Thread count", "12", "threads", 12},
        {"open_files", "12", "fds", 12},
        {"heap_in_use_bytes", "12", "heap_in_use", 12},
        {"heap_alloc_rate", "2 MiB/s", "heap_alloc_rate", 2 << 20},
        {"context_switches", "12 c/s", "context_switches", 12},
        {"gauge:queue", "1.5 Mil", "gauge:queue", 1.5e6},
        {"gauge:cache", "1.5 KiB", "gauge:cache", 1536},
        {"process_virtual_memory_bytes,rss", "9,7", "rss", 7},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char text[200];
        snprintf(text, sizeof text, "time,%s\n1,%s\n", known[i].header, known[i].text);
        good(text);
        assert_close(value(0, known[i].metric), known[i].value);
    }
}

/* A counter of CPU seconds becomes its increase per second; where it begins anew, the value is missing. */
static void counters_become_rates(void **state)
{
    (void)state;
    good("time,process_cpu_seconds_total,major_faults_total\n0,100,7\n10,104,7\n20,1,12\n30,3,12\n");
    static const double cpu[] = {NAN, 40, NAN, 20}, faults[] = {NAN, 0, 0.5, 0};
    for (size_t i = 0; i < 4; i++) {
        assert_true(isnan(cpu[i]) ? isnan(value(i, "cpu")) : fabs(value(i, "cpu") - cpu[i]) < 1e-9);
        assert_true(isnan(faults[i]) ? isnan(value(i, "major_faults"))
                                     : fabs(value(i, "major_faults") - faults[i]) < 1e-9);
    }
}

/* docker stats, in a loop that puts the time before each row. */
static void docker_stats(void **state)
{
    (void)state;
    static const char text[] =
        "time,Name,CPUPerc,MemUsage,MemPerc,PIDs\n"
        "2026-11-24T03:05:00Z,web,150.5%,1.2GiB / 7.5GiB,16%,12\n2026-11-24T03:05:00Z,db,1%,10MiB / "
        "7.5GiB,0.1%,3\n"
        "2026-11-24T03:05:05Z,web,--,-- / --,--,--\n2026-11-24T03:05:10Z,web,4%,1.3GiB / 7.5GiB,17%,12\n";
    bad(text, "h: error: cpu is there more than once at the same time: CPUPerc{Name=\"web\"} and "
              "CPUPerc{Name=\"db\"}; "
              "choose one, for example with --series 'Name=web'\nh: error: 2 more such errors\n");
    good_as(text,
            (struct gs_import){.series = (const char *const[]){"Name=web"}, .series_count = 1, .cpus = 4});
    assert_int_equal(gs_history_length(history), 3);
    assert_close(value(0, "group_memory"), 1.2 * (1 << 30));
    assert_close(value(0, "cpu"), 150.5 / 4);
    assert_close(value(0, "threads"), 12);
    assert_true(isnan(value(1, "cpu")));
    assert_true(about.limit_bytes == (uint64_t)(7.5 * (1 << 30)));
    read_as(text, (struct gs_import){.series = (const char *const[]){"Name=cache"}, .series_count = 1});
    assert_string_equal(said, "h: error: no series with these labels has a value\n");
}

static void the_user_says_what_a_column_is(void **state)
{
    (void)state;
    static const char text[] = "When,Value #A,RSS,Value #B\n1,2,3,4\n";
    static const char *const columns[] = {"time=When", "rss=Value #A", "gauge:b=Value #B"};
    good_as(text, (struct gs_import){.column = columns, .column_count = 3});
    assert_close(value(0, "rss"), 2);
    assert_close(value(0, "gauge:b"), 4);
    assert_string_equal(notes,
                        "rss is \"Value #A\", gauge:b is \"Value #B\"\n"
                        "left out, because they are no metrics: \"RSS\"; --column METRIC=NAME takes one\n");
    read_as(text, (struct gs_import){.column = (const char *const[]){"time=When", "rss=Value #C"},
                                     .column_count = 2});
    assert_null(history);
    assert_non_null(strstr(said, "no column or series \"Value #C\""));
}

static void one_clear_error_a_kind(void **state)
{
    (void)state;
    bad("time,rss,cpu\n1,a,b\n2,c,5\n3,4 XB,5\n3,4,5\n",
        "h:2:3: error: expected a number, found \"a\"; leave the field empty where the value is missing\n"
        "h:4:3: error: unknown unit \"XB\"; rss is in B kB MB GB TB KiB MiB GiB TiB\n"
        "h:5:1: error: time 3 is not after the time of the previous row; rows must be in the order of their "
        "times\n"
        "h: error: 2 more such errors\n");
}

/* ---- Prometheus ------------------------------------------------------------------------------------------------------ */

#define MATRIX(result) "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[" result "]}}"
#define SERIES(name, labels, values) \
    "{\"metric\":{\"__name__\":\"" name "\"" labels "},\"values\":[" values "]}"

static void prometheus_query_range(void **state)
{
    (void)state;
    good(MATRIX(SERIES("process_resident_memory_bytes", ",\"job\":\"web\"", "[1795489500,\"104857600\"],[1795489515,\"NaN\"],[1795489530.5,\"1.5e8\"]") "," SERIES(
        "process_cpu_seconds_total", ",\"job\":\"web\"",
        "[1795489500,\"10\"],[1795489515,\"13\"]") "," SERIES("gumshoe_gauge", ",\"name\":\"queue\"",
                                                              "[1795489515,\"7\"]") "," SERIES("gumshoe_heap_"
                                                                                               "in_use_bytes",
                                                                                               "",
                                                                                               "[1795489515,"
                                                                                               "\"9\"]") "," SERIES("go_threads",
                                                                                                                    "",
                                                                                                                    "[1795489515,\"7\"]")));
    assert_int_equal(gs_history_length(history), 3);
    assert_close(value(0, "rss"), 104857600);
    assert_true(isnan(value(1, "rss")));
    assert_close(value(2, "rss"), 1.5e8);
    assert_close(value(1, "cpu"), 20); // 3 s in 15 s: 20 % of one CPU
    assert_close(value(1, "gauge:queue"), 7);
    assert_close(value(1, "heap_in_use"), 9);
    assert_string_equal(moment(0), "2026-11-24T03:05:00.000Z");
    assert_false(about.no_date || about.plain_seconds);
    assert_non_null(strstr(notes, "cpu is the increase of \"process_cpu_seconds_total\""));
    assert_non_null(
        strstr(notes, "left out, because they are no metrics: \"go_threads\" (did you mean \"threads\"?);"));
    good("[" SERIES("process_threads", "", "[1795489500,5]") "]"); // promtool query range --format=json
    assert_close(value(0, "threads"), 5);
}

static void a_restart_is_joined_and_two_processes_are_not(void **state)
{
    (void)state;
    good(MATRIX(SERIES("process_open_fds", ",\"pid\":\"7\"", "[100,\"1\"],[110,\"2\"]") "," SERIES(
        "process_open_fds", ",\"pid\":\"9\"", "[120,\"3\"]")));
    assert_int_equal(gs_history_length(history), 3);
    assert_string_equal(notes,
                        "fds: 2 series, one after the other, were joined\nfds is \"process_open_fds\"\n");
    static const char two[] = MATRIX(
        SERIES("process_open_fds", ",\"job\":\"x\",\"pid\":\"7\"", "[100,\"1\"],[110,\"2\"]") "," SERIES(
            "process_open_fds", ",\"job\":\"x\",\"pid\":\"9\"", "[110,\"3\"]"));
    bad(two, "h: error: fds is there more than once at the same time: process_open_fds{job=\"x\",pid=\"7\"} "
             "and process_open_fds{job=\"x\",pid=\"9\"}; "
             "choose one, for example with --series 'pid=7'\n");
    good_as(two, (struct gs_import){.series = (const char *const[]){"pid=9"}, .series_count = 1});
    assert_close(value(0, "fds"), 3);
    good_as(two,
            (struct gs_import){.column = (const char *const[]){"fds=process_open_fds{job=\"x\",pid=\"9\"}"},
                               .column_count = 1});
    assert_close(value(0, "fds"), 3);
}

/* rate(…)[1m] has no name. */
static void a_series_without_a_name_is_named_by_its_labels(void **state)
{
    (void)state;
    static const char text[] = MATRIX("{\"metric\":{\"job\":\"x\"},\"values\":[[100,\"0.5\"]]}");
    bad(text,
        "h: error: no column is a metric: \"job=\"x\"\"; name one, for example with --column rss=NAME\n");
    good_as(text, (struct gs_import){.column = (const char *const[]){"cpu={job=\"x\"}"}, .column_count = 1});
    assert_close(value(0, "cpu"), 0.5);
}

static void errors_of_prometheus(void **state)
{
    (void)state;
    bad("{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"invalid parameter \\\"step\\\"\"}",
        "h: error: Prometheus answered: invalid parameter \"step\"\n");
    bad(MATRIX(""), "h: error: the query found no series; check the query, its start and its end\n");
    bad("{\"status\":\"success\",\"data\":[]}",
        "h: error: \"data\" has no array \"result\"; save the answer of /api/v1/query_range\n");
    bad("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":"
        "\"process_open_fds\"},\"value\":[100,\"1\"]}]}}",
        "h: error: result[0]: expected \"metric\" and \"values\"; ask query_range: one moment is no "
        "history\n");
    bad(MATRIX(SERIES("process_open_fds", "", "[100,\"1\"],[110],[120,\"x\"],[1e300,\"1\"],7")),
        "h: error: result[0].values[1]: expected [seconds, \"value\"]\nh: error: 3 more such errors\n");
    bad(MATRIX(SERIES("process_open_fds", "", "[100,\"1\"],[100,\"2\"]")),
        "h: error: process_open_fds: this time is not after the one before; values must be in the order of "
        "their times, one at a time\n");
}

/* ---- OpenMetrics ------------------------------------------------------------------------------------------------------ */

static void openmetrics_and_promtool(void **state)
{
    (void)state;
    good("# TYPE process_open_fds gauge\nprocess_open_fds{job=\"a b\\\"c\"} 17 1795489500.5\nother_total 1 "
         "1795489500.5 # {trace_id=\"x\"} 1\n"
         "process_open_fds{job=\"a b\\\"c\"} +Inf 1795489510.5\nprocess_open_fds{job=\"a b\\\"c\"} 1.8e1 "
         "1795489520.5\n# EOF\n");
    assert_int_equal(gs_history_length(history), 3);
    assert_close(value(0, "fds"), 17);
    assert_true(isnan(value(1, "fds")));
    assert_close(value(2, "fds"), 18);
    assert_string_equal(moment(0), "2026-11-24T03:05:00.500Z");
    good("{__name__=\"process_threads\", job=\"x\"} 5 1795489500500\n{__name__=\"process_threads\", "
         "job=\"x\"} 6 1795489510500\n"
         "{__name__=\"up\", job=\"x\"} 1 1795489500500\n"); // promtool tsdb dump
    assert_close(value(1, "threads"), 6);
    assert_string_equal(moment(0), "2026-11-24T03:05:00.500Z");
    good("process_threads{job=\"x\"} =>\n5 @[1795489500]\n6 @[1795489510]\nup{job=\"x\"} =>\n1 "
         "@[1795489500]\n"); // promtool query range
    assert_close(value(1, "threads"), 6);
    assert_string_equal(notes,
                        "times are seconds since 1970\nthreads is \"process_threads\"\n"
                        "left out, because they are no metrics: \"up\"; --column METRIC=NAME takes one\n");
}

static void errors_of_openmetrics(void **state)
{
    (void)state;
    bad("process_open_fds 17\n", "h:1:20: error: this sample has no time: one scrape is no history; use "
                                 "promtool tsdb dump, or the answer of /api/v1/query_range\n");
    bad("# EOF\n",
        "h: error: no column is a metric: there is none; name one, for example with --column rss=NAME\n");
    bad("process_open_fds 17 5\nprocess_open_fds{x=y} 1 6\nprocess_open_fds x 7\n",
        "h:2:1: error: expected a sample such as name{label=\"x\"} 1 1764000300, found "
        "\"process_open_fds{x=y} 1 6\"\n"
        "h:3:18: error: expected a value, found \"x 7\"\n");
}

/* ---- sysstat ------------------------------------------------------------------------------------------------------------ */

static void pidstat_in_one_table(void **state)
{
    (void)state;
    good("Linux 6.1.0-13-amd64 (host) \t11/24/26 \t_x86_64_\t(4 CPU)\n\n"
         "# Time        UID       PID    %usr %system  %guest   %wait    %CPU   CPU  minflt/s  majflt/s     "
         "VSZ     RSS   %MEM   cswch/s nvcswch/s threads   fd-nr  Command\n"
         "1795489500      0      7001    3.00    1.00    0.00    0.00  100.00     1     10.00      2.00  "
         "812000   61212   0.40     12.00      3.00       5      17  a server\n\n"
         "# Time        UID       PID    %usr %system  %guest   %wait    %CPU   CPU  minflt/s  majflt/s     "
         "VSZ     RSS   %MEM   cswch/s nvcswch/s threads   fd-nr  Command\n"
         "1795489501      0      7001    3.00    1.00    0.00    0.00   50.00     0     10.00      0.00  "
         "812000   61216   0.40     12.00      4.00       6      18  a server\n");
    assert_int_equal(gs_history_length(history), 2);
    assert_string_equal(moment(1), "2026-11-24T03:05:01.000Z");
    assert_close(value(0, "rss"), 61212 * 1024);
    assert_close(value(0, "cpu"), 25); // of the machine's four
    assert_close(value(0, "major_faults"), 2);
    assert_close(value(0, "context_switches"), 15);
    assert_close(value(1, "context_switches"), 16);
    assert_close(value(1, "threads"), 6);
    assert_close(value(1, "fds"), 18);
    assert_non_null(strstr(
        notes, "cpu is a share of the machine's 4 CPUs; if the program may use fewer, give --cpus N\n"));
    assert_non_null(strstr(notes, "left out, because they are no metrics: \"%usr\", \"%system\", \"%guest\", "
                                  "\"%wait\", \"minflt/s\", \"VSZ\", \"%MEM\";"));
}

/* One table after another, with AM and PM, over midnight. */
static void pidstat_in_tables(void **state)
{
    (void)state;
    static const char text[] =
        "Linux 6.1.0-13-amd64 (host) \t11/24/2026 \t_x86_64_\t(1 CPU)\n\n"
        "11:59:59 PM   UID       PID  minflt/s  majflt/s     VSZ     RSS   %MEM  Command\n11:59:59 PM     0  "
        "    7001      1.00      0.00  812000   61212   0.40  server\n\n"
        "11:59:59 PM   UID       PID   cswch/s nvcswch/s  Command\n11:59:59 PM     0      7001      1.00     "
        " 1.00  server\n\n"
        "12:00:00 AM   UID       PID  minflt/s  majflt/s     VSZ     RSS   %MEM  Command\n12:00:00 AM     0  "
        "    7001      1.00      0.00  812000   61216   0.40  server\n\n"
        "12:00:00 AM   UID       PID   cswch/s nvcswch/s  Command\n12:00:00 AM     0      7001      1.00     "
        " 2.00  server\n\n"
        "Average:      UID       PID  minflt/s  majflt/s     VSZ     RSS   %MEM  Command\nAverage:        0  "
        "    7001      1.00      0.00  812000   61214   0.40  server\n";
    good(text);
    assert_int_equal(gs_history_length(history), 2);
    assert_string_equal(moment(0), "2026-11-24T23:59:59.000Z");
    assert_string_equal(moment(1), "2026-11-25T00:00:00.000Z");
    assert_close(value(1, "rss"), 61216 * 1024);
    assert_close(value(1, "context_switches"), 3);
    assert_non_null(strstr(notes, "times have no time zone: taken as UTC\n"));
}

/* sar is about the machine; its pressure is a metric, its memory only if the user says so. */
static void sar_is_of_the_machine(void **state)
{
    (void)state;
    static const char memory[] = "Linux 6.1.0-13-amd64 (host) \t2026-11-24 \t_x86_64_\t(2 CPU)\n\n"
                                 "03:05:00    kbmemfree   kbavail kbmemused  %memused kbbuffers  kbcached  "
                                 "kbcommit   %commit  kbactive   kbinact   kbdirty\n"
                                 "03:06:00       201000   5000000   2000000     25.00    100000   4000000   "
                                 "3000000     30.00   3000000   1000000       100\n"
                                 "03:07:00       200000   5000000   2100000     26.00    100000   4000000   "
                                 "3000000     30.00   3000000   1000000       100\n"
                                 "Average:       200000   5000000   2100000     26.00    100000   4000000   "
                                 "3000000     30.00   3000000   1000000       100\n";
    read_as(memory, (struct gs_import){0});
    assert_null(history);
    assert_non_null(strstr(said, "; sar is about the whole machine: use pidstat, or --column METRIC=NAME\n"));
    good_as(memory,
            (struct gs_import){.column = (const char *const[]){"group_memory=kbmemused"}, .column_count = 1});
    assert_close(value(1, "group_memory"), 2100000 * 1024.0);
    good("Linux 6.1.0-13-amd64 (host) \t2026-11-24 \t_x86_64_\t(2 CPU)\n\n03:05:00 %smem-10 %smem-60 "
         "%smem-300 %smem\n03:06:00 1.50 0.00 0.00 0.00\n\n"
         "23:06:00 LINUX RESTART\t(2 CPU)\n\n03:05:00 %sio-10 %sio-60 %sio-300 %sio\n03:06:00 2,50 0.00 0.00 "
         "0.00\n");
    assert_int_equal(gs_history_length(history), 1);
    assert_close(value(0, "memory_pressure"), 1.5);
    assert_close(value(0, "io_wait"), 2.5);
}

static void errors_of_sysstat(void **state)
{
    (void)state;
#define BANNER "Linux 6.1.0-13-amd64 (host) \t11/24/26 \t_x86_64_\t(4 CPU)\n"
    bad(BANNER "03:05:00 UID PID RSS Command\n03:05:01 0 7 x server\n03:05:01 0 8 9\nwhat 1\n",
        "h:3:14: error: expected a number in column RSS, found \"x\"\nh:4:1: error: this row has 3 columns, "
        "its header 4\n"
        "h:5:1: error: expected a time, found \"what\"\n");
    bad(BANNER "03:05:01 0 7 61212 server\n",
        "h:2:1: error: this row has 4 columns, its header 0; there is no header above it\n");
    bad(BANNER "03:05:00 UID PID RSS Command\n03:05:01 0 7 1 a\n03:05:01 0 8 1 b\n",
        "h: error: rss is there more than once at the same time: RSS{pid=\"7\",command=\"a\"} and "
        "RSS{pid=\"8\",command=\"b\"}; "
        "choose one, for example with --series 'pid=7'\n");
    good("03:05:00 UID PID RSS Command\n03:05:01 0 7 1 a\n"); // the banner was cut off: no date
    assert_true(about.no_date);
    assert_int_equal(gs_history_time(history, 0), (3 * 3600 + 5 * 60 + 1) * GS_NS_PER_S);
}

/* ---- hostile bytes ---------------------------------------------------------------------------------------------------- */

/* Every sample cut at every length, and with every byte replaced by some that mean something: no crash. */
static void no_bytes_do_harm(void **state)
{
    (void)state;
    static const char *const text[] = {
        "sep=;\n\"Time\";\"RSS (bytes)\"\n2026-11-24 03:05:00,5;1,2 GiB\n",
        "time,Name,MemUsage\n1,web,1.2GiB / 7GiB\n2,web,1GiB\n",
        MATRIX(SERIES("process_open_fds", ",\"pid\":\"7\"", "[100,\"1\"],[110,\"2\"]")),
        "{__name__=\"process_threads\",job=\"x\"} 5 1795489500500\nprocess_threads{a=\"b\"} =>\n5 "
        "@[1795489500]\n",
        "Linux 6 (h) 11/24/26 _x86_64_ (4 CPU)\n11:59:59 PM UID PID RSS Command\n11:59:59 PM 0 7 5 a\n",
    };
    static const char meaning[] = "\",;\n\r\t[]{}:=-e.9/ #%\xff\x80";
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        size_t length = strlen(text[i]);
        char changed[512];
        for (size_t cut = 0; cut < length; cut++) {
            snprintf(changed, cut + 1, "%s", text[i]);
            read_as(changed, (struct gs_import){.cpus = 3});
        }
        for (size_t at = 0; at < length; at++)
            for (size_t k = 0; k < sizeof meaning - 1; k++) {
                snprintf(changed, sizeof changed, "%s", text[i]);
                changed[at] = meaning[k];
                read_as(changed, (struct gs_import){.column = (const char *const[]){"rss=RSS", "time=Time"},
                                                    .column_count = 2});
            }
    }
}

static int free_history(void **state)
{
    (void)state;
    gs_history_free(history);
    return 0;
}

int main(void)
{
    gs_json_use_our_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_write_a_time_is_the_same_moment),
        cmocka_unit_test(small_numbers_have_no_date),
        cmocka_unit_test(dates_know_the_calendar),
        cmocka_unit_test(grafana_with_units),
        cmocka_unit_test(grafana_with_series_as_names),
        cmocka_unit_test(columns_are_told_by_name),
        cmocka_unit_test(counters_become_rates),
        cmocka_unit_test(docker_stats),
        cmocka_unit_test(the_user_says_what_a_column_is),
        cmocka_unit_test(one_clear_error_a_kind),
        cmocka_unit_test(prometheus_query_range),
        cmocka_unit_test(a_restart_is_joined_and_two_processes_are_not),
        cmocka_unit_test(a_series_without_a_name_is_named_by_its_labels),
        cmocka_unit_test(errors_of_prometheus),
        cmocka_unit_test(openmetrics_and_promtool),
        cmocka_unit_test(errors_of_openmetrics),
        cmocka_unit_test(pidstat_in_one_table),
        cmocka_unit_test(pidstat_in_tables),
        cmocka_unit_test(sar_is_of_the_machine),
        cmocka_unit_test(errors_of_sysstat),
        cmocka_unit_test(no_bytes_do_harm),
    };
    return cmocka_run_group_tests(tests, NULL, free_history);
}
