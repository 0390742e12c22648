/* subtract.c - computes the growth from one profile to another, like pprof's -base: adds the base's samples with negated
 * values, adds up samples of equal stack and labels, and removes samples whose values are all zero. */
#include "base/hash.h"
#include "base/memory.h"
#include "profile/inside.h"
#include <errno.h>
#include <string.h>

/* ---- the base's locations among the profile's ------------------------------------------------------------------------ */

static const char *identity_of(const struct gs_profile *p, uint32_t mapping)
{
    if (mapping == 0)
        return "";
    const struct gs_profile_mapping *m = &p->mapping[mapping - 1];
    return *m->build_id ? m->build_id : m->path;
}

/* The address relative to the file, so that the same code mapped elsewhere compares equal. */
static uint64_t file_address(const struct gs_profile *p, const struct gs_location *l)
{
    const struct gs_profile_mapping *m = l->mapping ? &p->mapping[l->mapping - 1] : NULL;
    return m ? l->address - m->start + m->offset : l->address;
}

static uint64_t hash_location(const struct gs_profile *p, const struct gs_location *l)
{
    const char *identity = identity_of(p, l->mapping);
    const char *name = l->line_count ? p->function[l->line[0].function].name : "";
    return gs_hash_mix(gs_hash_bytes(identity, strlen(identity)) ^ gs_hash_bytes(name, strlen(name)) ^
                       file_address(p, l));
}

static uint64_t hash_of_location(const void *of, uint32_t number)
{
    const struct gs_profile *p = of;
    return hash_location(p, &p->location[number]);
}

static bool same_function(const struct gs_function *a, const struct gs_function *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->system_name, b->system_name) == 0 &&
           strcmp(a->file, b->file) == 0;
}

static bool same_location(const struct gs_profile *p, const struct gs_location *a, const struct gs_profile *q,
                          const struct gs_location *b)
{
    if (file_address(p, a) != file_address(q, b) || a->line_count != b->line_count ||
        strcmp(identity_of(p, a->mapping), identity_of(q, b->mapping)) != 0)
        return false;
    for (uint32_t i = 0; i < a->line_count; i++)
        if (a->line[i].line != b->line[i].line ||
            !same_function(&p->function[a->line[i].function], &q->function[b->line[i].function]))
            return false;
    return true;
}

static uint32_t copy_mapping(struct gs_profile *to, const struct gs_profile *from, uint32_t mapping)
{
    const struct gs_profile_mapping *wanted = &from->mapping[mapping - 1];
    for (uint32_t i = 0; i < to->mapping_count; i++)
        if (strcmp(identity_of(to, i + 1), identity_of(from, mapping)) == 0 &&
            to->mapping[i].start == wanted->start)
            return i + 1;
    return gs_profile_add_mapping(to, wanted) + 1;
}

static uint32_t copy_location(struct gs_profile *to, const struct gs_profile *from,
                              const struct gs_location *l)
{
    struct gs_location copy = *l;
    struct gs_line *line = gs_profile_room(to, (l->line_count + 1) * sizeof *line);
    copy.mapping = l->mapping ? copy_mapping(to, from, l->mapping) : 0;
    for (uint32_t i = 0; line && i < l->line_count; i++) {
        const struct gs_function *f = &from->function[l->line[i].function];
        line[i].function = gs_profile_add_function(to, f->name, f->system_name, f->file, f->start_line);
        line[i].line = l->line[i].line;
    }
    copy.line = line;
    return to->failed ? UINT32_MAX : gs_profile_add_location(to, &copy);
}

/* The location of PROFILE that is the same as FROM's WANTED; UINT32_MAX when INDEX has none. */
static uint32_t find_location(const struct gs_profile *profile, const struct gs_index *index,
                              const struct gs_profile *from, const struct gs_location *wanted)
{
    size_t at = SIZE_MAX;
    for (uint32_t n; (n = gs_index_next(index, hash_location(from, wanted), &at)) != UINT32_MAX;)
        if (same_location(profile, &profile->location[n], from, wanted))
            return n;
    return UINT32_MAX;
}

/* For each location of PROFILE, the number of the first that is the same; INDEX gets those. NULL without memory. */
static uint32_t *first_of_equals(const struct gs_profile *profile, struct gs_index *index)
{
    uint32_t *first = gs_alloc((profile->location_count + 1) * sizeof *first);
    bool failed = !first;
    for (uint32_t i = 0; !failed && i < profile->location_count; i++) {
        uint32_t same = find_location(profile, index, profile, &profile->location[i]);
        first[i] = same == UINT32_MAX ? i : same;
        if (same == UINT32_MAX)
            failed = gs_index_add(index, hash_of_location(profile, i), i, hash_of_location, profile) != 0;
    }
    if (!failed)
        return first;
    gs_free(first);
    return NULL;
}

/* Let PROFILE's samples refer to the first of equal locations each, so that equal stacks are equal numbers. */
static bool settle_locations(struct gs_profile *profile, struct gs_index *index)
{
    uint32_t *first = first_of_equals(profile, index);
    for (size_t i = 0; first && i < profile->sample_count; i++) {
        uint32_t *location = (uint32_t *)profile->sample[i].location; // the profile's own memory
        for (uint32_t d = 0; d < profile->sample[i].depth; d++)
            location[d] = first[location[d]];
    }
    bool settled = first != NULL;
    gs_free(first);
    return settled;
}

/* For each location of BASE, the number of the same in PROFILE, added where there is none. NULL without memory. */
static uint32_t *match_locations(struct gs_profile *profile, const struct gs_profile *base)
{
    struct gs_index index = {0};
    uint32_t *match = gs_alloc((base->location_count + 1) * sizeof *match);
    bool failed = !match || !settle_locations(profile, &index);
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

/* ---- samples ------------------------------------------------------------------------------------------------------------- */

static bool append_negated(struct gs_profile *profile, const struct gs_profile *base, const uint32_t *match)
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
            value[v] = (int64_t) - (uint64_t)from->value[v];
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
    for (uint32_t i = 0; i < a->label_count; i++) // interned: equal texts are the same pointer
        if (a->label[i].key != b->label[i].key || a->label[i].text != b->label[i].text ||
            a->label[i].number != b->label[i].number)
            return false;
    return true;
}

static uint64_t hash_of_sample(const void *of, uint32_t number)
{
    return gs_profile_sample_hash(&((const struct gs_profile *)of)->sample[number]);
}

static void add_values(struct gs_profile *profile, size_t to, size_t from)
{
    int64_t *sum = (int64_t *)profile->sample[to].value; // the profile's own memory
    for (unsigned v = 0; v < profile->sample_type_count; v++)
        sum[v] = gs_sum(sum[v], profile->sample[from].value[v]);
}

/* Add up samples of equal stack and labels; the first of them stays. */
static bool merge_samples(struct gs_profile *profile)
{
    struct gs_index index = {0};
    size_t count = 0;
    bool failed = false;
    for (size_t i = 0; i < profile->sample_count && !failed; i++) {
        uint64_t hash = gs_profile_sample_hash(&profile->sample[i]);
        size_t at = SIZE_MAX;
        uint32_t n;
        while ((n = gs_index_next(&index, hash, &at)) != UINT32_MAX)
            if (gs_profile_sample_same_stack(&profile->sample[n], &profile->sample[i]) &&
                same_labels(&profile->sample[n], &profile->sample[i]))
                break;
        if (n != UINT32_MAX) {
            add_values(profile, n, i);
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

/* As in pprof, a difference has the comments of both profiles, the earlier start time, and the sum of the durations. */
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

int gs_profile_subtract(struct gs_profile *profile, const struct gs_profile *base)
{
    if (!same_types(profile, base))
        return -EINVAL;
    uint32_t *match = match_locations(profile, base);
    bool done = match && append_negated(profile, base, match) && merge_samples(profile);
    gs_free(match);
    if (!done)
        return -ENOMEM;
    remove_zero_samples(profile);
    merge_headers(profile, base);
    return 0;
}
