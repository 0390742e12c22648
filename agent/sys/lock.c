/* lock.c - lock.h in code. */
#include "sys/lock.h"
#include "base/clock.h"
#include "sys/futex.h"

enum { FREE, TAKEN, WAITED_FOR };

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
    note_taken(lock);
}

bool gs_lock_try(struct gs_lock *lock, int64_t timeout_ns)
{
    uint32_t there = FREE;
    bool taken = timeout_ns ? take_until(lock, gs_clock_monotonic_ns() + timeout_ns)
                            : atomic_compare_exchange_strong(&lock->state, &there, TAKEN);
    if (taken)
        note_taken(lock);
    return taken;
}

void gs_lock_give(struct gs_lock *lock)
{
    note_given(lock);
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
