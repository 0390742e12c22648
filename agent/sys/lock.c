/* lock.c - locks on futex(2). */
#include "sys/lock.h"
#include "base/clock.h"
#include "sys/futex.h"

enum { FREE, TAKEN, WAITED_FOR };

/* ---- the order of locks ---------------------------------------------------------------------------------------------- */

#ifdef GUMSHOE_CHECK_LOCKS
static _Thread_local uint32_t ranks_held __attribute__((tls_model("initial-exec")));

static void check_taken(const struct gs_lock *lock)
{
    if (ranks_held >> lock->rank)
        __builtin_trap(); // this thread already holds a lock of the same or a higher rank
    ranks_held |= 1u << lock->rank;
}

static void check_given(const struct gs_lock *lock)
{
    if (!(ranks_held >> lock->rank & 1))
        __builtin_trap(); // this thread does not hold it
    ranks_held &= ~(1u << lock->rank);
}
#else
static void check_taken(const struct gs_lock *lock)
{
    (void)lock;
}

static void check_given(const struct gs_lock *lock)
{
    (void)lock;
}
#endif

/* ---- the lock -------------------------------------------------------------------------------------------------------- */

static bool take_until(struct gs_lock *lock, int64_t until_ns)
{
    uint32_t expected = FREE;
    if (atomic_compare_exchange_strong(&lock->state, &expected, TAKEN))
        return true;
    while (atomic_exchange(&lock->state, WAITED_FOR) != FREE) {
        int64_t left_ns = until_ns == INT64_MAX ? -1 : until_ns - gs_clock_monotonic_ns();
        if (until_ns != INT64_MAX && left_ns <= 0)
            return false;
        gs_futex_sleep(&lock->state, WAITED_FOR, left_ns);
    }
    return true;
}

void gs_lock_take(struct gs_lock *lock)
{
    (void)take_until(lock, INT64_MAX);
    check_taken(lock);
}

bool gs_lock_try(struct gs_lock *lock, int64_t timeout_ns)
{
    uint32_t expected = FREE;
    bool taken = timeout_ns ? take_until(lock, gs_clock_monotonic_ns() + timeout_ns)
                            : atomic_compare_exchange_strong(&lock->state, &expected, TAKEN);
    if (taken)
        check_taken(lock);
    return taken;
}

void gs_lock_give(struct gs_lock *lock)
{
    check_given(lock);
    if (atomic_exchange(&lock->state, FREE) == WAITED_FOR)
        gs_futex_wake(&lock->state, 1);
}

void gs_lock_after_fork(struct gs_lock *lock)
{
    atomic_store(&lock->state, FREE);
#ifdef GUMSHOE_CHECK_LOCKS
    ranks_held = 0;
#endif
}
