/* listeners.c - who hears of the host's calls that change what a thread is (identity.c tells), or that run another program
 * (exec.c). In the command there are no hooks, so nobody tells.
 * Who: any thread sets the first; the second is set once, before main. */
#include "probe/hooks/inside.h"

_Atomic(void (*)(enum gs_change)) gs_told_before, gs_told_after;

void gs_probe_tell_change(void (*before)(enum gs_change), void (*after)(enum gs_change))
{
    atomic_store(&gs_told_before, before);
    atomic_store(&gs_told_after, after);
}

char *const *(*gs_told_exec)(char *const envp[]);
void (*gs_told_exec_failed)(char *const *changed);

void gs_probe_tell_exec(char *const *(*change)(char *const envp[]), void (*failed)(char *const *changed))
{
    gs_told_exec_failed = failed;
    gs_told_exec = change;
}
