/* sigmask.c - pthread_sigmask and sigprocmask, taken over so that the host's sigwait never returns a signal of ours.
 *
 *   a thread blocks the borrowed signal ──▶ the real call ──▶ delete its CPU timer, discard the signal that it had sent
 *
 * A thread that blocks the signal is not sampled: the watcher finds it, and the profile reports it (gather/cpu.c).
 * In libgumshoe.so alone. Who: host threads, in signal handlers too. Bounds: one load while no CPU time is sampled. */
#include "probe/hooks/inside.h"
#include <errno.h>

#define HOOK __attribute__((visibility("default")))

typedef int mask_function(int, const sigset_t *, sigset_t *);

static mask_function *real_pthread_sigmask, *real_sigprocmask;

/* Found when the library is loaded: both may be called in signal handlers. */
__attribute__((constructor)) static void find_both(void)
{
    gs_hooks_find_next(&real_pthread_sigmask, "pthread_sigmask");
    gs_hooks_find_next(&real_sigprocmask, "sigprocmask");
}

static void stop_if_blocked(int how, const sigset_t *set)
{
    if (set && how != SIG_UNBLOCK)
        gs_threads_cpu_block(set);
}

HOOK int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    if (!real_pthread_sigmask)
        find_both();
    int result = real_pthread_sigmask(how, set, old);
    stop_if_blocked(how, set);
    return result;
}

HOOK int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    if (!real_sigprocmask)
        find_both();
    int result = real_sigprocmask(how, set, old);
    stop_if_blocked(how, set);
    return result;
}
