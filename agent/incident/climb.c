/* climb.c - when the climb of a metric began that fired a rule on memory.
 *
 *   value  ·                              ╭──● trigger
 *          ·              ╭──╮          ╭─╯            rise: from the lowest value so far up to the trigger's
 *          · ────╮  ╭─────╯  ╰────◆─────╯              ◆ the climb began: the lowest value twice as far back
 *          ·     ╰──╯                                    is no more than 1/10 of the rise lower
 *
 * We walk back from the trigger. A climb that goes on further back would add to the rise; so the walk ends where a look twice
 * as far back adds little. The climb began at the youngest row near the lowest value seen: at least 9/10 of the rise come
 * after it. A plateau before the trigger ("for") is passed over, because it has no rise. Earlier climbs that a level stretch
 * separates from this one do not count. Context: any (pure). */
#include "history/history.h"
#include "incident/inside.h"
#include <math.h>
#include <string.h>

enum { LITTLE = 1 << 20, SHARE = 50 }; // bytes; a rise counts from 1/50 of the value on

/* The metric whose climb led to an incident of METRIC; NULL: it is not about memory. */
static const char *climbing_metric(const char *metric)
{
    static const struct {
        const char *rule, *climbs;
    } known[] = {
        {"rss", "rss"},
        {"memory_pressure", "rss"},
        {"major_faults", "rss"},
        {"heap_in_use", "heap_in_use"},
        {"heap_alloc_rate", "heap_in_use"},
    };
    for (size_t i = 0; metric && i < sizeof known / sizeof *known; i++)
        if (strcmp(metric, known[i].rule) == 0)
            return known[i].climbs;
    return NULL;
}

struct look_back {
    const struct gs_history *history;
    size_t metric, row; // rows from `row` on were looked at
    double lowest;
};

/* Look at all rows that are not older than SINCE_NS. */
static void look_until(struct look_back *look, int64_t since_ns)
{
    while (look->row > 0 && gs_history_time(look->history, look->row - 1) >= since_ns) {
        double value = gs_history_value(look->history, --look->row, look->metric);
        if (value < look->lowest) // false for NAN, a gap
            look->lowest = value;
    }
}

/* The lowest value of the climb that ends with VALUE at TIME_NS; NAN: no climb. */
static double bottom_of(const struct gs_history *history, size_t metric, double value, int64_t time_ns)
{
    struct look_back near = {history, metric, gs_history_length(history), value}, far = near;
    int64_t slack_ns = gs_history_interval_ns(history);
    double least = value / SHARE > LITTLE ? value / SHARE : LITTLE;
    while (near.row > 0) {
        int64_t row_ns = gs_history_time(history, near.row - 1);
        look_until(&near, row_ns);
        look_until(&far, time_ns - 2 * (time_ns - row_ns) - slack_ns);
        double rise = value - near.lowest;
        if (rise >= least && (value - far.lowest) <= rise * 1.1)
            return far.lowest;
    }
    return value - near.lowest >= least ? near.lowest : NAN;
}

/* The last value of the metric; NAN: none. */
static double last_value(const struct gs_history *history, size_t metric)
{
    size_t row = gs_history_length(history);
    double value = NAN;
    while (row > 0 && isnan(value))
        value = gs_history_value(history, --row, metric);
    return value;
}

/* The youngest row with at most VALUE was at this time. A row of a coarse part stands for any moment of its step. */
static int64_t youngest_at(const struct gs_history *history, size_t metric, double value)
{
    for (size_t row = gs_history_length(history); row > 0; row--)
        if (gs_history_value(history, row - 1, metric) <= value) {
            int64_t step_ns = gs_history_step_ns(history, row - 1);
            return gs_history_time(history, row - 1) -
                   (step_ns > gs_history_interval_ns(history) ? step_ns : 0);
        }
    return 0;
}

struct gs_climb gs_incident_find_climb(const struct gs_incident_trigger *trigger,
                                       const struct gs_history *history)
{
    const char *name = climbing_metric(trigger->metric);
    size_t metric = history && name ? gs_history_find(history, name) : SIZE_MAX;
    if (metric == SIZE_MAX || strcmp(trigger->condition, "below") == 0)
        return (struct gs_climb){0};
    double value = strcmp(trigger->metric, name) == 0 ? trigger->value : last_value(history, metric);
    double bottom = isnan(value) ? NAN : bottom_of(history, metric, value, trigger->triggered_ns);
    if (isnan(bottom))
        return (struct gs_climb){0};
    int64_t began_ns = youngest_at(history, metric, bottom + (value - bottom) / 20);
    return (struct gs_climb){.age_ns =
                                 trigger->triggered_ns > began_ns ? trigger->triggered_ns - began_ns : 0,
                             .rise = value - bottom};
}

bool gs_incident_is_of_climb(const struct gs_climb *climb, int64_t age_ns, double bytes)
{
    return age_ns >= climb->age_ns || bytes >= climb->rise / 2 * ((double)age_ns / (double)climb->age_ns);
}
