/* limit.c - how much memory this process may have: the lowest of all limits.
 *
 *   cgroup v2   memory.max             of the group and its visible parents     "max": no limit
 *   cgroup v1   memory.limit_in_bytes  likewise                                 2^63 less a page: no limit
 *   machine     MemTotal
 *
 * Who: the watcher at start, and every few seconds whether anything has changed, through descriptors kept open; the command. */
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
    struct gs_source_file groups; // /proc/self/cgroup
    uint64_t hash;                // of it, when the others were found
    bool found;
    size_t count;
    struct gs_source_file limit[LEVELS_MAX];
};

static void forget_levels(struct gs_limit_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        gs_metrics_source_fini(&files->limit[i]);
    files->count = 0;
}

void gs_metrics_limit_files_free(struct gs_limit_files *files)
{
    if (!files)
        return;
    forget_levels(files);
    gs_metrics_source_fini(&files->groups);
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
            gs_metrics_source_init(&files->limit[files->count++], path);
    } while (gs_metrics_group_up(&group));
    gs_metrics_group_fini(&group);
}

static struct gs_limit_files *new_files(const char *root)
{
    struct gs_limit_files *files = gs_alloc(sizeof *files);
    char *path = files ? gs_metrics_join_path(root, "/proc/self/cgroup") : NULL;
    if (path)
        gs_metrics_source_init(&files->groups, path);
    else
        gs_free(files);
    return path ? files : NULL;
}

/* Hash of what FILE says, which is read from its start; 0: it cannot be read. */
static uint64_t hash_of(struct gs_source_file *file)
{
    char text[8192];
    file->retry_ns = INT64_MIN; // whoever calls comes seldom
    ssize_t length = gs_metrics_source_read(file, 0, text, sizeof text);
    return length > 0 ? gs_hash_bytes(text, (size_t)length) : 0;
}

uint64_t gs_metrics_limit_fingerprint(struct gs_limit_files **files, const char *root)
{
    if (!*files)
        *files = new_files(root);
    if (!*files)
        return 0;
    uint64_t hash = hash_of(&(*files)->groups), sum = hash;
    if (!(*files)->found || hash != (*files)->hash) {
        forget_levels(*files);
        (*files)->hash = hash;
        (*files)->found = true;
        list_levels(*files, root, NULL, "memory.max");
        list_levels(*files, root, "memory", "memory.limit_in_bytes");
    }
    for (size_t i = 0; i < (*files)->count; i++)
        sum = gs_hash_mix(sum ^ hash_of(&(*files)->limit[i])) + i;
    return sum;
}
