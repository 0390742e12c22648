/* scratch.c - work memory for one stack's frames, so that a walk does not need it on a host's stack of 16 KiB.
 *
 * Who:    host threads, also in signal handlers; the watcher. Taken with one compare-and-swap, never waited for.
 * Bounds: SCRATCHES, more than threads usually sample at the same moment; when all are taken the sample is dropped. */
#include "probe/unwind/inside.h"

enum { SCRATCHES = 64 };

static struct gs_scratch scratches[SCRATCHES];
static _Atomic bool
    taken[SCRATCHES]; // an array of its own, so that a forked child need not touch all the pages above

struct gs_scratch *gs_unwind_scratch_take(void)
{
    unsigned first =
        (unsigned)((uintptr_t)&gs_thread >> 12); // each thread starts its search at another entry
    for (unsigned i = 0; i < SCRATCHES; i++) {
        unsigned at = (first + i) % SCRATCHES;
        bool there = false;
        if (atomic_compare_exchange_strong_explicit(&taken[at], &there, true, memory_order_acquire,
                                                    memory_order_relaxed))
            return &scratches[at];
    }
    return NULL;
}

void gs_unwind_scratch_give(struct gs_scratch *scratch)
{
    atomic_store_explicit(&taken[scratch - scratches], false, memory_order_release);
}

/* Free what the parent's other threads had taken. What the calling thread holds (it forks in a signal handler that
 * interrupted the sampler) stays taken. */
void gs_unwind_scratch_after_fork(void)
{
    for (unsigned i = 0; i < SCRATCHES && !gs_thread.busy; i++)
        atomic_store_explicit(&taken[i], false, memory_order_relaxed);
}
