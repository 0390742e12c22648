/* set.c - the metrics that someone asked for, read once a tick.
 *
 *   gs_watch_new   names ──▶ slots; each reader names its files; a first reading, for the reasons
 *   gs_watch_read  each slot's reader in turn, over shared sources                       (no allocation)
 *
 * A reason is the present one: an unavailable metric is asked again at every tick (a file that will not open,
 * once in ten seconds), for the first malloc may come late and a file may return.
 * Who: the watcher alone. The child of a fork makes a watch of its own: these descriptors show the parent. */
#include "base/memory.h"
#include "metrics/inside.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *root_of(const char *root)
{
    return root ? root : "";
}

static struct gs_watch *new_watch(size_t count, const char *root)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, sizeof(struct gs_slot), &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct gs_watch), &bytes))
        return NULL;
    struct gs_watch *watch = gs_alloc(bytes);
    if (!watch)
        return NULL;
    watch->root = gs_strdup(root_of(root));
    watch->count = count;
    watch->now_ns = watch->quota_due_ns = watch->descriptors_due_ns = INT64_MIN; // before any tick
    if (watch->root)
        return watch;
    gs_free(watch);
    return NULL;
}

static int init_slot(struct gs_watch *watch, struct gs_slot *slot, const char *name)
{
    snprintf(slot->name, sizeof slot->name, "%s", name);
    slot->metric = gs_metric_find(name);
    if (!slot->metric) {
        snprintf(slot->why, sizeof slot->why, "there is no such metric");
        return 0;
    }
    const struct gs_reader *reader = slot->metric->reader;
    return reader->open ? reader->open(watch) : 0;
}

static void read_all(struct gs_watch *watch, int64_t now_ns, double *values)
{
    watch->now_ns = now_ns;
    watch->stat_taken = watch->threads_taken = false;
    for (size_t i = 0; i < watch->count; i++) {
        struct gs_slot *slot = &watch->slot[i];
        double value = NAN;
        if (slot->metric) {
            slot->why[0] = 0;
            value = slot->metric->reader->read(watch, slot);
        }
        if (values)
            values[i] = value;
    }
}

struct gs_watch *gs_watch_new(const char *const *names, size_t count, const char *root)
{
    struct gs_watch *watch = new_watch(count, root);
    for (size_t i = 0; watch && i < count; i++)
        if (init_slot(watch, &watch->slot[i], names[i])) {
            gs_watch_free(watch);
            watch = NULL;
        }
    if (!watch)
        return NULL;
    read_all(watch, INT64_MIN, NULL); // for the reasons alone
    for (size_t i = 0; i < count; i++)
        watch->slot[i].rate = (struct gs_rate){0};
    return watch;
}

void gs_watch_free(struct gs_watch *watch)
{
    if (!watch)
        return;
    gs_kept_fini(&watch->statm);
    gs_kept_fini(&watch->stat);
    gs_kept_fini(&watch->tasks);
    gs_kept_fini(&watch->descriptors);
    gs_kept_fini(&watch->pressure);
    for (size_t i = 0; i < watch->quota_count; i++) {
        gs_kept_fini(&watch->quota[i].limit);
        gs_kept_fini(&watch->quota[i].period);
    }
    gs_free(watch->root);
    gs_free(watch);
}

size_t gs_watch_count(const struct gs_watch *watch)
{
    return watch->count;
}

const char *gs_watch_name(const struct gs_watch *watch, size_t index)
{
    return watch->slot[index].name;
}

void gs_watch_read(struct gs_watch *watch, int64_t now_ns, double *values)
{
    read_all(watch, now_ns, values);
}

const char *gs_watch_unavailable(const struct gs_watch *watch, size_t index)
{
    const char *why = watch->slot[index].why;
    return why[0] ? why : NULL;
}
