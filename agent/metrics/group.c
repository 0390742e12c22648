/* group.c - finds the control groups (cgroups) of this process.
 *
 *   /proc/self/cgroup      4:memory:/docker/f00d/web              the group's path
 *   /proc/self/mountinfo   … /docker/f00d /sys/fs/cgroup/memory … which part of the tree is mounted, and where
 *                          ⇒ /sys/fs/cgroup/memory/web            and its parents up to /sys/fs/cgroup/memory
 *
 * In a container the group's path may be outside the mounted part. Then the mount point, which is the
 * container's own group, is used.
 * Who: gs_metrics_memory_limit, oom.c, and at start the readers of cpu and memory_pressure. Callers ignore files that
 * a group does not have. */
#include "base/memory.h"
#include "base/text.h"
#include "metrics/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { PROC_FILE_MAX = 16 << 20 }; // mountinfo of a machine with very many containers

static char *read_text(const char *root, const char *name)
{
    char *path = gs_metrics_join_path(root, name), *text = NULL;
    size_t length;
    if (path && gs_file_read(AT_FDCWD, path, PROC_FILE_MAX, &text, &length))
        text = NULL;
    gs_free(path);
    return text;
}

/* Is WORD one of the comma-separated words of LIST? */
static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == 0))
            return true;
    }
    return false;
}

/* The group's path from /proc/self/cgroup, whose lines are "NUMBER:CONTROLLERS:PATH"; version 2 has no
 * controllers. Points into TEXT, which is modified; NULL: there is no such hierarchy. */
static const char *path_in_hierarchy(char *text, const char *controller)
{
    for (char *line; (line = strsep(&text, "\n"));) {
        const char *number = strsep(&line, ":"), *controllers = strsep(&line, ":");
        if (!line || *line != '/')
            continue;
        if (controller ? has_word(controllers, controller) : strcmp(number, "0") == 0 && !*controllers)
            return line;
    }
    return NULL;
}

/* Decode mountinfo's octal escapes (\040 is a space), in place. */
static void unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in; out++) {
        bool octal = in[0] == '\\';
        for (int i = 1; i <= 3 && octal; i++)
            octal = in[i] >= '0' && in[i] <= '7';
        *out = *in;
        if (octal)
            *out = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
        in += octal ? 4 : 1;
    }
    *out = 0;
}

struct mount {
    char *root, *point, *type, *options;
};

/* "31 23 0:28 ROOT POINT rw,relatime shared:1 - TYPE SOURCE OPTIONS" */
static bool read_mount(char *line, struct mount *mount)
{
    for (int i = 0; i < 3; i++)
        strsep(&line, " ");
    mount->root = strsep(&line, " ");
    mount->point = strsep(&line, " ");
    for (const char *word = ""; word && strcmp(word, "-") != 0;)
        word = strsep(&line, " ");
    mount->type = strsep(&line, " ");
    strsep(&line, " ");
    mount->options = line;
    if (!mount->options)
        return false;
    unescape(mount->root);
    unescape(mount->point);
    return true;
}

static bool is_hierarchy(const struct mount *mount, const char *controller)
{
    if (!controller)
        return strcmp(mount->type, "cgroup2") == 0;
    return strcmp(mount->type, "cgroup") == 0 && has_word(mount->options, controller);
}

static bool has_parent_step(const char *path)
{
    for (const char *at = path; (at = strstr(at, "/..")); at += 3)
        if (at[3] == '/' || at[3] == 0)
            return true;
    return false;
}

/* The part of PATH below TOP: "" or "/…"; NULL: PATH is not below TOP. A group outside our namespace is
 * called "/../…", which is refused because it would lead out of the mount. */
static const char *path_below(const char *path, const char *top)
{
    size_t length = strcmp(top, "/") == 0 ? 0 : strlen(top);
    if (strncmp(path, top, length) != 0 || (path[length] && path[length] != '/') ||
        has_parent_step(path + length))
        return NULL;
    return strcmp(path + length, "/") == 0 ? "" : path + length;
}

static int set_dir(struct gs_control_group *group, const char *point, const char *below)
{
    struct gs_control_group found = {.dir = gs_metrics_join_path(point, below), .top = strlen(point)};
    if (!found.dir)
        return -ENOMEM;
    gs_metrics_group_fini(group);
    *group = found;
    return 0;
}

/* Find the mount that contains PATH in MOUNTINFO, which is modified. If there is none, use the first mount of
 * the hierarchy. */
static int find_mount(char *mountinfo, const char *controller, const char *path, struct gs_control_group *out)
{
    int error = -ENOENT;
    for (char *line; (line = strsep(&mountinfo, "\n"));) {
        struct mount mount;
        if (!read_mount(line, &mount) || !is_hierarchy(&mount, controller))
            continue;
        const char *below = path_below(path, mount.root);
        if (below)
            return set_dir(out, mount.point, below);
        if (error == -ENOENT)
            error = set_dir(out, mount.point, "");
    }
    return error;
}

int gs_metrics_group_find(const char *root, const char *controller, struct gs_control_group *out)
{
    *out = (struct gs_control_group){0};
    char *groups = read_text(root, "/proc/self/cgroup"), *mountinfo = read_text(root, "/proc/self/mountinfo");
    const char *path = groups ? path_in_hierarchy(groups, controller) : NULL;
    int error = path && mountinfo ? find_mount(mountinfo, controller, path, out) : -ENOENT;
    if (error)
        gs_metrics_group_fini(out);
    gs_free(groups);
    gs_free(mountinfo);
    return error;
}

void gs_metrics_group_fini(struct gs_control_group *group)
{
    gs_free(group->dir);
    *group = (struct gs_control_group){0};
}

bool gs_metrics_group_up(struct gs_control_group *group)
{
    char *slash = strrchr(group->dir, '/');
    if (!slash || slash < group->dir + group->top)
        return false;
    *slash = 0;
    return true;
}

char *gs_metrics_group_path(const struct gs_control_group *group, const char *root, const char *file)
{
    struct gs_text path = {0};
    gs_text_add(&path, "%s%s/%s", root, group->dir, file);
    if (!path.failed)
        return path.bytes;
    gs_text_fini(&path);
    return NULL;
}

char *gs_metrics_join_path(const char *root, const char *path)
{
    size_t front = strlen(root), back = strlen(path);
    char *joined = gs_alloc(front + back + 1);
    if (joined) {
        memcpy(joined, root, front);
        memcpy(joined + front, path, back);
    }
    return joined;
}
