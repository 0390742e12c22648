/* looks.h - looks at memory between two ticks, so that a line is judged when it is crossed.
 * Context: watcher. */
#pragma once
#include "watch/settings.h"
#include <stdbool.h>
#include <stdint.h>

struct gs_json;

/* The rules, the limit or the group have changed, or the loop begins: start or end the thread for the kernel's notices; in the first second of a watch it is started later. */
void gs_watch_looks_begin(const struct gs_settings *settings);
/* After each tick: plan the looks until the next one. */
void gs_watch_looks_plan(const struct gs_settings *settings, int64_t now_ns);
int64_t gs_watch_looks_due_ns(void); // CLOCK_MONOTONIC; INT64_MAX: none is planned
/* The kernel has given notice: look now, and often for a while. */
void gs_watch_looks_noticed(const struct gs_settings *settings, int64_t now_ns);
/* Look at what is due. True: a value is above a line, so a tick is needed. */
bool gs_watch_looks_find_crossed(const struct gs_settings *settings, int64_t now_ns);
/* Add "memory_lines" to STATUS. */
void gs_watch_looks_describe(struct gs_json *status);
