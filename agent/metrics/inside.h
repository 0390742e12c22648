/* inside.h - what the files of metrics/ share.
 *
 *   gs_watch ──▶ slot[]    name, metric ──▶ reader ──▶ its functions; why it has no value; its rate so far
 *       └──────▶ sources   statm, stat (parsed once a tick), fd/, memory.pressure, the groups' CPU quotas:
 *                          each a kept descriptor, opened once and proven to be ours before each use */
#pragma once
#include "sys/owned_fd.h"
#include "metrics/metrics.h"
#include <sys/stat.h>
#include <sys/types.h>

/* ---- kept descriptors (source_file.c) ------------------------------------------------------------------ */

/* A file of /proc or /sys that stays open. A host may close every descriptor it did not open (daemons do) and
 * be given the same number for a file of its own: device and inode tell. All zero: nothing kept. */
struct gs_source_file {
    char *path;       // NULL: nobody asked for it
    struct gs_owned_fd held;
    int error;        // why it could not be opened, negative errno; 0 when it could
    int64_t again_ns; // not tried before
};
/* Keep the file PATH (taken: freed with gs_free in gs_metrics_source_fini); opened at its first use. */
void gs_metrics_source_init(struct gs_source_file *kept, char *path);
void gs_metrics_source_fini(struct gs_source_file *kept);
/* The descriptor, still or again open, and its STATUS; or -errno. Borrowed until the next call. */
int gs_metrics_source_fd(struct gs_source_file *kept, int64_t now_ns, struct stat *status);
/* The file from its start into OUT, NUL-terminated, cut after SIZE - 1 bytes. Its length or -errno. */
ssize_t gs_metrics_source_read(struct gs_source_file *kept, int64_t now_ns, char *out, size_t size);

/* ---- numbers as the kernel writes them (scan.c) -------------------------------------------------------- */

/* Read a number at *AT and step over it; false (and *AT stays) when none stands there or it is too large.
 * strtod(3) would follow the host's locale, and strtoull(3) takes "-5" for a large number. */
bool gs_metrics_scan_u64(const char **at, uint64_t *value);
bool gs_metrics_scan_decimal(const char **at, double *value); // 12.34
bool gs_metrics_scan_end(const char *at);                     // nothing but a newline follows

/* ---- control groups (group.c) -------------------------------------------------------------------------- */

/* The directory of this process's group in one hierarchy; gs_metrics_group_up walks towards the root. */
struct gs_control_group {
    char *dir;  // below the root prefix: "/sys/fs/cgroup/memory/a/b"
    size_t top; // length of the mount point in it: "/sys/fs/cgroup/memory"
};
/* Find the group under CONTROLLER ("memory", "cpu": version 1) or in the unified hierarchy (NULL: version 2).
 * Where the group's own path is not visible from here (a container), the mount point stands for it.
 * 0, -ENOENT when there is no such hierarchy, or another -errno. */
int gs_metrics_group_find(const char *root, const char *controller, struct gs_control_group *out) GS_CHECK_RESULT;
void gs_metrics_group_fini(struct gs_control_group *group);
bool gs_metrics_group_up(struct gs_control_group *group); // false at the mount point
/* ROOT, the group's directory and FILE as one path, freed with gs_free by the caller; NULL without memory. */
char *gs_metrics_group_path(const struct gs_control_group *group, const char *root, const char *file) GS_CHECK_RESULT;
char *gs_metrics_join_path(const char *root, const char *path) GS_CHECK_RESULT; // ROOT and PATH; likewise

/* ---- the watch (set.c) --------------------------------------------------------------------------------- */

enum { GS_QUOTA_LEVELS = 16, GS_GAUGE_PREFIX = sizeof "gauge:" - 1 };

struct gs_metrics_rate { // what a growing counter needs to become a rate
    bool known;
    int64_t time_ns;
    uint64_t total;
    double per_second; // over the last span; NAN before there was one
};

struct gs_metric_slot { // one metric that someone asked for
    char name[GS_METRIC_NAME];
    const struct gs_metric *metric; // NULL: the caller's mistake; never read
    char why[160];                  // why there is no value; "" when there is, or soon will be
    struct gs_metrics_rate rate;
};

struct gs_process { // /proc/self/stat
    uint64_t major_faults, cpu_ticks;
};

struct gs_cpu_quota { // the CPU time of one group: version 2 has both figures in one file
    struct gs_source_file limit, period;
    bool unified;
    double cpus; // as last read; infinite without a quota
};

struct gs_metric_set {
    char *root;
    int64_t now_ns; // of the present tick
    struct gs_source_file statm, stat, tasks, descriptors, pressure;
    bool stat_taken, stat_known; // in this tick: tried, and found good
    bool threads_taken;
    long threads; // of this tick; count_threads
    ssize_t stat_error;          // or why it could not be read
    struct gs_process process;
    double descriptors_counted;
    bool procfs_known;
    dev_t procfs; // the device that procfs is
    int64_t descriptors_due_ns;
    struct gs_cpu_quota quota[GS_QUOTA_LEVELS];
    size_t quota_count;
    bool quota_found;
    int affinity_cpus; // as last looked up, with the quotas
    int64_t quota_due_ns;
    size_t count;
    struct gs_metric_slot slot[];
};

/* How a metric is read. */
struct gs_metric_reader {
    /* Name the files that will be read; once, may allocate. 0 or -ENOMEM: a file that is not there is no
     * error, reading says so. NULL: no files. */
    int (*open)(struct gs_metric_set *set);
    /* The value now; or NAN, with a reason in slot->why (empty before the call) unless it is only early. */
    double (*read)(struct gs_metric_set *set, struct gs_metric_slot *slot);
};
extern const struct gs_metric_reader gs_metric_reader_rss, gs_metric_reader_threads, gs_metric_reader_major_faults, gs_metric_reader_descriptors,
    gs_metric_reader_cpu, gs_metric_reader_pressure, gs_metric_reader_heap_in_use, gs_metric_reader_heap_alloc_rate, gs_metric_reader_gauge;

/* ---- what readers share (reading.c, process.c) ---------------------------------------------------------- */

/* Keep ROOT's file PATH in *KEPT unless it is kept already. 0 or -ENOMEM. */
int gs_metrics_set_open_file(struct gs_metric_set *set, struct gs_source_file *kept, const char *path) GS_CHECK_RESULT;
/* NAN, and the reason in SLOT. */
double gs_metrics_no_value(struct gs_metric_slot *slot, const char *format, ...) GS_PRINTF(2, 3);
/* NAN, and "cannot read PATH: …" for the negative errno ERROR. */
double gs_metrics_unreadable(struct gs_metric_slot *slot, const struct gs_source_file *kept, ssize_t error);
/* TOTAL, which only grows, as a rate per second since the tick before; NAN at first. */
double gs_metrics_rate(struct gs_metrics_rate *rate, int64_t now_ns, uint64_t total);

/* /proc/self/stat, read at most once a tick for all who want it; NULL with the reason in SLOT (process.c). */
int gs_metrics_process_open(struct gs_metric_set *set);
const struct gs_process *gs_metrics_process_now(struct gs_metric_set *set, struct gs_metric_slot *slot);

/* Are there more than GS_CROWD threads? What the kernel sums over all of them then takes its time (process.c). */
enum { GS_CROWD = 200 };
int gs_metrics_process_open_threads(struct gs_metric_set *set) GS_CHECK_RESULT;
bool gs_metrics_process_is_crowded(struct gs_metric_set *set);
