/* top.c - computes flat and cum by function, as pprof does.
 *
 *   flat of f: samples whose innermost frame is in f      cum of f: samples with f anywhere in the stack, counted once
 *
 * Functions with the same name share one row. A frame without a function name is counted for its mapped file
 * ("[libfoo.so]"), or for "<unknown>". The total is the sum of the samples' absolute values, so that percentages are
 * meaningful for negative values, too. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/sort.h"
#include "profile/inside.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct tally {
    const struct gs_profile *profile;
    struct gs_prune *prune;
    struct gs_index index; // rows by name
    struct gs_top *out;
    size_t capacity;
    size_t *last_sample; // for each row: number of the last sample counted in cum, plus 1; 0: none
    size_t last_sample_capacity;
    bool failed;
};

static uint64_t hash_name(const char *name)
{
    return gs_hash_bytes(name, strlen(name));
}

static uint64_t hash_of_row(const void *context, uint32_t number)
{
    return hash_name(((const struct gs_top *)context)->row[number].function);
}

/* The number of the row with NAME; added if new. UINT32_MAX: no memory. */
static uint32_t find_or_add_row(struct tally *tally, const char *name, const char *file)
{
    struct gs_top *out = tally->out;
    uint64_t hash = hash_name(name);
    size_t at = SIZE_MAX;
    for (uint32_t candidate; (candidate = gs_index_next(&tally->index, hash, &at)) != UINT32_MAX;)
        if (strcmp(out->row[candidate].function, name) == 0)
            return candidate;
    if (gs_grow(&out->row, &tally->capacity, out->count + 1, sizeof *out->row) ||
        gs_grow(&tally->last_sample, &tally->last_sample_capacity, out->count + 1,
                sizeof *tally->last_sample)) {
        tally->failed = true;
        return UINT32_MAX;
    }
    uint32_t number = (uint32_t)out->count;
    out->row[number] = (struct gs_top_row){.function = name, .file = file};
    tally->last_sample[number] = 0;
    out->count++;
    tally->failed |= gs_index_add(&tally->index, hash, number, hash_of_row, out) != 0;
    return number;
}

static uint32_t row_of_function(struct tally *tally, uint32_t function)
{
    const struct gs_function *entry = &tally->profile->function[function];
    if (*entry->name)
        return find_or_add_row(tally, entry->name, entry->file);
    return find_or_add_row(tally, *entry->file ? entry->file : "<unknown>", entry->file);
}

static uint32_t row_of_mapping(struct tally *tally, uint32_t mapping)
{
    const char *path = mapping ? tally->profile->mapping[mapping - 1].path : "";
    char name[300] = "<unknown>";
    if (*path)
        snprintf(name, sizeof name, "[%s]", gs_text_base_name(path));
    const char *interned = gs_profile_string((struct gs_profile *)tally->profile, name);
    tally->failed |= !*interned;
    return find_or_add_row(tally, interned, "");
}

/* Count VALUE for ROW: always in cum, once for each sample; in flat if the frame is the leaf. */
static void count_frame(struct tally *tally, uint32_t row, size_t sample, int64_t value, bool leaf)
{
    if (row == UINT32_MAX)
        return;
    if (leaf)
        tally->out->row[row].flat = gs_sum(tally->out->row[row].flat, value);
    if (tally->last_sample[row] == sample + 1)
        return;
    tally->last_sample[row] = sample + 1;
    tally->out->row[row].cum = gs_sum(tally->out->row[row].cum, value);
}

static void count_sample(struct tally *tally, size_t number, int64_t value)
{
    const struct gs_sample *sample = &tally->profile->sample[number];
    uint32_t first, first_line;
    gs_profile_prune_sample(tally->prune, tally->profile, sample, &first, &first_line);
    for (uint32_t i = first; i < sample->depth; i++) {
        const struct gs_location *location = &tally->profile->location[sample->location[i]];
        if (location->line_count == 0)
            count_frame(tally, row_of_mapping(tally, location->mapping), number, value, i == first);
        for (uint32_t line = i == first ? first_line : 0; line < location->line_count; line++)
            count_frame(tally, row_of_function(tally, location->line[line].function), number, value,
                        i == first && line == first_line);
    }
}

/* pprof's order: by flat, largest first, then by name, then by cum, largest first. */
static int by_flat(const void *a, const void *b)
{
    const struct gs_top_row *left = a, *right = b;
    if (gs_magnitude(left->flat) != gs_magnitude(right->flat))
        return gs_magnitude(left->flat) > gs_magnitude(right->flat) ? -1 : 1;
    int order = strcmp(left->function, right->function);
    if (order)
        return order;
    return (gs_magnitude(left->cum) < gs_magnitude(right->cum)) -
           (gs_magnitude(left->cum) > gs_magnitude(right->cum));
}

int gs_profile_top(const struct gs_profile *profile, int sample_type, struct gs_top *out)
{
    struct tally tally = {.profile = profile, .out = out};
    *out = (struct gs_top){0};
    tally.failed = gs_profile_prune_new(profile, &tally.prune) != 0;
    for (size_t i = 0; i < profile->sample_count && !tally.failed; i++) {
        int64_t value = profile->sample[i].value[sample_type];
        out->total = gs_sum(out->total, (int64_t)gs_magnitude(value));
        if (value)
            count_sample(&tally, i, value);
    }
    gs_profile_prune_free(tally.prune);
    gs_index_fini(&tally.index);
    gs_free(tally.last_sample);
    if (tally.failed) {
        gs_profile_top_fini(out);
        return -ENOMEM;
    }
    gs_sort(out->row, out->count, sizeof *out->row, by_flat);
    return 0;
}

void gs_profile_top_fini(struct gs_top *top)
{
    gs_free(top->row);
    *top = (struct gs_top){0};
}
