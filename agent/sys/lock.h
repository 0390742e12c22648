/* lock.h - a lock between the agent's own threads and those of the host's that call us.
 *
 * Not the C library's mutexes: where it believes that a process has one thread it leaves the atomic instructions out, and it
 * does not know of ours. It sleeps in futex(2), counts time on CLOCK_MONOTONIC, and is free when it is zero.
 * Rules: a lock is held for a bounded time, never over a call of the host's. Of two locks the one with the lower rank is taken
 * first; -DGUMSHOE_CHECK_LOCKS=ON builds a library that ends the process where that is not so.
 * Context: watcher, other threads of ours, and host threads in public calls; never in a hook or a signal handler, but for
 * gs_lock_try. */
#pragma once
#include "base/attributes.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* In the order in which they may be taken. */
enum gs_lock_rank {
    GS_RANK_GATE = 1,  // watch/start.c: start and stop
    GS_RANK_GATHERING, // active captures: one gathers at a time
    GS_RANK_CPU,       // the CPU sessions
    GS_RANK_JOBS,      // host/on_incident.c
    GS_RANK_CALLBACK,  // callback.c
    GS_RANK_REQUESTS,  // watch/requests.c
};
struct gs_lock {
    _Atomic uint32_t state; // 0 free, 1 taken, 2 taken and waited for
    enum gs_lock_rank rank;
};

void gs_lock_take(struct gs_lock *lock);
/* Take it within TIMEOUT_NS, 0: at once or not. */
bool gs_lock_try(struct gs_lock *lock, int64_t timeout_ns) GS_CHECK_RESULT;
void gs_lock_give(struct gs_lock *lock);
/* In the child of a fork: whoever held it is not here. */
void gs_lock_after_fork(struct gs_lock *lock);
