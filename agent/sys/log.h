/* log.h - what the agent tells its operator. One line a message: "gumshoe[PID]: LEVEL: TEXT".
 * Never touches the host's stdio or malloc; a message is one write(2), at most 1 KiB.
 * Context: watcher, CLI, and public calls on host threads; never inside a hook or a signal handler. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>

enum gs_log_level { GS_LOG_ERROR, GS_LOG_WARNING, GS_LOG_INFO };

/* Where messages go: "stderr" (also NULL), "off", or a file's path (appended to, made 0600). A file that cannot be opened
 * leaves the log on stderr, and says so there. Stderr is what the process has as its standard error at that moment. */
void gs_log_to(const char *where);
void gs_log(enum gs_log_level level, const char *format, ...) GS_PRINTF(2, 3);
/* The calling thread has not the host's table of descriptors, but that of base/held.h, or (PASSING) another, in which nothing is
 * kept open. */
void gs_log_from_own_table(bool passing);
