/* import_openmetrics.c - reads a history from text: OpenMetrics or the Prometheus text format with time stamps, and what promtool
 * prints.
 *
 *   process_open_fds{job="x"} 17 1764000300.123        OpenMetrics (seconds); Prometheus text, in milliseconds
 *   {__name__="process_open_fds", job="x"} 17 1764000300123                                    promtool tsdb dump
 *   process_open_fds{job="x"} =>                                                               promtool query range
 *   17 @[1764000300.123]
 *
 * Lines with "#" are skipped, an exemplar at the end of a line too. */
#include "base/text.h"
#include "reader/import.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 8192, LABELS_MAX = 4096 };

struct sample_line { // one line, taken apart
    char name[GS_IMPORT_NAME];
    char labels[LABELS_MAX]; // without the name
    const char *value;       // "" after "=>"
};

/* ---- lines ------------------------------------------------------------------------------------------------------------ */

bool gs_reader_import_next_line(struct gs_import_lines *lines)
{
    if (lines->at == lines->end)
        return false;
    const char *newline = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
    lines->line = lines->at;
    lines->length = (size_t)((newline ? newline : lines->end) - lines->at);
    lines->at = newline ? newline + 1 : lines->end;
    lines->number++;
    while (lines->length && strchr(" \t\r", lines->line[lines->length - 1]) && lines->line[lines->length - 1])
        lines->length--;
    return true;
}

static bool is_name_character(char c, bool first)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
    return letter || (!first && c >= '0' && c <= '9');
}

/* Add the label KEY (LENGTH bytes) with its quoted VALUE to SAMPLE, or take it as the name. */
static void add_label(struct sample_line *sample, const char *key, size_t length, const char *value,
                      size_t value_length)
{
    size_t used = strlen(sample->labels);
    if (length == 8 && strncmp(key, "__name__", 8) == 0)
        snprintf(sample->name, sizeof sample->name, "%.*s", (int)value_length, value);
    else if (used + length + value_length + 5 < LABELS_MAX)
        snprintf(sample->labels + used, LABELS_MAX - used, "%s%.*s=\"%.*s\"", used ? "," : "", (int)length,
                 key, (int)value_length, value);
}

/* Read `{a="b",c="d"}` at AT. Returns the text after it; NULL: it is malformed. */
static const char *read_labels(struct sample_line *sample, const char *at)
{
    for (at += 1 + strspn(at + 1, " "); *at != '}'; at += strspn(at, ", ")) {
        const char *key = at;
        while (is_name_character(*at, at == key))
            at++;
        size_t length = (size_t)(at - key);
        if (length == 0 || at[0] != '=' || at[1] != '"')
            return NULL;
        const char *value = at += 2;
        for (; *at && *at != '"'; at++)
            at += at[0] == '\\' && at[1];
        if (!*at)
            return NULL;
        add_label(sample, key, length, value, (size_t)(at - value));
        at++;
        if (*at != ',' && *at != '}')
            return NULL;
    }
    return at + 1;
}

/* Take the name and the labels of TEXT. False: it does not begin with a sample's name. */
static bool read_sample(const char *text, struct sample_line *sample)
{
    const char *at = text;
    while (is_name_character(*at, at == text))
        at++;
    snprintf(sample->name, sizeof sample->name, "%.*s", (int)(at - text), text);
    sample->labels[0] = 0;
    if (*at == '{')
        at = read_labels(sample, at);
    if (!at || at == text || !strchr(" \t", *at))
        return false;
    sample->value = at + strspn(at, " \t");
    return true;
}

static bool copy_line(const struct gs_import_lines *lines, char out[LINE_BYTES])
{
    if (lines->length >= LINE_BYTES || memchr(lines->line, 0, lines->length))
        return false;
    memcpy(out, lines->line, lines->length);
    out[lines->length] = 0;
    return true;
}

static bool begins_value(const char *text)
{
    return (*text && strchr("0123456789+-", *text)) || strncmp(text, "NaN", 3) == 0;
}

/* ---- what format it is --------------------------------------------------------------------------------------------------- */

/* The first line that is not blank decides: a comment of the format, or a sample with a number (or "=>") after its name. */
bool gs_reader_is_openmetrics(const char *bytes, size_t length)
{
    static const char *const comments[] = {"# HELP ", "# TYPE ", "# UNIT ", "# EOF"};
    struct gs_import_lines lines = {.at = bytes, .end = bytes + length};
    char line[LINE_BYTES];
    struct sample_line sample;
    while (gs_reader_import_next_line(&lines)) {
        if (lines.length == 0)
            continue;
        if (!copy_line(&lines, line))
            return false;
        for (size_t i = 0; i < sizeof comments / sizeof *comments; i++)
            if (strncmp(line, comments[i], strlen(comments[i])) == 0)
                return true;
        return read_sample(line, &sample) && (begins_value(sample.value) || strcmp(sample.value, "=>") == 0);
    }
    return false;
}

/* ---- samples --------------------------------------------------------------------------------------------------------------- */

/* Read "VALUE" at TEXT: a number, NaN or an infinity, which count as missing. *REST: the text after it. */
static bool read_value(const char *text, double *value, const char **rest)
{
    char *end;
    *value = strtod(text, &end);
    *rest = end + strspn(end, " \t");
    if (!isfinite(*value))
        *value = NAN;
    return end > text && strchr(" \t", *end);
}

/* Add the sample "VALUE TIME" or "VALUE @[TIME]" at TEXT to SERIES. */
static void add_sample(struct gs_importer *importer, uint32_t series, char *text,
                       struct gs_import_place place)
{
    double value;
    const char *rest;
    int64_t time_ns;
    if (!read_value(text, &value, &rest)) {
        gs_reader_import_refuse(importer, GS_BAD_VALUE, place, NULL, "expected a value, found \"%.40s\"",
                                text);
        return;
    }
    bool bracketed = strncmp(rest, "@[", 2) == 0;
    char *time = text + (rest - text) + (bracketed ? 2 : 0);
    place.col += (int)(time - text);
    time[strcspn(time, " \t]")] = 0;
    if (!*time || *time == '#')
        gs_reader_import_refuse(importer, GS_BAD_TIME, place,
                                "use promtool tsdb dump, or the answer of /api/v1/query_range",
                                "this sample has no time: one scrape is no history");
    else if (gs_reader_import_time(importer, time, place, &time_ns))
        gs_reader_import_add(importer, series, time_ns, value, place);
}

static void read_line(struct gs_importer *importer, char *line, int number, uint32_t *series)
{
    struct sample_line sample;
    struct gs_import_place place = {number, 1};
    if (begins_value(line)) { // after a line with "=>"
        if (*series != GS_NO_SERIES)
            add_sample(importer, *series, line, place);
        return;
    }
    if (!read_sample(line, &sample)) {
        gs_reader_import_refuse(importer, GS_BAD_ROW, place, NULL,
                                "expected a sample such as name{label=\"x\"} 1 1764000300, found \"%.40s\"",
                                line);
        return;
    }
    *series = gs_reader_import_series_of(importer, GS_DIALECT_PROMETHEUS, sample.name, sample.labels, place);
    if (*series == GS_NO_SERIES || strcmp(sample.value, "=>") == 0)
        return;
    place.col = (int)(sample.value - line) + 1;
    add_sample(importer, *series, line + (sample.value - line), place);
}

void gs_reader_import_openmetrics(struct gs_importer *importer, const char *bytes, size_t length)
{
    struct gs_import_lines lines = {.at = bytes, .end = bytes + length};
    uint32_t series = GS_NO_SERIES;
    char line[LINE_BYTES];
    while (gs_reader_import_next_line(&lines)) {
        if (lines.length == 0 || lines.line[0] == '#')
            continue;
        if (copy_line(&lines, line))
            read_line(importer, line, lines.number, &series);
        else
            gs_reader_import_refuse(importer, GS_BAD_ROW, (struct gs_import_place){lines.number, 1}, NULL,
                                    "this line is too long, or has a NUL byte");
    }
    if (importer->series_count == 0 && !gs_reader_import_failed(importer) && !importer->how->series_count)
        gs_reader_import_refuse_names(importer, (struct gs_import_place){0}, NULL);
}
