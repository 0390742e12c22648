/* heap_stacks.c - the heap's stacks one by one, for the black box, which writes only the changed ones.
 * Who: the watcher. */
#include "gather/inside.h"
#include "profile/profile.h"
#include <string.h>

_Static_assert((int)GS_HEAP_LABELS_MAX == (int)GS_LABELS_MAX, "the probe's own bound");

int64_t gs_gather_whole_objects(uint64_t fixed)
{
    return (int64_t)((fixed + (1 << (GS_OBJECT_SHIFT - 1))) >> GS_OBJECT_SHIFT);
}

void gs_gather_heap_values(struct gs_heap_counts counts, int64_t values[GS_HEAP_VALUES])
{
    values[GS_ALLOC_OBJECTS] = gs_gather_whole_objects(counts.alloc_objects);
    values[GS_ALLOC_SPACE] = (int64_t)counts.alloc_space;
    values[GS_INUSE_OBJECTS] = gs_gather_whole_objects(counts.inuse_objects);
    values[GS_INUSE_SPACE] = (int64_t)counts.inuse_space;
}

uint32_t gs_gather_heap_stack_count(void)
{
    return gs_probe_stack_count();
}

uint64_t gs_gather_heap_stacks_changed(uint32_t group)
{
    return gs_probe_stacks_changed(group);
}

void gs_gather_heap_stack_read(uint32_t stack, struct gs_label_value *label, struct gs_given_stack *out)
{
    bool cut;
    out->frame = gs_probe_stack_frames(stack, &out->depth, &cut);
    out->label = label;
    out->label_count = gs_gather_label_values(gs_probe_stack_labels(stack), label);
}

void gs_gather_heap_stack_values(uint32_t stack, int64_t *values)
{
    gs_gather_heap_values(gs_probe_stack_counts(stack), values);
}

int64_t gs_gather_baseline_time_ns(const struct gs_baselines *baselines, unsigned at)
{
    const struct gs_baseline *baseline = gs_gather_baselines_at(baselines, at);
    return baseline ? baseline->time_ns : 0;
}

void gs_gather_baseline_values(const struct gs_baselines *baselines, unsigned at, uint32_t stack,
                               int64_t *values)
{
    const struct gs_baseline *baseline = gs_gather_baselines_at(baselines, at);
    if (baseline && stack < baseline->count)
        gs_gather_heap_values(baseline->counts[stack], values);
    else
        memset(values, 0, GS_HEAP_VALUES * sizeof *values);
}
