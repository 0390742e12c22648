/* reach.c - which part of the calling thread's stack may be read.
 *
 * A host runs on stacks of every kind: threads', signal stacks, coroutines'. What holds for all: the page that
 * holds sp is there. So a walk asks for each further page before it reads it, by a system call that only looks
 * (rt_sigprocmask with an impossible "how" answers EFAULT for what cannot be read and EINVAL for what can). For a
 * thread's own stack, which stays as long as the thread, the answer is kept: no system call from then on. A coroutine's
 * stack may lie below the thread pointer as well, and goes away: so only what was found readable all the way up to the end
 * is known to be the thread's own. Walks that do not come so far (cut at the depth that was asked for) add to it where
 * they reach up to what is known.
 *
 *        sp ─▶ [ known readable ][ not asked yet … ] ◀─ end: thread pointer (glibc puts it on top of the stack),
 *                                                        or __libc_stack_end on the main thread
 * Who:    host threads, in the sampler and in the signal handler.
 * Bounds: at most PAGES_A_WALK questions in one walk; a walk that needs more is cut. */
#include "probe/unwind/inside.h"
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES_A_WALK = 64, OWN_STACK_MAX = 64 << 20, NEAR_END = 16 * PAGE };

/* Of the loader: where main's stack begins. Weak as _dl_find_object is (frame_entry.c). */
extern void *__libc_stack_end __attribute__((weak));

static bool readable(uintptr_t at)
{
    int kept = errno;
    bool yes = syscall(SYS_rt_sigprocmask, ~0, at, NULL, 8) == 0 || errno != EFAULT;
    errno = kept;
    return yes;
}

static bool grow(struct gs_reach *reach)
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

/* Where the stack that holds SP ends if it is the thread's own; 0 if it is not likely to be. */
static uintptr_t own_end(uintptr_t sp)
{
    uintptr_t thread_end = (uintptr_t)__builtin_thread_pointer(),
              main_end = &__libc_stack_end ? (uintptr_t)__libc_stack_end : 0;
    if (sp < thread_end && thread_end - sp < OWN_STACK_MAX)
        return thread_end;
    if (sp < main_end && main_end - sp < OWN_STACK_MAX)
        return main_end;
    return 0;
}

/* Set REACH to the stack that holds SP; of it, KNOWN_HIGH is known to be readable unless we know better. */
static void anchor(struct gs_reach *reach, uintptr_t sp, uintptr_t known_high)
{
    uintptr_t end = own_end(sp);
    bool known = sp >= gs_thread.stack_low && sp < gs_thread.stack_high;
    reach->low = sp;
    reach->high = known ? gs_thread.stack_high : known_high;
    reach->end = end ? end : UINTPTR_MAX - PAGE;
    if (reach->high > reach->end)
        reach->high = reach->end;
}

void gs_unwind_reach_own_stack(struct gs_reach *reach, uintptr_t sp)
{
    reach->shift = 0;
    reach->unsure = false;
    reach->grow = grow;
    reach->pages_left = PAGES_A_WALK;
    anchor(reach, sp, (sp & ~(uintptr_t)(PAGE - 1)) + PAGE); // we stand on it
}

void gs_unwind_reach_cross(struct gs_reach *reach, uintptr_t sp)
{
    anchor(reach, sp, sp & ~(uintptr_t)(PAGE - 1)); // read from memory: not even its own page is known
}

/* Where the calling thread's own stack ends; 0: not known. The first thread's is elsewhere than its thread pointer, below
 * which a coroutine's stack may border on the memory that the loader keeps there. */
static uintptr_t end_of_own_stack(void)
{
    enum { NOT_ASKED, FIRST, OTHER };
    if (gs_thread.which == NOT_ASKED)
        gs_thread.which = (pid_t)syscall(SYS_gettid) == getpid() ? FIRST : OTHER;
    if (gs_thread.which == OTHER)
        return (uintptr_t)__builtin_thread_pointer();
    return &__libc_stack_end ? (uintptr_t)__libc_stack_end : 0;
}

/* REACH comes near the end of the thread's own stack: is it readable all the way? The outermost frames are near it; between
 * them and the thread pointer lies thread-local storage. */
static bool reaches_the_end(struct gs_reach *reach)
{
    if (reach->end != end_of_own_stack() || reach->end - reach->high > NEAR_END)
        return false;
    while (reach->high < reach->end)
        if (!grow(reach))
            return false;
    return true;
}

void gs_unwind_reach_remember(struct gs_reach *reach)
{
    struct gs_thread *t = &gs_thread;
    if (!t->stack_high && reaches_the_end(reach))
        t->stack_low = t->stack_high = reach->end;
    if (reach->low < t->stack_low && reach->high >= t->stack_low)
        t->stack_low = reach->low & ~(uintptr_t)(PAGE - 1);
}

bool gs_unwind_reach_is_on_own_stack(uintptr_t sp)
{
    uintptr_t first_end = &__libc_stack_end ? (uintptr_t)__libc_stack_end : 0;
    if (sp >= gs_thread.stack_low && sp < gs_thread.stack_high)
        return true;
    return first_end && end_of_own_stack() == first_end &&
           own_end(sp) == first_end; // it grows when it is used
}
