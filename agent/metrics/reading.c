/* reading.c - functions that the readers of metrics share: register a file, report a missing value, compute a rate.
 * Who: the readers, on the watcher. Only gs_metrics_set_open_file allocates. */
#include "base/clock.h"
#include "metrics/inside.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A rate over a shorter time would be noise: CPU time comes in steps of 10 ms, and the probe's alarm may cause a
 * tick right after another. Until then the last rate is returned. */
#define RATE_SPAN_NS (100 * GS_NS_PER_MS)

int gs_metrics_set_open_file(struct gs_metric_set *set, struct gs_source_file *file, const char *path)
{
    if (file->path)
        return 0;
    char *whole = gs_metrics_join_path(set->root, path);
    if (!whole)
        return -ENOMEM;
    gs_metrics_source_init(file, whole);
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

double gs_metrics_unreadable(struct gs_metric_slot *slot, const struct gs_source_file *file, ssize_t error)
{
    return gs_metrics_no_value(slot, "cannot read %s: %s", file->path, strerrordesc_np((int)-error));
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
