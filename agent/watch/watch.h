/* watch.h - the door of watch/: the one watcher of the process, started, stopped and asked.
 * Context: host threads, but in no hook and no signal handler. Opened by gumshoe.c and preload.c. */
#pragma once
#include "base/attributes.h"
#include "gumshoe/gumshoe.h"
#include "rules/rules.h"

/* As gumshoe_start: start the watcher's thread, and wait until it watches or has refused to. 0 or -errno, which was logged. */
int gs_watch_start(const struct gumshoe_options *options);
/* As gumshoe_stop: waits a second at most. */
void gs_watch_stop(void);
/* GUMSHOE_DISABLE is set: nothing is to be started. */
bool gs_watch_is_disabled(void);
/* What the rules say of children, once a start has read them. */
enum gs_children gs_watch_children(void);
/* As gumshoe_capture. */
int gs_watch_capture(const char *reason, unsigned kinds);
/* As gumshoe_write_profile. */
int gs_watch_write_profile(enum gumshoe_kind kind, int fd);
