/* anchor.c - the anchor: where the tables are, for readers of core files.
 *
 *   core ──▶ writable memory of a library or program ──▶ "gumshoe anchor" ──▶ stacks, labels, libraries, baselines, peak
 *
 * Exported, so that debuggers find it by name; a reader without symbols finds it by its first bytes. The tables do not move.
 * Who: the watcher writes, once a tick; nothing in this process reads it. A core file may hold a half-written update: that
 *      does
 * not touch the counters, which are in the tables. */
#include "probe/inside.h"

struct gs_anchor gumshoe_anchor = {
    .magic = GS_ANCHOR_MAGIC,
    .version = GS_ANCHOR_VERSION,
    .size = sizeof gumshoe_anchor,
    .stacks = &gs_anchor_stacks,
    .labels = &gs_anchor_labels,
    .libraries = &gs_anchor_libraries,
    .threads = &gs_anchor_threads,
};

void gs_probe_anchor_tick(const void *baselines, const void *peak, int64_t start_ns, int64_t tick_ns,
                          int64_t tick_realtime_ns)
{
    gumshoe_anchor.sampling = gs_probe_sampling();
    gumshoe_anchor.drops = gs_probe_drops();
    gumshoe_anchor.labels_refused = gs_probe_labels_refused();
    gumshoe_anchor.hooks_seen = gs_probe_hooks_seen();
    gumshoe_anchor.baselines = baselines;
    gumshoe_anchor.peak = peak;
    gumshoe_anchor.start_ns = start_ns;
    gumshoe_anchor.tick_ns = tick_ns;
    gumshoe_anchor.tick_realtime_ns = tick_realtime_ns;
}
