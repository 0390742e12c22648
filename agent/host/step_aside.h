/* step_aside.h - handles host calls that change namespaces, credentials or the root: stops the watcher's thread, or follows.
 *
 *   unshare, setns          ──▶ before: the thread ends         ──▶ the real call ──▶ after: it is created again
 *   setuid, setgid, …       ──▶ the real call ──▶ after: every agent thread takes over the credentials (credentials.h)
 *   chroot                  ──▶ before: the thread opens the store while its path is valid
 *
 * The owner of the thread, watch/start.c, starts and ends it. */
#pragma once
#include "host/own_thread.h"
#include "sys/lock.h"
#include <stdbool.h>

/* The thread, and functions of its owner, which are called on host threads. */
struct gs_step_aside {
    struct gs_lock *gate; // held while the thread is started, stopped or restarted
    const struct gs_own_thread *thread;
    bool (*stop_thread)(void);    // end it for a while, and wait; false: it is capturing. The gate is held
    void (*restart_thread)(void); // start it again, if needed. The gate is held; also inside malloc
    void (*wake)(void);           // make it call gs_step_aside_follow soon
    void (*before_root)(void);    // the host is about to change its root directory
};

/* Handle such calls from now on. OWNER is borrowed for ever. A later call does no harm. Context: host thread, in
 * gumshoe_start. */
void gs_step_aside_prepare(const struct gs_step_aside *owner);
/* Take over the program's credentials if they have changed: adopt them (BEFORE_USER: as of
 * gs_credentials_follow_and_tell), call WAKE_OTHERS to have the agent's other threads do the same, and wake the host
 * thread that waits. Context: the watcher's thread, each time it wakes. */
void gs_step_aside_follow(void (*before_user)(uid_t uid, gid_t gid), void (*wake_others)(void));
/* In the child of a fork: store the new pid; no call is active. Context: as gs_watch_after_fork. */
void gs_step_aside_after_fork(void);
