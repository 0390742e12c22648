/* heap.c - what the probe counts on the host's threads: the heap, and the host's own gauges.
 * Who: the watcher, each tick; a few loads. */
#include "metrics/inside.h"
#include "probe/probe.h"
#include <math.h>

static double no_heap(struct gs_slot *slot)
{
    return gs_no_value(slot, "no allocation was seen: the program brings a malloc of its own, or makes none");
}

static double heap_in_use_read(struct gs_watch *watch, struct gs_slot *slot)
{
    (void)watch;
    return gs_probe_hooks_seen() ? (double)gs_probe_heap_in_use() : no_heap(slot);
}

static double heap_alloc_rate_read(struct gs_watch *watch, struct gs_slot *slot)
{
    if (!gs_probe_hooks_seen())
        return no_heap(slot);
    return gs_rate(&slot->rate, watch->now_ns, gs_probe_heap_allocated());
}

/* A gauge that the program has not set yet is missing, not unavailable: it may be set any moment. */
static double gauge_read(struct gs_watch *watch, struct gs_slot *slot)
{
    (void)watch;
    double value;
    return gs_probe_gauge_read(slot->name + GS_GAUGE_PREFIX, &value) ? value : NAN;
}

const struct gs_reader gs_reader_heap_in_use = {NULL, heap_in_use_read};
const struct gs_reader gs_reader_heap_alloc_rate = {NULL, heap_alloc_rate_read};
const struct gs_reader gs_reader_gauge = {NULL, gauge_read};
