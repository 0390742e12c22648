/* pressure.c - how much of the last ten seconds some task stood still because memory was short (PSI).
 *
 *   some avg10=1.53 avg60=0.87 avg300=0.21 total=1234567
 *
 * The group's own file if there is one, else the whole machine's. A kernel may have PSI built in but switched
 * off: then the files are missing, or refuse to be read.
 * Who: the watcher, each tick. */
#include "base/memory.h"
#include "metrics/inside.h"
#include <errno.h>
#include <string.h>

static const char machine_file[] = "/proc/pressure/memory";

/* The path of the group's memory.pressure, or NULL; -ENOMEM only when memory is out. */
static int find_group_file(const struct gs_watch *watch, char **path)
{
    struct gs_group group;
    *path = NULL;
    int error = gs_group_find(watch->root, NULL, &group);
    if (error)
        return error == -ENOENT ? 0 : error;
    *path = gs_group_path(&group, watch->root, "memory.pressure");
    gs_group_fini(&group);
    return *path ? 0 : -ENOMEM;
}

static bool answers(struct gs_kept *kept)
{
    char text[256];
    return gs_kept_read(kept, INT64_MIN, text, sizeof text) > 0;
}

static int pressure_open(struct gs_watch *watch)
{
    char *path;
    if (watch->pressure.path)
        return 0;
    int error = find_group_file(watch, &path);
    if (error)
        return error;
    if (path) {
        gs_kept_init(&watch->pressure, path);
        if (answers(&watch->pressure))
            return 0;
        gs_kept_fini(&watch->pressure);
    }
    return gs_watch_keep(watch, &watch->pressure, machine_file);
}

static double pressure_read(struct gs_watch *watch, struct gs_slot *slot)
{
    static const char start[] = "some avg10=";
    char text[256];
    ssize_t length = gs_kept_read(&watch->pressure, watch->now_ns, text, sizeof text);
    if (length == -ENOENT || length == -EOPNOTSUPP)
        return gs_no_value(slot,
                           "no pressure figures (PSI) in this kernel: no memory.pressure in the process's "
                           "cgroup, no %s",
                           machine_file);
    if (length < 0)
        return gs_unreadable(slot, &watch->pressure, length);
    const char *at = text + sizeof start - 1;
    double percent;
    if (strncmp(text, start, sizeof start - 1) != 0 || !gs_scan_decimal(&at, &percent) || *at != ' ' ||
        percent > 100)
        return gs_no_value(slot, "%s is not as expected", watch->pressure.path);
    return percent;
}

const struct gs_reader gs_reader_pressure = {pressure_open, pressure_read};
