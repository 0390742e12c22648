/* culprit.c - finds the culprit: the function of the program with the largest part of a profile.
 *
 *   every stack ──▶ its first frame in the program's own code ──▶ the function with the largest sum ──▶ its heaviest stack
 *
 * Stacks are first added up by function, then the heaviest function is chosen: so a cache that is filled through twenty call
 * paths is found. Context: watcher. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/sort.h"
#include "gather/gather.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include <stdio.h>
#include <string.h>

struct charge {
    const char *function;
    int64_t value;
    size_t row;
    uint32_t frame;
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
    return gs_profile_string(profile, gs_profile_frame_name(profile, location, room, sizeof room));
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

static int by_function(const void *a, const void *b)
{
    const struct charge *x = a, *y = b;
    if (x->function != y->function)
        return x->function < y->function ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row); // rows are heaviest first
}

static void describe(struct gs_profile *profile, const uint32_t *stack, uint32_t depth, uint32_t frame,
                     struct gs_culprit *out)
{
    const struct gs_location *location = &profile->location[stack[frame]];
    const char *path = path_of(profile, stack[frame]), *slash = strrchr(path, '/');
    uint64_t hash = 0;
    out->module = slash ? slash + 1 : path;
    out->file = "";
    if (location->line_count) {
        out->file = profile->function[location->line[0].function].file;
        out->line = location->line[0].line;
    }
    out->depth = depth < GS_CULPRIT_STACK_MAX ? depth : GS_CULPRIT_STACK_MAX;
    for (uint32_t i = 0; i < out->depth; i++) {
        out->stack[i] = name_of(profile, stack[i]);
        hash = gs_hash_mix(hash ^ hash_of_frame(profile, stack[i], out->stack[i]));
    }
    snprintf(out->fingerprint, sizeof out->fingerprint, "%016llx", (unsigned long long)hash);
}

/* Add up CHARGES (sorted by function) for each function; the heaviest function goes to OUT. Returns the index of the charge
 * of that function's heaviest stack. */
static size_t heaviest(const struct charge *charges, size_t count, struct gs_culprit *out)
{
    size_t best = 0;
    for (size_t i = 0; i < count;) {
        size_t first = i;
        int64_t sum = 0;
        for (; i < count && charges[i].function == charges[first].function; i++)
            sum += charges[i].value;
        if (sum > out->value) {
            out->value = sum;
            out->function = charges[first].function;
            best = first;
        }
    }
    return best;
}

bool gs_incident_culprit_find(struct gs_profile *profile, int sample_type, const char *kind,
                              struct gs_culprit *out)
{
    struct gs_stacks stacks;
    int64_t total = 0;
    size_t count = 0;
    *out = (struct gs_culprit){.kind = kind};
    if (gs_profile_stacks(profile, sample_type, &stacks)) {
        profile->failed = true;
        return false;
    }
    struct charge *charges = gs_alloc((stacks.count + 1) * sizeof *charges);
    profile->failed |= !charges;
    for (size_t i = 0; charges && i < stacks.count; i++) {
        const struct gs_stack_row *row = &stacks.row[i];
        if (row->value <= 0 || row->depth == 0)
            continue;
        uint32_t frame = gs_profile_own_frame(profile, row->location, row->depth);
        total += row->value;
        charges[count++] = (struct charge){name_of(profile, row->location[frame]), row->value, i, frame};
    }
    if (count) {
        gs_sort(charges, count, sizeof *charges, by_function);
        const struct charge *chosen = &charges[heaviest(charges, count, out)];
        out->share = (double)out->value / (double)total;
        const struct gs_stack_row *row = &stacks.row[chosen->row];
        describe(profile, row->location, row->depth, chosen->frame, out);
    }
    gs_free(charges);
    gs_profile_stacks_fini(&stacks);
    return count > 0;
}

void gs_incident_culprit_of_deadlock(struct gs_profile *threads, const struct gs_deadlock *deadlock,
                                     struct gs_culprit *out)
{
    const struct gs_deadlocked *first = &deadlock->thread[0];
    const struct gs_sample *sample = &threads->sample[first->sample];
    *out = (struct gs_culprit){.kind = "deadlock",
                               .function = first->function,
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

static bool is_of_thread(const struct gs_sample *sample, int tid)
{
    for (uint32_t i = 0; i < sample->label_count; i++)
        if (strcmp(sample->label[i].key, "tid") == 0)
            return !sample->label[i].text && sample->label[i].number == tid;
    return false;
}

bool gs_incident_culprit_of_thread(struct gs_profile *threads, int tid, struct gs_culprit *out)
{
    for (size_t i = 0; i < threads->sample_count; i++) {
        const struct gs_sample *sample = &threads->sample[i];
        if (!is_of_thread(sample, tid) || sample->depth == 0)
            continue;
        uint32_t frame = gs_profile_own_frame(threads, sample->location, sample->depth);
        *out = (struct gs_culprit){.kind = "threads",
                                   .function = name_of(threads, sample->location[frame]),
                                   .value = 1,
                                   .share = 1 / (double)threads->sample_count};
        describe(threads, sample->location, sample->depth, frame, out);
        return true;
    }
    return false;
}
