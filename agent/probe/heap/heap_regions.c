/* heap_regions.c - where the heap is: an address in each 2 MiB that held a sampled block, now or once.
 *
 *   block ──address >> 21──▶ place[4096]       one address each; of a heap beyond 8 GiB the later comer stays
 *
 * What an allocator keeps after everything was freed is known to be its by this, whichever allocator it is.
 * Who:    host threads note; the watcher reads. A race loses an address, of which there are many.
 * Bounds: .bss, touched as the heap spreads. */
#include "probe/heap/inside.h"

enum { UNIT_SHIFT = 21, PLACES = 4096 };

static _Atomic uintptr_t place[PLACES];

void gs_heap_regions_add(const void *ptr)
{
    uintptr_t address = (uintptr_t)ptr & ~GS_NOTED;
    _Atomic uintptr_t *at = &place[(address >> UNIT_SHIFT) % PLACES];
    uintptr_t there = atomic_load_explicit(at, memory_order_relaxed);
    if (there == 0 || (there ^ address) >> UNIT_SHIFT)
        atomic_store_explicit(at, address, memory_order_relaxed);
}

void gs_heap_regions_forget(uintptr_t start, uintptr_t end)
{
    uintptr_t first = start >> UNIT_SHIFT, units = ((end - 1) >> UNIT_SHIFT) - first + 1;
    for (uintptr_t i = 0; i < units && i < PLACES; i++) {
        _Atomic uintptr_t *at = &place[(first + i) % PLACES];
        uintptr_t there = atomic_load_explicit(at, memory_order_relaxed);
        if (there >= start && there < end)
            atomic_store_explicit(at, 0, memory_order_relaxed);
    }
}

bool gs_probe_block_next(size_t *at, uintptr_t *address)
{
    for (*address = 0; *address == 0 && *at < PLACES + GS_LIVE_PLACES; ++*at)
        *address = *at < PLACES ? atomic_load_explicit(&place[*at], memory_order_relaxed)
                                : gs_heap_live_address(*at - PLACES);
    return *address != 0;
}
