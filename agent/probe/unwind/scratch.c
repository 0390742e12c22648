/* scratch.c - work memory for the frames of one stack: not on the host thread's stack, which may have only 16 KiB.
 *
 * Who:    host threads, also in signal handlers; the watcher. One compare-and-swap takes a scratch; no caller ever waits.
 * Bounds: SCRATCH_COUNT, more than threads usually sample at the same moment; when all are taken the sample is dropped. */
#include "probe/unwind/inside.h"

enum { SCRATCH_COUNT = 64 };

static struct gs_scratch scratches[SCRATCH_COUNT];
static _Atomic bool taken
    [SCRATCH_COUNT]; // a separate array, so that a forked child need not touch all the pages of scratches

struct gs_scratch *gs_unwind_scratch_take(void)
{
    unsigned first =
        (unsigned)((uintptr_t)&gs_thread >> 12); // each thread starts its search at another entry
    for (unsigned i = 0; i < SCRATCH_COUNT; i++) {
        unsigned index = (first + i) % SCRATCH_COUNT;
        bool expected = false;
        if (atomic_compare_exchange_strong_explicit(&taken[index], &expected, true, memory_order_acquire,
                                                    memory_order_relaxed))
            return &scratches[index];
    }
    return NULL;
}

void gs_unwind_scratch_give(struct gs_scratch *scratch)
{
    atomic_store_explicit(&taken[scratch - scratches], false, memory_order_release);
}

/* In the child: free the scratches that the parent's other threads had taken. If the calling thread itself is in the sampler
 * (it forked in a signal handler that interrupted the sampler), all stay taken. */
void gs_unwind_scratch_after_fork(void)
{
    for (unsigned i = 0; i < SCRATCH_COUNT && !gs_thread.busy; i++)
        atomic_store_explicit(&taken[i], false, memory_order_relaxed);
}
