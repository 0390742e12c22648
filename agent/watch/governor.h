/* governor.h - keeps the cost of the agent within its budget. Context: any (pure); one caller at a time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* The cost of the agent since its start, and when it was read. */
struct gs_cost {
    int64_t time_ns;      // CLOCK_MONOTONIC
    uint64_t sampling_ns; // on the host's threads
    uint64_t watching_ns; // CPU time of the watcher, without captures and baselines, which the budget does not limit
};

struct gs_governor {
    double budget; // share of one CPU; 0: no limit
    struct gs_cost before;
    unsigned doublings, quiet_periods;
};

/* Is a period over? Before, the cost need not be read. */
bool gs_watch_governor_is_due(const struct gs_governor *governor, int64_t now_ns);
/* Returns how many times the sampling distance is to be doubled from now on. COST: as of this tick. */
unsigned gs_watch_governor_tick(struct gs_governor *governor, const struct gs_cost *cost);
