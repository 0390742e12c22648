/* after_fork.c - one row a module that remembers something: what is held by a thread of the parent's, is under way there, or is
 * open there, counts for nothing in the child.
 *
 * A file with variables of its own stands in tests/check/after_fork.allow, with its row here or the reason why it needs none:
 * tests/check/after_fork.sh holds the list to the objects. */
#include "watch/after_fork.h"
#include "base/memory.h"
#include "gather/gather.h"
#include "host/callback.h"
#include "host/on_incident.h"
#include "probe/probe.h"
#include "sys/owned_fd.h"
#include "watch/active_captures.h"
#include "watch/control.h"
#include "watch/reload.h"
#include "watch/requests.h"
#include <stddef.h>

static const struct {
    const char *module;
    void (*reset)(void);
} modules[] = {
    // clang-format off
    { "held",           gs_owned_fd_new_table },    // first: nothing that follows may close a number of the host's
    { "memory",         gs_memory_after_fork },
    { "probe",          gs_probe_after_fork },
    { "cpu",            gs_gather_cpu_after_fork },
    { "calls",          gs_watch_requests_after_fork },
    { "control",        gs_watch_control_after_fork },
    { "under_way",      gs_watch_captures_after_fork },
    { "reload",         gs_watch_reload_after_fork },
    { "after_incident", gs_on_incident_after_fork },
    { "callback",       gs_callback_after_fork },
    // clang-format on
};

void gs_watch_after_fork(void)
{
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
        modules[i].reset();
}
