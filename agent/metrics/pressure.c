/* pressure.c - memory_pressure and io_wait: the share of the last ten seconds in which some task was stalled for lack of
 * memory, or waited for a disk (PSI).
 *
 *   some avg10=1.53 avg60=0.87 avg300=0.21 total=1234567
 *
 * It reads the group's own file if there is one, else the machine's. In a kernel with PSI built in but switched
 * off, the files are missing or cannot be read.
 * Who: the watcher. Bounds: the kernel computes the shares anew every two seconds, and to read them costs it more than the other
 * files do, so they are read every REFRESH_NS. */
#include "base/clock.h"
#include "base/memory.h"
#include "metrics/inside.h"
#include <errno.h>
#include <string.h>

#define REFRESH_NS (2 * GS_NS_PER_S)

static const struct resource {
    const char *group_file, *machine_file;
} memory = {"memory.pressure", "/proc/pressure/memory"}, io = {"io.pressure", "/proc/pressure/io"};

/* Store the path of the group's file in *PATH; NULL: it has none. 0 or -errno. */
static int find_group_file(const struct gs_metric_set *set, const char *name, char **path)
{
    struct gs_control_group group;
    *path = NULL;
    int error = gs_metrics_group_find(set->root, NULL, &group);
    if (error)
        return error == -ENOENT ? 0 : error;
    *path = gs_metrics_group_path(&group, set->root, name);
    gs_metrics_group_fini(&group);
    return *path ? 0 : -ENOMEM;
}

static bool is_readable(struct gs_source_file *file)
{
    char text[256];
    return gs_metrics_source_read(file, INT64_MIN, text, sizeof text) > 0;
}

static int open_resource(struct gs_metric_set *set, struct gs_source_file *file,
                         const struct resource *resource)
{
    char *path;
    if (file->path)
        return 0;
    int error = find_group_file(set, resource->group_file, &path);
    if (error)
        return error;
    if (path) {
        gs_metrics_source_init(file, path);
        if (is_readable(file))
            return 0;
        gs_metrics_source_fini(file);
    }
    return gs_metrics_set_open_file(set, file, resource->machine_file);
}

static double read_resource(struct gs_metric_set *set, struct gs_metric_slot *slot,
                            struct gs_source_file *file, const struct resource *resource)
{
    static const char start[] = "some avg10=";
    char text[256];
    ssize_t length = gs_metrics_source_read(file, set->now_ns, text, sizeof text);
    if (length == -ENOENT || length == -EOPNOTSUPP)
        return gs_metrics_no_value(
            slot, "no pressure figures (PSI) in this kernel: no %s in the process's cgroup, no %s",
            resource->group_file, resource->machine_file);
    if (length < 0)
        return gs_metrics_unreadable(slot, file, length);
    const char *at = text + sizeof start - 1;
    double percent;
    if (strncmp(text, start, sizeof start - 1) != 0 || !gs_metrics_scan_decimal(&at, &percent) ||
        *at != ' ' || percent > 100)
        return gs_metrics_no_value(slot, "%s is not as expected", file->path);
    return percent;
}

static int memory_pressure_open(struct gs_metric_set *set)
{
    return open_resource(set, &set->pressure, &memory);
}

static double memory_pressure_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    return read_resource(set, slot, &set->pressure, &memory);
}

static int io_wait_open(struct gs_metric_set *set)
{
    return open_resource(set, &set->io_pressure, &io);
}

static double io_wait_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    return read_resource(set, slot, &set->io_pressure, &io);
}

const struct gs_metric_reader gs_metric_reader_pressure = {memory_pressure_open, memory_pressure_read,
                                                           REFRESH_NS, 0};
const struct gs_metric_reader gs_metric_reader_io_wait = {io_wait_open, io_wait_read, REFRESH_NS, 0};
