/* watcher.h - what the agent's own files share: the one watcher of the process. */
#pragma once
#include "base/attributes.h"
#include "gumshoe/gumshoe.h"

/* Start the watcher thread. As gumshoe_start, which is its only caller but for preload.c. */
int gs_watcher_start(const struct gumshoe_options *options);
void gs_watcher_stop(void);
/* As gumshoe_capture. */
int gs_watcher_capture(const char *reason, unsigned kinds);
/* As gumshoe_write_profile. */
int gs_watcher_write_profile(enum gumshoe_kind kind, int fd);
