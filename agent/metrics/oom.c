/* oom.c - the number of OOM kills in this process's group, or on this machine.
 *
 *   cgroup v2   memory.events         "oom_kill N", of the group and what is below it
 *   cgroup v1   memory.oom_control    "oom_kill N", of the group
 *   machine     /proc/vmstat          "oom_kill N"
 *
 * A number that has grown since before a process died shows that the OOM killer killed it. The groups' figures count every
 * kind of OOM kill. Who: the black box, and the readers of a box after a death. */
#include "base/memory.h"
#include "metrics/inside.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 16 << 10 }; // vmstat is the longest

int64_t gs_metrics_oom_kills(const char *path)
{
    char text[FILE_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (length < 0)
        return -1;
    text[length] = 0;
    uint64_t kills;
    return gs_metrics_scan_line(text, "oom_kill", &kills) && kills <= INT64_MAX ? (int64_t)kills : -1;
}

static bool find_in_group(const char *root, const char *controller, const char *file, char *path, size_t size)
{
    struct gs_control_group group;
    if (gs_metrics_group_find(root, controller, &group))
        return false;
    char *found = gs_metrics_group_path(&group, root, file);
    bool fits = found && snprintf(path, size, "%s", found) < (int)size;
    gs_free(found);
    gs_metrics_group_fini(&group);
    return fits && gs_metrics_oom_kills(path) >= 0;
}

bool gs_metrics_oom_file(const char *root, char *path, size_t size)
{
    return find_in_group(root, NULL, "memory.events", path, size) ||
           find_in_group(root, "memory", "memory.oom_control", path, size) ||
           (snprintf(path, size, "%s/proc/vmstat", root) < (int)size && gs_metrics_oom_kills(path) >= 0);
}
