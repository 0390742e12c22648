/* import_value.c - reads values as other programs print them.
 *
 *   1288490189   1.2e9   1.2 GiB   85%   12.5 MB/s   1.2 K (Grafana's short numbers)   1.2GiB / 7.6GiB (docker: used / limit)
 *   "" NaN null N/A --   missing
 *
 * kB, MB and GB are powers of 1000, as in a rules file; KiB, MiB, GiB and Ki, Mi, Gi of 1024. "K", "M", "G" of bytes are refused,
 * because programs disagree about them. */
#include "reader/import.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

struct known_unit {
    const char *name;
    double worth;
};

// clang-format off
static const struct known_unit byte_units[] = {
    {"B", 1}, {"byte", 1}, {"bytes", 1}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
    {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40},
    {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40},
};
static const struct known_unit percent_units[] = { {"%", 1}, {"percent", 1}, {"pct", 1}, {"ratio", 100} };
static const struct known_unit count_units[] = { {"K", 1e3}, {"Mil", 1e6}, {"M", 1e6}, {"Bil", 1e9}, {"%", 1} };
static const struct known_unit rate_units[] = { {"/s", 1}, {"c/s", 1}, {"ops/s", 1}, {"io/s", 1}, {"req/s", 1}, {"1/s", 1}, {"hz", 1} };
static const char *const missing[] = {"", "NaN", "null", "N/A", "--", "undefined", "+Inf", "-Inf", "Inf"};
// clang-format on

/* ---- units ---------------------------------------------------------------------------------------------------------- */

static double worth_in(const struct known_unit *table, size_t count, const char *unit)
{
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(table[i].name, unit) == 0)
            return table[i].worth;
    return 0;
}

/* "MiB/s", "MBps", "bytes/sec" without its time; false: it has none. */
static bool cut_per_second(const char *unit, char out[16])
{
    static const char *const ends[] = {"/sec", "/s", "ps"};
    size_t length = strlen(unit);
    for (size_t i = 0; i < COUNT(ends); i++) {
        size_t end = strlen(ends[i]);
        if (length < 16 && length > end && strcasecmp(unit + length - end, ends[i]) == 0) {
            snprintf(out, 16, "%.*s", (int)(length - end), unit);
            return true;
        }
    }
    return false;
}

double gs_reader_import_unit(const char *unit, enum gs_unit of)
{
    char amount[16];
    double worth = 0;
    switch (of) {
    case GS_BYTES: return worth_in(byte_units, COUNT(byte_units), unit);
    case GS_PERCENT: return worth_in(percent_units, COUNT(percent_units), unit);
    case GS_PER_SECOND: return worth_in(rate_units, COUNT(rate_units), unit);
    case GS_BYTES_PER_SECOND:
        return cut_per_second(unit, amount) ? worth_in(byte_units, COUNT(byte_units), amount) : 0;
    case GS_COUNT: // a gauge may count bytes
        worth = worth_in(count_units, COUNT(count_units), unit);
        return worth > 0 ? worth : worth_in(byte_units, COUNT(byte_units), unit);
    }
    return 0;
}

static const char *units_of(enum gs_unit unit)
{
    switch (unit) {
    case GS_BYTES: return "B kB MB GB TB KiB MiB GiB TiB";
    case GS_PERCENT: return "%";
    case GS_BYTES_PER_SECOND: return "B/s kB/s MB/s KiB/s MiB/s …";
    case GS_PER_SECOND: return "/s";
    case GS_COUNT: break;
    }
    return "K Mil Bil, or those of sizes";
}

/* ---- values --------------------------------------------------------------------------------------------------------- */

bool gs_reader_import_number(const char *text, double *number, const char **rest)
{
    size_t span = strspn(text, "0123456789+-.eE");
    char *end;
    if (span == 0 || text[0] == 'e' || text[0] == 'E')
        return false;
    *number = strtod(text, &end);
    *rest = end;
    return end > text && (size_t)(end - text) <= span; // further: hexadecimal, which nobody writes here
}

/* Is TEXT, up to a slash after a blank, no value? */
static bool is_missing(const char *text)
{
    const char *slash = strstr(text, " /");
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    for (size_t i = 0; i < COUNT(missing); i++)
        if (length == strlen(missing[i]) && strncasecmp(text, missing[i], length) == 0)
            return true;
    return false;
}

/* "1.2GiB / 7.6GiB": the limit after the slash. */
static void read_limit(struct gs_importer *importer, const char *slash,
                       const struct gs_import_meaning *meaning)
{
    double number;
    const char *unit;
    slash += 1 + strspn(slash + 1, " ");
    if (importer->limit_bytes || meaning->unit != GS_BYTES || !gs_reader_import_number(slash, &number, &unit))
        return;
    double bytes = number * gs_reader_import_unit(unit + strspn(unit, " "), GS_BYTES);
    if (bytes >= 1 && bytes <= 0x1p62)
        importer->limit_bytes = (uint64_t)bytes;
}

static bool refuse_number(struct gs_importer *importer, const char *text, struct gs_import_place place)
{
    gs_reader_import_refuse(importer, GS_BAD_VALUE, place, "leave the field empty where the value is missing",
                            "expected a number, found \"%.40s\"%s", text, strlen(text) > 40 ? "…" : "");
    return false;
}

/* Multiply *VALUE by the worth of UNIT. */
static bool apply_unit(struct gs_importer *importer, const char *unit,
                       const struct gs_import_meaning *meaning, struct gs_import_place place, double *value)
{
    char hint[96];
    double worth = gs_reader_import_unit(unit, meaning->unit);
    if (worth > 0) {
        *value *= worth / meaning->factor; // the value's own unit counts, not that of the column
        return true;
    }
    snprintf(hint, sizeof hint, "%.40s is in %s", meaning->metric, units_of(meaning->unit));
    gs_reader_import_refuse(importer, GS_BAD_UNIT, place, hint, "unknown unit \"%.40s\"", unit);
    return false;
}

bool gs_reader_import_value(struct gs_importer *importer, const char *text,
                            const struct gs_import_meaning *meaning, struct gs_import_place place,
                            double *value)
{
    const char *rest;
    char unit[16];
    *value = NAN;
    if (is_missing(text))
        return true;
    if (!gs_reader_import_number(text, value, &rest))
        return refuse_number(importer, text, place);
    if (!isfinite(*value)) {
        gs_reader_import_refuse(importer, GS_BAD_VALUE, place, NULL, "%.40s is too large", text);
        return false;
    }
    rest += strspn(rest, " \t");
    if (!*rest)
        return true;
    const char *slash = strstr(rest, " /");
    size_t length = slash ? (size_t)(slash - rest) : strlen(rest);
    if (slash)
        read_limit(importer, slash + 1, meaning);
    if (length >= sizeof unit || strspn(rest, "+-.,0123456789") > 0)
        return refuse_number(importer, text, place);
    snprintf(unit, sizeof unit, "%.*s", (int)length, rest);
    return apply_unit(importer, unit, meaning, place, value);
}
