/* pace.h - how soon to look again at a value that must not pass its line unseen. Context: any (pure). */
#pragma once
#include <stdint.h>

#define GS_PACE_LEAST_NS (10 * 1000000LL) /* from one look to the next */

/* One look at a metric in bytes. */
struct gs_pace_look {
    int64_t time_ns;      // CLOCK_MONOTONIC
    double value, line;   // value <= line
    double limit;         // the memory limit; 0: not known
};
struct gs_pace {          // of one metric; all zero: no look so far
    int64_t time_ns;
    double value;         // of the last look
};

/* How long after LOOK the value may be above its line, at the earliest. Stores LOOK in PACE. */
int64_t gs_watch_pace_next(struct gs_pace *pace, const struct gs_pace_look *look);
/* The shortest time between looks that cost COST_NS each, so that they take no more than their part of BUDGET, which is a
 * share of one CPU; 0: no limit. */
int64_t gs_watch_pace_least(double budget, int64_t cost_ns);
