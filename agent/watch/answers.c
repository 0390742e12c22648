/* answers.c - requests of other threads: posting them on host threads, answering them on the watcher's thread.
 *
 *   gumshoe_capture ──▶ gs_watch_capture ──▶ requests.c ──▶ gs_watch_answer ──▶ active_captures.c ──▶ gs_watch_request_done
 *   gumshoe capture, gumshoe status ──▶ control.c ──▶ ┘                        └─▶ status.c
 *   gumshoe_write_profile, …_for ──▶ gs_watch_write_profile, …_for ──▶ write_profile.c: without the watcher
 *
 * Who: the watcher's thread answers; host threads post a request in a public request, and wait. */
#include "base/clock.h"
#include "base/kinds.h"
#include "watch/active_captures.h"
#include "watch/control.h"
#include "watch/inside.h"
#include "watch/reload.h"
#include "watch/requests.h"
#include "watch/status.h"
#include "watch/watch.h"
#include "watch/write_profile.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- the watcher ------------------------------------------------------------------------------------------------------ */

static void answer_capture(struct gs_request *request)
{
    struct gs_incident_trigger trigger = {
        .rule = request->reason,
        .condition = "call",
        .reason = request->asker,
        .value = NAN,
        .line = NAN,
        .capture = request->kinds,
        .cpu_ns = request->cpu_ns,
        .triggered_ns = gs_clock_realtime_ns(),
    };
    gs_watch_captures_begin(&gs_watcher.settings, &trigger, SIZE_MAX, request);
}

static void answer_status(struct gs_request *request)
{
    struct gs_status status = {
        .rules = gs_watcher.settings.rules,
        .judge = gs_watcher.settings.judge,
        .metrics = gs_watcher.settings.metrics,
        .values = gs_watcher.settings.values,
        .file = &gs_watcher.settings.file,
        .dir = gs_store_path(gs_watcher.settings.store),
        .other_dir = gs_watch_reload_other_dir(&gs_watcher.settings),
        .limit_from = gs_watcher.settings.limit_from,
        .limit_bytes = gs_watcher.settings.context->limit_bytes,
        .started_ns = gs_watcher.settings.context->started_ns,
        .active_captures = gs_watch_captures_count(),
    };
    gs_watch_status_write(&status, &request->text);
    gs_watch_request_done(request, request->text.failed ? -ENOMEM : 0);
}

void gs_watch_answer(void)
{
    for (struct gs_request *request; (request = gs_watch_request_next());)
        if (request->kind == GS_REQUEST_STATUS)
            answer_status(request);
        else
            answer_capture(request);
    gs_watch_control_wake(); // else it looks for the answers only now and then
}

/* ---- host threads ----------------------------------------------------------------------------------------------------- */

static bool are_known_kinds(unsigned kinds)
{
    for (const struct gs_kind_entry *kind = gs_kinds; kind->name; kind++)
        kinds &= ~(unsigned)kind->kind;
    return kinds == 0;
}

static bool is_valid_reason(const char *reason)
{
    size_t length = reason ? strspn(reason, "abcdefghijklmnopqrstuvwxyz0123456789._-") : 0;
    return length > 0 && length <= GS_RULE_NAME_MAX && reason[length] == 0;
}

int gs_watch_capture(const char *reason, unsigned kinds)
{
    if (!is_valid_reason(reason) || kinds == 0 || !are_known_kinds(kinds))
        return -EINVAL;
    if (!atomic_load(&gs_watcher.running))
        return -ESRCH;
    struct gs_request wanted = {.kind = GS_REQUEST_CAPTURE, .kinds = kinds}, *request;
    snprintf(wanted.reason, sizeof wanted.reason, "%s", reason);
    snprintf(wanted.asker, sizeof wanted.asker, "on demand, by the program (gumshoe_capture)");
    while (!(request = gs_watch_request_post(&wanted))) // all slots are used: retry
        nanosleep(&(struct timespec){.tv_nsec = GS_CPU_POLL_NS}, NULL);
    while (!gs_watch_request_wait(request, GS_NS_PER_S) && atomic_load(&gs_watcher.running))
        ; // until done, or the watcher was stopped
    int result = gs_watch_request_wait(request, 0) ? request->result : -ESRCH;
    gs_watch_request_forget(request);
    return result;
}

int gs_watch_write_profile(enum gumshoe_kind kind, int fd)
{
    struct gs_profile_request what = {
        .kind = kind,
        .cpu_ns = atomic_load(&gs_watcher.cpu_duration_ns), // not read from the rules: a reload may free them
        .start_ns = gs_watcher.settings.start_ns,
        .reason = "on demand, by the program (gumshoe_write_profile)",
    };
    return gs_watch_gather_profile(&what, fd);
}

int gs_watch_write_profile_for(enum gumshoe_kind kind, int fd, double seconds)
{
    if (!(seconds > 0 && seconds <= GUMSHOE_PROFILE_SECONDS_MAX)) // NaN fails both comparisons
        return -EINVAL;
    int64_t duration_ns = (int64_t)(seconds * (double)GS_NS_PER_S);
    struct gs_profile_request what = {
        .kind = kind,
        .cpu_ns = duration_ns,
        .growth_ns = duration_ns,
        .start_ns = gs_watcher.settings.start_ns,
        .reason = "on demand, by the program (gumshoe_write_profile_for)",
    };
    return gs_watch_gather_profile(&what, fd);
}
