/* inside.h - what the files of metrics/ share.
 *
 *   gs_metric_set ──▶ slot[]    name, metric ──▶ reader ──▶ its functions; why it has no value; its rate so far
 *       └───────────▶ sources   statm and stat (parsed once a tick), fd/, memory.pressure, the groups' CPU quotas: each an
 *                               open file of the watcher's own table of descriptors, opened once */
#pragma once
#include "sys/owned_fd.h"
#include "metrics/metrics.h"
#include <sys/stat.h>
#include <sys/types.h>

/* ---- source files (source_file.c) ------------------------------------------------------------------ */

/* A file of /proc or /sys that stays open. All zero: not in use. */
struct gs_source_file {
    char *path;       // NULL: no metric needs it
    struct gs_owned_fd owned;
    int error;        // why it could not be opened, negative errno; 0: it was opened
    int64_t retry_ns; // do not try to open it again before this time
};
/* Set FILE up for PATH (taken: gs_metrics_source_fini frees it). The file is opened at its first use. */
void gs_metrics_source_init(struct gs_source_file *file, char *path);
void gs_metrics_source_fini(struct gs_source_file *file);
/* The descriptor, opened again if necessary, and its STATUS, which may be NULL; or -errno. Borrowed until the next call. */
int gs_metrics_source_fd(struct gs_source_file *file, int64_t now_ns, struct stat *status);
/* Read FILE from its start into OUT, NUL-terminated, at most SIZE - 1 bytes. The length or -errno. */
ssize_t gs_metrics_source_read(struct gs_source_file *file, int64_t now_ns, char *out, size_t size);

/* ---- numbers as the kernel writes them (scan.c) -------------------------------------------------------- */

/* Read a number at *AT and move *AT after it; false (*AT is unchanged): no number, or too large.
 * strtod(3) would follow the host's locale, and strtoull(3) takes "-5" for a large number. */
bool gs_metrics_scan_u64(const char **at, uint64_t *value);
bool gs_metrics_scan_decimal(const char **at, double *value); // 12.34
bool gs_metrics_scan_end(const char *at);                     // nothing but a newline follows
/* The number in the line "KEY NUMBER" or "KEY: NUMBER" of TEXT; false: there is no such line. */
bool gs_metrics_scan_line(const char *text, const char *key, uint64_t *value);

/* ---- control groups (group.c) -------------------------------------------------------------------------- */

/* The directory of this process's group in one hierarchy; gs_metrics_group_up walks towards the root. */
struct gs_control_group {
    char *dir;  // without the root prefix: "/sys/fs/cgroup/memory/a/b"
    size_t top; // length of the mount point in it: "/sys/fs/cgroup/memory"
};
/* Find the group under CONTROLLER ("memory", "cpu": version 1) or in the unified hierarchy (NULL: version 2).
 * When the group's own path is not visible (in a container), the mount point is used.
 * 0; -ENOENT: no such hierarchy; or another -errno. */
int gs_metrics_group_find(const char *root, const char *controller, struct gs_control_group *out) GS_CHECK_RESULT;
void gs_metrics_group_fini(struct gs_control_group *group);
bool gs_metrics_group_up(struct gs_control_group *group); // false at the mount point
/* ROOT, the group's directory and FILE as one path, freed with gs_free by the caller; NULL: out of memory. */
char *gs_metrics_group_path(const struct gs_control_group *group, const char *root, const char *file) GS_CHECK_RESULT;
/* The number in file PATH; 0: the file is missing, or contains "max" or anything else (limit.c). */
uint64_t gs_metrics_read_limit(const char *path);
char *gs_metrics_join_path(const char *root, const char *path) GS_CHECK_RESULT; // ROOT and PATH; freed likewise

/* ---- the set (set.c) ----------------------------------------------------------------------------------- */

enum { GS_QUOTA_LEVELS = 16, GS_GAUGE_PREFIX = sizeof "gauge:" - 1 };

struct gs_metrics_rate { // turns a growing counter into a rate
    bool known;
    int64_t time_ns;
    uint64_t total;
    double per_second; // between the last two readings; NAN: fewer than two so far
};

struct gs_metric_slot { // one metric of the set; what each tick needs comes first, to be in few cache lines
    const struct gs_metric *metric; // NULL: unknown name (the caller's mistake); never read
    int64_t refresh_ns, due_ns;     // between two readings; of the next reading
    double last;                    // value of the last reading
    struct gs_metrics_rate rate;
    char why[160];                  // why there is no value; "": there is one, or will be soon
    char name[GS_METRIC_NAME];
};

struct gs_memory_pages { // /proc/self/statm; all 0: the main thread has ended
    uint64_t resident, shared, own; // own: private and writable
};

struct gs_process { // /proc/self/stat
    uint64_t major_faults, cpu_ticks;
};

struct gs_usage { // of all threads, also of those that have ended
    uint64_t switches, major_faults;
};

struct gs_cpu_quota { // the CPU quota of one group; version 2 has both figures in one file
    struct gs_source_file limit, period;
    bool unified;
    double cpus; // as last read; infinite: no quota
};

enum { GS_DELAYED_THREADS = 256 };
struct gs_thread_times { // so far
    uint64_t ran_ns, waited_ns;
};

struct gs_delayed_thread {
    pid_t tid;
    struct gs_thread_times so_far;
};

struct gs_thread_delays { // of the last reading, in the order of /proc/self/task: the oldest thread first
    bool known;           // there was a reading
    size_t count;
    struct gs_delayed_thread thread[GS_DELAYED_THREADS];
};

struct gs_metric_set {
    char *root;
    int64_t now_ns; // time of the current tick
    struct gs_source_file statm, stat, status, tasks, descriptors, pressure, io_pressure, group_used, group_stat;
    bool statm_read, statm_valid, stat_read, stat_valid, usage_read, usage_valid; // in this tick: read, and parsed
    ssize_t statm_error;         // why it could not be read: negative errno
    struct gs_memory_pages pages;
    bool threads_counted;        // in this tick
    long threads;                // their number, or -errno, in this tick
    ssize_t stat_error;          // why it could not be read: negative errno
    struct gs_process process;
    struct gs_usage usage;
    double descriptors_counted;
    bool procfs_known;
    dev_t procfs; // device number of procfs
    int64_t descriptors_due_ns;
    struct gs_cpu_quota quota[GS_QUOTA_LEVELS];
    size_t quota_count;
    bool quotas_added;
    int affinity_cpus; // as last read, together with the quotas
    int64_t quota_due_ns;
    bool group_unified;       // the files of group_memory are of version 2
    uint64_t group_use;       // of the group, as last read, with all file cache; UINT64_MAX: not known
    int64_t group_use_ns;     // the tick or look at which it was read
    uint64_t group_cache;     // inactive file cache of the group, as last read
    uint64_t group_cache_use; // of the group, when its cache was read
    int64_t group_cache_due_ns;
    double line;              // in gs_metrics_set_look: a value above it is read with care; NAN: at a tick
    struct gs_thread_delays *delays; // NULL: run_delay is not read
    size_t count;
    struct gs_metric_slot slot[];
};

/* How a metric is read. */
struct gs_metric_reader {
    /* Register the files that will be read; called once, may allocate. 0 or -ENOMEM. A missing file is no
     * error here; READ reports it. NULL: no files. */
    int (*open)(struct gs_metric_set *set);
    /* The value now. NAN: none, with a reason in slot->why (empty before the call) unless it only needs more ticks. */
    double (*read)(struct gs_metric_set *set, struct gs_metric_slot *slot);
    int64_t refresh_ns; // read so often at most; in between, the last value stands. 0: at every tick
    int64_t rest_ns;    // the same where no rule names the metric; 0: as refresh_ns
};
extern const struct gs_metric_reader gs_metric_reader_rss, gs_metric_reader_threads, gs_metric_reader_major_faults, gs_metric_reader_descriptors,
    gs_metric_reader_cpu, gs_metric_reader_pressure, gs_metric_reader_io_wait, gs_metric_reader_heap_in_use, gs_metric_reader_heap_alloc_rate,
    gs_metric_reader_swap, gs_metric_reader_group_memory, gs_metric_reader_context_switches, gs_metric_reader_run_delay,
    gs_metric_reader_largest_alloc, gs_metric_reader_alloc_failures, gs_metric_reader_gauge;

/* ---- what readers share (reading.c, process.c) ---------------------------------------------------------- */

/* Set *FILE up for PATH below the set's root, unless it is set up already. 0 or -ENOMEM. */
int gs_metrics_set_open_file(struct gs_metric_set *set, struct gs_source_file *file, const char *path) GS_CHECK_RESULT;
/* Returns NAN and stores the reason in SLOT. */
double gs_metrics_no_value(struct gs_metric_slot *slot, const char *format, ...) GS_PRINTF(2, 3);
/* Returns NAN and stores "cannot read PATH: …" for ERROR, a negative errno. */
double gs_metrics_unreadable(struct gs_metric_slot *slot, const struct gs_source_file *file, ssize_t error);
/* The rate per second of TOTAL, a growing counter, since the last tick; NAN at the first call. */
double gs_metrics_rate(struct gs_metrics_rate *rate, int64_t now_ns, uint64_t total);

/* /proc/self/statm, read at most once a tick for all readers; NULL: it cannot be read, or is not as expected (process.c). */
int gs_metrics_process_open_memory(struct gs_metric_set *set) GS_CHECK_RESULT;
const struct gs_memory_pages *gs_metrics_process_memory(struct gs_metric_set *set);

/* /proc/self/stat, read at most once a tick for all readers; NULL: the reason is in SLOT (process.c). */
int gs_metrics_process_open(struct gs_metric_set *set);
const struct gs_process *gs_metrics_process_now(struct gs_metric_set *set, struct gs_metric_slot *slot);

/* getrusage, at most once a tick; NULL: the kernel does not count (process.c). */
const struct gs_usage *gs_metrics_process_usage(struct gs_metric_set *set);

/* Are there more than GS_CROWD threads? Figures that the kernel sums over all threads are then slow (process.c). */
enum { GS_CROWD = 200 };
int gs_metrics_process_open_threads(struct gs_metric_set *set) GS_CHECK_RESULT;
bool gs_metrics_process_is_crowded(struct gs_metric_set *set);
