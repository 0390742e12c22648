/* write_heap.c - the heap's part of a black box: each stack's values, now and at two baselines, and how the heap is sampled.
 *
 *   a new file     older baseline: all stacks │ younger one: stacks that differ │ now: stacks that differ
 *   an append      stacks that changed since the last write │ a baseline, if one was taken
 *
 * A stack's frames and labels are written once for each file (gs_box.known), its values each time.
 * Who: the watcher. Bounds: a new file has BEGIN_MAX bytes of stacks at most; stacks that do not fit are counted. */
#include "base/clock.h"
#include "box/write.h"
#include "gather/gather.h"
#include <string.h>

enum {
    ENTRY_MAX = 8 << 10, // bytes of one stack at most: 256 frames, 8 labels
    BEGIN_MAX = GS_BOX_BYTES_MAX / 2,
};

/* ---- one stack ------------------------------------------------------------------------------------------------------ */

static bool is_known(const struct gs_box *box, uint32_t stack)
{
    return box->known[stack / GS_HEAP_GROUP] >> stack % GS_HEAP_GROUP & 1;
}

static void put_frames(struct gs_box *box, uint32_t number)
{
    struct gs_box_out *out = &box->out;
    struct gs_label_value label[GS_HEAP_LABELS_MAX];
    struct gs_given_stack stack;
    uint64_t before = 0;
    gs_gather_heap_stack_read(number, label, &stack);
    gs_box_drop_stale_maps(box, &stack);
    gs_box_number(out, stack.depth);
    for (uint32_t i = 0; i < stack.depth; i++) {
        gs_box_signed(out, (int64_t)(stack.frame[i] - before));
        before = stack.frame[i];
    }
    gs_box_number(out, stack.label_count);
    for (uint32_t i = 0; i < stack.label_count; i++) {
        gs_box_text(out, label[i].key);
        gs_box_text(out, label[i].text);
    }
    box->known[number / GS_HEAP_GROUP] |= (uint64_t)1 << number % GS_HEAP_GROUP;
}

/* Add a stack to the current record of stacks; a full record is ended and a new one begun. */
static void put_stack(struct gs_box *box, uint32_t stack, const int64_t *values)
{
    struct gs_box_out *out = &box->out;
    bool new = !is_known(box, stack);
    if (gs_box_room(out) < ENTRY_MAX) {
        gs_box_end(out);
        gs_box_begin(out, GS_BOX_STACKS);
    }
    gs_box_number(out, (uint64_t)stack * 2 + new);
    if (new)
        put_frames(box, stack);
    for (int i = 0; i < GS_HEAP_VALUES; i++)
        gs_box_signed(out, values[i]);
}

/* ---- all or changed stacks ------------------------------------------------------------------------------------------ */

void gs_box_put_changed_stacks(struct gs_box *box)
{
    uint32_t groups = (gs_gather_heap_stack_count() + GS_HEAP_GROUP - 1) / GS_HEAP_GROUP;
    bool any = false;
    for (uint32_t group = 0; group < groups; group++)
        for (uint64_t bits = gs_gather_heap_stacks_changed(group); bits; bits &= bits - 1) {
            uint32_t stack = group * GS_HEAP_GROUP + (uint32_t)__builtin_ctzll(bits);
            int64_t values[GS_HEAP_VALUES];
            if (!any)
                gs_box_begin(&box->out, GS_BOX_STACKS);
            any = true;
            gs_gather_heap_stack_values(stack, values);
            put_stack(box, stack, values);
        }
    if (any)
        gs_box_end(&box->out);
}

/* The values of STACK at baseline number AT; AT -1: now. */
static void values_at(const struct gs_incident_context *context, int at, uint32_t stack, int64_t *values)
{
    if (at < 0)
        gs_gather_heap_stack_values(stack, values);
    else
        gs_gather_baseline_values(context->baselines, (unsigned)at, stack, values);
}

/* All stacks with their values at baseline AT (-1: now), except those that have not changed since the baseline before: that
 * one is in the file already. */
static void put_all_stacks(struct gs_box *box, const struct gs_incident_context *context, int at, int oldest)
{
    uint32_t count = gs_gather_heap_stack_count();
    gs_box_begin(&box->out, GS_BOX_STACKS);
    for (uint32_t stack = 0; stack < count; stack++) {
        int64_t values[GS_HEAP_VALUES], before[GS_HEAP_VALUES] = {0};
        values_at(context, at, stack, values);
        if (at < oldest)
            values_at(context, at + 1, stack, before);
        if (memcmp(values, before, sizeof values) == 0)
            continue;
        if (gs_box_out_size(&box->out) < BEGIN_MAX)
            put_stack(box, stack, values);
        else
            box->left_out += at < 0;
    }
    gs_box_end(&box->out);
}

static void put_baseline(struct gs_box *box, int64_t taken_ns)
{
    gs_box_begin(&box->out, GS_BOX_BASELINE);
    gs_box_number(&box->out, (uint64_t)(gs_clock_realtime_ns() - (gs_clock_monotonic_ns() - taken_ns)));
    gs_box_end(&box->out);
}

/* If a baseline was taken since the last write, the values in the file so far are that baseline (except for changes within
 * the microseconds between the two). */
void gs_box_put_new_baseline(struct gs_box *box, const struct gs_incident_context *context)
{
    int64_t taken_ns = gs_gather_baseline_time_ns(context->baselines, 0);
    if (taken_ns == box->baseline_ns)
        return;
    box->baseline_ns = taken_ns;
    put_baseline(box, taken_ns);
}

void gs_box_put_heap(struct gs_box *box, const struct gs_incident_context *context)
{
    int oldest = gs_gather_baseline_time_ns(context->baselines, 1)   ? 1
                 : gs_gather_baseline_time_ns(context->baselines, 0) ? 0
                                                                     : -1;
    memset(box->known, 0, sizeof box->known);
    box->left_out = 0;
    for (uint32_t group = 0; group < GS_BOX_STACKS_MAX / GS_HEAP_GROUP; group++)
        (void)gs_gather_heap_stacks_changed(
            group); // all stacks are written: clear the changes before reading, so that none is missed
    for (int at = oldest; at >= -1; at--) {
        put_all_stacks(box, context, at, oldest);
        if (at >= 0)
            put_baseline(box, gs_gather_baseline_time_ns(context->baselines, (unsigned)at));
    }
    box->baseline_ns = gs_gather_baseline_time_ns(context->baselines, 0);
}

/* ---- how the heap is sampled ---------------------------------------------------------------------------------------- */

static void put_sampling(struct gs_box *box)
{
    struct gs_box_out *out = &box->out;
    const struct gs_heap_sampling *sampling = &box->sampling;
    const uint64_t number[] = {sampling->asked_bytes,  sampling->bytes,           sampling->for_budget,
                               sampling->for_crowding, sampling->samples_dropped, sampling->stacks_full,
                               sampling->stacks_cut,   sampling->labels_refused,  sampling->hooks_seen,
                               box->left_out};
    gs_box_begin(out, GS_BOX_SAMPLING);
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        gs_box_number(out, number[i]);
    gs_box_end(out);
}

static bool same_sampling(const struct gs_heap_sampling *a, const struct gs_heap_sampling *b)
{
    return a->asked_bytes == b->asked_bytes && a->bytes == b->bytes && a->for_budget == b->for_budget &&
           a->for_crowding == b->for_crowding && a->samples_dropped == b->samples_dropped &&
           a->stacks_full == b->stacks_full && a->stacks_cut == b->stacks_cut &&
           a->labels_refused == b->labels_refused && a->hooks_seen == b->hooks_seen;
}

void gs_box_put_new_sampling(struct gs_box *box)
{
    struct gs_heap_sampling now;
    gs_gather_heap_sampling_now(&now);
    if (same_sampling(&now, &box->sampling))
        return;
    box->sampling = now;
    put_sampling(box);
}

void gs_box_put_sampling(struct gs_box *box)
{
    gs_gather_heap_sampling_now(&box->sampling);
    put_sampling(box);
}
