/* notices.c - the thread that waits for the kernel's notices of scarce memory.
 *
 *   poll(2) on the descriptors of metrics/notices.c ──▶ gs_probe_notify ──▶ the watcher looks at once (looks.c)
 *     └── rests for REST_NS after a notice, in which the watcher looks by itself ◀──┘
 *
 * A thread of its own, because the watcher sleeps on a futex, which host threads can wake without a descriptor, and because
 * to register a threshold takes the kernel some 10 ms. It shares the watcher's table of descriptors.
 * Who:    this thread, which the watcher starts and ends; only while a rule has a line that it can help to guard.
 * Bounds: a notice each REST_NS at most, however many the kernel has. */
#include "watch/notices.h"
#include "base/clock.h"
#include "base/json.h"
#include "host/credentials.h"
#include "host/own_thread.h"
#include "metrics/metrics.h"
#include "probe/probe.h"
#include "sys/log.h"
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { STACK_BYTES = 128 << 10, WOKEN = GS_NOTICES };
#define REST_NS (200 * GS_NS_PER_MS)

static struct {
    struct gs_own_thread thread;
    _Atomic bool stopping;
    int woken; // eventfd that wakes the thread; -1: none
    double stalled_share;
    struct gs_notices notices;
    _Atomic bool opened;          // `notices` can be read by the watcher, until the thread is stopped
    _Atomic uint64_t limit_bytes; // gs_watch_notices_limit
    _Atomic uint64_t count, cpu_ns;
} state = {.woken = -1};

/* Register thresholds, one at a call. False: all are, or none can be. */
static bool register_next(void)
{
    if (gs_metrics_notices_register(&state.notices))
        return true;
    bool all =
        state.notices.steps == GS_NOTICE_STEPS - 1 && state.notices.source[GS_NOTICE_THRESHOLDS].fd >= 0;
    atomic_store(&state.limit_bytes, all ? state.notices.limit_bytes : 0);
    return false;
}

enum ready { NOTHING, NO_NOTICE, NOTICE };

/* Take what poll(2) has found in FDS. NO_NOTICE: a descriptor was ready, but memory is no scarcer than before. */
static enum ready take_notices(const struct pollfd *fds)
{
    uint64_t ignored;
    enum ready found = NOTHING;
    if (fds[WOKEN].revents & POLLIN)
        (void)!read(state.woken, &ignored, sizeof ignored);
    for (int i = 0; i < GS_NOTICES; i++) {
        if (fds[i].revents && found == NOTHING)
            found = NO_NOTICE;
        if (gs_metrics_notices_take(&state.notices, (enum gs_notice)i, fds[i].revents))
            found = NOTICE;
    }
    return found;
}

/* Wait for a notice or a wake-up, TIMEOUT_NS at most (negative: no limit); while RESTING for a wake-up only. */
static enum ready wait_for_notice(bool resting, int64_t timeout_ns)
{
    struct pollfd fds[GS_NOTICES + 1];
    for (int i = 0; i < GS_NOTICES; i++) {
        fds[i] = gs_metrics_notices_poll(&state.notices, (enum gs_notice)i);
        if (resting)
            fds[i] = (struct pollfd){.fd = -1};
    }
    fds[WOKEN] = (struct pollfd){.fd = state.woken, .events = POLLIN};
    int timeout_ms = timeout_ns < 0 ? -1 : (int)((timeout_ns + GS_NS_PER_MS - 1) / GS_NS_PER_MS);
    return poll(fds, GS_NOTICES + 1, timeout_ms) > 0 ? take_notices(fds) : NOTHING;
}

static void wait_for_notices(void *unused)
{
    int64_t rests_until_ns = 0;
    bool registering = true;
    (void)unused;
    gs_metrics_notices_open(&state.notices, "", state.stalled_share);
    atomic_store(&state.opened, true);
    while (!atomic_load(&state.stopping)) {
        int64_t left_ns = rests_until_ns - gs_clock_monotonic_ns();
        registering = registering && register_next();
        enum ready found = wait_for_notice(left_ns > 0, registering ? 0 : left_ns > 0 ? left_ns : -1);
        (void)gs_credentials_follow();
        if (found != NOTHING)
            rests_until_ns = gs_clock_monotonic_ns() + REST_NS;
        if (found == NOTICE) {
            atomic_fetch_add(&state.count, 1);
            gs_probe_notify();
        }
        atomic_store(&state.cpu_ns, gs_clock_thread_cpu_ns());
    }
    gs_metrics_notices_close(&state.notices);
}

void gs_watch_notices_start(double stalled_share)
{
    const struct gs_own_thread_options start = {"gumshoe-notice", wait_for_notices, NULL, STACK_BYTES,
                                                GS_FDS_OF_CREATOR};
    gs_watch_notices_stop();
    if (gs_own_thread_runs(&state.thread))
        return;
    atomic_store(&state.stopping, false);
    state.stalled_share = stalled_share;
    state.woken = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = state.woken < 0 ? -errno : gs_own_thread_start(&state.thread, &start);
    if (!error)
        return;
    gs_log(GS_LOG_WARNING, "no thread for the kernel's notices of scarce memory: %s",
           strerrordesc_np(-error));
    if (state.woken >= 0)
        close(state.woken);
    state.woken = -1;
}

void gs_watch_notices_stop(void)
{
    if (state.woken < 0)
        return;
    atomic_store(&state.opened, false);
    atomic_store(&state.stopping, true);
    gs_watch_notices_wake();
    bool ended = gs_own_thread_join(&state.thread, GS_NS_PER_S);
    atomic_store(&state.limit_bytes, 0);
    if (!ended)
        return; // it still uses the descriptor
    close(state.woken);
    state.woken = -1;
}

void gs_watch_notices_wake(void)
{
    const uint64_t one = 1;
    if (state.woken >= 0)
        (void)!write(state.woken, &one, sizeof one);
}

void gs_watch_notices_after_fork(void)
{
    gs_own_thread_after_fork(&state.thread);
    state.woken = -1;
    atomic_store(&state.opened, false);
    atomic_store(&state.limit_bytes, 0);
}

uint64_t gs_watch_notices_limit(void)
{
    return atomic_load(&state.limit_bytes);
}

void gs_watch_notices_describe(struct gs_json *sources)
{
    static const char *const names[GS_NOTICES] = {"thresholds", "events", "pressure"};
    for (int i = 0; i < GS_NOTICES && atomic_load(&state.opened); i++) {
        const struct gs_notice_source *source = &state.notices.source[i];
        gs_json_add(sources,
                    json_pack("{s:s, s:o, s:o}", "source", names[i], "path", gs_json_text(source->path),
                              "unavailable", gs_json_text(atomic_load(&source->why))));
    }
}

uint64_t gs_watch_notices_count(void)
{
    return atomic_load(&state.count);
}

uint64_t gs_watch_notices_cpu_ns(void)
{
    return atomic_load(&state.cpu_ns);
}
