/* combine.c - adds a profile to another one, or subtracts it, like pprof's -base: appends its samples, with negated values for the
 * difference, adds up samples with equal stack and labels, and removes samples whose values are all zero.
 * If there is no memory (-ENOMEM), the profile may be partly changed. */
#include "base/hash.h"
#include "base/memory.h"
#include "profile/inside.h"
#include <errno.h>
#include <string.h>

/* ---- matching the other profile's locations ----------------------------------------------------------------- */

/* The build id of MAPPING (1-based); its path if it has no build id; "" for 0, no mapping. */
static const char *mapping_identity(const struct gs_profile *profile, uint32_t mapping)
{
    if (mapping == 0)
        return "";
    const struct gs_profile_mapping *entry = &profile->mapping[mapping - 1];
    return *entry->build_id ? entry->build_id : entry->path;
}

/* The offset in the mapped file, so that the same code at two addresses compares equal; without a mapping the address. */
static uint64_t file_address(const struct gs_profile *profile, const struct gs_location *location)
{
    const struct gs_profile_mapping *mapping =
        location->mapping ? &profile->mapping[location->mapping - 1] : NULL;
    return mapping ? location->address - mapping->start + mapping->offset : location->address;
}

static uint64_t hash_location(const struct gs_profile *profile, const struct gs_location *location)
{
    const char *identity = mapping_identity(profile, location->mapping);
    const char *name = location->line_count ? profile->function[location->line[0].function].name : "";
    return gs_hash_mix(gs_hash_bytes(identity, strlen(identity)) ^ gs_hash_bytes(name, strlen(name)) ^
                       file_address(profile, location));
}

static uint64_t hash_of_location(const void *context, uint32_t number)
{
    const struct gs_profile *profile = context;
    return hash_location(profile, &profile->location[number]);
}

static bool same_function(const struct gs_function *a, const struct gs_function *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->system_name, b->system_name) == 0 &&
           strcmp(a->file, b->file) == 0;
}

static bool same_location(const struct gs_profile *a_profile, const struct gs_location *a,
                          const struct gs_profile *b_profile, const struct gs_location *b)
{
    if (file_address(a_profile, a) != file_address(b_profile, b) || a->line_count != b->line_count ||
        strcmp(mapping_identity(a_profile, a->mapping), mapping_identity(b_profile, b->mapping)) != 0)
        return false;
    for (uint32_t i = 0; i < a->line_count; i++)
        if (a->line[i].line != b->line[i].line || !same_function(&a_profile->function[a->line[i].function],
                                                                 &b_profile->function[b->line[i].function]))
            return false;
    return true;
}

static uint32_t copy_mapping(struct gs_profile *to, const struct gs_profile *from, uint32_t mapping)
{
    const struct gs_profile_mapping *wanted = &from->mapping[mapping - 1];
    for (uint32_t i = 0; i < to->mapping_count; i++)
        if (strcmp(mapping_identity(to, i + 1), mapping_identity(from, mapping)) == 0 &&
            to->mapping[i].start == wanted->start)
            return i + 1;
    return gs_profile_add_mapping(to, wanted) + 1;
}

static uint32_t copy_location(struct gs_profile *to, const struct gs_profile *from,
                              const struct gs_location *location)
{
    struct gs_location copy = *location;
    struct gs_line *line = gs_profile_room(to, (location->line_count + 1) * sizeof *line);
    copy.mapping = location->mapping ? copy_mapping(to, from, location->mapping) : 0;
    for (uint32_t i = 0; line && i < location->line_count; i++) {
        const struct gs_function *function = &from->function[location->line[i].function];
        line[i].function = gs_profile_add_function(to, function->name, function->system_name, function->file,
                                                   function->start_line);
        line[i].line = location->line[i].line;
    }
    copy.line = line;
    return to->failed ? UINT32_MAX : gs_profile_add_location(to, &copy);
}

/* The number of the location in PROFILE that equals WANTED of FROM. UINT32_MAX: INDEX, of PROFILE's locations, has none. */
static uint32_t find_location(const struct gs_profile *profile, const struct gs_index *index,
                              const struct gs_profile *from, const struct gs_location *wanted)
{
    size_t at = SIZE_MAX;
    for (uint32_t candidate;
         (candidate = gs_index_next(index, hash_location(from, wanted), &at)) != UINT32_MAX;)
        if (same_location(profile, &profile->location[candidate], from, wanted))
            return candidate;
    return UINT32_MAX;
}

/* For each location of PROFILE, the number of the first equal location. Only these are added to INDEX. The caller frees the
 * array. NULL: no memory. */
static uint32_t *find_first_equals(const struct gs_profile *profile, struct gs_index *index)
{
    uint32_t *first = gs_alloc((profile->location_count + 1) * sizeof *first);
    bool failed = !first;
    for (uint32_t i = 0; !failed && i < profile->location_count; i++) {
        uint32_t equal = find_location(profile, index, profile, &profile->location[i]);
        first[i] = equal == UINT32_MAX ? i : equal;
        if (equal == UINT32_MAX)
            failed = gs_index_add(index, hash_of_location(profile, i), i, hash_of_location, profile) != 0;
    }
    if (!failed)
        return first;
    gs_free(first);
    return NULL;
}

/* Make PROFILE's samples refer to the first of equal locations, so that equal stacks have equal location numbers. False: no
 * memory. */
static bool merge_equal_locations(struct gs_profile *profile, struct gs_index *index)
{
    uint32_t *first = find_first_equals(profile, index);
    for (size_t i = 0; first && i < profile->sample_count; i++) {
        uint32_t *location = (uint32_t *)profile->sample[i].location; // memory of the profile: may be changed
        for (uint32_t d = 0; d < profile->sample[i].depth; d++)
            location[d] = first[location[d]];
    }
    bool merged = first != NULL;
    gs_free(first);
    return merged;
}

/* For each location of BASE, the number of the equal location in PROFILE; added if there is none. The caller frees the
 * array. NULL: no memory. */
static uint32_t *match_locations(struct gs_profile *profile, const struct gs_profile *base)
{
    struct gs_index index = {0};
    uint32_t *match = gs_alloc((base->location_count + 1) * sizeof *match);
    bool failed = !match || !merge_equal_locations(profile, &index);
    for (size_t i = 0; !failed && i < base->location_count; i++) {
        match[i] = find_location(profile, &index, base, &base->location[i]);
        if (match[i] == UINT32_MAX) {
            match[i] = copy_location(profile, base, &base->location[i]);
            failed = match[i] == UINT32_MAX || gs_index_add(&index, hash_of_location(profile, match[i]),
                                                            match[i], hash_of_location, profile) != 0;
        }
    }
    gs_index_fini(&index);
    if (!failed)
        return match;
    gs_free(match);
    return NULL;
}

/* ---- samples -------------------------------------------------------------------------------------------------------- */

/* Append BASE's samples to PROFILE, with values times SIGN, 1 or -1. MATCH[location of BASE]: location of PROFILE. False: no
 * memory. */
static bool append_samples(struct gs_profile *profile, const struct gs_profile *base, const uint32_t *match,
                           int sign)
{
    for (size_t i = 0; i < base->sample_count && !profile->failed; i++) {
        const struct gs_sample *from = &base->sample[i];
        int64_t value[GS_SAMPLE_TYPES_MAX];
        uint32_t *location = gs_alloc((from->depth + 1) * sizeof *location);
        if (!location)
            return false;
        for (uint32_t d = 0; d < from->depth; d++)
            location[d] = match[from->location[d]];
        for (unsigned v = 0; v < profile->sample_type_count; v++)
            value[v] = sign < 0 ? (int64_t) - (uint64_t)from->value[v] : from->value[v];
        gs_profile_append_sample(
            profile, &(struct gs_sample){location, value, from->label, from->depth, from->label_count});
        gs_free(location);
    }
    return !profile->failed;
}

static bool same_labels(const struct gs_sample *a, const struct gs_sample *b)
{
    if (a->label_count != b->label_count)
        return false;
    for (uint32_t i = 0; i < a->label_count; i++) // interned: equal texts are equal pointers
        if (a->label[i].key != b->label[i].key || a->label[i].text != b->label[i].text ||
            a->label[i].number != b->label[i].number || a->label[i].unit != b->label[i].unit)
            return false;
    return true;
}

static uint64_t hash_of_sample(const void *context, uint32_t number)
{
    return gs_profile_sample_hash(&((const struct gs_profile *)context)->sample[number]);
}

static void add_values(struct gs_profile *profile, size_t to, size_t from)
{
    int64_t *sum = (int64_t *)profile->sample[to].value; // memory of the profile: may be changed
    for (unsigned v = 0; v < profile->sample_type_count; v++)
        sum[v] = gs_sum(sum[v], profile->sample[from].value[v]);
}

/* Add up samples with equal stack and labels: the first gets the sum, the others are removed. False: no memory. */
static bool merge_samples(struct gs_profile *profile)
{
    struct gs_index index = {0};
    size_t count = 0;
    bool failed = false;
    for (size_t i = 0; i < profile->sample_count && !failed; i++) {
        uint64_t hash = gs_profile_sample_hash(&profile->sample[i]);
        size_t at = SIZE_MAX;
        uint32_t earlier;
        while ((earlier = gs_index_next(&index, hash, &at)) != UINT32_MAX)
            if (gs_profile_sample_same_stack(&profile->sample[earlier], &profile->sample[i]) &&
                same_labels(&profile->sample[earlier], &profile->sample[i]))
                break;
        if (earlier != UINT32_MAX) {
            add_values(profile, earlier, i);
            continue;
        }
        profile->sample[count] = profile->sample[i];
        failed = gs_index_add(&index, hash, (uint32_t)count, hash_of_sample, profile) != 0;
        count++;
    }
    gs_index_fini(&index);
    profile->sample_count = failed ? profile->sample_count : count;
    return !failed;
}

static void remove_zero_samples(struct gs_profile *profile)
{
    size_t count = 0;
    for (size_t i = 0; i < profile->sample_count; i++) {
        bool zero = true;
        for (unsigned v = 0; v < profile->sample_type_count; v++)
            zero &= profile->sample[i].value[v] == 0;
        if (!zero)
            profile->sample[count++] = profile->sample[i];
    }
    profile->sample_count = count;
}

static bool same_types(const struct gs_profile *a, const struct gs_profile *b)
{
    if (a->sample_type_count != b->sample_type_count)
        return false;
    for (unsigned i = 0; i < a->sample_type_count; i++)
        if (strcmp(a->sample_type[i].type, b->sample_type[i].type) != 0 ||
            strcmp(a->sample_type[i].unit, b->sample_type[i].unit) != 0)
            return false;
    return true;
}

/* As in pprof, the difference gets the comments of both profiles, the earlier start time and the sum of the durations. */
static void merge_headers(struct gs_profile *profile, const struct gs_profile *base)
{
    if (base->time_ns && (!profile->time_ns || base->time_ns < profile->time_ns))
        profile->time_ns = base->time_ns;
    profile->duration_ns = gs_sum(profile->duration_ns, base->duration_ns);
    for (size_t i = 0; i < base->comment_count; i++) {
        bool known = false;
        for (size_t own = 0; own < profile->comment_count; own++)
            known |= strcmp(profile->comment[own], base->comment[i]) == 0;
        if (!known)
            gs_profile_add_comment(profile, "%s", base->comment[i]);
    }
}

static int combine(struct gs_profile *profile, const struct gs_profile *base, int sign)
{
    if (!same_types(profile, base))
        return -EINVAL;
    uint32_t *match = match_locations(profile, base);
    bool done = match && append_samples(profile, base, match, sign) && merge_samples(profile);
    gs_free(match);
    if (!done)
        return -ENOMEM;
    remove_zero_samples(profile);
    merge_headers(profile, base);
    return 0;
}

int gs_profile_subtract(struct gs_profile *profile, const struct gs_profile *base)
{
    return combine(profile, base, -1);
}

int gs_profile_add(struct gs_profile *profile, const struct gs_profile *other)
{
    return combine(profile, other, 1);
}
