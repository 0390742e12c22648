/* history_csv.c - reads a history from CSV, which any monitoring system can write.
 *
 *   time,rss,gauge:queue        the metrics of this table (docs/formats.md), in their units
 *   0,104857600,3               time: seconds, of any origin
 *   10,,4                       empty: missing
 *   20,"106954752",             fields may be quoted; blank lines are ignored
 *
 * The step of every row is the median distance of two rows; a much longer distance is a gap.
 * Who:    gs_reader_history. The bytes are untrusted.
 * Bounds: one time and one value a metric for each line; a field has at most FIELD_MAX bytes. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/sort.h"
#include "history/history.h"
#include "metrics/metrics.h"
#include "reader/inside.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELD_MAX = 63 };
#define SECONDS_MAX 9e9 // the year 2255, or 285 years of uptime: fits into 63 bits of nanoseconds

struct csv {
    const char *at, *end, *line_start;
    int line;
    const char *file;
    struct gs_errors *errors;
    size_t errors_before;
    size_t count; // metrics
    char (*name)[GS_METRIC_NAME];
    size_t rows;
    int64_t *time_ns;
    double *value;
};

struct field {
    char text[FIELD_MAX + 1];
    int col;
    bool last;     // the last of its line
    bool too_long; // text is cut
};

static bool has_errors(const struct csv *csv)
{
    return csv->errors->count + csv->errors->lost > csv->errors_before;
}

static bool line_ends(const struct csv *csv)
{
    return csv->at == csv->end || *csv->at == '\n' ||
           (*csv->at == '\r' && csv->at + 1 < csv->end && csv->at[1] == '\n');
}

static void add_character(struct field *field, size_t *length, char c)
{
    if (*length < FIELD_MAX)
        field->text[(*length)++] = c ? c : '?';
    else
        field->too_long = true;
}

/* Read up to the closing quote; the opening one is skipped already. Two quotes in a row are one character. */
static void next_quoted(struct csv *csv, struct field *field, size_t *length)
{
    for (; !line_ends(csv); csv->at++) {
        if (*csv->at == '"' && !(csv->at + 1 < csv->end && csv->at[1] == '"'))
            break;
        csv->at += *csv->at == '"';
        add_character(field, length, *csv->at);
    }
    csv->at += !line_ends(csv); // the closing quote
}

static void skip_blanks(struct csv *csv)
{
    while (csv->at < csv->end && (*csv->at == ' ' || *csv->at == '\t'))
        csv->at++;
}

/* Read the field at csv->at without the blanks around it, and skip the comma after it. */
static void next_field(struct csv *csv, struct field *field)
{
    size_t length = 0;
    skip_blanks(csv);
    *field = (struct field){.col = (int)(csv->at - csv->line_start) + 1};
    if (csv->at < csv->end && *csv->at == '"') {
        csv->at++;
        next_quoted(csv, field, &length);
    }
    for (; !line_ends(csv) && *csv->at != ','; csv->at++)
        add_character(field, &length, *csv->at);
    while (length && (field->text[length - 1] == ' ' || field->text[length - 1] == '\t'))
        length--;
    field->text[length] = 0;
    field->last = line_ends(csv);
    csv->at += !field->last;
}

/* Go to the start of the next line that is not blank; false: end of the file. */
static bool next_line(struct csv *csv)
{
    do {
        const char *newline = csv->at < csv->end ? memchr(csv->at, '\n', (size_t)(csv->end - csv->at)) : NULL;
        csv->at = csv->line > 0 ? newline ? newline + 1 : csv->end : csv->at;
        csv->line_start = csv->at;
        csv->line++;
        skip_blanks(csv);
    } while (csv->at < csv->end && line_ends(csv));
    bool found = csv->at < csv->end;
    csv->at = csv->line_start;
    return found;
}

/* ---- the header ------------------------------------------------------------------------------------------------ */

static void refuse_metric(struct csv *csv, const struct field *field)
{
    char hint[96];
    const char *nearest =
        gs_errors_nearest(field->text, &gs_metrics[0].name, gs_metrics_count(), sizeof gs_metrics[0]);
    if (nearest)
        snprintf(hint, sizeof hint, "did you mean \"%s\"?", nearest);
    else
        snprintf(hint, sizeof hint, "a number of the program's own is \"gauge:NAME\"");
    gs_errors_add(csv->errors, GS_ERROR, csv->file, csv->line, field->col, hint,
                  "there is no metric \"%.60s\"", field->text);
}

static bool is_named_already(const struct csv *csv, const char *name)
{
    for (size_t i = 0; i < csv->count; i++)
        if (strcmp(csv->name[i], name) == 0)
            return true;
    return false;
}

static void add_metric(struct csv *csv, const struct field *field)
{
    if (!gs_metrics_find(field->text))
        refuse_metric(csv, field);
    else if (is_named_already(csv, field->text))
        gs_errors_add(csv->errors, GS_ERROR, csv->file, csv->line, field->col, NULL,
                      "\"%s\" is in the header twice", field->text);
    else
        snprintf(csv->name[csv->count++], GS_METRIC_NAME, "%.*s", GS_METRIC_NAME - 1, field->text);
}

static bool starts_with_time(struct csv *csv, const struct field *field)
{
    const char *semicolon = strchr(field->text, ';');
    if (strcmp(field->text, "time") == 0)
        return true;
    if (semicolon)
        gs_errors_add(csv->errors, GS_ERROR, csv->file, csv->line,
                      field->col + (int)(semicolon - field->text), NULL,
                      "fields are separated by commas, not by semicolons");
    else
        gs_errors_add(csv->errors, GS_ERROR, csv->file, csv->line, field->col,
                      "for example: time,rss,gauge:queue",
                      "expected a header that begins with \"time\", found \"%.40s\"", field->text);
    return false;
}

static size_t commas_in_line(const struct csv *csv)
{
    size_t commas = 0;
    for (const char *at = csv->at; at < csv->end && *at != '\n'; at++)
        commas += *at == ',';
    return commas;
}

static void no_memory(struct csv *csv)
{
    gs_errors_add(csv->errors, GS_ERROR, csv->file, 0, 0, NULL, "not enough memory for this many values");
}

static bool read_header(struct csv *csv)
{
    struct field field;
    size_t room = commas_in_line(csv);
    next_field(csv, &field);
    if (!starts_with_time(csv, &field))
        return false;
    if (room > GS_HISTORY_METRICS_MAX) {
        gs_errors_add(csv->errors, GS_ERROR, csv->file, csv->line, 1, NULL, "more than %d metrics",
                      GS_HISTORY_METRICS_MAX);
        return false;
    }
    csv->name = gs_alloc((room + 1) * sizeof *csv->name);
    if (!csv->name) {
        no_memory(csv);
        return false;
    }
    if (field.last)
        gs_errors_add(csv->errors, GS_ERROR, csv->file, csv->line, field.col, "for example: time,rss",
                      "the header names no metric");
    while (!field.last) {
        next_field(csv, &field);
        add_metric(csv, &field);
    }
    return !has_errors(csv);
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

static void refuse_number(struct csv *csv, const struct field *field, const char *hint)
{
    gs_errors_add(csv->errors, GS_ERROR, csv->file, csv->line, field->col, hint,
                  "expected a number, found \"%.40s\"%s", field->text, field->too_long ? "…" : "");
}

/* Read a decimal number; other forms that strtod(3) accepts are refused. */
static bool read_number(const struct field *field, double *number)
{
    char *end;
    if (field->too_long || strspn(field->text, "0123456789+-.eE") != strlen(field->text))
        return false;
    *number = strtod(field->text, &end);
    return end > field->text && *end == 0;
}

static void read_time(struct csv *csv, const struct field *field)
{
    double seconds;
    int64_t *time_ns = &csv->time_ns[csv->rows], before_ns = csv->rows ? time_ns[-1] : INT64_MIN;
    *time_ns = before_ns; // if this time is invalid, the next row is compared with the row before
    if (!read_number(field, &seconds)) {
        refuse_number(csv, field, "time is in seconds, of any origin");
    } else if (!(fabs(seconds) <= SECONDS_MAX)) {
        gs_errors_add(csv->errors, GS_ERROR, csv->file, csv->line, field->col,
                      "are these milliseconds? time is in seconds", "time %s is too far off", field->text);
    } else {
        *time_ns = (int64_t)(seconds * 1e9 + (seconds < 0 ? -0.5 : 0.5));
        if (*time_ns <= before_ns)
            gs_errors_add(csv->errors, GS_ERROR, csv->file, csv->line, field->col,
                          "rows must be in the order of their times",
                          "time %s is not after the time of the previous row", field->text);
    }
}

static void read_value(struct csv *csv, const struct field *field, size_t metric)
{
    double *value = &csv->value[csv->rows * csv->count + metric];
    *value = NAN;
    if (field->text[0] == 0)
        return;
    if (!read_number(field, value))
        refuse_number(csv, field, "leave the field empty where the value is missing");
    else if (!isfinite(*value))
        gs_errors_add(csv->errors, GS_ERROR, csv->file, csv->line, field->col, NULL, "%s is too large",
                      field->text);
}

static void read_row(struct csv *csv)
{
    struct field field;
    next_field(csv, &field);
    read_time(csv, &field);
    for (size_t i = 0; i < csv->count; i++) {
        if (field.last) {
            gs_errors_add(csv->errors, GS_ERROR, csv->file, csv->line, field.col,
                          "a missing value is an empty field", "this row has %zu fields, the header %zu",
                          i + 1, csv->count + 1);
            return;
        }
        next_field(csv, &field);
        read_value(csv, &field, i);
    }
    if (!field.last)
        gs_errors_add(csv->errors, GS_ERROR, csv->file, csv->line, (int)(csv->at - csv->line_start) + 1, NULL,
                      "more fields than the header has (%zu)", csv->count + 1);
    csv->rows++;
}

static bool make_rows(struct csv *csv)
{
    size_t lines = 1, bytes;
    for (const char *at = csv->at; at < csv->end && (at = memchr(at, '\n', (size_t)(csv->end - at))); at++)
        lines++;
    if (__builtin_mul_overflow(lines, csv->count * sizeof *csv->value, &bytes))
        return false;
    csv->time_ns = gs_alloc(lines * sizeof *csv->time_ns);
    csv->value = gs_alloc(bytes);
    return csv->time_ns && csv->value;
}

/* ---- the history -------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The median distance of rows; a second if there is only one row. 0: out of memory. */
static int64_t distance_ns(const struct csv *csv)
{
    if (csv->rows < 2)
        return GS_NS_PER_S;
    int64_t *distance = gs_alloc((csv->rows - 1) * sizeof *distance), median = 0;
    for (size_t i = 1; distance && i < csv->rows; i++)
        distance[i - 1] = csv->time_ns[i] - csv->time_ns[i - 1];
    if (distance) {
        gs_sort(distance, csv->rows - 1, sizeof *distance, compare);
        median = distance[(csv->rows - 2) /
                          2]; // of an even number the lower one, because gaps make distances longer
    }
    gs_free(distance);
    return median;
}

static struct gs_history *make_history(struct csv *csv)
{
    int64_t step_ns = distance_ns(csv);
    const char **names = gs_alloc(csv->count * sizeof *names);
    struct gs_history *history = NULL;
    for (size_t i = 0; names && i < csv->count; i++)
        names[i] = csv->name[i];
    if (step_ns && names)
        history = gs_history_shaped(names, csv->count, &(struct gs_history_shape){{{csv->rows, step_ns}}});
    for (size_t i = 0; history && i < csv->rows; i++)
        gs_history_put(history, csv->time_ns[i], step_ns, csv->value + i * csv->count);
    if (!history)
        no_memory(csv);
    gs_free(names);
    return history;
}

static struct gs_history *read_rows(struct csv *csv)
{
    if (!make_rows(csv)) {
        no_memory(csv);
        return NULL;
    }
    while (next_line(csv))
        read_row(csv);
    if (csv->rows == 0 && !has_errors(csv))
        gs_errors_add(csv->errors, GS_ERROR, csv->file, csv->line, 1, NULL,
                      "there is no row after the header");
    return has_errors(csv) ? NULL : make_history(csv);
}

struct gs_history *gs_reader_history_csv(const char *bytes, size_t length, const char *file,
                                         struct gs_errors *errors)
{
    static const char mark[] = "\xef\xbb\xbf"; // byte order mark: some programs start UTF-8 files with it
    struct csv csv = {.at = bytes,
                      .end = bytes + length,
                      .file = file,
                      .errors = errors,
                      .errors_before = errors->count + errors->lost};
    if (length >= 3 && memcmp(bytes, mark, 3) == 0)
        csv.at += 3;
    next_line(&csv);
    struct gs_history *history = read_header(&csv) ? read_rows(&csv) : NULL;
    gs_free(csv.name);
    gs_free(csv.time_ns);
    gs_free(csv.value);
    return history;
}
