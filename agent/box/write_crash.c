/* write_crash.c - what the black box keeps for a death alone: the note of a crash, and the memory account.
 *
 *   gs_box_write_crash ──▶ stacks that changed, map, CRASH, WRITTEN ──▶ appended at once, by the agent's thread for crashes
 *   gs_box_note_account ──▶ ACCOUNT ──▶ with the watcher's next write
 *
 * A crash may find the watcher in the middle of a capture, or of a write: so it has a thread of its own, which waits for
 * box->lock only. It reads nothing that the watcher changes without that lock. */
#include "base/clock.h"
#include "box/write.h"

static unsigned flags_of(const struct gs_given_crash *crash)
{
    return (crash->has_address ? GS_BOX_CRASH_HAS_ADDRESS : 0u) |
           (crash->overflow ? GS_BOX_CRASH_OVERFLOW : 0u) | (crash->thread.cut ? GS_BOX_CRASH_CUT : 0u);
}

static void put_record(struct gs_box_out *out, const struct gs_given_crash *crash)
{
    uint64_t before = 0;
    gs_box_begin(out, GS_BOX_CRASH);
    gs_box_number(out, (uint64_t)crash->time_ns);
    gs_box_number(out, (uint64_t)crash->signal);
    gs_box_signed(out, crash->code);
    gs_box_number(out, (uint64_t)crash->sender);
    gs_box_number(out, flags_of(crash));
    gs_box_number(out, crash->address);
    gs_box_number(out, (uint64_t)crash->thread.tid);
    gs_box_number(out, crash->depth);
    gs_box_number(out, crash->inner);
    gs_box_number(out, crash->thread.depth);
    for (uint32_t i = 0; i < crash->thread.depth; i++) {
        gs_box_signed(out, (int64_t)(crash->thread.frames[i] - before));
        before = crash->thread.frames[i];
    }
    gs_box_text(out, crash->thread.name);
    gs_box_text(out, crash->message);
    gs_box_end(out);
}

/* The map before the note: the crash may be in a library that was loaded since the map was written. */
void gs_box_put_crash(struct gs_box *box)
{
    uint64_t frame[GS_GIVEN_DEPTH];
    const struct gs_given_crash *crash = box->crash;
    if (!crash || gs_clock_realtime_ns() - crash->time_ns > GS_BOX_CRASH_SURVIVED_NS)
        return;
    for (uint32_t i = 0; i < crash->thread.depth; i++)
        frame[i] = crash->thread.frames[i];
    gs_box_drop_stale_maps(box, &(struct gs_given_stack){.frame = frame, .depth = crash->thread.depth});
    if (!box->maps)
        gs_box_put_maps(box);
    put_record(&box->out, crash);
}

void gs_box_note_account(struct gs_box *box, const struct gs_account_parts *parts)
{
    if (!box)
        return;
    gs_lock_take(&box->lock);
    box->account = *parts;
    box->account_is_written = false;
    gs_lock_give(&box->lock);
}

void gs_box_put_account(struct gs_box *box)
{
    struct gs_box_out *out = &box->out;
    if (!box->account.time_ns)
        return;
    gs_box_begin(out, GS_BOX_ACCOUNT);
    gs_box_number(out, (uint64_t)box->account.time_ns);
    gs_box_number(out, GS_PARTS);
    for (int i = 0; i < GS_PARTS; i++)
        gs_box_number(out, box->account.part[i]);
    gs_box_end(out);
    box->account_is_written = true;
}
