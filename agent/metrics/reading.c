/* reading.c - what the readers of metrics share: files that stay open, a value that is not there, a counter as a rate.
 * Who: the readers, on the watcher. Nothing is allocated here but in gs_metrics_set_open_file. */
#include "base/clock.h"
#include "metrics/inside.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Below this a rate is noise: CPU time comes in steps of 10 ms, and the probe's alarm may call a tick right
 * after another. The last rate stands until then. */
#define RATE_SPAN_NS (100 * GS_NS_PER_MS)

int gs_metrics_set_open_file(struct gs_metric_set *set, struct gs_source_file *kept, const char *path)
{
    if (kept->path)
        return 0;
    char *whole = gs_metrics_join_path(set->root, path);
    if (!whole)
        return -ENOMEM;
    gs_metrics_source_init(kept, whole);
    return 0;
}

double gs_metrics_no_value(struct gs_metric_slot *slot, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(slot->why, sizeof slot->why, format, args);
    va_end(args);
    return NAN;
}

double gs_metrics_unreadable(struct gs_metric_slot *slot, const struct gs_source_file *kept, ssize_t error)
{
    return gs_metrics_no_value(slot, "cannot read %s: %s", kept->path, strerrordesc_np((int)-error));
}

double gs_metrics_rate(struct gs_metrics_rate *rate, int64_t now_ns, uint64_t total)
{
    bool follows = rate->known && total >= rate->total && now_ns >= rate->time_ns;
    if (follows && now_ns - rate->time_ns < RATE_SPAN_NS)
        return rate->per_second;
    double seconds = follows ? (double)(now_ns - rate->time_ns) / GS_NS_PER_S : 0;
    double per_second = follows ? (double)(total - rate->total) / seconds : NAN;
    *rate =
        (struct gs_metrics_rate){.known = true, .time_ns = now_ns, .total = total, .per_second = per_second};
    return per_second;
}
