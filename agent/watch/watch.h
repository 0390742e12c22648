/* watch.h - what the agent's own files share: the one watcher of the process. */
#pragma once
#include "base/attributes.h"
#include "gumshoe/gumshoe.h"
#include "rules/rules.h"

/* Start the watcher thread. As gumshoe_start, which is its only caller but for preload.c. */
int gs_watcher_start(const struct gumshoe_options *options);
void gs_watcher_stop(void);
/* What the rules say of children, once a start has read them. */
enum gs_children gs_watcher_children(void);
/* As gumshoe_capture. */
int gs_watcher_capture(const char *reason, unsigned kinds);
/* As gumshoe_write_profile. */
int gs_watcher_write_profile(enum gumshoe_kind kind, int fd);
