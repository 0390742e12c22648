/* allocation.c - one allocation as a profile: the call that a rule on largest_alloc or alloc_failures fired for.
 * Who: the watcher. */
#include "base/clock.h"
#include "gather/inside.h"
#include "profile/profile.h"

struct gs_profile *gs_gather_allocation(const struct gs_gather *how, const struct gs_allocation *allocation)
{
    struct gs_profile *profile = gs_profile_new();
    if (!profile)
        return NULL;
    const int64_t values[] = {1, (int64_t)allocation->bytes};
    gs_profile_add_sample_type(profile, "alloc_objects", "count");
    gs_profile_add_sample_type(profile, "alloc_space", "bytes");
    profile->default_sample_type = 1;
    profile->time_ns = gs_clock_realtime_ns();
    gs_profile_add_comment(profile, "%s", how->reason);
    gs_gather_add_stack(profile, allocation->stack, values);
    gs_gather_symbolize(profile, how->maps);
    if (!profile->failed)
        return profile;
    gs_profile_free(profile);
    return NULL;
}
