/* reach.c - finds out which part of the calling thread's stack may be read.
 *
 * Host code runs on thread stacks, signal stacks and coroutine stacks. For all of them, the page that contains
 * sp is mapped. A walk checks each further page before it reads it, by a system call that only looks
 * (rt_sigprocmask with an invalid "how" returns EFAULT for an unreadable address and EINVAL for a readable one). A
 * thread's own stack stays mapped as long as the thread lives, so the result is stored, and later walks need no system call.
 * A coroutine's stack may also lie below the thread pointer, and may be unmapped. So only memory that was found readable
 * without a gap up to the end is stored as the thread's own. A walk that ends earlier (cut at the depth limit) extends the
 * stored range only if the walk's memory reaches up to that range.
 *
 *        sp ─▶ [ known readable ][ not checked yet … ] ◀─ end: thread pointer (glibc puts it on top of the stack),
 *                                                         or __libc_stack_end on the main thread
 * Who:    host threads, in the sampler and in the signal handler.
 * Bounds: at most PAGES_A_WALK checks in one walk; a walk that needs more is cut. */
#include "probe/unwind/inside.h"
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES_A_WALK = 64, OWN_STACK_MAX = 64 << 20, NEAR_END = 16 * PAGE };

/* The loader's variable: where the main thread's stack begins. Weak like _dl_find_object (frame_entry.c). */
extern void *__libc_stack_end __attribute__((weak));

/* Is the memory at AT mapped and readable? errno is kept. */
static bool readable(uintptr_t at)
{
    if (gs_is_sandboxed())
        return false; // we may not ask
    int saved_errno = errno;
    bool is_readable = syscall(SYS_rt_sigprocmask, ~0, at, NULL, 8) == 0 || errno != EFAULT;
    errno = saved_errno;
    return is_readable;
}

/* Raise HIGH by one page, if that page is readable. */
static bool grow_by_page(struct gs_reach *reach)
{
    if (reach->high >= reach->end || reach->pages_left == 0)
        return false;
    reach->pages_left--;
    if (!readable(reach->high))
        return false;
    reach->high += PAGE;
    if (reach->high > reach->end)
        reach->high = reach->end;
    return true;
}

/* The end of the stack that contains SP, if it is likely to be the thread's own; else 0. */
static uintptr_t likely_stack_end(uintptr_t sp)
{
    uintptr_t thread_end = (uintptr_t)__builtin_thread_pointer(),
              main_end = &__libc_stack_end ? (uintptr_t)__libc_stack_end : 0;
    if (sp < thread_end && thread_end - sp < OWN_STACK_MAX)
        return thread_end;
    if (sp < main_end && main_end - sp < OWN_STACK_MAX)
        return main_end;
    return 0;
}

/* Set REACH to the stack that contains SP, readable up to KNOWN_HIGH, or further if that is already known. */
static void set_stack(struct gs_reach *reach, uintptr_t sp, uintptr_t known_high)
{
    uintptr_t end = likely_stack_end(sp);
    bool is_known = sp >= gs_thread.stack_low && sp < gs_thread.stack_high;
    reach->low = sp;
    reach->high = is_known ? gs_thread.stack_high : known_high;
    reach->end = end ? end : UINTPTR_MAX - PAGE;
    if (reach->high > reach->end)
        reach->high = reach->end;
}

void gs_unwind_reach_own_stack(struct gs_reach *reach, uintptr_t sp)
{
    reach->shift = 0;
    reach->unsure = false;
    reach->grow = grow_by_page;
    reach->pages_left = PAGES_A_WALK;
    set_stack(reach, sp, (sp & ~(uintptr_t)(PAGE - 1)) + PAGE); // the calling thread runs on this page
}

uintptr_t gs_unwind_reach_first_readable(uintptr_t at, unsigned count)
{
    uintptr_t page = at & ~(uintptr_t)(PAGE - 1);
    for (; count > 0 && page < UINTPTR_MAX - 2 * PAGE; count--, page += PAGE)
        if (readable(page))
            return page;
    return 0;
}

bool gs_unwind_reach_crashed_stack(struct gs_reach *reach, uintptr_t sp)
{
    enum { PAGES_BELOW_STACK = 272 }; // a frame of 1 MiB, below which the stack's guard page begins
    uintptr_t first = gs_unwind_reach_first_readable(sp, PAGES_BELOW_STACK);
    *reach = (struct gs_reach){.low = sp > first ? sp : first,
                               .high = first,
                               .grow = grow_by_page,
                               .end = UINTPTR_MAX - PAGE,
                               .pages_left = OWN_STACK_MAX / PAGE,
                               .unsure = true};
    return first != 0;
}

void gs_unwind_reach_cross(struct gs_reach *reach, uintptr_t sp)
{
    set_stack(
        reach, sp,
        sp & ~(uintptr_t)(PAGE - 1)); // SP was read from memory: its own page is not known to be readable
}

enum { UNKNOWN, FIRST_THREAD, OTHER_THREAD }; // gs_thread.which

/* The end of the calling thread's own stack; 0: not known. The first thread's stack is not at its thread pointer: below
 * that pointer is memory of the loader, and perhaps a coroutine's stack next to it. */
static uintptr_t end_of_own_stack(void)
{
    if (gs_thread.which == UNKNOWN && gs_is_sandboxed())
        return 0;
    if (gs_thread.which == UNKNOWN)
        gs_thread.which = (pid_t)syscall(SYS_gettid) == getpid() ? FIRST_THREAD : OTHER_THREAD;
    if (gs_thread.which == OTHER_THREAD)
        return (uintptr_t)__builtin_thread_pointer();
    return &__libc_stack_end ? (uintptr_t)__libc_stack_end : 0;
}

/* Grow REACH to the end of the thread's own stack, if the end is near. False: the end is far, or a page is not readable. The
 * outermost frames are near the end; thread-local storage lies between them and the thread pointer. */
static bool grow_to_end(struct gs_reach *reach)
{
    if (reach->end != end_of_own_stack() || reach->end - reach->high > NEAR_END)
        return false;
    while (reach->high < reach->end)
        if (!grow_by_page(reach))
            return false;
    return true;
}

void gs_unwind_reach_remember(struct gs_reach *reach)
{
    struct gs_thread *thread = &gs_thread;
    if (!thread->stack_high && grow_to_end(reach))
        thread->stack_low = thread->stack_high = reach->end;
    if (reach->low < thread->stack_low && reach->high >= thread->stack_low)
        thread->stack_low = reach->low & ~(uintptr_t)(PAGE - 1);
}

bool gs_unwind_reach_is_on_own_stack(uintptr_t sp)
{
    uintptr_t first_end = &__libc_stack_end ? (uintptr_t)__libc_stack_end : 0;
    if (sp >= gs_thread.stack_low && sp < gs_thread.stack_high)
        return true;
    return first_end && end_of_own_stack() == first_end &&
           likely_stack_end(sp) == first_end; // the first thread's stack grows on use
}

/* All of the stack above the calling thread's sp is readable. The first thread's stack has no other memory near it: the kernel keeps
 * 128 MiB free below it. MARGIN: what lies above a thread pointer, and the guard pages. */
void gs_unwind_reach_settle(bool new_thread, size_t stack_size)
{
    enum { MARGIN = 64 << 10 };
    if (new_thread)
        gs_thread.which = OTHER_THREAD;
    uintptr_t end = end_of_own_stack();
    size_t size = gs_thread.which == FIRST_THREAD ? OWN_STACK_MAX : stack_size;
    if (!end || size <= MARGIN)
        return;
    gs_thread.stack_low = end - size + MARGIN;
    gs_thread.stack_high = end;
}
