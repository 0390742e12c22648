/* user_alloc.c - blocks of the host's own allocators, reported by the host and sampled like malloc's.
 *
 * A pool's first block often has the address of the chunk that malloc returned: two blocks at one address. So a reported
 * block is stored under a key that no block of malloc's can have: its address with bit 63 set, above all user addresses.
 * Who: host threads. */
#include "probe/heap/inside.h"

static void *key_of(void *ptr)
{
    return (void *)((uintptr_t)ptr | GS_NOTED);
}

static __attribute__((noinline)) void sample_reported_block(void *ptr, size_t size)
{
    struct gs_caller caller = GS_CALLER();
    gs_heap_sampler_record(key_of(ptr), size, gs_heap_sampler_begin(size), caller);
}

void gs_probe_note_alloc(void *ptr, size_t size)
{
    if (ptr && gs_due(size))
        sample_reported_block(ptr, size);
}

void gs_probe_note_free(void *ptr)
{
    if (ptr && gs_maybe_sampled(ptr)) // the filter looks at the low half of an address
        gs_heap_sampler_forget(key_of(ptr));
}
