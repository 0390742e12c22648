/* watch.h - the door of watch/: start, stop and ask the one watcher of the process.
 * Context: host threads, never in a hook or a signal handler. Opened by gumshoe.c and preload.c. */
#pragma once
#include "base/attributes.h"
#include "gumshoe/gumshoe.h"
#include "rules/rules.h"

/* gumshoe_start: start the watcher's thread, and wait until it runs or has failed. 0, or -errno, which is logged. */
int gs_watch_start(const struct gumshoe_options *options);
/* gumshoe_stop: waits 1 s at most. */
void gs_watch_stop(void);
/* True: GUMSHOE_DISABLE is set, so gs_watch_start refuses. */
bool gs_watch_is_disabled(void);
/* "children" of the rules; valid after a start has read them. */
enum gs_children gs_watch_children(void);
/* gumshoe_capture. */
int gs_watch_capture(const char *reason, unsigned kinds);
/* gumshoe_write_profile. */
int gs_watch_write_profile(enum gumshoe_kind kind, int fd);
/* gumshoe_write_profile_for. */
int gs_watch_write_profile_for(enum gumshoe_kind kind, int fd, double seconds);
