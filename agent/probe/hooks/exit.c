/* exit.c - _exit and _Exit, taken over to notice an end that runs no destructors.
 *
 *   _exit(status) ──▶ the listener (gs_probe_on_exit) ──▶ exit_group
 *
 * A forked child that has done its work (redis' snapshot, a worker of Python's) ends this way, without error; its black box
 * would else look like that of a killed process. The C library's own calls (exit, quick_exit) do not come through here.
 * Who: host threads, in signal handlers as well, and in children of vfork, which share our memory: the listener must handle
 * that. */
#include "probe/hooks/inside.h"
#include <sys/syscall.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default"), noreturn))

static _Atomic(void (*)(int status)) exit_listener;

void gs_probe_on_exit(void (*listener)(int status))
{
    atomic_store_explicit(&exit_listener, listener, memory_order_release);
}

HOOK void _exit(int status)
{
    void (*listener)(int) = atomic_load_explicit(&exit_listener, memory_order_acquire);
    if (listener)
        listener(status);
    for (;;)
        syscall(SYS_exit_group, status);
}

HOOK void _Exit(int status)
{
    _exit(status);
}
