/* inside.h - what the files of watch/ share about the one watcher of the process.
 *
 *   host threads:  start.c ──▶ gs_own_thread_start
 *                                   │
 *   the watcher:   thread.c: begin, set_priority ─▶ loop.c: sleep, read, judge, capture ──▶ answers.c: status, capture
 *                     ▲                               │
 *                     └── release, end ◀──────────────┘ gs_watch_must_end
 *
 * Each file calls files to its right, never to its left. State of one file is static in it: the gate and the thread in
 * start.c, the budget and due times in loop.c. host/step_aside.c handles host calls during which the thread must not run. */
#pragma once
#include "host/own_thread.h"
#include "rules/rules.h"
#include "sys/event.h"
#include "watch/history_write.h"
#include "watch/settings.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Defined in state.c. In the child of a fork, the handler in start.c resets it. */
struct gs_watcher {
    /* Orders to the watcher's thread. Written by host threads (start.c) that hold the gate, and in a child's atfork
     * handler. */
    _Atomic bool stopping;           // end for good
    _Atomic bool thread_stopped;     // end for a while: a host call needs a process with one thread
    struct gs_event woken;           // one of the two is set, or credentials changed. A new child's thread waits for it;
                                     // the loop is woken by gs_probe_wake

    /* State. Written by the watcher's thread, and by start.c as noted; read by host threads. */
    _Atomic bool running;            // the process is watched, perhaps with its thread stopped for a while. start.c sets
                                     // false in a child, and when it stops a watcher whose thread does not run
    _Atomic bool inherited;          // a forked child, not watched yet: `settings` are the parent's. start.c sets true
    _Atomic bool store_opened;       // the thread of such a child has opened the store. start.c sets false
    struct gs_event state_changed;   // one of these has changed, or a start has finished or failed: host threads wait for it

    /* Copied from the rules for other threads. Written by the watcher's thread. */
    _Atomic enum gs_children children;  // read in a child's atfork handler, and before main (preload.c)
    _Atomic int64_t cpu_duration_ns;    // of gumshoe_write_profile; read by its callers

    /* Used by the watcher's thread alone, or by the thread that replaces it after a stop for a while. Host threads use them
     * only while that thread does not run: gs_watch_stop, and gs_watch_start in a child. Exception: start_ns
     * (gs_watch_write_profile). */
    struct gs_settings settings;
    struct gs_box *box;              // NULL: out of memory
    struct gs_history_writer *history; // NULL: out of memory
};
extern struct gs_watcher gs_watcher;
/* True: the watcher's thread must end, for good or for a while. Context: watcher. */
bool gs_watch_must_end(void);

/* thread.c: the routines that start.c passes to gs_own_thread_start. Context: watcher. */
struct gs_start_request {            // from the host thread in gs_watch_start, which waits for `done`
    const struct gumshoe_options *options;
    int error;                       // 0 or -errno, valid once done
    _Atomic bool done;               // the watcher's thread no longer uses this struct
};
void gs_watch_begin(void *start_request);   // make the settings, report success or failure, run the loop
void gs_watch_resume(void *unused);         // run the loop again, after a stop for a while, with the settings that exist
void gs_watch_begin_in_child(void *unused); // in a forked child: sleep GS_CHILD_GROWN_NS, take over, run the loop
/* Close and free the box and the settings. Context: watcher; a host thread while no watcher runs. */
void gs_watch_drop(void);

/* loop.c: run until gs_watch_must_end, or until the last host thread has ended. FIRST_RUN: not resumed after a stop for a
 * while.
 * Context: watcher. */
void gs_watch_loop(bool first_run);
/* Take over the credentials of the program, and have the agent's other threads do the same. Context: watcher. */
void gs_watch_follow_credentials(void);

/* answers.c: answer the requests that other threads have posted (requests.h). Context: watcher. */
void gs_watch_answer(void);
