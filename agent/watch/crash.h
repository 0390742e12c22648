/* crash.h - with "crash": "on", fatal signals of the program are noted in the black box. */
#pragma once
#include <stdbool.h>

/* Handle fatal signals from now on, or no more. The thread that writes their notes may still be missing: the handler waits
 * for it a while. Context: watcher. */
void gs_watch_crash_handle(bool on);
/* Start the thread that writes the notes, or end it (waits 1 s at most). Does nothing if it runs, or does not. Context:
 * watcher. */
void gs_watch_crash_start(void);
void gs_watch_crash_stop(void);
/* Wake the thread, so that it takes over changed credentials. Context: watcher. */
void gs_watch_crash_wake(void);
void gs_watch_crash_after_fork(void);
