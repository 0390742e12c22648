/* exit.c - _exit and _Exit, taken over to hear of an end that runs no destructors.
 *
 *   _exit(status) ──▶ whoever wants to know (gs_probe_tell_exit) ──▶ exit_group
 *
 * A forked child that has done its work (redis' snapshot, a worker of python's) ends this way and well; to whoever finds its
 * black box it would look like one that was killed. The C library's own calls (exit, quick_exit) do not come by here.
 * Who: host threads, in signal handlers as well, and in children of vfork, which share our memory: whoever is told must see
 * to that. */
#include "probe/hooks/inside.h"
#include <sys/syscall.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default"), noreturn))

static _Atomic(void (*)(int status)) told;

void gs_probe_tell_exit(void (*whom)(int status))
{
    atomic_store_explicit(&told, whom, memory_order_release);
}

HOOK void _exit(int status)
{
    void (*whom)(int) = atomic_load_explicit(&told, memory_order_acquire);
    if (whom)
        whom(status);
    for (;;)
        syscall(SYS_exit_group, status);
}

HOOK void _Exit(int status)
{
    _exit(status);
}
