/* sigmask.c - pthread_sigmask and sigprocmask, taken over so that no signal of ours comes out of the host's sigwait.
 *
 *   a thread blocks the borrowed signal ──▶ the real call ──▶ its CPU timer ends, and what the timer had sent is taken back
 *
 * A thread that blocks it is not sampled: the watcher finds it, and the profile says so (gather/cpu.c).
 * In libgumshoe.so alone. Who: host threads, in signal handlers too. Bounds: where no CPU time is sampled, a load. */
#include "probe/hooks/inside.h"
#include <errno.h>
#include <string.h>

#define HOOK __attribute__((visibility("default")))

typedef int mask_function(int, const sigset_t *, sigset_t *);

static mask_function *real_pthread_sigmask, *real_sigprocmask;

static void find(mask_function **slot, const char *name)
{
    void *found = gs_hooks_next_object_has(name);
    memcpy(slot, &found, sizeof found);
}

/* As the library is loaded: both may be called in signal handlers. */
__attribute__((constructor)) static void find_both(void)
{
    find(&real_pthread_sigmask, "pthread_sigmask");
    find(&real_sigprocmask, "sigprocmask");
}

static void look_at(int how, const sigset_t *set)
{
    if (set && how != SIG_UNBLOCK)
        gs_threads_cpu_block(set);
}

HOOK int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    if (!real_pthread_sigmask)
        find_both();
    int result = real_pthread_sigmask(how, set, old);
    look_at(how, set);
    return result;
}

HOOK int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    if (!real_sigprocmask)
        find_both();
    int result = real_sigprocmask(how, set, old);
    look_at(how, set);
    return result;
}
