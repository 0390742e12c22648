/* anchored.c - the heap out of the memory of a process that is no more, by way of its anchor.
 *
 *   anchor ──▶ stacks: entries, frames, counters      } checked: version, sizes, numbers; memory that is not in the
 *          ├─▶ labels: texts and sets                 } core ends the reading of that stack, and is said
 *          └─▶ baselines: counters as of then         }
 *
 * Who: the command. Bounds: GS_STACKS_MAX stacks of GS_DEPTH_MAX frames. */
#include "base/memory.h"
#include "gather/inside.h"
#include "profile/profile.h"
#include <stdio.h>
#include <string.h>

struct anchor_reading {
    const struct gs_memory *memory;
    struct gs_anchor anchor;
    struct gs_anchor_stacks stacks;
    struct gs_anchor_labels labels;
    struct gs_stack_entry *entry;
    uint32_t count;
    struct gs_baseline base; // its counts are ours; NULL: there is none
    struct gs_anchored *out;
    size_t kept_capacity;
};

static bool read_at(const struct anchor_reading *r, const void *at, uint64_t offset, void *out, size_t length)
{
    return r->memory->read(r->memory, (uint64_t)(uintptr_t)at + offset, out, length);
}

/* SIZE zeroed bytes that live as long as what is read; NULL: no memory. */
static void *keep(struct anchor_reading *r, size_t size)
{
    struct gs_anchored *out = r->out;
    if (gs_grow(&out->kept, &r->kept_capacity, out->kept_count + 1, sizeof *out->kept))
        return NULL;
    void *block = gs_alloc(size);
    if (block)
        out->kept[out->kept_count++] = block;
    return block;
}

/* ---- finding it -------------------------------------------------------------------------------------------------------- */

uint64_t gs_gather_anchor_find(const struct gs_memory *memory, uint64_t at, uint64_t length)
{
    char chunk[4096];
    for (uint64_t offset = 0; offset + sizeof chunk <= length; offset += sizeof chunk) {
        if (!memory->read(memory, at + offset, chunk, sizeof chunk))
            continue;
        for (size_t i = 0; i + sizeof GS_ANCHOR_MAGIC <= sizeof chunk;
             i += sizeof(void *)) // aligned as a pointer is
            if (memcmp(chunk + i, GS_ANCHOR_MAGIC, sizeof GS_ANCHOR_MAGIC) == 0)
                return at + offset + i;
    }
    return 0;
}

/* ---- one after the other ------------------------------------------------------------------------------------------------ */

static const char *read_anchor(struct anchor_reading *r, uint64_t at)
{
    if (!r->memory->read(r->memory, at, &r->anchor, sizeof r->anchor) ||
        memcmp(r->anchor.magic, GS_ANCHOR_MAGIC, sizeof GS_ANCHOR_MAGIC) != 0)
        return "there is no anchor";
    if (r->anchor.version != GS_ANCHOR_VERSION || r->anchor.size != sizeof r->anchor)
        return "the agent in it is of another version: use the command of its version";
    if (!read_at(r, r->anchor.stacks, 0, &r->stacks, sizeof r->stacks) ||
        !read_at(r, r->anchor.labels, 0, &r->labels, sizeof r->labels) ||
        !read_at(r, r->stacks.count, 0, &r->count, sizeof r->count) || r->count > GS_STACKS_MAX)
        return "the agent's tables are damaged, or were not dumped";
    r->entry = gs_alloc((r->count + 1) * sizeof *r->entry);
    if (!r->entry || !read_at(r, r->stacks.entry, 0, r->entry, r->count * sizeof *r->entry))
        return "the agent's tables are damaged, or were not dumped";
    return NULL;
}

/* Bytes number NUMBER of the pool that begins at ROOM, with a 0 behind; their length, or 0. */
static size_t read_kept(const struct anchor_reading *r, const char *room, uint32_t number, void *out,
                        size_t most)
{
    uint32_t length;
    if (!read_at(r, room, 4 * (uint64_t)number, &length, sizeof length) || length > most ||
        !read_at(r, room, 4 * (uint64_t)number + sizeof length, out, length))
        return 0;
    return length;
}

static const char *read_text(struct anchor_reading *r, uint32_t number)
{
    char text[GS_LABEL_TEXT + 1] = {0};
    size_t length = read_kept(r, r->labels.text, number, text, GS_LABEL_TEXT);
    char *kept = length ? keep(r, length + 1) : NULL;
    return kept ? memcpy(kept, text, length) : NULL;
}

static void read_labels(struct anchor_reading *r, uint32_t set, struct gs_given_stack *stack)
{
    uint32_t pair[GS_LABELS_MAX][2];
    size_t count = set ? read_kept(r, r->labels.set, set, pair, sizeof pair) / sizeof pair[0] : 0;
    struct gs_label_value *label = count ? keep(r, count * sizeof *label) : NULL;
    for (size_t i = 0; label && i < count; i++) {
        struct gs_label_value *one = &label[stack->label_count];
        one->key = read_text(r, pair[i][0]);
        one->text = read_text(r, pair[i][1]);
        stack->label_count += one->key && one->text;
    }
    stack->label = label;
}

/* Stack NUMBER; false when it holds nothing, or is not whole. */
static bool read_stack(struct anchor_reading *r, uint32_t number, struct gs_given_stack *out)
{
    const struct gs_stack_entry *e = &r->entry[number];
    const struct gs_heap_counts now = {e->alloc_objects, e->alloc_space, e->inuse_objects, e->inuse_space};
    uint32_t depth = e->depth_live >> 2;
    *out = (struct gs_given_stack){.depth = depth};
    gs_gather_heap_values(now, out->now);
    if (r->base.counts && number < r->base.count)
        gs_gather_heap_values(r->base.counts[number], out->then);
    if (now.alloc_objects == 0 || depth > GS_DEPTH_MAX || (depth && !(e->depth_live & 1)))
        return false;
    uint64_t *frame = keep(r, (depth + 1) * sizeof *frame);
    if (!frame || !read_at(r, r->stacks.frame, (uint64_t)e->first_frame * sizeof(uintptr_t), frame,
                           depth * sizeof *frame))
        return false;
    out->frame = frame;
    read_labels(r, e->labels, out);
    return true;
}

static bool read_stacks(struct anchor_reading *r)
{
    struct gs_given_stack *stack = keep(r, (r->count + 1) * sizeof *stack);
    for (uint32_t i = 0; stack && i < r->count; i++)
        r->out->heap.count += read_stack(r, i, &stack[r->out->heap.count]);
    r->out->heap.stack = stack;
    return stack != NULL;
}

static void describe(struct anchor_reading *r)
{
    const struct gs_anchor *anchor = &r->anchor;
    struct gs_given_heap *heap = &r->out->heap;
    r->out->last_tick_ns = anchor->tick_realtime_ns;
    heap->time_ns = anchor->tick_realtime_ns;
    heap->duration_ns = anchor->tick_ns - anchor->start_ns;
    heap->base_age_ns = r->base.counts ? anchor->tick_ns - r->base.time_ns : 0;
    heap->sampling = (struct gs_heap_sampling){
        .asked_bytes = anchor->sampling.asked_bytes,
        .bytes = anchor->sampling.bytes,
        .for_budget = anchor->sampling.for_budget,
        .for_crowding = anchor->sampling.for_crowding,
        .samples_dropped = anchor->drops.samples,
        .stacks_full = anchor->drops.stacks_full,
        .stacks_cut = anchor->drops.stacks_cut,
        .labels_refused = anchor->labels_refused,
        .hooks_seen = anchor->hooks_seen,
    };
}

struct gs_anchored *gs_gather_anchored_read(const struct gs_memory *memory, uint64_t anchor, char *why,
                                            size_t why_size)
{
    struct anchor_reading r = {.memory = memory, .out = gs_alloc(sizeof *r.out)};
    const char *wrong = r.out ? read_anchor(&r, anchor) : "no memory";
    if (!wrong) {
        if (r.anchor.baselines)
            (void)gs_gather_baselines_read(memory, (uint64_t)(uintptr_t)r.anchor.baselines, r.anchor.tick_ns,
                                           &r.base);
        if (!read_stacks(&r))
            wrong = "no memory";
        describe(&r);
    }
    gs_free(r.entry);
    gs_free(r.base.counts);
    if (!wrong)
        return r.out;
    snprintf(why, why_size, "%s", wrong);
    gs_gather_anchored_free(r.out);
    return NULL;
}

void gs_gather_anchored_free(struct gs_anchored *anchored)
{
    if (!anchored)
        return;
    for (size_t i = 0; i < anchored->kept_count; i++)
        gs_free(anchored->kept[i]);
    gs_free(anchored->kept);
    gs_free(anchored);
}
