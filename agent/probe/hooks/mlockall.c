/* mlockall.c - mlockall, taken over so that it locks the host's memory without ours.
 *
 *   mlockall(flags) ──▶ the listener (gs_probe_on_lock): has it locked all? ──▶ else the real function
 *
 * In libgumshoe.so alone. Who: host threads. Bounds: up to the listener. */
#include "probe/hooks/inside.h"
#include <errno.h>
#include <sys/mman.h>

#define HOOK __attribute__((visibility("default")))

static int (*real_mlockall)(int flags);

__attribute__((constructor)) static void find_real(void)
{
    gs_hooks_find_next(&real_mlockall, "mlockall");
}

HOOK int mlockall(int flags)
{
    bool (*listener)(int, int *) = atomic_load(&gs_hooks_lock_listener);
    int error = 0;
    if (!real_mlockall)
        find_real();
    if (!listener || gs_is_sandboxed() || !listener(flags, &error))
        return real_mlockall(flags);
    if (error)
        errno = -error;
    return error ? -1 : 0;
}
