/* room.c - how much more memory, and how many more tasks, this process's control groups and the machine allow now.
 *
 *   cgroup v2   memory.max - memory.current + inactive_file    pids.max - pids.current    the least of the group and its parents
 *   cgroup v1   likewise
 *   machine     MemAvailable
 *
 * Who: the watcher, before it starts a program that needs memory, or stays with a new child. */
#include "base/memory.h"
#include "metrics/inside.h"
#include "sys/file.h"
#include <fcntl.h>
#include <string.h>

enum { SMALL_FILE_MAX = 64 << 10 };

struct counted {            // the files of one resource in one hierarchy
    const char *controller; // version 1; NULL: version 2
    const char *limit, *used;
    const char
        *cached; // the line of memory.stat that counts file cache which the kernel takes back; NULL: none
};

static uint64_t number_in_file(const char *path, const char *key)
{
    char *text;
    size_t length;
    if (!path || gs_file_read(AT_FDCWD, path, SMALL_FILE_MAX, &text, &length))
        return 0;
    uint64_t number;
    if (!gs_metrics_scan_line(text, key, &number))
        number = 0;
    gs_free(text);
    return number;
}

static uint64_t number_in_group(const struct gs_control_group *group, const char *root, const char *file,
                                const char *key)
{
    char *path = gs_metrics_group_path(group, root, file);
    uint64_t number = key ? number_in_file(path, key) : path ? gs_metrics_read_limit(path) : 0;
    gs_free(path);
    return number;
}

/* The least that MEASURE gives for the limits of COUNTED's groups and what is used of each, and LEAST. */
static uint64_t least_in_groups(const char *root, const struct counted *counted,
                                uint64_t (*measure)(uint64_t limit, uint64_t used), uint64_t least)
{
    struct gs_control_group group;
    if (gs_metrics_group_find(root, counted->controller, &group))
        return least;
    do {
        uint64_t limit = number_in_group(&group, root, counted->limit, NULL),
                 used = number_in_group(&group, root, counted->used, NULL),
                 cached = counted->cached ? number_in_group(&group, root, "memory.stat", counted->cached) : 0;
        uint64_t here = limit ? measure(limit, used > cached ? used - cached : 0) : UINT64_MAX;
        if (here < least)
            least = here;
    } while (gs_metrics_group_up(&group));
    gs_metrics_group_fini(&group);
    return least;
}

static uint64_t left(uint64_t limit, uint64_t used)
{
    return limit > used ? limit - used : 0;
}

uint64_t gs_metrics_memory_room(const char *root)
{
    static const struct counted hierarchies[] = {
        {NULL, "memory.max", "memory.current", "inactive_file"},
        {"memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
    };
    char *path = gs_metrics_join_path(root, "/proc/meminfo");
    uint64_t kib = number_in_file(path, "MemAvailable"), room = kib ? kib << 10 : UINT64_MAX;
    gs_free(path);
    for (size_t i = 0; i < sizeof hierarchies / sizeof *hierarchies; i++)
        room = least_in_groups(root, &hierarchies[i], left, room);
    return room;
}

static const struct counted tasks[] = {{NULL, "pids.max", "pids.current", NULL},
                                       {"pids", "pids.max", "pids.current", NULL}};

static uint64_t least_of_tasks(const char *root, uint64_t (*measure)(uint64_t limit, uint64_t used))
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        least = least_in_groups(root, &tasks[i], measure, least);
    return least;
}

uint64_t gs_metrics_task_room(const char *root)
{
    return least_of_tasks(root, left);
}

/* Is no more than a quarter of LIMIT used? */
static uint64_t is_ample(uint64_t limit, uint64_t used)
{
    return used <= limit / 4;
}

bool gs_metrics_tasks_are_scarce(const char *root)
{
    return least_of_tasks(root, is_ample) == 0;
}
