/* governor.c - widens the sampling distance while the agent costs more than its budget, and narrows it slowly.
 *
 *   cost of a period  > budget                                  ──▶ one doubling more: halves the cost of sampling
 *                     < budget / 4, QUIET_PERIODS in a row      ──▶ one less: the cost stays below half the budget
 *
 * Only the cost of sampling can be reduced. If sampling is a small part of the cost, widening would lose evidence and save
 * little. */
#include "watch/governor.h"

enum { PERIOD_NS = 1000000000, QUIET_PERIODS = 30, DOUBLINGS_MAX = 12 };
static const double WORTH_SAVING = 0.1; // share of the budget: below it, cheaper sampling does not help

bool gs_watch_governor_is_due(const struct gs_governor *governor, int64_t now_ns)
{
    return governor->budget > 0 &&
           (!governor->before.time_ns || now_ns - governor->before.time_ns >= PERIOD_NS);
}

unsigned gs_watch_governor_tick(struct gs_governor *governor, const struct gs_cost *cost)
{
    int64_t period_ns = cost->time_ns - governor->before.time_ns;
    if (!gs_watch_governor_is_due(governor, cost->time_ns))
        return governor->doublings;
    double sampling = (double)(cost->sampling_ns - governor->before.sampling_ns) / (double)period_ns,
           watching = (double)(cost->watching_ns - governor->before.watching_ns) / (double)period_ns;
    governor->before = *cost;
    governor->quiet_periods = sampling + watching < governor->budget / 4 ? governor->quiet_periods + 1 : 0;
    if (sampling + watching > governor->budget && sampling > WORTH_SAVING * governor->budget &&
        governor->doublings < DOUBLINGS_MAX) {
        governor->doublings++;
    } else if (governor->quiet_periods >= QUIET_PERIODS && governor->doublings > 0) {
        governor->doublings--;
        governor->quiet_periods = 0;
    }
    return governor->doublings;
}
