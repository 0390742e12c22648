/* step_aside.c - step_aside.h in code.
 *
 *   hooks/identity.c ──▶ before_change ──▶ stop_thread                        (stopped_depth 0 ─▶ 1: threads may be in such calls at once)
 *                    ──▶ after_change  ─┬▶ allow_thread_back ─▶ restart_thread      (stopped_depth 1 ─▶ 0)
 *                                       └▶ have_threads_follow   ─▶ wait until `followed` has come to the number of this change
 *
 * Who:    host threads, in signal handlers too, and in a child of vfork, which has our memory and is told apart by `pid`; the
 *         watcher's thread, which follows.
 * Bounds: a host thread waits FOLLOW_PATIENCE_NS for the watcher to follow, GATE_PATIENCE_NS for the gate, and as long as the
 * owner's stop_thread takes. A program that makes more than CHANGES_MAX such calls in REST_NS does not wait for the watcher
 *         to follow; and after unshare or setns the thread is not created again before there was none for REST_NS. */
#include "host/step_aside.h"
#include "base/clock.h"
#include "host/callback.h"
#include "host/credentials.h"
#include "probe/probe.h"
#include "sys/event.h"
#include "sys/log.h"
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CHANGES_MAX = 16 };
#define REST_NS            GS_NS_PER_S
#define GATE_PATIENCE_NS   GS_NS_PER_S
#define FOLLOW_PATIENCE_NS (20 * GS_NS_PER_MS) /* for our threads to have the program's new credentials */

static struct {
    const struct gs_step_aside *owner; // set once, before the hooks know of us
    _Atomic pid_t pid;      // of the process that all this is of: a child of vfork has our memory, too
    unsigned stopped_depth; // host threads that are in unshare or setns; under the gate
    _Atomic int64_t changes_since_ns; // `changes` counts from here: host threads
    _Atomic unsigned changes;
    _Atomic uint32_t followed; // changes of credentials that the watcher has followed; it alone writes
    struct gs_event told;      // it has
} s;

/* Is this the process that is watched? A child of vfork has its memory, and no thread of ours. */
static bool is_ours(void)
{
    return atomic_load(&s.pid) == getpid();
}

/* Count this call; true: they come so often that none is to cost the host more than it must. */
static bool changes_are_frequent(void)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    if (now_ns - atomic_load(&s.changes_since_ns) > REST_NS) {
        atomic_store(&s.changes_since_ns, now_ns);
        atomic_store(&s.changes, 0);
    }
    return atomic_fetch_add(&s.changes, 1) >= CHANGES_MAX;
}

/* ---- namespaces: the kernel wants a process of one thread
 * -------------------------------------------------------------------- */

static void stop_thread(void)
{
    if (!gs_lock_try(s.owner->gate, GATE_PATIENCE_NS))
        return;
    s.stopped_depth++;
    if (gs_own_thread_runs(s.owner->thread) && !s.owner->stop_thread())
        gs_log(GS_LOG_WARNING,
               "a capture is under way while the program changes its namespaces: the kernel may refuse that");
    gs_lock_give(s.owner->gate);
}

/* Have the thread run again, unless another host thread is in such a call. Holds the gate. */
static void restart_thread(void)
{
    if (s.stopped_depth == 0)
        s.owner->restart_thread();
}

/* With a sample, after calls that had come too often: it was quiet for long enough. Context: host thread, inside malloc. */
static void restart_after_rest(void)
{
    if (!is_ours() || !gs_lock_try(s.owner->gate, 0))
        return;
    restart_thread();
    gs_lock_give(s.owner->gate);
}

static void allow_thread_back(void)
{
    if (!gs_lock_try(s.owner->gate, GATE_PATIENCE_NS))
        return;
    s.stopped_depth -= s.stopped_depth > 0;
    if (changes_are_frequent())
        gs_probe_tell_sample(restart_after_rest, gs_clock_monotonic_ns() + REST_NS);
    else
        restart_thread();
    gs_lock_give(s.owner->gate);
}

/* ---- credentials: our threads do the same
 * ------------------------------------------------------------------------------------ */

void gs_step_aside_follow(void (*wake_others)(void))
{
    uint32_t changes = gs_credentials_changes();
    if (atomic_load(&s.followed) == changes)
        return;
    (void)gs_credentials_follow();
    wake_others(); // also where this thread had nothing to change: the others may have followed a state that has passed
    atomic_store(&s.followed, changes);
    gs_event_signal(&s.told);
}

/* The watcher has followed the change of credentials of the number at OF, or has ended. */
static bool has_followed(const void *of)
{
    const uint32_t *change = of;
    return (int32_t)(atomic_load(&s.followed) - *change) >= 0 || !gs_own_thread_runs(s.owner->thread);
}

/* Have our threads do as the calling one has done. Where it is done often, the watcher does so in its own time. */
static void have_threads_follow(void)
{
    gs_credentials_changed((int)syscall(SYS_gettid));
    if (!gs_own_thread_runs(s.owner->thread))
        return;
    uint32_t change = gs_credentials_changes();
    s.owner->wake();
    if (!changes_are_frequent())
        (void)gs_event_wait_until(&s.told, has_followed, &change, FOLLOW_PATIENCE_NS);
}

/* ---- around the host's call
 * --------------------------------------------------------------------------------------------------- */

static void before_change(enum gs_change change)
{
    if (!is_ours() || gs_own_thread_is_me())
        return;
    if (change == GS_CHANGE_ROOT) {
        s.owner->before_root();
        return;
    }
    gs_callback_leave();
    if (change == GS_CHANGE_NAMESPACES)
        stop_thread();
}

static void after_change(enum gs_change change)
{
    if (change == GS_CHANGE_ROOT || !is_ours() || gs_own_thread_is_me())
        return;
    if (change == GS_CHANGE_NAMESPACES)
        allow_thread_back();
    else
        have_threads_follow();
    gs_callback_return();
}

/* The owner is known before the hooks can call us, and the pid after: until then a call is not of this process. */
void gs_step_aside_prepare(const struct gs_step_aside *owner)
{
    if (!s.owner)
        s.owner = owner;
    gs_probe_tell_change(before_change, after_change);
    atomic_store(&s.pid, getpid());
}

void gs_step_aside_after_fork(void)
{
    s.stopped_depth = 0;
    atomic_store(&s.pid, getpid());
}
