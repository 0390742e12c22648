/* reach.c - which part of the calling thread's stack may be read.
 *
 * A host runs on stacks of every kind: threads', signal stacks, coroutines'. What holds for all: the page that
 * holds sp is there. So a walk asks for each further page before it reads it, by a system call that only looks
 * (rt_sigprocmask with an impossible "how" answers EFAULT for what cannot be read and EINVAL for what can). For a
 * thread's own stack, which stays as long as the thread, the answer is kept: no system call from then on.
 *
 *        sp ─▶ [ known readable ][ not asked yet … ] ◀─ end: thread pointer (glibc puts it on top of the stack),
 *                                                        or __libc_stack_end on the main thread
 * Who:    host threads, in the sampler and in the signal handler.
 * Bounds: at most PAGES_A_WALK questions in one walk; a walk that needs more is cut. */
#include "probe/inside.h"
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES_A_WALK = 64, OWN_STACK_MAX = 64 << 20 };

extern void *__libc_stack_end
    __attribute__((weak)); // of the loader: where main's stack begins (weak: see rows.c)

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

void gs_reach_own_stack(struct gs_reach *reach, uintptr_t sp)
{
    reach->shift = 0;
    reach->unsure = false;
    reach->grow = grow;
    reach->pages_left = PAGES_A_WALK;
    anchor(reach, sp, (sp & ~(uintptr_t)(PAGE - 1)) + PAGE); // we stand on it
}

void gs_reach_cross(struct gs_reach *reach, uintptr_t sp)
{
    anchor(reach, sp, sp & ~(uintptr_t)(PAGE - 1)); // read from memory: not even its own page is known
}

void gs_reach_remember(const struct gs_reach *reach)
{
    if (own_end(reach->low) != reach->end)
        return; // a stack that may go away under the thread
    bool joins = reach->low <= gs_thread.stack_high && reach->high >= gs_thread.stack_low;
    if (!joins || reach->low < gs_thread.stack_low)
        gs_thread.stack_low = reach->low & ~(uintptr_t)(PAGE - 1);
    if (!joins || reach->high > gs_thread.stack_high)
        gs_thread.stack_high = reach->high;
}
