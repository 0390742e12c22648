/* note.c - blocks of the host's own allocators, reported by the host, sampled like malloc's. */
#include "probe/inside.h"

static __attribute__((noinline)) void sampled_note(void *ptr, size_t size)
{
    struct gs_caller caller = GS_CALLER();
    gs_sampler_record(ptr, size, gs_sampler_begin(size), caller);
}

void gs_probe_note_alloc(void *ptr, size_t size)
{
    if (ptr && gs_due(size))
        sampled_note(ptr, size);
}

void gs_probe_note_free(void *ptr)
{
    if (ptr && gs_maybe_sampled(ptr))
        gs_sampler_forget(ptr);
}
