/* common_types.c - leaves two profiles with the sample types that both have, as newer versions of pprof do before they combine
 * profiles: one of them may have been written by another version, or may lack what was not known. */
#include "profile/inside.h"
#include <string.h>

/* The number of the sample type of PROFILE that is TYPE, unit included; -1: none. */
static int find(const struct gs_profile *profile, const struct gs_value_type *type)
{
    for (unsigned i = 0; i < profile->sample_type_count; i++)
        if (strcmp(profile->sample_type[i].type, type->type) == 0 &&
            strcmp(profile->sample_type[i].unit, type->unit) == 0)
            return (int)i;
    return -1;
}

/* Leave PROFILE with its sample types from[0..COUNT), in that order. */
static void select_types(struct gs_profile *profile, const unsigned *from, unsigned count)
{
    int64_t values[GS_SAMPLE_TYPES_MAX];
    struct gs_value_type types[GS_SAMPLE_TYPES_MAX];
    unsigned default_type = count - 1;
    for (size_t n = 0; n < profile->sample_count; n++) {
        int64_t *value = (int64_t *)profile->sample[n].value; // the profile's own
        for (unsigned i = 0; i < count; i++)
            values[i] = value[from[i]];
        memcpy(value, values, count * sizeof *value);
    }
    for (unsigned i = 0; i < count; i++) {
        types[i] = profile->sample_type[from[i]];
        if (from[i] == profile->default_sample_type)
            default_type = i;
    }
    memcpy(profile->sample_type, types, count * sizeof *types);
    profile->sample_type_count = count;
    profile->default_sample_type = default_type;
}

void gs_profile_keep_common_types(struct gs_profile *a, struct gs_profile *b)
{
    unsigned in_a[GS_SAMPLE_TYPES_MAX], in_b[GS_SAMPLE_TYPES_MAX], count = 0;
    for (unsigned i = 0; i < a->sample_type_count; i++) {
        int at = find(b, &a->sample_type[i]);
        bool known = false; // a damaged file may have a type twice
        for (unsigned n = 0; n < count; n++)
            known |= at >= 0 && in_b[n] == (unsigned)at;
        if (at < 0 || known)
            continue;
        in_a[count] = i;
        in_b[count++] = (unsigned)at;
    }
    if (!count || (count == a->sample_type_count && count == b->sample_type_count))
        return;
    select_types(a, in_a, count);
    select_types(b, in_b, count);
}

void gs_profile_clear_type(struct gs_profile *profile, const char *type)
{
    int at = gs_profile_sample_type(profile, type);
    for (size_t i = 0; at >= 0 && i < profile->sample_count; i++)
        ((int64_t *)profile->sample[i].value)[at] = 0; // the profile's own
}
