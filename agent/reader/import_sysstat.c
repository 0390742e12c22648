/* import_sysstat.c - reads a history from what pidstat and sar print.
 *
 *   Linux 6.1.0-13-amd64 (host)  11/24/2026  _x86_64_  (2 CPU)                        the day; how many CPUs
 *
 *   # Time        UID       PID    %usr %system …    %CPU   CPU  minflt/s  majflt/s     VSZ     RSS …  Command      pidstat -h
 *   1764000300      0      7001    3.00    1.00 …    4.00     1     10.00      0.00  812000   61212 …  server
 *
 *   03:05:00 AM   UID       PID   cswch/s nvcswch/s  Command                          pidstat: one table after another
 *   03:05:01 AM     0      7001     12.00      1.00  server
 *
 * pid and command are labels of a process's series; those of sar (CPU, DEV, IFACE) likewise. sar's figures are of the whole machine:
 * only its pressure (sar -q) is a metric, the others are left out. Lines "Average:" and restarts are skipped, threads (-t) too.
 * Times are local and without a zone, so they are taken as UTC. They go on with the next day after midnight; a table that was not
 * seen before (sar -A) begins at the first day again. */
#include "base/clock.h"
#include "base/hash.h"
#include "reader/import.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SYSSTAT_LINE = 4096, TOKENS_MAX = 96, HEADERS_MAX = 64 };
#define DAY_NS (86400 * GS_NS_PER_S)

struct token_list {
    char *token[TOKENS_MAX];
    int col[TOKENS_MAX];
    size_t count;
};

struct sysstat {
    struct gs_importer *importer;
    struct gs_import_lines lines;
    int64_t first_day_ns, day_ns, of_day_ns; // the file's day; the day of the last time, and the time
    char header_line[SYSSTAT_LINE];
    struct token_list header; // the columns, without the time
    uint64_t seen[HEADERS_MAX];
    size_t seen_count;
};

/* ---- lines ------------------------------------------------------------------------------------------------------------- */

/* Cut LINE into tokens, in place. */
static void split(char *line, struct token_list *out)
{
    out->count = 0;
    for (char *at = line; out->count < TOKENS_MAX;) {
        at += strspn(at, " \t");
        if (!*at)
            break;
        out->col[out->count] = (int)(at - line) + 1;
        out->token[out->count++] = at;
        at += strcspn(at, " \t");
        if (*at)
            *at++ = 0;
    }
}

static void drop_first(struct token_list *list)
{
    list->count--;
    memmove(list->token, list->token + 1, list->count * sizeof *list->token);
    memmove(list->col, list->col + 1, list->count * sizeof *list->col);
}

static bool read_clock(const char *text, int64_t *ns)
{
    int hour, minute, second, length = 0;
    if (sscanf(text, "%2d:%2d:%2d%n", &hour, &minute, &second, &length) != 3 || text[length] || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return false;
    *ns = (hour * 3600 + minute * 60 + second) * GS_NS_PER_S;
    return true;
}

static bool is_number(const char *text)
{
    double number;
    const char *rest;
    return gs_reader_import_number(text, &number, &rest) &&
           (!*rest || *rest == ',' || strchr("%kMGTB", *rest));
}

/* "11/24/2026", "11/24/26", "24.11.2026", "2026-11-24"; the day first if the month would be above 12. */
static bool read_day(const char *text, int64_t *day_ns)
{
    int a, b, c, length = 0;
    char separator, again;
    if (sscanf(text, "%4d%c%2d%c%4d%n", &a, &separator, &b, &again, &c, &length) != 5 || text[length] ||
        separator != again || !strchr("/.-", separator))
        return false;
    if (a > 999)
        return gs_reader_import_day(a, b, c, day_ns);
    bool day_first = separator == '.' || a > 12;
    return gs_reader_import_day(c < 100 ? c + 2000 : c, day_first ? b : a, day_first ? a : b, day_ns);
}

/* "Linux 6.1.0 (host) 11/24/2026 _x86_64_ (2 CPU)": the day and the CPUs. */
static void read_banner(struct sysstat *sysstat, struct token_list *list)
{
    for (size_t i = 2; i < list->count; i++) { // after "Linux" and its version
        if (read_day(list->token[i], &sysstat->first_day_ns))
            sysstat->importer->undated_days = false;
        if (list->token[i][0] == '(' && i + 1 < list->count && strncmp(list->token[i + 1], "CPU", 3) == 0)
            sysstat->importer->file_cpus = (unsigned)strtoul(list->token[i] + 1, NULL, 10) % 65536;
    }
    sysstat->day_ns = sysstat->first_day_ns;
    sysstat->of_day_ns = 0;
    sysstat->seen_count = 0;
}

/* ---- headers -------------------------------------------------------------------------------------------------------------- */

static bool is_header(const struct token_list *list)
{
    bool words = list->count > 0;
    for (size_t i = 0; i < list->count; i++)
        words &= !is_number(list->token[i]);
    return words;
}

/* Take the columns of a header. Returns whether the file had this header before. */
static bool take_header(struct sysstat *sysstat, const struct token_list *list)
{
    size_t used = 0;
    uint64_t hash = 0;
    sysstat->header.count = 0;
    for (size_t i = 0; i < list->count; i++) {
        size_t length = strlen(list->token[i]) + 1;
        hash = gs_hash_mix(hash * 31 + gs_hash_bytes(list->token[i], length));
        memcpy(sysstat->header_line + used, list->token[i], length);
        sysstat->header.token[sysstat->header.count++] = sysstat->header_line + used;
        used += length;
    }
    for (size_t i = 0; i < sysstat->seen_count; i++)
        if (sysstat->seen[i] == hash)
            return true;
    if (sysstat->seen_count < HEADERS_MAX)
        sysstat->seen[sysstat->seen_count++] = hash;
    return false;
}

static bool has_column(const struct sysstat *sysstat, const char *name)
{
    for (size_t i = 0; i < sysstat->header.count; i++)
        if (strcmp(sysstat->header.token[i], name) == 0)
            return true;
    return false;
}

/* ---- rows ----------------------------------------------------------------------------------------------------------------- */

/* Advance the day where the time of day has gone back past midnight. */
static int64_t moment_of(struct sysstat *sysstat, int64_t of_day_ns)
{
    if (of_day_ns < sysstat->of_day_ns - DAY_NS / 2)
        sysstat->day_ns += DAY_NS;
    sysstat->of_day_ns = of_day_ns;
    return sysstat->day_ns + of_day_ns;
}

/* The label that a column of the process or device is; NULL: it has values. */
static const char *label_of(const struct sysstat *sysstat, const char *name)
{
    static const char *const labels[][2] = {
        {"PID", "pid"},     {"TGID", "pid"},  {"Command", "command"},
        {"UID", "uid"},     {"USER", "user"}, {"DEV", "dev"},
        {"IFACE", "iface"}, {"TTY", "tty"},   {"FILESYSTEM", "filesystem"}};
    if (strcmp(name, "CPU") == 0) // of pidstat: where the process runs just now
        return has_column(sysstat, "PID") || has_column(sysstat, "TGID") ? "" : "cpu";
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (strcmp(labels[i][0], name) == 0)
            return labels[i][1];
    return NULL;
}

/* Write the labels of the row LIST to OUT. */
static void read_labels(const struct sysstat *sysstat, const struct token_list *list, char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < list->count && i < sysstat->header.count && used < size - 1; i++) {
        const char *label = label_of(sysstat, sysstat->header.token[i]);
        if (!label || !*label || strcmp(label, "uid") == 0 || strcmp(label, "user") == 0)
            continue;
        int added =
            snprintf(out + used, size - used, "%s%s=\"%.100s\"", used ? "," : "", label, list->token[i]);
        used += (size_t)added < size - used ? (size_t)added : size - used - 1;
    }
}

/* Read a value: "0.50", "0,50" in some locales, "59.8M" and "0.5%" with --human. */
static bool read_value(const char *text, double *value)
{
    static const char suffixes[] = "kMGT"; // of figures that are in kB otherwise
    char copy[64], *comma;
    const char *rest;
    snprintf(copy, sizeof copy, "%s", text);
    if ((comma = strchr(copy, ',')))
        *comma = '.';
    if (!gs_reader_import_number(copy, value, &rest))
        return false;
    const char *suffix = *rest ? strchr(suffixes, *rest) : NULL;
    for (ptrdiff_t i = 0; suffix && i < suffix - suffixes; i++)
        *value *= 1024;
    return !*rest || ((suffix || *rest == '%') && !rest[1]);
}

static void add_values(struct sysstat *sysstat, const struct token_list *list, int64_t time_ns)
{
    char labels[512];
    read_labels(sysstat, list, labels, sizeof labels);
    for (size_t i = 0; i < list->count && i < sysstat->header.count; i++) {
        const char *name = sysstat->header.token[i];
        struct gs_import_place place = {sysstat->lines.number, list->col[i]};
        double value;
        if (label_of(sysstat, name))
            continue;
        uint32_t series =
            gs_reader_import_series_of(sysstat->importer, GS_DIALECT_SYSSTAT, name, labels, place);
        if (series == GS_NO_SERIES)
            continue;
        if (read_value(list->token[i], &value))
            gs_reader_import_add(sysstat->importer, series, time_ns, value, place);
        else
            gs_reader_import_refuse(sysstat->importer, GS_BAD_VALUE, place, NULL,
                                    "expected a number in column %.40s, found \"%.40s\"", name,
                                    list->token[i]);
    }
}

/* A thread of pidstat -t: its column TGID is "-". */
static bool is_thread(const struct sysstat *sysstat, const struct token_list *list)
{
    for (size_t i = 0; i < list->count && i < sysstat->header.count; i++)
        if (strcmp(sysstat->header.token[i], "TGID") == 0)
            return strcmp(list->token[i], "-") == 0;
    return false;
}

static void read_row(struct sysstat *sysstat, struct token_list *list, int64_t time_ns)
{
    size_t columns = sysstat->header.count;
    bool text_last = columns && strcmp(sysstat->header.token[columns - 1], "Command") == 0;
    if (list->count < columns || (list->count > columns && !text_last)) {
        gs_reader_import_refuse(sysstat->importer, GS_BAD_ROW,
                                (struct gs_import_place){sysstat->lines.number, 1},
                                columns ? NULL : "there is no header above it",
                                "this row has %zu columns, its header %zu", list->count, columns);
        return;
    }
    if (!is_thread(sysstat, list))
        add_values(sysstat, list, time_ns);
}

struct row_time {
    bool of_day; // ns are of the day; false: since 1970
    int64_t ns;
};

/* Take the time off the front of LIST, with AM or PM. False: there is none, which is reported. */
static bool take_time(struct sysstat *sysstat, struct token_list *list, struct row_time *time)
{
    struct gs_import_place place = {sysstat->lines.number, 1};
    time->of_day = read_clock(list->token[0], &time->ns);
    bool number = is_number(list->token[0]) && sysstat->importer->clock != GS_CLOCK_OF_DAY;
    if (!time->of_day && !number)
        gs_reader_import_refuse(sysstat->importer, GS_BAD_TIME, place, NULL,
                                "expected a time, found \"%.40s\"", list->token[0]);
    if (!time->of_day &&
        (!number || !gs_reader_import_time(sysstat->importer, list->token[0], place, &time->ns)))
        return false;
    drop_first(list);
    bool am = list->count && strcmp(list->token[0], "AM") == 0,
         pm = list->count && strcmp(list->token[0], "PM") == 0;
    if (time->of_day && (am || pm)) {
        time->ns = time->ns % (DAY_NS / 2) + (pm ? DAY_NS / 2 : 0);
        drop_first(list);
    }
    return true;
}

static void read_timed(struct sysstat *sysstat, struct token_list *list)
{
    struct row_time time;
    if (!take_time(sysstat, list, &time))
        return;
    if (time.of_day)
        sysstat->importer->clock = GS_CLOCK_OF_DAY;
    if (!is_header(list)) {
        read_row(sysstat, list, time.of_day ? moment_of(sysstat, time.ns) : time.ns);
    } else if (!take_header(sysstat, list) && time.of_day && time.ns < sysstat->of_day_ns) {
        sysstat->day_ns = sysstat->first_day_ns;
        sysstat->of_day_ns = time.ns;
    }
}

static void read_line(struct sysstat *sysstat, char *line)
{
    struct token_list list;
    if (strstr(line, "LINUX RESTART"))
        return;
    split(line, &list);
    if (list.count == 0 || strcmp(list.token[0], "Average:") == 0)
        return;
    if (strcmp(list.token[0], "Linux") == 0)
        read_banner(sysstat, &list);
    else if (strcmp(list.token[0], "#") == 0 && list.count > 2) {
        drop_first(&list); // "#"
        drop_first(&list); // "Time"
        (void)take_header(sysstat, &list);
    } else
        read_timed(sysstat, &list);
}

/* ---- the file ---------------------------------------------------------------------------------------------------------------- */

bool gs_reader_is_sysstat(const char *bytes, size_t length)
{
    char start[256], *newline;
    struct token_list list;
    int64_t ns;
    size_t copied = length < sizeof start - 1 ? length : sizeof start - 1;
    memcpy(start, bytes, copied);
    start[copied] = 0;
    char *line = start + strspn(start, " \t\r\n");
    if ((newline = strpbrk(line, "\r\n")))
        *newline = 0;
    bool banner = strncmp(line, "Linux ", 6) == 0 && strstr(line, " CPU)");
    bool tabular = strncmp(line, "# Time ", 7) == 0 || strncmp(line, "#      Time", 11) == 0;
    split(line, &list);
    return banner || tabular || (list.count > 1 && read_clock(list.token[0], &ns));
}

void gs_reader_import_sysstat(struct gs_importer *importer, const char *bytes, size_t length)
{
    struct sysstat sysstat = {.importer = importer, .lines = {.at = bytes, .end = bytes + length}};
    char line[SYSSTAT_LINE];
    importer->undated_days = true;
    while (gs_reader_import_next_line(&sysstat.lines)) {
        if (sysstat.lines.length >= sizeof line || memchr(sysstat.lines.line, 0, sysstat.lines.length)) {
            gs_reader_import_refuse(importer, GS_BAD_ROW, (struct gs_import_place){sysstat.lines.number, 1},
                                    NULL, "this line is too long, or has a NUL byte");
            continue;
        }
        memcpy(line, sysstat.lines.line, sysstat.lines.length);
        line[sysstat.lines.length] = 0;
        read_line(&sysstat, line);
    }
    importer->undated_days &= importer->clock == GS_CLOCK_OF_DAY;
    importer->no_zone = importer->clock == GS_CLOCK_OF_DAY && !importer->undated_days;
    if (importer->series_count == 0 && !gs_reader_import_failed(importer) && !importer->how->series_count)
        gs_reader_import_refuse_names(importer, (struct gs_import_place){0},
                                      "sar is about the whole machine: use pidstat, or --column METRIC=NAME");
}
