/* locks.c - reads glibc's locks: which thread waits for which, who holds what it waits for; finds deadlocks.
 *
 *   futex(WAIT, word, 2)          a contended mutex: { int lock, count, owner, … }, owner is a thread id
 *   futex(WAIT, word, tid|flags)  a robust mutex: the word itself holds the owner's thread id
 *   futex(LOCK_PI, word)          a mutex with priority inheritance: likewise
 *   futex(WAIT, word, tid)        shared, and the word is a living thread's id: pthread_join waits for its end
 *   pthread_rwlock_t              { readers, writers, wrphase_futex, writers_futex, …, cur_writer }: threads wait on one of
 *                                 the first four; readers counts three flags and the readers, cur_writer is a thread id
 *   pthread_cond_t                threads wait on one of the two words of g_signals
 *
 * The futex call alone does not tell a mutex from a program's own lock: waits.c looks at the functions on the stack, too.
 * Source: glibc's nptl (struct __pthread_mutex_s, pthread_rwlock_common.c, pthread_cond_wait.c, pthread_join), futex(2).
 * Context: watcher, CLI. The host's memory may be unmapped at any time: it is read by struct gs_memory, which may fail. */
#include "base/search.h"
#include "gather/inside.h"
#include <gnu/libc-version.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

// clang-format off
enum {
    MUTEX_OWNER     = offsetof(pthread_mutex_t, __data.__owner),
    RWLOCK_PHASE    = offsetof(pthread_rwlock_t, __data.__wrphase_futex),
    RWLOCK_WRITERS  = offsetof(pthread_rwlock_t, __data.__writers_futex),
    RWLOCK_WRITER   = offsetof(pthread_rwlock_t, __data.__cur_writer),
    READERS_WRITE_PHASE = 1, READERS_WRITE_LOCKED = 2, READERS_SHIFT = 3, // in pthread_rwlock_t.__data.__readers
    CONDITION_SIGNALS = 40, CONDITION_SIGNALS_2_41 = 32,                  // pthread_cond_t.__data.__g_signals: before glibc 2.41, and since
    BARRIER_ROUND = 4, // struct pthread_barrier: { in, current_round, … }
    PAGE = 4096,
};
// clang-format on

/* ---- the memory around a futex -------------------------------------------------------------------------------------- */

void gs_gather_lock_memory_read(const struct gs_memory *memory, uintptr_t futex, struct gs_lock_memory *out)
{
    unsigned in_page = (unsigned)(futex % PAGE);
    *out = (struct gs_lock_memory){.end = GS_LOCK_BYTES};
    if (memory->read(memory, futex - GS_LOCK_BEFORE, out->bytes, GS_LOCK_BYTES))
        return;
    out->first = in_page < GS_LOCK_BEFORE ? GS_LOCK_BEFORE - in_page : 0; // as far as the page reaches
    if (PAGE - in_page < GS_LOCK_BYTES - GS_LOCK_BEFORE)
        out->end = GS_LOCK_BEFORE + PAGE - in_page;
    if (!memory->read(memory, futex - GS_LOCK_BEFORE + out->first, out->bytes + out->first,
                      out->end - out->first))
        out->first = out->end = 0;
}

/* The word at OFFSET from the futex word; false: it was not read. */
static bool word_at(const struct gs_lock_memory *lock, int offset, uint32_t *out)
{
    unsigned at = (unsigned)(GS_LOCK_BEFORE + offset);
    if (at < lock->first || at + sizeof *out > lock->end)
        return false;
    memcpy(out, lock->bytes + at, sizeof *out);
    return true;
}

/* ---- which thread waits for which ----------------------------------------------------------------------------------- */

static bool is_priority_inheritance(uint32_t operation)
{
    int command = (int)(operation & (uint32_t)FUTEX_CMD_MASK);
    return command == FUTEX_LOCK_PI || command == 13; // FUTEX_LOCK_PI2
}

bool gs_gather_waits_for(const struct gs_lock_memory *lock, const struct gs_thread_stack *stack,
                         struct gs_wait *out)
{
    uint32_t word, owner, operation = (uint32_t)stack->argument[1], wanted = (uint32_t)stack->argument[2];
    if (stack->call != SYS_futex || !word_at(lock, 0, &word))
        return false;
    *out = (struct gs_wait){.lock = stack->argument[0]};
    if (is_priority_inheritance(operation)) {
        out->holder = (int)(word & FUTEX_TID_MASK);
        return out->holder > 0;
    }
    int command = (int)(operation & (uint32_t)FUTEX_CMD_MASK);
    if ((command != FUTEX_WAIT && command != FUTEX_WAIT_BITSET) || word != wanted)
        return false;
    if (word == 2) {
        if (!word_at(lock, MUTEX_OWNER, &owner))
            return false;
        out->holder = (int)owner;
    } else if (word & FUTEX_WAITERS)
        out->holder = (int)(word & FUTEX_TID_MASK);
    else if (!(operation & FUTEX_PRIVATE_FLAG)) {
        out->holder = (int)word;
        out->lock = 0;
    }
    return out->holder > 0;
}

static size_t index_of(const struct gs_wait *wait, size_t count, int tid)
{
    struct gs_search search = {.high = count};
    while (gs_search_next(&search))
        gs_search_step(&search, wait[search.middle].tid < tid);
    return search.low < count && wait[search.low].tid == tid ? search.low : SIZE_MAX;
}

size_t gs_gather_find_deadlock(const struct gs_wait *wait, size_t count, size_t out[], size_t max)
{
    for (size_t first = 0; first < count; first++) {
        size_t length = 0, at = first;
        do
            out[length++] = at;
        while ((at = index_of(wait, count, wait[at].holder)) != SIZE_MAX && at != first && length < max);
        if (at == first)
            return length;
    }
    return 0;
}

/* ---- one lock ------------------------------------------------------------------------------------------------------------ */

/* Where __g_signals is in pthread_cond_t of the C library that runs now. */
static uint64_t signals_offset(void)
{
    int major = 0, minor = 0;
    return sscanf(gnu_get_libc_version(), "%d.%d", &major, &minor) == 2 && major == 2 && minor < 41
               ? CONDITION_SIGNALS
               : CONDITION_SIGNALS_2_41;
}

/* The offset of the futex word in the rwlock. Writers wait on writers_futex, or on wrphase_futex for the value 2; readers
 * on wrphase_futex for the value 3, or on readers, whose values are larger. pthread_rwlock_t is aligned to 8 bytes. */
static int offset_in_rwlock(const struct gs_futex *futex)
{
    if (futex->address % 8 == 4)
        return RWLOCK_WRITERS;
    return futex->wanted <= 3 ? RWLOCK_PHASE : 0;
}

static void read_mutex(const struct gs_futex *futex, const struct gs_lock_memory *lock,
                       struct gs_lock_state *out)
{
    uint32_t word, owner;
    if (!word_at(lock, 0, &word))
        return;
    if (is_priority_inheritance(futex->operation) || futex->wanted & FUTEX_WAITERS)
        owner = word & FUTEX_TID_MASK;
    else if (!word_at(lock, MUTEX_OWNER, &owner))
        return;
    out->known = true;
    out->holder = word ? (int)owner : 0;
}

static void read_rwlock(const struct gs_futex *futex, const struct gs_lock_memory *lock,
                        struct gs_lock_state *out)
{
    uint32_t readers, writer;
    int offset = offset_in_rwlock(futex);
    out->address = futex->address - (unsigned)offset;
    if (!word_at(lock, -offset, &readers) || !word_at(lock, RWLOCK_WRITER - offset, &writer))
        return;
    out->known = true;
    if (!(readers & READERS_WRITE_PHASE))
        out->readers = readers >> READERS_SHIFT;
    else if (readers & READERS_WRITE_LOCKED)
        out->holder = (int)writer;
}

void gs_gather_lock_read(enum gs_wait_kind kind, const struct gs_futex *futex,
                         const struct gs_lock_memory *lock, struct gs_lock_state *out)
{
    *out = (struct gs_lock_state){.address = futex->address};
    if (kind == GS_WAIT_MUTEX)
        read_mutex(futex, lock, out);
    else if (kind == GS_WAIT_RWLOCK)
        read_rwlock(futex, lock, out);
    else if (kind == GS_WAIT_CONDITION)
        out->address = futex->address / 8 * 8 - signals_offset();
    else if (kind == GS_WAIT_BARRIER && futex->address % 8 == BARRIER_ROUND)
        out->address = futex->address - BARRIER_ROUND;
}
