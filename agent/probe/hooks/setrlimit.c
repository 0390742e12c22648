/* setrlimit.c - setrlimit and prlimit, taken over so that the agent's reserve does not use up what the host allows itself.
 *
 *   a new limit of the address space (RLIMIT_AS) of this process ──▶ the real function ──▶ the listener (gs_probe_on_limit)
 *
 * In libgumshoe.so alone. Who: host threads; a child of vfork has limits of its own and our memory: there nothing is done (x86-64).
 * Bounds: up to the listener. errno is the real call's. */
#include "probe/hooks/inside.h"
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#define HOOK __attribute__((visibility("default")))

static struct {
    int (*setrlimit)(__rlimit_resource_t, const struct rlimit64 *);
    int (*prlimit)(pid_t, __rlimit_resource_t, const struct rlimit64 *, struct rlimit64 *);
} real;

/* On 64-bit machines both pairs of names are the same functions. */
_Static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "one type of limit");

__attribute__((constructor)) static void find_both(void)
{
    gs_hooks_find_next(&real.setrlimit, "setrlimit64");
    gs_hooks_find_next(&real.prlimit, "prlimit64");
}

static void tell(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
    void (*listener)(uint64_t) = atomic_load(&gs_hooks_limit_listener);
    int saved_errno = errno;
    if (listener && resource == RLIMIT_AS && limit && limit->rlim_cur != RLIM64_INFINITY &&
        !gs_is_sandboxed() && !gs_hooks_is_vfork_child())
        listener(limit->rlim_cur);
    errno = saved_errno;
}

HOOK int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit)
{
    if (!real.setrlimit)
        find_both();
    int result = real.setrlimit(resource, limit);
    if (result == 0)
        tell(resource, limit);
    return result;
}

HOOK int prlimit64(pid_t pid, __rlimit_resource_t resource, const struct rlimit64 *limit,
                   struct rlimit64 *old)
{
    if (!real.prlimit)
        find_both();
    int result = real.prlimit(pid, resource, limit, old);
    if (result == 0 && (pid == 0 || pid == getpid()))
        tell(resource, limit);
    return result;
}

__asm__(".globl setrlimit\n"
        ".set setrlimit, setrlimit64\n"
        ".globl prlimit\n"
        ".set prlimit, prlimit64\n");
