/* survey.c - who owns which memory: the areas of the memory map, split by claims, and the resident pages of each.
 *
 *   maps    │ file │ [heap] │      anonymous            │ ---p │     anonymous      │ [stack]
 *   claims             │agent│    │mmap│  │mmap: heap│             │stack│
 *   parts   │files │ heap   │anon.│    │  heap ◀── it contains a sampled block │…
 *
 * The heap is: [heap]; glibc's arenas, known by their shape; every anonymous area in which the sampler has seen a block,
 * less what others claim there; and each mmap claim that contains such a block (the program has its own allocator).
 * File pages that were written to are private copies: they count as anonymous, as the kernel counts them.
 * Context: any (pure), except for the reads of the pagemap. */
#include "account/inside.h"
#include "base/memory.h"
#include "base/search.h"
#include "base/sort.h"
#include "symbol/symbol.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ARENA      (64ull << 20) // glibc's arenas are aligned to this and reserve this much
#define LARGE_AREA (1ull << 30)
enum { DEVICES_MAX = 128 };

/* ---- the map ------------------------------------------------------------------------------------------------------ */

struct device {
    unsigned major, minor;
    enum gs_area_kind kind;
};
struct devices {
    struct device device[DEVICES_MAX];
    size_t count;
};

static enum gs_area_kind kind_of_file_system(const char *type)
{
    static const struct {
        const char *type;
        enum gs_area_kind kind;
    } known[] = {
        {"tmpfs ", GS_AREA_SHARED}, {"devtmpfs ", GS_AREA_SHARED}, {"hugetlbfs ", GS_AREA_UNCOUNTED}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(type, known[i].type, strlen(known[i].type)) == 0)
            return known[i].kind;
    return GS_AREA_FILE;
}

/* "36 35 0:31 / /dev/shm rw - tmpfs tmpfs rw": the devices whose files are memory. */
static void find_devices(const char *mounts, struct devices *out)
{
    for (const char *line = mounts; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        struct device device;
        const char *type = strstr(line, " - "), *end = strchr(line, '\n');
        if (!type || (end && type > end) || sscanf(line, "%*u %*u %u:%u", &device.major, &device.minor) != 2)
            continue;
        device.kind = kind_of_file_system(type + 3);
        if (device.kind != GS_AREA_FILE && out->count < DEVICES_MAX)
            out->device[out->count++] = device;
    }
}

static bool begins(const struct gs_maps_line *line, const char *with)
{
    size_t length = strlen(with);
    return line->path_length >= length && memcmp(line->path, with, length) == 0;
}

static enum gs_area_kind kind_of(const struct gs_maps_line *line, const struct devices *devices)
{
    static const struct {
        const char *path;
        enum gs_area_kind kind;
    } known[] = {
        {"[heap]", GS_AREA_HEAP},
        {"[stack", GS_AREA_STACK},
        {"[anon_shmem:", GS_AREA_SHARED},
        {"[anon", GS_AREA_ANONYMOUS},
        {"[vvar", GS_AREA_UNCOUNTED},
        {"[vsyscall", GS_AREA_UNCOUNTED},
        {"/anon_hugepage", GS_AREA_UNCOUNTED},
        {"/memfd:", GS_AREA_SHARED},
        {"/SYSV", GS_AREA_SHARED},
        {"/dev/shm/", GS_AREA_SHARED},
        {"/dev/zero", GS_AREA_SHARED},
    };
    if (line->path_length == 0)
        return GS_AREA_ANONYMOUS;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (begins(line, known[i].path))
            return known[i].kind;
    for (size_t i = 0; i < devices->count; i++)
        if (devices->device[i].major == line->major && devices->device[i].minor == line->minor)
            return devices->device[i].kind;
    return GS_AREA_FILE;
}

static bool is_closed(const struct gs_area *area)
{
    return !area->line.readable && !area->line.writable && !area->line.executable;
}

/* Accessible memory that starts at a multiple of 64 MiB, then inaccessible memory up to the next multiple: the shape of a
 * glibc arena. */
static bool is_arena(const struct gs_area *area, const struct gs_area *next)
{
    return area->kind == GS_AREA_ANONYMOUS && area->line.writable && area->line.start % ARENA == 0 &&
           next->kind == GS_AREA_ANONYMOUS && is_closed(next) && next->line.start == area->line.end &&
           next->line.end % ARENA == 0;
}

int gs_account_survey_map(struct gs_survey *survey, const char *maps, size_t length, const char *mounts)
{
    struct devices devices = {0};
    struct gs_maps_line line;
    find_devices(mounts, &devices);
    for (size_t at = 0; gs_symbol_maps_next_line(maps, length, &at, &line);) {
        if (gs_grow(&survey->area, &survey->area_capacity, survey->areas + 1, sizeof *survey->area))
            return -ENOMEM;
        survey->area[survey->areas++] = (struct gs_area){.line = line, .kind = kind_of(&line, &devices)};
    }
    for (size_t i = 0; i + 1 < survey->areas; i++)
        if (is_arena(&survey->area[i], &survey->area[i + 1]))
            survey->area[i].kind = GS_AREA_HEAP;
    return 0;
}

struct gs_area *gs_account_survey_area(const struct gs_survey *survey, uint64_t address)
{
    struct gs_search search = {.high = survey->areas};
    while (gs_search_next(&search))
        gs_search_step(&search, survey->area[search.middle].line.end <= address);
    size_t found = search.low;
    return found < survey->areas && survey->area[found].line.start <= address ? &survey->area[found] : NULL;
}

/* ---- claims ------------------------------------------------------------------------------------------------------- */

int gs_account_survey_claim(struct gs_survey *survey, enum gs_claimant who, uint64_t start, uint64_t end,
                            uint32_t stack)
{
    static const enum gs_account_part part[] = {GS_AGENT, GS_STACKS, GS_ANONYMOUS};
    struct gs_claims *claims = &survey->claims[who];
    if (gs_grow(&claims->claim, &claims->capacity, claims->count + 1, sizeof *claims->claim))
        return -ENOMEM;
    claims->claim[claims->count++] =
        (struct gs_claim){.start = start, .end = end, .part = part[who], .stack = stack, .weight = 1};
    return 0;
}

int gs_account_survey_claim_sampled(struct gs_survey *survey, uint64_t start, uint64_t end, uint32_t stack,
                                    double weight)
{
    struct gs_claims *claims = &survey->claims[GS_CLAIM_MAPPED];
    int error = gs_account_survey_claim(survey, GS_CLAIM_MAPPED, start, end, stack);
    if (!error)
        claims->claim[claims->count - 1].weight = weight;
    return error;
}

int gs_account_survey_thread(struct gs_survey *survey, enum gs_claimant who, uint64_t top, uint64_t size,
                             uint64_t sp)
{
    enum {
        BELOW = 8 << 20,
        ABOVE = 1 << 20
    }; // around an sp whose stack bounds are not known: the area may also hold other stacks
    const struct gs_area *area = gs_account_survey_area(survey, top ? top - 1 : sp);
    if (!area || area->kind != GS_AREA_ANONYMOUS)
        return 0; // the first thread's stack is named [stack]; for other kinds of area, trust the map
    uint64_t start = area->line.start, end = top ? top : area->line.end;
    if (!top && end - sp > ABOVE)
        end = sp + ABOVE;
    if (!top)
        size = end - sp + BELOW;
    if (size && end - start > size)
        start = end - size;
    return gs_account_survey_claim(survey, who, start, end, 0);
}

static int by_start(const void *a, const void *b)
{
    const struct gs_claim *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

void gs_account_survey_settle_claims(struct gs_survey *survey)
{
    for (int who = 0; who < GS_CLAIMANTS; who++) {
        struct gs_claims *claims = &survey->claims[who];
        gs_sort(claims->claim, claims->count, sizeof *claims->claim, by_start);
        for (size_t i = 0; i + 1 < claims->count;
             i++) // claims were read at different moments, so they may overlap
            if (claims->claim[i].end > claims->claim[i + 1].start)
                claims->claim[i].end = claims->claim[i + 1].start;
    }
}

/* The first claim that ends after ADDRESS; NULL: none. */
static struct gs_claim *first_claim_ending_after(const struct gs_claims *claims, uint64_t address)
{
    struct gs_search search = {.high = claims->count};
    while (gs_search_next(&search))
        gs_search_step(&search, claims->claim[search.middle].end <= address);
    return search.low < claims->count ? &claims->claim[search.low] : NULL;
}

/* May WHO claim AREA? The agent claims files, too; who mapped it claims shared memory, and written pages of files. */
static bool may_claim(enum gs_claimant who, const struct gs_area *area)
{
    bool anonymous = area->kind == GS_AREA_ANONYMOUS || area->kind == GS_AREA_HEAP,
         written = area->kind == GS_AREA_FILE && !area->line.shared;
    return anonymous || who == GS_CLAIM_AGENT ||
           (who == GS_CLAIM_MAPPED && (area->kind == GS_AREA_SHARED || written));
}

/* The claim that holds ADDRESS of AREA; NULL: none. *END: the answer is valid up to here. */
static struct gs_claim *owner_of(const struct gs_survey *survey, const struct gs_area *area, uint64_t address,
                                 uint64_t *end)
{
    *end = area->line.end;
    for (enum gs_claimant who = 0; who < GS_CLAIMANTS; who++) {
        struct gs_claim *claim =
            may_claim(who, area) ? first_claim_ending_after(&survey->claims[who], address) : NULL;
        if (!claim)
            continue;
        uint64_t border = claim->start > address ? claim->start : claim->end;
        if (border < *end)
            *end = border;
        if (claim->start <= address)
            return claim;
    }
    return NULL;
}

void gs_account_survey_block(struct gs_survey *survey, uint64_t address)
{
    struct gs_area *area = gs_account_survey_area(survey, address);
    uint64_t end;
    if (!area || (area->kind != GS_AREA_ANONYMOUS && area->kind != GS_AREA_HEAP))
        return;
    struct gs_claim *claim = owner_of(survey, area, address, &end);
    area->has_block |= !claim;
    if (!claim)
        area->kind = GS_AREA_HEAP;
    else if (claim->part == GS_ANONYMOUS)
        claim->part = GS_HEAP_KEPT;
}

/* ---- counting ------------------------------------------------------------------------------------------------------ */

static void add_pages(struct gs_survey *survey, enum gs_account_part part, uint64_t pages, uint64_t doubtful)
{
    survey->pages[part] += pages;
    survey->doubtful[part] += doubtful;
}

static void add_counts(struct gs_survey *survey, const struct gs_area *area, struct gs_claim *owner,
                       const struct gs_page_counts *counts)
{
    static const enum gs_account_part part[] = {
        [GS_AREA_ANONYMOUS] = GS_ANONYMOUS, [GS_AREA_HEAP] = GS_HEAP_KEPT, [GS_AREA_STACK] = GS_STACKS};
    bool of_file = area->kind == GS_AREA_FILE || area->kind == GS_AREA_SHARED;
    if (owner && area->kind == GS_AREA_SHARED && owner->part != GS_AGENT) {
        owner->shared += counts->file; // it stays shared memory, but we know who mapped it
        owner = NULL;
    }
    if (owner && owner->part != GS_AGENT) {
        owner->pages += counts->anonymous;
        owner->doubtful += counts->doubtful;
        add_pages(survey, owner->part, counts->anonymous, counts->doubtful);
        add_pages(survey, GS_FILES, of_file ? counts->file : 0, 0);
    } else if (owner) {
        survey->agent_files += of_file ? counts->file : 0;
        add_pages(survey, GS_AGENT, counts->anonymous + (of_file ? counts->file : 0), counts->doubtful);
    } else if (of_file) {
        add_pages(survey, area->kind == GS_AREA_FILE ? GS_FILES : GS_SHARED, counts->file, 0);
        if (!area->line.shared) // in a shared mapping, pages that are not a file's belong to a device
            add_pages(survey, GS_ANONYMOUS, counts->anonymous, counts->doubtful);
    } else {
        add_pages(survey, part[area->kind], counts->anonymous, counts->doubtful);
    }
}

/* Where the resident pages from START to END go beside the sums; NULL: they are not the heap's, or nobody wants them. */
static struct gs_heap_pages *heap_of(struct gs_survey *survey, const struct gs_area *area,
                                     const struct gs_claim *owner, uint64_t start, uint64_t end)
{
    bool is_heap = owner ? owner->part == GS_HEAP_KEPT : area->kind == GS_AREA_HEAP;
    if (!survey->heap || !is_heap)
        return NULL;
    gs_account_heap_pages_range(survey->heap, start, end, begins(&area->line, "[heap]"));
    return survey->heap;
}

static void count_area(struct gs_survey *survey, struct gs_area *area)
{
    for (uint64_t at = area->line.start, end; at < area->line.end; at = end) {
        struct gs_claim *owner = owner_of(survey, area, at, &end);
        struct gs_page_counts counts = {0};
        gs_account_pages_count(&survey->source, at, end, &counts, heap_of(survey, area, owner, at, end));
        add_counts(survey, area, owner, &counts);
        if (!owner || (owner->part != GS_AGENT && area->kind == GS_AREA_FILE))
            area->unclaimed.file += counts.file;
        if (!owner) {
            area->unclaimed.anonymous += counts.anonymous;
            area->unclaimed.doubtful += counts.doubtful;
        }
    }
}

/* The order of reading: quickly read areas first, areas that seldom have pages last. */
enum read_phase { PHASE_SMALL, PHASE_LARGE, PHASE_CLOSED, PHASES };

static enum read_phase phase_of(const struct gs_area *area)
{
    if (is_closed(area))
        return PHASE_CLOSED;
    return area->line.end - area->line.start > LARGE_AREA ? PHASE_LARGE : PHASE_SMALL;
}

/* Is the number found so far below RESIDENT that closed areas must hold the rest? Pages come and go during the count, so a
 * difference of 1 % and LITTLE is accepted. */
static bool much_is_missing(const struct gs_survey *survey, uint64_t resident)
{
    enum { LITTLE = 1 << 19 };
    uint64_t found = 0;
    for (int part = 0; part < GS_PARTS; part++)
        found += survey->pages[part] * GS_PAGE;
    return found + resident / 100 + LITTLE < resident;
}

void gs_account_survey_count(struct gs_survey *survey, uint64_t resident)
{
    for (int phase = 0; phase < PHASES; phase++) {
        if (phase == PHASE_CLOSED && !much_is_missing(survey, resident))
            return;
        for (size_t i = 0; i < survey->areas; i++)
            if (survey->area[i].kind != GS_AREA_UNCOUNTED &&
                phase_of(&survey->area[i]) == (enum read_phase)phase)
                count_area(survey, &survey->area[i]);
    }
}

/* ---- sums ---------------------------------------------------------------------------------------------------------- */

struct gs_resident gs_account_resident_read(const char *status)
{
    struct gs_resident resident = {0};
    const struct {
        const char *name;
        uint64_t *bytes;
    } rows[] = {{"\nVmRSS:", &resident.all},
                {"\nRssAnon:", &resident.anonymous},
                {"\nRssFile:", &resident.file},
                {"\nRssShmem:", &resident.shared}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *at = strstr(status, rows[i].name);
        unsigned long long kib;
        if (at && sscanf(at + strlen(rows[i].name), "%llu kB", &kib) == 1)
            *rows[i].bytes = kib << 10;
    }
    return resident;
}

/* The share of the doubtful pages that are not resident: the pages found beyond the kernel's count. */
static double doubtful_share(const struct gs_survey *survey, const struct gs_resident *resident)
{
    uint64_t anonymous = 0, doubtful = 0, counted = resident->anonymous / GS_PAGE;
    for (int part = 0; part < GS_PARTS; part++) {
        anonymous += part == GS_FILES || part == GS_SHARED ? 0 : survey->pages[part];
        doubtful += survey->doubtful[part];
    }
    anonymous -= survey->agent_files;
    if (anonymous <= counted || doubtful == 0 || !resident->anonymous)
        return 0;
    return anonymous - counted < doubtful ? (double)(anonymous - counted) / (double)doubtful : 1;
}

void gs_account_survey_sum(struct gs_survey *survey, uint64_t live, const struct gs_resident *resident,
                           uint64_t part[GS_PARTS])
{
    double absent = doubtful_share(survey, resident);
    for (int i = 0; i < GS_PARTS; i++)
        part[i] = (survey->pages[i] - (uint64_t)((double)survey->doubtful[i] * absent)) * GS_PAGE;
    for (size_t i = 0; i < survey->claims[GS_CLAIM_MAPPED].count; i++) {
        struct gs_claim *claim = &survey->claims[GS_CLAIM_MAPPED].claim[i];
        claim->pages -= (uint64_t)((double)claim->doubtful * absent);
    }
    for (size_t i = 0; i < survey->areas; i++)
        survey->area[i].unclaimed.anonymous -=
            (uint64_t)((double)survey->area[i].unclaimed.doubtful * absent);
    part[GS_HEAP_LIVE] = live < part[GS_HEAP_KEPT] ? live : part[GS_HEAP_KEPT];
    part[GS_HEAP_KEPT] -= part[GS_HEAP_LIVE];
}

void gs_account_survey_fini(struct gs_survey *survey)
{
    for (int who = 0; who < GS_CLAIMANTS; who++)
        gs_free(survey->claims[who].claim);
    gs_free(survey->area);
    *survey = (struct gs_survey){0};
}
