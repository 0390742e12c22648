/* callback.c - runs the function of gumshoe_on_incident on a thread of its own.
 *
 *   watcher: gs_callback_tell ──▶ path[QUEUE] ──▶ the thread: function(path, user)
 *   gumshoe_on_incident(NULL) ──▶ waits until the function does not run; called by the function itself it does not wait
 *
 * Who:    host threads, the watcher, and the thread itself; `lock` is never held while the function runs.
 * Bounds: QUEUE incidents wait; for further ones the function is not called, which is logged. */
#include "host/callback.h"
#include "base/clock.h"
#include "probe/probe.h"
#include "sys/event.h"
#include "sys/lock.h"
#include "sys/log.h"
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { QUEUE = 8, STACK_BYTES = 256 << 10 };
#define STOP_PATIENCE_NS  GS_NS_PER_S
#define CALLS_PATIENCE_NS (5 * GS_NS_PER_S)

static struct {
    struct gs_lock lock;
    struct gs_event changed; // one of the members below has changed
    void (*function)(const char *dir, void *user);
    void *user;
    size_t count;                             // of queued_path
    bool has_thread, stop_requested, calling; // calling: the function runs
    pthread_t thread;                         // valid while has_thread
} callbacks = {.lock.rank = GS_RANK_CALLBACK};
static char queued_path[QUEUE][PATH_MAX]; // under that lock; apart, so that it is in .bss

/* ---- the thread ------------------------------------------------------------------------------------------------------- */

struct call {
    void (*function)(const char *dir, void *user);
    void *user;
    char path[PATH_MAX];
};

static bool take_call(struct call *out)
{
    gs_lock_take(&callbacks.lock);
    bool found = callbacks.count > 0 && !callbacks.stop_requested;
    if (found) {
        out->function = callbacks.function;
        out->user = callbacks.user;
        strcpy(out->path, queued_path[0]);
        memmove(queued_path[0], queued_path[1], (--callbacks.count) * sizeof queued_path[0]);
        callbacks.calling = found = out->function != NULL;
    }
    gs_lock_give(&callbacks.lock);
    return found;
}

static void end_call(void)
{
    gs_lock_take(&callbacks.lock);
    callbacks.calling = false;
    gs_lock_give(&callbacks.lock);
    gs_event_signal(&callbacks.changed);
}

static bool is_stop_requested(void)
{
    gs_lock_take(&callbacks.lock);
    bool requested = callbacks.stop_requested;
    gs_lock_give(&callbacks.lock);
    return requested;
}

static void *run_calls(void *unused)
{
    struct call call;
    (void)unused;
    gs_probe_own_thread(true); // leave it out of thread dumps
    for (;;) {
        uint32_t seen = gs_event_seen(&callbacks.changed);
        while (take_call(&call)) {
            call.function(call.path, call.user);
            end_call();
        }
        if (is_stop_requested())
            break;
        gs_event_wait(&callbacks.changed, seen, INT64_MAX / 2);
    }
    gs_probe_own_thread(false);
    return NULL;
}

/* Start the thread; failure is logged. The caller holds the lock. */
static void start_thread(void)
{
    sigset_t all, old;
    pthread_attr_t attributes;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &old); // the thread must not receive signals of the host
    callbacks.stop_requested = false;
    int error = pthread_create(&callbacks.thread, &attributes, run_calls, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    callbacks.has_thread = error == 0;
    if (error)
        gs_log(GS_LOG_WARNING, "gumshoe_on_incident: its thread could not be created: %s",
               strerrordesc_np(error));
}

/* ---- host threads ----------------------------------------------------------------------------------------------------- */

/* True: the function does not run, or the caller is the function itself. */
static bool is_not_running(const void *unused)
{
    (void)unused;
    gs_lock_take(&callbacks.lock);
    bool quiet = !callbacks.calling || pthread_equal(callbacks.thread, pthread_self());
    gs_lock_give(&callbacks.lock);
    return quiet;
}

void gs_callback_set(void (*function)(const char *dir, void *user), void *user)
{
    gs_lock_take(&callbacks.lock);
    callbacks.function = function;
    callbacks.user = user;
    if (!function)
        callbacks.count = 0;
    if (function && !callbacks.has_thread)
        start_thread();
    gs_lock_give(&callbacks.lock);
    if (!function)
        (void)gs_event_wait_until(&callbacks.changed, is_not_running, NULL, INT64_MAX / 2);
}

/* True: all calls have returned, or the caller is the function itself, or there is no thread to make calls. */
static bool are_calls_made(const void *unused)
{
    (void)unused;
    gs_lock_take(&callbacks.lock);
    bool is_caller = callbacks.has_thread && pthread_equal(callbacks.thread, pthread_self());
    bool made = !callbacks.has_thread || is_caller || (callbacks.count == 0 && !callbacks.calling);
    gs_lock_give(&callbacks.lock);
    return made;
}

void gs_callback_wait(void)
{
    (void)gs_event_wait_until(&callbacks.changed, are_calls_made, NULL, CALLS_PATIENCE_NS);
}

/* Tell the thread to end, unless the function runs. True: told; the caller joins *THREAD. */
static bool request_stop(pthread_t *thread)
{
    gs_lock_take(&callbacks.lock);
    bool idle = callbacks.has_thread && !callbacks.calling;
    if (idle) {
        callbacks.stop_requested = true;
        callbacks.has_thread = false;
        *thread = callbacks.thread;
    }
    gs_lock_give(&callbacks.lock);
    gs_event_signal(&callbacks.changed);
    return idle;
}

void gs_callback_stop_thread(void)
{
    pthread_t thread;
    if (callbacks.function)
        (void)gs_event_wait_until(&callbacks.changed, is_not_running, NULL, STOP_PATIENCE_NS);
    if (request_stop(&thread))
        pthread_join(thread, NULL);
}

void gs_callback_restart_thread(void)
{
    gs_lock_take(&callbacks.lock);
    if (callbacks.function && !callbacks.has_thread)
        start_thread();
    gs_lock_give(&callbacks.lock);
}

/* ---- the watcher ------------------------------------------------------------------------------------------------------ */

void gs_callback_tell(const char *path)
{
    gs_lock_take(&callbacks.lock);
    bool is_set = callbacks.function, room = callbacks.has_thread && callbacks.count < QUEUE;
    if (is_set && room)
        snprintf(queued_path[callbacks.count++], PATH_MAX, "%s", path);
    gs_lock_give(&callbacks.lock);
    if (is_set && !room)
        gs_log(GS_LOG_WARNING,
               "gumshoe_on_incident: the function was not called for %s: it is still busy with earlier "
               "incidents",
               path);
    gs_event_signal(&callbacks.changed);
}

void gs_callback_end(void)
{
    gs_lock_take(&callbacks.lock);
    callbacks.stop_requested = true;
    gs_lock_give(&callbacks.lock);
    gs_event_signal(&callbacks.changed);
}

void gs_callback_after_fork(void)
{
    gs_lock_after_fork(&callbacks.lock);
    callbacks.function = NULL;
    callbacks.count = 0;
    callbacks.has_thread = callbacks.stop_requested = callbacks.calling = false;
}
