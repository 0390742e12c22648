/* small_stack.c - threads that a signal could harm: they run on stacks of the program's own, too small for a signal frame.
 *
 *   swapcontext to a stack below 48 KiB (hooks/context.c) ──┐
 *   a sample, or a signal, that finds the thread on one    ─┴▶ spare.c: it gets no more signals
 *
 * The kernel puts a signal's frame onto the stack that the thread is running on: 3 to 11 KiB, with the vector registers.
 * Below a stack of 16 KiB of which 12 KiB are in use lies a guard page, or memory of another use. Nobody can tell from
 * outside on which stack a running thread is, so a thread that was once on a small stack is not signaled again. One case is
 * left: a program that switches stacks in its own assembler is first seen when it allocates there (docs/limits.md).
 * Who: host threads, in malloc and in the signal handler. Bounds: one system call for each sample on a stack that is not the
 * thread's own, until the thread is marked. */
#include "probe/threads/inside.h"
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 12 }; // 48 KiB

void gs_threads_small_stack_enter(void)
{
    if (gs_thread.on_small_stack || gs_is_sandboxed())
        return;
    gs_thread.on_small_stack = true;
    gs_threads_spare(GS_SPARED_SMALL_STACK);
}

/* The number of readable pages, counted downward from the page of AT, at most PAGES. */
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
    if (gs_thread.on_small_stack || gs_is_sandboxed() || gs_unwind_reach_is_on_own_stack(sp))
        return;
    int saved_errno = errno;
    uintptr_t above = reach->low == sp ? reach->high - sp : 0; // else the walk has moved to another stack
    if (readable_below(sp) * (uintptr_t)PAGE + above < (uintptr_t)PAGES * PAGE)
        gs_threads_small_stack_enter();
    errno = saved_errno;
}
