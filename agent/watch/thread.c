/* thread.c - the watcher's thread: makes the settings, runs the loop, releases its resources.
 *
 *   gs_watch_begin          ──▶ settings, box ─┐            ┌▶ for good: close and free everything
 *   gs_watch_begin_in_child ──▶ settings, box ─┼▶ the loop ─┼▶ stopped for a while: close descriptors, keep the rest
 *   gs_watch_resume         ───────────────────┘            └▶ host ended: end the process
 *
 * This thread opens and closes all descriptors of the agent: it has a table of descriptors of its own, which ends with it.
 * The thread ends when the watcher is stopped, when the last host thread has ended, and during host calls that need a
 * process with one thread (unshare, setns). After such a call a new thread continues with the same settings.
 * Who:    the watcher's thread, which start.c starts.
 * Memory: never the host's malloc. */
#include "base/clock.h"
#include "host/callback.h"
#include "host/children.h"
#include "host/memory_lock.h"
#include "host/on_incident.h"
#include "host/own_thread.h"
#include "host/symbolizer.h"
#include "sys/log.h"
#include "sys/owned_fd.h"
#include "sys/process.h"
#include "watch/active_captures.h"
#include "watch/control.h"
#include "watch/crash.h"
#include "watch/inside.h"
#include "watch/notices.h"
#include "watch/reload.h"
#include "watch/requests.h"
#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NICE = 5 };

/* The host's thread that created this one may be scheduled in real time: a capture must not be, nor a program that we start. Not
 * under a filter of system calls: those of systemd's @resources, which many services forbid, would end the process. */
static void set_priority(void)
{
    enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_BEST_EFFORT_LAST = 2 << 13 | 7 };
    const struct sched_param none = {0};
    if (gs_process_count_filters())
        return;
    int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
    if (policy == SCHED_FIFO || policy == SCHED_RR)
        sched_setscheduler(0, SCHED_OTHER, &none);
    setpriority(PRIO_PROCESS, 0, NICE); // on Linux this sets only the calling thread
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_BEST_EFFORT_LAST);
}

void gs_watch_drop(void)
{
    gs_watch_reload_drop();
    gs_box_close(gs_watcher.box);
    gs_watcher.box = NULL;
    gs_gather_peak_forget();
    gs_watch_history_close(gs_watcher.history, NULL, (struct gs_now){0}); // writes nothing
    gs_watcher.history = NULL;
    gs_watch_settings_drop(&gs_watcher.settings);
}

/* End the captures and the other threads, and close all descriptors. FOR_GOOD: also free the settings and the box. */
static void release_resources(bool for_good)
{
    gs_watch_captures_continue(&gs_watcher.settings, true);
    if (for_good)
        gs_watch_requests_refuse(-ESRCH);
    gs_watch_control_stop();
    gs_on_incident_stop();
    gs_watch_crash_handle(false);
    gs_watch_crash_stop();
    gs_watch_notices_stop();
    gs_gather_cpu_configure(&(struct gs_cpu_settings){.hertz = gs_watcher.settings.rules->cpu.hertz});
    if (for_good) {
        const struct gs_now now = {gs_clock_monotonic_ns(), gs_clock_realtime_ns()};
        gs_watch_history_close(gs_watcher.history, gs_watcher.settings.context, now);
        gs_watcher.history = NULL;
        gs_watch_drop();
    } else
        gs_box_remove_file(gs_watcher.box);
    gs_owned_fd_new_table(); // the descriptors end with this thread
}

/* FIRST_RUN: not resumed after a stop for a while. */
static void watch(bool first_run)
{
    set_priority();
    gs_watch_loop(first_run);
    bool host_ended = !gs_watch_must_end();
    bool for_good = atomic_load(&gs_watcher.stopping) || host_ended;
    release_resources(for_good);
    if (for_good)
        atomic_store(&gs_watcher.running, false);
    if (host_ended) {
        gs_callback_end();
        gs_own_thread_end_with(gs_process_first_threads_end());
    }
}

void gs_watch_resume(void *unused)
{
    (void)unused;
    watch(false);
}

/* Make the settings and the box. 0, or -errno, which is logged. */
static int make_settings(const struct gumshoe_options *options)
{
    int error = gs_watch_settings_make(&gs_watcher.settings, options);
    if (gs_watcher.settings.rules)
        atomic_store(&gs_watcher.children, gs_watcher.settings.rules->children);
    if (error)
        return error;
    gs_watcher.box = gs_box_open(gs_watcher.settings.store);
    gs_watcher.history = gs_watch_history_open(gs_watcher.settings.store, gs_watcher.settings.start_ns);
    gs_watch_crash_handle(gs_watcher.settings.rules->crash); // before gumshoe_start returns
    gs_symbolizer_prepare();
    const struct gs_rules *rules = gs_watcher.settings.rules;
    gs_log(GS_LOG_INFO, "watching: %zu rule%s from %s, incidents in %s", rules->rule_count,
           rules->rule_count == 1 ? "" : "s", rules->file, gs_store_path(gs_watcher.settings.store));
    return 0;
}

void gs_watch_begin(void *start_request)
{
    struct gs_start_request *request = start_request;
    int error = make_settings(request->options);
    if (error) {
        gs_watch_drop();
        gs_owned_fd_new_table();
    }
    atomic_store(&gs_watcher.running, error == 0);
    request->error = error;
    atomic_store(&request->done, true);
    gs_event_signal(&gs_watcher.state_changed); // `request` belongs to the host thread again
    if (!error)
        watch(true);
}

/* ---- in the child of a fork ------------------------------------------------------------------------------------------- */

/* Become the child's watcher: make its settings and its box. False: failed, which is logged. Context: the child's thread. */
static bool take_over(void)
{
    int error = gs_watch_settings_inherit(&gs_watcher.settings);
    atomic_store(&gs_watcher.running, error == 0);
    // after `running`, so that a child forked just now sees at least one of them
    atomic_store(&gs_watcher.inherited, false);
    if (error) {
        gs_watch_settings_drop(&gs_watcher.settings);
        return false;
    }
    gs_watcher.box = gs_box_open(gs_watcher.settings.store);
    gs_watcher.history = gs_watch_history_open(gs_watcher.settings.store, gs_watcher.settings.start_ns);
    return true;
}

void gs_watch_begin_in_child(void *unused)
{
    char why[256];
    (void)unused;
    int64_t until_ns = gs_clock_monotonic_ns() + GS_CHILD_GROWN_NS;
    // now, before the child may change its root; take_over tries again
    (void)!gs_store_open_again(gs_watcher.settings.store, why, sizeof why);
    atomic_store(&gs_watcher.store_opened, true);
    gs_event_signal(&gs_watcher.state_changed);
    for (int64_t left_ns; !gs_watch_must_end() && (left_ns = until_ns - gs_clock_monotonic_ns()) > 0;) {
        uint32_t seen = gs_event_seen(&gs_watcher.woken);
        gs_watch_follow_credentials();
        gs_memory_lock_serve();
        if (!gs_watch_must_end())
            gs_event_wait(&gs_watcher.woken, seen, left_ns);
    }
    if (gs_watch_must_end())
        return;
    gs_children_grown();
    if (gs_metrics_tasks_are_scarce("")) { // the host needs them for its children
        gs_log(GS_LOG_INFO,
               "not watching: forked by %d, and its cgroup uses more than a quarter of pids.max already; the "
               "watch takes "
               "two tasks or more for each process",
               (int)getppid());
        atomic_store(&gs_watcher.inherited, false);
        gs_watch_settings_drop(&gs_watcher.settings);
        return;
    }
    if (!take_over())
        return;
    gs_log(GS_LOG_INFO, "watching: forked by %d, incidents in %s", (int)getppid(),
           gs_store_path(gs_watcher.settings.store));
    watch(true);
}
