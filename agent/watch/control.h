/* control.h - the socket in DIR/.live through which `gumshoe status` and `gumshoe capture` ask (docs/formats.md). */
#pragma once
#include "store/store.h"

/* Listen, on a thread of our own that sleeps until somebody asks. It is no error when that cannot be had: the log says so, and
 * the watch goes on. Context: watcher. */
void gs_watch_control_start(struct gs_store *store);
/* Have its thread look at the credentials. */
void gs_watch_control_wake(void);
void gs_watch_control_stop(void);
void gs_watch_control_after_fork(void);
