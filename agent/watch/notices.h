/* notices.h - the thread that waits for the kernel's notices of scarce memory, and wakes the watcher. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct gs_json;

/* Wait for notices from now on. STALLED_SHARE: of the time, for notices of pressure. If the thread runs, it begins anew, with
 * this share and the process's present group. Failure: logged; there are no notices. Context: watcher. */
void gs_watch_notices_start(double stalled_share);
/* End the thread (waits 1 s at most). Does nothing if it does not run. Context: watcher. */
void gs_watch_notices_stop(void);
/* Wake the thread, so that it takes over changed credentials. Context: watcher. */
void gs_watch_notices_wake(void);
void gs_watch_notices_after_fork(void);

/* The limit of the group whose use the kernel compares with all thresholds, one for each GS_NOTICE_STEPS-th of that limit;
 * 0: it does not, or not yet. Context: any. */
uint64_t gs_watch_notices_limit(void);
/* Add to SOURCES, an array, what is known of each source of notices. Context: watcher. */
void gs_watch_notices_describe(struct gs_json *sources);
uint64_t gs_watch_notices_count(void);  // notices so far
uint64_t gs_watch_notices_cpu_ns(void); // CPU time of the thread. Context: any
