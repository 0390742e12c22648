/* governor.h - holds the agent to its budget. Pure: figures in, figure out. Context: any; one caller at a time. */
#pragma once
#include <stdint.h>

/* What the agent has cost so far, and when that was read. */
struct gs_cost {
    int64_t time_ns;      // CLOCK_MONOTONIC
    uint64_t sampling_ns; // on the host's threads
    uint64_t watching_ns; // CPU time of the watcher, captures and baselines left out: evidence is worth its price
};

struct gs_governor {
    double budget; // share of one CPU; 0: no limit
    struct gs_cost before;
    unsigned doublings, quiet_periods;
};

/* How often the sampling distance is to be doubled from now on. COST: as of this tick. */
unsigned gs_watch_governor_tick(struct gs_governor *governor, const struct gs_cost *cost);
