/* read_records.c - one record of a black box into the reader's tables.
 *
 *   identity, history, sampling ──▶ the contents, or joined for later
 *   stacks                      ──▶ stack[number]: frames, labels, values now and at two baselines
 *
 * A stack's values of a baseline are rolled on when it next changes, not at the baseline: so a file full of baselines
 * costs no more than its length. What a record says is checked before it is believed; one that says what cannot be sets `bad`,
 * and memory that is out sets `no_memory`: then reading ends.
 * Who: read.c, and contents.c for the last values. Bounds: the tables have the writer's. */
#include "base/memory.h"
#include "base/varint.h"
#include "box/read.h"
#include "gather/gather.h"
#include "profile/profile.h"
#include "store/store.h"
#include <limits.h>
#include <string.h>

enum { LABEL_MAX = 1 << 10, DEPTH_MAX = 1024, HISTORY_MAX = 8 << 20, TEXT_MAX = 16 << 20 };

/* ---- what a payload is made of ------------------------------------------------------------------------------------------ */

static uint64_t number(struct gs_box_reader *r)
{
    uint64_t value;
    r->bad |= !gs_varint_read(&r->at, r->end, &value);
    return value;
}

static uint64_t number_up_to(struct gs_box_reader *r, uint64_t max)
{
    uint64_t value = number(r);
    r->bad |= value > max;
    return r->bad ? 0 : value;
}

static int64_t signed_number(struct gs_box_reader *r)
{
    return gs_varint_unzigzag(number(r));
}

/* LENGTH bytes; NULL when they are not there. */
static const void *raw(struct gs_box_reader *r, size_t length)
{
    const void *at = r->at;
    r->bad |= length > (size_t)(r->end - r->at);
    if (r->bad)
        return NULL;
    r->at += length;
    return at;
}

/* A text of at most MAX bytes, kept for good. */
static const char *text(struct gs_box_reader *r, size_t max)
{
    char room[PATH_MAX];
    size_t length = number_up_to(r, max < sizeof room ? max : sizeof room - 1);
    const char *bytes = raw(r, length);
    if (!bytes)
        return "";
    memcpy(room, bytes, length);
    room[length] = 0;
    return gs_profile_string(r->out->texts, room);
}

static void join(struct gs_box_reader *r, struct gs_box_reader_text *to, size_t max)
{
    size_t length = (size_t)(r->end - r->at);
    if (length > max - to->length) {
        r->bad = true;
        return;
    }
    if (gs_grow(&to->at, &to->capacity, to->length + length + 1, 1)) {
        r->no_memory = true;
        return;
    }
    memcpy(to->at + to->length, r->at, length);
    to->length += length;
    r->at = r->end;
}

/* ---- records --------------------------------------------------------------------------------------------------------------- */

static void read_identity(struct gs_box_reader *r)
{
    struct gs_box_contents *out = r->out;
    out->post_mortem.pid = (int)number_up_to(r, INT32_MAX);
    out->id.start_ticks = number(r);
    out->post_mortem.started_ns = (int64_t)number_up_to(r, INT64_MAX);
    out->post_mortem.limit_bytes = number_up_to(r, INT64_MAX);
    r->baseline_first_age_ns = (int64_t)number_up_to(r, INT64_MAX);
    out->boot_id = text(r, GS_BOOT_ID);
    out->post_mortem.host = text(r, 64);
    out->post_mortem.exe = text(r, PATH_MAX);
    out->post_mortem.limit_from = text(r, PATH_MAX);
    out->oom_file = text(r, PATH_MAX);
    out->id.namespace = r->at < r->end ? (uint32_t)number_up_to(r, UINT32_MAX) : 0;
    out->id.pid = out->post_mortem.pid;
    gs_store_live_id_print(&out->id, out->process);
    out->post_mortem.process = out->process;
}

static void read_long_text(struct gs_box_reader *r, struct gs_box_reader_text *to)
{
    if (number_up_to(r, 1) == 0)
        to->length = 0;
    if (!r->bad)
        join(r, to, TEXT_MAX);
}

static void read_build_ids(struct gs_box_reader *r)
{
    r->build_id_count = 0; // of the map that was read just before
    while (r->at < r->end && !r->bad) {
        struct gs_box_reader_build_id id = {.start = number(r),
                                            .length = (unsigned)number_up_to(r, GS_BUILD_ID_MAX)};
        const void *bytes = raw(r, id.length);
        if (!bytes)
            return;
        memcpy(id.id, bytes, id.length);
        if (gs_grow(&r->build_id, &r->build_id_capacity, r->build_id_count + 1, sizeof id)) {
            r->no_memory = true;
            return;
        }
        r->build_id[r->build_id_count++] = id;
    }
}

void gs_box_roll_baselines(struct gs_box_reader_stack *stack, uint32_t baselines)
{
    if (stack->rolled == baselines)
        return;
    memcpy(stack->before, baselines - stack->rolled == 1 ? stack->last : stack->now, sizeof stack->before);
    memcpy(stack->last, stack->now, sizeof stack->last);
    stack->rolled = baselines;
}

static void read_frames(struct gs_box_reader *r, struct gs_box_reader_stack *stack)
{
    uint64_t depth = number_up_to(r, DEPTH_MAX), before = 0;
    r->bad |= stack->known || depth > (size_t)(r->end - r->at) || depth > GS_BOX_FRAMES_MAX - r->frames;
    if (r->bad)
        return;
    r->frames += depth;
    stack->frame = gs_alloc((depth + 1) * sizeof *stack->frame);
    if (!stack->frame) {
        r->no_memory = true;
        return;
    }
    stack->depth = (uint32_t)depth;
    for (uint64_t i = 0; i < depth; i++)
        stack->frame[i] = before += (uint64_t)signed_number(r);
}

static void read_labels(struct gs_box_reader *r, struct gs_box_reader_stack *stack)
{
    uint64_t count = number_up_to(r, GS_HEAP_LABELS_MAX);
    if (r->bad || count == 0)
        return;
    stack->label = gs_alloc(count * sizeof *stack->label);
    if (!stack->label) {
        r->no_memory = true;
        return;
    }
    for (uint64_t i = 0; i < count; i++) {
        stack->label[i].key = text(r, LABEL_MAX);
        stack->label[i].text = text(r, LABEL_MAX);
    }
    stack->label_count = (uint32_t)count;
}

/* Stack NUMBER, which may be met for the first time; NULL: no memory. */
static struct gs_box_reader_stack *stack_at(struct gs_box_reader *r, size_t number_of_it)
{
    size_t before = r->stacks;
    if (number_of_it < before)
        return &r->stack[number_of_it];
    if (gs_grow(&r->stack, &r->stack_capacity, number_of_it + 1, sizeof *r->stack)) {
        r->no_memory = true;
        return NULL;
    }
    r->stacks = number_of_it + 1;
    memset(&r->stack[before], 0, (r->stacks - before) * sizeof *r->stack);
    return &r->stack[number_of_it];
}

static void read_stack(struct gs_box_reader *r)
{
    uint64_t head = number_up_to(r, 2 * GS_BOX_STACKS_MAX - 1);
    struct gs_box_reader_stack *stack = stack_at(r, head / 2);
    if (!stack)
        return;
    gs_box_roll_baselines(stack, r->baselines);
    if (head & 1) {
        read_frames(r, stack);
        read_labels(r, stack);
        stack->known = true;
    }
    for (int i = 0; i < GS_HEAP_VALUES; i++)
        stack->now[i] = signed_number(r);
    r->bad |= !stack->known;
}

static void read_baseline(struct gs_box_reader *r)
{
    r->before_ns = r->last_ns;
    r->last_ns = (int64_t)number_up_to(r, INT64_MAX);
    r->baselines++;
}

static void read_sampling(struct gs_box_reader *r)
{
    struct gs_heap_sampling *s = &r->out->heap.sampling;
    s->asked_bytes = number_up_to(r, INT64_MAX);
    s->bytes = number_up_to(r, INT64_MAX);
    s->for_budget = (uint32_t)number_up_to(r, 64);
    s->for_crowding = (uint32_t)number_up_to(r, 64);
    s->samples_dropped = number(r);
    s->stacks_full = number(r);
    s->stacks_cut = number(r);
    s->labels_refused = number(r);
    s->hooks_seen = number_up_to(r, 1);
    r->left_out = number(r);
}

static void read_written(struct gs_box_reader *r)
{
    struct gs_box_contents *out = r->out;
    out->post_mortem.last_seen_ns = out->heap.time_ns = (int64_t)number_up_to(r, INT64_MAX);
    out->heap.duration_ns = (int64_t)number_up_to(r, INT64_MAX);
    out->oom_kills = signed_number(r);
}

/* One record of TYPE. Types of a later day are passed over. */
void gs_box_read_record(struct gs_box_reader *r, unsigned type)
{
    switch (type) {
    case GS_BOX_IDENTITY: read_identity(r); break;
    case GS_BOX_RULES: read_long_text(r, &r->rules); break;
    case GS_BOX_MAPS: read_long_text(r, &r->maps); break;
    case GS_BOX_BUILD_IDS: read_build_ids(r); break;
    case GS_BOX_STACKS:
        while (r->at < r->end && !r->bad && !r->no_memory)
            read_stack(r);
        break;
    case GS_BOX_BASELINE: read_baseline(r); break;
    case GS_BOX_SAMPLING: read_sampling(r); break;
    case GS_BOX_HISTORY:
        r->history_cut |= (size_t)(r->end - r->at) > HISTORY_MAX - r->history.length;
        if (!r->history_cut)
            join(r, &r->history, HISTORY_MAX);
        break;
    case GS_BOX_WRITTEN: read_written(r); break;
    default: break;
    }
}

void gs_box_reader_fini(struct gs_box_reader *r)
{
    for (size_t i = 0; i < r->stacks; i++) {
        gs_free(r->stack[i].frame);
        gs_free(r->stack[i].label);
    }
    gs_free(r->stack);
    gs_free(r->rules.at);
    gs_free(r->maps.at);
    gs_free(r->history.at);
    gs_free(r->build_id);
}
