/* step_aside.h - calls of the host's that change what a thread is: the watcher's thread is out of their way, or does the same.
 *
 *   unshare, setns          ──▶ before: the thread ends         ──▶ the real call ──▶ after: it is created again
 *   setuid and its kin, …   ──▶ the real call ──▶ after: every thread of ours takes over the credentials (credentials.h)
 *   chroot                  ──▶ before: what is still to be opened under the old root is opened
 *
 * Whose thread that is, and how it is started and ended, is its owner's to say: watch/start.c. */
#pragma once
#include "host/own_thread.h"
#include "sys/lock.h"
#include <stdbool.h>

/* The thread that steps aside, and what its owner does for it. Functions are called on host threads. */
struct gs_step_aside {
    struct gs_lock *gate; // held while the thread is started, stopped, stopped for a while or started again
    const struct gs_own_thread *thread;
    bool (*stop_thread)(void);    // have it end for a while, and wait for that; false: it is in a capture. Holds the gate
    void (*restart_thread)(void); // start it again, unless it runs or there is nothing to watch. Holds the gate; inside malloc, too
    void (*wake)(void);           // have it call gs_step_aside_follow soon
    void (*before_root)(void);    // the host is about to change its root directory
};

/* Step aside from now on. OWNER is borrowed for good. A later call does no harm. Context: host thread, in gumshoe_start. */
void gs_step_aside_prepare(const struct gs_step_aside *owner);
/* Have the credentials that the program's threads have, and tell the host thread that waits for it. WAKE_OTHERS is called before
 * that, if there was any change: to have further threads of ours look. Context: the thread that steps aside, as it wakes. */
void gs_step_aside_follow(void (*wake_others)(void));
/* In the child of a fork: the process is another one, and no call is under way. Context: as gs_watch_after_fork. */
void gs_step_aside_after_fork(void);
