/* import_time.c - reads times as other programs print them.
 *
 *   2026-11-24T03:05:09.123Z   2026-11-24 03:05:09,123+01:00   2026/11/24 03:05   20261124T030509Z   2026-11-24 03:05:09 UTC
 *   1764000309   1764000309.123   1764000309123   1764000309123456   1764000309123456789       seconds, ms, µs, ns since 1970
 *   110                                                                                         seconds of any origin
 *
 * The size of the first number tells the unit: what would be after the year 2255 in seconds is in milliseconds, and so on. All
 * times of a file have the unit of the first. A time without a zone is taken as UTC. */
#include "base/clock.h"
#include "reader/import.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX 9e9 // the year 2255, or 285 years of uptime: fits into 63 bits of nanoseconds

static const struct {
    const char *name;
    double ns, max; // of one; the largest number
} units[] = {
    [GS_CLOCK_SECONDS] = {"seconds", 1e9, SECONDS_MAX},
    [GS_CLOCK_MS] = {"milliseconds", 1e6, SECONDS_MAX * 1e3},
    [GS_CLOCK_US] = {"microseconds", 1e3, SECONDS_MAX * 1e6},
    [GS_CLOCK_NS] = {"nanoseconds", 1, SECONDS_MAX * 1e9},
};

/* ---- ISO 8601 ------------------------------------------------------------------------------------------------------- */

/* Read exactly COUNT digits at *AT. */
static bool read_digits(const char **at, int count, int *out)
{
    *out = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        *out = *out * 10 + (**at - '0');
    }
    return true;
}

static bool skip_one_of(const char **at, const char *characters)
{
    bool there = **at && strchr(characters, **at);
    *at += there;
    return there;
}

bool gs_reader_import_day(int64_t year, int month, int day, int64_t *time_ns)
{
    static const int days_of[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;
    if (year < 1700 || year > 2250 || month < 1 || month > 12 || day < 1 || day > days_of[month - 1] ||
        (month == 2 && day == 29 && !leap))
        return false;
    int64_t from_march = year - (month <= 2), era = from_march / 400, of_era = from_march % 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719468;
    *time_ns = days * 86400 * GS_NS_PER_S;
    return true;
}

/* "2026-11-24", "2026/11/24" or "20261124". */
static bool read_date(const char **at, int64_t *day_ns)
{
    int year, month, day;
    if (!read_digits(at, 4, &year))
        return false;
    char separator = **at;
    bool separated = skip_one_of(at, "-/");
    if (!read_digits(at, 2, &month) || (separated && *(*at)++ != separator) || !read_digits(at, 2, &day))
        return false;
    return gs_reader_import_day(year, month, day, day_ns);
}

static int64_t read_fraction(const char **at)
{
    int64_t ns = 0, worth = GS_NS_PER_S / 10;
    for (; **at >= '0' && **at <= '9'; (*at)++, worth /= 10)
        ns += (**at - '0') * worth;
    return ns;
}

/* "03:05:09.123", "030509", "03:05". */
static bool read_time_of_day(const char **at, int64_t *ns)
{
    int hour, minute, second = 0;
    if (!read_digits(at, 2, &hour))
        return false;
    bool separated = skip_one_of(at, ":");
    if (!read_digits(at, 2, &minute))
        return false;
    bool has_seconds = separated ? skip_one_of(at, ":") : **at >= '0' && **at <= '9';
    if ((has_seconds && !read_digits(at, 2, &second)) || hour > 24 || minute > 59 || second > 60)
        return false;
    *ns = (hour * 3600 + minute * 60 + second) * GS_NS_PER_S;
    if (has_seconds && skip_one_of(at, ".,"))
        *ns += read_fraction(at);
    return true;
}

/* "Z", "UTC", "+01:00", "+0100", "-05". *NO_ZONE: there is none. */
static bool read_zone(const char **at, int64_t *offset_ns, bool *no_zone)
{
    int hours, minutes = 0;
    *offset_ns = 0;
    *at += strspn(*at, " ");
    *no_zone = **at == 0;
    if (skip_one_of(at, "Zz") || *no_zone)
        return true;
    if (strncmp(*at, "UTC", 3) == 0 || strncmp(*at, "GMT", 3) == 0) {
        *at += 3;
        return true;
    }
    int64_t sign = **at == '-' ? -1 : 1;
    if (!skip_one_of(at, "+-") || !read_digits(at, 2, &hours))
        return false;
    (void)skip_one_of(at, ":");
    if (**at && !read_digits(at, 2, &minutes))
        return false;
    *offset_ns = sign * (hours * 3600 + minutes * 60) * GS_NS_PER_S;
    return hours <= 15 && minutes <= 59;
}

static bool read_iso(const char *text, int64_t *time_ns, bool *no_zone)
{
    int64_t day_ns, of_day_ns = 0, offset_ns = 0;
    if (!read_date(&text, &day_ns))
        return false;
    *no_zone = true;
    if (skip_one_of(&text, "Tt ")) {
        text += strspn(text, " ");
        if (!read_time_of_day(&text, &of_day_ns) || !read_zone(&text, &offset_ns, no_zone))
            return false;
    }
    *time_ns = day_ns + of_day_ns - offset_ns;
    return *text == 0;
}

/* ---- numbers --------------------------------------------------------------------------------------------------------- */

static enum gs_import_clock clock_of(double number)
{
    enum gs_import_clock clock = GS_CLOCK_SECONDS;
    while (clock < GS_CLOCK_NS && !(fabs(number) <= units[clock].max))
        clock++;
    return clock;
}

/* Read all of TEXT as a number. */
static bool read_number(const char *text, double *number)
{
    const char *rest;
    return gs_reader_import_number(text, number, &rest) && *rest == 0;
}

static int64_t to_ns(const char *text, double number, enum gs_import_clock clock)
{
    if (strspn(text, "-0123456789") == strlen(text)) // a double has not enough digits for nanoseconds
        return strtoll(text, NULL, 10) * (int64_t)units[clock].ns;
    return (int64_t)(number * units[clock].ns + (number < 0 ? -0.5 : 0.5));
}

/* ---- all -------------------------------------------------------------------------------------------------------------- */

bool gs_reader_import_looks_like_time(const char *text)
{
    int64_t time_ns;
    bool no_zone;
    double number;
    return read_iso(text, &time_ns, &no_zone) || read_number(text, &number);
}

static bool refuse_time(struct gs_importer *importer, const char *text, struct gs_import_place place)
{
    static const char *const wanted[] = {
        [GS_CLOCK_UNKNOWN] = "write it as 2026-11-24T03:05:09Z, or in seconds",
        [GS_CLOCK_ISO] = "the first one is like 2026-11-24T03:05:09Z",
        [GS_CLOCK_SECONDS] = "time is in seconds, of any origin",
    };
    bool number = importer->clock >= GS_CLOCK_MS && importer->clock <= GS_CLOCK_NS;
    gs_reader_import_refuse(importer, GS_BAD_TIME, place,
                            number ? "the first one is a number" : wanted[importer->clock],
                            "expected a time, found \"%.40s\"", text);
    return false;
}

static bool read_as_number(struct gs_importer *importer, const char *text, struct gs_import_place place,
                           int64_t *time_ns)
{
    double number;
    char hint[96];
    if (importer->clock == GS_CLOCK_ISO || !read_number(text, &number))
        return refuse_time(importer, text, place);
    if (importer->clock == GS_CLOCK_UNKNOWN)
        importer->clock = clock_of(number);
    if (!(fabs(number) <= units[importer->clock].max)) {
        snprintf(hint, sizeof hint, "the times of this file are %s", units[importer->clock].name);
        gs_reader_import_refuse(importer, GS_BAD_TIME, place, hint, "time %.40s is too far off", text);
        return false;
    }
    *time_ns = to_ns(text, number, importer->clock);
    return true;
}

bool gs_reader_import_time(struct gs_importer *importer, const char *text, struct gs_import_place place,
                           int64_t *time_ns)
{
    bool no_zone, iso = importer->clock == GS_CLOCK_UNKNOWN || importer->clock == GS_CLOCK_ISO;
    double number;
    if (!iso || (importer->clock == GS_CLOCK_UNKNOWN && read_number(text, &number)) ||
        !read_iso(text, time_ns, &no_zone))
        return read_as_number(importer, text, place, time_ns);
    importer->clock = GS_CLOCK_ISO;
    importer->no_zone |= no_zone;
    return true;
}

bool gs_reader_import_has_dates(const struct gs_importer *importer)
{
    static const int64_t year_2000_ns = 946684800 * GS_NS_PER_S, year_2100_ns = 4102444800 * GS_NS_PER_S;
    bool dates = !importer->undated_days;
    for (size_t i = 0; importer->clock == GS_CLOCK_SECONDS && i < importer->series_count; i++) {
        const struct gs_import_series *series = &importer->series[i];
        dates &= !series->started || (series->first_ns >= year_2000_ns && series->last_ns < year_2100_ns);
    }
    return dates;
}

void gs_reader_import_note_times(struct gs_importer *importer)
{
    struct gs_text *notes = &importer->how->notes;
    if (importer->clock >= GS_CLOCK_SECONDS && importer->clock <= GS_CLOCK_NS &&
        gs_reader_import_has_dates(importer))
        gs_text_add(notes, "times are %s since 1970\n", units[importer->clock].name);
    else if (importer->no_zone)
        gs_text_add(notes, "times have no time zone: taken as UTC\n");
}
