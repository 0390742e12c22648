/* scratch.c - room for one stack's frames, so that a walk does not need it on a host's stack of 16 KiB.
 *
 * Who:    host threads, also in signal handlers; the watcher. Taken with one compare-and-swap, never waited for.
 * Bounds: as many as threads can sample at the same instant, and more; when all are taken the sample is dropped. */
#include "probe/inside.h"

enum { SCRATCHES = 64 };

static struct gs_scratch scratches[SCRATCHES];

struct gs_scratch *gs_scratch_take(void)
{
    unsigned first = (unsigned)((uintptr_t)&gs_thread >> 12); // threads start at different places
    for (unsigned i = 0; i < SCRATCHES; i++) {
        struct gs_scratch *scratch = &scratches[(first + i) % SCRATCHES];
        bool taken = false;
        if (atomic_compare_exchange_strong_explicit(&scratch->taken, &taken, true, memory_order_acquire,
                                                    memory_order_relaxed))
            return scratch;
    }
    return NULL;
}

void gs_scratch_give(struct gs_scratch *scratch)
{
    atomic_store_explicit(&scratch->taken, false, memory_order_release);
}
