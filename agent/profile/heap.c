/* heap.c - the heap profile: the probe's stacks and their counters, now and as of a baseline.
 *
 * Numbers are what the samples stand for: alloc_* since the process started, inuse_* what is live. The sum of
 * inuse_space is the metric heap_in_use. Who: the watcher, or a host thread in gumshoe_write_profile. */
#include "base/clock.h"
#include "base/units.h"
#include "profile/gather.h"
#include <errno.h>
#include <inttypes.h>

/* Frames that pprof is to drop: the allocation functions themselves. */
static const char drop_frames[] =
    "malloc|calloc|realloc|reallocarray|posix_memalign|aligned_alloc|memalign|valloc|"
    "pvalloc|gumshoe_note_alloc|operator new.*";

static int64_t objects(uint64_t fixed)
{
    return (int64_t)((fixed + (1 << (GS_OBJECT_SHIFT - 1))) >> GS_OBJECT_SHIFT);
}

static void add_stack(struct gs_profile *profile, uint32_t stack, struct gs_heap_counts counts)
{
    const int64_t values[] = {objects(counts.alloc_objects), (int64_t)counts.alloc_space,
                              objects(counts.inuse_objects), (int64_t)counts.inuse_space};
    if (values[0])
        gs_add_probe_stack(profile, stack, values);
}

static struct gs_profile *new_profile(const struct gs_gather *how)
{
    struct gs_profile *profile = gs_profile_new();
    if (!profile)
        return NULL;
    gs_profile_add_sample_type(profile, "alloc_objects", "count");
    gs_profile_add_sample_type(profile, "alloc_space", "bytes");
    gs_profile_add_sample_type(profile, "inuse_objects", "count");
    gs_profile_add_sample_type(profile, "inuse_space", "bytes");
    profile->default_sample_type = 3;
    profile->period_type =
        (struct gs_value_type){gs_profile_string(profile, "space"), gs_profile_string(profile, "bytes")};
    profile->period = (int64_t)gs_probe_sampling().bytes;
    profile->drop_frames = gs_profile_string(profile, drop_frames);
    gs_profile_add_comment(profile, "%s", how->reason);
    return profile;
}

static struct gs_profile *profile_now(const struct gs_gather *how)
{
    struct gs_profile *profile = new_profile(how);
    if (!profile)
        return NULL;
    profile->time_ns = gs_realtime_ns();
    profile->duration_ns = how->now_ns - how->start_ns;
    uint32_t count = gs_probe_stack_count();
    for (uint32_t stack = 0; stack < count; stack++)
        add_stack(profile, stack, gs_probe_stack_counts(stack));
    return profile;
}

static struct gs_profile *profile_then(const struct gs_gather *how, const struct gs_baseline *baseline)
{
    struct gs_profile *profile = new_profile(how);
    if (!profile)
        return NULL;
    profile->time_ns = gs_realtime_ns() - (how->now_ns - baseline->time_ns);
    profile->duration_ns = baseline->time_ns - how->start_ns;
    for (uint32_t stack = 0; stack < baseline->count; stack++)
        add_stack(profile, stack, baseline->counts[stack]);
    return profile;
}

/* What was left out, as lines of NOTES and as comments of PROFILE. */
static void tell_drops(struct gs_profile *profile, struct gs_text *notes)
{
    struct gs_probe_drops drops = gs_probe_drops();
    const struct {
        uint64_t count;
        const char *what;
    } told[] = {
        {drops.samples,
         "heap samples were dropped: the table of live samples was full in their neighbourhood"},
        {drops.stacks_full,
         "heap samples are charged to \"(table full)\": there were too many distinct stacks"},
        {gs_probe_labels_refused(),
         "labels were refused: too long, more than 8 on one thread, or too many distinct ones"},
        {drops.stacks_cut, "heap samples have a stack that was cut: too deep, or no way to unwind further"},
    };
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (told[i].count) {
            gs_profile_add_comment(profile, "%" PRIu64 " %s", told[i].count, told[i].what);
            gs_text_add(notes, "%" PRIu64 " %s\n", told[i].count, told[i].what);
        }
}

/* Why the distance is wider than the rules ask for, if it is. */
static void tell_widening(struct gs_profile *profile, struct gs_text *notes)
{
    struct gs_sampling sampling = gs_probe_sampling();
    char asked[GS_UNIT_TEXT], now[GS_UNIT_TEXT];
    if (sampling.bytes == sampling.asked_bytes)
        return;
    gs_print_size((double)sampling.asked_bytes, asked);
    gs_print_size((double)sampling.bytes, now);
    const char *why = !sampling.for_crowding ? "the agent keeps within its budget"
                      : !sampling.for_budget ? "there are very many live samples"
                                             : "of the budget, and of very many live samples";
    gs_profile_add_comment(profile, "sampled every %s instead of %s: %s", now, asked, why);
    gs_text_add(notes, "sampled every %s instead of %s: %s\n", now, asked, why);
}

int gs_gather_heap(const struct gs_gather *how, struct gs_gathered *out)
{
    const struct gs_baseline *baseline = gs_baselines_find(how->baselines, how->now_ns, how->window_ns);
    out->profile = profile_now(how);
    if (!out->profile)
        return -ENOMEM;
    tell_drops(out->profile, &out->notes);
    tell_widening(out->profile, &out->notes);
    if (!gs_probe_hooks_seen())
        gs_text_add(&out->notes,
                    "the heap profile is empty: this program brings an allocator of its own, which "
                    "the library does not see\n");
    gs_profile_symbolize(out->profile, how->maps);
    if (baseline) {
        out->base = profile_then(how, baseline);
        out->base_age_ns = how->now_ns - baseline->time_ns;
        if (out->base)
            gs_profile_symbolize(out->base, how->maps);
    }
    return out->profile->failed || (out->base && out->base->failed) ? -ENOMEM : 0;
}
