/* lifetimes.c - how long sampled blocks lived until they were freed: a histogram for each stack.
 *
 *   free of a sampled block ──▶ first[64 Ki] by stack ──▶ entry[32 Ki] { class, objects, bytes, next } ──▶ …
 *   class of a lifetime: the length of its number of 4096 ns in bits: 0: shorter, 1: 4 µs, 2: 8 µs, … 44: 1.1 years
 *   an entry's life: reserved ──▶ filled ──CAS on first[stack]──▶ found; counted from then on, and never removed
 *
 * An entry is only added in front of a list that was searched before and has not changed since, so a list has each class once, and
 * is at most GS_LIFETIME_CLASSES long.
 * Who:    host threads, inside free; the watcher reads at any time, also while they count.
 * Bounds: .bss, 256 KiB + 768 KiB, touched as they fill, in order. When the entries run out, frees of new classes are counted as
 *         drops. Two threads that add the same class at the same moment may use two entries; one of them stays unused. */
#include "probe/heap/inside.h"
#include <assert.h>

enum { ENTRIES = 1 << 15, UNIT_SHIFT = 12 };

static _Atomic uint32_t first[GS_STACKS_MAX]; // number of an entry; 0: none
static struct lifetime_entry {
    uint32_t next, class; // do not change once the entry can be found
    _Atomic uint64_t objects, bytes;
} entry[ENTRIES];
static _Atomic uint32_t entries = 1; // 0 is none
static _Atomic uint64_t dropped;

static_assert(GS_LIFETIME_CLASSES > GS_BORN_BITS - UNIT_SHIFT,
              "a class for every time that the table of live samples can tell");

static uint32_t class_of(uint64_t lifetime_ns)
{
    uint64_t units = lifetime_ns >> UNIT_SHIFT;
    uint32_t class = units ? 64 - (uint32_t)__builtin_clzll(units) : 0;
    return class < GS_LIFETIME_CLASSES ? class : GS_LIFETIME_CLASSES - 1;
}

int64_t gs_probe_lifetime_from_ns(unsigned class)
{
    return class ? (int64_t)1 << (UNIT_SHIFT - 1 + class) : 0;
}

static uint32_t find(uint32_t at, uint32_t class)
{
    while (at && entry[at].class != class)
        at = entry[at].next;
    return at;
}

/* Reserve an entry. 0: none is left. The counter never exceeds ENTRIES, so it cannot wrap around. */
static uint32_t reserve(void)
{
    uint32_t seen = atomic_load_explicit(&entries, memory_order_relaxed);
    do {
        if (seen == ENTRIES)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&entries, &seen, seen + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return seen;
}

/* The entry of STACK and CLASS, added if it is new. 0: no room. */
static uint32_t find_or_add(uint32_t stack, uint32_t class)
{
    uint32_t head = atomic_load_explicit(&first[stack], memory_order_acquire), added = 0, found;
    while (!(found = find(head, class))) {
        if (!added)
            added = reserve();
        if (!added)
            return 0;
        entry[added].class = class;
        entry[added].next = head;
        if (atomic_compare_exchange_strong_explicit(&first[stack], &head, added, memory_order_release,
                                                    memory_order_acquire))
            return added;
    }
    return found;
}

void gs_heap_lifetimes_add(uint32_t stack, uint64_t lifetime_ns, uint64_t objects, uint64_t bytes)
{
    uint32_t at = find_or_add(stack, class_of(lifetime_ns));
    if (!at) {
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
        return;
    }
    atomic_fetch_add_explicit(&entry[at].objects, objects, memory_order_relaxed);
    atomic_fetch_add_explicit(&entry[at].bytes, bytes, memory_order_relaxed);
}

bool gs_probe_lifetimes_next(uint32_t stack, uint32_t *at, struct gs_lifetime *out)
{
    *at = *at ? entry[*at].next : atomic_load_explicit(&first[stack], memory_order_acquire);
    if (!*at)
        return false;
    out->class = entry[*at].class;
    out->objects = atomic_load_explicit(&entry[*at].objects, memory_order_relaxed);
    out->bytes = atomic_load_explicit(&entry[*at].bytes, memory_order_relaxed);
    return true;
}

uint64_t gs_probe_lifetimes_dropped(void)
{
    return atomic_load_explicit(&dropped, memory_order_relaxed);
}
