/* stacks.c - every distinct stack once, and what it holds.
 *
 *   hash(frames) ──▶ slot[128 Ki] ──▶ entry[64 Ki] { hash, depth, counters } ──▶ frame[1 Mi]
 *   a slot's life:   0 ──CAS──▶ number of an entry, never changed again: a reader needs no lock
 *   an entry's life: reserved ──▶ filled ──release──▶ live
 *   changed[1 Ki]:   one bit for each stack: its counters changed since gs_probe_stacks_changed last read the bit
 *
 * Entries and frames are handed out in order, so that a program with few stacks touches few pages; only the slots
 * are scattered.
 * Who:    host threads add and count; the watcher reads at any time, also while they count.
 * Bounds: .bss. When entries or frames run out, or the table of libraries is full, samples are charged to stack 0, "(table
 *         full)", and counted as drops.
 *         Two threads that add the same new stack at the same moment may use two entries; one of them stays unused. */
#include "probe/heap/inside.h"
#include <string.h>

enum { SLOT_BITS = 17, SLOTS = 1 << SLOT_BITS, PROBES = 64, FRAMES = 1 << 20 };

static _Atomic uint32_t slot[SLOTS];
static _Atomic uint64_t changed[GS_STACKS_MAX / 64];
static struct gs_stack_entry entry[GS_STACKS_MAX];
static uintptr_t frame[FRAMES];
static _Atomic uint32_t entries = 1; // 0 is GS_STACK_TABLE_FULL
static _Atomic uint32_t frames;
const struct gs_anchor_stacks gs_anchor_stacks = {entry, &entries, frame};

static uint64_t hash_of(const uintptr_t *from, uint32_t depth, uint32_t labels)
{
    uint64_t h = (uint64_t)labels << 32 | depth;
    for (uint32_t i = 0; i < depth; i++) {
        h = (h ^ from[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

static bool same(const struct gs_stack_entry *e, uint64_t hash, const uintptr_t *from, uint32_t depth,
                 uint32_t labels)
{
    uint32_t live = atomic_load_explicit(&e->depth_live, memory_order_acquire);
    return (live & 1) && e->hash == hash && live >> 2 == depth && e->labels == labels &&
           memcmp(&frame[e->first_frame], from, depth * sizeof *from) == 0;
}

/* Reserve COUNT of the MAX items; false when too few are left. *USED never exceeds MAX, so it cannot wrap around. */
static bool reserve(_Atomic uint32_t *used, uint32_t count, uint32_t max, uint32_t *first)
{
    uint32_t seen = atomic_load_explicit(used, memory_order_relaxed);
    do {
        if (count > max - seen)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(used, &seen, seen + count, memory_order_relaxed,
                                                    memory_order_relaxed));
    *first = seen;
    return true;
}

static uint32_t add(uint64_t hash, const uintptr_t *from, uint32_t depth, bool cut, uint32_t labels)
{
    uint32_t number, first;
    if (!reserve(&frames, depth, FRAMES, &first) || !reserve(&entries, 1, GS_STACKS_MAX, &number))
        return GS_STACK_TABLE_FULL;
    memcpy(&frame[first], from, depth * sizeof *from);
    entry[number].hash = hash;
    entry[number].first_frame = first;
    entry[number].labels = labels;
    atomic_store_explicit(&entry[number].depth_live, depth << 2 | (uint32_t)cut << 1 | 1,
                          memory_order_release);
    return number;
}

uint32_t gs_heap_stack_intern(const uintptr_t *from, uint32_t depth, bool cut, uint32_t labels)
{
    uint64_t hash = hash_of(from, depth, labels);
    uint32_t new_number = GS_STACK_TABLE_FULL;
    for (uint32_t i = 0; i < PROBES; i++) {
        _Atomic uint32_t *at = &slot[((hash >> (64 - SLOT_BITS)) + i) & (SLOTS - 1)];
        uint32_t number = atomic_load_explicit(at, memory_order_acquire);
        if (number == 0) {
            if (new_number == GS_STACK_TABLE_FULL && gs_unwind_libraries_note(from, depth))
                new_number = add(hash, from, depth, cut, labels);
            if (new_number == GS_STACK_TABLE_FULL)
                break;
            if (atomic_compare_exchange_strong_explicit(at, &number, new_number, memory_order_release,
                                                        memory_order_acquire))
                return new_number;
        }
        if (same(&entry[number], hash, from, depth, labels))
            return number;
    }
    atomic_fetch_add_explicit(&gs_drops.stacks_full, 1, memory_order_relaxed);
    return GS_STACK_TABLE_FULL;
}

/* Called after the counters were changed: whoever takes the bit sees the new counters. */
static void mark_changed(uint32_t stack)
{
    atomic_fetch_or_explicit(&changed[stack / 64], (uint64_t)1 << stack % 64, memory_order_release);
}

uint64_t gs_probe_stacks_changed(uint32_t group)
{
    if (!atomic_load_explicit(&changed[group], memory_order_relaxed))
        return 0;
    return atomic_exchange_explicit(&changed[group], 0, memory_order_acquire);
}

void gs_heap_stack_count_alloc(uint32_t stack, uint64_t objects, uint64_t bytes)
{
    struct gs_stack_entry *e = &entry[stack];
    atomic_fetch_add_explicit(&e->alloc_objects, objects, memory_order_relaxed);
    atomic_fetch_add_explicit(&e->alloc_space, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&e->inuse_objects, objects, memory_order_relaxed);
    atomic_fetch_add_explicit(&e->inuse_space, bytes, memory_order_relaxed);
    mark_changed(stack);
}

void gs_heap_stack_count_free(uint32_t stack, uint64_t objects, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&entry[stack].inuse_objects, objects, memory_order_relaxed);
    atomic_fetch_sub_explicit(&entry[stack].inuse_space, bytes, memory_order_relaxed);
    mark_changed(stack);
}

void gs_heap_stack_count_thread(uint32_t stack)
{
    atomic_fetch_add_explicit(&entry[stack].threads, 1, memory_order_relaxed);
}

uint32_t gs_probe_stack_threads(uint32_t stack)
{
    return atomic_load_explicit(&entry[stack].threads, memory_order_relaxed);
}

uint32_t gs_probe_stack_count(void)
{
    return atomic_load_explicit(&entries, memory_order_acquire);
}

const uintptr_t *gs_probe_stack_frames(uint32_t stack, uint32_t *depth, bool *cut)
{
    uint32_t live = atomic_load_explicit(&entry[stack].depth_live, memory_order_acquire);
    *depth = live >> 2;
    *cut = live >> 1 & 1;
    return &frame[entry[stack].first_frame];
}

uint32_t gs_probe_stack_labels(uint32_t stack)
{
    return entry[stack].labels;
}

struct gs_heap_counts gs_probe_stack_counts(uint32_t stack)
{
    struct gs_stack_entry *e = &entry[stack];
    struct gs_heap_counts counts = {
        .alloc_objects = atomic_load_explicit(&e->alloc_objects, memory_order_relaxed),
        .alloc_space = atomic_load_explicit(&e->alloc_space, memory_order_relaxed),
        .inuse_objects = atomic_load_explicit(&e->inuse_objects, memory_order_relaxed),
        .inuse_space = atomic_load_explicit(&e->inuse_space, memory_order_relaxed),
    };
    return counts;
}
