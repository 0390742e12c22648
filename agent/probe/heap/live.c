/* live.c - the sampled blocks that are not yet freed, by address.
 *
 *   gs_filter[256 Ki]   a small counter for each group of addresses: free() needs one load and one branch to see "never
 *   sampled"
 *   few[2 Ki]           open addressing, at most NEIGHBOURS slots from the home slot: address 0 ──CAS──▶ ptr ──▶ 0; a second
 *                       array holds the samples
 *   many[64 Ki]         the same, for blocks that found no slot in few: so a small server touches few pages
 *
 * Who:    the host thread that owns the block: between malloc and free no other thread may touch its entry, so a
 *         compare-and-swap on the slot is enough. A block that moves to another thread is ordered by the host's own
 *         synchronization.
 * Order:  an entry is removed before the real free and added after the real malloc: an address that is reused at once never
 *         finds its old entry.
 * Bounds: fixed tables in .bss, touched as they fill. As they fill, the sampler widens its distance (gs_heap_live_crowding),
 *         so that they are large enough for any heap. A filter counter that reaches 255 stays there: its frees then always
 *         search the tables, and none is lost. */
#include "probe/heap/inside.h"
#include <assert.h>

enum { FEW_BITS = 11, MANY_BITS = 16, NEIGHBOURS = 32, SATURATED = 255 };

static struct live_table { // NEIGHBOURS more slots: the last home slot has neighbours too
    unsigned bits;
    _Atomic uintptr_t *address;
    struct gs_live *sample;
    _Atomic uint32_t used;
} few = {FEW_BITS, (_Atomic uintptr_t[(1 << FEW_BITS) + NEIGHBOURS]){0},
         (struct gs_live[(1 << FEW_BITS) + NEIGHBOURS]){{0}}, 0},
  many = {MANY_BITS, (_Atomic uintptr_t[(1 << MANY_BITS) + NEIGHBOURS]){0},
          (struct gs_live[(1 << MANY_BITS) + NEIGHBOURS]){{0}}, 0};

_Atomic uint8_t gs_filter[1 << GS_FILTER_BITS];
bool gs_filter_used;

static size_t home_of(const void *ptr, const struct live_table *table)
{
    return (size_t)(((uint64_t)(uintptr_t)ptr >> 4) * 0xd6e8feb86659fd93u >> (64 - table->bits));
}

static void filter_change(const void *ptr, int by)
{
    _Atomic uint8_t *counter = &gs_filter[gs_filter_index(ptr)];
    uint8_t seen = atomic_load_explicit(counter, memory_order_relaxed);
    while (seen != SATURATED &&
           !atomic_compare_exchange_weak_explicit(counter, &seen, (uint8_t)(seen + by), memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

void gs_heap_filter_add(const void *ptr)
{
    filter_change(ptr, 1);
    if (!gs_filter_used) // write once only: every free reads this cache line
        gs_filter_used = true;
}

static bool insert_into(struct live_table *table, const void *ptr, const struct gs_live *sample)
{
    size_t home = home_of(ptr, table);
    for (size_t at = home; at < home + NEIGHBOURS; at++) {
        uintptr_t empty = 0;
        if (atomic_load_explicit(&table->address[at], memory_order_relaxed) != 0 ||
            !atomic_compare_exchange_strong_explicit(&table->address[at], &empty, (uintptr_t)ptr,
                                                     memory_order_acquire, memory_order_relaxed))
            continue;
        table->sample[at] = *sample;
        atomic_fetch_add_explicit(&table->used, 1, memory_order_relaxed);
        return true;
    }
    return false;
}

static bool take_from(struct live_table *table, const void *ptr, struct gs_live *sample)
{
    size_t home = home_of(ptr, table);
    for (size_t at = home; at < home + NEIGHBOURS; at++) {
        if (atomic_load_explicit(&table->address[at], memory_order_relaxed) != (uintptr_t)ptr)
            continue;
        *sample = table->sample[at];
        atomic_store_explicit(
            &table->address[at], 0,
            memory_order_release); // after the copy: from now on another thread may take the slot
        atomic_fetch_sub_explicit(&table->used, 1, memory_order_relaxed);
        return true;
    }
    return false;
}

bool gs_heap_live_insert(const void *ptr, const struct gs_live *sample)
{
    if (!insert_into(&few, ptr, sample) && !insert_into(&many, ptr, sample))
        return false;
    gs_heap_filter_add(ptr);
    return true;
}

bool gs_heap_live_take(const void *ptr, struct gs_live *sample)
{
    if (!ptr)
        return false; // free(NULL) may get here if NULL's filter counter is set: do not match an empty slot
    if (!take_from(&few, ptr, sample) && !take_from(&many, ptr, sample))
        return false;
    filter_change(ptr, -1);
    return true;
}

static_assert(GS_LIVE_SLOTS == (1 << FEW_BITS) + (1 << MANY_BITS) + 2 * NEIGHBOURS,
              "every slot of both tables");

static uintptr_t address_in(const struct live_table *table, size_t at)
{
    return atomic_load_explicit(&table->address[at], memory_order_relaxed) & ~GS_NOTED;
}

uintptr_t gs_heap_live_address(size_t at)
{
    const size_t in_few = (1 << FEW_BITS) + NEIGHBOURS;
    if (at < in_few)
        return address_in(&few, at);
    if (atomic_load_explicit(&many.used, memory_order_relaxed) == 0)
        return 0; // its pages were never touched: do not touch them now
    return address_in(&many, at - in_few);
}

/* 16 Ki samples are enough: the standard error of the total is below 1 %. At 512 KiB a sample they stand for 8 GiB of small
 * blocks. From there on, each further Ki of samples doubles the distance: 1, 2, 4, … GiB more. So `many` is half empty when
 * the heap has 100 TiB. */
unsigned gs_heap_live_crowding(void)
{
    enum { ENOUGH = 1 << 14, STEP = 1 << 10 };
    uint32_t used = atomic_load_explicit(&many.used, memory_order_relaxed);
    return used < ENOUGH ? 0 : 1 + (used - ENOUGH) / STEP;
}
