/* step_aside.c - keeps the watcher's thread out of host calls that it would disturb.
 *
 *   hooks/identity.c ──▶ before_change ──▶ stop_thread                          (stopped_depth + 1)
 *                    ──▶ after_change  ─┬▶ allow_thread_back ─▶ restart_thread   (stopped_depth - 1; at 0)
 *                                       └▶ have_threads_follow ─▶ wait until followed_changes reaches this change
 *
 * Who:    host threads, also in signal handlers, and in a child of vfork, which shares our memory and differs in `pid`; the
 *         watcher's thread, which follows changes of credentials.
 * Bounds: a host thread waits FOLLOW_PATIENCE_NS for the watcher to follow, GATE_PATIENCE_NS for the gate, and as
 *         long as the owner's stop_thread takes. A program that makes more than CHANGES_MAX such calls in REST_NS does not
 *         wait for the watcher to follow; and after unshare or setns the thread is restarted only after REST_NS without such
 *         calls. */
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
    const struct gs_step_aside *owner; // set once, before the hooks may call us
    _Atomic pid_t pid;      // of the watched process; a child of vfork shares our memory, but has another pid
    unsigned stopped_depth; // number of host threads in unshare or setns; under the gate
    _Atomic int64_t changes_since_ns; // when `changes` began to count; written by host threads
    _Atomic unsigned changes;
    _Atomic uint32_t
        followed_changes; // number of the last change of credentials that the watcher has followed; only it writes
    struct gs_event followed; // signalled after that
} state;

/* True: this is the watched process, not a child of vfork, which shares its memory but has no agent thread. */
static bool is_watched_process(void)
{
    return atomic_load(&state.pid) == getpid();
}

/* Count this call. True: such calls are so frequent that the host must not wait for us. */
static bool changes_are_frequent(void)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    if (now_ns - atomic_load(&state.changes_since_ns) > REST_NS) {
        atomic_store(&state.changes_since_ns, now_ns);
        atomic_store(&state.changes, 0);
    }
    return atomic_fetch_add(&state.changes, 1) >= CHANGES_MAX;
}

/* ---- namespaces: the kernel requires a process with one thread -------------------------------------------------------- */

static void stop_thread(void)
{
    if (!gs_lock_try(state.owner->gate, GATE_PATIENCE_NS))
        return;
    state.stopped_depth++;
    if (gs_own_thread_runs(state.owner->thread) && !state.owner->stop_thread())
        gs_log(GS_LOG_WARNING,
               "a capture is under way while the program changes its namespaces: the kernel may refuse that");
    gs_lock_give(state.owner->gate);
}

/* Restart the thread, unless another host thread is in such a call. The caller holds the gate. */
static void restart_thread(void)
{
    if (state.stopped_depth == 0)
        state.owner->restart_thread();
}

/* Called with a heap sample, REST_NS after frequent calls: restart the thread. Context: host thread, inside malloc. */
static void restart_after_rest(void)
{
    if (!is_watched_process() || !gs_lock_try(state.owner->gate, 0))
        return;
    restart_thread();
    gs_lock_give(state.owner->gate);
}

static void allow_thread_back(void)
{
    if (!gs_lock_try(state.owner->gate, GATE_PATIENCE_NS))
        return;
    state.stopped_depth -= state.stopped_depth > 0;
    if (changes_are_frequent())
        gs_probe_on_next_sample(restart_after_rest, gs_clock_monotonic_ns() + REST_NS);
    else
        restart_thread();
    gs_lock_give(state.owner->gate);
}

/* ---- credentials: the agent's threads follow -------------------------------------------------------------------------- */

void gs_step_aside_follow(void (*before_user)(uid_t uid, gid_t gid), void (*wake_others)(void))
{
    uint32_t changes = gs_credentials_changes();
    if (atomic_load(&state.followed_changes) == changes)
        return;
    (void)gs_credentials_follow_and_tell(before_user);
    wake_others(); // even if this thread had nothing to change: the others may have followed an older state
    atomic_store(&state.followed_changes, changes);
    gs_event_signal(&state.followed);
}

/* True: the watcher has followed the change with the number at POINTER, or has ended. */
static bool has_followed(const void *pointer)
{
    const uint32_t *change = pointer;
    return (int32_t)(atomic_load(&state.followed_changes) - *change) >= 0 ||
           !gs_own_thread_runs(state.owner->thread);
}

/* Have the agent's threads take over the credentials of the calling thread. Waits for that, unless changes are frequent. */
static void have_threads_follow(void)
{
    gs_credentials_changed((int)syscall(SYS_gettid));
    if (!gs_own_thread_runs(state.owner->thread))
        return;
    uint32_t change = gs_credentials_changes();
    state.owner->wake();
    if (!changes_are_frequent())
        (void)gs_event_wait_until(&state.followed, has_followed, &change, FOLLOW_PATIENCE_NS);
}

/* ---- before and after the host's call --------------------------------------------------------------------------------- */

static void before_change(enum gs_change change)
{
    if (!is_watched_process() || gs_own_thread_is_me())
        return;
    if (change == GS_CHANGE_ROOT) {
        state.owner->before_root();
        return;
    }
    gs_callback_stop_thread();
    if (change == GS_CHANGE_NAMESPACES)
        stop_thread();
}

static void after_change(enum gs_change change)
{
    if (change == GS_CHANGE_ROOT || !is_watched_process() || gs_own_thread_is_me())
        return;
    if (change == GS_CHANGE_NAMESPACES)
        allow_thread_back();
    else
        have_threads_follow();
    gs_callback_restart_thread();
}

/* The owner is set before the hooks can call us, the pid after: until then is_watched_process() is false. */
void gs_step_aside_prepare(const struct gs_step_aside *owner)
{
    if (!state.owner)
        state.owner = owner;
    gs_probe_on_change(before_change, after_change);
    atomic_store(&state.pid, getpid());
}

void gs_step_aside_after_fork(void)
{
    state.stopped_depth = 0;
    atomic_store(&state.pid, gs_probe_is_sandboxed() ? 0 : getpid()); // there is no watcher in such a child
}
