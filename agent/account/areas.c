/* areas.c - resident memory that no stack is known to have mapped, by area of the memory map, and how it grew since the base.
 *
 *   raw mmap, before the watch   [anonymous mapping]         a static array   [.bss of redis-server]
 *   file, private and written    [written data of x.so]      file, as it is   /var/lib/x/data.mdb
 *   shared memory                /dev/shm/ring               brk, no malloc   [heap]
 *
 * Areas move little: each is compared with what lay at its addresses at the base. If one was split, or two were joined, what was
 * there is shared out by what each holds now. Small areas are added up, so that many of them are not missed.
 * Context: watcher. */
#include "account/inside.h"
#include "base/memory.h"
#include "base/sort.h"
#include "base/text.h"
#include "probe/probe.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { AREAS_MAX = 64, SMALL = 256 << 10, SHARE_MIN = 512 }; // SHARE_MIN: below 1/512 of all is small, too
enum { BLOCKS_MISSED_MAX = 32 }; // so many sampling distances without a sample: e^-32

const char *const gs_account_columns[GS_MAPPED_COLUMNS] = {"anonymous",      "growth",
                                                           "shared",         "shared_growth",
                                                           "unseen",         "unseen_growth",
                                                           "files",          "files_growth",
                                                           "deep_stacks",    "deep_stacks_growth",
                                                           "created_stacks", "created_stacks_growth"};

struct gs_profile *gs_account_mappings_new(void)
{
    struct gs_profile *profile = gs_profile_new();
    for (unsigned i = 0; profile && i < GS_MAPPED_COLUMNS; i++)
        gs_profile_add_sample_type(profile, gs_account_columns[i], "bytes");
    return profile;
}

/* Does malloc not hold AREA, the program's [heap]? */
static bool is_foreign_heap(const struct gs_area *area)
{
    static const char name[] = "[heap]";
    uint64_t missed = BLOCKS_MISSED_MAX * gs_probe_sampling().bytes;
    return area->line.path_length == sizeof name - 1 && memcmp(area->line.path, name, sizeof name - 1) == 0 &&
           !area->has_block && (!gs_probe_hooks_seen() || area->unclaimed.anonymous * GS_PAGE > missed);
}

static uint64_t private_bytes(const struct gs_area *area)
{
    bool counts = area->kind == GS_AREA_HEAP ? is_foreign_heap(area)
                                             : area->kind == GS_AREA_ANONYMOUS ||
                                                   (area->kind == GS_AREA_FILE && !area->line.shared) ||
                                                   (area->kind == GS_AREA_SHARED && !area->line.shared);
    return counts ? area->unclaimed.anonymous * GS_PAGE : 0;
}

static uint64_t file_bytes(const struct gs_area *area)
{
    bool counts = area->kind == GS_AREA_FILE || area->kind == GS_AREA_SHARED;
    return counts ? area->unclaimed.file * GS_PAGE : 0;
}

/* Below how many bytes an area is small. */
static uint64_t small_bytes(const struct gs_survey *survey)
{
    uint64_t all = 0;
    for (size_t i = 0; i < survey->areas; i++)
        all += private_bytes(&survey->area[i]) + file_bytes(&survey->area[i]);
    return all / SHARE_MIN > SMALL ? all / SHARE_MIN : SMALL;
}

int gs_account_areas_keep(const struct gs_survey *survey, struct gs_areas_then *out)
{
    uint64_t small = small_bytes(survey);
    for (size_t i = 0; i < survey->areas; i++) {
        const struct gs_area *area = &survey->area[i];
        uint64_t private = private_bytes(area), file = file_bytes(area);
        out->rest += private < small ? private : 0;
        if (private < small && file < small)
            continue;
        if (gs_grow(&out->area, &out->capacity, out->count + 1, sizeof *out->area))
            return -ENOMEM;
        out->area[out->count++] = (struct gs_area_then){area->line.start, area->line.end, private, file};
    }
    return 0;
}

struct areas { // being listed
    const struct gs_survey *survey;
    const struct gs_areas_then *then;
    const struct gs_maps *maps;
    struct gs_account *out;
    uint64_t small;
    size_t capacity;
    int error;
};

/* ---- names -------------------------------------------------------------------------------------------------------- */

static void print_path(const struct gs_maps_line *line, bool base_name, char *out, size_t size)
{
    static const char deleted[] = " (deleted)";
    size_t length = line->path_length, cut = sizeof deleted - 1;
    if (length > cut && memcmp(line->path + length - cut, deleted, cut) == 0)
        length -= cut;
    const char *from = line->path, *slash = base_name ? memrchr(from, '/', length) : NULL;
    if (slash) {
        length -= (size_t)(slash + 1 - from);
        from = slash + 1;
    }
    snprintf(out, size, "%.*s", (int)(length < size ? length : size - 1), from);
}

/* "[.bss of redis-server]", or "[static buffer of redis-server]" if that variable covers the middle half of AREA. */
static void print_bss_name(const struct gs_area *area, const char *file, const struct gs_maps *maps,
                           char *out, size_t size)
{
    enum { POINTS = 3 };
    struct gs_symbol_variable at[POINTS] = {0};
    for (unsigned i = 0; i < POINTS; i++)
        at[i].address = area->line.start + (area->line.end - area->line.start) / 4 * (i + 1);
    if (maps)
        gs_symbol_name_variables(maps, at, POINTS);
    if (at[0].name && at[2].name && strcmp(at[0].name, at[2].name) == 0)
        snprintf(out, size, "[static %.150s of %.48s]", at[0].name, file);
    else
        snprintf(out, size, "[.bss of %.48s]", file);
    for (unsigned i = 0; i < POINTS; i++)
        gs_free(at[i].name);
}

/* Name OUT, the private memory of area NUMBER. */
static void name_private(const struct areas *areas, size_t number, struct gs_account_area *out)
{
    const struct gs_area *area = &areas->survey->area[number],
                         *before = number ? &areas->survey->area[number - 1] : NULL;
    char file[48];
    if (area->kind == GS_AREA_FILE || area->kind == GS_AREA_SHARED) {
        print_path(&area->line, true, file, sizeof file);
        snprintf(out->name, sizeof out->name, "[written data of %s]", file);
    } else if (area->line.path_length) { // "[heap]", "[anon:NAME]"
        print_path(&area->line, false, out->name, sizeof out->name);
        out->by_call = true;
    } else if (before && before->kind == GS_AREA_FILE && before->line.writable &&
               before->line.end == area->line.start) {
        print_path(&before->line, true, file, sizeof file);
        print_bss_name(area, file, areas->maps, out->name, sizeof out->name);
    } else {
        strcpy(out->name, "[anonymous mapping]");
        out->by_call = true;
    }
}

/* ---- growth ------------------------------------------------------------------------------------------------------- */

static uint64_t bytes_of(const struct gs_area *area, bool of_file)
{
    return of_file ? file_bytes(area) : private_bytes(area);
}

/* What the areas that overlap THEN hold now. */
static uint64_t successors_bytes(const struct gs_survey *survey, const struct gs_area_then *then,
                                 bool of_file)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < survey->areas && survey->area[i].line.start < then->end; i++)
        if (survey->area[i].line.end > then->start)
            bytes += bytes_of(&survey->area[i], of_file);
    return bytes;
}

/* What lay where AREA is, at the base: *SIZE bytes of address space. */
static uint64_t bytes_then(const struct areas *areas, const struct gs_area *area, bool of_file,
                           uint64_t *size)
{
    double bytes = 0, now = (double)bytes_of(area, of_file);
    *size = 0;
    for (size_t i = 0; areas->then && i < areas->then->count; i++) {
        const struct gs_area_then *then = &areas->then->area[i];
        uint64_t held = of_file ? then->file_bytes : then->private_bytes;
        if (then->end <= area->line.start || then->start >= area->line.end || !held)
            continue;
        *size += then->end - then->start;
        bytes += (double)held * now / (double)successors_bytes(areas->survey, then, of_file);
    }
    return (uint64_t)bytes;
}

static void add_to_list(struct areas *areas, const struct gs_account_area *area)
{
    struct gs_account *out = areas->out;
    enum gs_account_column column = area->part == GS_FILES ? GS_MAPPED_FILES : GS_MAPPED_UNSEEN;
    int64_t values[GS_MAPPED_COLUMNS] = {0};
    values[2 * column] = (int64_t)area->bytes;
    values[2 * column + 1] = area->growth;
    gs_profile_add_named_sample(out->mappings, area->name, values, NULL, 0);
    if (gs_grow(&out->area, &areas->capacity, out->areas + 1, sizeof *out->area))
        areas->error = -ENOMEM;
    else
        out->area[out->areas++] = *area;
}

static enum gs_account_part part_of(const struct gs_area *area, bool of_file)
{
    if (of_file)
        return area->kind == GS_AREA_FILE ? GS_FILES : GS_SHARED;
    return area->kind == GS_AREA_HEAP ? GS_HEAP_KEPT : GS_ANONYMOUS;
}

static void list_area(struct areas *areas, size_t number, bool of_file)
{
    const struct gs_area *area = &areas->survey->area[number];
    struct gs_account_area listed = {.start = area->line.start,
                                     .end = area->line.end,
                                     .bytes = bytes_of(area, of_file),
                                     .part = (unsigned char)part_of(area, of_file)};
    if (listed.bytes < areas->small)
        return;
    if (areas->then)
        listed.growth = (int64_t)listed.bytes - (int64_t)bytes_then(areas, area, of_file, &listed.size_then);
    listed.by_call = of_file && area->kind == GS_AREA_SHARED;
    if (of_file)
        print_path(&area->line, false, listed.name, sizeof listed.name);
    else
        name_private(areas, number, &listed);
    add_to_list(areas, &listed);
}

/* All small areas as one. */
static void list_rest(struct areas *areas)
{
    struct gs_account_area rest = {.name = "[small private areas]", .part = GS_ANONYMOUS};
    uint64_t then = areas->then ? areas->then->rest : 0, size;
    for (size_t i = 0; i < areas->survey->areas; i++) {
        uint64_t private = private_bytes(&areas->survey->area[i]);
        if (private == 0 || private >= areas->small)
            continue;
        rest.bytes += private;
        then += bytes_then(areas, &areas->survey->area[i], false, &size); // it was large then, and was cut
    }
    if (areas->then)
        rest.growth = (int64_t)rest.bytes - (int64_t)then;
    if (rest.bytes >= areas->small)
        add_to_list(areas, &rest);
}

/* The most growth first, then the largest. */
static int by_weight(const void *a, const void *b)
{
    const struct gs_account_area *x = a, *y = b;
    if (x->growth != y->growth)
        return x->growth < y->growth ? 1 : -1;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

int gs_account_areas_list(const struct gs_survey *survey, const struct gs_areas_then *then,
                          const struct gs_maps *maps, struct gs_account *out)
{
    struct areas areas = {
        .survey = survey, .then = then, .maps = maps, .out = out, .small = small_bytes(survey)};
    for (size_t i = 0; i < survey->areas; i++) {
        list_area(&areas, i, false);
        list_area(&areas, i, true);
    }
    list_rest(&areas);
    gs_sort(out->area, out->areas, sizeof *out->area, by_weight);
    if (out->areas > AREAS_MAX)
        out->areas = AREAS_MAX;
    return areas.error;
}
