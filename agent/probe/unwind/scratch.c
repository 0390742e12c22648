/* scratch.c - room for one stack's frames, so that a walk does not need it on a host's stack of 16 KiB.
 *
 * Who:    host threads, also in signal handlers; the watcher. Taken with one compare-and-swap, never waited for.
 * Bounds: as many as threads can sample at the same instant, and more; when all are taken the sample is dropped. */
#include "probe/unwind/inside.h"

enum { SCRATCHES = 64 };

static struct gs_scratch scratches[SCRATCHES];
static _Atomic bool
    taken[SCRATCHES]; // beside each other, so that a forked child need not look through all of the above

struct gs_scratch *gs_unwind_scratch_take(void)
{
    unsigned first = (unsigned)((uintptr_t)&gs_thread >> 12); // threads start at different places
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

/* What the parent's other threads had taken is free here: they are not. What the calling thread holds (a signal handler that
 * forks has interrupted it) stays taken. */
void gs_unwind_scratch_after_fork(void)
{
    for (unsigned i = 0; i < SCRATCHES && !gs_thread.busy; i++)
        atomic_store_explicit(&taken[i], false, memory_order_relaxed);
}
