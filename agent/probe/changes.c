/* changes.c - who hears of the host's calls that change what a thread is; hooks_identity.c tells. Who: any thread. */
#include "probe/inside.h"

_Atomic(void (*)(enum gs_change)) gs_told_before, gs_told_after;

void gs_probe_tell_change(void (*before)(enum gs_change), void (*after)(enum gs_change))
{
    atomic_store(&gs_told_before, before);
    atomic_store(&gs_told_after, after);
}
