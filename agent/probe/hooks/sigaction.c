/* sigaction.c - sigaction, signal, sigaltstack and their variants, taken over so that the program never sees the crash
 * handler (threads/crash.c), nor its signal stacks.
 *
 *   the real function ──▶ the previous action was our handler? ──▶ the program gets the action that ours had replaced
 *
 * A program decides by that answer whether a signal is free, and hands it back later. While our handler is not set, these
 * only pass the call on.
 * In libgumshoe.so alone. Who: host threads, in signal handlers and in children of vfork too. */
#include "probe/hooks/inside.h"
#include <errno.h>
#include <signal.h>
#include <string.h>

#define HOOK __attribute__((visibility("default")))

typedef int sigaction_function(int, const struct sigaction *, struct sigaction *);
typedef __sighandler_t signal_function(int, __sighandler_t);
typedef int sigaltstack_function(const stack_t *, stack_t *);

static struct {
    sigaction_function *sigaction;
    signal_function *signal, *sysv_signal, *sigset;
    sigaltstack_function *sigaltstack;
} real;

/* Found when the library is loaded: all may be called in signal handlers. */
__attribute__((constructor)) static void find_all(void)
{
    gs_hooks_find_next(&real.sigaction, "sigaction");
    gs_hooks_find_next(&real.signal, "signal");
    gs_hooks_find_next(&real.sysv_signal, "__sysv_signal");
    gs_hooks_find_next(&real.sigset, "sigset");
    gs_hooks_find_next(&real.sigaltstack, "sigaltstack");
}

static void hide(int number, struct sigaction *old)
{
    if (old && gs_threads_crash_is_handler(old))
        gs_threads_crash_host_action(number, old);
}

HOOK int sigaction(int number, const struct sigaction *new, struct sigaction *old)
{
    if (!real.sigaction)
        find_all();
    int result = real.sigaction(number, new, old);
    if (result == 0)
        hide(number, old);
    return result;
}

int __sigaction(int number, const struct sigaction *new, struct sigaction *old); // its other name
HOOK int __sigaction(int number, const struct sigaction *new, struct sigaction *old)
{
    return sigaction(number, new, old);
}

/* The handlers that signal(3) and its variants return have no flags: compare the address. */
static __sighandler_t hide_handler(__sighandler_t old)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    memcpy(&action.sa_sigaction, &old, sizeof old);
    return old != SIG_ERR && gs_threads_crash_is_handler(&action) ? SIG_DFL : old;
}

HOOK __sighandler_t signal(int number, __sighandler_t handler)
{
    if (!real.signal)
        find_all();
    return hide_handler(real.signal(number, handler));
}

HOOK __sighandler_t ssignal(int number, __sighandler_t handler)
{
    return signal(number, handler);
}

__sighandler_t bsd_signal(int number, __sighandler_t handler); // no longer declared
HOOK __sighandler_t bsd_signal(int number, __sighandler_t handler)
{
    return signal(number, handler);
}

HOOK __sighandler_t __sysv_signal(int number, __sighandler_t handler)
{
    if (!real.sysv_signal)
        find_all();
    return hide_handler(real.sysv_signal(number, handler));
}

HOOK __sighandler_t sysv_signal(int number, __sighandler_t handler)
{
    return __sysv_signal(number, handler);
}

__sighandler_t sigset(int number, __sighandler_t handler);
HOOK __sighandler_t sigset(int number, __sighandler_t handler)
{
    if (!real.sigset)
        find_all();
    return hide_handler(real.sigset(number, handler));
}

HOOK int sigaltstack(const stack_t *new, stack_t *old)
{
    if (!real.sigaltstack)
        find_all();
    int result = real.sigaltstack(new, old);
    if (result == 0 && old && !(old->ss_flags & SS_DISABLE) && gs_threads_alternate_stack_is_ours(old->ss_sp))
        *old = (stack_t){.ss_flags = SS_DISABLE};
    return result;
}
