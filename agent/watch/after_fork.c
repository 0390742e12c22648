/* after_fork.c - one row for each module with state that the child of a fork must reset: locks, requests, captures and
 * descriptors of the parent's threads do not exist in the child.
 *
 * Each file with static variables is listed in tests/check/after_fork.allow, with its row here or the reason why it needs
 * none. tests/check/after_fork.sh compares that list with the object files. */
#include "watch/after_fork.h"
#include "base/memory.h"
#include "gather/gather.h"
#include "host/callback.h"
#include "host/on_incident.h"
#include "probe/probe.h"
#include "sys/owned_fd.h"
#include "watch/active_captures.h"
#include "watch/control.h"
#include "watch/crash.h"
#include "watch/limit.h"
#include "watch/notices.h"
#include "watch/profile_jobs.h"
#include "watch/reload.h"
#include "watch/requests.h"
#include "watch/write_profile.h"
#include <stddef.h>

static const struct {
    const char *module;
    void (*reset)(void);
} modules[] = {
    // clang-format off
    { "owned_fd",       gs_owned_fd_new_table },    // first: later rows must not close a descriptor of the host
    { "memory",         gs_memory_after_fork },
    { "probe",          gs_probe_after_fork },
    { "cpu",            gs_gather_cpu_after_fork },
    { "peak",           gs_gather_peak_after_fork },
    { "requests",       gs_watch_requests_after_fork },
    { "control",        gs_watch_control_after_fork },
    { "profile_jobs",   gs_watch_profile_jobs_after_fork },
    { "write_profile",  gs_watch_write_profile_after_fork },
    { "crash",          gs_watch_crash_after_fork },
    { "notices",        gs_watch_notices_after_fork },
    { "limit",          gs_watch_limit_after_fork },
    { "captures",       gs_watch_captures_after_fork },
    { "reload",         gs_watch_reload_after_fork },
    { "on_incident",    gs_on_incident_after_fork },
    { "callback",       gs_callback_after_fork },
    // clang-format on
};

void gs_watch_after_fork(void)
{
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        modules[i].reset();
}
