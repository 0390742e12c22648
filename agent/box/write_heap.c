/* write_heap.c - the heap's part of a black box: each stack's values, now, at two baselines and at the peak, and how the heap
 * is sampled.
 *
 *   a new file     older baseline: all stacks │ younger one: stacks that differ │ peak: the same │ now: the same
 *   an append      stacks that changed since the last write │ a baseline, if one was taken │ the peak, if it is now
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
#define FRESH_NS \
    (10 * GS_NS_PER_MS) // what changes within this time after the peak was copied may be in the box's peak

/* The moments of which a new file has the stacks' values: a baseline by its number, and these. */
enum { NOW = -1, PEAK = -2, NO_MOMENT = -3, MOMENTS = 4 };

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

/* The values of STACK at MOMENT; NO_MOMENT: zeros. */
static void values_at(const struct gs_incident_context *context, int moment, uint32_t stack, int64_t *values)
{
    if (moment == NO_MOMENT)
        memset(values, 0, GS_HEAP_VALUES * sizeof *values);
    else if (moment == NOW)
        gs_gather_heap_stack_values(stack, values);
    else if (moment == PEAK)
        gs_gather_peak_values(stack, values);
    else
        gs_gather_baseline_values(context->baselines, (unsigned)moment, stack, values);
}

/* All stacks with their values at MOMENT, except those that are the same as at the moment BEFORE: these are in the file
 * already. */
static void put_all_stacks(struct gs_box *box, const struct gs_incident_context *context, int moment,
                           int before)
{
    uint32_t count = gs_gather_heap_stack_count();
    gs_box_begin(&box->out, GS_BOX_STACKS);
    for (uint32_t stack = 0; stack < count; stack++) {
        int64_t values[GS_HEAP_VALUES], old[GS_HEAP_VALUES];
        values_at(context, moment, stack, values);
        values_at(context, before, stack, old);
        if (memcmp(values, old, sizeof values) == 0)
            continue;
        if (gs_box_out_size(&box->out) < BEGIN_MAX)
            put_stack(box, stack, values);
        else
            box->left_out += moment == NOW;
    }
    gs_box_end(&box->out);
}

static int64_t realtime_of(int64_t monotonic_ns)
{
    return gs_clock_realtime_ns() - (gs_clock_monotonic_ns() - monotonic_ns);
}

static void put_baseline(struct gs_box *box, int64_t taken_ns)
{
    gs_box_begin(&box->out, GS_BOX_BASELINE);
    gs_box_number(&box->out, (uint64_t)realtime_of(taken_ns));
    gs_box_end(&box->out);
}

static void put_peak(struct gs_box *box, int64_t taken_ns)
{
    gs_box_begin(&box->out, GS_BOX_PEAK);
    gs_box_number(&box->out, (uint64_t)realtime_of(taken_ns));
    uint64_t highest = gs_gather_peak_highest_bytes();
    gs_box_number(&box->out, highest < INT64_MAX ? highest : INT64_MAX);
    gs_box_end(&box->out);
}

static bool is_fresh(int64_t taken_ns)
{
    return taken_ns && gs_clock_monotonic_ns() - taken_ns <= FRESH_NS;
}

bool gs_box_peak_is_stale(const struct gs_box *box)
{
    int64_t taken_ns = gs_gather_peak_time_ns();
    return taken_ns != box->peak_ns && !is_fresh(taken_ns);
}

/* The values in the file so far are those of a peak that was copied just now. */
void gs_box_put_new_peak(struct gs_box *box)
{
    int64_t taken_ns = gs_gather_peak_time_ns();
    if (taken_ns == box->peak_ns || !is_fresh(taken_ns))
        return;
    box->peak_ns = taken_ns;
    put_peak(box, taken_ns);
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

/* The moments of a new file, in their order there. */
static size_t list_moments(const struct gs_incident_context *context, int moment[MOMENTS])
{
    size_t count = 0;
    for (int at = 1; at >= 0; at--)
        if (gs_gather_baseline_time_ns(context->baselines, (unsigned)at))
            moment[count++] = at;
    if (gs_gather_peak_time_ns())
        moment[count++] = PEAK;
    moment[count++] = NOW;
    return count;
}

void gs_box_put_heap(struct gs_box *box, const struct gs_incident_context *context)
{
    int moment[MOMENTS];
    size_t count = list_moments(context, moment);
    memset(box->known, 0, sizeof box->known);
    box->left_out = 0;
    for (uint32_t group = 0; group < GS_BOX_STACKS_MAX / GS_HEAP_GROUP; group++)
        (void)gs_gather_heap_stacks_changed(
            group); // all stacks are written: clear the changes before reading, so that none is missed
    for (size_t i = 0; i < count; i++) {
        put_all_stacks(box, context, moment[i], i ? moment[i - 1] : NO_MOMENT);
        if (moment[i] == PEAK)
            put_peak(box, gs_gather_peak_time_ns());
        else if (moment[i] != NOW)
            put_baseline(box, gs_gather_baseline_time_ns(context->baselines, (unsigned)moment[i]));
    }
    box->baseline_ns = gs_gather_baseline_time_ns(context->baselines, 0);
    box->peak_ns = gs_gather_peak_time_ns();
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
