/* notable.c - single allocations to remember: the largest one of late, and those that failed.
 *
 *   sampler.c ──▶ largest   size and stack in one word, replaced by any larger one until the watcher forgets it
 *             └─▶ failures  their number (weighed as samples are), and size and stack of the last one
 *
 * A size of several times the sampling distance is sampled with certainty, so the largest allocation is the true one if it is
 * that large. A failure of a small allocation is seen only if its turn to be sampled had come: the number is an estimate.
 * Who: host threads, at sampled allocations; the watcher reads at any time. */
#include "probe/heap/inside.h"

enum { STACK_BITS = 16 };
#define SIZE_MAX_KEPT (((uint64_t)1 << (64 - STACK_BITS)) - 1) // 256 TiB, more than the address space
_Static_assert(GS_STACKS_MAX <= 1 << STACK_BITS, "a stack's number fits into the word");

static _Atomic uint64_t largest, last_failure, failures;

static uint64_t as_word(size_t size, uint32_t stack)
{
    uint64_t kept = size < SIZE_MAX_KEPT ? size : SIZE_MAX_KEPT;
    return kept << STACK_BITS | stack;
}

static struct gs_notable_alloc of_word(uint64_t word)
{
    return (struct gs_notable_alloc){word >> STACK_BITS,
                                     (uint32_t)(word & (((uint64_t)1 << STACK_BITS) - 1))};
}

void gs_heap_notable_alloc(size_t size, uint32_t stack)
{
    uint64_t word = as_word(size, stack), before = atomic_load_explicit(&largest, memory_order_relaxed);
    while (before >> STACK_BITS < word >> STACK_BITS &&
           !atomic_compare_exchange_weak_explicit(&largest, &before, word, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

void gs_heap_notable_failure(size_t size, uint32_t stack, uint64_t objects)
{
    atomic_store_explicit(&last_failure, as_word(size, stack), memory_order_relaxed);
    atomic_fetch_add_explicit(&failures, objects, memory_order_release);
}

struct gs_notable_alloc gs_probe_largest_alloc(void)
{
    return of_word(atomic_load_explicit(&largest, memory_order_relaxed));
}

void gs_probe_forget_largest_alloc(struct gs_notable_alloc seen)
{
    uint64_t word = as_word(seen.bytes, seen.stack);
    atomic_compare_exchange_strong_explicit(&largest, &word, 0, memory_order_relaxed, memory_order_relaxed);
}

uint64_t gs_probe_alloc_failures(struct gs_notable_alloc *last)
{
    uint64_t objects = atomic_load_explicit(&failures, memory_order_acquire);
    *last = of_word(atomic_load_explicit(&last_failure, memory_order_relaxed));
    return objects >> GS_OBJECT_SHIFT;
}
