/* descriptors.c - which stack opened each of the host's descriptors.
 *
 *   open, accept, … ──▶ walk, intern ──▶ opener[descriptor]      beyond WALKS in PERIOD_NS: the caller alone, without a walk
 *   close           ──▶ opener[descriptor] = 0, before the real call, because of reuse
 *
 * An entry says who opened its number last, not that it is open: a reader compares it with /proc/self/fd.
 * Who:    host threads add and remove, in signal handlers, too; the watcher reads at any time. One atomic store each: two
 *         threads never open the same number at once.
 * Bounds: .bss, of which a program touches 4 bytes for each descriptor. Descriptors of GS_DESCRIPTORS_MAX and above are not
 *         recorded. A walk costs 0.1 to 0.3 µs, so walks take at most 1/1000 of one CPU; the clock is read only when the walks
 *         of a period are used up. */
#include "probe/inside.h"
#include <time.h>

enum { WALKS = 200, KIND_SHIFT = 24, CALLER_ONLY_SHIFT = 31 };
#define PERIOD_NS ((int64_t)100 * 1000000)
_Static_assert(GS_STACKS_MAX < 1 << KIND_SHIFT, "a stack's number plus 1 fits below the kind");

static _Atomic uint32_t opener[GS_DESCRIPTORS_MAX]; // stack + 1 | kind | caller only; 0: not known
static struct {                                     // in one cache line
    _Atomic int64_t period_ns;                      // when this period began
    _Atomic int32_t walks_left;
    _Atomic uint32_t end; // descriptors below it were recorded at some time
    _Atomic bool seen;    // our hooks see the calls, and may record them
} state __attribute__((aligned(64))) = {.walks_left = WALKS};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Is there a walk left in this period? */
static bool may_walk(void)
{
    if (atomic_load_explicit(&state.walks_left, memory_order_relaxed) > 0 &&
        atomic_fetch_sub_explicit(&state.walks_left, 1, memory_order_relaxed) > 0)
        return true;
    int64_t now = now_ns(), began = atomic_load_explicit(&state.period_ns, memory_order_relaxed);
    if (now - began < PERIOD_NS ||
        !atomic_compare_exchange_strong_explicit(&state.period_ns, &began, now, memory_order_relaxed,
                                                 memory_order_relaxed))
        return false;
    atomic_store_explicit(&state.walks_left, WALKS - 1, memory_order_relaxed);
    return true;
}

static void raise_end(uint32_t to)
{
    uint32_t seen = atomic_load_explicit(&state.end, memory_order_relaxed);
    while (seen < to && !atomic_compare_exchange_weak_explicit(&state.end, &seen, to, memory_order_relaxed,
                                                               memory_order_relaxed))
        ;
}

void gs_probe_descriptor_opened(int fd, enum gs_descriptor_kind kind, struct gs_caller caller)
{
    uint32_t stack, entry = 0;
    if ((unsigned)fd >= GS_DESCRIPTORS_MAX || !gs_probe_descriptors_are_seen())
        return;
    if (may_walk() && gs_heap_sampler_stack(caller, &stack))
        entry = stack + 1;
    else if (gs_heap_sampler_caller(caller, &stack))
        entry = (stack + 1) | 1u << CALLER_ONLY_SHIFT;
    if (entry)
        entry |= (uint32_t)kind << KIND_SHIFT;
    atomic_store_explicit(&opener[fd], entry, memory_order_relaxed);
    raise_end((uint32_t)fd + 1);
}

enum gs_descriptor_kind gs_probe_descriptor_kind(int fd)
{
    struct gs_descriptor seen;
    return fd >= 0 && gs_probe_descriptor((unsigned)fd, &seen) ? seen.kind : GS_DESCRIPTOR_ANY;
}

void gs_probe_descriptors_closing(unsigned first, unsigned last)
{
    unsigned past = atomic_load_explicit(&state.end, memory_order_relaxed);
    for (unsigned fd = first; fd < past && fd <= last; fd++)
        if (atomic_load_explicit(&opener[fd], memory_order_relaxed))
            atomic_store_explicit(&opener[fd], 0, memory_order_relaxed);
}

bool gs_probe_descriptor(unsigned fd, struct gs_descriptor *out)
{
    uint32_t entry = fd < GS_DESCRIPTORS_MAX ? atomic_load_explicit(&opener[fd], memory_order_relaxed) : 0;
    if (!entry)
        return false;
    *out = (struct gs_descriptor){
        .stack = (entry & ((1u << KIND_SHIFT) - 1)) - 1,
        .kind = (enum gs_descriptor_kind)(entry >> KIND_SHIFT & 0x7f),
        .caller_only = entry >> CALLER_ONLY_SHIFT,
    };
    return true;
}

void gs_probe_descriptors_hook(void)
{
    atomic_store_explicit(&state.seen, !gs_probe_cannot_serve(), memory_order_relaxed);
}

bool gs_probe_descriptors_are_seen(void)
{
    return atomic_load_explicit(&state.seen, memory_order_relaxed);
}
