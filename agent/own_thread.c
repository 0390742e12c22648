/* own_thread.c - own_thread.h in code. A thread inherits its creator's mask: there is no moment at which a signal could come. */
#include "own_thread.h"
#include "probe/probe.h"
#include <signal.h>

int gs_own_thread_start(pthread_t *thread, void *(*routine)(void *), void *argument, size_t stack_bytes)
{
    sigset_t all, old;
    pthread_attr_t attributes;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = gs_probe_create_own_thread(thread, &attributes, routine, argument);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return -error;
}
