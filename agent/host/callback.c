/* callback.c - callback.h in code.
 *
 *   watcher: tell ──▶ path[QUEUE] ──▶ the thread: function(path, user) ──▶ done
 *   gumshoe_on_incident(NULL) ──▶ returns when no call is under way, but for a call that it is made from
 *
 * Who:    host threads, the watcher, and the thread itself; `lock` is never held over a call of the function.
 * Bounds: QUEUE incidents wait; of more the log says that the function was not called. */
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
#define LEAVE_PATIENCE_NS GS_NS_PER_S
#define CALLS_PATIENCE_NS (5 * GS_NS_PER_S)

static struct {
    struct gs_lock lock;
    struct gs_event changed; // anything below
    void (*function)(const char *dir, void *user);
    void *user;
    char path[QUEUE][PATH_MAX];
    size_t count;
    bool has_thread, leaving, calling;
    pthread_t thread; // while has_thread
} c = {.lock.rank = GS_RANK_CALLBACK};

/* ---- the thread -------------------------------------------------------------------------------------------------------- */

struct call {
    void (*function)(const char *dir, void *user);
    void *user;
    char path[PATH_MAX];
};

static bool take_call(struct call *out)
{
    gs_lock_take(&c.lock);
    bool found = c.count > 0 && !c.leaving;
    if (found) {
        out->function = c.function;
        out->user = c.user;
        strcpy(out->path, c.path[0]);
        memmove(c.path[0], c.path[1], (--c.count) * sizeof c.path[0]);
        c.calling = found = out->function != NULL;
    }
    gs_lock_give(&c.lock);
    return found;
}

static void call_is_over(void)
{
    gs_lock_take(&c.lock);
    c.calling = false;
    gs_lock_give(&c.lock);
    gs_event_signal(&c.changed);
}

static bool is_leaving(void)
{
    gs_lock_take(&c.lock);
    bool leaving = c.leaving;
    gs_lock_give(&c.lock);
    return leaving;
}

static void *call_all(void *unused)
{
    struct call call;
    (void)unused;
    gs_probe_own_thread(true); // dumps leave it out
    for (;;) {
        uint32_t seen = gs_event_seen(&c.changed);
        while (take_call(&call)) {
            call.function(call.path, call.user);
            call_is_over();
        }
        if (is_leaving())
            break;
        gs_event_wait(&c.changed, seen, INT64_MAX / 2);
    }
    gs_probe_own_thread(false);
    return NULL;
}

/* Holds the lock. */
static void start_thread(void)
{
    sigset_t all, old;
    pthread_attr_t attributes;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &old); // no signal that is meant for the host ends there
    c.leaving = false;
    int error = pthread_create(&c.thread, &attributes, call_all, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    c.has_thread = error == 0;
    if (error)
        gs_log(GS_LOG_WARNING, "gumshoe_on_incident: no thread for it: %s", strerrordesc_np(error));
}

/* ---- host threads -------------------------------------------------------------------------------------------------------- */

/* No call is under way, but for one that this is asked from. */
static bool is_quiet(const void *unused)
{
    (void)unused;
    gs_lock_take(&c.lock);
    bool quiet = !c.calling || pthread_equal(c.thread, pthread_self());
    gs_lock_give(&c.lock);
    return quiet;
}

void gs_callback_set(void (*function)(const char *dir, void *user), void *user)
{
    gs_lock_take(&c.lock);
    c.function = function;
    c.user = user;
    if (!function)
        c.count = 0;
    if (function && !c.has_thread)
        start_thread();
    gs_lock_give(&c.lock);
    if (!function)
        (void)gs_event_wait_until(&c.changed, is_quiet, NULL, INT64_MAX / 2);
}

/* All calls were made, but for one that this is asked from; or there is nobody to make them. */
static bool has_made_calls(const void *unused)
{
    (void)unused;
    gs_lock_take(&c.lock);
    bool mine = c.has_thread && pthread_equal(c.thread, pthread_self());
    bool made = !c.has_thread || mine || (c.count == 0 && !c.calling);
    gs_lock_give(&c.lock);
    return made;
}

void gs_callback_wait(void)
{
    (void)gs_event_wait_until(&c.changed, has_made_calls, NULL, CALLS_PATIENCE_NS);
}

/* The thread, if it is to be waited for, has been told to end. */
static bool ask_to_leave(pthread_t *thread)
{
    gs_lock_take(&c.lock);
    bool idle = c.has_thread && !c.calling;
    if (idle) {
        c.leaving = true;
        c.has_thread = false;
        *thread = c.thread;
    }
    gs_lock_give(&c.lock);
    gs_event_signal(&c.changed);
    return idle;
}

void gs_callback_leave(void)
{
    pthread_t thread;
    if (c.function)
        (void)gs_event_wait_until(&c.changed, is_quiet, NULL, LEAVE_PATIENCE_NS);
    if (ask_to_leave(&thread))
        pthread_join(thread, NULL);
}

void gs_callback_return(void)
{
    gs_lock_take(&c.lock);
    if (c.function && !c.has_thread)
        start_thread();
    gs_lock_give(&c.lock);
}

/* ---- the watcher ----------------------------------------------------------------------------------------------------------- */

void gs_callback_tell(const char *path)
{
    gs_lock_take(&c.lock);
    bool wanted = c.function, room = c.has_thread && c.count < QUEUE;
    if (wanted && room)
        snprintf(c.path[c.count++], PATH_MAX, "%s", path);
    gs_lock_give(&c.lock);
    if (wanted && !room)
        gs_log(GS_LOG_WARNING,
               "gumshoe_on_incident: the function was not called for %s: it has not returned from others",
               path);
    gs_event_signal(&c.changed);
}

void gs_callback_end(void)
{
    gs_lock_take(&c.lock);
    c.leaving = true;
    gs_lock_give(&c.lock);
    gs_event_signal(&c.changed);
}

void gs_callback_after_fork(void)
{
    gs_lock_after_fork(&c.lock);
    c.function = NULL;
    c.count = 0;
    c.has_thread = c.leaving = c.calling = false;
}
