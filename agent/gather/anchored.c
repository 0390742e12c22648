/* anchored.c - reads the heap of a dead process from its memory, found by its anchor.
 *
 *   anchor ──▶ stacks: entries, frames, counters      } checked: version, sizes, numbers; a stack whose memory is
 *          ├─▶ labels: texts and sets                 } not in the core file is left out
 *          ├─▶ libraries that the frames were in      }
 *          ├─▶ baselines: counters of an earlier time }
 *          └─▶ peak: counters when most was in use    }
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
    struct gs_baseline base, peak; // we free their counts; NULL: none
    struct gs_anchored *out;
    size_t block_capacity;
};

static bool read_at(const struct anchor_reading *reading, const void *at, uint64_t offset, void *out,
                    size_t length)
{
    return reading->memory->read(reading->memory, (uint64_t)(uintptr_t)at + offset, out, length);
}

/* SIZE zeroed bytes, freed by gs_gather_anchored_free; NULL: no memory. */
static void *new_block(struct anchor_reading *reading, size_t size)
{
    struct gs_anchored *out = reading->out;
    if (gs_grow(&out->block, &reading->block_capacity, out->block_count + 1, sizeof *out->block))
        return NULL;
    void *fresh = gs_alloc(size);
    if (fresh)
        out->block[out->block_count++] = fresh;
    return fresh;
}

/* ---- find the anchor ----------------------------------------------------------------------------------------------------- */

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

/* ---- read anchor, labels, stacks ----------------------------------------------------------------------------------------- */

static const char *read_anchor(const struct gs_memory *memory, uint64_t at, struct gs_anchor *out)
{
    if (!memory->read(memory, at, out, sizeof *out) ||
        memcmp(out->magic, GS_ANCHOR_MAGIC, sizeof GS_ANCHOR_MAGIC) != 0)
        return "no anchor found";
    if (out->version != GS_ANCHOR_VERSION || out->size != sizeof *out)
        return "the process ran another version of the agent: use the command of that version";
    return NULL;
}

size_t gs_gather_anchored_own_threads(const struct gs_memory *memory, uint64_t anchor, int *tid, size_t max)
{
    struct gs_anchor there;
    struct gs_anchor_threads threads;
    int own[GS_OWN_THREADS_MAX];
    size_t count = 0;
    if (read_anchor(memory, anchor, &there) ||
        !memory->read(memory, (uint64_t)(uintptr_t)there.threads, &threads, sizeof threads) ||
        !memory->read(memory, (uint64_t)(uintptr_t)threads.own, own, sizeof own))
        return 0;
    for (size_t i = 0; i < GS_OWN_THREADS_MAX && count < max; i++)
        if (own[i] > 0)
            tid[count++] = own[i];
    return count;
}

static const char *read_tables(struct anchor_reading *reading, uint64_t at)
{
    const char *wrong = read_anchor(reading->memory, at, &reading->anchor);
    if (wrong)
        return wrong;
    if (!read_at(reading, reading->anchor.stacks, 0, &reading->stacks, sizeof reading->stacks) ||
        !read_at(reading, reading->anchor.labels, 0, &reading->labels, sizeof reading->labels) ||
        !read_at(reading, reading->stacks.count, 0, &reading->count, sizeof reading->count) ||
        reading->count > GS_STACKS_MAX)
        return "the agent's tables are damaged, or were not dumped";
    reading->entry = gs_alloc((reading->count + 1) * sizeof *reading->entry);
    if (!reading->entry ||
        !read_at(reading, reading->stacks.entry, 0, reading->entry, reading->count * sizeof *reading->entry))
        return "the agent's tables are damaged, or were not dumped";
    return NULL;
}

/* Read item NUMBER of the pool at POOL (a length, then the bytes) into OUT, at most MAX bytes; returns the length, 0:
 * none. */
static size_t read_pool_item(const struct anchor_reading *reading, const char *pool, uint32_t number,
                             void *out, size_t max)
{
    uint32_t length;
    if (!read_at(reading, pool, 4 * (uint64_t)number, &length, sizeof length) || length > max ||
        !read_at(reading, pool, 4 * (uint64_t)number + sizeof length, out, length))
        return 0;
    return length;
}

static const char *read_text(struct anchor_reading *reading, uint32_t number)
{
    char text[GS_LABEL_TEXT + 1] = {0};
    size_t length = read_pool_item(reading, reading->labels.text, number, text, GS_LABEL_TEXT);
    char *copy = length ? new_block(reading, length + 1) : NULL;
    return copy ? memcpy(copy, text, length) : NULL;
}

static void read_labels(struct anchor_reading *reading, uint32_t set, struct gs_given_stack *stack)
{
    uint32_t pair[GS_LABELS_MAX][2];
    size_t count =
        set ? read_pool_item(reading, reading->labels.set, set, pair, sizeof pair) / sizeof pair[0] : 0;
    struct gs_label_value *label = count ? new_block(reading, count * sizeof *label) : NULL;
    for (size_t i = 0; label && i < count; i++) {
        struct gs_label_value *one = &label[stack->label_count];
        one->key = read_text(reading, pair[i][0]);
        one->text = read_text(reading, pair[i][1]);
        stack->label_count += one->key && one->text;
    }
    stack->label = label;
}

/* Read stack NUMBER; false: it holds nothing, or part of it cannot be read. */
static bool read_stack(struct anchor_reading *reading, uint32_t number, struct gs_given_stack *out)
{
    const struct gs_stack_entry *e = &reading->entry[number];
    const struct gs_heap_counts now = {e->alloc_objects, e->alloc_space, e->inuse_objects, e->inuse_space};
    uint32_t depth = e->depth_live >> 2;
    *out = (struct gs_given_stack){.depth = depth};
    gs_gather_heap_values(now, out->now);
    if (reading->base.counts && number < reading->base.count)
        gs_gather_heap_values(reading->base.counts[number], out->then);
    if (reading->peak.counts && number < reading->peak.count)
        gs_gather_heap_values(reading->peak.counts[number], out->peak);
    if (now.alloc_objects == 0 || depth > GS_DEPTH_MAX || (depth && !(e->depth_live & 1)))
        return false;
    uint64_t *frame = new_block(reading, (depth + 1) * sizeof *frame);
    if (!frame || !read_at(reading, reading->stacks.frame, (uint64_t)e->first_frame * sizeof(uintptr_t),
                           frame, depth * sizeof *frame))
        return false;
    out->frame = frame;
    read_labels(reading, e->labels, out);
    return true;
}

static bool read_stacks(struct anchor_reading *reading)
{
    struct gs_given_stack *stack = new_block(reading, (reading->count + 1) * sizeof *stack);
    for (uint32_t i = 0; stack && i < reading->count; i++)
        reading->out->heap.count += read_stack(reading, i, &stack[reading->out->heap.count]);
    reading->out->heap.stack = stack;
    return stack != NULL;
}

/* Read the libraries that the frames were in. Those that cannot be read stay without a path. False: no memory. */
static bool read_libraries(struct anchor_reading *reading)
{
    struct gs_anchored *out = reading->out;
    struct gs_anchor_libraries libraries;
    uint32_t count;
    if (!read_at(reading, reading->anchor.libraries, 0, &libraries, sizeof libraries) ||
        !read_at(reading, libraries.count, 0, &count, sizeof count) || count > GS_LIBRARIES_MAX)
        return true;
    out->library = gs_alloc((count + 1) * sizeof *out->library);
    if (!out->library)
        return false;
    out->library_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct gs_library entry;
        if (!read_at(reading, libraries.library, i * sizeof entry, &entry, sizeof entry) ||
            entry.state == GS_LIBRARY_EMPTY || entry.start >= entry.end || entry.end > GS_ADDRESS_MASK)
            continue;
        entry.path[sizeof entry.path - 1] = 0;
        if (!gs_gather_library_mapping(&entry, i + 1, &out->library[i]))
            return false;
    }
    return true;
}

static void describe(struct anchor_reading *reading)
{
    const struct gs_anchor *anchor = &reading->anchor;
    struct gs_given_heap *heap = &reading->out->heap;
    reading->out->last_tick_ns = anchor->tick_realtime_ns;
    heap->time_ns = anchor->tick_realtime_ns;
    heap->duration_ns = anchor->tick_ns - anchor->start_ns;
    heap->base_age_ns = reading->base.counts ? anchor->tick_ns - reading->base.time_ns : 0;
    if (reading->peak.counts && reading->peak.time_ns >= 0) // it may have been copied after the last tick
        heap->peak_age_ns =
            anchor->tick_ns > reading->peak.time_ns ? anchor->tick_ns - reading->peak.time_ns : 1;
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

static void read_peak(struct anchor_reading *reading)
{
    struct gs_baseline there;
    if (reading->anchor.peak && read_at(reading, reading->anchor.peak, 0, &there, sizeof there))
        (void)gs_gather_baseline_read(reading->memory, &there, &reading->peak);
}

struct gs_anchored *gs_gather_anchored_read(const struct gs_memory *memory, uint64_t anchor, char *why,
                                            size_t why_size)
{
    struct anchor_reading reading = {.memory = memory, .out = gs_alloc(sizeof *reading.out)};
    const char *error = reading.out ? read_tables(&reading, anchor) : "no memory";
    if (!error) {
        if (reading.anchor.baselines)
            (void)gs_gather_baselines_read(memory, (uint64_t)(uintptr_t)reading.anchor.baselines,
                                           reading.anchor.tick_ns, &reading.base);
        read_peak(&reading);
        if (!read_stacks(&reading) || !read_libraries(&reading))
            error = "no memory";
        describe(&reading);
    }
    gs_free(reading.entry);
    gs_free(reading.base.counts);
    gs_free(reading.peak.counts);
    if (!error)
        return reading.out;
    snprintf(why, why_size, "%s", error);
    gs_gather_anchored_free(reading.out);
    return NULL;
}

void gs_gather_anchored_free(struct gs_anchored *anchored)
{
    if (!anchored)
        return;
    for (size_t i = 0; i < anchored->block_count; i++)
        gs_free(anchored->block[i]);
    gs_free(anchored->block);
    gs_gather_libraries_free(anchored->library, anchored->library_count);
    gs_free(anchored);
}
