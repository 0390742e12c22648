/* live.c - the sampled blocks that are not yet freed, by address.
 *
 *   gs_filter[256 Ki]   a small counter for each group of addresses: free() needs one load and one branch to see "never
 *   sampled"
 *   few[2 Ki]           open addressing, at most NEIGHBOURS slots from the home slot: address 0 ──CAS──▶ ptr ──▶ 0; a second
 *                       array holds the samples
 *   many[64 Ki]         the same, for blocks that found no slot in few: so a small server touches few pages
 *
 *   a sample:     { stack and time of birth in one word, objects, bytes }      the word is 0 while the sample is being written
 *
 * Who:    the host thread that owns the block: between malloc and free no other thread may touch its entry, so a
 *         compare-and-swap on the slot is enough. A block that moves to another thread is ordered by the host's own
 *         synchronization. The watcher reads entries meanwhile; it passes over one that changes.
 * Order:  an entry is removed before the real free and added after the real malloc: an address that is reused at once never
 *         finds its old entry.
 * Bounds: fixed tables in .bss, touched as they fill. As they fill, the sampler widens its distance (gs_heap_live_crowding),
 *         so that they are large enough for any heap. A filter counter that reaches 255 stays there: its frees then always
 *         search the tables, and none is lost. */
#include "probe/heap/inside.h"
#include <assert.h>
#include <time.h>

enum { FEW_BITS = 11, MANY_BITS = 16, NEIGHBOURS = 32, SATURATED = 255 };
/* Time of birth: 44 bits of units of 4096 ns go round once in 2.2 years. */
enum { STACK_BITS = 20, BORN_BITS = 64 - STACK_BITS, BORN_SHIFT = 12 };
static_assert(GS_STACKS_MAX < 1 << STACK_BITS, "every stack's number fits");
static_assert(GS_BORN_BITS == BORN_BITS + BORN_SHIFT, "when they go round");

struct entry {
    _Atomic uint64_t stack_born; // born << STACK_BITS | stack
    _Atomic uint64_t objects, bytes;
};

static struct live_table { // NEIGHBOURS more slots: the last home slot has neighbours too
    unsigned bits;
    _Atomic uintptr_t *address;
    struct entry *entry;
    _Atomic uint32_t used;
} few = {FEW_BITS, (_Atomic uintptr_t[(1 << FEW_BITS) + NEIGHBOURS]){0},
         (struct entry[(1 << FEW_BITS) + NEIGHBOURS]){{0}}, 0},
  many = {MANY_BITS, (_Atomic uintptr_t[(1 << MANY_BITS) + NEIGHBOURS]){0},
          (struct entry[(1 << MANY_BITS) + NEIGHBOURS]){{0}}, 0};

_Atomic uint8_t gs_filter[1 << GS_FILTER_BITS];

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
}

static uint64_t pack(const struct gs_live *sample)
{
    uint64_t born = sample->born_ns >> BORN_SHIFT;
    return (born ? born : 1) << STACK_BITS | sample->stack;
}

/* Fill the entry of a slot that is ours. */
static void put(struct entry *entry, const struct gs_live *sample)
{
    atomic_thread_fence(memory_order_release); // a reader that sees these values sees that the word was 0
    atomic_store_explicit(&entry->objects, sample->objects, memory_order_relaxed);
    atomic_store_explicit(&entry->bytes, sample->bytes, memory_order_relaxed);
    atomic_store_explicit(&entry->stack_born, pack(sample), memory_order_release);
}

static struct gs_live read_entry(const struct entry *entry, memory_order order)
{
    uint64_t word = atomic_load_explicit(&entry->stack_born, order);
    return (struct gs_live){
        .stack = word & ((1 << STACK_BITS) - 1),
        .born_ns = word >> STACK_BITS << BORN_SHIFT,
        .objects = atomic_load_explicit(&entry->objects, memory_order_relaxed),
        .bytes = atomic_load_explicit(&entry->bytes, memory_order_relaxed),
    };
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
        put(&table->entry[at], sample);
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
        *sample = read_entry(&table->entry[at], memory_order_relaxed);
        atomic_store_explicit(&table->entry[at].stack_born, 0, memory_order_relaxed);
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

/* The table that slot AT of all slots is in, and its number there; NULL: a table whose pages were never touched, which must not
 * be touched now. */
static const struct live_table *table_of(size_t *at)
{
    const size_t in_few = (1 << FEW_BITS) + NEIGHBOURS;
    if (*at < in_few)
        return &few;
    *at -= in_few;
    return atomic_load_explicit(&many.used, memory_order_relaxed) ? &many : NULL;
}

uintptr_t gs_heap_live_address(size_t at)
{
    const struct live_table *table = table_of(&at);
    return table ? address_in(table, at) : 0;
}

/* The time of birth that the table has without its upper bits: of the times with these lower bits, the last one that has been.
 * A block may be a little younger than NOW_NS, which was read before it. */
static int64_t whole_time(uint64_t born_ns, int64_t now_ns)
{
    const uint64_t turn = 1ull << (BORN_BITS + BORN_SHIFT), younger = 1ull << 40;
    uint64_t age = ((uint64_t)now_ns - born_ns) & (turn - 1);
    return age < turn - younger ? now_ns - (int64_t)age : now_ns;
}

static bool read_slot(size_t at, int64_t now_ns, struct gs_live_sample *out)
{
    const struct live_table *table = table_of(&at);
    uintptr_t address = table ? atomic_load_explicit(&table->address[at], memory_order_acquire) : 0;
    if (!address)
        return false;
    struct gs_live seen = read_entry(&table->entry[at], memory_order_acquire);
    atomic_thread_fence(memory_order_acquire);
    *out = (struct gs_live_sample){
        .address = address & ~GS_NOTED,
        .stack = seen.stack,
        .born_ns = whole_time(seen.born_ns, now_ns),
        .objects = seen.objects,
        .bytes = seen.bytes,
    };
    return seen.born_ns &&
           atomic_load_explicit(&table->entry[at].stack_born, memory_order_relaxed) == pack(&seen) &&
           atomic_load_explicit(&table->address[at], memory_order_relaxed) == address;
}

bool gs_probe_live_next(size_t *at, struct gs_live_sample *out)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    while (*at < GS_LIVE_SLOTS)
        if (read_slot((*at)++, now_ns, out))
            return true;
    return false;
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
