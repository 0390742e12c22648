/* sandbox.c - threads that lock themselves into a sandbox: a filter of system calls (seccomp), or without the time stamp counter.
 *
 *   hooks/sandbox.c: a thread is about to enter one ──▶ what a walk of its stack would ask the kernel for is found now
 *                                                   ──▶ spare.c: no more signals; the filter may forbid the return from one
 *                                                   ──▶ from then on gs_is_sandboxed(): hooks make no system call on it
 *
 * A filter allows what the program itself needs, and often kills for every other call. So heap samples go on, as they need none;
 * what is lost: frames of a stack that is not the thread's own, the creator of new threads, libraries that were not seen before,
 * CPU samples, early wakes of the watcher. Threads and children that the thread creates inherit the sandbox. A sandbox that was there
 * when the program began is not known here: it let the loader work, and cannot be so narrow (docs/limits.md).
 * Who: host threads. */
#include "probe/threads/inside.h"
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

bool gs_probe_is_sandboxed(void)
{
    return gs_is_sandboxed();
}

/* The size of stack that the C library gives a thread whose creator asks for none; 0: not known. */
static size_t default_stack_size(void)
{
    pthread_attr_t attributes;
    size_t size = 0;
    if (pthread_getattr_default_np(&attributes) == 0) {
        (void)pthread_attr_getstacksize(&attributes, &size);
        (void)pthread_attr_destroy(&attributes);
    }
    return size;
}

bool gs_threads_sandbox_enter(bool every_thread)
{
    if (gs_is_sandboxed() || gs_thread.own)
        return false;
    int saved_errno = errno;
    uintptr_t top;
    size_t size;
    (void)gs_probe_stack_of((pid_t)syscall(SYS_gettid), &top, &size);
    gs_unwind_reach_settle(false, size ? size : default_stack_size());
    gs_threads_spare(GS_SPARED_SANDBOX);
    gs_thread.sandboxed = true;
    if (every_thread) {
        atomic_store(&gs_all_sandboxed, true);
        gs_threads_cpu_end_timers();
    }
    errno = saved_errno;
    return true;
}

/* It stays among the threads that are not signaled. */
void gs_threads_sandbox_leave(void)
{
    gs_thread.sandboxed = false;
    atomic_store(&gs_all_sandboxed, false);
}

void gs_threads_sandbox_inherit(size_t stack_size)
{
    gs_thread.sandboxed = true;
    gs_unwind_reach_settle(true, stack_size ? stack_size : default_stack_size());
}
