/* log.h - what the agent tells its operator. One line a message: "gumshoe[PID]: LEVEL: TEXT".
 * Never touches the host's stdio or malloc; a message is one write(2), at most 1 KiB.
 * Context: watcher, CLI, and public calls on host threads; never inside a hook or a signal handler. */
#pragma once
#include "base/attributes.h"

enum gs_log_level { GS_LOG_ERROR, GS_LOG_WARNING, GS_LOG_INFO };

/* Where messages go: "stderr" (also NULL), "off", or a file's path (appended to, made 0600, close-on-exec).
 * A file that cannot be opened leaves the log on stderr, and says so there. */
void gs_log_to(const char *where);
void gs_log(enum gs_log_level level, const char *format, ...) GS_PRINTF(2, 3);
