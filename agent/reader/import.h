/* import.h - what the files share that read histories of other programs. All bytes are untrusted. Context of all functions: CLI.
 *
 *   bytes ──import.c──▶ import_csv.c         ──▶ series (name, labels) ──import_names.c──▶ metric and factor; none: left out
 *                       import_prometheus.c      points (time, value)
 *                       import_openmetrics.c         │
 *                       import_sysstat.c             └──import_history.c──▶ rows, one value a metric
 *
 *   a field's text: import_time.c reads times (ISO 8601, or a number since 1970), import_value.c values ("1.2 GiB", "85%") */
#pragma once
#include "reader/inside.h"

enum { GS_IMPORT_NAME = 256 }; // bytes of the name of a column or a series, with its NUL; longer ones are cut

enum gs_import_mistake { GS_BAD_HEADER, GS_BAD_TIME, GS_BAD_ORDER, GS_BAD_VALUE, GS_BAD_UNIT, GS_BAD_ROW, GS_BAD_SERIES, GS_IMPORT_MISTAKES };
struct gs_import_place { int line, col; }; // 0: the file has no such place

enum gs_import_clock {         // how the file writes its times; the first one decides
    GS_CLOCK_UNKNOWN,
    GS_CLOCK_SECONDS,          // of any origin, if they are too small for a date
    GS_CLOCK_MS, GS_CLOCK_US, GS_CLOCK_NS, // since 1970
    GS_CLOCK_ISO,
    GS_CLOCK_OF_DAY            // "10:23:45", of a day that the file names (sysstat)
};

struct gs_import_meaning {     // which metric a column or a series is
    char metric[GS_METRIC_NAME];
    enum gs_unit unit;         // of the metric
    double factor, cpus;       // value × factor / cpus is in the metric's unit
    bool counter;              // it only grows: its increase per second is the metric
    bool adds;                 // the metric is the sum of several such columns
    bool of_one_cpu;           // 100 % is one CPU
};

struct gs_import_series {
    uint64_t hash;             // of the name
    char *name;                // with its labels, as the file writes it; ours
    size_t base_length;        // of the name without labels
    uint32_t metric;           // index in gs_importer.metric
    struct gs_import_meaning meaning;
    bool started, counted;     // has a time; has a value of the counter
    int64_t first_ns, last_ns, counted_ns;
    double count;              // last value of the counter
};

struct gs_import_point { int64_t time_ns; double value; uint32_t series; }; // NAN: missing

enum { GS_LEFT_OUT_MAX = 12, GS_LEFT_OUT_NAME = 64 };
struct gs_importer {           // a history that is being read
    const char *file;
    struct gs_errors *errors;
    struct gs_import *how;
    size_t refused[GS_IMPORT_MISTAKES]; // how often; only the first of each is an error of its own
    enum gs_import_clock clock;
    bool no_zone;              // a time without a zone was seen
    bool undated_days;         // times of the day, and the file does not say which day
    unsigned file_cpus;        // CPUs of the machine, if the file says so; 0: not
    bool cpu_of_machine;       // a column was divided by FILE_CPUS
    char unscaled_cpu[GS_LEFT_OUT_NAME]; // the column of CPU time that may be of one CPU, of an unknown number; "": none
    uint64_t limit_bytes;      // the memory limit, if the file has one; 0: not
    char (*metric)[GS_METRIC_NAME]; // each once
    size_t metrics, metric_capacity;
    struct gs_import_series *series;
    size_t series_count, series_capacity;
    uint32_t last_series;      // the one that was looked up last
    struct gs_import_point *point;
    size_t points, point_capacity;
    char left_out[GS_LEFT_OUT_MAX][GS_LEFT_OUT_NAME]; // names that are no metric
    size_t left_out_count;
    bool left_out_more;        // there were further names
    uint64_t used_columns;     // bit I: how->column[I] was found in the file
    bool no_memory;
};

/* ---- errors (import_mistakes.c) ---------------------------------------------------------------------------------------- */

/* Report MISTAKE at PLACE. Only the first of each kind becomes an error; the others are counted. HINT may be NULL. */
void gs_reader_import_refuse(struct gs_importer *importer, enum gs_import_mistake mistake, struct gs_import_place place,
                             const char *hint, const char *format, ...) GS_PRINTF(5, 6);
bool gs_reader_import_failed(const struct gs_importer *importer); // an error was reported, or memory ran out
/* Report how many mistakes there were beside the first of each kind, and that memory ran out. */
void gs_reader_import_count_refused(struct gs_importer *importer);

/* ---- series and points (import_series.c) ----------------------------------------------------------------------------- */

enum gs_import_dialect { GS_DIALECT_CSV, GS_DIALECT_PROMETHEUS, GS_DIALECT_SYSSTAT }; // whose names they are
#define GS_NO_SERIES UINT32_MAX
/* The number of the series NAME with LABELS (`pid="7",job="x"`, or ""). GS_NO_SERIES: it is no metric, or not wanted, or there was
 * an error, which is reported at PLACE. */
uint32_t gs_reader_import_series_of(struct gs_importer *importer, enum gs_import_dialect dialect, const char *name,
                                    const char *labels, struct gs_import_place place);
/* Add a value, as the file has it, to SERIES. NAN: it is missing at that time. */
void gs_reader_import_add(struct gs_importer *importer, uint32_t series, int64_t time_ns, double value, struct gs_import_place place);
void gs_reader_importer_fini(struct gs_importer *importer);

/* ---- names (import_names.c, import_columns.c) -------------------------------------------------------------------------- */

/* What NAME with LABELS is in DIALECT. False: it is not known there. */
bool gs_reader_import_known(enum gs_import_dialect dialect, const char *name, const char *labels, struct gs_import_meaning *out);
/* What a column called NAME is, given that it is METRIC: its factor by the unit in NAME. False: that is no unit of METRIC. */
bool gs_reader_import_mean(const char *metric, const char *name, struct gs_import_meaning *out);
/* Write the letters and digits of NAME without its unit to OUT (GS_IMPORT_NAME bytes), in lower case: "RSS (bytes)" is "rss". UNIT
 * gets the unit, "" if there is none. Returns OUT. */
const char *gs_reader_import_plain_name(const char *name, char out[GS_IMPORT_NAME], char unit[16]);
/* Does LABELS have a label KEY="VALUE"? The text of the value is compared as the file escapes it. */
bool gs_reader_import_has_label(const char *labels, const char *key, size_t key_length, const char *value, size_t value_length);
bool gs_reader_import_names_time(const char *name); // "Time", "timestamp"

/* What NAME with LABELS is, by --column or by its name. False: no metric; it is noted as left out. */
bool gs_reader_import_meaning_of(struct gs_importer *importer, enum gs_import_dialect dialect, const char *name, const char *labels,
                                 struct gs_import_meaning *out);
/* Is the column NAME the time, by --column or by its name? */
bool gs_reader_import_is_time(struct gs_importer *importer, const char *name);
/* Does a --column name the column NAME? */
bool gs_reader_import_is_chosen(struct gs_importer *importer, const char *name);
/* Report that no column is a metric, with their names. ADVICE: the hint, unless one is misspelt; NULL: the usual one. */
void gs_reader_import_refuse_names(struct gs_importer *importer, struct gs_import_place place, const char *advice);
/* Report each --column that the file does not have. */
void gs_reader_import_check_columns(struct gs_importer *importer);
/* Add notes to importer->how: which column became which metric, what was left out, what 100 % of cpu is. */
void gs_reader_import_note_names(struct gs_importer *importer);

/* ---- fields (import_time.c, import_value.c) ---------------------------------------------------------------------------- */

/* Read TEXT as a time in the file's clock. False: an error was reported. */
bool gs_reader_import_time(struct gs_importer *importer, const char *text, struct gs_import_place place, int64_t *time_ns) GS_CHECK_RESULT;
/* Is TEXT a time of any form? */
bool gs_reader_import_looks_like_time(const char *text);
/* The first nanosecond of a day, since 1970. False: no such day. */
bool gs_reader_import_day(int64_t year, int month, int day, int64_t *time_ns) GS_CHECK_RESULT;
/* Are the times that were read moments since 1970? False: seconds of any origin. */
bool gs_reader_import_has_dates(const struct gs_importer *importer);
void gs_reader_import_note_times(struct gs_importer *importer);

/* Read TEXT as a value of a column that means MEANING: before its factor is applied, so "2 KiB" is 2048 / factor. "" and "NaN" are
 * missing (NAN). False: an error was reported. */
bool gs_reader_import_value(struct gs_importer *importer, const char *text, const struct gs_import_meaning *meaning,
                            struct gs_import_place place, double *value) GS_CHECK_RESULT;
/* The worth of UNIT in the unit of a metric ("MB" in bytes: 1e6; "percent": 1); 0: it is no such unit. */
double gs_reader_import_unit(const char *unit, enum gs_unit of);
/* Read the decimal number that TEXT begins with; *REST: the text after it. False: TEXT begins with none. */
bool gs_reader_import_number(const char *text, double *number, const char **rest) GS_CHECK_RESULT;

/* ---- formats ------------------------------------------------------------------------------------------------------------ */

void gs_reader_import_csv(struct gs_importer *importer, const char *bytes, size_t length);
void gs_reader_import_prometheus(struct gs_importer *importer, const json_t *json);
bool gs_reader_is_openmetrics(const char *bytes, size_t length);
void gs_reader_import_openmetrics(struct gs_importer *importer, const char *bytes, size_t length);
bool gs_reader_is_sysstat(const char *bytes, size_t length);
void gs_reader_import_sysstat(struct gs_importer *importer, const char *bytes, size_t length);

/* The history of the points that were read (import_history.c). NULL: an error was reported. */
struct gs_history *gs_reader_import_history(struct gs_importer *importer);

/* A text, line by line. */
struct gs_import_lines {
    const char *at, *end;      // the rest
    const char *line;          // the line, without its newline; not terminated
    size_t length;
    int number;                // from 1
};
bool gs_reader_import_next_line(struct gs_import_lines *lines);
