/* inside.h - what the files of watch/ share about the one watcher of the process.
 *
 *   host threads:  start.c ──▶ gs_own_thread_start
 *                                   │
 *   the watcher:   thread.c: begin, settle in ──▶ loop.c: sleep, read, judge, capture ──▶ answers.c: status, capture
 *                     ▲                               │
 *                     └── release, end ◀────────────┘ gs_watch_must_end
 *
 * Each file calls those to its right and none to its left. What only one file needs is static there: the gate and the thread in
 * start.c, the budget and what is due when in loop.c; calls of the host's around which the thread ends, in host/step_aside.c. */
#pragma once
#include "host/own_thread.h"
#include "rules/rules.h"
#include "sys/event.h"
#include "watch/settings.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* state.c. In the child of a fork the handler in start.c sees to all of it. */
struct gs_watcher {
    /* What the watcher's thread is asked. Written by host threads (start.c), which hold the gate, or in a child's handler of fork. */
    _Atomic bool stopping;           // to end for good
    _Atomic bool thread_stopped;          // to end for a while: a call of the host's wants a process of one thread
    struct gs_event woken;           // one of them was set, or credentials have changed. The thread of a young child waits for it;
                                     // the loop is woken by gs_probe_wake

    /* How it stands. Written by the watcher's thread where nothing else is said; read by host threads. */
    _Atomic bool running;            // there is a watch, if perhaps stopped for a while. start.c: false in a child, and where it stops one that is away
    _Atomic bool inherited;          // this is a fork's child, not watched yet, and `settings` are still the parent's. start.c: true
    _Atomic bool store_opened;       // by the thread of such a child. start.c: false
    struct gs_event told;            // one of these has changed, or a start has come to its end: host threads wait for it

    /* What the rules say that other threads want to know. Written by the watcher's thread. */
    _Atomic enum gs_children children;  // read in a child's handler of fork, and before main (preload.c)
    _Atomic int64_t cpu_duration_ns;    // of a profile that the program asks for: read by the thread that asks

    /* The watcher's thread's alone while it runs; its successor's after it was stopped for a while. Host threads touch them when no thread
     * runs: gs_watch_stop, and a child that starts a watch of its own. start_ns alone is read by threads that ask for a profile. */
    struct gs_settings settings;
    struct gs_box *box;              // NULL: there was no memory for it
};
extern struct gs_watcher gs_watcher;
/* The watch is to end, or this thread is. Context: watcher. */
bool gs_watch_must_end(void);

/* thread.c: the routines of the watcher's thread, as gs_own_thread_start has them. Context: watcher. */
struct gs_beginning {                // of a watch: what the host's thread asks for, and waits for
    const struct gumshoe_options *options;
    int error;                       // 0 or -errno, once it is told
    _Atomic bool told;               // from here on it is the host's thread's again
};
void gs_watch_begin(void *beginning); // make the settings, tell how that went, and watch
void gs_watch_resume(void *unused);    // watch, after the thread was stopped for a while: the settings are there
void gs_watch_begin_in_child(void *unused);  // in the child of a fork: sleep until it is worth watching, and watch it
/* The watch is over: close and free all that it had. Context: watcher; a host thread when no watcher runs. */
void gs_watch_drop(void);

/* loop.c: go round until gs_watch_must_end, or until no thread of the host's is left. ANEW: it begins, and has not been sent
 * away. Context: watcher. */
void gs_watch_loop(bool anew);
/* Have the credentials of the program's threads, and have the other threads of ours take them over. Context: watcher. */
void gs_watch_follow_credentials(void);

/* answers.c: answer the requests that other threads have posted (requests.h). Context: watcher. */
void gs_watch_answer(void);
