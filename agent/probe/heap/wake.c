/* wake.c - how the watcher sleeps, and what wakes it early.
 *
 *   heap_in_use reaches the alarm's line ──▶ bit in `pending` ──futex wake──▶ gs_probe_wait returns
 *
 * An alarm fires once. A call is a gs_probe_wake, a notice a gs_probe_notify. If several are pending, calls of gs_probe_wait
 * return them one by one.
 * Who:    only the watcher waits; host threads wake it with one exchange and, once for each alarm, one futex
 *         call, which does not block. A thread in a sandbox makes no call: the watcher finds the bit at its next tick. */
#include "probe/heap/inside.h"
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ALARM = 1, CALL = 2, NOTICE = 4 };

static _Atomic uint32_t pending;
static _Atomic uint64_t line = UINT64_MAX;

static void wake(uint32_t bit)
{
    int saved_errno = errno;
    if (!(atomic_fetch_or_explicit(&pending, bit, memory_order_acq_rel) & bit) && !gs_is_sandboxed())
        syscall(SYS_futex, &pending, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved_errno;
}

void gs_heap_alarm_check(uint64_t heap_in_use)
{
    uint64_t at = atomic_load_explicit(&line, memory_order_relaxed);
    if (GS_LIKELY(heap_in_use < at))
        return;
    if (atomic_compare_exchange_strong_explicit(&line, &at, UINT64_MAX, memory_order_relaxed,
                                                memory_order_relaxed))
        wake(ALARM);
}

static bool muted; // written and read by the watcher only

void gs_probe_alarm_mute(bool mute)
{
    muted = mute;
}

bool gs_probe_alarm_is_muted(void)
{
    return muted;
}

void gs_probe_alarm_at(uint64_t line_bytes)
{
    atomic_store_explicit(&line, muted ? UINT64_MAX : line_bytes, memory_order_relaxed);
    gs_heap_alarm_check(gs_probe_heap_in_use()); // heap_in_use may have reached the line before it was set
}

void gs_probe_wake(void)
{
    wake(CALL);
}

void gs_probe_notify(void)
{
    wake(NOTICE);
}

enum gs_wake gs_probe_wait(int64_t timeout_ns)
{
    static const enum gs_wake results[] = {
        [0] = GS_WAKE_TIMEOUT, [ALARM] = GS_WAKE_ALARM, [CALL] = GS_WAKE_CALL, [NOTICE] = GS_WAKE_NOTICE};
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    if (atomic_load_explicit(&pending, memory_order_acquire) == 0 && timeout_ns > 0)
        syscall(SYS_futex, &pending, FUTEX_WAIT_PRIVATE, 0, &timeout, NULL, 0);
    uint32_t bits = atomic_load_explicit(&pending, memory_order_acquire), reported = bits & ALARM ? ALARM
                                                                                     : bits & NOTICE
                                                                                         ? NOTICE
                                                                                         : bits & CALL;
    if (reported)
        atomic_fetch_and_explicit(&pending, ~reported,
                                  memory_order_acq_rel); // the other bits stay for the next call
    return results[reported];
}
