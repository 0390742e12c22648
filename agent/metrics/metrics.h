/* metrics/metrics.h - the door of metrics/: where each number comes from, read once a tick.
 * Opened by: rules (names and units only), incident, the watcher, cli, tests.  Opens: base, probe. */
#pragma once
#include "base/attributes.h"
#include "base/errors.h"
#include "base/units.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- what there is (a table: metrics/table.c) --------------------------------------------------------- */

enum gs_share { GS_OF_NOTHING, GS_OF_MEMORY_LIMIT, GS_OF_FILE_LIMIT, GS_SHARES }; // what "80%" as a threshold is a share of
enum { GS_METRIC_NAME = 48 }; // a name's bytes, with the 0: "gauge:NAME" is the longest
struct gs_metric_reader; // how a metric is read; metrics/inside.h

struct gs_metric {
    const char *name;
    enum gs_unit unit;
    enum gs_share share;
    const struct gs_metric_reader *reader;
    double least, most;         // no value lies beyond (a memory limit aside)
    bool of_program;            // counted inside the program: nobody else can have it
    const char *help;           // "resident memory"
};
extern const struct gs_metric gs_metrics[]; // ends with a NULL name; "gauge:NAME" is not in it
size_t gs_metrics_count(void);
/* The metric called NAME, or for any well-formed "gauge:NAME" the row that stands for gauges
 * (GS_COUNT, GS_OF_NOTHING); NULL when there is none. Context: any (pure). */
const struct gs_metric *gs_metrics_find(const char *name);

/* ---- the memory limit --------------------------------------------------------------------------------- */

/* The smallest of the cgroup limits (v1 and v2, from the process's group up to the root) and the machine's
 * memory, in bytes. ROOT stands before /proc and /sys ("" live, a directory of fixtures in tests).
 * FROM gets where it was found, in words ("cgroup /sys/fs/cgroup/…/memory.max", "machine memory").
 * Returns 0 when nothing can be read. Context: watcher, CLI. */
uint64_t gs_metrics_memory_limit(const char *root, char *from, size_t size);

/* Where it is counted how often the OOM killer has struck in this process's group (or, where the group does not say, on this
 * machine): a file with a line "oom_kill N", into PATH. False: nowhere. ROOT as above. */
bool gs_metrics_oom_file(const char *root, char *path, size_t size);
/* N of that file; -1 when it cannot be read. No allocation. Context: watcher, CLI. */
int64_t gs_metrics_oom_kills(const char *path);

/* How many descriptors this process may have open now (RLIMIT_NOFILE, soft: many a server raises it as it starts);
 * 0: there is no limit. Context: watcher. */
uint64_t gs_metrics_file_limit(void);
/* /proc/…/fd of a thread of the host's, open: the first one's, or another's where that has ended; ours have a table of their
 * own. -errno: there is none. Context: watcher. */
int gs_metrics_open_descriptors(void) GS_CHECK_RESULT;

/* ---- reading ------------------------------------------------------------------------------------------- */

struct gs_metric_set; // the metrics that someone asked for, with their descriptors kept open

/* Open the readers of NAMES (COUNT metric names, each known to gs_metrics_find; copied). A metric that this
 * machine or host cannot give stays in the set, as unavailable. NULL when memory is out. */
struct gs_metric_set *gs_metrics_set_new(const char *const *names, size_t count, const char *root) GS_CHECK_RESULT;
void gs_metrics_set_free(struct gs_metric_set *set);
size_t gs_metrics_set_count(const struct gs_metric_set *set);
const char *gs_metrics_set_name(const struct gs_metric_set *set, size_t index);
/* One tick: every metric's value into VALUES (count of them); NAN for one that is missing now. NOW_NS is
 * CLOCK_MONOTONIC, for the metrics that are rates. No allocation. */
void gs_metrics_set_read(struct gs_metric_set *set, int64_t now_ns, double *values);
/* Why metric INDEX cannot be had here ("no memory.pressure in this kernel"); NULL when it can. As of the last
 * reading (gs_metrics_set_new makes one): a reason goes when the metric comes. Borrowed until the next reading. */
const char *gs_metrics_set_unavailable(const struct gs_metric_set *set, size_t index);
