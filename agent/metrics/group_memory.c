/* group_memory.c - the memory that the process's control group uses, without the file cache that the kernel takes back first.
 *
 *   cgroup v2   memory.current           - inactive_file of memory.stat
 *   cgroup v1   memory.usage_in_bytes    - total_inactive_file of memory.stat
 *
 * The same figure as docker's and kubelet's "working set". The group is the one whose limit is the lowest, from the process's
 * own group up to the root; its own group, if there is no limit.
 * Who: the watcher; every REST_NS if no rule names the metric. Bounds: the kernel sums memory.stat over all CPUs, so it is read every CACHE_REFRESH_NS; earlier, if the
 * use has grown by a sixteenth since, or if at a look between two ticks (set.c) the use is above the line. */
#include "base/clock.h"
#include "base/memory.h"
#include "metrics/inside.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CACHE_REFRESH_NS (5 * GS_NS_PER_S)
#define REST_NS          (2 * GS_NS_PER_S)

static const struct group_files {
    const char *controller, *limit, *used, *cache; // cache: a line of memory.stat
} files[] = {
    {NULL, "memory.max", "memory.current", "inactive_file"},
    {"memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
};

/* The limit of GROUP; UINT64_MAX: none. */
static uint64_t limit_of(const struct gs_control_group *group, const char *root,
                         const struct group_files *names)
{
    char *path = gs_metrics_group_path(group, root, names->limit);
    uint64_t limit = path ? gs_metrics_read_limit(path) : 0;
    gs_free(path);
    return limit ? limit : UINT64_MAX;
}

/* Use the file that says what GROUP uses, if it has one: the root of version 2 has none. 0 or -ENOMEM. */
static int use_group(struct gs_metric_set *set, const struct gs_control_group *group,
                     const struct group_files *names)
{
    char *used = gs_metrics_group_path(group, set->root, names->used),
         *stat = gs_metrics_group_path(group, set->root, "memory.stat");
    if (used && stat && access(used, R_OK) == 0) {
        gs_metrics_source_fini(&set->group_used);
        gs_metrics_source_fini(&set->group_stat);
        gs_metrics_source_init(&set->group_used, used);
        gs_metrics_source_init(&set->group_stat, stat);
        set->group_unified = names->controller == NULL;
        return 0;
    }
    int error = used && stat ? 0 : -ENOMEM;
    gs_free(used);
    gs_free(stat);
    return error;
}

/* Use the group with the lowest limit, in the hierarchy of NAMES. */
static int find_group(struct gs_metric_set *set, const struct group_files *names)
{
    struct gs_control_group group;
    uint64_t lowest = UINT64_MAX;
    int error = gs_metrics_group_find(set->root, names->controller, &group);
    if (error)
        return error == -ENOENT ? 0 : error;
    do {
        uint64_t limit = limit_of(&group, set->root, names);
        if (limit < lowest || !set->group_used.path)
            error = use_group(set, &group, names);
        if (limit < lowest)
            lowest = limit;
    } while (!error && gs_metrics_group_up(&group));
    gs_metrics_group_fini(&group);
    return error;
}

static int group_memory_open(struct gs_metric_set *set)
{
    int error = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files && !error && !set->group_used.path; i++)
        error = find_group(set, &files[i]);
    return error;
}

/* Is the cache as last read too old to be taken off USED? The use may have grown by cache alone. Or, at the limit, cache
 * makes room for other memory, and the use stays the same. */
static bool is_cache_old(const struct gs_metric_set *set, uint64_t used)
{
    return set->now_ns >= set->group_cache_due_ns ||
           used > set->group_cache_use + set->group_cache_use / 16 ||
           (double)used > set->line; // false at a tick
}

static void read_cache(struct gs_metric_set *set, uint64_t used)
{
    char text[8192]; // the lines that count are in the first 4 KiB
    if (!is_cache_old(set, used))
        return;
    set->group_cache_due_ns = set->now_ns + CACHE_REFRESH_NS;
    set->group_cache_use = used;
    if (gs_metrics_source_read(&set->group_stat, set->now_ns, text, sizeof text) < 0 ||
        !gs_metrics_scan_line(text, files[set->group_unified ? 0 : 1].cache, &set->group_cache))
        set->group_cache = 0;
}

/* Read set->group_use. 0; -EINVAL: the file is not as expected; or -errno. */
static ssize_t read_use(struct gs_metric_set *set)
{
    char text[64];
    const char *at = text;
    uint64_t used;
    ssize_t length = gs_metrics_source_read(&set->group_used, set->now_ns, text, sizeof text);
    if (length < 0)
        return length;
    if (!gs_metrics_scan_u64(&at, &used) || !gs_metrics_scan_end(at))
        return -EINVAL;
    set->group_use = used;
    set->group_use_ns = set->now_ns;
    return 0;
}

static double group_memory_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    if (!set->group_used.path)
        return gs_metrics_no_value(slot, "the process is in no control group that counts memory");
    ssize_t error = read_use(set);
    if (error == -EINVAL)
        return gs_metrics_no_value(slot, "%s is not as expected", set->group_used.path);
    if (error)
        return gs_metrics_unreadable(slot, &set->group_used, error);
    read_cache(set, set->group_use);
    return set->group_use > set->group_cache ? (double)(set->group_use - set->group_cache) : 0;
}

uint64_t gs_metrics_set_group_used(struct gs_metric_set *set)
{
    if (set->group_used.path && set->group_use_ns != set->now_ns)
        (void)read_use(set); // else: as last read
    return set->group_use;
}

const struct gs_metric_reader gs_metric_reader_group_memory = {group_memory_open, group_memory_read, 0,
                                                               REST_NS};
