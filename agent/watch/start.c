/* start.c - starts and stops the watcher, also in the child of a fork.
 *
 *   gs_watch_start ──▶ prepare (once) ──▶ a thread: gs_watch_begin ──▶ done: running, or the error
 *   gs_watch_stop ───▶ stopping ──▶ the thread ends: joined, or, during a capture, left to end after it
 *   fork ──▶ child: reset all state (after_fork.c) ──▶ a thread: gs_watch_begin_in_child, if children are to be watched
 *   unshare, setns ──▶ host/step_aside.c ──▶ stop_thread … restart_thread ──▶ a thread: gs_watch_resume
 *
 * Who: host threads. They hold `gate`, except in the handlers of fork and exit. A child has no descriptor of its parent's
 * watcher. */
#include "base/clock.h"
#include "base/memory.h"
#include "host/children.h"
#include "host/command_line.h"
#include "host/memory_lock.h"
#include "host/own_thread.h"
#include "host/own_tls.h"
#include "host/step_aside.h"
#include "probe/probe.h"
#include "sys/event.h"
#include "sys/lock.h"
#include "sys/log.h"
#include "watch/after_fork.h"
#include "watch/inside.h"
#include "watch/watch.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK_BYTES = 1 << 20 };
#define STOP_PATIENCE_NS GS_NS_PER_S
#define ROOT_PATIENCE_NS (20 * GS_NS_PER_MS) /* for the thread of a new child to open the store */

/* Held by host threads while they start or stop the thread, for good or for a while. */
static struct gs_lock gate = {.rank = GS_RANK_GATE};
static struct gs_own_thread thread; // the watcher's; changed under the gate
static bool has_fork_handlers;      // pthread_atfork was called; under the gate

/* ---- the thread ------------------------------------------------------------------------------------------------------- */

/* Start the watcher's thread. 0 or -errno. The caller holds the gate, or is the atfork handler. */
static int start_thread(void (*routine)(void *), void *argument)
{
    const struct gs_own_thread_options start = {"gumshoe", routine, argument, STACK_BYTES, GS_FDS_OWN};
    atomic_store(&gs_watcher.stopping, false);
    atomic_store(&gs_watcher.thread_stopped, false);
    return gs_own_thread_start(&thread, &start);
}

/* Wake the thread, in the loop or in gs_watch_begin_in_child, so that it reads its orders. */
static void wake_thread(void)
{
    gs_event_signal(&gs_watcher.woken);
    gs_probe_wake();
}

/* Order the thread to end, by the flag ORDER, and wait STOP_PATIENCE_NS. False: it is capturing, and ends after that. */
static bool end_thread(_Atomic bool *order)
{
    atomic_store(order, true);
    wake_thread();
    return gs_own_thread_join(&thread, STOP_PATIENCE_NS);
}

static bool is_done(const void *pointer)
{
    const struct gs_start_request *request = pointer;
    return atomic_load(&request->done);
}

static int start(const struct gumshoe_options *options)
{
    struct gs_start_request request = {.options = options};
    int error = start_thread(gs_watch_begin, &request);
    if (error)
        return gs_watch_refuse_start(options->error, error, "", "the watcher's thread could not be created");
    (void)gs_event_wait_until(&gs_watcher.state_changed, is_done, &request, INT64_MAX / 2);
    if (request.error)
        (void)gs_own_thread_join(&thread, STOP_PATIENCE_NS);
    return request.error;
}

/* ---- host calls that change what a thread is (step_aside.h) ----------------------------------------------------------- */

/* Start the thread again after it was stopped for a while. The caller holds the gate. */
static void restart_thread(void)
{
    bool inherited = atomic_load(&gs_watcher.inherited);
    if (gs_own_thread_runs(&thread) || !(inherited || atomic_load(&gs_watcher.running)))
        return;
    if (!inherited)
        thread.start.routine = gs_watch_resume;
    atomic_store(&gs_watcher.thread_stopped, false);
    if (gs_own_thread_start_again(&thread))
        gs_log(GS_LOG_ERROR, "not watching any more: the watcher's thread could not be created again");
}

static bool stop_thread(void)
{
    bool ended = end_thread(&gs_watcher.thread_stopped);
    gs_own_thread_wait_gone();
    return ended;
}

/* True: the thread of a new child has opened the store by its parent's path, or has ended. */
static bool has_opened_store(const void *unused)
{
    (void)unused;
    return atomic_load(&gs_watcher.store_opened) || !gs_own_thread_runs(&thread);
}

/* A new child is about to change its root directory: wait until its thread has opened the store. */
static void open_store_before_root(void)
{
    if (atomic_load(&gs_watcher.inherited))
        (void)gs_event_wait_until(&gs_watcher.state_changed, has_opened_store, NULL, ROOT_PATIENCE_NS);
}

static const struct gs_step_aside step_aside = {
    .gate = &gate,
    .thread = &thread,
    .stop_thread = stop_thread,
    .restart_thread = restart_thread,
    .wake = wake_thread,
    .before_root = open_store_before_root,
};

/* ---- forks ------------------------------------------------------------------------------------------------------------ */

/* The child has a copy of the watcher's memory, but not its thread: reset all, also locks that the thread held. */
static void after_fork_in_child(void)
{
    bool inherited = atomic_load(&gs_watcher.inherited) || atomic_load(&gs_watcher.running);
    gs_watch_after_fork();
    gs_watcher.box = NULL;
    gs_watcher.history = NULL;
    gs_box_leave_cancel();
    gs_lock_after_fork(&gate);
    gs_own_thread_after_fork(&thread);
    gs_step_aside_after_fork();
    gs_memory_lock_after_fork();
    atomic_store(&gs_watcher.running, false);
    enum gs_children children = atomic_load(&gs_watcher.children);
    if (children == GS_CHILDREN_OFF)
        gs_probe_stop();
    bool wanted =
        inherited && children != GS_CHILDREN_OFF && !gs_probe_is_sandboxed() && gs_children_may_work();
    atomic_store(&gs_watcher.store_opened, false);
    atomic_store(&gs_watcher.inherited, wanted);
    if (wanted && start_thread(gs_watch_begin_in_child, NULL))
        atomic_store(&gs_watcher.inherited, false);
}

static void leave_box(void)
{
    if (gs_probe_is_sandboxed())
        gs_box_leave_by_mark();
    else
        gs_box_leave();
}

/* Called by the hook of _exit. Status 0 is a normal end, as of a forked child that has done its work. With another status
 * the program may have caught its own crash, so the box stays for a post-mortem. */
static void handle_exit(int status)
{
    if (status == 0)
        leave_box();
}

/* ---- public calls ----------------------------------------------------------------------------------------------------- */

/* Do what needs a host thread, before the first start. Later calls do no harm. 0 or -errno. */
static int prepare(void)
{
    int error = gs_own_tls_learn();
    if (error)
        return error;
    gs_json_use_our_memory();
    gs_memory_reserve();
    gs_watch_settings_try_hooks();
    gs_command_line_prepare();
    gs_children_prepare();
    gs_probe_on_exit(handle_exit);
    gs_step_aside_prepare(&step_aside);
    gs_memory_lock_prepare(&thread, wake_thread);
    gs_probe_on_limit(gs_memory_limit);
    if (!has_fork_handlers)
        pthread_atfork(gs_children_before_fork, NULL, after_fork_in_child);
    has_fork_handlers = true;
    return 0;
}

/* In a forked child whose program starts or stops the watcher itself: drop the inherited state. The caller holds the
 * gate. */
static void drop_inherited(void)
{
    if (!atomic_load(&gs_watcher.inherited))
        return;
    (void)end_thread(&gs_watcher.stopping);
    if (atomic_load(&gs_watcher.inherited)) // otherwise the thread has just taken over
        gs_watcher.settings = (struct gs_settings){0};
    atomic_store(&gs_watcher.inherited, false);
}

bool gs_watch_is_disabled(void)
{
    const char *disable = secure_getenv("GUMSHOE_DISABLE");
    return disable && *disable && strcmp(disable, "0") != 0;
}

int gs_watch_start(const struct gumshoe_options *given)
{
    struct gumshoe_options options = {0};
    if (given) // a program built with an older header knows fewer options
        memcpy(&options, given, given->size && given->size < sizeof options ? given->size : sizeof options);
    if (options.error)
        *options.error = (struct gumshoe_error){0};
    gs_log_to(gs_watch_setting("GUMSHOE_LOG", options.log));
    if (gs_watch_is_disabled())
        return gs_watch_refuse_start(options.error, -ECANCELED, "", "GUMSHOE_DISABLE is set");
    const char *why = gs_probe_cannot_serve();
    if (why)
        return gs_watch_refuse_start(options.error, -ENOTSUP, "", why);
    gs_lock_take(&gate);
    drop_inherited();
    int error = prepare();
    if (error)
        error = gs_watch_refuse_start(options.error, error, "",
                                      "this machine's thread-local storage is not known");
    else if (atomic_load(&gs_watcher.running))
        error = gs_watch_refuse_start(options.error, -EALREADY, "", "the watcher runs already");
    else
        error = start(&options);
    gs_lock_give(&gate);
    if (!error)
        gs_probe_crash_stack();
    return error;
}

void gs_watch_stop(void)
{
    if (gs_own_thread_is_me())
        return;
    if (gs_probe_is_sandboxed()) { // the watcher ends with the process
        leave_box();
        return;
    }
    gs_lock_take(&gate);
    drop_inherited();
    if (atomic_load(&gs_watcher.running) && !gs_own_thread_runs(&thread)) { // stopped for a while
        gs_watch_drop();
        atomic_store(&gs_watcher.running, false);
    } else if (atomic_load(&gs_watcher.running) && !end_thread(&gs_watcher.stopping)) {
        gs_box_leave(); // capturing, ends after that; the process may end sooner
    }
    gs_lock_give(&gate);
}

enum gs_children gs_watch_children(void)
{
    return atomic_load(&gs_watcher.children);
}
