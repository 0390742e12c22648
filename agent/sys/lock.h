/* lock.h - a lock between agent threads and host threads in public calls.
 *
 * Why not pthread_mutex: the C library omits atomic instructions while it believes that the process has one thread, and it
 * does not know the agent's threads. Waits in futex(2), with time on CLOCK_MONOTONIC. State 0 is a free lock.
 * Rules: hold a lock for a bounded time, never while host code runs. Take locks in ascending order of rank; a library built
 * with -DGUMSHOE_CHECK_LOCKS=ON aborts on a violation.
 * Context: watcher, other agent threads, and host threads in public calls; in hooks and signal handlers only gs_lock_try. */
#pragma once
#include "base/attributes.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Ascending: a thread that holds a lock may take only locks of higher ranks. */
enum gs_lock_rank {
    GS_RANK_GATE = 1,  // watch/start.c: start and stop
    GS_RANK_GATHERING, // watch/active_captures.c: one thread gathers at a time
    GS_RANK_CPU,       // gather/: the CPU sessions
    GS_RANK_PEAK,      // gather/: the copies of the heap's peak
    GS_RANK_JOBS,      // host/on_incident.c
    GS_RANK_CALLBACK,  // host/callback.c
    GS_RANK_REQUESTS,  // watch/requests.c
    GS_RANK_BOX,       // box/: the watcher writes, or a crash is written
};
struct gs_lock {
    _Atomic uint32_t state; // 0 free, 1 taken, 2 taken and waited for
    enum gs_lock_rank rank;
};

void gs_lock_take(struct gs_lock *lock);
/* Take LOCK within TIMEOUT_NS; 0: do not wait. True: taken. */
bool gs_lock_try(struct gs_lock *lock, int64_t timeout_ns) GS_CHECK_RESULT;
void gs_lock_give(struct gs_lock *lock);
/* In the child of a fork: make LOCK free, because its holder does not exist there. */
void gs_lock_after_fork(struct gs_lock *lock);
