/* probe_stack.c - adds one of the probe's stacks to a profile, as a sample. */
#include "gather/inside.h"
#include "profile/profile.h"

uint32_t gs_gather_label_values(uint32_t set, struct gs_label_value out[GS_LABELS_MAX])
{
    struct gs_probe_label label[GS_LABELS_MAX];
    uint32_t count = gs_probe_labels(set, label);
    for (uint32_t i = 0; i < count; i++)
        out[i] = (struct gs_label_value){.key = label[i].key, .text = label[i].value};
    return count;
}

void gs_gather_add_stack_with(struct gs_profile *profile, uint32_t stack, const int64_t *values,
                              const struct gs_label_value *more)
{
    uint64_t address[GS_DEPTH_MAX];
    struct gs_label_value label[GS_LABELS_MAX + 1];
    uint32_t depth, labels = gs_gather_label_values(gs_probe_stack_labels(stack), label);
    bool cut;
    const uintptr_t *frames = gs_probe_stack_frames(stack, &depth, &cut);
    if (more)
        label[labels++] = *more;
    if (depth == 0) {
        gs_profile_add_named_sample(profile, GS_TABLE_FULL, values, label, labels);
        return;
    }
    for (uint32_t i = 0; i < depth; i++)
        address[i] = frames[i] - 1;
    gs_profile_add_sample(profile, address, depth, values, label, labels);
}

void gs_gather_add_stack(struct gs_profile *profile, uint32_t stack, const int64_t *values)
{
    gs_gather_add_stack_with(profile, stack, values, NULL);
}
