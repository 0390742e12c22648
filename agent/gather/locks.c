/* locks.c - which thread waits for which: reads a sleeping thread's futex as glibc's mutex, and finds deadlocks.
 *
 *   futex(WAIT, word, 2)          a contended mutex: { int lock, count, owner, … }, owner is a thread id
 *   futex(WAIT, word, tid|flags)  a robust mutex: the word itself holds the owner's thread id
 *   futex(LOCK_PI, word)          a mutex with priority inheritance: likewise
 *   futex(WAIT, word, tid)        shared, and the word is a living thread's id: pthread_join waits for its end
 *
 * Futexes of condition variables, semaphores and a program's own locks match none of these, or name no living thread.
 * Source: glibc's nptl (struct __pthread_mutex_s, lowlevellock, pthread_join), futex(2).
 * Context: watcher. The host's memory may be unmapped at any time, so the kernel reads it for us (gs_probe_peek). */
#include "base/search.h"
#include "gather/inside.h"
#include <linux/futex.h>
#include <sys/syscall.h>

enum { OWNER_OFFSET = 8 }; // of `owner` in struct __pthread_mutex_s, on 64-bit machines

bool gs_gather_waits_for(pid_t pid, const struct gs_thread_stack *stack, struct gs_wait *out)
{
    uint32_t word, operation = (uint32_t)stack->argument[1], wanted = (uint32_t)stack->argument[2];
    uintptr_t at = stack->argument[0];
    if (stack->call != SYS_futex || !gs_probe_peek(pid, at, &word, sizeof word))
        return false;
    *out = (struct gs_wait){.lock = at};
    switch (operation & (uint32_t)FUTEX_CMD_MASK) {
    case FUTEX_LOCK_PI:
    case 13: // FUTEX_LOCK_PI2
        out->holder = (int)(word & FUTEX_TID_MASK);
        break;
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
        if (word != wanted)
            return false;
        if (word == 2 && !gs_probe_peek(pid, at + OWNER_OFFSET, &out->holder, sizeof out->holder))
            return false;
        if (word & FUTEX_WAITERS)
            out->holder = (int)(word & FUTEX_TID_MASK);
        else if (word != 2 && !(operation & FUTEX_PRIVATE_FLAG)) {
            out->holder = (int)word;
            out->lock = 0;
        }
        break;
    default: return false;
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
