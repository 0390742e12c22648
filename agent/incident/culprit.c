/* culprit.c - finds the culprit: the function of the program with the largest part of a profile.
 *
 *   every stack ──▶ its own frame ──▶ net sum of each function ──▶ the largest ──▶ its heaviest caller ──▶ its heaviest stack
 *                                                                  └ and the next: is it close?
 *
 * Stacks are first added up by function, gains and losses, then the heaviest function is chosen: so a cache that is filled
 * through twenty call paths is found, and a table that is only renewed, freed here and filled there, is not.
 * Context: watcher, CLI. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/sort.h"
#include "gather/gather.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include <stdio.h>
#include <string.h>

/* A culprit that rests on fewer samples is in doubt: with 10, the standard error is 32 %. */
enum { SAMPLES_MIN = 10 };
/* The runner-up is close if it has this share of the culprit's value, or if the difference is within two standard errors. */
static const double CLOSE = 0.75;

struct charge {           // one stack
    const char *function; // interned in the profile: equal names are the same pointer
    const char *module;
    const char *caller; // NULL: none of own code
    int64_t value;
    double variance; // of the value, from sampling
    size_t row;
    uint32_t frame;
};
struct sum { // of one function
    const struct charge *first;
    size_t count; // of its charges, which lie one after another
    int64_t value;
    double variance;
};

static const char *path_of(const struct gs_profile *profile, uint32_t location)
{
    uint32_t mapping = profile->location[location].mapping;
    return mapping ? profile->mapping[mapping - 1].path : "";
}

/* The frame's name, interned in the profile: equal names are the same pointer. */
static const char *name_of(struct gs_profile *profile, uint32_t location)
{
    char room[300];
    return gs_profile_string(profile, gs_profile_own_name(profile, location, room, sizeof room));
}

/* A hash that identifies the frame at LOCATION, called NAME, in each run of the program: of its function's name or
 * "FILE+0xADDRESS"; if the file could not be read, of its offset in the file. 0 for generated code, which has no stable
 * name. */
static uint64_t hash_of_frame(const struct gs_profile *profile, uint32_t location, const char *name)
{
    const struct gs_location *at = &profile->location[location];
    const struct gs_profile_mapping *mapping = at->mapping ? &profile->mapping[at->mapping - 1] : NULL;
    if (at->line_count)
        return gs_hash_bytes(name, strlen(name));
    if (!mapping || *mapping->path != '/')
        return 0;
    uint64_t offset = at->address - mapping->start + mapping->offset;
    return gs_hash_bytes(name, strlen(name)) ^ gs_hash_mix(offset);
}

/* Record what was passed over between the leaf and frame OWN of STACK, which is in out->module. */
static void describe_via(struct gs_profile *profile, const uint32_t *stack, uint32_t depth, uint32_t own,
                         struct gs_culprit *out)
{
    for (uint32_t i = 0; i < own; i++) {
        enum gs_code code = gs_profile_code_in_stack(profile, stack, depth, i);
        if (code != GS_CODE_PLUMBING && code != GS_CODE_LIBRARY)
            continue;
        const char *name = name_of(profile, stack[i]), *file = gs_text_base_name(path_of(profile, stack[i]));
        if (strcmp(file, out->module) != 0)
            out->through = code == GS_CODE_LIBRARY ? file : name;
        else if (code == GS_CODE_PLUMBING)
            out->through = name;
        if (out->via_count < GS_CULPRIT_VIA_MAX && (!out->via_count || out->via[out->via_count - 1] != name))
            out->via[out->via_count++] = name;
    }
}

/* Describe frame OWN of STACK, to which OUT is charged. */
static void describe(struct gs_profile *profile, const uint32_t *stack, uint32_t depth, uint32_t own,
                     struct gs_culprit *out)
{
    const struct gs_location *location = &profile->location[stack[own]];
    uint32_t line;
    uint64_t hash = 0;
    enum gs_code code = gs_profile_code_of(profile, stack[own], &line);
    out->function = name_of(profile, stack[own]);
    out->module = gs_text_base_name(path_of(profile, stack[own]));
    out->file = "";
    if (line < location->line_count) {
        out->file = profile->function[location->line[line].function].file;
        out->line = location->line[line].line;
    }
    if (code != GS_CODE_OWN && !gs_symbol_path_is_interpreter(path_of(profile, stack[own])))
        out->doubts |= GS_DOUBT_NOT_OWN;
    describe_via(profile, stack, depth, own, out);
    out->depth = depth < GS_CULPRIT_STACK_MAX ? depth : GS_CULPRIT_STACK_MAX;
    for (uint32_t i = 0; i < out->depth; i++) {
        out->stack[i] = name_of(profile, stack[i]);
        hash = gs_hash_mix(hash ^ hash_of_frame(profile, stack[i], out->stack[i]));
    }
    snprintf(out->fingerprint, sizeof out->fingerprint, "%016llx", (unsigned long long)hash);
}

/* Is it memory that no stack is charged with? */
static bool is_unattributed(const struct gs_profile *profile, const struct gs_stack_row *row)
{
    const struct gs_location *leaf = &profile->location[row->location[0]];
    return leaf->line_count && strcmp(profile->function[leaf->line[0].function].name, GS_UNATTRIBUTED) == 0;
}

/* ---- charges ------------------------------------------------------------------------------------------------------- */

static int by_pointer(const char *a, const char *b)
{
    return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

static int by_function(const void *a, const void *b)
{
    const struct charge *x = a, *y = b;
    int order = by_pointer(x->function, y->function);
    if (!order)
        order = by_pointer(x->module, y->module);
    if (!order)
        order = by_pointer(x->caller, y->caller);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

/* How much one sample stands for, in the unit of VALUE, which SAMPLE has by SAMPLE_TYPE; 0: values are counted, not sampled. A
 * block of SIZE bytes is sampled with probability 1 - e^(-SIZE/period), which is close to SIZE / (SIZE + period). */
static double sample_unit(const struct gs_profile *profile, const struct gs_sample *sample, int sample_type)
{
    double value = (double)sample->value[sample_type];
    int blocks = gs_profile_sample_type(profile, "inuse_objects"),
        counts = gs_profile_sample_type(profile, "samples");
    if (counts >= 0 && sample->value[counts])
        return value / (double)sample->value[counts];
    if (blocks < 0 || profile->period <= 0)
        return 0;
    double count = (double)sample->value[blocks], size = count != 0 ? value / count : 0;
    return (size > 0 ? size : -size) + (double)profile->period;
}

static struct charge charge_of(struct gs_profile *profile, const struct gs_stack_row *row, size_t number,
                               int sample_type)
{
    uint32_t frame = gs_profile_own_frame(profile, row->location, row->depth);
    uint32_t caller = gs_profile_caller_frame(profile, row->location, row->depth, frame);
    double value = (double)row->value,
           unit = sample_unit(profile, &profile->sample[row->sample], sample_type);
    return (struct charge){
        .function = name_of(profile, row->location[frame]),
        .module = path_of(profile, row->location[frame]),
        .caller = caller < row->depth ? name_of(profile, row->location[caller]) : NULL,
        .value = row->value,
        .variance = (value < 0 ? -value : value) * unit,
        .row = number,
        .frame = frame,
    };
}

/* ---- sums ------------------------------------------------------------------------------------------------------------ */

static bool is_of_function(const struct charge *a, const struct charge *b)
{
    return a->function == b->function && a->module == b->module;
}

/* Does NAME stand for what nobody can be blamed for? */
static bool is_nobody(const char *name)
{
    return strcmp(name, GS_NOT_SEEN) == 0;
}

/* Add up CHARGES (sorted by function) for each function. The largest positive sum goes to *BEST, the next (or
 * what was not seen, if it is larger) to *NEXT; without a first, these are zero. Returns the total of all positive sums. */
static int64_t add_up(const struct charge *charges, size_t count, struct sum *best, struct sum *next)
{
    int64_t total = 0;
    *best = *next = (struct sum){0};
    for (size_t i = 0; i < count;) {
        struct sum sum = {.first = &charges[i]};
        for (; i < count && is_of_function(sum.first, &charges[i]); i++, sum.count++) {
            sum.value += charges[i].value;
            sum.variance += charges[i].variance;
        }
        if (sum.value <= 0)
            continue;
        total += sum.value;
        if (sum.value > best->value && !is_nobody(sum.first->function)) {
            *next = best->value > next->value ? *best : *next;
            *best = sum;
        } else if (sum.value > next->value) {
            *next = sum;
        }
    }
    return total;
}

/* Is NAME a function's, not FILE+0xADDRESS? */
static bool is_name(const char *name)
{
    return !strstr(name, "+0x");
}

/* The caller through which SUM's function got most of its sum, into *CALLER, and its share. NULL: none has most of it, or there is
 * only one and it tells nothing: the function has a name itself. */
static void find_caller(const struct sum *sum, const char **caller, double *share)
{
    int64_t most = 0;
    size_t callers = 0;
    for (size_t i = 0; i < sum->count;) {
        const struct charge *first = &sum->first[i];
        int64_t value = 0;
        for (; i < sum->count && sum->first[i].caller == first->caller; i++)
            value += sum->first[i].value;
        callers += value > 0;
        if (value > most) {
            most = value;
            *caller = first->caller;
        }
    }
    *share = most < sum->value ? (double)most / (double)sum->value : 1; // others may have lost
    bool helps = callers > 1 || (*caller && is_name(*caller) && !is_name(sum->first->function));
    if (!helps || *share <= 0.5)
        *caller = NULL;
}

/* The heaviest stack of SUM's function, through CALLER unless that is NULL. Rows are sorted, the heaviest first. */
static const struct charge *heaviest(const struct sum *sum, const char *caller)
{
    const struct charge *found = NULL;
    for (size_t i = 0; i < sum->count; i++)
        if (sum->first[i].value > 0 && (!caller || sum->first[i].caller == caller) &&
            (!found || sum->first[i].row < found->row))
            found = &sum->first[i];
    return found;
}

static double square(double x)
{
    return x * x;
}

/* How far the sums can be trusted. */
static void judge(const struct sum *best, const struct sum *next, int64_t total, struct gs_culprit *out)
{
    double value = (double)best->value, other = (double)next->value;
    if (best->variance > 0)
        out->samples = square(value) / best->variance;
    if (best->variance > 0 && out->samples < SAMPLES_MIN)
        out->doubts |= GS_DOUBT_SAMPLES;
    if (next->value == 0 ||
        (other < CLOSE * value && square(value - other) >= 4 * (best->variance + next->variance)))
        return;
    out->doubts |= GS_DOUBT_RUNNER_UP;
    out->runner_up = next->first->function;
    out->runner_up_share = other / (double)total;
}

/* Find the culprit in CHARGES, made from STACKS. */
static bool choose(struct gs_profile *profile, const struct gs_stacks *stacks, struct charge *charges,
                   size_t count, struct gs_culprit *out)
{
    struct sum best, next;
    gs_sort(charges, count, sizeof *charges, by_function);
    int64_t total = add_up(charges, count, &best, &next);
    if (best.value == 0)
        return false;
    out->value = best.value;
    out->share = (double)best.value / (double)total;
    find_caller(&best, &out->caller, &out->caller_share);
    judge(&best, &next, total, out);
    const struct charge *chosen = heaviest(&best, out->caller);
    const struct gs_stack_row *row = &stacks->row[chosen->row];
    describe(profile, row->location, row->depth, chosen->frame, out);
    return true;
}

bool gs_incident_culprit_find(struct gs_profile *profile, int sample_type, const char *kind,
                              struct gs_culprit *out)
{
    struct gs_stacks stacks;
    size_t count = 0;
    *out = (struct gs_culprit){.kind = kind};
    if (gs_profile_stacks(profile, sample_type, &stacks)) {
        profile->failed = true;
        return false;
    }
    struct charge *charges = gs_alloc((stacks.count + 1) * sizeof *charges);
    profile->failed |= !charges;
    for (size_t i = 0; charges && i < stacks.count; i++)
        if (stacks.row[i].value && stacks.row[i].depth && !is_unattributed(profile, &stacks.row[i]))
            charges[count++] = charge_of(profile, &stacks.row[i], i, sample_type);
    bool found = count && choose(profile, &stacks, charges, count, out);
    gs_free(charges);
    gs_profile_stacks_fini(&stacks);
    return found;
}

/* ---- other culprits ------------------------------------------------------------------------------------------------- */

void gs_incident_culprit_of_deadlock(struct gs_profile *threads, const struct gs_deadlock *deadlock,
                                     struct gs_culprit *out)
{
    const struct gs_deadlocked *first = &deadlock->thread[0];
    const struct gs_sample *sample = &threads->sample[first->sample];
    *out = (struct gs_culprit){.kind = "deadlock",
                               .value = (int64_t)deadlock->count,
                               .share = (double)deadlock->count / (double)threads->sample_count};
    describe(threads, sample->location, sample->depth,
             gs_profile_own_frame(threads, sample->location, sample->depth), out);
}

bool gs_incident_culprit_of_holder(struct gs_profile *threads, const struct gs_waits *waits,
                                   struct gs_culprit *out)
{
    const struct gs_waited *lock = gs_incident_largest_lock(waits);
    if (!lock || lock->held != GS_HOLDER_THREAD || lock->holder_sample == SIZE_MAX ||
        2 * lock->threads < threads->sample_count)
        return false;
    const struct gs_sample *sample = &threads->sample[lock->holder_sample];
    uint32_t frame = gs_profile_own_frame(threads, sample->location, sample->depth);
    *out = (struct gs_culprit){.kind = "lock",
                               .function = name_of(threads, sample->location[frame]),
                               .value = (int64_t)lock->threads,
                               .share = (double)lock->threads / (double)threads->sample_count,
                               .lock = lock};
    describe(threads, sample->location, sample->depth, frame, out);
    return true;
}

void gs_incident_culprit_at(struct gs_profile *profile, const struct gs_sample *sample, uint32_t frame,
                            const char *kind, struct gs_culprit *out)
{
    *out = (struct gs_culprit){.kind = kind};
    describe(profile, sample->location, sample->depth, frame, out);
}
