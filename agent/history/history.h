/* history/history.h - the door of history/: the recorded values of the metrics, their packed form, and the history file.
 * Opened by: rules, box, incident, watch, reader, cli, tests.  Opens: base. */
#pragma once
#include "base/attributes.h"
#include "history/file.h" // part of this door: the history file of a program
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- history -------------------------------------------------------------------------------------------- */

/* The last hours tick by tick, and before them in coarser steps; or a history that was read from a file. It has rows, oldest
 * first, each with one time and one value for each metric. A row covers the time before it: its step. history/history.c
 * says how long the steps of the coarser parts are, and what they keep. */
struct gs_history;

/* An empty history of the COUNT metrics NAMES (copied), for ticks INTERVAL_NS apart. Memory is touched only as it fills.
 * NULL: out of memory. */
struct gs_history *gs_history_new(const char *const *names, size_t count, int64_t interval_ns) GS_CHECK_RESULT;
void gs_history_free(struct gs_history *history);
/* Add a tick at REALTIME_NS; VALUES as gs_metrics_set_read gave them (NAN: missing). No allocation. */
void gs_history_add(struct gs_history *history, int64_t realtime_ns, const double *values);
/* Row AT of gs_history_length. */
size_t gs_history_length(const struct gs_history *history);
int64_t gs_history_time(const struct gs_history *history, size_t at);
int64_t gs_history_step_ns(const struct gs_history *history, size_t at); // the time before it that it covers, at most
double gs_history_value(const struct gs_history *history, size_t at, size_t metric);
size_t gs_history_metric_count(const struct gs_history *history);
const char *gs_history_metric_name(const struct gs_history *history, size_t metric);
int64_t gs_history_interval_ns(const struct gs_history *history);
/* The index of metric NAME in HISTORY; SIZE_MAX: none. */
size_t gs_history_find(const struct gs_history *history, const char *name);
/* After a reload: copy from OLD the rows of those metrics that both histories have. */
void gs_history_adopt(struct gs_history *history, const struct gs_history *old);

/* What a history's file contains beside the rows. */
struct gs_history_about {
    int pid;                   // 0: unknown
    uint64_t limit_bytes;      // the process's memory limit; 0: unknown
    int64_t triggered_ns;      // CLOCK_REALTIME; written, not read back
    bool plain_seconds;        // the file has its times as seconds (CSV), and so has the JSON of replay
    bool no_date;              // its times are of any origin, not since 1970
    bool foreign;              // another program wrote it
    size_t processes;          // that the rows are of (gs_history_starts_process); 0: unknown, or one
};
struct gs_text;
/* metrics.json of an incident: {"version":1,"interval_ms",…,"series":{…},"triggered"} (docs/formats.md). Missing values
 * are left out. */
void gs_history_write_json(const struct gs_history *history, const struct gs_history_about *about, struct gs_text *out);

/* ---- history, packed ------------------------------------------------------------------------------------ */

/* The binary form for the black box (docs/formats.md): a few bytes a row, without a checksum. Packs are written one after
 * another. A full pack has the names and all rows, and replaces the packs before it; a continuation has new rows only. So
 * a box need not be rewritten every second:
 *
 *   size = gs_history_pack(h, 0, out, room)              full pack        about 13 bytes a row of three metrics
 *   serial = gs_history_serial(h)
 *   size = gs_history_pack(h, serial, out + size, …)     continuation     about 30 bytes for one tick
 *   serial = gs_history_serial(h) … until the room is used up; then a full pack somewhere else
 *
 * gs_history_serial: how many ticks were ever added. */
uint64_t gs_history_serial(const struct gs_history *history);
/* Pack the rows after SERIAL (0: all) into OUT. If ROOM (bytes) is too small, the oldest rows are left out. Returns the
 * bytes written; 0: no new rows, or no room at all. If some ticks after SERIAL are no longer stored one by one, it writes a
 * full pack. No allocation; time grows with the number of rows packed. */
size_t gs_history_pack(const struct gs_history *history, uint64_t serial, void *out, size_t room);
/* The history in BYTES: packs, one after another, LENGTH bytes, of untrusted origin. NULL, with a sentence in WHY:
 * not packs, cut short, damaged, or out of memory. Uses at most about ten times LENGTH of memory. */
struct gs_history *gs_history_unpack(const void *bytes, size_t length, char *why, size_t why_size);

/* ---- a history from a file ------------------------------------------------------------------------------ */

enum { GS_HISTORY_PARTS = 3, GS_HISTORY_METRICS_MAX = 4096 };

struct gs_history_shape {      // from the finest part to the coarsest; rows 0: no such part
    struct { size_t rows; int64_t step_ns; } part[GS_HISTORY_PARTS]; // step_ns: of the first part, the interval
};
/* A history of that shape. NULL: out of memory. */
struct gs_history *gs_history_shaped(const char *const *names, size_t count, const struct gs_history_shape *shape)
    GS_CHECK_RESULT;
/* Add a row from a file, which covers STEP_NS. */
void gs_history_put(struct gs_history *history, int64_t time_ns, int64_t step_ns, const double *values);
struct gs_history_owner {      // the process that rows are of
    int pid;                   // 0: unknown
    int64_t started_ns;        // CLOCK_REALTIME; 0: unknown
};
/* The row that is put next is the first of process OWNER: a restart, or one that ran at the same time, so that times may go
 * back. 0 or -ENOMEM. Only for a history of one part. */
int gs_history_mark_start(struct gs_history *history, struct gs_history_owner owner) GS_CHECK_RESULT;
bool gs_history_starts_process(const struct gs_history *history, size_t at); // is row AT so marked?
/* The process of row AT, as the last mark at or before it says. */
struct gs_history_owner gs_history_owner(const struct gs_history *history, size_t at);
