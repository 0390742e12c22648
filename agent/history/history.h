/* history/history.h - the door of history/: what the metrics were, tick by tick, and its packed form.
 * Opened by: rules, box, incident, watch, reader, cli, tests.  Opens: base. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- history -------------------------------------------------------------------------------------------- */

/* The last hours tick by tick, and before them coarser steps; or a whole one that was read out of a file. Rows, oldest
 * first, of one time and one value a metric each. A row speaks for the time before it: its step. What a step is in the
 * coarser parts, and what it keeps: history/history.c. */
struct gs_history;

/* An empty history of the COUNT metrics NAMES (copied), for ticks INTERVAL_NS apart. Memory is touched as it fills.
 * NULL when memory is out. */
struct gs_history *gs_history_new(const char *const *names, size_t count, int64_t interval_ns) GS_CHECK_RESULT;
void gs_history_free(struct gs_history *history);
/* Add a tick at REALTIME_NS; VALUES as gs_metrics_set_read gave them (NAN: missing). No allocation. */
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

/* ---- a history out of a file ----------------------------------------------------------------------------- */

enum { GS_HISTORY_PARTS = 3, GS_HISTORY_METRICS_MAX = 4096 };

struct gs_history_shape {      // from the finest part to the coarsest; rows 0: there is no such part
    struct { size_t rows; int64_t step_ns; } part[GS_HISTORY_PARTS]; // step_ns: of the first part, the interval
};
/* A history of that shape. NULL when memory is out. */
struct gs_history *gs_history_shaped(const char *const *names, size_t count, const struct gs_history_shape *shape)
    GS_CHECK_RESULT;
/* Add a row as it stood in a file, speaking for STEP_NS. */
void gs_history_put(struct gs_history *history, int64_t time_ns, int64_t step_ns, const double *values);
