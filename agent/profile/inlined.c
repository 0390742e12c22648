/* inlined.c - gives inlined frames a location each, so that every query sees them as ordinary frames.
 *
 *   location { lines: push_back, cache_insert }  ──▶  location { push_back } ← location { cache_insert }
 *
 * Context: CLI. */
#include "base/memory.h"
#include "profile/inside.h"

struct splitting {
    const struct gs_profile *from;
    struct gs_profile *to;
    uint32_t *first;    // for each location of `from`: its first location in `to`
    uint32_t *function; // for each function of `from`: its number in `to`
};

static uint32_t frames_of(const struct gs_profile *profile, uint32_t location)
{
    return profile->location[location].line_count > 1 ? profile->location[location].line_count : 1;
}

static void copy_head(const struct splitting *split)
{
    const struct gs_profile *from = split->from;
    for (unsigned i = 0; i < from->sample_type_count; i++)
        gs_profile_add_sample_type(split->to, from->sample_type[i].type, from->sample_type[i].unit);
    split->to->default_sample_type = from->default_sample_type;
    split->to->drop_frames = gs_profile_string(split->to, from->drop_frames);
    for (size_t i = 0; i < from->mapping_count; i++)
        gs_profile_add_mapping(split->to, &from->mapping[i]);
    for (size_t i = 0; i < from->function_count; i++)
        split->function[i] =
            gs_profile_add_function(split->to, from->function[i].name, from->function[i].system_name,
                                    from->function[i].file, from->function[i].start_line);
}

static void split_location(const struct splitting *split, uint32_t number)
{
    const struct gs_location *at = &split->from->location[number];
    split->first[number] = (uint32_t)split->to->location_count;
    for (uint32_t i = 0; i < frames_of(split->from, number); i++) {
        struct gs_line line = {0};
        if (at->line_count)
            line = (struct gs_line){split->function[at->line[i].function], at->line[i].line};
        gs_profile_add_location(split->to, &(struct gs_location){.address = at->address,
                                                                 .mapping = at->mapping,
                                                                 .line_count = at->line_count > 0,
                                                                 .line = &line});
    }
}

static void split_sample(const struct splitting *split, const struct gs_sample *sample)
{
    uint32_t location[GS_SAMPLE_DEPTH_MAX], depth = 0;
    for (uint32_t i = 0; i < sample->depth; i++)
        for (uint32_t k = 0; k < frames_of(split->from, sample->location[i]); k++)
            if (depth < GS_SAMPLE_DEPTH_MAX)
                location[depth++] = split->first[sample->location[i]] + k;
    struct gs_sample copy = *sample;
    copy.location = location;
    copy.depth = depth;
    gs_profile_append_sample(split->to, &copy);
}

struct gs_profile *gs_profile_split_inlined(const struct gs_profile *profile)
{
    struct splitting split = {
        .from = profile,
        .to = gs_profile_new(),
        .first = gs_alloc((profile->location_count + 1) * sizeof *split.first),
        .function = gs_alloc((profile->function_count + 1) * sizeof *split.function),
    };
    bool failed = !split.to || !split.first || !split.function;
    if (!failed)
        copy_head(&split);
    for (uint32_t i = 0; !failed && i < profile->location_count; i++)
        split_location(&split, i);
    for (size_t i = 0; !failed && i < profile->sample_count; i++)
        split_sample(&split, &profile->sample[i]);
    gs_free(split.first);
    gs_free(split.function);
    if (!failed && !split.to->failed)
        return split.to;
    if (split.to)
        gs_profile_free(split.to);
    return NULL;
}
