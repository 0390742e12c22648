/* thread.c - each thread's own state (probe/inside.h). It starts zeroed, which means: not ready, next allocation due.
 * Who: each thread its own, in malloc, in free and in the signal handler. */
#include "probe/threads/inside.h"
#include <time.h>

_Thread_local struct gs_thread gs_thread;
_Atomic bool gs_all_sandboxed;

/* The coarse clock is read from a page of memory. The finer one may need the time stamp counter, or a system call. */
int64_t gs_threads_now_ns(void)
{
    struct timespec now;
    clock_gettime(gs_is_sandboxed() ? CLOCK_MONOTONIC_COARSE : CLOCK_MONOTONIC, &now);
    return now.tv_sec * (int64_t)1000000000 + now.tv_nsec;
}
