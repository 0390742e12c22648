/* memory_lock.h - mlockall(MCL_CURRENT) of the host, done so that it locks the host's memory and not ours.
 *
 *   hooks/mlockall.c ──▶ host thread: request, wake the watcher ──▶ watcher: mlock2 of each mapping but ours ──▶ the answer
 *
 * The kernel would make the agent's tables and buffers resident, 90 MB of mostly unused memory, and refuse the call if RLIMIT_MEMLOCK
 * has no room for them. */
#pragma once
#include "host/own_thread.h"

/* Handle such calls from now on. WATCHER: the thread that serves; WAKE makes it call gs_memory_lock_serve soon. Context: host thread,
 * in gumshoe_start. */
void gs_memory_lock_prepare(const struct gs_own_thread *watcher, void (*wake)(void));
/* Serve the request of a host thread, if there is one. Context: the watcher's thread, each time it wakes. */
void gs_memory_lock_serve(void);
/* In the child of a fork: nothing is locked, and nobody asks. Context: as gs_watch_after_fork. */
void gs_memory_lock_after_fork(void);
