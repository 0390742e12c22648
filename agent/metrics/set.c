/* set.c - the requested metrics, read once a tick.
 *
 *   gs_metrics_set_new   names ──▶ slots; each reader registers its files; a first reading, to get the reasons
 *   gs_metrics_set_read  calls each slot's reader; readers share the source files              (no allocation)
 *
 * The reason is that of the last tick: an unavailable metric is tried again at every tick (a file that cannot be opened,
 * every ten seconds), because the first malloc may come late and a file may appear.
 * Who: the watcher only. A forked child makes its own set, because these descriptors show the parent. */
#include "base/memory.h"
#include "metrics/inside.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *root_of(const char *root)
{
    return root ? root : "";
}

static struct gs_metric_set *new_set(size_t count, const char *root)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, sizeof(struct gs_metric_slot), &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct gs_metric_set), &bytes))
        return NULL;
    struct gs_metric_set *set = gs_alloc(bytes);
    if (!set)
        return NULL;
    set->root = gs_strdup(root_of(root));
    set->count = count;
    set->line = NAN;
    set->group_use = UINT64_MAX;
    set->now_ns = set->quota_due_ns = set->descriptors_due_ns = set->group_cache_due_ns =
        INT64_MIN; // before any tick
    if (set->root)
        return set;
    gs_free(set);
    return NULL;
}

static int init_slot(struct gs_metric_set *set, struct gs_metric_slot *slot, const char *name)
{
    snprintf(slot->name, sizeof slot->name, "%s", name);
    slot->due_ns = INT64_MIN;
    slot->last = NAN;
    slot->metric = gs_metrics_find(name);
    if (!slot->metric) {
        snprintf(slot->why, sizeof slot->why, "there is no such metric");
        return 0;
    }
    const struct gs_metric_reader *reader = slot->metric->reader;
    slot->refresh_ns = reader->refresh_ns;
    return reader->open ? reader->open(set) : 0;
}

/* Must SLOT be read now? A tick comes a little before or after its time: 1/64 early is early enough. Clocks of a test, or
 * of a machine that slept, may go back. */
static bool is_due(const struct gs_metric_slot *slot, int64_t now_ns)
{
    return now_ns >= slot->due_ns || slot->due_ns - now_ns <= slot->refresh_ns / 64 ||
           slot->due_ns - now_ns > slot->refresh_ns;
}

static void read_all(struct gs_metric_set *set, int64_t now_ns, double *values)
{
    set->now_ns = now_ns;
    set->statm_read = set->stat_read = set->usage_read = set->threads_counted = false;
    for (size_t i = 0; i < set->count; i++) {
        struct gs_metric_slot *slot = &set->slot[i];
        if (slot->metric && is_due(slot, now_ns)) {
            slot->why[0] = 0;
            slot->due_ns = now_ns + slot->refresh_ns;
            slot->last = slot->metric->reader->read(set, slot);
        }
        if (values)
            values[i] = slot->last;
    }
}

struct gs_metric_set *gs_metrics_set_new(const char *const *names, size_t count, const char *root)
{
    struct gs_metric_set *set = new_set(count, root);
    for (size_t i = 0; set && i < count; i++)
        if (init_slot(set, &set->slot[i], names[i])) {
            gs_metrics_set_free(set);
            set = NULL;
        }
    if (!set)
        return NULL;
    read_all(set, INT64_MIN, NULL); // only to get the reasons
    for (size_t i = 0; i < count; i++)
        set->slot[i].rate = (struct gs_metrics_rate){0};
    return set;
}

void gs_metrics_set_free(struct gs_metric_set *set)
{
    if (!set)
        return;
    struct gs_source_file *const file[] = {&set->statm,       &set->stat,        &set->status,
                                           &set->tasks,       &set->descriptors, &set->pressure,
                                           &set->io_pressure, &set->group_used,  &set->group_stat};
    for (size_t i = 0; i < sizeof file / sizeof *file; i++)
        gs_metrics_source_fini(file[i]);
    for (size_t i = 0; i < set->quota_count; i++) {
        gs_metrics_source_fini(&set->quota[i].limit);
        gs_metrics_source_fini(&set->quota[i].period);
    }
    gs_free(set->delays);
    gs_free(set->root);
    gs_free(set);
}

void gs_metrics_set_rest(struct gs_metric_set *set, size_t from)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct gs_metric_reader *reader = set->slot[i].metric ? set->slot[i].metric->reader : NULL;
        if (reader)
            set->slot[i].refresh_ns = i >= from && reader->rest_ns ? reader->rest_ns : reader->refresh_ns;
    }
}

size_t gs_metrics_set_count(const struct gs_metric_set *set)
{
    return set->count;
}

const char *gs_metrics_set_name(const struct gs_metric_set *set, size_t index)
{
    return set->slot[index].name;
}

void gs_metrics_set_read(struct gs_metric_set *set, int64_t now_ns, double *values)
{
    read_all(set, now_ns, values);
}

double gs_metrics_set_look(struct gs_metric_set *set, size_t index, double line, int64_t now_ns)
{
    struct gs_metric_slot *slot = &set->slot[index];
    if (!slot->metric)
        return NAN;
    set->now_ns = now_ns;
    set->statm_read = false;
    set->line = line;
    slot->why[0] = 0;
    slot->last = slot->metric->reader->read(set, slot); // for a tick before the next reading is due
    set->line = NAN;
    return slot->last;
}

static const struct gs_metric_slot *find_slot(const struct gs_metric_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->slot[i].name, name) == 0)
            return &set->slot[i];
    return NULL;
}

void gs_metrics_set_adopt(struct gs_metric_set *set, struct gs_metric_set *old)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct gs_metric_slot *slot = find_slot(old, set->slot[i].name);
        int64_t refresh_ns = set->slot[i].refresh_ns;
        if (slot)
            set->slot[i] = *slot;
        set->slot[i].refresh_ns = refresh_ns; // rules may name it now
    }
    if (set->delays && old->delays)
        *set->delays = *old->delays;
}

bool gs_metrics_set_main_has_ended(const struct gs_metric_set *set)
{
    return set->statm_valid && set->pages.resident == 0;
}

const char *gs_metrics_set_unavailable(const struct gs_metric_set *set, size_t index)
{
    const char *why = set->slot[index].why;
    return why[0] ? why : NULL;
}
