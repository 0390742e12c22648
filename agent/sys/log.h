/* log.h - the agent's log messages. One line each: "TIME gumshoe[PID PROGRAM]: LEVEL: TEXT", the time in UTC (ISO 8601).
 * Where standard error is the journal's socket ($JOURNAL_STREAM): "<PRIORITY>gumshoe[PID PROGRAM]: LEVEL: TEXT". Never
 * touches the host's stdio or malloc; a message is one write(2), at most 1 KiB. Context: watcher, CLI, and public calls
 * on host threads; never inside a hook or a signal handler. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>

enum gs_log_level { GS_LOG_ERROR, GS_LOG_WARNING, GS_LOG_INFO };

/* Where messages go: "stderr" (also NULL), "off", or a file's path (appended to, created with mode 0600). If the file
 * cannot be opened, messages go to stderr, with a warning. "stderr" is descriptor 2 of the process at the time of the
 * message. */
void gs_log_to(const char *where);
void gs_log(enum gs_log_level level, const char *format, ...) GS_PRINTF(2, 3);
/* Declare that the calling thread does not use the host's table of descriptors, but the watcher's (sys/owned_fd.h), or, if
 * PASSING, one for a single request, in which no log file is kept open. */
void gs_log_from_own_table(bool passing);
