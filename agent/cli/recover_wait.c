/* recover_wait.c - the wait for another process that makes incidents of the dead in the same store. It takes a second or so an
 * incident; a process that is stopped, or waits for a disk, may take for ever. */
#include "base/clock.h"
#include "cli/cli.h"
#include "incident/incident.h"
#include <stdio.h>
#include <time.h>

#define TELL_NS     GS_NS_PER_S
#define PATIENCE_NS (10 * GS_NS_PER_S)
#define PAUSE_NS    (20 * GS_NS_PER_MS)

static const char *name_process(int pid, char out[32])
{
    snprintf(out, 32, pid ? "process %d" : "another process", pid);
    return out;
}

bool gs_cli_recover_wait(struct gs_cli_recover_wait *wait)
{
    char name[32];
    int64_t now_ns = gs_clock_monotonic_ns();
    if (!wait->began_ns)
        wait->began_ns = now_ns;
    int64_t waited_ns = now_ns - wait->began_ns;
    if (!wait->told && waited_ns >= TELL_NS) {
        gs_cli_complain(GS_FINE, "%s: waiting up to %lld s while %s makes an incident of a process that died",
                        wait->dir, (long long)(PATIENCE_NS / GS_NS_PER_S),
                        name_process(gs_incident_recovering_pid(wait->store), name));
        wait->told = true;
    }
    if (waited_ns >= PATIENCE_NS) {
        gs_cli_complain(GS_FINE, "%s: %s still makes an incident: not waiting any longer", wait->dir,
                        name_process(gs_incident_recovering_pid(wait->store), name));
        return false;
    }
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL); // a signal ends it early
    return true;
}
