/* totals.c - the estimates for the whole heap: bytes in use now, and bytes allocated since the start.
 *
 *   sampler.c ──adds, subtracts──▶ in_use, allocated ──▶ the watcher, and wake.c for its alarm
 *
 * in_use is the sum over the stacks' inuse_space (stacks.c). highest is the largest value that in_use has had, also if the
 * watcher did not look in time.
 * Who: host threads, at sampled allocations and at their frees; the watcher reads at any time. */
#include "probe/heap/inside.h"

static _Atomic uint64_t in_use, allocated, highest;

uint64_t gs_heap_totals_add(uint64_t bytes)
{
    atomic_fetch_add_explicit(&allocated, bytes, memory_order_relaxed);
    uint64_t now = atomic_fetch_add_explicit(&in_use, bytes, memory_order_relaxed) + bytes,
             seen = atomic_load_explicit(&highest, memory_order_relaxed);
    while (seen < now && !atomic_compare_exchange_weak_explicit(&highest, &seen, now, memory_order_relaxed,
                                                                memory_order_relaxed))
        ;
    return now;
}

void gs_heap_totals_subtract(uint64_t bytes)
{
    atomic_fetch_sub_explicit(&in_use, bytes, memory_order_relaxed);
}

uint64_t gs_probe_heap_in_use(void)
{
    return atomic_load_explicit(&in_use, memory_order_relaxed);
}

uint64_t gs_probe_heap_allocated(void)
{
    return atomic_load_explicit(&allocated, memory_order_relaxed);
}

uint64_t gs_probe_heap_highest(void)
{
    return atomic_load_explicit(&highest, memory_order_relaxed);
}

void gs_probe_heap_forget_highest(void)
{
    atomic_store_explicit(&highest, gs_probe_heap_in_use(), memory_order_relaxed);
}
