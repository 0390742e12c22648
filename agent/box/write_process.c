/* write_process.c - the process's part of a black box: its identity, its history, and the time of each write.
 * Who: the watcher. */
#include "base/clock.h"
#include "base/memory.h"
#include "box/write.h"
#include "history/history.h"
#include "metrics/metrics.h"
#include "rules/rules.h"
#include "store/store.h"
#include <errno.h>
#include <limits.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { HISTORY_ROOM = 1 << 20 };       // bytes of the packed history at most
#define OOM_LOOK_NS (10 * GS_NS_PER_S) // between two readings of the oom_kill count

void gs_box_put_identity(struct gs_box *box, const struct gs_incident_context *context)
{
    struct gs_box_out *out = &box->out;
    struct utsname host;
    struct gs_identity identity;
    struct gs_store_live_id id;
    char exe[PATH_MAX], boot[GS_BOOT_ID];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[length > 0 ? length : 0] = 0;
    if (uname(&host) != 0)
        host.nodename[0] = 0;
    gs_identity_of_self(exe, &identity);
    gs_store_boot_id(boot);
    (void)gs_store_live_id((int)getpid(), &id);
    gs_box_begin(out, GS_BOX_IDENTITY);
    gs_box_number(out, (uint64_t)id.pid);
    gs_box_number(out, id.start_ticks);
    gs_box_number(out, (uint64_t)context->started_ns);
    gs_box_number(out, context->limit_bytes);
    gs_box_number(out, (uint64_t)context->rules->heap.baseline_ns);
    gs_box_text(out, boot);
    gs_box_text(out, host.nodename);
    gs_box_text(out, exe);
    gs_box_text(out, context->limit_from);
    gs_box_text(out, box->oom_file);
    gs_box_number(out, id.namespace);
    gs_box_text(out, identity.program);
    gs_box_text(out, identity.container);
    gs_box_text(out, identity.pod);
    gs_box_text(out, identity.pod_namespace);
    gs_box_end(out);
}

void gs_box_put_new_history(struct gs_box *box, const struct gs_incident_context *context)
{
    struct gs_box_out *out = &box->out;
    if (gs_history_serial(context->history) == box->history_mark)
        return;
    gs_box_begin(out, GS_BOX_HISTORY);
    out->filled +=
        gs_history_pack(context->history, box->history_mark, out->buffer + out->filled, gs_box_room(out));
    gs_box_end(out);
    box->history_mark = gs_history_serial(context->history);
}

void gs_box_put_history(struct gs_box *box, const struct gs_incident_context *context)
{
    struct gs_box_out *out = &box->out;
    char *packed = gs_alloc(HISTORY_ROOM);
    if (!packed) {
        out->error = out->error ? out->error : -ENOMEM;
        return;
    }
    size_t length = gs_history_pack(context->history, 0, packed, HISTORY_ROOM);
    for (size_t at = 0; at < length; at += GS_BOX_RECORD_MAX) {
        gs_box_begin(out, GS_BOX_HISTORY);
        gs_box_bytes(out, packed + at, length - at < GS_BOX_RECORD_MAX ? length - at : GS_BOX_RECORD_MAX);
        gs_box_end(out);
    }
    box->history_mark = gs_history_serial(context->history);
    gs_free(packed);
}

void gs_box_put_written(struct gs_box *box)
{
    struct gs_box_out *out = &box->out;
    int64_t now_ns = gs_clock_monotonic_ns();
    if (now_ns >= box->oom_look_ns) {
        box->oom_kills = *box->oom_file ? gs_metrics_oom_kills(box->oom_file) : -1;
        box->oom_look_ns = now_ns + OOM_LOOK_NS;
    }
    gs_box_begin(out, GS_BOX_WRITTEN);
    gs_box_number(out, (uint64_t)gs_clock_realtime_ns());
    gs_box_number(out, (uint64_t)(now_ns - box->start_ns));
    gs_box_signed(out, box->oom_kills);
    gs_box_end(out);
}
