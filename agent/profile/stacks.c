/* stacks.c - adds up samples whose stacks have the same functions, and sorts the stacks, heaviest first. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/sort.h"
#include "profile/inside.h"
#include <errno.h>
#include <string.h>

/* Frames are equal for a reader if this key is equal: the function, or the location if it has no name. */
static uint32_t frame_key(const struct gs_profile *profile, uint32_t location)
{
    const struct gs_location *at = &profile->location[location];
    return at->line_count ? at->line[0].function : UINT32_MAX - location;
}

static uint64_t hash_of_sample(const void *of, uint32_t number)
{
    const struct gs_profile *profile = of;
    const struct gs_sample *sample = &profile->sample[number];
    uint64_t hash = sample->depth;
    for (uint32_t i = 0; i < sample->depth; i++)
        hash = gs_hash_mix(hash ^ frame_key(profile, sample->location[i]));
    return hash;
}

static bool same_frames(const struct gs_profile *profile, const struct gs_sample *a,
                        const struct gs_sample *b)
{
    if (a->depth != b->depth)
        return false;
    for (uint32_t i = 0; i < a->depth; i++)
        if (frame_key(profile, a->location[i]) != frame_key(profile, b->location[i]))
            return false;
    return true;
}

static int heavier(const void *a, const void *b)
{
    const struct gs_stack_row *x = a, *y = b;
    uint64_t vx = gs_magnitude(x->value), vy = gs_magnitude(y->value);
    if (vx != vy)
        return vx > vy ? -1 : 1;
    return (x->sample > y->sample) - (x->sample < y->sample);
}

/* The row of SAMPLE's stack, or a new one. ROW_OF: for each sample that is the first of its stack, its row. */
static struct gs_stack_row *row_for(const struct gs_profile *profile, size_t sample, struct gs_index *index,
                                    uint32_t *row_of, struct gs_stacks *out)
{
    const struct gs_sample *s = &profile->sample[sample];
    uint64_t hash = hash_of_sample(profile, (uint32_t)sample);
    size_t at = SIZE_MAX;
    for (uint32_t n; (n = gs_index_next(index, hash, &at)) != UINT32_MAX;)
        if (same_frames(profile, &profile->sample[n], s))
            return &out->row[row_of[n]];
    if (gs_index_add(index, hash, (uint32_t)sample, hash_of_sample, profile))
        return NULL;
    row_of[sample] = (uint32_t)out->count;
    out->row[out->count] =
        (struct gs_stack_row){.location = s->location, .depth = s->depth, .sample = sample};
    return &out->row[out->count++];
}

int gs_profile_stacks(const struct gs_profile *profile, int sample_type, struct gs_stacks *out)
{
    struct gs_index index = {0};
    uint32_t *row_of = gs_alloc((profile->sample_count + 1) * sizeof *row_of);
    bool failed = !row_of;
    *out = (struct gs_stacks){.row = gs_alloc((profile->sample_count + 1) * sizeof *out->row)};
    failed |= !out->row;
    for (size_t i = 0; !failed && i < profile->sample_count; i++) {
        int64_t value = profile->sample[i].value[sample_type];
        struct gs_stack_row *row = value ? row_for(profile, i, &index, row_of, out) : NULL;
        failed = value && !row;
        if (row)
            row->value = gs_sum(row->value, value);
        out->total = gs_sum(out->total, value);
    }
    gs_index_fini(&index);
    gs_free(row_of);
    if (failed) {
        gs_profile_stacks_fini(out);
        return -ENOMEM;
    }
    gs_sort(out->row, out->count, sizeof *out->row, heavier);
    return 0;
}

void gs_profile_stacks_fini(struct gs_stacks *stacks)
{
    gs_free(stacks->row);
    *stacks = (struct gs_stacks){0};
}
