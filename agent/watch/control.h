/* control.h - the socket in DIR/.live that `gumshoe status`, `gumshoe capture` and `gumshoe serve` connect to (docs/formats.md). */
#pragma once
#include "store/store.h"

/* Create the socket, and a thread that listens on it. Failure: a warning in the log; the watcher runs without the socket.
 * Context: watcher. */
void gs_watch_control_start(struct gs_store *store);
/* Wake the thread, so that it takes over changed credentials. Context: watcher. */
void gs_watch_control_wake(void);
/* End the thread (waits 1 s at most), close the socket and remove it. Context: watcher. */
void gs_watch_control_stop(void);
uint64_t gs_watch_control_cpu_ns(void); // CPU time of the thread, and of those that make profiles for its clients. Context: any
void gs_watch_control_after_fork(void);
