/* limit.c - how much memory this process may have: the lowest of all limits.
 *
 *   cgroup v2   memory.max             of the group and its visible parents     "max": no limit
 *   cgroup v1   memory.limit_in_bytes  likewise                                 2^63 less a page: no limit
 *   machine     MemTotal
 *
 * Who: the watcher at start, the command. */
#include "base/hash.h"
#include "base/memory.h"
#include "metrics/inside.h"
#include "sys/file.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { SMALL_FILE_MAX = 64 << 10 };
#define NO_LIMIT ((uint64_t)1 << 60) // 1 EiB: no machine has that much, so such a figure means "unlimited"

struct lowest_limit {
    uint64_t bytes; // 0: none yet
    char *from;
    size_t size;
};

static void consider(struct lowest_limit *lowest, uint64_t bytes, const char *kind, const char *where)
{
    if (bytes == 0 || bytes >= NO_LIMIT || (lowest->bytes && bytes >= lowest->bytes))
        return;
    lowest->bytes = bytes;
    snprintf(lowest->from, lowest->size, "%s%s", kind, where);
}

uint64_t gs_metrics_read_limit(const char *path)
{
    char *text;
    size_t length;
    if (gs_file_read(AT_FDCWD, path, SMALL_FILE_MAX, &text, &length))
        return 0;
    const char *at = text;
    uint64_t bytes = 0;
    if (!gs_metrics_scan_u64(&at, &bytes) || !gs_metrics_scan_end(at))
        bytes = 0;
    gs_free(text);
    return bytes;
}

static void consider_groups(struct lowest_limit *lowest, const char *root, const char *controller,
                            const char *file)
{
    struct gs_control_group group;
    if (gs_metrics_group_find(root, controller, &group))
        return;
    do {
        char *path = gs_metrics_group_path(&group, root, file);
        if (path)
            consider(lowest, gs_metrics_read_limit(path), "cgroup ", path + strlen(root));
        gs_free(path);
    } while (gs_metrics_group_up(&group));
    gs_metrics_group_fini(&group);
}

/* "MemTotal:       24684084 kB", the first line of meminfo. */
static uint64_t read_mem_total(const char *meminfo)
{
    const char *at = strstr(meminfo, "MemTotal:");
    uint64_t kib, bytes;
    if (!at || (at != meminfo && at[-1] != '\n'))
        return 0;
    for (at += strlen("MemTotal:"); *at == ' ';)
        at++;
    if (!gs_metrics_scan_u64(&at, &kib) || strncmp(at, " kB\n", 4) != 0 ||
        __builtin_mul_overflow(kib, 1024u, &bytes))
        return 0;
    return bytes;
}

static void consider_machine(struct lowest_limit *lowest, const char *root)
{
    char *path = gs_metrics_join_path(root, "/proc/meminfo"), *text;
    size_t length;
    if (path && gs_file_read(AT_FDCWD, path, SMALL_FILE_MAX, &text, &length) == 0) {
        consider(lowest, read_mem_total(text), "machine memory", "");
        gs_free(text);
    }
    gs_free(path);
}

uint64_t gs_metrics_memory_limit(const char *root, char *from, size_t size)
{
    struct lowest_limit lowest = {.from = from, .size = size};
    if (size)
        from[0] = 0;
    consider_groups(&lowest, root, NULL, "memory.max");
    consider_groups(&lowest, root, "memory", "memory.limit_in_bytes");
    consider_machine(&lowest, root);
    return lowest.bytes;
}

/* ---- changes ---------------------------------------------------------------------------------------------------------- */

enum { LEVELS_MAX = 32 };

struct gs_limit_files {
    uint64_t groups; // hash of /proc/self/cgroup, when the others were found
    size_t count;
    char *path[LEVELS_MAX];
};

void gs_metrics_limit_files_free(struct gs_limit_files *files)
{
    for (size_t i = 0; files && i < files->count; i++)
        gs_free(files->path[i]);
    gs_free(files);
}

static void list_levels(struct gs_limit_files *files, const char *root, const char *controller,
                        const char *name)
{
    struct gs_control_group group;
    if (gs_metrics_group_find(root, controller, &group))
        return;
    do {
        char *path = files->count < LEVELS_MAX ? gs_metrics_group_path(&group, root, name) : NULL;
        if (path)
            files->path[files->count++] = path;
    } while (gs_metrics_group_up(&group));
    gs_metrics_group_fini(&group);
}

/* Hash of /proc/self/cgroup: which groups the process is in; 0: it cannot be read. */
static uint64_t hash_groups(const char *root)
{
    char *path = gs_metrics_join_path(root, "/proc/self/cgroup"), *text;
    size_t length;
    uint64_t hash = 0;
    if (path && gs_file_read(AT_FDCWD, path, SMALL_FILE_MAX, &text, &length) == 0) {
        hash = gs_hash_bytes(text, length);
        gs_free(text);
    }
    gs_free(path);
    return hash;
}

uint64_t gs_metrics_limit_fingerprint(struct gs_limit_files **files, const char *root)
{
    uint64_t groups = hash_groups(root), sum = groups;
    if (*files && (*files)->groups != groups) {
        gs_metrics_limit_files_free(*files);
        *files = NULL;
    }
    if (!*files) {
        *files = gs_alloc(sizeof **files);
        if (!*files)
            return 0;
        (*files)->groups = groups;
        list_levels(*files, root, NULL, "memory.max");
        list_levels(*files, root, "memory", "memory.limit_in_bytes");
    }
    for (size_t i = 0; i < (*files)->count; i++)
        sum = gs_hash_mix(sum ^ gs_metrics_read_limit((*files)->path[i])) + i;
    return sum;
}
