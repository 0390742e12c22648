/* answers.c - what other threads ask of the watcher, at both ends.
 *
 *   gumshoe_capture ──▶ gs_watcher_capture ──▶ requests.c ──▶ gs_watcher_answer ──▶ active_captures.c ──▶ gs_call_done
 *   gumshoe capture, gumshoe status ──▶ control.c ──▶ ┘                        └─▶ status.c
 *   gumshoe_write_profile ──▶ gs_watcher_write_profile ──▶ write_profile.c: the watcher has no part in it
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

static void answer_capture(struct gs_call *call)
{
    struct gs_incident_facts facts = {
        .rule = call->reason,
        .condition = "call",
        .reason = call->asker,
        .value = NAN,
        .line = NAN,
        .capture = call->kinds,
        .cpu_ns = call->cpu_ns,
        .triggered_ns = gs_realtime_ns(),
    };
    gs_under_way_begin(&gs_watcher.parts, &facts, SIZE_MAX, call);
}

static void answer_status(struct gs_call *call)
{
    struct gs_status status = {
        .rules = gs_watcher.parts.rules,
        .judge = gs_watcher.parts.judge,
        .watch = gs_watcher.parts.watch,
        .values = gs_watcher.parts.values,
        .file = &gs_watcher.parts.file,
        .dir = gs_store_path(gs_watcher.parts.store),
        .other_dir = gs_reload_other_dir(&gs_watcher.parts),
        .limit_from = gs_watcher.parts.limit_from,
        .limit_bytes = gs_watcher.parts.scene->limit_bytes,
        .started_ns = gs_watcher.parts.scene->started_ns,
        .under_way = gs_under_way_count(),
    };
    gs_status_write(&status, &call->text);
    gs_call_done(call, call->text.failed ? -ENOMEM : 0);
}

void gs_watcher_answer(void)
{
    for (struct gs_call *call; (call = gs_call_next());)
        if (call->kind == GS_CALL_STATUS)
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

int gs_watcher_capture(const char *reason, unsigned kinds)
{
    if (!good_reason(reason) || kinds == 0 || !known_kinds(kinds))
        return -EINVAL;
    if (!atomic_load(&gs_watcher.running))
        return -ESRCH;
    struct gs_call ask = {.kind = GS_CALL_CAPTURE, .kinds = kinds}, *call;
    snprintf(ask.reason, sizeof ask.reason, "%s", reason);
    snprintf(ask.asker, sizeof ask.asker, "asked for by the program (gumshoe_capture)");
    while (!(call = gs_call_post(&ask))) // too many ask at once
        nanosleep(&(struct timespec){.tv_nsec = GS_CPU_POLL_NS}, NULL);
    while (!gs_call_wait(call, GS_NS_PER_S) && atomic_load(&gs_watcher.running))
        ; // the watcher may have been stopped meanwhile
    int result = gs_call_wait(call, 0) ? call->result : -ESRCH;
    gs_call_forget(call);
    return result;
}

int gs_watcher_write_profile(enum gumshoe_kind kind, int fd)
{
    struct gs_write_profile what = {
        .kind = kind,
        .cpu_ns = atomic_load(&gs_watcher.cpu_duration_ns), // not by way of the rules: they may be changing
        .start_ns = gs_watcher.parts.start_ns,
    };
    return gs_write_profile(&what, fd);
}
