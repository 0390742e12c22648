/* looks.c - looks at rss, group_memory and memory_pressure between two ticks.
 *
 *   tick ──▶ plan: the lowest line of each metric, and when to look ─▶ look ──above the line──▶ an early tick: rules judge
 *              ▲                                                        └──below──▶ plan again
 *              └── notice of the kernel (notices.c): look now, and plan close looks for FOLLOW_NS
 *
 *   how the kernel helps                                  when a look is planned
 *   thresholds (cgroup v1), the line is far               not at all: a threshold comes before the line
 *   thresholds, the line is less than a step away,
 *   or the group is less than two steps from its limit    before a fast climb can have reached the line (pace.c)
 *   events (cgroup v2), pressure, or nothing              likewise
 *   memory_pressure, after a notice of pressure           every PRESSURE_NS: the kernel computes the figure every two seconds
 *
 * The kernel's notices are asked for NOTICES_AFTER_NS after the start: a process that has a PSI trigger ends 10 ms later, and
 * shorter programs should not. Until then there are looks alone, for bytes.
 * Only rules that fire at once need this: "above" without "for", while they are armed. Without such rules nothing runs.
 * Who:    the watcher.
 * Bounds: looks take a quarter of the rules' budget on average (pace.c). */
#include "watch/looks.h"
#include "base/clock.h"
#include "base/json.h"
#include "watch/notices.h"
#include "watch/pace.h"
#include <math.h>
#include <string.h>

#define FOLLOW_NS          GS_NS_PER_S
#define FOLLOW_PRESSURE_NS (3 * GS_NS_PER_S)
#define PRESSURE_NS        (100 * GS_NS_PER_MS)
#define NOTICES_AFTER_NS   GS_NS_PER_S
#define STALLED_SHARE      0.05 /* for notices, if no rule is about pressure */

enum { RSS, GROUP_MEMORY, PRESSURE, LOOKED_AT };
static const char *const names[LOOKED_AT] = {"rss", "group_memory", "memory_pressure"};

static struct {
    struct {
        size_t index;    // in the metric set
        double line;     // INFINITY: none
        int64_t due_ns;  // of the next look; INT64_MAX: none is planned
        int64_t wait_ns; // that the plan allowed; 0: none
        struct gs_pace pace;
    } at[LOOKED_AT];
    bool needed;            // the rules have a line of this kind
    int64_t notices_due_ns; // when to start notices.c; INT64_MAX: it runs, or is not needed
    double stalled_share;   // for it
    int64_t noticed_ns;     // when the kernel gave its last notice
    bool noticed;
    uint64_t cpu_ns; // of the thread, after the last look; 0: there was a tick since
    int64_t cost_ns; // CPU time of a look and of waking for it, a moving average; 0: not known
    struct gs_pace_credit credit;
    uint64_t count; // looks so far
} looks;

/* ---- the plan ---------------------------------------------------------------------------------------------------------- */

static bool noticed_within(int64_t now_ns, int64_t span_ns)
{
    return looks.noticed && now_ns - looks.noticed_ns < span_ns;
}

/* Does the kernel give notice before a metric in bytes that is GAP below its line can be above it? While the group is near
 * its limit, other memory may take the place of file cache, and the use stays the same. */
static bool is_guarded(const struct gs_settings *settings, double gap, int64_t now_ns)
{
    uint64_t limit = gs_watch_notices_limit(), step = limit / GS_NOTICE_STEPS;
    return limit && gap > (double)step && !noticed_within(now_ns, FOLLOW_NS) &&
           gs_metrics_set_group_used(settings->metrics) < limit - 2 * step;
}

/* How long to wait with the next look at metric WHICH, which is VALUE; INT64_MAX: no look before the next tick. */
static int64_t wait_for(const struct gs_settings *settings, int which, double value, int64_t now_ns)
{
    double line = looks.at[which].line;
    if (!isfinite(line) || !isfinite(value))
        return INT64_MAX;
    if (which == PRESSURE)
        return noticed_within(now_ns, FOLLOW_PRESSURE_NS) ? PRESSURE_NS : INT64_MAX;
    const struct gs_pace_look look = {now_ns, value, line, (double)settings->context->limit_bytes};
    int64_t wait_ns = gs_watch_pace_next(&looks.at[which].pace, &look),
            least_ns = gs_watch_pace_least(&looks.credit, settings->rules->budget);
    if (is_guarded(settings, line - value, now_ns))
        return INT64_MAX;
    return wait_ns > least_ns ? wait_ns : least_ns;
}

static void plan_next(const struct gs_settings *settings, int which, double value, int64_t now_ns)
{
    looks.at[which].line = gs_rules_judge_line_above(settings->judge, names[which], now_ns);
    int64_t wait_ns = wait_for(settings, which, value, now_ns);
    if (wait_ns >= settings->rules->interval_ns) // the next tick comes first, and plans anew
        wait_ns = INT64_MAX;
    looks.at[which].wait_ns = wait_ns == INT64_MAX ? 0 : wait_ns;
    looks.at[which].due_ns = wait_ns == INT64_MAX ? INT64_MAX : now_ns + wait_ns;
}

/* The index of metric WHICH in the set: all are recorded. */
static size_t index_of(const struct gs_settings *settings, int which)
{
    size_t i = 0;
    while (i + 1 < settings->recorded_count && strcmp(settings->recorded[i], names[which]) != 0)
        i++;
    return i;
}

void gs_watch_looks_plan(const struct gs_settings *settings, int64_t now_ns)
{
    looks.cpu_ns = 0;
    for (int i = 0; i < LOOKED_AT; i++) {
        looks.at[i].due_ns = INT64_MAX;
        looks.at[i].wait_ns = 0;
        if (!looks.needed)
            continue;
        looks.at[i].index = index_of(settings, i);
        plan_next(settings, i, settings->values[looks.at[i].index], now_ns);
    }
}

int64_t gs_watch_looks_due_ns(void)
{
    int64_t due_ns = looks.notices_due_ns;
    for (int i = 0; i < LOOKED_AT && looks.needed; i++)
        if (looks.at[i].due_ns < due_ns)
            due_ns = looks.at[i].due_ns;
    return due_ns;
}

/* ---- looks ------------------------------------------------------------------------------------------------------------- */

void gs_watch_looks_noticed(const struct gs_settings *settings, int64_t now_ns)
{
    looks.noticed = true;
    looks.noticed_ns = now_ns;
    for (int i = 0; i < LOOKED_AT && looks.needed; i++) {
        looks.at[i].line = gs_rules_judge_line_above(settings->judge, names[i], now_ns);
        if (isfinite(looks.at[i].line))
            looks.at[i].due_ns = now_ns;
    }
}

/* From the end of one look to the end of the next, with nothing but sleep between them. */
static void note_cost(double budget, int64_t monotonic_ns)
{
    uint64_t now_ns = gs_clock_thread_cpu_ns();
    int64_t cost_ns = (int64_t)(now_ns - looks.cpu_ns);
    if (looks.cpu_ns)
        looks.cost_ns = looks.cost_ns ? (7 * looks.cost_ns + cost_ns) / 8 : cost_ns;
    looks.cpu_ns = now_ns;
    gs_watch_pace_spend(&looks.credit, budget, looks.cost_ns, monotonic_ns);
    looks.count++;
}

static void start_notices_if_due(int64_t now_ns)
{
    if (now_ns < looks.notices_due_ns)
        return;
    looks.notices_due_ns = INT64_MAX;
    gs_watch_notices_start(looks.stalled_share);
}

bool gs_watch_looks_find_crossed(const struct gs_settings *settings, int64_t now_ns)
{
    bool crossed = false;
    start_notices_if_due(now_ns);
    for (int i = 0; i < LOOKED_AT && looks.needed; i++) {
        if (now_ns < looks.at[i].due_ns)
            continue;
        double value = gs_metrics_set_look(settings->metrics, looks.at[i].index, looks.at[i].line, now_ns);
        crossed |= value > looks.at[i].line;
        plan_next(settings, i, value, now_ns);
    }
    note_cost(settings->rules->budget, now_ns);
    return crossed;
}

/* ---- begin ------------------------------------------------------------------------------------------------------------- */

void gs_watch_looks_begin(const struct gs_settings *settings)
{
    double line[LOOKED_AT];
    looks.needed = looks.noticed = false;
    for (int i = 0; i < LOOKED_AT; i++) {
        line[i] = gs_rules_line_above(settings->rules, names[i], settings->context->limit_bytes);
        looks.needed |= isfinite(line[i]);
    }
    looks.stalled_share = line[PRESSURE] / 100 < STALLED_SHARE ? line[PRESSURE] / 100 : STALLED_SHARE;
    looks.notices_due_ns = looks.needed ? settings->start_ns + NOTICES_AFTER_NS : INT64_MAX;
    if (!looks.needed)
        gs_watch_notices_stop();
    start_notices_if_due(gs_clock_monotonic_ns());
}

/* ---- status ------------------------------------------------------------------------------------------------------------- */

/* The wait of the closest plan, in ms; null: no look is planned. */
static json_t *wait_json(void)
{
    int64_t least_ns = INT64_MAX;
    for (int i = 0; i < LOOKED_AT; i++)
        if (looks.at[i].wait_ns && looks.at[i].wait_ns < least_ns)
            least_ns = looks.at[i].wait_ns;
    return least_ns == INT64_MAX ? json_null() : json_real((double)least_ns / (double)GS_NS_PER_MS);
}

void gs_watch_looks_describe(struct gs_json *status)
{
    struct gs_json sources = gs_json_array();
    gs_watch_notices_describe(&sources);
    gs_json_set(status, "memory_lines",
                json_pack("{s:b, s:o, s:i, s:o, s:I, s:I}", "between_ticks", (int)looks.needed, "kernel",
                          gs_json_take(&sources), "thresholds",
                          gs_watch_notices_limit() ? GS_NOTICE_STEPS - 1 : 0, "look_ms", wait_json(), "looks",
                          (json_int_t)looks.count, "notices", (json_int_t)gs_watch_notices_count()));
}
