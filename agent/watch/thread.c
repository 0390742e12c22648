/* thread.c - the life of the watcher's thread: it begins, runs the loop, and releases what it had.
 *
 *   gs_watch_begin          ──▶ settings, box ─┐            ┌▶ for good: all is closed and freed
 *   gs_watch_begin_in_child ──▶ settings, box ─┼▶ the loop ─┼▶ stopped for a while: what is open is closed, the rest stays
 *   gs_watch_resume         ───────────────────┘            └▶ the host has ended: so does the process
 *
 * It opens and closes everything that the agent has open: its table of descriptors is its own, and ends with it.
 * The thread ends as the watch is stopped, as the last thread of the host's has ended, and for the time of a call of the
 * host's that must find none of ours (unshare, setns); then another goes on with what it has left.
 * Who:    the watcher's thread, which start.c starts.
 * Memory: none of the host's malloc. */
#include "base/clock.h"
#include "host/callback.h"
#include "host/children.h"
#include "host/on_incident.h"
#include "host/own_thread.h"
#include "sys/log.h"
#include "sys/owned_fd.h"
#include "sys/process.h"
#include "watch/active_captures.h"
#include "watch/control.h"
#include "watch/inside.h"
#include "watch/reload.h"
#include "watch/requests.h"
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NICE = 5 };

static void settle_in(void)
{
    enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_BEST_EFFORT_LAST = 2 << 13 | 7 };
    setpriority(PRIO_PROCESS, 0, NICE); // on Linux: of this thread alone
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_BEST_EFFORT_LAST);
}

void gs_watch_drop(void)
{
    gs_watch_reload_drop();
    gs_box_close(gs_watcher.box);
    gs_watcher.box = NULL;
    gs_watch_settings_drop(&gs_watcher.settings);
}

/* What this thread has open or has started goes; the rest stays if it is to come back. */
static void release_resources(bool for_good)
{
    gs_watch_captures_continue(&gs_watcher.settings, true);
    if (for_good)
        gs_watch_requests_refuse(-ESRCH);
    gs_watch_control_stop();
    gs_on_incident_stop();
    gs_gather_cpu_configure(&(struct gs_cpu_settings){.hertz = gs_watcher.settings.rules->cpu.hertz});
    if (for_good)
        gs_watch_drop();
    else
        gs_box_remove_file(gs_watcher.box);
    gs_owned_fd_new_table(); // what was open ends with this thread
}

/* ANEW: it begins, and has not been stopped for a while. */
static void watch(bool anew)
{
    settle_in();
    gs_watch_loop(anew);
    bool host_ended = !gs_watch_must_end();
    bool for_good = atomic_load(&gs_watcher.stopping) || host_ended;
    release_resources(for_good);
    if (for_good)
        atomic_store(&gs_watcher.running, false);
    if (host_ended) {
        gs_callback_end();
        gs_own_thread_end_with(gs_process_first_threads_status());
    }
}

void gs_watch_resume(void *unused)
{
    (void)unused;
    watch(false);
}

/* Make the settings and the box. 0, or -errno, which was logged. */
static int begin(const struct gumshoe_options *options)
{
    int error = gs_watch_settings_make(&gs_watcher.settings, options);
    if (gs_watcher.settings.rules)
        atomic_store(&gs_watcher.children, gs_watcher.settings.rules->children);
    if (error)
        return error;
    gs_watcher.box = gs_box_open(gs_watcher.settings.store);
    gs_log(GS_LOG_INFO, "watching: %zu rules from %s, incidents in %s", gs_watcher.settings.rules->rule_count,
           gs_watcher.settings.rules->file, gs_store_path(gs_watcher.settings.store));
    return 0;
}

void gs_watch_begin(void *of)
{
    struct gs_beginning *beginning = of;
    int error = begin(beginning->options);
    if (error) {
        gs_watch_drop();
        gs_owned_fd_new_table();
    }
    atomic_store(&gs_watcher.running, error == 0);
    beginning->error = error;
    atomic_store(&beginning->told, true);
    gs_event_signal(&gs_watcher.told); // `beginning` is the host's again
    if (!error)
        watch(true);
}

/* ---- in the child of a fork ---------------------------------------------------------------------------------------------- */

/* Be the watcher from here on. Context: the child's thread. */
static bool take_over(void)
{
    int error = gs_watch_settings_inherit(&gs_watcher.settings);
    atomic_store(&gs_watcher.running, error == 0);
    // after that: a child that is forked just now finds the one or the other
    atomic_store(&gs_watcher.inherited, false);
    if (error)
        gs_watch_settings_drop(&gs_watcher.settings);
    else
        gs_watcher.box = gs_box_open(gs_watcher.settings.store);
    return error == 0;
}

void gs_watch_begin_in_child(void *unused)
{
    char why[256];
    (void)unused;
    int64_t until_ns = gs_clock_monotonic_ns() + GS_CHILD_GROWN_NS;
    // before the child goes to another root; tried again below
    (void)!gs_store_open_again(gs_watcher.settings.store, why, sizeof why);
    atomic_store(&gs_watcher.store_opened, true);
    gs_event_signal(&gs_watcher.told);
    for (int64_t left_ns; !gs_watch_must_end() && (left_ns = until_ns - gs_clock_monotonic_ns()) > 0;) {
        uint32_t seen = gs_event_seen(&gs_watcher.woken);
        gs_watch_follow_credentials();
        if (!gs_watch_must_end())
            gs_event_wait(&gs_watcher.woken, seen, left_ns);
    }
    if (gs_watch_must_end())
        return;
    gs_children_grown();
    if (!take_over())
        return;
    gs_log(GS_LOG_INFO, "watching: forked by %d, incidents in %s", (int)getppid(),
           gs_store_path(gs_watcher.settings.store));
    watch(true);
}
