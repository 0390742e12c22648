/* small_stack.c - threads that a signal might harm, because they run on stacks of the program's own that have no room for it.
 *
 *   swapcontext to a stack below 48 KiB (hooks/context.c) ─┐
 *   a sample, or a signal, that finds the thread on one   ─┴▶ marked, for good: it is sent no signal, and cpu.c is told
 *
 * The kernel puts a signal's frame onto the stack that a thread is running on: 3 to 11 KiB with the vector registers that it
 * has to save. Below a stack of 16 KiB of which 12 are in use lies a guard page, or somebody else's memory. Where a running
 * thread stands nobody can tell from outside, so a thread that was once on such a stack is not signalled again. What is left: a
 * program that switches stacks in its own assembler is first seen when it allocates there (docs/limits.md).
 * Who: host threads, in malloc and in the signal handler. Bounds: a system call for each sample on a stack that is not the
 * thread's own, until it is marked. */
#include "probe/threads/inside.h"
#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 12 }; // 48 KiB

static _Atomic(void (*)(pid_t tid)) told;

void gs_threads_small_stack_tell(void (*whom)(pid_t tid))
{
    atomic_store_explicit(&told, whom, memory_order_seq_cst);
}

/* First the mark, then the listener. cpu.c goes the other way, listener, timer, mark (gs_probe_cpu_watch), so that one of the two
 * ends a timer that is being armed at this moment. */
static void mark(pid_t tid)
{
    gs_threads_table_small_stack(tid);
    void (*whom)(pid_t) = atomic_load_explicit(&told, memory_order_seq_cst);
    if (whom)
        whom(tid);
}

void gs_threads_small_stack_enter(void)
{
    if (gs_thread.on_small_stack)
        return;
    int kept = errno;
    gs_thread.on_small_stack = true;
    mark((pid_t)syscall(SYS_gettid));
    errno = kept;
}

/* The thread has another number in the child. */
void gs_threads_small_stack_after_fork(void)
{
    if (gs_thread.on_small_stack)
        gs_threads_table_small_stack((pid_t)syscall(SYS_gettid));
}

/* How many pages from the one that holds AT downward can be read, PAGES at most. */
static unsigned readable_below(uintptr_t at)
{
    char bytes[PAGES];
    struct iovec from[PAGES], to = {bytes, PAGES};
    for (unsigned i = 0; i < PAGES; i++)
        from[i] = (struct iovec){(void *)((at & ~(uintptr_t)(PAGE - 1)) - (uintptr_t)i * PAGE), 1};
    ssize_t got = process_vm_readv(getpid(), &to, 1, from, PAGES, 0);
    return got > 0 ? (unsigned)got : 0;
}

void gs_threads_small_stack_notice(uintptr_t sp, const struct gs_reach *reach)
{
    if (gs_thread.on_small_stack || gs_unwind_reach_is_on_own_stack(sp))
        return;
    int kept = errno;
    uintptr_t above = reach->low == sp ? reach->high - sp : 0; // else the walk has gone on to another stack
    if (readable_below(sp) * (uintptr_t)PAGE + above < (uintptr_t)PAGES * PAGE)
        gs_threads_small_stack_enter();
    errno = kept;
}
