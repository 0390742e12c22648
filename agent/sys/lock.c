/* lock.c - lock.h in code. */
#include "sys/lock.h"
#include "base/clock.h"
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FREE, TAKEN, WAITED_FOR };

/* Sleep while *WORD is VALUE, for TIMEOUT_NS at most; negative: for any time. */
static void sleep_on(_Atomic uint32_t *word, uint32_t value, int64_t timeout_ns)
{
    struct timespec timeout = {timeout_ns / GS_NS_PER_S, timeout_ns % GS_NS_PER_S};
    int kept = errno;
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns < 0 ? NULL : &timeout, NULL, 0);
    errno = kept;
}

static void wake(_Atomic uint32_t *word, int how_many)
{
    int kept = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, how_many, NULL, NULL, 0);
    errno = kept;
}

/* ---- the order of locks ---------------------------------------------------------------------------------------------- */

#ifdef GUMSHOE_CHECK_LOCKS
static _Thread_local uint32_t ranks_held __attribute__((tls_model("initial-exec")));

static void note_taken(const struct gs_lock *lock)
{
    if (ranks_held >> lock->rank)
        __builtin_trap(); // this thread holds one of the same rank, or of a higher one
    ranks_held |= 1u << lock->rank;
}

static void note_given(const struct gs_lock *lock)
{
    if (!(ranks_held >> lock->rank & 1))
        __builtin_trap(); // it does not hold it
    ranks_held &= ~(1u << lock->rank);
}
#else
static void note_taken(const struct gs_lock *lock)
{
    (void)lock;
}

static void note_given(const struct gs_lock *lock)
{
    (void)lock;
}
#endif

/* ---- the lock -------------------------------------------------------------------------------------------------------- */

static bool take_until(struct gs_lock *lock, int64_t until_ns)
{
    uint32_t there = FREE;
    if (atomic_compare_exchange_strong(&lock->state, &there, TAKEN))
        return true;
    while (atomic_exchange(&lock->state, WAITED_FOR) != FREE) {
        int64_t left_ns = until_ns == INT64_MAX ? -1 : until_ns - gs_monotonic_ns();
        if (until_ns != INT64_MAX && left_ns <= 0)
            return false;
        sleep_on(&lock->state, WAITED_FOR, left_ns);
    }
    return true;
}

void gs_lock_take(struct gs_lock *lock)
{
    (void)take_until(lock, INT64_MAX);
    note_taken(lock);
}

bool gs_lock_try(struct gs_lock *lock, int64_t timeout_ns)
{
    uint32_t there = FREE;
    bool taken = timeout_ns ? take_until(lock, gs_monotonic_ns() + timeout_ns)
                            : atomic_compare_exchange_strong(&lock->state, &there, TAKEN);
    if (taken)
        note_taken(lock);
    return taken;
}

void gs_lock_give(struct gs_lock *lock)
{
    note_given(lock);
    if (atomic_exchange(&lock->state, FREE) == WAITED_FOR)
        wake(&lock->state, 1);
}

void gs_lock_after_fork(struct gs_lock *lock)
{
    atomic_store(&lock->state, FREE);
#ifdef GUMSHOE_CHECK_LOCKS
    ranks_held = 0;
#endif
}

/* ---- the event ------------------------------------------------------------------------------------------------------- */

void gs_event_signal(struct gs_event *event)
{
    atomic_fetch_add(&event->count, 1);
    wake(&event->count, INT32_MAX);
}

bool gs_event_wait(struct gs_event *event, uint32_t seen, int64_t timeout_ns)
{
    int64_t until_ns = gs_monotonic_ns() + timeout_ns;
    for (int64_t left_ns = timeout_ns; atomic_load(&event->count) == seen && left_ns > 0;
         left_ns = until_ns - gs_monotonic_ns())
        sleep_on(&event->count, seen, left_ns);
    return atomic_load(&event->count) != seen;
}

bool gs_event_wait_until(struct gs_event *event, bool (*is_so)(const void *of), const void *of, int64_t timeout_ns)
{
    int64_t until_ns = gs_monotonic_ns() + timeout_ns;
    for (;;) {
        uint32_t seen = gs_event_seen(event);
        bool so = is_so(of);
        int64_t left_ns = until_ns - gs_monotonic_ns();
        if (so || left_ns <= 0)
            return so;
        gs_event_wait(event, seen, left_ns);
    }
}
