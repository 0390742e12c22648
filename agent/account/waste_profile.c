/* waste_profile.c - the profile of the heap's free memory: who pins it.
 *
 *   the account's pages of the heap ─┬▶ chunks.c ─▶ waste.c ─▶ rows by stack ─▶ waste.pb.gz
 *   live samples (probe) ────────────┘                     └▶ the rest: [unattributed]
 *
 * Who:    the watcher, or a host thread in gumshoe_write_profile.
 * Bounds: 40 bytes for each live sample, 32 for each 256 KiB of the heap; WALK_NS or WALK_IF_ASKED_NS of CPU time to read headers. */
#include "account/inside.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/units.h"
#include "probe/probe.h"
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#define WALK_NS          (GS_NS_PER_S / 20)
#define WALK_IF_ASKED_NS (3 * GS_NS_PER_S / 10)
enum { SAMPLES, TRIM_SPACE, WASTE_SPACE, VALUES, LITTLE_DIVISOR = 8 };

struct waste_reading {
    struct gs_heap_pages *heap;
    struct gs_waste_block *block; // live samples
    size_t blocks, capacity;
    struct gs_waste waste;
    int64_t now_ns;
};

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

static int read_samples(struct waste_reading *reading)
{
    struct gs_live_sample sample;
    for (size_t at = 0; gs_probe_live_next(&at, &sample);) {
        if (gs_grow(&reading->block, &reading->capacity, reading->blocks + 1, sizeof *reading->block))
            return -ENOMEM;
        double objects = (double)sample.objects / (1 << GS_OBJECT_SHIFT);
        reading->block[reading->blocks++] = (struct gs_waste_block){
            .address = sample.address,
            .size = objects > 0 ? (uint64_t)((double)sample.bytes / objects + 0.5) : 0,
            .weight = sample.bytes,
            .born_ns = sample.born_ns,
            .stack = sample.stack};
    }
    gs_account_waste_sort(reading->block, reading->blocks);
    return 0;
}

static bool read_own(const struct gs_memory *memory, uint64_t at, void *out, size_t length)
{
    (void)memory;
    return gs_probe_peek(gettid(), at, out, length); // not getpid: the first thread may have ended
}

/* The CPU time that may be used to read headers: none if the samples show that there is little free memory, and nobody asked. */
static int64_t walk_ns(const struct waste_reading *reading, bool asked)
{
    uint64_t resident = 0, live = 0;
    for (size_t i = 0; i < reading->heap->count; i++)
        resident += (uint64_t)__builtin_popcountll(reading->heap->cell[i].pages) * GS_PAGE;
    for (size_t i = 0; i < reading->blocks; i++)
        live += reading->block[i].weight;
    if (asked)
        return WALK_IF_ASKED_NS;
    return live < resident - resident / LITTLE_DIVISOR ? WALK_NS : 0;
}

static int read_waste(struct waste_reading *reading, bool asked)
{
    const struct gs_memory own = {read_own};
    int error = read_samples(reading);
    int64_t most_ns = error ? 0 : walk_ns(reading, asked);
    if (most_ns)
        error = gs_account_chunks_walk(reading->heap, &own, reading->block, reading->blocks, most_ns);
    if (!error)
        error = gs_account_waste_share(reading->heap, reading->block, reading->blocks, &reading->waste);
    return error;
}

/* ---- the profile ------------------------------------------------------------------------------------------------------------ */

static void add_samples(struct gs_profile *profile, const struct waste_reading *reading)
{
    const struct gs_waste *waste = &reading->waste;
    const int64_t rest[VALUES] = {[TRIM_SPACE] = (int64_t)(waste->trimmable - waste->pinned_trimmable),
                                  [WASTE_SPACE] = (int64_t)(waste->bytes - waste->pinned)};
    for (size_t i = 0; i < waste->count; i++) {
        const struct gs_waste_row *row = &waste->row[i];
        const int64_t values[VALUES] = {(int64_t)row->samples, (int64_t)row->trimmable, (int64_t)row->bytes},
                      age_ns = reading->now_ns - row->oldest_ns;
        const struct gs_label_value oldest = {
            .key = "oldest", .number = age_ns > 0 ? age_ns / GS_NS_PER_S : 0, .unit = "seconds"};
        if (row->bytes)
            gs_gather_add_stack_with(profile, row->stack, values, &oldest);
    }
    if (rest[WASTE_SPACE])
        gs_profile_add_named_sample(profile, GS_UNATTRIBUTED, rest, NULL, 0);
}

/* How far the profile can be trusted. */
static void add_comments(struct gs_profile *profile, const struct waste_reading *reading)
{
    const struct gs_waste *waste = &reading->waste;
    char bytes[GS_UNIT_TEXT], of[GS_UNIT_TEXT];
    double mib = (double)waste->resident / (1 << 20);
    gs_profile_add_comment(profile, "%s free of %s that the heap has resident",
                           gs_units_print_size((double)waste->bytes, bytes),
                           gs_units_print_size((double)waste->resident, of));
    gs_profile_add_comment(
        profile,
        "%zu live sample%s, %.3g for each resident MiB of the heap; free memory with none in "
        "its MiB is " GS_UNATTRIBUTED,
        reading->blocks, gs_text_plural((double)reading->blocks),
        mib > 0 ? (double)reading->blocks / mib : 0);
    gs_profile_add_comment(profile, "what is in use: by glibc's headers of %s, by the samples in the rest",
                           gs_units_print_size((double)waste->walked, bytes));
    if (reading->heap->cut)
        gs_profile_add_comment(profile, "not all pages of the heap were read in time");
}

static struct gs_profile *make_profile(const struct gs_gather *how, const struct waste_reading *reading)
{
    struct gs_profile *profile = gs_profile_new();
    if (!profile)
        return NULL;
    gs_profile_add_sample_type(profile, "samples", "count");
    gs_profile_add_sample_type(profile, "trim_space", "bytes");
    gs_profile_add_sample_type(profile, "waste_space", "bytes");
    profile->default_sample_type = WASTE_SPACE;
    gs_gather_describe_heap_now(profile, how);
    add_comments(profile, reading);
    add_samples(profile, reading);
    gs_gather_symbolize(profile, how->maps);
    return profile;
}

static int gather_waste(const struct gs_gather *how, struct gs_heap_pages *heap, struct gs_gathered *out)
{
    struct waste_reading reading = {.heap = heap, .now_ns = gs_clock_monotonic_ns()};
    const struct gs_waste *waste = &reading.waste;
    int error = heap->failed ? -ENOMEM : read_waste(&reading, how->waste_asked);
    if (!error) {
        out->profile = make_profile(how, &reading);
        error = !out->profile || out->profile->failed ? -ENOMEM : 0;
    }
    out->waste = (struct gs_waste_facts){.heap = waste->resident,
                                         .waste = waste->bytes,
                                         .pinned = waste->pinned,
                                         .trimmable = waste->trimmable,
                                         .walked = waste->walked,
                                         .samples = reading.blocks,
                                         .arenas = heap->arenas};
    gs_account_waste_fini(&reading.waste);
    gs_free(reading.block);
    return error;
}

/* Take an account for its pages. */
static int gather_alone(const struct gs_gather *how, struct gs_gathered *out)
{
    struct gs_account account = {0};
    int error = gs_account_take(how, &account);
    if (!error)
        error = account.heap ? gather_waste(how, account.heap, out) : -ENODATA;
    gs_account_fini(&account);
    return error;
}

int gs_account_gather(enum gs_kind kind, const struct gs_gather *how, struct gs_gathered *out)
{
    if (kind != GS_WASTE)
        return gs_gather(kind, how, out);
    if (!gs_probe_hooks_seen()) // nothing would seem to be live
        return -ENODATA;
    return how->heap_pages ? gather_waste(how, how->heap_pages, out) : gather_alone(how, out);
}
