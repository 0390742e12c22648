/* creators.c - which stack created each thread.
 *
 *   pthread_create ──▶ hooks_thread.c: walk, intern ──▶ the new thread, before its first own instruction: tid ──▶ stack
 *
 *   creator[32 Ki]    by tid, one of NEIGHBOURS places; a place whose thread has ended is given away
 *
 * Nobody is told of a thread's end: who counts the living asks /proc for them and looks each up here. A number that the
 * kernel gives out again overwrites itself.
 * Who:    new threads write; the watcher reads at any time.
 * Bounds: .bss; with more than 32 Ki threads alive some are not found, which the profile says. */
#include "probe/inside.h"
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PLACES = 1 << 15, NEIGHBOURS = 8 };

static _Atomic uint64_t creator[PLACES + NEIGHBOURS]; // tid << 32 | stack; 0: none

static bool ended(pid_t pid, pid_t tid)
{
    int kept = errno;
    bool gone = syscall(SYS_tgkill, pid, tid, 0) != 0 && errno == ESRCH;
    errno = kept;
    return gone;
}

void gs_creator_add(pid_t tid, uint32_t stack)
{
    uint64_t mine = (uint64_t)tid << 32 | stack;
    pid_t pid = getpid();
    for (size_t at = (size_t)tid % PLACES, end = at + NEIGHBOURS; at < end; at++) {
        uint64_t there = atomic_load_explicit(&creator[at], memory_order_relaxed);
        pid_t owner = (pid_t)(there >> 32);
        if ((there == 0 || owner == tid || ended(pid, owner)) &&
            atomic_compare_exchange_strong_explicit(&creator[at], &there, mine, memory_order_relaxed,
                                                    memory_order_relaxed))
            return;
    }
}

bool gs_probe_creator_of(pid_t tid, uint32_t *stack)
{
    for (size_t at = (size_t)tid % PLACES, end = at + NEIGHBOURS; at < end; at++) {
        uint64_t there = atomic_load_explicit(&creator[at], memory_order_relaxed);
        *stack = (uint32_t)there;
        if ((pid_t)(there >> 32) == tid)
            return true;
    }
    return false;
}
