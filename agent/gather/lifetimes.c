/* lifetimes.c - the lifetimes profile: how long blocks live, by stack.
 *
 *   the probe's histograms of freed blocks ──▶ samples with freed_objects, freed_space; label "lifetime" = 1048576 nanoseconds: from
 *                                              there to twice that; 0: less than 4096
 *   the live samples (ages.c)              ──▶ samples with alive_objects, alive_space; label "age", in classes
 *
 * What is still in use has not ended: its lifetime is at least its age. So the two are never in one sample.
 * Who: the watcher; a thread of gumshoe_write_profile. */
#include "gather/inside.h"
#include "profile/profile.h"
#include <errno.h>
#include <inttypes.h>

enum { ALIVE_OBJECTS, ALIVE_SPACE, FREED_OBJECTS, FREED_SPACE, TYPES };

static struct gs_profile *new_profile(const struct gs_gather *how)
{
    struct gs_profile *profile = gs_profile_new();
    if (!profile)
        return NULL;
    gs_profile_add_sample_type(profile, "alive_objects", "count");
    gs_profile_add_sample_type(profile, "alive_space", "bytes");
    gs_profile_add_sample_type(profile, "freed_objects", "count");
    gs_profile_add_sample_type(profile, "freed_space", "bytes");
    profile->default_sample_type = FREED_SPACE;
    gs_gather_describe_heap_now(profile, how);
    return profile;
}

static void add_freed(struct gs_profile *profile, uint32_t stack)
{
    struct gs_lifetime lifetime;
    for (uint32_t at = 0; gs_probe_lifetimes_next(stack, &at, &lifetime);) {
        const int64_t values[TYPES] = {
            [FREED_OBJECTS] = gs_gather_whole_objects(lifetime.objects),
            [FREED_SPACE] = (int64_t)lifetime.bytes,
        };
        const struct gs_label_value label = {"lifetime", NULL, gs_probe_lifetime_from_ns(lifetime.class),
                                             "nanoseconds"};
        if (values[FREED_OBJECTS] || values[FREED_SPACE])
            gs_gather_add_stack_with(profile, stack, values, &label);
    }
}

static void add_alive(struct gs_profile *profile, uint32_t stack, const struct gs_ages *ages)
{
    struct gs_heap_counts counts = gs_probe_stack_counts(stack);
    struct gs_stack_ages of = gs_gather_ages_of(ages, stack, &counts);
    for (unsigned class = 0; class < GS_AGE_CLASSES; class ++) {
        const int64_t values[TYPES] = {
            [ALIVE_OBJECTS] = gs_gather_whole_objects(of.class[class].objects),
            [ALIVE_SPACE] = (int64_t)of.class[class].bytes,
        };
        const struct gs_label_value label = {"age", NULL, gs_gather_age_from_ns(class), "nanoseconds"};
        if (values[ALIVE_OBJECTS] || values[ALIVE_SPACE])
            gs_gather_add_stack_with(profile, stack, values, &label);
    }
}

static void report_drops(struct gs_profile *profile, struct gs_text *notes)
{
    uint64_t dropped = gs_probe_lifetimes_dropped();
    if (!dropped)
        return;
    gs_profile_add_comment(profile, "%" PRIu64 " freed samples have no lifetime: too many stacks", dropped);
    gs_text_add(notes, "lifetimes: %" PRIu64 " freed samples have none: too many stacks\n", dropped);
}

int gs_gather_lifetimes(const struct gs_gather *how, struct gs_gathered *out)
{
    struct gs_ages ages;
    if (!gs_gather_ages_take(&ages, how->now_ns, INT64_MIN))
        return -ENOMEM;
    out->profile = new_profile(how);
    uint32_t count = gs_probe_stack_count();
    for (uint32_t stack = 0; out->profile && stack < count; stack++) {
        add_freed(out->profile, stack);
        add_alive(out->profile, stack, &ages);
    }
    gs_gather_ages_fini(&ages);
    if (!out->profile)
        return -ENOMEM;
    report_drops(out->profile, &out->notes);
    gs_gather_symbolize(out->profile, how->maps);
    return out->profile->failed ? -ENOMEM : 0;
}
