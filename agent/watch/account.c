/* account.c - when the black box gets a memory account.
 *
 *   PERIOD_NS after the last one, or GROWTH_PERIOD_NS after it if the heap has grown by 1/8 ──▶ gs_account_take_parts ──▶ box
 *
 * An account costs 7 ms a GiB. Each waits at least PERIOD_COSTS times its own CPU time: 0.05 % of a CPU; while the heap grows,
 * 1 %, which each further account allows only after another eighth.
 * Who: the watcher. */
#include "watch/account.h"
#include "base/clock.h"
#include "probe/probe.h"

enum { PERIOD_COSTS = 2000, GROWTH_PERIOD_COSTS = 100, GROWTH_DIVISOR = 8, GROWTH_BYTES_MIN = 8 << 20 };
#define PERIOD_NS        (60 * GS_NS_PER_S)
#define GROWTH_PERIOD_NS (2 * GS_NS_PER_S)

static struct {
    const struct gs_box *box; // that has the last one
    int64_t taken_ns;         // CLOCK_MONOTONIC
    uint64_t cost_ns, heap_bytes;
    struct gs_account_parts parts; // time_ns 0: none was taken
} last;

static int64_t pause_ns(int64_t least_ns, unsigned costs)
{
    int64_t for_cost_ns = (int64_t)last.cost_ns * costs;
    return for_cost_ns > least_ns ? for_cost_ns : least_ns;
}

static bool is_due(uint64_t heap_bytes, int64_t now_ns)
{
    uint64_t growth = last.heap_bytes / GROWTH_DIVISOR;
    bool grown = heap_bytes > last.heap_bytes + (growth > GROWTH_BYTES_MIN ? growth : GROWTH_BYTES_MIN);
    return now_ns - last.taken_ns >=
           (grown ? pause_ns(GROWTH_PERIOD_NS, GROWTH_PERIOD_COSTS) : pause_ns(PERIOD_NS, PERIOD_COSTS));
}

uint64_t gs_watch_account_tick(struct gs_box *box, int64_t now_ns)
{
    struct gs_account_parts parts = {0};
    uint64_t heap_bytes = gs_probe_heap_in_use();
    if (box != last.box) { // the watch has just begun: not before the program has
        last.box = box;
        last.taken_ns = now_ns;
        last.cost_ns = last.heap_bytes = 0;
        last.parts.time_ns = 0;
    }
    if (!is_due(heap_bytes, now_ns))
        return 0;
    uint64_t began_ns = gs_clock_thread_cpu_ns();
    if (gs_account_take_parts(&parts)) {
        gs_box_note_account(box, &parts);
        last.parts = parts;
    }
    last.taken_ns = now_ns;
    last.heap_bytes = heap_bytes;
    return last.cost_ns = gs_clock_thread_cpu_ns() - began_ns;
}

const struct gs_account_parts *gs_watch_account_last(void)
{
    return &last.parts;
}
