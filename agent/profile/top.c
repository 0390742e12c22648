/* top.c - computes flat and cum by function, as pprof does.
 *
 *   flat of f: samples whose innermost frame is in f      cum of f: samples with f anywhere in the stack, counted once
 *
 * A function is its name; a frame without one belongs to its file ("[libfoo.so]"), or to "<unknown>". The total is the
 * sum of the samples' absolute values, so that percentages make sense with negative values, too. */
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
    size_t *seen; // for each row: the number of the sample that counted it last, plus one
    size_t seen_capacity;
    bool failed;
};

static uint64_t hash_name(const char *name)
{
    return gs_hash_bytes(name, strlen(name));
}

static uint64_t hash_of_row(const void *of, uint32_t number)
{
    return hash_name(((const struct gs_top *)of)->row[number].function);
}

/* The row called NAME, added if new; UINT32_MAX: no memory. */
static uint32_t row_named(struct tally *tally, const char *name, const char *file)
{
    struct gs_top *out = tally->out;
    uint64_t hash = hash_name(name);
    size_t at = SIZE_MAX;
    for (uint32_t n; (n = gs_index_next(&tally->index, hash, &at)) != UINT32_MAX;)
        if (strcmp(out->row[n].function, name) == 0)
            return n;
    if (gs_grow(&out->row, &tally->capacity, out->count + 1, sizeof *out->row) ||
        gs_grow(&tally->seen, &tally->seen_capacity, out->count + 1, sizeof *tally->seen)) {
        tally->failed = true;
        return UINT32_MAX;
    }
    uint32_t number = (uint32_t)out->count;
    out->row[number] = (struct gs_top_row){.function = name, .file = file};
    tally->seen[number] = 0;
    out->count++;
    tally->failed |= gs_index_add(&tally->index, hash, number, hash_of_row, out) != 0;
    return number;
}

static uint32_t row_of_function(struct tally *tally, uint32_t function)
{
    const struct gs_function *f = &tally->profile->function[function];
    if (*f->name)
        return row_named(tally, f->name, f->file);
    return row_named(tally, *f->file ? f->file : "<unknown>", f->file);
}

static uint32_t row_of_mapping(struct tally *tally, uint32_t mapping)
{
    const char *path = mapping ? tally->profile->mapping[mapping - 1].path : "";
    char name[300] = "<unknown>";
    if (*path)
        snprintf(name, sizeof name, "[%s]", gs_text_base_name(path));
    const char *kept = gs_profile_string((struct gs_profile *)tally->profile, name);
    tally->failed |= !*kept;
    return row_named(tally, kept, "");
}

static void count(struct tally *tally, uint32_t row, size_t sample, int64_t value, bool leaf)
{
    if (row == UINT32_MAX)
        return;
    if (leaf)
        tally->out->row[row].flat = gs_sum(tally->out->row[row].flat, value);
    if (tally->seen[row] == sample + 1)
        return;
    tally->seen[row] = sample + 1;
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
            count(tally, row_of_mapping(tally, location->mapping), number, value, i == first);
        for (uint32_t l = i == first ? first_line : 0; l < location->line_count; l++)
            count(tally, row_of_function(tally, location->line[l].function), number, value,
                  i == first && l == first_line);
    }
}

/* Flat, then name, then cum: pprof's order. */
static int by_flat(const void *a, const void *b)
{
    const struct gs_top_row *x = a, *y = b;
    if (gs_magnitude(x->flat) != gs_magnitude(y->flat))
        return gs_magnitude(x->flat) > gs_magnitude(y->flat) ? -1 : 1;
    int order = strcmp(x->function, y->function);
    if (order)
        return order;
    return (gs_magnitude(x->cum) < gs_magnitude(y->cum)) - (gs_magnitude(x->cum) > gs_magnitude(y->cum));
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
    gs_free(tally.seen);
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
