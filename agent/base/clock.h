/* clock.h - reads clocks and prints times. Context: any (pure, or one vDSO call). */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define GS_NS_PER_S  1000000000LL
#define GS_NS_PER_MS 1000000LL

int64_t gs_clock_monotonic_ns(void); // CLOCK_MONOTONIC: for intervals
int64_t gs_clock_realtime_ns(void);  // CLOCK_REALTIME, since 1970: for dates
uint64_t gs_clock_thread_cpu_ns(void); // CPU time of the calling thread so far

enum gs_time_style {
    GS_TIME_ISO,   // 2026-11-24T03:05:09.123Z, in files and on terminals
    GS_TIME_FOLDER // 20261124T030509.123Z, in an incident folder's name
};
enum { GS_TIME_TEXT = 32 };
/* Print REALTIME_NS in UTC to OUT (GS_TIME_TEXT bytes). Returns OUT. */
const char *gs_clock_print(int64_t realtime_ns, enum gs_time_style style, char *out);
