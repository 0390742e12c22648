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

/* CPU time that looks may take: a quarter of the budget, saved up for a climb, when looks are close. All zero: full. */
struct gs_pace_credit {
    int64_t time_ns; // of the last look
    double left_ns;  // below 0: spent
};
#define GS_PACE_CREDIT_NS (20 * 1000000LL) /* saved at most: a hundred looks or more */
/* A look at NOW_NS (CLOCK_MONOTONIC) has cost COST_NS. BUDGET is a share of one CPU; 0: not limited, here as 1 %. */
void gs_watch_pace_spend(struct gs_pace_credit *credit, double budget, int64_t cost_ns, int64_t now_ns);
/* The shortest time to the next look, so that the credit is paid back by then. */
int64_t gs_watch_pace_least(const struct gs_pace_credit *credit, double budget);
