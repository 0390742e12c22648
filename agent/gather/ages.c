/* ages.c - how old the live blocks of each stack are, from the table of live samples.
 *
 *   live sample { stack, born, objects, bytes } ──▶ stack: class[8] { objects, bytes }, bytes older than the baseline
 *   a stack's counters                          ──▶ the classes add up to what they have in use
 *
 * The table and the counters are read one after the other while the program runs on. What the table lacks counts as the youngest
 * class; what it has too much of is taken off the youngest.
 * Who: the watcher; a thread of gumshoe_write_profile. Bounds: 136 bytes for each stack, during a capture. */
#include "base/clock.h"
#include "base/memory.h"
#include "gather/inside.h"

#define MINUTE_NS (60 * GS_NS_PER_S)
#define HOUR_NS   (60 * MINUTE_NS)
#define DAY_NS    (24 * HOUR_NS)

int64_t gs_gather_age_from_ns(unsigned class)
{
    static const int64_t from_ns[GS_AGE_CLASSES] = {
        0, 10 * GS_NS_PER_S, MINUTE_NS, 10 * MINUTE_NS, HOUR_NS, 6 * HOUR_NS, DAY_NS, 7 * DAY_NS,
    };
    return from_ns[class];
}

static unsigned class_of(int64_t age_ns)
{
    unsigned class = 0;
    while (class + 1 < GS_AGE_CLASSES && age_ns >= gs_gather_age_from_ns(class + 1))
        class ++;
    return class;
}

bool gs_gather_ages_take(struct gs_ages *out, int64_t now_ns, int64_t baseline_ns)
{
    struct gs_live_sample sample;
    uint32_t count = gs_probe_stack_count();
    *out = (struct gs_ages){.count = count, .of = gs_alloc(count * sizeof *out->of)};
    if (!out->of)
        return false;
    for (size_t at = 0; gs_probe_live_next(&at, &sample);) {
        if (sample.stack >= count)
            continue;
        struct gs_stack_ages *ages = &out->of[sample.stack];
        struct gs_age_counts *counts = &ages->class[class_of(now_ns - sample.born_ns)];
        counts->objects += sample.objects;
        counts->bytes += sample.bytes;
        ages->old_bytes += sample.born_ns <= baseline_ns ? sample.bytes : 0;
    }
    return true;
}

void gs_gather_ages_fini(struct gs_ages *ages)
{
    gs_free(ages->of);
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
    return value < most ? value : most;
}

struct gs_stack_ages gs_gather_ages_of(const struct gs_ages *ages, uint32_t stack,
                                       const struct gs_heap_counts *counts)
{
    const struct gs_stack_ages none = {0};
    struct gs_stack_ages of = stack < ages->count ? ages->of[stack] : none;
    uint64_t objects = counts->inuse_objects, bytes = counts->inuse_space;
    for (unsigned class = GS_AGE_CLASSES; class -- > 0;) {
        struct gs_age_counts *part = &of.class[class];
        part->objects = class ? at_most(part->objects, objects) : objects;
        part->bytes = class ? at_most(part->bytes, bytes) : bytes;
        objects -= part->objects;
        bytes -= part->bytes;
    }
    of.old_bytes = at_most(of.old_bytes, counts->inuse_space);
    return of;
}

void gs_gather_ages_add(const struct gs_stack_ages *ages, struct gs_heap_ages *out)
{
    uint64_t bytes = 0;
    for (unsigned class = GS_AGE_CLASSES; class -- > 0;) {
        bytes += ages->class[class].bytes;
        out->older[class] += bytes;
    }
    out->older_than_baseline += ages->old_bytes;
}
