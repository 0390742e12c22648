/* metrics/metrics.h - the door of metrics/: where each number comes from, and its history.
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
struct gs_reader; // how a metric is read; metrics/inside.h

struct gs_metric {
    const char *name;
    enum gs_unit unit;
    enum gs_share share;
    const struct gs_reader *reader;
    double least, most;         // no value lies beyond (a memory limit aside)
    bool of_program;            // counted inside the program: nobody else can have it
    const char *help;           // "resident memory"
};
extern const struct gs_metric gs_metrics[]; // ends with a NULL name; "gauge:NAME" is not in it
size_t gs_metric_count(void);
/* The metric called NAME, or for any well-formed "gauge:NAME" the row that stands for gauges
 * (GS_COUNT, GS_OF_NOTHING); NULL when there is none. Context: any (pure). */
const struct gs_metric *gs_metric_find(const char *name);

/* ---- the memory limit --------------------------------------------------------------------------------- */

/* The smallest of the cgroup limits (v1 and v2, from the process's group up to the root) and the machine's
 * memory, in bytes. ROOT stands before /proc and /sys ("" live, a directory of fixtures in tests).
 * FROM gets where it was found, in words ("cgroup /sys/fs/cgroup/…/memory.max", "machine memory").
 * Returns 0 when nothing can be read. Context: watcher, CLI. */
uint64_t gs_memory_limit(const char *root, char *from, size_t size);

/* Where it is counted how often the OOM killer has struck in this process's group (or, where the group does not say, on this
 * machine): a file with a line "oom_kill N", into PATH. False: nowhere. ROOT as above. */
bool gs_oom_file(const char *root, char *path, size_t size);
/* N of that file; -1 when it cannot be read. No allocation. Context: watcher, CLI. */
int64_t gs_oom_kills(const char *path);

/* How many descriptors this process may have open now (RLIMIT_NOFILE, soft: many a server raises it as it starts);
 * 0: there is no limit. Context: watcher. */
uint64_t gs_file_limit(void);
/* /proc/…/fd of a thread of the host's, open: the first one's, or another's where that has ended; ours have a table of their
 * own. -errno: there is none. Context: watcher. */
int gs_descriptors_open(void) GS_CHECK_RESULT;

/* ---- reading ------------------------------------------------------------------------------------------- */

struct gs_watch; // the metrics that someone asked for, with their descriptors kept open

/* Open the readers of NAMES (COUNT metric names, each known to gs_metric_find; copied). A metric that this
 * machine or host cannot give stays in the set, as unavailable. NULL when memory is out. */
struct gs_watch *gs_watch_new(const char *const *names, size_t count, const char *root) GS_CHECK_RESULT;
void gs_watch_free(struct gs_watch *watch);
size_t gs_watch_count(const struct gs_watch *watch);
const char *gs_watch_name(const struct gs_watch *watch, size_t index);
/* One tick: every metric's value into VALUES (count of them); NAN for one that is missing now. NOW_NS is
 * CLOCK_MONOTONIC, for the metrics that are rates. No allocation. */
void gs_watch_read(struct gs_watch *watch, int64_t now_ns, double *values);
/* Why metric INDEX cannot be had here ("no memory.pressure in this kernel"); NULL when it can. As of the last
 * reading (gs_watch_new makes one): a reason goes when the metric comes. Borrowed until the next reading. */
const char *gs_watch_unavailable(const struct gs_watch *watch, size_t index);

/* ---- history -------------------------------------------------------------------------------------------- */

/* The last hours tick by tick, and before them coarser steps; or a whole one that was read out of a file. Rows, oldest
 * first, of one time and one value a metric each. A row speaks for the time before it: its step. What a step is in the
 * coarser parts, and what it keeps: metrics/history.c. */
struct gs_history;

/* An empty history of the COUNT metrics NAMES (copied), for ticks INTERVAL_NS apart. Memory is touched as it fills.
 * NULL when memory is out. */
struct gs_history *gs_history_new(const char *const *names, size_t count, int64_t interval_ns) GS_CHECK_RESULT;
void gs_history_free(struct gs_history *history);
/* Add a tick at REALTIME_NS; VALUES as gs_watch_read gave them (NAN: missing). No allocation. */
void gs_history_add(struct gs_history *history, int64_t realtime_ns, const double *values);
/* Row AT of gs_history_length. */
size_t gs_history_length(const struct gs_history *history);
int64_t gs_history_time(const struct gs_history *history, size_t at);
int64_t gs_history_step_ns(const struct gs_history *history, size_t at); // the time before it that it speaks for, at most
double gs_history_value(const struct gs_history *history, size_t at, size_t metric);
size_t gs_history_metric_count(const struct gs_history *history);
const char *gs_history_metric_name(const struct gs_history *history, size_t metric);
int64_t gs_history_interval_ns(const struct gs_history *history);
/* Which metric of HISTORY is called NAME; SIZE_MAX: none. */
size_t gs_history_find(const struct gs_history *history, const char *name);
/* Take over from OLD the rows of those metrics that both know (rules were reloaded). */
void gs_history_adopt(struct gs_history *history, const struct gs_history *old);

/* What stands in a history's file beside the rows. */
struct gs_history_about {
    int pid;                   // 0: not said
    uint64_t limit_bytes;      // of the process's memory; 0: not said
    int64_t triggered_ns;      // CLOCK_REALTIME; written, not read back
    bool plain_seconds;        // times are seconds of any origin, not moments (CSV)
};
struct gs_text;
/* metrics.json of an incident: {"version":1,"interval_ms",…,"series":{…},"triggered"} (docs/formats.md). Missing values
 * are left out. */
void gs_history_write_json(const struct gs_history *history, const struct gs_history_about *about, struct gs_text *out);

/* Read a history that may come from anywhere: LENGTH bytes of metrics.json, of CSV ("time,rss,gauge:queue", seconds of any
 * origin, an empty field where a value is missing), or of packs (below); FILE names it in messages. Times of its rows
 * only grow. NULL with every error in *ERRORS, in file order, up to the first 1000. Takes at most some twenty times LENGTH,
 * and of metrics.json, 2,000,000 values at most. Context: CLI (the C locale is taken for granted). */
enum { GS_HISTORY_BYTES_MAX = 64 << 20 }; // a file larger than this is not worth a try
struct gs_history *gs_history_read(const char *bytes, size_t length, const char *file, struct gs_history_about *about,
                                   struct gs_errors *errors);

/* ---- history, packed ------------------------------------------------------------------------------------ */

/* The binary form for the black box (docs/formats.md): a few bytes a row, no checksum of its own. Packs follow upon
 * each other: one that begins has the names and forgets what came before it, one that goes on has rows alone. So a box
 * need not be written anew each second:
 *
 *   size = gs_history_pack(h, 0, room, …)         everything: begins        some 13 bytes a row of three metrics
 *   mark = gs_history_serial(h)
 *   size = gs_history_pack(h, mark, behind it, …) the ticks since: goes on  some 30 bytes for one tick
 *   mark = gs_history_serial(h) … until the room is full; then everything again, elsewhere
 *
 * How many ticks were ever added. */
uint64_t gs_history_serial(const struct gs_history *history);
/* Pack what came after SERIAL (0: everything) into OUT. When ROOM is short the oldest rows are left out. Returns the
 * bytes written; 0 when there is nothing to say, or no room to say anything. What came after SERIAL and is no longer
 * there tick by tick makes it pack everything, which begins. No allocation; time grows with the rows packed. */
size_t gs_history_pack(const struct gs_history *history, uint64_t serial, void *out, size_t room);
/* The history in LENGTH BYTES of packs, one behind the other, from anywhere. NULL with a sentence in WHY when they are
 * none, or cut, or spoilt, or memory is out: it takes at most some ten times LENGTH. */
struct gs_history *gs_history_unpack(const void *bytes, size_t length, char *why, size_t why_size);
