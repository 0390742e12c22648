/* lifetimes.c - a lifetimes profile by function: how long the blocks lived that each function allocated.
 *
 *   samples with label "lifetime" ──▶ row of the stack's own frame: freed blocks by class, short-lived, long-lived
 *   samples with label "age"      ──▶ the same row: blocks in use, of them the old ones
 *
 * A class is the bit length of its label: of each power of two one. So a profile with other classes can be read, too.
 * Context: any (pure). */
#include "base/hash.h"
#include "base/memory.h"
#include "base/sort.h"
#include "base/units.h"
#include "profile/inside.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CLASSES = 64, SHORT_NS = 1000000000 };
#define LONG_NS (60 * (int64_t)SHORT_NS)

struct types {
    int alive_objects, alive_space, freed_objects, freed_space;
};

struct lifetime_tally {
    const struct gs_profile *profile;
    struct types types;
    struct gs_index index; // rows by name
    struct gs_lifetimes *out;
    size_t capacity, histogram_capacity;
    double (*histogram)[CLASSES]; // for each row: freed objects by class
    bool failed;
};

/* Does PROFILE have the sample types of lifetimes.pb.gz? */
static bool has_lifetimes(const struct gs_profile *profile)
{
    static const char *const names[] = {"alive_objects", "alive_space", "freed_objects", "freed_space"};
    bool found = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        found &= gs_profile_sample_type(profile, names[i]) >= 0;
    return found;
}

static uint64_t hash_of_row(const void *context, uint32_t number)
{
    const char *name = ((const struct gs_lifetimes *)context)->row[number].function;
    return gs_hash_bytes(name, strlen(name));
}

/* The number of the row of NAME, a string of the profile; added if new. UINT32_MAX: no memory. */
static uint32_t row_of(struct lifetime_tally *tally, const char *name)
{
    struct gs_lifetimes *out = tally->out;
    uint64_t hash = gs_hash_bytes(name, strlen(name));
    size_t at = SIZE_MAX;
    for (uint32_t candidate; (candidate = gs_index_next(&tally->index, hash, &at)) != UINT32_MAX;)
        if (strcmp(out->row[candidate].function, name) == 0)
            return candidate;
    uint32_t number = (uint32_t)out->count;
    if (gs_grow(&out->row, &tally->capacity, number + 1, sizeof *out->row) ||
        gs_grow(&tally->histogram, &tally->histogram_capacity, number + 1, sizeof *tally->histogram))
        return UINT32_MAX;
    out->row[number] = (struct gs_lifetime_row){.function = name};
    memset(tally->histogram[number], 0, sizeof *tally->histogram);
    out->count++;
    return gs_index_add(&tally->index, hash, number, hash_of_row, out) ? UINT32_MAX : number;
}

/* The number of SAMPLE's label KEY, in nanoseconds; -1: it has none. */
static int64_t label_ns(const struct gs_sample *sample, const char *key)
{
    for (uint32_t i = 0; i < sample->label_count; i++) {
        const struct gs_label_value *label = &sample->label[i];
        if (!label->text && label->number >= 0 && label->unit && strcmp(label->unit, "nanoseconds") == 0 &&
            strcmp(label->key, key) == 0)
            return label->number;
    }
    return -1;
}

/* The sum of two numbers that are not negative; at most INT64_MAX. */
static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static int64_t not_negative(const struct gs_sample *sample, int type)
{
    return sample->value[type] > 0 ? sample->value[type] : 0;
}

static void count_freed(struct gs_lifetime_row *row, double *histogram, const struct gs_sample *sample,
                        const struct types *types)
{
    int64_t ns = label_ns(sample, "lifetime"), objects = not_negative(sample, types->freed_objects),
            bytes = not_negative(sample, types->freed_space);
    if (ns < 0)
        return;
    row->freed_objects = add(row->freed_objects, objects);
    row->freed_space = add(row->freed_space, bytes);
    if (ns < SHORT_NS)
        row->short_space = add(row->short_space, bytes);
    if (ns >= LONG_NS)
        row->long_space = add(row->long_space, bytes);
    histogram[ns ? 64 - __builtin_clzll((uint64_t)ns) : 0] += (double)objects;
}

static void count_alive(struct gs_lifetime_row *row, const struct gs_sample *sample,
                        const struct types *types)
{
    int64_t ns = label_ns(sample, "age"), bytes = not_negative(sample, types->alive_space);
    if (ns < 0)
        return;
    row->alive_objects = add(row->alive_objects, not_negative(sample, types->alive_objects));
    row->alive_space = add(row->alive_space, bytes);
    if (ns >= LONG_NS)
        row->old_space = add(row->old_space, bytes);
}

static void count_sample(struct lifetime_tally *tally, const struct gs_sample *sample)
{
    struct gs_profile *profile = (struct gs_profile *)tally->profile; // for its strings
    char room[300];
    if (!sample->depth)
        return;
    uint32_t own = gs_profile_own_frame(profile, sample->location, sample->depth);
    const char *name = gs_profile_own_name(profile, sample->location[own], room, sizeof room);
    uint32_t row = row_of(tally, gs_profile_string(profile, name));
    tally->failed |= row == UINT32_MAX;
    if (tally->failed)
        return;
    count_freed(&tally->out->row[row], tally->histogram[row], sample, &tally->types);
    count_alive(&tally->out->row[row], sample, &tally->types);
}

/* The lifetime that SHARE of the blocks in HISTOGRAM did not reach: in proportion within its class. */
static int64_t quantile(const double histogram[CLASSES], double share)
{
    double all = 0, below = 0;
    for (int class = 0; class < CLASSES; class ++)
        all += histogram[class];
    for (int class = 0; class < CLASSES && all > 0; class ++) {
        double here = histogram[class], from = class ? (double)((uint64_t)1 << (class - 1)) : 0,
               to = class ? 2 * from : GS_LIFETIME_SHORTEST_NS;
        if (here > 0 && below + here >= share * all)
            return (int64_t)(from + (to - from) * (share * all - below) / here);
        below += here;
    }
    return 0;
}

static int by_freed(const void *a, const void *b)
{
    const struct gs_lifetime_row *x = a, *y = b;
    if (x->freed_space != y->freed_space)
        return x->freed_space > y->freed_space ? -1 : 1;
    return strcmp(x->function, y->function);
}

int gs_profile_lifetimes(const struct gs_profile *profile, struct gs_lifetimes *out)
{
    struct lifetime_tally tally = {.profile = profile,
                                   .out = out,
                                   .types = {gs_profile_sample_type(profile, "alive_objects"),
                                             gs_profile_sample_type(profile, "alive_space"),
                                             gs_profile_sample_type(profile, "freed_objects"),
                                             gs_profile_sample_type(profile, "freed_space")}};
    *out = (struct gs_lifetimes){0};
    if (!has_lifetimes(profile))
        return -EINVAL;
    for (size_t i = 0; i < profile->sample_count && !tally.failed; i++)
        count_sample(&tally, &profile->sample[i]);
    for (size_t i = 0; i < out->count && !tally.failed; i++) {
        struct gs_lifetime_row *row = &out->row[i];
        row->median_ns = quantile(tally.histogram[i], 0.5);
        row->most_ns = quantile(tally.histogram[i], 0.9);
        out->freed_space = add(out->freed_space, row->freed_space);
        out->short_space = add(out->short_space, row->short_space);
        out->alive_space = add(out->alive_space, row->alive_space);
    }
    gs_index_fini(&tally.index);
    gs_free(tally.histogram);
    if (tally.failed) {
        gs_profile_lifetimes_fini(out);
        return -ENOMEM;
    }
    gs_sort(out->row, out->count, sizeof *out->row, by_freed);
    return 0;
}

void gs_profile_lifetimes_fini(struct gs_lifetimes *lifetimes)
{
    gs_free(lifetimes->row);
    *lifetimes = (struct gs_lifetimes){0};
}

const char *gs_profile_print_lifetime(int64_t ns, char *out)
{
    int64_t step = 1;
    while (ns / step >= 100)
        step *= 10;
    int64_t rounded = ns / step * step;
    if (rounded >= 1000000)
        return gs_units_print_duration(rounded, out);
    snprintf(out, GS_UNIT_TEXT, rounded >= 10000 ? "%.0f us" : "%.2g us", (double)rounded / 1000);
    return out;
}
