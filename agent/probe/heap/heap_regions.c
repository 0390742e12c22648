/* heap_regions.c - where the heap is: one address in each 2 MiB that holds or held a sampled block.
 *
 *   block ──address >> 21──▶ region[4096]     one address each; in a heap beyond 8 GiB a later address replaces an earlier one
 *
 * So memory that an allocator keeps after everything was freed is known as heap, whichever allocator it is.
 * Who:    host threads add; the watcher reads. A race loses one address out of many.
 * Bounds: .bss, touched as the heap grows. */
#include "probe/heap/inside.h"

enum { UNIT_SHIFT = 21, REGIONS = 4096 };

static _Atomic uintptr_t region[REGIONS];

void gs_heap_regions_add(const void *ptr)
{
    uintptr_t address = (uintptr_t)ptr & ~GS_NOTED;
    _Atomic uintptr_t *at = &region[(address >> UNIT_SHIFT) % REGIONS];
    uintptr_t known = atomic_load_explicit(at, memory_order_relaxed);
    if (known == 0 || (known ^ address) >> UNIT_SHIFT)
        atomic_store_explicit(at, address, memory_order_relaxed);
}

void gs_heap_regions_forget(uintptr_t start, uintptr_t end)
{
    uintptr_t first = start >> UNIT_SHIFT, units = ((end - 1) >> UNIT_SHIFT) - first + 1;
    for (uintptr_t i = 0; i < units && i < REGIONS; i++) {
        _Atomic uintptr_t *at = &region[(first + i) % REGIONS];
        uintptr_t known = atomic_load_explicit(at, memory_order_relaxed);
        if (known >= start && known < end)
            atomic_store_explicit(at, 0, memory_order_relaxed);
    }
}

bool gs_probe_block_next(size_t *at, uintptr_t *address)
{
    for (*address = 0; *address == 0 && *at < REGIONS + GS_LIVE_SLOTS; ++*at)
        *address = *at < REGIONS ? atomic_load_explicit(&region[*at], memory_order_relaxed)
                                 : gs_heap_live_address(*at - REGIONS);
    return *address != 0;
}
