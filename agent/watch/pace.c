/* pace.c - when to look again: before the value can have reached its line.
 *
 *   value  ───line────────────────────────────────────
 *                                          ╱           a look is due where a climb at the fastest pace meets the line:
 *              ╱            ╱            ╱  ╱            twice the limit in a second, at most 4 GiB/s; faster, if the
 *          ●╌╌╌╌╌╌╌╌╌╌╌╌●╌╌╌╌╌╌╌╌╌●╌╌╌╌●╌●●            value was seen to climb faster
 *          far: few looks           near: many
 *
 * So a climb that is no faster is seen within GS_PACE_LEAST_NS of the line, although looks are few while the line is far.
 * The looks take a quarter of the budget on average. What they have not taken is saved up to GS_PACE_CREDIT_NS, because near the line
 * they have to be close for a moment: one costs 10 to 200 us, as caches are cold after a sleep.
 * 4 GiB/s: a thread that touches new memory gets 1 to 4 GiB in a second from the kernel. */
#include "watch/pace.h"
#include "base/clock.h"

static const double FASTEST = 4.0 * 1024 * 1024 * 1024, // bytes/s
    PART = 0.25,                                        // of the budget
    BUDGET_UNLIMITED = 0.01;

int64_t gs_watch_pace_next(struct gs_pace *pace, const struct gs_pace_look *look)
{
    double gap = look->line - look->value, rate = 2 * look->limit,
           seconds = (double)(look->time_ns - pace->time_ns) / 1e9,
           climbed = pace->time_ns && seconds > 0 ? (look->value - pace->value) / seconds : 0;
    if (rate == 0 || rate > FASTEST)
        rate = FASTEST;
    if (2 * climbed > rate)
        rate = 2 * climbed;
    *pace = (struct gs_pace){look->time_ns, look->value};
    double next_ns = gap / rate * 1e9;
    if (!(next_ns > (double)GS_PACE_LEAST_NS))
        return GS_PACE_LEAST_NS;
    return next_ns < (double)(3600 * GS_NS_PER_S) ? (int64_t)next_ns : 3600 * GS_NS_PER_S;
}

static double share_of(double budget)
{
    return (budget > 0 ? budget : BUDGET_UNLIMITED) * PART;
}

void gs_watch_pace_spend(struct gs_pace_credit *credit, double budget, int64_t cost_ns, int64_t now_ns)
{
    double saved_ns = credit->left_ns + (double)(now_ns - credit->time_ns) * share_of(budget);
    if (credit->time_ns == 0 || now_ns < credit->time_ns || saved_ns > (double)GS_PACE_CREDIT_NS)
        saved_ns = (double)GS_PACE_CREDIT_NS;
    *credit = (struct gs_pace_credit){now_ns, saved_ns - (double)cost_ns};
}

int64_t gs_watch_pace_least(const struct gs_pace_credit *credit, double budget)
{
    double least_ns = -credit->left_ns / share_of(budget);
    return least_ns > (double)GS_PACE_LEAST_NS ? (int64_t)least_ns : GS_PACE_LEAST_NS;
}
