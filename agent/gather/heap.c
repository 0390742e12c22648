/* heap.c - the heap profile: each stack and what it holds, now and at a baseline.
 *
 *   the probe's stacks, the baselines ──▶ moment now, moment then ──┐
 *   a box's or a core file's stacks   ──▶ moment now, moment then ──┴▶ profiles ▶ notes of what was dropped ▶ names
 *   the peak (peak.c)                 ──▶ moment of the peak ─────────▶ a profile of its own
 *
 * Values are estimates from the samples: alloc_* since the process started, inuse_* what is live, inuse_old what of it is
 * older than the baseline (ages.c; not of another process). The sum of inuse_space is the metric heap_in_use.
 * Who: the watcher, or a host thread in gumshoe_write_profile. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/numbers.h"
#include "base/units.h"
#include "gather/inside.h"
#include "profile/profile.h"
#include <errno.h>
#include <inttypes.h>

/* Frames that pprof drops: the allocation functions. */
static const char drop_frames[] =
    "malloc|calloc|realloc|reallocarray|posix_memalign|aligned_alloc|memalign|valloc|"
    "pvalloc|gumshoe_note_alloc|operator new.*";

/* When the values of a profile were taken. */
struct moment {
    int64_t time_ns, duration_ns; // CLOCK_REALTIME; since the watch's start
};

/* Add STACK, which has OLD_BYTES in blocks that are older than the baseline. */
static void add_stack(struct gs_profile *profile, uint32_t stack, struct gs_heap_counts counts,
                      uint64_t old_bytes)
{
    int64_t values[GS_HEAP_VALUES];
    gs_gather_heap_values(counts, values);
    const int64_t with_old[] = {values[GS_ALLOC_OBJECTS], values[GS_ALLOC_SPACE], values[GS_INUSE_OBJECTS],
                                (int64_t)old_bytes, values[GS_INUSE_SPACE]};
    if (values[GS_ALLOC_OBJECTS])
        gs_gather_add_stack(profile, stack, with_old);
}

static struct moment moment_now(const struct gs_gather *how)
{
    return (struct moment){gs_clock_realtime_ns(), how->now_ns - how->start_ns};
}

/* What every profile of the heap says: when, REASON, and how it was sampled. */
static void describe_heap(struct gs_profile *profile, const char *reason,
                          const struct gs_heap_sampling *sampling, struct moment moment)
{
    profile->time_ns = moment.time_ns;
    profile->duration_ns = moment.duration_ns;
    profile->period_type =
        (struct gs_value_type){gs_profile_string(profile, "space"), gs_profile_string(profile, "bytes")};
    profile->period = (int64_t)sampling->bytes;
    profile->drop_frames = gs_profile_string(profile, drop_frames);
    gs_profile_add_comment(profile, "%s", reason);
}

void gs_gather_describe_heap_now(struct gs_profile *profile, const struct gs_gather *how)
{
    struct gs_heap_sampling sampling;
    gs_gather_heap_sampling_now(&sampling);
    describe_heap(profile, how->reason, &sampling, moment_now(how));
}

/* Are the ages of blocks known? inuse_space is the last sample type in any case. */
enum ages { WITHOUT_OLD, WITH_OLD };

static struct gs_profile *new_profile(const char *reason, const struct gs_heap_sampling *sampling,
                                      struct moment moment, enum ages ages)
{
    struct gs_profile *profile = gs_profile_new();
    if (!profile)
        return NULL;
    gs_profile_add_sample_type(profile, "alloc_objects", "count");
    gs_profile_add_sample_type(profile, "alloc_space", "bytes");
    gs_profile_add_sample_type(profile, "inuse_objects", "count");
    if (ages == WITH_OLD)
        gs_profile_add_sample_type(profile, "inuse_old", "bytes");
    gs_profile_add_sample_type(profile, "inuse_space", "bytes");
    profile->default_sample_type = profile->sample_type_count - 1;
    describe_heap(profile, reason, sampling, moment);
    return profile;
}

/* ---- what was dropped -------------------------------------------------------------------------------------------------- */

/* Report drops as lines of NOTES and as comments of PROFILE. */
static void report_drops(struct gs_profile *profile, const struct gs_heap_sampling *sampling,
                         struct gs_text *notes)
{
    const struct {
        uint64_t count;
        const char *what;
    } drops[] = {
        {sampling->samples_dropped,
         "heap samples were dropped: the table of live samples was full near their address"},
        {sampling->stacks_full, "heap samples are charged to \"(table full)\": too many distinct stacks"},
        {sampling->labels_refused,
         "labels were refused: too long, more than 8 on one thread, or too many distinct ones"},
        {sampling->stacks_cut, "recorded stacks (of allocations, mappings, created threads) are truncated: "
                               "too deep, or not to be unwound further"},
    };
    for (size_t i = 0; i < sizeof drops / sizeof *drops; i++)
        if (drops[i].count) {
            gs_profile_add_comment(profile, "%" PRIu64 " %s", drops[i].count, drops[i].what);
            gs_text_add(notes, "%" PRIu64 " %s\n", drops[i].count, drops[i].what);
        }
}

/* If the sampling distance is wider than the rules ask for, report why. */
static void report_widening(struct gs_profile *profile, const struct gs_heap_sampling *sampling,
                            struct gs_text *notes)
{
    char asked[GS_UNIT_TEXT], now[GS_UNIT_TEXT];
    if (sampling->bytes == sampling->asked_bytes)
        return;
    gs_units_print_size((double)sampling->asked_bytes, asked);
    gs_units_print_size((double)sampling->bytes, now);
    const char *why = !sampling->for_crowding ? "the agent keeps within its budget"
                      : !sampling->for_budget
                          ? "there are very many live samples"
                          : "the agent keeps within its budget, and there are very many live samples";
    gs_profile_add_comment(profile, "sampled every %s instead of %s: %s", now, asked, why);
    gs_text_add(notes, "sampled every %s instead of %s: %s\n", now, asked, why);
}

/* All stacks are in OUT's profiles: add the notes, and the names by MAPS. */
static int finish(const struct gs_maps *maps, const struct gs_heap_sampling *sampling,
                  struct gs_gathered *out)
{
    report_drops(out->profile, sampling, &out->notes);
    report_widening(out->profile, sampling, &out->notes);
    if (!sampling->hooks_seen)
        gs_text_add(&out->notes, "the heap profile is empty: this program has its own allocator, which "
                                 "the library does not see\n");
    gs_profile_symbolize(out->profile, maps);
    if (out->base)
        gs_profile_symbolize(out->base, maps);
    return out->profile->failed || (out->base && out->base->failed) ? -ENOMEM : 0;
}

/* ---- the heap of this process -------------------------------------------------------------------------------------------- */

void gs_gather_heap_sampling_now(struct gs_heap_sampling *out)
{
    struct gs_sampling sampling = gs_probe_sampling();
    struct gs_probe_drops drops = gs_probe_drops();
    *out = (struct gs_heap_sampling){
        .asked_bytes = sampling.asked_bytes,
        .bytes = sampling.bytes,
        .for_budget = sampling.for_budget,
        .for_crowding = sampling.for_crowding,
        .samples_dropped = drops.samples,
        .stacks_full = drops.stacks_full,
        .stacks_cut = drops.stacks_cut,
        .labels_refused = gs_probe_labels_refused(),
        .hooks_seen = gs_probe_hooks_seen(),
    };
}

static struct gs_profile *profile_now(const struct gs_gather *how, const struct gs_heap_sampling *sampling,
                                      const struct gs_baseline *baseline, struct gs_heap_ages *out)
{
    struct moment now = moment_now(how);
    struct gs_ages ages;
    if (!gs_gather_ages_take(&ages, how->now_ns, baseline ? baseline->time_ns : INT64_MIN))
        return NULL;
    struct gs_profile *profile = new_profile(how->reason, sampling, now, WITH_OLD);
    uint32_t count = gs_probe_stack_count();
    for (uint32_t stack = 0; profile && stack < count; stack++) {
        struct gs_heap_counts counts = gs_probe_stack_counts(stack);
        struct gs_stack_ages of = gs_gather_ages_of(&ages, stack, &counts);
        gs_gather_ages_add(&of, out);
        add_stack(profile, stack, counts, of.old_bytes);
    }
    gs_gather_ages_fini(&ages);
    out->known = true;
    out->baseline = baseline != NULL;
    if (profile && !baseline)
        gs_profile_add_comment(profile, "inuse_old is 0: there is no baseline to compare with");
    return profile;
}

static struct gs_profile *profile_then(const struct gs_gather *how, const struct gs_heap_sampling *sampling,
                                       const struct gs_baseline *baseline)
{
    struct moment then = {gs_clock_realtime_ns() - (how->now_ns - baseline->time_ns),
                          baseline->time_ns - how->start_ns};
    struct gs_profile *profile = new_profile(how->reason, sampling, then, WITH_OLD);
    for (uint32_t stack = 0; profile && stack < baseline->count; stack++)
        add_stack(profile, stack, baseline->counts[stack], baseline->counts[stack].inuse_space);
    return profile;
}

int gs_gather_heap(const struct gs_gather *how, struct gs_gathered *out)
{
    const struct gs_baseline *baseline =
        gs_gather_baselines_find(how->baselines, how->now_ns, how->window_ns);
    struct gs_heap_sampling sampling;
    gs_gather_heap_sampling_now(&sampling);
    out->profile = profile_now(how, &sampling, baseline, &out->ages);
    if (!out->profile)
        return -ENOMEM;
    if (baseline) {
        out->base = profile_then(how, &sampling, baseline);
        if (!out->base)
            return -ENOMEM;
        out->base_age_ns = how->now_ns - baseline->time_ns;
    }
    struct gs_maps maps = *how->maps;
    maps.library = gs_gather_libraries(&maps.library_count);
    int error = maps.library ? finish(&maps, &sampling, out) : -ENOMEM;
    gs_gather_libraries_free(maps.library, maps.library_count);
    return error;
}

/* ---- the peak ------------------------------------------------------------------------------------------------------------ */

/* The profile of the peak that FACTS describe, empty yet. NULL: no memory. */
static struct gs_profile *new_peak_profile(const struct gs_gather *how,
                                           const struct gs_heap_sampling *sampling, struct moment moment,
                                           const struct gs_peak_facts *facts, enum ages ages)
{
    char bytes[GS_UNIT_TEXT], age[GS_UNIT_TEXT], highest[GS_UNIT_TEXT];
    struct gs_profile *profile = new_profile(how->reason, sampling, moment, ages);
    if (profile)
        gs_profile_add_comment(profile, "the heap at its peak: %s, %s before; the estimate reached %s",
                               gs_units_print_size((double)facts->bytes, bytes),
                               gs_units_print_duration(facts->age_ns, age),
                               gs_units_print_size((double)facts->highest_bytes, highest));
    return profile;
}

/* All stacks are in OUT's profile. The heap's own gatherer adds the notes of what was dropped. */
static int finish_peak(const struct gs_maps *maps, const struct gs_heap_sampling *sampling,
                       struct gs_gathered *out)
{
    int error = finish(maps, sampling, out);
    gs_text_fini(&out->notes);
    return error;
}

/* Make the profile of PEAK in OUT. */
static int gather_peak(const struct gs_gather *how, const struct gs_peak *peak, struct gs_gathered *out)
{
    struct gs_heap_sampling sampling;
    struct gs_maps maps = *how->maps;
    gs_gather_heap_sampling_now(&sampling);
    if (how->peak_if_higher && !gs_gather_peak_is_higher(peak->bytes, gs_probe_heap_in_use(), sampling.bytes))
        return -ENODATA;
    out->peak = (struct gs_peak_facts){peak->bytes, peak->highest_bytes, 0};
    if (how->now_ns > peak->copy.time_ns) // else it was copied after the look at the clock
        out->peak.age_ns = how->now_ns - peak->copy.time_ns;
    if (out->peak.highest_bytes < peak->bytes) // the counters went on while they were copied
        out->peak.highest_bytes = peak->bytes;
    struct moment moment = {gs_clock_realtime_ns() - out->peak.age_ns, peak->copy.time_ns - how->start_ns};
    out->profile = new_peak_profile(how, &sampling, moment, &out->peak, WITH_OLD);
    if (out->profile) // it has the types of heap.pb.gz, so that the two can be compared
        gs_profile_add_comment(out->profile, "inuse_old is 0: how old blocks were at the peak is not known");
    for (uint32_t stack = 0; out->profile && stack < peak->copy.count; stack++)
        add_stack(out->profile, stack, peak->copy.counts[stack], 0);
    maps.library = gs_gather_libraries(&maps.library_count);
    int error = out->profile && maps.library ? finish_peak(&maps, &sampling, out) : -ENOMEM;
    gs_gather_libraries_free(maps.library, maps.library_count);
    return error;
}

int gs_gather_peak(const struct gs_gather *how, struct gs_gathered *out)
{
    struct gs_peak peak;
    size_t failures = gs_memory_failures();
    if (!gs_gather_peak_get(&peak))
        return gs_memory_failures() != failures ? -ENOMEM : -ENODATA;
    int error = gather_peak(how, &peak, out);
    gs_free(peak.copy.counts);
    return error;
}

/* ---- the heap of another process ----------------------------------------------------------------------------------------- */

static void add_given(struct gs_profile *profile, const struct gs_given_stack *stack, const int64_t *values)
{
    uint64_t address[GS_SAMPLE_DEPTH_MAX];
    if (!values[GS_ALLOC_OBJECTS])
        return;
    if (stack->depth == 0) {
        gs_profile_add_named_sample(profile, GS_TABLE_FULL, values, NULL, 0);
        return;
    }
    uint32_t depth = stack->depth < GS_SAMPLE_DEPTH_MAX ? stack->depth : GS_SAMPLE_DEPTH_MAX;
    for (uint32_t i = 0; i < depth; i++)
        address[i] = stack->frame[i] - 1;
    gs_profile_add_sample(profile, address, depth, values, stack->label, stack->label_count);
}

int gs_gather_given_heap(const struct gs_gather *how, const struct gs_given_heap *given,
                         struct gs_gathered *out)
{
    struct moment now = {given->time_ns, given->duration_ns},
                  then = {given->time_ns - given->base_age_ns, given->duration_ns - given->base_age_ns};
    out->profile = new_profile(how->reason, &given->sampling, now, WITHOUT_OLD);
    if (!out->profile)
        return -ENOMEM;
    if (given->base_age_ns)
        out->base = new_profile(how->reason, &given->sampling, then, WITHOUT_OLD);
    if (given->base_age_ns && !out->base)
        return -ENOMEM;
    out->base_age_ns = given->base_age_ns;
    for (size_t i = 0; i < given->count; i++) {
        add_given(out->profile, &given->stack[i], given->stack[i].now);
        if (out->base)
            add_given(out->base, &given->stack[i], given->stack[i].then);
    }
    return finish(how->maps, &given->sampling, out);
}

int gs_gather_given_peak(const struct gs_gather *how, const struct gs_given_heap *given,
                         struct gs_gathered *out)
{
    int64_t now_bytes = 0, peak_bytes = 0;
    for (size_t i = 0; i < given->count; i++) {
        now_bytes = gs_sum(now_bytes, given->stack[i].now[GS_INUSE_SPACE]);
        peak_bytes = gs_sum(peak_bytes, given->stack[i].peak[GS_INUSE_SPACE]);
    }
    if (!given->peak_age_ns || now_bytes < 0 || peak_bytes < 0 ||
        (how->peak_if_higher &&
         !gs_gather_peak_is_higher((uint64_t)peak_bytes, (uint64_t)now_bytes, given->sampling.bytes)))
        return -ENODATA;
    out->peak = (struct gs_peak_facts){(uint64_t)peak_bytes, given->peak_highest_bytes, given->peak_age_ns};
    if (out->peak.highest_bytes < out->peak.bytes) // a core file does not have it
        out->peak.highest_bytes = out->peak.bytes;
    struct moment moment = {gs_sum(given->time_ns, -given->peak_age_ns),
                            gs_sum(given->duration_ns, -given->peak_age_ns)};
    out->profile = new_peak_profile(how, &given->sampling, moment, &out->peak, WITHOUT_OLD);
    if (!out->profile)
        return -ENOMEM;
    for (size_t i = 0; i < given->count; i++)
        add_given(out->profile, &given->stack[i], given->stack[i].peak);
    return finish_peak(how->maps, &given->sampling, out);
}
