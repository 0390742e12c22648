/* listeners.c - the listeners to the host's calls that change what a thread is (identity.c calls them), lock all memory
 * (mlockall.c), limit it (setrlimit.c), or run another program (exec.c). The command has no hooks: there nothing calls them.
 * Who: any thread sets the first four; the exec listeners are set once, before main. */
#include "probe/hooks/inside.h"

_Atomic(void (*)(enum gs_change)) gs_hooks_before_change, gs_hooks_after_change;

void gs_probe_on_change(void (*before)(enum gs_change), void (*after)(enum gs_change))
{
    atomic_store(&gs_hooks_before_change, before);
    atomic_store(&gs_hooks_after_change, after);
}

_Atomic(bool (*)(int, int *)) gs_hooks_lock_listener;

void gs_probe_on_lock(bool (*listener)(int flags, int *error))
{
    atomic_store(&gs_hooks_lock_listener, listener);
}

_Atomic(void (*)(uint64_t)) gs_hooks_limit_listener;

void gs_probe_on_limit(void (*listener)(uint64_t bytes))
{
    atomic_store(&gs_hooks_limit_listener, listener);
}

char *const *(*gs_hooks_exec_listener)(char *const envp[]);
void (*gs_hooks_exec_failed_listener)(char *const *changed);

void gs_probe_on_exec(char *const *(*change)(char *const envp[]), void (*failed)(char *const *changed))
{
    gs_hooks_exec_failed_listener = failed;
    gs_hooks_exec_listener = change;
}
