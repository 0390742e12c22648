/* metrics/metrics.h - the door of metrics/: where each number comes from, read once a tick.
 * Opened by: rules (names and units only), incident, the watcher, cli, tests.  Opens: base, probe. */
#pragma once
#include "base/attributes.h"
#include "base/errors.h"
#include "base/units.h"
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the metrics (a table: metrics/table.c) ---------------------------------------------------------- */

enum gs_share { GS_OF_NOTHING, GS_OF_MEMORY_LIMIT, GS_OF_FILE_LIMIT, GS_SHARES }; // what a threshold of "80%" refers to
enum { GS_METRIC_NAME = 48 }; // bytes of a name, with its NUL; "gauge:NAME" is the longest
struct gs_metric_reader; // how a metric is read; metrics/inside.h

struct gs_metric {
    const char *name;
    enum gs_unit unit;
    enum gs_share share;
    const struct gs_metric_reader *reader;
    double least, most;         // bounds of its values (a memory limit may be lower)
    bool of_program;            // counted inside the program: not available from outside
    const char *help;           // "resident memory"
};
extern const struct gs_metric gs_metrics[]; // ends with a NULL name; "gauge:NAME" is not in it
size_t gs_metrics_count(void);
/* The metric called NAME; for any well-formed "gauge:NAME" the common row of gauges (GS_COUNT, GS_OF_NOTHING);
 * NULL: no such metric. Context: any (pure). */
const struct gs_metric *gs_metrics_find(const char *name);

/* ---- the memory limit --------------------------------------------------------------------------------- */

/* The smallest of the cgroup limits (v1 and v2, from the process's group up to the root) and the machine's
 * memory, in bytes. ROOT is the prefix of /proc and /sys ("": live; in tests, a directory of fixtures).
 * FROM gets the source of the limit, for messages ("cgroup /sys/fs/cgroup/…/memory.max", "machine memory").
 * Returns 0 when nothing can be read. Context: watcher, CLI. */
uint64_t gs_metrics_memory_limit(const char *root, char *from, size_t size);

/* How many more bytes the process's groups and the machine have free for it now, file cache that the kernel takes back
 * included; and how many more tasks its groups allow. UINT64_MAX: no limit is known. Context: watcher. */
uint64_t gs_metrics_memory_room(const char *root);
uint64_t gs_metrics_task_room(const char *root);
/* Is more than a quarter of the tasks in use that one of its groups allows (pids.max)? Threads count as tasks. Context: watcher. */
bool gs_metrics_tasks_are_scarce(const char *root);

/* Store in PATH the file that counts OOM kills (a line "oom_kill N") in this process's group or, if the group has
 * none, on this machine. False: there is no such file. ROOT as above. */
bool gs_metrics_oom_file(const char *root, char *path, size_t size);
/* N of that file; -1: it cannot be read. No allocation. Context: watcher, CLI. */
int64_t gs_metrics_oom_kills(const char *path);

/* How many file descriptors this process may have open now (the soft RLIMIT_NOFILE, which many servers raise at their
 * start); 0: no limit. Context: watcher. */
uint64_t gs_metrics_file_limit(void);
/* Open /proc/…/fd of a host thread: of the main thread or, if it has ended, of another one. (The agent's threads
 * have their own descriptor table.) The descriptor or -errno. Context: watcher. */
int gs_metrics_open_descriptors(void) GS_CHECK_RESULT;

/* ---- reading ------------------------------------------------------------------------------------------- */

struct gs_metric_set; // the requested metrics, with their files kept open

/* Open the readers of NAMES (COUNT metric names, each known to gs_metrics_find; copied). A metric that this
 * machine or host does not have stays in the set, as unavailable. NULL: out of memory. */
struct gs_metric_set *gs_metrics_set_new(const char *const *names, size_t count, const char *root) GS_CHECK_RESULT;
void gs_metrics_set_free(struct gs_metric_set *set);
size_t gs_metrics_set_count(const struct gs_metric_set *set);
const char *gs_metrics_set_name(const struct gs_metric_set *set, size_t index);
/* No rule names the metrics from index FROM on: some of them may be read less often. */
void gs_metrics_set_rest(struct gs_metric_set *set, size_t from);
/* One tick: read every metric into VALUES (count of them); NAN: missing now. NOW_NS is CLOCK_MONOTONIC, for the
 * metrics that are rates. No allocation. */
void gs_metrics_set_read(struct gs_metric_set *set, int64_t now_ns, double *values);
/* Go on where OLD is, which is freed afterwards: rates need no second reading, and what is dear is not read again at once. */
void gs_metrics_set_adopt(struct gs_metric_set *set, struct gs_metric_set *old);
/* Why metric INDEX is not available ("no memory.pressure in this kernel"); NULL: it is. As of the last reading
 * (gs_metrics_set_new makes the first), because a metric may become available. Borrowed until the next reading. */
const char *gs_metrics_set_unavailable(const struct gs_metric_set *set, size_t index);
/* Did the last reading, which included rss, find that the main thread has ended? Other threads may run. */
bool gs_metrics_set_main_has_ended(const struct gs_metric_set *set);
/* The value of metric INDEX now, between two ticks; NAN: none. LINE: a value above it is read with care, at more cost. For
 * metrics that are no rates. No allocation. */
double gs_metrics_set_look(struct gs_metric_set *set, size_t index, double line, int64_t now_ns);
/* What the group of group_memory used at the last tick or look, with all file cache, in bytes; UINT64_MAX: not known. Reads it if that
 * tick did not. */
uint64_t gs_metrics_set_group_used(struct gs_metric_set *set);

/* ---- notices of the kernel (notices.c) ------------------------------------------------------------------ */

/* Where the kernel says that memory becomes scarce. */
enum gs_notice {
    GS_NOTICE_THRESHOLDS, // cgroup v1: the group's use has crossed a sixteenth of its limit, up or down
    GS_NOTICE_EVENTS,     // cgroup v2: the group was at its "high" or its "max"
    GS_NOTICE_PRESSURE,   // PSI: tasks were stalled for a share of the time
    GS_NOTICES
};
enum { GS_NOTICE_STEPS = 16 };
struct gs_notice_source {
    int fd;                   // -1: none
    char *path;               // the file that it is about; NULL: none was found
    _Atomic(const char *) why; // why there are no notices, never freed; NULL: there are. Any thread may read it
};
struct gs_notices {           // used by one thread, except WHY, and PATH while it is open
    struct gs_notice_source source[GS_NOTICES];
    uint64_t limit_bytes;     // of the group with thresholds; UINT64_MAX: none
    unsigned steps;           // thresholds registered so far, of GS_NOTICE_STEPS - 1
    int usage, control;       // while they are being registered; -1: none
    uint64_t events;          // the counters of memory.events as last read, added up
};
/* Open what this kernel, this group and the thread's privileges allow. ROOT as above. STALLED_SHARE: of a window, for the
 * notice of pressure. Context: an agent thread that may block for some 10 ms, like _register and _close. */
void gs_metrics_notices_open(struct gs_notices *notices, const char *root, double stalled_share);
/* Register the next threshold. False: there is no more to register. */
bool gs_metrics_notices_register(struct gs_notices *notices);
void gs_metrics_notices_close(struct gs_notices *notices);
/* What to poll(2) for WHICH; its descriptor is -1 where there is none. */
struct pollfd gs_metrics_notices_poll(const struct gs_notices *notices, enum gs_notice which);
/* poll(2) returned REVENTS for WHICH. True: it is a notice. A source that has ended is closed, with its reason. */
bool gs_metrics_notices_take(struct gs_notices *notices, enum gs_notice which, short revents);

/* ---- changes of the limit (limit.c) --------------------------------------------------------------------- */

/* A figure that differs after the process was moved to another group, or a limit on the way up to the root has changed.
 * Cheap after the first call: *FILES remembers which files to read. Context: watcher. */
struct gs_limit_files;
uint64_t gs_metrics_limit_fingerprint(struct gs_limit_files **files, const char *root);
void gs_metrics_limit_files_free(struct gs_limit_files *files);
