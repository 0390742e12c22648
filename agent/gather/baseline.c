/* baseline.c - what every stack held at several past moments, so that an incident can say what grew.
 *
 *   one taken every FIRST_AGE; kept at doubling ages:   now │ 10m │ 20m │ 40m │ 80m … oldest
 *
 * A baseline is dropped when its older neighbour is at most twice as old as its younger neighbour. So for every age there
 * is a baseline that is at least that old and not much more than twice as old.
 * Who:    the watcher, once a tick; the heap's gatherer reads.
 * Bounds: BASELINES of them, each 32 bytes for each stack known then, plus its attachment (the memory account). */
#include "base/memory.h"
#include "gather/inside.h"
#include <string.h>

enum { BASELINES = 16 };

struct gs_baselines {
    struct gs_baseline list[BASELINES]; // youngest first
    unsigned count;
    int64_t first_age_ns;
    const struct gs_attachment *attachment; // NULL: nothing is attached
};

struct gs_baselines *gs_gather_baselines_new(const struct gs_attachment *attachment)
{
    struct gs_baselines *baselines = gs_alloc(sizeof *baselines);
    if (baselines)
        baselines->attachment = attachment;
    return baselines;
}

static void baseline_fini(const struct gs_baselines *baselines, struct gs_baseline *baseline)
{
    gs_free(baseline->counts);
    if (baseline->attached)
        baselines->attachment->free(baseline->attached);
}

void gs_gather_baselines_free(struct gs_baselines *baselines)
{
    if (!baselines)
        return;
    for (unsigned i = 0; i < baselines->count; i++)
        baseline_fini(baselines, &baselines->list[i]);
    gs_free(baselines);
}

bool gs_gather_baseline_copy(struct gs_baseline *out, int64_t now_ns)
{
    uint32_t count = gs_probe_stack_count();
    struct gs_heap_counts *counts = gs_alloc(count * sizeof *counts);
    if (!counts)
        return false;
    for (uint32_t stack = 0; stack < count; stack++)
        counts[stack] = gs_probe_stack_counts(stack);
    *out = (struct gs_baseline){.time_ns = now_ns, .count = count, .counts = counts};
    return true;
}

static bool take(const struct gs_baselines *baselines, struct gs_baseline *out, int64_t now_ns)
{
    if (!gs_gather_baseline_copy(out, now_ns))
        return false;
    if (baselines->attachment)
        out->attached = baselines->attachment->take(baselines->count ? baselines->list[0].attached : NULL);
    return true;
}

static void drop(struct gs_baselines *baselines, unsigned at)
{
    baseline_fini(baselines, &baselines->list[at]);
    baselines->count--;
    memmove(&baselines->list[at], &baselines->list[at + 1],
            (baselines->count - at) * sizeof baselines->list[0]);
}

/* Drop baselines whose two neighbours' ages differ by at most a factor of 2; the youngest and the oldest stay. */
static void drop_surplus(struct gs_baselines *baselines, int64_t now_ns)
{
    for (unsigned at = 1; at + 1 < baselines->count;) {
        int64_t younger = now_ns - baselines->list[at - 1].time_ns,
                older = now_ns - baselines->list[at + 1].time_ns;
        if (at > 1 && older <= 2 * younger)
            drop(baselines, at);
        else
            at++;
    }
    if (baselines->count == BASELINES) // after 2^13 times the first age: drop the second oldest
        drop(baselines, BASELINES - 2);
}

bool gs_gather_baselines_due(const struct gs_baselines *baselines, int64_t start_ns, int64_t first_age_ns,
                             int64_t now_ns)
{
    int64_t last_ns = baselines->count ? baselines->list[0].time_ns : start_ns;
    return first_age_ns > 0 && now_ns - last_ns >= first_age_ns;
}

void gs_gather_baselines_tick(struct gs_baselines *baselines, int64_t start_ns, int64_t first_age_ns,
                              int64_t now_ns)
{
    baselines->first_age_ns = first_age_ns;
    if (!gs_gather_baselines_due(baselines, start_ns, first_age_ns, now_ns))
        return;
    drop_surplus(baselines, now_ns);
    struct gs_baseline fresh;
    if (!take(baselines, &fresh, now_ns))
        return;
    memmove(&baselines->list[1], &baselines->list[0], baselines->count * sizeof baselines->list[0]);
    baselines->list[0] = fresh;
    baselines->count++;
}

const struct gs_baseline *gs_gather_baselines_find(const struct gs_baselines *baselines, int64_t now_ns,
                                                   int64_t window_ns)
{
    if (!baselines || baselines->count == 0)
        return NULL;
    int64_t age_ns = window_ns > baselines->first_age_ns ? window_ns : baselines->first_age_ns;
    for (unsigned i = 0; i < baselines->count; i++)
        if (now_ns - baselines->list[i].time_ns >= age_ns)
            return &baselines->list[i];
    return &baselines->list[baselines->count - 1];
}

const void *gs_gather_baselines_attached(const struct gs_baselines *baselines, int64_t now_ns,
                                         int64_t window_ns, int64_t *time_ns)
{
    const struct gs_baseline *found = gs_gather_baselines_find(baselines, now_ns, window_ns);
    if (!found)
        return NULL;
    *time_ns = found->time_ns;
    return found->attached;
}

bool gs_gather_baseline_read(const struct gs_memory *memory, const struct gs_baseline *there,
                             struct gs_baseline *out)
{
    if (there->count > GS_STACKS_MAX)
        return false;
    struct gs_heap_counts *counts = gs_alloc((there->count + 1) * sizeof *counts);
    if (!counts ||
        !memory->read(memory, (uint64_t)(uintptr_t)there->counts, counts, there->count * sizeof *counts)) {
        gs_free(counts);
        return false;
    }
    *out = (struct gs_baseline){.time_ns = there->time_ns, .count = there->count, .counts = counts};
    return true;
}

bool gs_gather_baselines_read(const struct gs_memory *memory, uint64_t at, int64_t now_ns,
                              struct gs_baseline *out)
{
    struct gs_baselines there;
    const struct gs_baseline *found =
        memory->read(memory, at, &there, sizeof there) && there.count <= BASELINES
            ? gs_gather_baselines_find(&there, now_ns, 0)
            : NULL;
    return found && gs_gather_baseline_read(memory, found, out);
}

const struct gs_baseline *gs_gather_baselines_at(const struct gs_baselines *baselines, unsigned at)
{
    return baselines && at < baselines->count ? &baselines->list[at] : NULL;
}
