/* history_json.c - reads a history from metrics.json, written by history/json.c or by another program.
 *
 *   series: { "rss": [[t,v], …], "cpu": [[t,v], …] }  ──▶  points (time, metric, value)  ──sort──▶  rows
 *
 * Series may have different times: a series without a value at a row's time is missing there. If the clock was set
 * back while the history was recorded, its times do not grow; sorting corrects that.
 * Who:    gs_reader_history. The bytes are untrusted.
 * Bounds: VALUES_MAX values, counted before they are parsed: some 200 bytes each; CELLS_MAX in the rows that they make, missing
 * ones included: series with times of their own make rows that are nearly empty. */
#include "base/clock.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/sort.h"
#include "history/history.h"
#include "metrics/metrics.h"
#include "reader/inside.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { VALUES_MAX = 2000000, CELLS_MAX = 1 << 24, STEPS_MAX = 1000 };
#define SECONDS_MAX 9e9
#define STEP_MS_MAX (366.0 * 86400e3)

struct point {
    int64_t time_ns;
    uint32_t metric;
    double value;
};

struct json_step { // the step of the rows from TIME_NS on
    int64_t time_ns, step_ns;
};

struct document {
    const char *file;
    struct gs_errors *errors;
    size_t errors_before;
    int64_t interval_ns;
    struct json_step *step;
    size_t step_count;
    const char **name;
    size_t count; // metrics
    struct point *point;
    size_t points; // their number
};

/* Report an error. It has no line, because jansson does not keep positions of values; the text names the path instead. */
static void GS_PRINTF(2, 3) refuse(struct document *document, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    gs_errors_add(document->errors, GS_ERROR, document->file, 0, 0, NULL, "%s", text);
}

static bool has_errors(const struct document *document)
{
    return document->errors->count + document->errors->lost > document->errors_before;
}

json_t *gs_reader_history_parse(const char *bytes, size_t length, const char *file, struct gs_errors *errors)
{
    json_error_t error;
    size_t marks = 0; // each value has a bracket and two commas
    for (size_t i = 0; i < length; i++)
        marks += bytes[i] == '[' || bytes[i] == '{' || bytes[i] == ',';
    if (marks / 3 > VALUES_MAX) {
        gs_errors_add(errors, GS_ERROR, file, 0, 0, NULL, "more than %d values", VALUES_MAX);
        return NULL;
    }
    json_t *json = gs_json_read(bytes, length, JSON_REJECT_DUPLICATES, &error);
    if (!json)
        gs_errors_add(errors, GS_ERROR, file, error.line > 0 ? error.line : 0, error.column, NULL, "%s",
                      error.text);
    return json;
}

/* Read seconds that fit into nanoseconds, rounded to milliseconds. */
static bool read_time(const json_t *json, int64_t *time_ns)
{
    double seconds = json_is_number(json) ? json_number_value(json) : NAN;
    if (!(fabs(seconds) <= SECONDS_MAX))
        return false;
    *time_ns = (int64_t)(seconds * 1e3 + (seconds < 0 ? -0.5 : 0.5)) * GS_NS_PER_MS;
    return true;
}

static bool read_step(const json_t *json, int64_t *step_ns)
{
    double ms = json_is_number(json) ? json_number_value(json) : NAN;
    if (!(ms > 0 && ms <= STEP_MS_MAX))
        return false;
    *step_ns = (int64_t)(ms * 1e6);
    return *step_ns > 0;
}

static void read_head(struct document *document, const json_t *json, struct gs_history_about *about)
{
    const json_t *version = json_object_get(json, "version"), *limit = json_object_get(json, "limit");
    if (!json_is_integer(version) || json_integer_value(version) != 1)
        refuse(document, "\"version\" must be 1: is this a metrics.json?");
    if (!read_step(json_object_get(json, "interval_ms"), &document->interval_ns))
        refuse(document, "\"interval_ms\" must be a number of milliseconds");
    if (json_integer_value(limit) > 0)
        about->limit_bytes = (uint64_t)json_integer_value(limit);
    json_int_t pid = json_integer_value(json_object_get(json, "pid"));
    about->pid = pid > 0 && pid <= INT32_MAX ? (int)pid : 0;
}

static void read_steps(struct document *document, const json_t *list)
{
    size_t count = json_array_size(list);
    if (!list)
        return;
    if (!json_is_array(list) || count > STEPS_MAX) {
        refuse(document, "\"steps\" must be an array of at most %d", STEPS_MAX);
        return;
    }
    document->step = gs_alloc(count * sizeof *document->step + 1);
    for (size_t i = 0; document->step && i < count; i++) {
        const json_t *json = json_array_get(list, i);
        struct json_step *step = &document->step[document->step_count];
        if (!read_time(json_object_get(json, "from"), &step->time_ns) ||
            !read_step(json_object_get(json, "step_ms"), &step->step_ns))
            refuse(document, "steps[%zu]: expected {\"from\": seconds, \"step_ms\": milliseconds}", i);
        else
            document->step_count++;
    }
    if (!document->step)
        refuse(document, "not enough memory for \"steps\"");
}

static void read_points(struct document *document, const json_t *series, const char *name)
{
    for (size_t i = 0; i < json_array_size(series); i++) {
        const json_t *pair = json_array_get(series, i), *value = json_array_get(pair, 1);
        struct point *point = &document->point[document->points];
        if (json_array_size(pair) != 2 || !json_is_number(value) ||
            !read_time(json_array_get(pair, 0), &point->time_ns)) {
            refuse(document, "series.%.48s[%zu]: expected [seconds, value]", name, i);
            continue;
        }
        point->metric = (uint32_t)document->count;
        point->value = json_number_value(value);
        document->points++;
    }
}

static bool make_points(struct document *document, json_t *series)
{
    const char *name;
    json_t *list;
    size_t points = 0;
    json_object_foreach(series, name, list) points += json_array_size(list);
    document->name = gs_alloc(json_object_size(series) * sizeof *document->name + 1);
    document->point = gs_alloc(points * sizeof *document->point + 1);
    if (document->name && document->point)
        return true;
    refuse(document, "not enough memory for this many values");
    return false;
}

static void read_series(struct document *document, json_t *series)
{
    const char *name;
    json_t *list;
    if (!json_is_object(series) || json_object_size(series) > GS_HISTORY_METRICS_MAX) {
        refuse(document, "\"series\" must be an object of at most %d metrics", GS_HISTORY_METRICS_MAX);
        return;
    }
    if (!make_points(document, series))
        return;
    json_object_foreach(series, name, list)
    {
        if (strlen(name) == 0 || strlen(name) >= GS_METRIC_NAME || !json_is_array(list)) {
            refuse(document, "series.%.48s: expected a metric's name and an array", name);
            continue;
        }
        read_points(document, list, name);
        document->name[document->count++] = name;
    }
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return x->metric < y->metric ? -1 : x->metric > y->metric;
}

/* The step of a row at TIME_NS: from the last entry of "steps" up to TIME_NS, or from the first entry if all are later. */
static int64_t step_at(const struct document *document, int64_t time_ns)
{
    if (document->step_count == 0)
        return document->interval_ns;
    size_t at = document->step_count - 1;
    while (at > 0 && document->step[at].time_ns > time_ns)
        at--;
    return document->step[at].step_ns;
}

static size_t count_rows(const struct document *document)
{
    size_t rows = document->points > 0;
    for (size_t i = 1; i < document->points; i++)
        rows += document->point[i].time_ns != document->point[i - 1].time_ns;
    return rows;
}

static void put_rows(const struct document *document, struct gs_history *history, double *row)
{
    for (size_t i = 0; i < document->points;) {
        int64_t time_ns = document->point[i].time_ns;
        for (size_t metric = 0; metric < document->count; metric++)
            row[metric] = NAN;
        for (; i < document->points && document->point[i].time_ns == time_ns; i++)
            row[document->point[i].metric] = document->point[i].value;
        gs_history_put(history, time_ns, step_at(document, time_ns), row);
    }
}

static struct gs_history *make_history(struct document *document)
{
    gs_sort(document->point, document->points, sizeof *document->point, compare);
    size_t rows = count_rows(document);
    if (rows > CELLS_MAX / (document->count + 1)) {
        refuse(document, "the series have %zu different times and %zu metrics: too many for one table", rows,
               document->count);
        return NULL;
    }
    const struct gs_history_shape shape = {{{rows, document->interval_ns}}};
    struct gs_history *history = gs_history_shaped(document->name, document->count, &shape);
    double *row = gs_alloc(document->count * sizeof *row + 1);
    if (history && row)
        put_rows(document, history, row);
    else
        refuse(document, "not enough memory for this many values");
    gs_free(row);
    if (!has_errors(document))
        return history;
    gs_history_free(history);
    return NULL;
}

struct gs_history *gs_reader_history_json(const json_t *json, const char *file,
                                          struct gs_history_about *about, struct gs_errors *errors)
{
    struct document document = {
        .file = file, .errors = errors, .errors_before = errors->count + errors->lost};
    struct gs_history *history = NULL;
    read_head(&document, json, about);
    read_steps(&document, json_object_get(json, "steps"));
    read_series(&document, json_object_get(json, "series"));
    if (!has_errors(&document) && document.points == 0)
        refuse(&document, "there is no value in \"series\"");
    if (!has_errors(&document))
        history = make_history(&document);
    gs_free(document.step);
    gs_free(document.name);
    gs_free(document.point);
    return history;
}
