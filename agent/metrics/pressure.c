/* pressure.c - the share of the last ten seconds in which some task was stalled for lack of memory (PSI).
 *
 *   some avg10=1.53 avg60=0.87 avg300=0.21 total=1234567
 *
 * It reads the group's own file if there is one, else the machine's. In a kernel with PSI built in but switched
 * off, the files are missing or cannot be read.
 * Who: the watcher, each tick. */
#include "base/memory.h"
#include "metrics/inside.h"
#include <errno.h>
#include <string.h>

static const char machine_file[] = "/proc/pressure/memory";

/* Store the path of the group's memory.pressure in *PATH; NULL: it has none. 0 or -errno. */
static int find_group_file(const struct gs_metric_set *set, char **path)
{
    struct gs_control_group group;
    *path = NULL;
    int error = gs_metrics_group_find(set->root, NULL, &group);
    if (error)
        return error == -ENOENT ? 0 : error;
    *path = gs_metrics_group_path(&group, set->root, "memory.pressure");
    gs_metrics_group_fini(&group);
    return *path ? 0 : -ENOMEM;
}

static bool is_readable(struct gs_source_file *file)
{
    char text[256];
    return gs_metrics_source_read(file, INT64_MIN, text, sizeof text) > 0;
}

static int pressure_open(struct gs_metric_set *set)
{
    char *path;
    if (set->pressure.path)
        return 0;
    int error = find_group_file(set, &path);
    if (error)
        return error;
    if (path) {
        gs_metrics_source_init(&set->pressure, path);
        if (is_readable(&set->pressure))
            return 0;
        gs_metrics_source_fini(&set->pressure);
    }
    return gs_metrics_set_open_file(set, &set->pressure, machine_file);
}

static double pressure_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    static const char start[] = "some avg10=";
    char text[256];
    ssize_t length = gs_metrics_source_read(&set->pressure, set->now_ns, text, sizeof text);
    if (length == -ENOENT || length == -EOPNOTSUPP)
        return gs_metrics_no_value(
            slot,
            "no pressure figures (PSI) in this kernel: no memory.pressure in the process's "
            "cgroup, no %s",
            machine_file);
    if (length < 0)
        return gs_metrics_unreadable(slot, &set->pressure, length);
    const char *at = text + sizeof start - 1;
    double percent;
    if (strncmp(text, start, sizeof start - 1) != 0 || !gs_metrics_scan_decimal(&at, &percent) ||
        *at != ' ' || percent > 100)
        return gs_metrics_no_value(slot, "%s is not as expected", set->pressure.path);
    return percent;
}

const struct gs_metric_reader gs_metric_reader_pressure = {pressure_open, pressure_read};
