/* summary_cpu.c - the part of summary.txt with whole stacks of CPU time. Unlike memory, CPU time is explained by the leaf: what
 * the C library did for the program (memcpy, pthread_mutex_lock). Context: watcher. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/sort.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include "symbol/symbol.h"

enum { STACKS = 3 };

static bool is_runtime(const struct gs_profile *profile, uint32_t location, const char *name)
{
    uint32_t mapping = profile->location[location].mapping;
    return gs_symbol_function_is_runtime(name) ||
           (mapping && gs_symbol_path_is_runtime(profile->mapping[mapping - 1].path));
}

void gs_incident_add_stack_with_leaf(struct gs_text *out, const struct gs_profile *profile,
                                     const struct gs_stack_row *row)
{
    char room[300], leaf[300];
    uint32_t i = 0;
    for (; i < row->depth; i++) {
        const char *name = gs_profile_frame_name(profile, row->location[i], room, sizeof room);
        if (!is_runtime(profile, row->location[i], name))
            break;
        if (profile->location[row->location[i]].line_count) { // else it has no name: its caller may have one
            gs_text_add_printable(out, name);
            gs_text_add(out, " ← ");
            break;
        }
    }
    if (i == row->depth && i > 0) {
        gs_text_add_printable(out, gs_profile_frame_name(profile, row->location[0], leaf, sizeof leaf));
        gs_text_add(out, " ← ");
    }
    gs_incident_add_stack(out, profile, row);
}

/* ---- the heaviest stacks ----------------------------------------------------------------------------------------------- */

struct shown_stack { // stacks that differ only in frames without a name inside the C library
    uint64_t hash;
    int64_t value;
    size_t row; // the first of them
};

static uint64_t hash_of_row(const struct gs_profile *profile, const struct gs_stack_row *row)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < row->depth; i++) {
        const struct gs_location *at = &profile->location[row->location[i]];
        if (at->line_count)
            hash = gs_hash_mix(hash ^ at->line[0].function);
        else if (!at->mapping || !gs_symbol_path_is_runtime(profile->mapping[at->mapping - 1].path))
            hash = gs_hash_mix(hash ^ (UINT64_MAX - row->location[i]));
    }
    return hash;
}

static int by_hash(const void *a, const void *b)
{
    const struct shown_stack *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int by_value(const void *a, const void *b)
{
    const struct shown_stack *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* Add up the stacks of SHOWN[0..COUNT) that look alike, heaviest first. Returns how many there are. */
static size_t merge(struct shown_stack *shown, size_t count)
{
    size_t merged = 0;
    gs_sort(shown, count, sizeof *shown, by_hash);
    for (size_t i = 0; i < count; i++)
        if (merged && shown[merged - 1].hash == shown[i].hash)
            shown[merged - 1].value += shown[i].value;
        else
            shown[merged++] = shown[i];
    gs_sort(shown, merged, sizeof *shown, by_value);
    return merged;
}

void gs_incident_add_cpu_stacks(struct gs_text *out, const struct gs_profile *profile)
{
    struct gs_stacks stacks;
    char time[GS_UNIT_TEXT];
    int type = gs_profile_sample_type(profile, "cpu");
    if (type < 0 || !gs_incident_stacks_of(profile, type, &stacks, out))
        return;
    struct shown_stack *shown = gs_alloc((stacks.count + 1) * sizeof *shown);
    out->failed |= !shown;
    for (size_t i = 0; shown && i < stacks.count; i++)
        shown[i] = (struct shown_stack){hash_of_row(profile, &stacks.row[i]), stacks.row[i].value, i};
    size_t count = shown ? merge(shown, stacks.count) : 0;
    if (count)
        gs_text_add(out, "\nCPU time by whole stacks\n");
    for (size_t i = 0; i < count && i < STACKS && shown[i].value > 0; i++) {
        gs_text_add(out, "  %10s", gs_units_print_duration(shown[i].value, time));
        gs_incident_add_share(out, shown[i].value, stacks.total);
        gs_text_add(out, "  ");
        gs_incident_add_stack_with_leaf(out, profile, &stacks.row[shown[i].row]);
    }
    gs_free(shown);
    gs_profile_stacks_fini(&stacks);
}
