/* import_csv.c - reads a history from CSV, which any monitoring system can write.
 *
 *   time,rss,gauge:queue          our own: metrics in their units (docs/formats.md)
 *   "Time";"RSS (bytes)";"CPU"    Grafana's and others': import_columns.c says what each column is
 *   time,name,MemUsage,CPUPerc    rows of several containers or processes: "name" is a label of the series
 *   series;time;value             one value a row: the first column names the series
 *
 * Commas, semicolons or tabs separate, whichever the header has most of; with semicolons a comma may be the decimal point. A line
 * "sep=;" may come first. Fields may be quoted; blank lines are ignored.
 * Bounds: a field has at most FIELD_MAX bytes, the header COLUMNS_MAX fields. */
#include "base/memory.h"
#include "reader/import.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FIELD_MAX = GS_IMPORT_NAME - 1, COLUMNS_MAX = 4096, LABELS_MAX = 512 };

enum csv_kind { CSV_LEFT_OUT, CSV_TIME, CSV_METRIC, CSV_LABEL, CSV_SERIES, CSV_VALUE };

struct csv_column {
    enum csv_kind kind;
    char *name;
    int col;
    struct gs_import_meaning meaning; // of a metric
    uint32_t series;                  // of a table without labels; GS_NO_SERIES: none
};

struct csv_field {
    char text[FIELD_MAX + 1];
    int col;
    bool last;     // the last of its line
    bool too_long; // text is cut
};

struct csv_value { // of a row, until its time and labels are known
    double value;
    uint32_t column;
    int col;
};

struct csv {
    struct gs_importer *importer;
    const char *at, *end, *line_start;
    int line;
    char separator;
    struct csv_column *column;
    size_t columns;
    struct csv_value *value;
    size_t values;
    bool labelled;  // some column is a label, so that each combination of labels is a series
    bool long_form; // a column names the series, another one has the value
    bool has_row;
    int64_t row_ns;                                      // time of the row before
    char labels[LABELS_MAX], series_name[FIELD_MAX + 1]; // of the row
    struct csv_field long_value;
};

static struct gs_import_place place_of(const struct csv *csv, const struct csv_field *field)
{
    return (struct gs_import_place){csv->line, field->col};
}

/* ---- fields --------------------------------------------------------------------------------------------------------- */

static bool line_ends(const struct csv *csv)
{
    return csv->at == csv->end || *csv->at == '\n' ||
           (*csv->at == '\r' && (csv->at + 1 == csv->end || csv->at[1] == '\n'));
}

static void add_character(struct csv_field *field, size_t *length, char c)
{
    if (*length < FIELD_MAX)
        field->text[(*length)++] = c ? c : '?';
    else
        field->too_long = true;
}

/* Read up to the closing quote; the opening one is skipped already. Two quotes in a row are one character. */
static void next_quoted(struct csv *csv, struct csv_field *field, size_t *length)
{
    for (; !line_ends(csv); csv->at++) {
        if (*csv->at == '"' && !(csv->at + 1 < csv->end && csv->at[1] == '"'))
            break;
        csv->at += *csv->at == '"';
        add_character(field, length, *csv->at);
    }
    csv->at += !line_ends(csv); // the closing quote
}

static bool is_blank(const struct csv *csv, char c)
{
    return c == ' ' || (c == '\t' && csv->separator != '\t');
}

static void skip_blanks(struct csv *csv)
{
    while (csv->at < csv->end && is_blank(csv, *csv->at))
        csv->at++;
}

/* Read the field at csv->at without the blanks around it, and skip the separator after it. */
static void next_field(struct csv *csv, struct csv_field *field)
{
    size_t length = 0;
    skip_blanks(csv);
    field->col = (int)(csv->at - csv->line_start) + 1;
    field->too_long = false;
    if (csv->at < csv->end && *csv->at == '"') {
        csv->at++;
        next_quoted(csv, field, &length);
    }
    for (; !line_ends(csv) && *csv->at != csv->separator; csv->at++)
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

/* ---- the header ------------------------------------------------------------------------------------------------------ */

/* How often C is in the line outside quotes. */
static size_t count_in_line(const struct csv *csv, char c)
{
    size_t count = 0;
    bool quoted = false;
    for (const char *at = csv->at; at < csv->end && *at != '\n'; at++) {
        quoted ^= *at == '"';
        count += *at == c && !quoted;
    }
    return count;
}

static void choose_separator(struct csv *csv)
{
    static const char candidates[] = ",;\t";
    csv->separator = ',';
    for (const char *c = candidates; *c; c++)
        if (count_in_line(csv, *c) > count_in_line(csv, csv->separator))
            csv->separator = *c;
}

/* Go to the header: after a byte order mark, a line "sep=;" and the "#" that sadf begins it with. False: the file is empty. */
static bool find_header(struct csv *csv)
{
    static const char mark[] = "\xef\xbb\xbf", excel[] = "sep=";
    if (csv->end - csv->at >= 3 && memcmp(csv->at, mark, 3) == 0)
        csv->at += 3;
    if (!next_line(csv))
        return false;
    bool told =
        csv->end - csv->at > 5 && memcmp(csv->at, excel, 4) == 0 && csv->at[4] && strchr(",;\t|", csv->at[4]);
    char separator = told ? csv->at[4] : 0;
    if (told && !next_line(csv))
        return false;
    choose_separator(csv);
    csv->separator = told ? separator : csv->separator;
    skip_blanks(csv);
    csv->at += *csv->at == '#';
    return true;
}

static enum csv_kind kind_of(const char *name)
{
    static const char *const labels[] = {"name",    "container", "containername", "containerid",
                                         "id",      "pod",       "pid",           "instance",
                                         "command", "program",   "process",       "host"};
    char plain[GS_IMPORT_NAME], unit[16];
    gs_reader_import_plain_name(name, plain, unit);
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (strcmp(plain, labels[i]) == 0)
            return CSV_LABEL;
    if (strcmp(plain, "series") == 0 || strcmp(plain, "metric") == 0)
        return CSV_SERIES;
    return strcmp(plain, "value") == 0 ? CSV_VALUE : CSV_LEFT_OUT;
}

static bool has_kind(const struct csv *csv, enum csv_kind kind)
{
    for (size_t i = 0; i < csv->columns; i++)
        if (csv->column[i].kind == kind)
            return true;
    return false;
}

static bool read_names(struct csv *csv)
{
    struct csv_field field = {.last = false};
    size_t room = count_in_line(csv, csv->separator) + 1;
    csv->column = room <= COLUMNS_MAX ? gs_alloc(room * sizeof *csv->column) : NULL;
    csv->value = room <= COLUMNS_MAX ? gs_alloc(room * sizeof *csv->value) : NULL;
    if (room > COLUMNS_MAX)
        gs_reader_import_refuse(csv->importer, GS_BAD_HEADER, (struct gs_import_place){csv->line, 1}, NULL,
                                "more than %d columns", COLUMNS_MAX);
    else if (!csv->column || !csv->value)
        csv->importer->no_memory = true;
    while (csv->column && csv->value && !field.last && csv->columns < room) {
        next_field(csv, &field);
        struct csv_column *column = &csv->column[csv->columns++];
        column->series = GS_NO_SERIES;
        column->col = field.col;
        column->name = gs_strdup(field.text);
        csv->importer->no_memory |= !column->name;
        if (!column->name)
            return false;
        bool time = !has_kind(csv, CSV_TIME) && gs_reader_import_is_time(csv->importer, field.text);
        column->kind = time ? CSV_TIME : kind_of(field.text);
    }
    return !gs_reader_import_failed(csv->importer);
}

/* Report that column AT is the same metric as one before it. */
static bool refuse_double(struct csv *csv, size_t at)
{
    const struct csv_column *column = csv->column;
    const char *metric = column[at].meaning.metric;
    char hint[96];
    for (size_t i = 0; i < at; i++) {
        if (column[i].kind != CSV_METRIC || strcmp(column[i].meaning.metric, metric) != 0 ||
            (column[i].meaning.adds && column[at].meaning.adds))
            continue;
        bool alike = strcmp(column[i].name, column[at].name) == 0;
        snprintf(hint, sizeof hint, "choose one with --column %.40s=NAME", metric);
        gs_reader_import_refuse(
            csv->importer, GS_BAD_HEADER, (struct gs_import_place){csv->line, column[at].col},
            alike ? "give them different names" : hint, "two columns are %.40s: \"%.40s\" and \"%.40s\"",
            metric, column[i].name, column[at].name);
        return true;
    }
    return false;
}

/* May the column be a metric? One that is a label is, if --column says so. */
static bool may_be_metric(const struct csv *csv, const struct csv_column *column)
{
    if (csv->long_form || column->kind == CSV_TIME || !*column->name)
        return false;
    return column->kind != CSV_LABEL || gs_reader_import_is_chosen(csv->importer, column->name);
}

static bool find_metrics(struct csv *csv)
{
    csv->long_form = has_kind(csv, CSV_SERIES) && has_kind(csv, CSV_VALUE);
    for (size_t i = 0; i < csv->columns; i++) {
        struct csv_column *column = &csv->column[i];
        if (!may_be_metric(csv, column) ||
            !gs_reader_import_meaning_of(csv->importer, GS_DIALECT_CSV, column->name, "", &column->meaning))
            continue;
        column->kind = CSV_METRIC;
        if (refuse_double(csv, i))
            return false;
    }
    csv->labelled = has_kind(csv, CSV_LABEL);
    for (size_t i = 0; i < csv->columns && !csv->labelled; i++)
        if (csv->column[i].kind == CSV_METRIC)
            csv->column[i].series =
                gs_reader_import_series_of(csv->importer, GS_DIALECT_CSV, csv->column[i].name, "",
                                           (struct gs_import_place){csv->line, 1});
    return !gs_reader_import_failed(csv->importer);
}

static void refuse_header(struct csv *csv)
{
    struct gs_import_place place = {csv->line, 1};
    const char *first = csv->columns ? csv->column[0].name : "";
    bool data = gs_reader_import_looks_like_time(first);
    if (!has_kind(csv, CSV_TIME))
        gs_reader_import_refuse(csv->importer, GS_BAD_HEADER, place,
                                data ? "the first line has to name the columns: time,rss,gauge:queue"
                                     : "for example: time,rss,gauge:queue; or give --column time=NAME",
                                "expected a header with a column \"time\", found \"%.40s\"", first);
    else if (csv->columns == 1)
        gs_reader_import_refuse(csv->importer, GS_BAD_HEADER, place, "for example: time,rss",
                                "the header names no metric");
}

static bool read_header(struct csv *csv)
{
    if (!find_header(csv)) {
        gs_reader_import_refuse(csv->importer, GS_BAD_HEADER, (struct gs_import_place){0}, NULL,
                                "the file is empty");
        return false;
    }
    if (!read_names(csv))
        return false;
    refuse_header(csv);
    if (gs_reader_import_failed(csv->importer) || !find_metrics(csv))
        return false;
    if (!csv->long_form && !has_kind(csv, CSV_METRIC))
        gs_reader_import_refuse_names(csv->importer, (struct gs_import_place){csv->line, 1}, NULL);
    return !gs_reader_import_failed(csv->importer);
}

/* ---- rows ------------------------------------------------------------------------------------------------------------ */

/* With semicolons between fields, "1,5" is 1.5. */
static void make_point(const struct csv *csv, char *text)
{
    char *comma = csv->separator == ';' ? strchr(text, ',') : NULL;
    if (comma && !strchr(text, '.') && !strchr(comma + 1, ','))
        *comma = '.';
}

/* Add NAME="VALUE" to the row's labels, if there is room. Quotes in VALUE become "'". */
static void add_label(struct csv *csv, const char *name, char *value)
{
    size_t length = strlen(csv->labels), more = strlen(name) + strlen(value) + 4;
    for (char *quote = value; (quote = strchr(quote, '"'));)
        *quote = '\'';
    if (length + more < LABELS_MAX)
        snprintf(csv->labels + length, LABELS_MAX - length, "%s%s=\"%s\"", length ? "," : "", name, value);
}

static bool read_time(struct csv *csv, struct csv_field *field, int64_t *time_ns)
{
    make_point(csv, field->text);
    if (!gs_reader_import_time(csv->importer, field->text, place_of(csv, field), time_ns))
        return false;
    if (!csv->labelled && !csv->long_form && csv->has_row && *time_ns <= csv->row_ns) {
        gs_reader_import_refuse(csv->importer, GS_BAD_ORDER, place_of(csv, field),
                                "rows must be in the order of their times",
                                "time %.40s is not after the time of the previous row", field->text);
        return false;
    }
    csv->has_row = true;
    csv->row_ns = *time_ns;
    return true;
}

static void read_value(struct csv *csv, struct csv_field *field, size_t at)
{
    double value;
    make_point(csv, field->text);
    if (field->too_long)
        gs_reader_import_refuse(csv->importer, GS_BAD_VALUE, place_of(csv, field), NULL,
                                "this field is too long for a number");
    else if (gs_reader_import_value(csv->importer, field->text, &csv->column[at].meaning,
                                    place_of(csv, field), &value) &&
             !isnan(value))
        csv->value[csv->values++] = (struct csv_value){value, (uint32_t)at, field->col};
}

static void read_field(struct csv *csv, struct csv_field *field, size_t at, bool *timed, int64_t *time_ns)
{
    const struct csv_column *column = &csv->column[at];
    switch (column->kind) {
    case CSV_TIME: *timed = read_time(csv, field, time_ns); break;
    case CSV_METRIC: read_value(csv, field, at); break;
    case CSV_LABEL: add_label(csv, column->name, field->text); break;
    case CSV_SERIES: memcpy(csv->series_name, field->text, sizeof csv->series_name); break;
    case CSV_VALUE: csv->long_value = *field; break; // it is read once its series is known
    case CSV_LEFT_OUT: break;
    }
}

/* Put the value of a row in long form into its series. */
static void add_long(struct csv *csv, int64_t time_ns)
{
    struct csv_field *field = &csv->long_value;
    uint32_t series = gs_reader_import_series_of(csv->importer, GS_DIALECT_CSV, csv->series_name, csv->labels,
                                                 place_of(csv, field));
    double value;
    if (series == GS_NO_SERIES)
        return;
    make_point(csv, field->text);
    if (gs_reader_import_value(csv->importer, field->text, &csv->importer->series[series].meaning,
                               place_of(csv, field), &value))
        gs_reader_import_add(csv->importer, series, time_ns, value, place_of(csv, field));
}

/* Put the values of a row into their series. In a row without values the first metric is missing. */
static void add_row(struct csv *csv, int64_t time_ns)
{
    for (size_t i = 0; i < csv->columns && csv->values == 0; i++)
        if (csv->column[i].kind == CSV_METRIC)
            csv->value[csv->values++] = (struct csv_value){NAN, (uint32_t)i, 1};
    for (size_t i = 0; i < csv->values; i++) {
        const struct csv_column *column = &csv->column[csv->value[i].column];
        struct gs_import_place place = {csv->line, csv->value[i].col};
        uint32_t series = column->series;
        if (csv->labelled)
            series =
                gs_reader_import_series_of(csv->importer, GS_DIALECT_CSV, column->name, csv->labels, place);
        if (series != GS_NO_SERIES)
            gs_reader_import_add(csv->importer, series, time_ns, csv->value[i].value, place);
    }
}

static void read_row(struct csv *csv)
{
    struct csv_field field = {.last = false};
    int64_t time_ns = 0;
    bool timed = false;
    csv->values = 0;
    csv->labels[0] = csv->series_name[0] = csv->long_value.text[0] = 0;
    for (size_t i = 0; i < csv->columns; i++) {
        if (field.last) {
            gs_reader_import_refuse(csv->importer, GS_BAD_ROW, place_of(csv, &field),
                                    "a missing value is an empty field",
                                    "this row has %zu fields, the header %zu", i, csv->columns);
            return;
        }
        next_field(csv, &field);
        read_field(csv, &field, i, &timed, &time_ns);
    }
    if (!field.last)
        gs_reader_import_refuse(csv->importer, GS_BAD_ROW,
                                (struct gs_import_place){csv->line, (int)(csv->at - csv->line_start) + 1},
                                NULL, "more fields than the header has (%zu)", csv->columns);
    if (timed && csv->long_form)
        add_long(csv, time_ns);
    else if (timed)
        add_row(csv, time_ns);
}

void gs_reader_import_csv(struct gs_importer *importer, const char *bytes, size_t length)
{
    struct csv csv = {.importer = importer, .at = bytes, .end = bytes + length};
    if (read_header(&csv)) {
        while (next_line(&csv))
            read_row(&csv);
        if (!csv.has_row && !gs_reader_import_failed(importer))
            gs_reader_import_refuse(importer, GS_BAD_ROW, (struct gs_import_place){csv.line, 1}, NULL,
                                    "there is no row after the header");
    }
    for (size_t i = 0; i < csv.columns; i++)
        gs_free(csv.column[i].name);
    gs_free(csv.column);
    gs_free(csv.value);
}
