/* user_alloc.c - blocks of the host's own allocators, reported by the host, sampled like malloc's.
 *
 * A pool's first block often lies where the chunk does that malloc returned: two blocks at one address. So a noted block is
 * kept under an address that no block of malloc's can have, one bit beyond what programs are given.
 * Who: host threads. */
#include "probe/heap/inside.h"

static void *key_of(void *ptr)
{
    return (void *)((uintptr_t)ptr | GS_NOTED);
}

static __attribute__((noinline)) void sampled_note(void *ptr, size_t size)
{
    struct gs_caller caller = GS_CALLER();
    gs_heap_sampler_record(key_of(ptr), size, gs_heap_sampler_begin(size), caller);
}

void gs_probe_note_alloc(void *ptr, size_t size)
{
    if (ptr && gs_due(size))
        sampled_note(ptr, size);
}

void gs_probe_note_free(void *ptr)
{
    if (ptr && gs_maybe_sampled(ptr)) // the filter looks at the low half of an address
        gs_heap_sampler_forget(key_of(ptr));
}
