/* symbolizer.h - "symbolize": starts `gumshoe symbolize INCIDENT` after an incident, if the command is installed with this
 * library and a program may be started. How on_incident.c runs it: spawn.h. */
#pragma once
#include "base/attributes.h"
#include "host/spawn.h"
#include "rules/rules.h"
#include <stdint.h>

enum { GS_SYMBOLIZER_TEXT = 320 };

/* Find the command, and remember the process's user and its system call filters. A later call does nothing. Failure: there
 * is no command then. Context: watcher, at its start. */
void gs_symbolizer_prepare(void);
/* What happens after an incident under RULES, for the log and for status: "runs /usr/bin/gumshoe", or "not run: " and why.
 * Context: watcher. */
void gs_symbolizer_describe(const struct gs_rules *rules, char out[GS_SYMBOLIZER_TEXT]);
/* May the command be started now under RULES? False, with the reason in WHY, or "" if it never runs
 * in this process. *DATA_BYTES: how much memory it may use.
 * Context: watcher. */
bool gs_symbolizer_may_run(const struct gs_rules *rules, uint64_t *data_bytes, char why[GS_SYMBOLIZER_TEXT]) GS_CHECK_RESULT;
/* Run the command on the incident in folder PATH, and wait for its end, as gs_spawn_run. FOLDER_FD: of the directory that contains
 * it, where no path leads there; else 0. */
void gs_symbolizer_run(const char *path, int folder_fd, uint64_t data_bytes, struct gs_spawn_end *out);
#define GS_SYMBOLIZER_LIMIT_NS (120 * 1000000000LL)
