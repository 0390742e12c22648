/* heap.c - metrics that the probe counts on the host's threads: the heap, and the host's own gauges.
 *
 * Blocks that are freed by calls which the library does not see stay counted, so the heap seems to grow. An
 * impossible figure is not reported: live blocks cannot take more than the mapped writable memory, whether it was
 * ever touched or not.
 * Who: the watcher, each tick; a few loads and, for heap_in_use, /proc/self/statm. */
#include "base/units.h"
#include "metrics/inside.h"
#include "probe/probe.h"
#include <math.h>
#include <unistd.h>

static double no_heap(struct gs_metric_slot *slot)
{
    return gs_metrics_no_value(
        slot, "no allocation was seen: the program brings a malloc of its own, or does not allocate");
}

/* The most bytes that live blocks can take: the process's private writable memory plus its resident shared memory. Infinite:
 * the kernel does not say. */
static double room_for_blocks(struct gs_metric_set *set)
{
    const struct gs_memory_pages *pages = gs_metrics_process_memory(set);
    if (!pages || pages->resident == 0)
        return INFINITY; // with 0 the main thread has ended: the kernel shows nothing
    return (double)(pages->shared + pages->own) * (double)sysconf(_SC_PAGESIZE);
}

/* Does IN_USE exceed ROOM by more than six standard errors of the estimate? Most of the error comes from blocks that
 * are much smaller than the sampling interval; its square is IN_USE * interval. */
static bool is_impossible(double in_use, double room)
{
    double over = in_use - room;
    return over > 0 && over * over > 36 * in_use * (double)gs_probe_sampling().bytes;
}

static double heap_in_use_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    if (!gs_probe_hooks_seen())
        return no_heap(slot);
    double in_use = (double)gs_probe_heap_in_use(), room = room_for_blocks(set);
    bool impossible = is_impossible(in_use, room);
    gs_probe_alarm_mute(impossible);
    if (!impossible)
        return in_use;
    char estimate[GS_UNIT_TEXT], mapped[GS_UNIT_TEXT];
    return gs_metrics_no_value(
        slot, "%s are counted, %s are mapped: blocks are freed by calls that the library does not see",
        gs_units_print_size(in_use, estimate), gs_units_print_size(room, mapped));
}

static double heap_alloc_rate_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    if (!gs_probe_hooks_seen())
        return no_heap(slot);
    return gs_metrics_rate(&slot->rate, set->now_ns, gs_probe_heap_allocated());
}

/* 0: no allocation was sampled since the last tick. The loop forgets it at the end of the tick (watch/loop.c). */
static double largest_alloc_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    (void)set;
    return gs_probe_hooks_seen() ? (double)gs_probe_largest_alloc().bytes : no_heap(slot);
}

static double alloc_failures_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    struct gs_notable_alloc last;
    if (!gs_probe_hooks_seen())
        return no_heap(slot);
    return gs_metrics_rate(&slot->rate, set->now_ns, gs_probe_alloc_failures(&last));
}

/* A gauge that the program has not set yet is missing, not unavailable, because it may be set at any time. */
static double gauge_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    (void)set;
    double value;
    return gs_probe_gauge_read(slot->name + GS_GAUGE_PREFIX, &value) ? value : NAN;
}

const struct gs_metric_reader gs_metric_reader_heap_in_use = {gs_metrics_process_open_memory,
                                                              heap_in_use_read, 0, 0};
const struct gs_metric_reader gs_metric_reader_heap_alloc_rate = {NULL, heap_alloc_rate_read, 0, 0};
const struct gs_metric_reader gs_metric_reader_largest_alloc = {NULL, largest_alloc_read, 0, 0};
const struct gs_metric_reader gs_metric_reader_alloc_failures = {NULL, alloc_failures_read, 0, 0};
const struct gs_metric_reader gs_metric_reader_gauge = {NULL, gauge_read, 0, 0};
