/* recover_wait.c - waits for another process that makes incidents of dead processes in the same store. One incident takes about
 * a second; a process that is stopped, or waits for a disk, may never finish, so the wait is bounded. */
#include "base/clock.h"
#include "cli/cli.h"
#include "incident/incident.h"
#include <stdio.h>
#include <time.h>

#define REPORT_AFTER_NS GS_NS_PER_S
#define WAIT_MAX_NS     (10 * GS_NS_PER_S)
#define PAUSE_NS        (20 * GS_NS_PER_MS)

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
    if (!wait->reported && waited_ns >= REPORT_AFTER_NS) {
        gs_cli_complain(GS_EXIT_OK,
                        "%s: waiting up to %lld s while %s makes an incident of a process that died",
                        wait->dir, (long long)(WAIT_MAX_NS / GS_NS_PER_S),
                        name_process(gs_incident_recovering_pid(wait->store), name));
        wait->reported = true;
    }
    if (waited_ns >= WAIT_MAX_NS) {
        gs_cli_complain(GS_EXIT_OK, "%s: %s still makes an incident: not waiting any longer", wait->dir,
                        name_process(gs_incident_recovering_pid(wait->store), name));
        return false;
    }
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL); // a signal ends it early
    return true;
}
