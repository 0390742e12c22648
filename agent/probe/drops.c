/* drops.c - counters of what was dropped: nothing can be reported on a host thread, so profiles and summaries report it
 * later. */
#include "probe/inside.h"

struct gs_drop_counters gs_drops;

struct gs_probe_drops gs_probe_drops(void)
{
    struct gs_probe_drops drops = {
        .samples = atomic_load_explicit(&gs_drops.samples, memory_order_relaxed),
        .stacks_full = atomic_load_explicit(&gs_drops.stacks_full, memory_order_relaxed),
        .stacks_cut = atomic_load_explicit(&gs_drops.stacks_cut, memory_order_relaxed),
        .mappings = atomic_load_explicit(&gs_drops.mappings, memory_order_relaxed),
    };
    return drops;
}
