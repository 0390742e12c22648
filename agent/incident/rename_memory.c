/* rename_memory.c - puts new names into a stored memory.json.
 *
 *   "stack", "addresses" ──▶ a profile, one sample for each stack ──lines──▶ the same with names ──▶ "stack", "function"
 *
 * Context: CLI. The file may have been written by anybody. */
#include "base/memory.h"
#include "incident/inside.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const lists[] = {"anonymous_by_stack", "shared_by_stack", "stacks_by_function",
                                    "stacks_by_creator"};

/* The addresses of STACK, if it has one for each frame; else NULL. */
static const json_t *addresses_of(const json_t *stack)
{
    const json_t *addresses = json_object_get(stack, "addresses");
    size_t count = json_array_size(addresses);
    return count && count <= GS_SAMPLE_DEPTH_MAX && count == json_array_size(json_object_get(stack, "stack"))
               ? addresses
               : NULL;
}

/* The number of the mapping at ADDRESS, plus 1; 0: none. */
static uint32_t mapping_at(const struct gs_profile *profile, uint64_t address)
{
    for (uint32_t i = 0; i < profile->mapping_count; i++)
        if (address >= profile->mapping[i].start && address < profile->mapping[i].end)
            return i + 1;
    return 0;
}

/* Add a sample for STACK. */
static void add_stack(struct gs_profile *profile, const json_t *stack)
{
    uint32_t location[GS_SAMPLE_DEPTH_MAX], depth = 0;
    size_t i;
    int64_t bytes = json_integer_value(json_object_get(stack, "bytes"));
    const json_t *address, *names = json_object_get(stack, "stack"), *addresses = addresses_of(stack);
    json_array_foreach(addresses, i, address)
    {
        const char *name = json_string_value(json_array_get(names, i)), *text = json_string_value(address);
        struct gs_line line = {gs_profile_add_function(profile, name ? name : "", "", "", 0), 0};
        struct gs_location at = {
            .address = text ? strtoull(text, NULL, 16) : 0, .line_count = name != NULL, .line = &line};
        at.mapping = mapping_at(profile, at.address);
        location[depth++] = gs_profile_add_location(profile, &at);
    }
    if (depth && !profile->failed)
        gs_profile_append_sample(profile,
                                 &(struct gs_sample){.location = location, .value = &bytes, .depth = depth});
}

struct gs_profile *gs_incident_memory_profile(const json_t *memory, const struct gs_profile_mapping *mapping,
                                              size_t count)
{
    struct gs_profile *profile = gs_profile_new();
    size_t at;
    const json_t *stack;
    if (!profile)
        return NULL;
    gs_profile_add_sample_type(profile, "mapped", "bytes");
    for (size_t i = 0; i < count; i++)
        gs_profile_add_mapping(profile, &mapping[i]);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        json_array_foreach(json_object_get(memory, lists[i]), at, stack) add_stack(profile, stack);
    if (!profile->failed)
        return profile;
    gs_profile_free(profile);
    return NULL;
}

/* Put the names of SAMPLE into STACK. 0 or -ENOMEM. */
static int rename_stack(json_t *stack, struct gs_profile *named, const struct gs_sample *sample)
{
    struct gs_json names = gs_json_array();
    char room[300];
    for (uint32_t i = 0; i < sample->depth; i++)
        gs_json_add(&names,
                    gs_json_printable(gs_profile_frame_name(named, sample->location[i], room, sizeof room)));
    uint32_t own = gs_profile_own_frame(named, sample->location, sample->depth);
    json_t *function =
        gs_json_printable(gs_profile_own_name(named, sample->location[own], room, sizeof room));
    int error = json_object_set_new(stack, "stack", gs_json_take(&names)) != 0 ? -ENOMEM : 0;
    return json_object_set_new(stack, "function", function) != 0 ? -ENOMEM : error;
}

/* The heap of EVIDENCE, from which plumbing is learned; NULL: it has none, or no memory. */
static struct gs_profile *heap_of(const struct gs_incident_evidence *evidence)
{
    for (size_t i = 0; gs_kinds[i].name && i < GS_INCIDENT_KINDS_MAX; i++)
        if (gs_kinds[i].kind == GS_HEAP && evidence->profile[i])
            return gs_profile_split_inlined(evidence->profile[i]);
    return NULL;
}

int gs_incident_rename_memory(const struct gs_incident_evidence *evidence, const struct gs_profile *named,
                              json_t *memory)
{
    struct gs_profile *split = gs_profile_split_inlined(named), *heap = heap_of(evidence);
    struct gs_plumbing plumbing = gs_incident_plumbing_of_evidence(evidence);
    size_t at, next = 0;
    json_t *stack;
    int error = split ? 0 : -ENOMEM;
    if (!error && heap)
        error = gs_profile_learn_plumbing(heap, &plumbing);
    if (split)
        split->plumbing = &plumbing;
    for (size_t i = 0; !error && i < sizeof lists / sizeof *lists; i++)
        json_array_foreach(json_object_get(memory, lists[i]), at, stack)
        {
            if (!error && addresses_of(stack) && next < split->sample_count)
                error = rename_stack(stack, split, &split->sample[next++]);
        }
    gs_profile_free(split);
    gs_profile_free(heap);
    return error;
}

/* How many frames of MEMORY have a name. */
static size_t named_frames(const json_t *memory)
{
    size_t at, frame, count = 0;
    const json_t *stack, *name;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        json_array_foreach(json_object_get(memory, lists[i]), at, stack)
        {
            json_array_foreach(json_object_get(stack, "stack"), frame, name) count +=
                json_is_string(name) && !strstr(json_string_value(name), "+0x");
        }
    return count;
}

bool gs_incident_memory_has_more_names(const json_t *memory, const json_t *other)
{
    return named_frames(memory) > named_frames(other);
}
