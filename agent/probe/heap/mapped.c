/* mapped.c - anonymous and shared memory that the host mapped outside malloc, and the stack that mapped it.
 *
 *   mmap     ──▶ record { start, end, stack, weight }   joined to a neighbour of the same stack, if there is one
 *   munmap   ──▶ the records that it touches are removed, cut, or split in two
 *   mprotect ──▶ a part of a reservation (mapped without access) becomes a record of the stack that opened it for writing
 *
 *   a record's start:  0 free ──CAS──▶ 1 being changed ──▶ its address, written last      (so a reader needs no lock)
 *
 * Who:    host threads, around their system calls: before munmap and after mmap, so that reused addresses never meet their
 *         old record. Two threads want the same record only if they unmap two parts of it, or join it, at the same moment:
 *         then one retries, at most RETRIES times.
 * Sampling: a mapping below the distance D is recorded with probability length / D, and then stands for D bytes: for D / length,
 *         its weight, mappings of its size. D is 64 KiB, for smaller mappings 256 KiB, so that they do not fill the table, which
 *         costs time; from a half-full table on it doubles with each 1/32 that is filled, so
 *         that the table does not fill up and estimates stay unbiased. Only records of weight 1 are joined.
 * Bounds: each call looks at all RECORDS, 1 ns each: a fraction of the system call's time. Mappings without room for a record,
 *         and changes given up after RETRIES, are counted as drops. In a full table, opened memory stays charged to the
 *         stack that reserved it. */
#include "probe/heap/inside.h"

enum {
    RECORDS = 1024,
    RETRIES = 1000,
    DOUBLINGS_MAX = 16,
    LARGE = 64 << 10,
    DISTANCE = 64 << 10,
    DISTANCE_OF_SMALL = 256 << 10
};
#define CHANGING ((uintptr_t)1)

static struct record {
    _Atomic uintptr_t start, end;
    _Atomic uint32_t stack, weight; // weight: in units of 1 / GS_MAPPED_ONE
} records[RECORDS];
static _Atomic uint32_t used; // number of records ever used: all later ones are free
static _Atomic uint32_t filled;
static _Atomic bool any_reserved;
static _Atomic uint64_t random_state; // two threads may draw the same number

static struct record *first_unused(void)
{
    return records + atomic_load_explicit(&used, memory_order_acquire);
}

static uintptr_t end_of(const struct record *r)
{
    return atomic_load_explicit(&r->end, memory_order_relaxed);
}

static bool claim(struct record *r, uintptr_t start)
{
    return atomic_compare_exchange_strong_explicit(&r->start, &start, CHANGING, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* Release the claimed record with the range START (0: free) to END. */
static void publish(struct record *r, uintptr_t start, uintptr_t end)
{
    atomic_store_explicit(&r->end, end, memory_order_relaxed);
    atomic_store_explicit(&r->start, start, memory_order_release);
}

static void count_loss(void)
{
    atomic_fetch_add_explicit(&gs_drops.mappings, 1, memory_order_relaxed);
}

/* ---- sampling ------------------------------------------------------------------------------------------------------- */

/* The distance D for a mapping of LENGTH bytes. */
static uint64_t distance(size_t length)
{
    uint32_t count = atomic_load_explicit(&filled, memory_order_relaxed);
    uint32_t doublings = count < RECORDS / 2 ? 0 : (count - RECORDS / 2) / (RECORDS / 32) + 1;
    return (uint64_t)(length < LARGE ? DISTANCE_OF_SMALL : DISTANCE)
           << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);
}

uint32_t gs_heap_mapped_weight(size_t length)
{
    uint64_t mean = distance(length);
    return length == 0 || length >= mean ? GS_MAPPED_ONE : (uint32_t)(mean * GS_MAPPED_ONE / length);
}

bool gs_heap_mapped_draw(size_t length)
{
    uint64_t mean = distance(length), state;
    if (length >= mean)
        return true;
    state = atomic_load_explicit(&random_state, memory_order_relaxed);
    if (GS_UNLIKELY(state == 0))
        state = (uintptr_t)&state; // differs from run to run
    uint64_t number = gs_heap_random(&state);
    atomic_store_explicit(&random_state, state, memory_order_relaxed);
    return number % mean < length; // mean is a power of two
}

/* ---- changes -------------------------------------------------------------------------------------------------------- */

/* Extend R by START to END if it has the same stack and borders on the range. False: not joined. */
static bool join(struct record *r, uintptr_t start, uintptr_t end, uint32_t stack)
{
    uintptr_t from = atomic_load_explicit(&r->start, memory_order_acquire);
    if (from <= CHANGING || atomic_load_explicit(&r->stack, memory_order_relaxed) != stack ||
        stack & GS_MAPPED_ALONE || atomic_load_explicit(&r->weight, memory_order_relaxed) != GS_MAPPED_ONE ||
        (from != end && end_of(r) != start) || !claim(r, from))
        return false;
    uintptr_t to = end_of(r);
    bool below = from == end, above = to == start; // checked again: now that it is claimed, nobody changes it
    publish(r, below ? start : from, above ? end : to);
    return below || above;
}

static void raise_used(uint32_t count)
{
    uint32_t seen = atomic_load_explicit(&used, memory_order_relaxed);
    while (seen < count && !atomic_compare_exchange_weak_explicit(&used, &seen, count, memory_order_release,
                                                                  memory_order_relaxed))
        ;
}

static void add_record(uintptr_t start, uintptr_t end, uint32_t stack, uint32_t weight)
{
    for (struct record *r = records; r < records + RECORDS; r++) {
        if (atomic_load_explicit(&r->start, memory_order_relaxed) != 0 || !claim(r, 0))
            continue;
        atomic_store_explicit(&r->stack, stack, memory_order_relaxed);
        atomic_store_explicit(&r->weight, weight, memory_order_relaxed);
        publish(r, start, end);
        atomic_fetch_add_explicit(&filled, 1, memory_order_relaxed);
        raise_used((uint32_t)(r - records) + 1);
        return;
    }
    count_loss();
}

/* Release the claimed record: it is free. */
static void free_record(struct record *r)
{
    publish(r, 0, 0);
    atomic_fetch_sub_explicit(&filled, 1, memory_order_relaxed);
}

/* Remove START to END from the claimed record, which starts at FROM, and release it. */
static void cut(struct record *r, uintptr_t from, uintptr_t start, uintptr_t end)
{
    uintptr_t to = end_of(r);
    bool head = from<start, tail = to> end;
    uint32_t stack = atomic_load_explicit(&r->stack, memory_order_relaxed),
             weight = atomic_load_explicit(&r->weight, memory_order_relaxed);
    if (to <= start || from >= end)
        publish(r, from, to); // another thread changed it before we claimed it
    else if (head)
        publish(r, from, start);
    else if (tail)
        publish(r, end, to);
    else
        free_record(r);
    if (to > start && head && tail)
        add_record(end, to, stack, weight);
}

static void forget_in(struct record *r, uintptr_t start, uintptr_t end)
{
    for (int i = 0; i < RETRIES; i++) {
        uintptr_t from = atomic_load_explicit(&r->start, memory_order_acquire);
        if (from == CHANGING)
            continue;
        if (from == 0 || from >= end || end_of(r) <= start)
            return;
        if (claim(r, from)) {
            cut(r, from, start, end);
            return;
        }
    }
    count_loss();
}

/* Does R neither overlap START to END nor border on it? True for nearly all: one look is enough. */
static inline bool is_apart(const struct record *r, uintptr_t start, uintptr_t end)
{
    uintptr_t from = atomic_load_explicit(&r->start, memory_order_acquire);
    return from == 0 || from > end || (from != CHANGING && end_of(r) < start);
}

void gs_heap_mapped_forget(uintptr_t start, uintptr_t end)
{
    if (start >= end)
        return; // the kernel refuses such a length
    for (struct record *r = records, *last = first_unused(); r < last; r++)
        if (GS_UNLIKELY(!is_apart(r, start, end)))
            forget_in(r, start, end);
}

void gs_heap_mapped_add(uintptr_t start, uintptr_t end, uint32_t stack, uint32_t weight)
{
    bool joined = false;
    if (start >= end)
        return;
    if (stack & GS_MAPPED_RESERVED)
        atomic_store_explicit(&any_reserved, true, memory_order_relaxed);
    gs_heap_regions_forget(start, end);
    for (struct record *r = records, *last = first_unused(); r < last; r++) {
        if (GS_LIKELY(is_apart(r, start, end)))
            continue;
        forget_in(r, start, end);
        joined = joined || (weight == GS_MAPPED_ONE && join(r, start, end, stack));
    }
    if (!joined)
        add_record(start, end, stack, weight);
}

/* Copy R to OUT; false if it is free or being changed. */
static bool read_record(const struct record *r, struct gs_mapped *out)
{
    out->start = atomic_load_explicit(&r->start, memory_order_acquire);
    out->end = end_of(r);
    out->stack = atomic_load_explicit(&r->stack, memory_order_relaxed);
    out->weight = atomic_load_explicit(&r->weight, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    return out->start > CHANGING && atomic_load_explicit(&r->start, memory_order_relaxed) == out->start;
}

bool gs_heap_mapped_find(uintptr_t at, struct gs_mapped *out)
{
    for (const struct record *r = records; r < first_unused(); r++)
        if (read_record(r, out) && out->start <= at && at < out->end)
            return true;
    return false;
}

/* Is R a reservation that overlaps START to END? Then OUT is the overlap. */
static bool is_reserved(const struct record *r, uintptr_t start, uintptr_t end, struct gs_mapped *out)
{
    if (!read_record(r, out) || !(out->stack & GS_MAPPED_RESERVED) || out->end <= start || out->start >= end)
        return false;
    out->start = out->start > start ? out->start : start;
    out->end = out->end < end ? out->end : end;
    return true;
}

bool gs_heap_mapped_is_reserved(uintptr_t start, uintptr_t end)
{
    struct gs_mapped overlap;
    if (!atomic_load_explicit(&any_reserved, memory_order_relaxed))
        return false;
    for (const struct record *r = records; r < first_unused(); r++)
        if (is_reserved(r, start, end, &overlap))
            return true;
    return false;
}

/* Are there free records for the opened part and for the rest behind it? */
static bool has_room(void)
{
    enum { NEEDED = 2 };
    size_t room = (size_t)(records + RECORDS - first_unused());
    for (const struct record *r = records; room < NEEDED && r < first_unused(); r++)
        room += atomic_load_explicit(&r->start, memory_order_relaxed) == 0;
    return room >= NEEDED;
}

void gs_heap_mapped_open(uintptr_t start, uintptr_t end, uint32_t stack)
{
    struct gs_mapped overlap;
    for (const struct record *r = records; r < first_unused(); r++)
        if (is_reserved(r, start, end, &overlap) && has_room())
            gs_heap_mapped_add(overlap.start, overlap.end, stack, overlap.weight);
}

bool gs_probe_mapped_next(size_t *at, struct gs_mapped *out)
{
    while (records + *at < first_unused())
        if (read_record(&records[(*at)++], out)) {
            out->stack &= ~(GS_MAPPED_RESERVED | GS_MAPPED_ALONE);
            return true;
        }
    return false;
}

void gs_heap_mapped_after_fork(void)
{
    for (struct record *r = records; r < first_unused(); r++)
        if (atomic_load_explicit(&r->start, memory_order_relaxed) == CHANGING)
            free_record(r); // the thread that was changing it does not exist in the child
}
