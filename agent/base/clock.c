/* clock.c - reads clocks and prints times. Does not use gmtime_r, which takes the C library's time zone lock. */
#include "base/clock.h"
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * GS_NS_PER_S + now.tv_nsec;
}

int64_t gs_clock_monotonic_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t gs_clock_realtime_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t gs_clock_thread_cpu_ns(void)
{
    return (uint64_t)read_clock(CLOCK_THREAD_CPUTIME_ID);
}

struct date {
    int64_t year;
    int month, day;
};

/* The date DAYS days after 1970-01-01. Years are counted from March, so that the leap day is the last day; 400 years are
 * 146097 days. */
static struct date date_of(int64_t days)
{
    days += 719468; // days since 0000-03-01
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * day_of_year + 2) / 153; // 0 is March
    struct date date = {
        .year = year + era * 400 + (month >= 10),
        .month = (int)(month < 10 ? month + 3 : month - 9),
        .day = (int)(day_of_year - (153 * month + 2) / 5 + 1),
    };
    return date;
}

const char *gs_clock_print(int64_t realtime_ns, enum gs_time_style style, char *out)
{
    int64_t ms = realtime_ns / GS_NS_PER_MS - (realtime_ns % GS_NS_PER_MS < 0);
    int64_t days = ms / 86400000 - (ms % 86400000 < 0);
    int ms_of_day = (int)(ms - days * 86400000);
    struct date date = date_of(days);
    int hour = ms_of_day / 3600000, minute = ms_of_day / 60000 % 60, second = ms_of_day / 1000 % 60;
    snprintf(out, GS_TIME_TEXT,
             style == GS_TIME_ISO ? "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" : "%04d%02d%02dT%02d%02d%02d.%03dZ",
             (int)date.year, date.month, date.day, hour, minute, second, ms_of_day % 1000);
    return out;
}
