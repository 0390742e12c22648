/* crash.c - the thread that writes a crash of the program to the black box.
 *
 *   a host thread, in the handler of probe/threads/crash.c ──▶ gs_probe_crash_wait returns ──▶ gs_box_write_crash
 *     └─ sleeps ◀── gs_probe_crash_recorded ◀──────────────────────────────────────────────────────┘
 *
 * A thread of its own, because the watcher may be in a capture of several seconds, while the program that crashed waits at
 * most GS_CRASH_PATIENCE_NS. It shares the watcher's table of descriptors.
 * Who: this thread, which the watcher starts and ends. Bounds: it sleeps until a crash. */
#include "watch/crash.h"
#include "base/clock.h"
#include "host/credentials.h"
#include "host/own_thread.h"
#include "probe/probe.h"
#include "sys/log.h"
#include "watch/inside.h"
#include <stdatomic.h>
#include <time.h>

enum { STACK_BYTES = 256 << 10 };
#define RETRY_NS (5 * GS_NS_PER_MS) // while the watcher has not made the file of the box

static struct {
    struct gs_own_thread thread;
    _Atomic bool stopping;
    bool handling; // written by the watcher
} crash;

static void record(const struct gs_crash *noted)
{
    static struct gs_given_crash given; // 4 KiB: not on the stack
    gs_gather_given_crash(noted, &given);
    int64_t until_ns = gs_clock_monotonic_ns() + GS_CRASH_PATIENCE_NS;
    while (!gs_box_write_crash(gs_watcher.box, &given) && gs_clock_monotonic_ns() < until_ns &&
           !atomic_load(&crash.stopping))
        nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
    gs_probe_crash_recorded();
}

static void record_crashes(void *unused)
{
    (void)unused;
    while (!atomic_load(&crash.stopping)) {
        const struct gs_crash *noted = gs_probe_crash_wait();
        (void)gs_credentials_follow();
        if (noted)
            record(noted);
    }
}

void gs_watch_crash_handle(bool on)
{
    if (on) {
        unsigned signals = gs_probe_crash_start();
        if (!crash.handling)
            gs_log(GS_LOG_INFO,
                   "crash: %u of 5 fatal signals are noted in the black box; the others are handled or "
                   "ignored by the program",
                   signals);
    } else if (crash.handling) {
        gs_probe_crash_stop();
    }
    crash.handling = on;
}

void gs_watch_crash_start(void)
{
    const struct gs_own_thread_options start = {"gumshoe-crash", record_crashes, NULL, STACK_BYTES,
                                                GS_FDS_OF_CREATOR};
    if (gs_own_thread_runs(&crash.thread))
        return;
    atomic_store(&crash.stopping, false);
    if (gs_own_thread_start(&crash.thread, &start))
        gs_log(GS_LOG_WARNING, "crash: no thread to write notes of crashes");
}

void gs_watch_crash_stop(void)
{
    if (!gs_own_thread_runs(&crash.thread))
        return;
    atomic_store(&crash.stopping, true);
    gs_probe_crash_wake();
    (void)gs_own_thread_join(&crash.thread, GS_NS_PER_S);
}

void gs_watch_crash_wake(void)
{
    if (gs_own_thread_runs(&crash.thread))
        gs_probe_crash_wake();
}

void gs_watch_crash_after_fork(void)
{
    gs_own_thread_after_fork(&crash.thread);
    crash.handling = false;
}
