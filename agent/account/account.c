/* account.c - the memory account of this process: what its resident memory is used for.
 *
 *   /proc/thread-self/maps ─▶ areas ─┐
 *   the agent's mappings, threads' stacks, mmap's callers (probe) ─▶ claims ─┼─▶ survey.c ─▶ seven sums
 *   heap blocks, live or once live (probe) ──────────────────────────────────┤
 *   /proc/thread-self/pagemap ─▶ resident pages ─────────────────────────────┘
 *
 * thread-self, because the kernel shows nothing under /proc/PID after the first thread has ended.
 * Who:    the watcher. Never smaps: it walks everything under one lock.
 * Bounds: INCIDENT_NS or BASELINE_NS of reading; the notes report what was not reached in that time. */
#include "account/inside.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/units.h"
#include "gather/gather.h"
#include "probe/probe.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include "sys/file.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INCIDENT_NS (1 * GS_NS_PER_S)
#define BASELINE_NS (GS_NS_PER_S / 4)
enum { MOUNTS_MAX = 4 << 20, STATUS_MAX = 1 << 16 };

const char *const gs_part_names[GS_PARTS] = {"heap_live", "heap_kept", "stacks", "files",
                                             "shared",    "anonymous", "agent"};

struct memory_reading { // this process at one moment
    struct gs_survey survey;
    char *maps, *mounts;
    size_t maps_length;
    struct gs_resident resident;
    uint64_t part[GS_PARTS];
    int error; // -errno: why the pages could not be read; 0: they were read
};

/* ---- claims: who owns which range ----------------------------------------------------------------------------------- */

/* The agent's mappings, and the library with its tables. Linked statically, the tables belong to the program's data. */
static int claim_for_agent(struct gs_survey *survey)
{
    struct dl_find_object object;
    int error = 0;
    struct gs_memory_range *range = gs_alloc(GS_RANGES_MAX * sizeof *range);
    if (!range)
        return -ENOMEM;
    size_t count = gs_memory_ranges(range, GS_RANGES_MAX);
    for (size_t i = 0; !error && i < count; i++)
        error = gs_account_survey_claim(survey, GS_CLAIM_AGENT, range[i].start, range[i].end, 0);
    gs_free(range);
    if (!error && _dl_find_object((void *)(uintptr_t)gs_part_names, &object) == 0 &&
        *object.dlfo_link_map->l_name)
        error = gs_account_survey_claim(survey, GS_CLAIM_AGENT, (uintptr_t)object.dlfo_map_start,
                                        (uintptr_t)object.dlfo_map_end, 0);
    return error;
}

/* The stack pointer of thread TID if it sleeps; else 0. The line is "CALL ARGUMENTS SP PC" or "-1 SP PC". */
static uint64_t sleeping_sp(int task, pid_t tid)
{
    char line[256];
    gs_gather_task_line(task, tid, "syscall", line, sizeof line);
    char *pc = strrchr(line, ' ');
    if (!pc)
        return 0;
    *pc = 0;
    const char *sp = strrchr(line, ' ');
    return sp ? strtoull(sp + 1, NULL, 16) : 0;
}

static int claim_for_thread(struct gs_survey *survey, int task, pid_t tid)
{
    enum gs_claimant who = gs_probe_is_own_thread(tid) ? GS_CLAIM_AGENT : GS_CLAIM_STACK;
    uintptr_t top;
    size_t size;
    bool known = gs_probe_stack_of(tid, &top, &size);
    uint64_t sp = known ? 0 : sleeping_sp(task, tid);
    size_t before = survey->claims[who].count;
    int error = known || sp ? gs_account_survey_thread(survey, who, top, size, sp) : 0;
    if (survey->claims[who].count > before)
        survey->claims[who].claim[before].stack = (uint32_t)tid;
    return error;
}

static int claim_for_threads(struct gs_survey *survey)
{
    struct gs_dir dir;
    int error = 0, task = gs_file_openat(AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY, 0);
    if (task < 0)
        return 0; // stacks are then counted as other anonymous memory
    gs_file_dir_start(&dir, task);
    for (const char *name; !error && (name = gs_file_dir_next(&dir));)
        error = claim_for_thread(survey, task, (pid_t)strtol(name, NULL, 10));
    close(task);
    return error;
}

static int claim_for_mmap(struct gs_survey *survey)
{
    struct gs_mapped mapped;
    int error = 0;
    for (size_t at = 0; !error && gs_probe_mapped_next(&at, &mapped);)
        error = gs_account_survey_claim_sampled(survey, mapped.start, mapped.end, mapped.stack,
                                                (double)mapped.weight / GS_MAPPED_ONE);
    return error;
}

/* Does the function that called mmap belong to an allocator's library? */
static bool is_of_allocator(const struct gs_survey *survey, const struct gs_claim *claim)
{
    uint32_t depth;
    bool cut;
    char path[256];
    const uintptr_t *frames = gs_probe_stack_frames(claim->stack, &depth, &cut);
    const struct gs_area *area =
        depth ? gs_account_survey_area(survey, (frames[0] & GS_ADDRESS_MASK) - 1) : NULL;
    if (!area || area->line.path_length >= sizeof path)
        return false;
    memcpy(path, area->line.path, area->line.path_length);
    path[area->line.path_length] = 0;
    return gs_symbol_path_is_runtime(path);
}

static int collect_claims(struct gs_survey *survey)
{
    int error = claim_for_agent(survey);
    if (!error)
        error = claim_for_threads(survey);
    if (!error)
        error = claim_for_mmap(survey);
    if (error)
        return error;
    gs_account_survey_settle_claims(survey);
    struct gs_claims *mapped = &survey->claims[GS_CLAIM_MAPPED];
    for (size_t i = 0; i < mapped->count; i++)
        if (is_of_allocator(survey, &mapped->claim[i]))
            mapped->claim[i].part = GS_HEAP_KEPT;
    uintptr_t address;
    for (size_t at = 0; gs_probe_block_next(&at, &address);)
        gs_account_survey_block(survey, address);
    return 0;
}

/* ---- the reading ----------------------------------------------------------------------------------------------------- */

static void read_resident(struct gs_resident *out)
{
    char *status;
    size_t length;
    *out = (struct gs_resident){0};
    if (gs_file_read(AT_FDCWD, "/proc/thread-self/status", STATUS_MAX, &status, &length))
        return;
    *out = gs_account_resident_read(status);
    gs_free(status);
}

/* Without a pagemap: use the kernel's counts by kind of memory. */
static void use_kernel_counts(struct memory_reading *reading, uint64_t live)
{
    const struct gs_resident *resident = &reading->resident;
    reading->part[GS_FILES] = resident->file;
    reading->part[GS_SHARED] = resident->shared;
    reading->part[GS_HEAP_LIVE] = live < resident->anonymous ? live : resident->anonymous;
    reading->part[GS_ANONYMOUS] = resident->anonymous - reading->part[GS_HEAP_LIVE];
}

static void count(struct memory_reading *reading, int64_t budget_ns)
{
    struct gs_survey *survey = &reading->survey;
    uint64_t live = gs_probe_heap_in_use();
    survey->source.fd = gs_file_openat(AT_FDCWD, "/proc/thread-self/pagemap", O_RDONLY, 0);
    survey->source.until_ns = gs_clock_monotonic_ns() + budget_ns;
    reading->error = survey->source.fd < 0 ? survey->source.fd : 0;
    read_resident(&reading->resident);
    if (!reading->error)
        gs_account_survey_count(survey, reading->resident.all);
    if (!reading->error)
        close(survey->source.fd);
    if (!reading->error)
        reading->error = survey->source.error;
    read_resident(&reading->resident);
    if (reading->error)
        use_kernel_counts(reading, live);
    else
        gs_account_survey_sum(survey, live, &reading->resident, reading->part);
    if (!reading->error)
        gs_account_sampled_share(survey, reading->part);
}

static int take_reading(struct memory_reading *reading, int64_t budget_ns)
{
    size_t length;
    int error = gs_file_read(AT_FDCWD, "/proc/thread-self/maps", GS_MAPS_TEXT_MAX, &reading->maps,
                             &reading->maps_length);
    if (!error &&
        gs_file_read(AT_FDCWD, "/proc/thread-self/mountinfo", MOUNTS_MAX, &reading->mounts, &length))
        reading->mounts = NULL; // files on tmpfs are then counted as files, not as shared memory
    if (!error)
        error = gs_account_survey_map(&reading->survey, reading->maps, reading->maps_length, reading->mounts);
    if (!error)
        error = collect_claims(&reading->survey);
    if (!error)
        count(reading, budget_ns);
    return error;
}

static void reading_fini(struct memory_reading *reading)
{
    gs_account_survey_fini(&reading->survey);
    gs_free(reading->maps);
    gs_free(reading->mounts);
}

/* Bytes of private memory that MAPPED, and what it stands for, hold outside the heap. */
static uint64_t non_heap_bytes(const struct gs_claim *mapped)
{
    return mapped->part == GS_ANONYMOUS ? (mapped->pages + mapped->more) * GS_PAGE : 0;
}

/* ---- for baselines --------------------------------------------------------------------------------------------------- */

static void take_snapshot(struct gs_account_snapshot *out)
{
    struct memory_reading reading = {0};
    bool complete = take_reading(&reading, BASELINE_NS) == 0 && !reading.error && !reading.survey.source.cut;
    const struct gs_claims *mapped = &reading.survey.claims[GS_CLAIM_MAPPED];
    if (complete)
        out->by = gs_alloc((mapped->count + 1) * sizeof *out->by);
    for (size_t i = 0; out->by && i < mapped->count; i++)
        if (non_heap_bytes(&mapped->claim[i]) || mapped->claim[i].shared)
            out->by[out->count++] = (struct gs_account_mapped_by){
                mapped->claim[i].stack, non_heap_bytes(&mapped->claim[i]), mapped->claim[i].shared * GS_PAGE};
    memcpy(out->part, reading.part, sizeof out->part);
    out->known = out->by && gs_account_areas_keep(&reading.survey, &out->areas) == 0 &&
                 gs_account_stacks_keep(&reading.survey, &out->stacks) == 0;
    out->cut = reading.survey.source.cut;
    reading_fini(&reading);
}

static void free_snapshot(void *attached)
{
    struct gs_account_snapshot *snapshot = attached;
    gs_free(snapshot->by);
    gs_free(snapshot->areas.area);
    gs_free(snapshot->stacks.stack);
    gs_free(snapshot);
}

/* Taken once in each first age of the baselines: 7 ms a GiB, 0.001 % of a CPU at ten minutes, in steps that hold the memory
 * map's lock for 15 µs. More than about 30 GiB do not fit into BASELINE_NS: after one snapshot was cut, no other is tried.
 * Without a snapshot an incident could not say which part of the memory grew. */
static void *attach_snapshot(const void *last)
{
    const struct gs_account_snapshot *previous = last;
    struct gs_account_snapshot *snapshot = gs_alloc(sizeof *snapshot);
    if (snapshot && previous && previous->cut)
        snapshot->cut = true;
    else if (snapshot)
        take_snapshot(snapshot);
    return snapshot;
}

const struct gs_attachment gs_account_attachment = {attach_snapshot, free_snapshot};

/* ---- for the black box ----------------------------------------------------------------------------------------------- */

bool gs_account_take_parts(struct gs_account_parts *out)
{
    struct memory_reading reading = {0};
    bool complete = take_reading(&reading, BASELINE_NS) == 0 && !reading.error && !reading.survey.source.cut;
    if (complete) {
        out->time_ns = gs_clock_realtime_ns();
        memcpy(out->part, reading.part, sizeof out->part);
    }
    reading_fini(&reading);
    return complete;
}

/* ---- for incidents --------------------------------------------------------------------------------------------------- */

static void add_mappings(struct gs_profile *profile, const struct gs_claims *now,
                         const struct gs_account_snapshot *then)
{
    for (size_t i = 0; i < now->count; i++) {
        int64_t bytes = (int64_t)non_heap_bytes(&now->claim[i]),
                shared = (int64_t)(now->claim[i].shared * GS_PAGE),
                values[GS_MAPPED_COLUMNS] = {bytes, then ? bytes : 0, shared, then ? shared : 0};
        if (bytes || shared)
            gs_gather_add_stack(profile, now->claim[i].stack, values);
    }
    for (size_t i = 0; then && i < then->count; i++) {
        int64_t values[GS_MAPPED_COLUMNS] = {0, -(int64_t)then->by[i].bytes, 0,
                                             -(int64_t)then->by[i].shared_bytes};
        gs_gather_add_stack(profile, then->by[i].stack, values);
    }
}

/* Who mapped what, whose stacks are deep, and what is left of each area. THEN: NULL: not known. */
static int explain_parts(const struct gs_gather *how, const struct gs_survey *survey,
                         const struct gs_account_snapshot *then, struct gs_account *out)
{
    out->mappings = gs_account_mappings_new();
    if (!out->mappings)
        return -ENOMEM;
    add_mappings(out->mappings, &survey->claims[GS_CLAIM_MAPPED], then);
    int error = gs_account_stacks_list(survey, then ? &then->stacks : NULL, out->mappings, out);
    gs_gather_symbolize(out->mappings, how->maps);
    if (!error)
        error = gs_account_areas_list(survey, then ? &then->areas : NULL, how->maps, out);
    return error || !out->mappings->failed ? error : -ENOMEM;
}

static void add_notes(const struct memory_reading *reading, struct gs_account *out)
{
    char missing[GS_UNIT_TEXT], budget[GS_UNIT_TEXT];
    uint64_t lost = gs_probe_drops().mappings;
    if (reading->error)
        gs_text_add(&out->notes, "the memory account is only approximate: /proc/self/pagemap: %s\n",
                    strerrordesc_np(-reading->error));
    if (reading->survey.source.cut && out->counted > out->rss)
        gs_text_add(&out->notes,
                    "the memory account was cut after %s: %s of the resident memory are in no part\n",
                    gs_units_print_duration(INCIDENT_NS, budget),
                    gs_units_print_size((double)(out->counted - out->rss), missing));
    if (lost)
        gs_text_add(&out->notes,
                    "%" PRIu64
                    " mapping%s outside malloc without a stack: no room in the table of mappings\n",
                    lost, gs_text_plural((double)lost));
}

/* The pages of the heap become OUT's, if they could be read. */
static void take_heap(const struct memory_reading *reading, struct gs_account *out)
{
    out->heap = reading->survey.heap;
    if (!out->heap)
        return;
    out->heap->cut = reading->survey.source.cut;
    gs_account_heap_pages_settle(out->heap);
    if (!reading->error)
        return;
    gs_account_heap_pages_free(out->heap);
    out->heap = NULL;
}

int gs_account_take(const struct gs_gather *how, struct gs_account *out)
{
    int64_t then_ns;
    const struct gs_account_snapshot *then =
        gs_gather_baselines_attached(how->baselines, how->now_ns, how->window_ns, &then_ns);
    if (then && !then->known)
        then = NULL;
    struct memory_reading reading = {0};
    reading.survey.heap = gs_alloc(sizeof *reading.survey.heap); // NULL: the account goes without it
    int error = take_reading(&reading, INCIDENT_NS);
    take_heap(&reading, out);
    if (!error) {
        out->counted = reading.resident.all;
        for (int part = 0; part < GS_PARTS; part++)
            out->rss += out->part[part] = reading.part[part];
        error = explain_parts(how, &reading.survey, then, out);
        add_notes(&reading, out);
    }
    out->has_base = then != NULL;
    if (then) {
        memcpy(out->base, then->part, sizeof out->base);
        out->base_age_ns = how->now_ns - then_ns;
    }
    reading_fini(&reading);
    return error;
}

void gs_account_fini(struct gs_account *account)
{
    gs_profile_free(account->mappings);
    gs_free(account->area);
    gs_account_heap_pages_free(account->heap);
    gs_free(account->thread);
    gs_text_fini(&account->notes);
    *account = (struct gs_account){0};
}
