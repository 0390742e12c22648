/* swap.c - how many bytes of the process are swapped out.
 *
 *   /proc/self/status   VmSwap:        128 kB
 *
 * Who: the watcher. Bounds: the kernel takes 10 µs to write the whole file, so it is read every REFRESH_NS. */
#include "base/clock.h"
#include "metrics/inside.h"

#define REFRESH_NS (5 * GS_NS_PER_S)

static int swap_open(struct gs_metric_set *set)
{
    return gs_metrics_set_open_file(set, &set->status, "/proc/self/status");
}

static double swap_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    char text[4096];
    uint64_t kib;
    ssize_t length = gs_metrics_source_read(&set->status, set->now_ns, text, sizeof text);
    if (length < 0)
        return gs_metrics_unreadable(slot, &set->status, length);
    if (!gs_metrics_scan_line(text, "VmSwap", &kib))
        return gs_metrics_no_value(
            slot, "%s has no VmSwap: the kernel has no swap, or the main thread has ended", set->status.path);
    return (double)kib * 1024;
}

const struct gs_metric_reader gs_metric_reader_swap = {swap_open, swap_read, REFRESH_NS, 0};
