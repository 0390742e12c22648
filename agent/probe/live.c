/* live.c - the blocks that were sampled and are not yet freed, by address.
 *
 *   gs_filter[64 Ki]    a small counter for each hash: "surely never sampled" costs free() a load and a branch
 *   address[128 Ki]     open addressing, at most NEIGHBOURS places from home:  0 ──CAS──▶ ptr ──▶ 0
 *   sample[128 Ki]      what stands behind it
 *
 * Who:    the host thread that owns the block: between malloc and free nobody else may touch its entry, so an
 *         entry needs no more than a compare-and-swap for its place. A block that moves to another thread brings the
 *         host's own ordering along.
 * Order:  taken out before the real free, put in after the real malloc: an address that is used again at once never
 *         meets its old entry.
 * Bounds: fixed tables in .bss, touched as they fill. A filter counter that reaches 255 stays there: from then on
 *         these frees look into the table, none is lost. */
#include "probe/inside.h"

enum { PLACE_BITS = 17, PLACES = 1 << PLACE_BITS, NEIGHBOURS = 64, SATURATED = 255 };

_Atomic uint8_t gs_filter[1 << GS_FILTER_BITS];
static _Atomic uintptr_t address[PLACES + NEIGHBOURS]; // the last homes need neighbours too
static struct gs_live sample_at[PLACES + NEIGHBOURS];

static size_t home_of(const void *ptr)
{
    return (size_t)(((uint64_t)(uintptr_t)ptr >> 4) * 0xd6e8feb86659fd93u >> (64 - PLACE_BITS));
}

static void filter_add(const void *ptr)
{
    _Atomic uint8_t *counter = &gs_filter[gs_filter_index(ptr)];
    uint8_t seen = atomic_load_explicit(counter, memory_order_relaxed);
    while (seen != SATURATED &&
           !atomic_compare_exchange_weak_explicit(counter, &seen, (uint8_t)(seen + 1), memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

static void filter_subtract(const void *ptr)
{
    _Atomic uint8_t *counter = &gs_filter[gs_filter_index(ptr)];
    uint8_t seen = atomic_load_explicit(counter, memory_order_relaxed);
    while (seen != SATURATED &&
           !atomic_compare_exchange_weak_explicit(counter, &seen, (uint8_t)(seen - 1), memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

bool gs_live_insert(const void *ptr, const struct gs_live *sample)
{
    size_t home = home_of(ptr);
    for (size_t at = home; at < home + NEIGHBOURS; at++) {
        uintptr_t empty = 0;
        if (atomic_load_explicit(&address[at], memory_order_relaxed) != 0 ||
            !atomic_compare_exchange_strong_explicit(&address[at], &empty, (uintptr_t)ptr,
                                                     memory_order_acquire, memory_order_relaxed))
            continue;
        sample_at[at] = *sample;
        filter_add(ptr);
        return true;
    }
    return false;
}

bool gs_live_take(const void *ptr, struct gs_live *sample)
{
    size_t home = home_of(ptr);
    if (!ptr)
        return false; // free(NULL), where a sampled block has NULL's filter counter: an empty place is no match
    for (size_t at = home; at < home + NEIGHBOURS; at++) {
        if (atomic_load_explicit(&address[at], memory_order_relaxed) != (uintptr_t)ptr)
            continue;
        *sample = sample_at[at];
        atomic_store_explicit(&address[at], 0,
                              memory_order_release); // after the copy: the place may be taken now
        filter_subtract(ptr);
        return true;
    }
    return false;
}
