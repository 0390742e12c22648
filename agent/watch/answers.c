/* answers.c - what other threads ask of the watcher, at both ends.
 *
 *   gumshoe_capture ──▶ gs_watch_capture ──▶ requests.c ──▶ gs_watch_answer ──▶ active_captures.c ──▶ gs_watch_request_done
 *   gumshoe capture, gumshoe status ──▶ control.c ──▶ ┘                        └─▶ status.c
 *   gumshoe_write_profile ──▶ gs_watch_write_profile ──▶ write_profile.c: the watcher has no part in it
 *
 * Who: the watcher's thread answers; host threads ask, at their own time, and wait. */
#include "base/clock.h"
#include "base/kinds.h"
#include "watch/active_captures.h"
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

/* ---- the watcher ------------------------------------------------------------------------------------------------------- */

static void answer_capture(struct gs_request *call)
{
    struct gs_incident_trigger trigger = {
        .rule = call->reason,
        .condition = "call",
        .reason = call->asker,
        .value = NAN,
        .line = NAN,
        .capture = call->kinds,
        .cpu_ns = call->cpu_ns,
        .triggered_ns = gs_clock_realtime_ns(),
    };
    gs_watch_captures_begin(&gs_watcher.settings, &trigger, SIZE_MAX, call);
}

static void answer_status(struct gs_request *call)
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
        .under_way = gs_watch_captures_count(),
    };
    gs_watch_status_write(&status, &call->text);
    gs_watch_request_done(call, call->text.failed ? -ENOMEM : 0);
}

void gs_watch_answer(void)
{
    for (struct gs_request *call; (call = gs_watch_request_next());)
        if (call->kind == GS_REQUEST_STATUS)
            answer_status(call);
        else
            answer_capture(call);
}

/* ---- host threads ------------------------------------------------------------------------------------------------------ */

static bool known_kinds(unsigned kinds)
{
    for (const struct gs_kind_entry *kind = gs_kinds; kind->name; kind++)
        kinds &= ~(unsigned)kind->kind;
    return kinds == 0;
}

static bool good_reason(const char *reason)
{
    size_t length = reason ? strspn(reason, "abcdefghijklmnopqrstuvwxyz0123456789._-") : 0;
    return length > 0 && length <= GS_RULE_NAME_MAX && reason[length] == 0;
}

int gs_watch_capture(const char *reason, unsigned kinds)
{
    if (!good_reason(reason) || kinds == 0 || !known_kinds(kinds))
        return -EINVAL;
    if (!atomic_load(&gs_watcher.running))
        return -ESRCH;
    struct gs_request ask = {.kind = GS_REQUEST_CAPTURE, .kinds = kinds}, *call;
    snprintf(ask.reason, sizeof ask.reason, "%s", reason);
    snprintf(ask.asker, sizeof ask.asker, "asked for by the program (gumshoe_capture)");
    while (!(call = gs_watch_request_post(&ask))) // too many ask at once
        nanosleep(&(struct timespec){.tv_nsec = GS_CPU_POLL_NS}, NULL);
    while (!gs_watch_request_wait(call, GS_NS_PER_S) && atomic_load(&gs_watcher.running))
        ; // the watcher may have been stopped meanwhile
    int result = gs_watch_request_wait(call, 0) ? call->result : -ESRCH;
    gs_watch_request_forget(call);
    return result;
}

int gs_watch_write_profile(enum gumshoe_kind kind, int fd)
{
    struct gs_profile_request what = {
        .kind = kind,
        .cpu_ns = atomic_load(&gs_watcher.cpu_duration_ns), // not by way of the rules: they may be changing
        .start_ns = gs_watcher.settings.start_ns,
    };
    return gs_watch_gather_profile(&what, fd);
}
