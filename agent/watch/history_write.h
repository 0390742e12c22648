/* history_write.h - records this process in the history file of its program (DIR/.history). Context: watcher. */
#pragma once
#include "base/attributes.h"
#include "box/box.h"
#include "rules/rules.h"
#include "store/store.h"
#include <stdint.h>

struct gs_history_writer;      // NULL: out of memory; all functions accept it

/* Make the writer of this process in STORE, which is borrowed. START_NS: CLOCK_MONOTONIC. Nothing is written in the first
 * minute (60 ticks, if they are shorter than a second): a process that lives shorter leaves no trace. */
struct gs_history_writer *gs_watch_history_open(struct gs_store *store, int64_t start_ns) GS_CHECK_RESULT;
/* After a tick: append the new rows, once a minute, or more seldom where several processes are recorded: that tick takes some 200
 * µs more. A failure is logged once; the rows are kept for an hour, and written when it works again. */
void gs_watch_history_tick(struct gs_history_writer *writer, const struct gs_incident_context *context,
                           struct gs_now now);
/* The watch ends: append what is left, if anything was written before, and free WRITER. */
void gs_watch_history_close(struct gs_history_writer *writer, const struct gs_incident_context *context,
                            struct gs_now now);
