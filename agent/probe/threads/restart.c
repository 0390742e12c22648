/* restart.c - continues a system call that our signal interrupted, so that the host sees no EINTR from it.
 *
 *   the thread runs when we look ──▶ it enters poll(2) ──▶ our signal arrives ──▶ the kernel makes poll return EINTR
 *                                                                                 └─▶ here: back to the call's instruction
 *
 * SA_RESTART does this for most calls, but never for sleeps and for waits with a timeout (signal(7)). Threads that sleep get
 * no signal from us, so such a call has hardly begun: it starts again with its whole timeout.
 *
 * The kernel does not say which call it was. We know it where the code loads the number just before the call, as the C library
 * does: "mov $NUMBER, %eax; syscall". Elsewhere the host sees EINTR, as from any signal. On aarch64 the call's first argument is
 * lost, so nothing is restarted there.
 *
 * A signal of the host's own must be able to interrupt the call. So nothing is restarted if another signal is pending, nor if a
 * handler of the host blocks our signal: the EINTR may then be the result of that handler, which ours waited for.
 * Context: signal handler, on any host thread. Bounds: about 70 system calls, only where a call returned EINTR. */
#include "probe/threads/inside.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { SIGNALS = 64 };

struct kernel_action { // as rt_sigaction(2) has it
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static uint64_t bit(int signal)
{
    return 1ULL << (signal - 1);
}

/* The calls that return EINTR after any handler, also with SA_RESTART: see signal(7). */
bool gs_threads_call_is_interrupted(int call)
{
    static const short calls[] = {
        SYS_nanosleep,       SYS_clock_nanosleep, SYS_poll,       SYS_ppoll,
        SYS_select,          SYS_pselect6,        SYS_epoll_wait, SYS_epoll_pwait,
        SYS_epoll_pwait2,    SYS_pause,           SYS_futex,      SYS_rt_sigsuspend,
        SYS_rt_sigtimedwait, SYS_io_getevents,    SYS_semop,      SYS_semtimedop,
        SYS_msgsnd,          SYS_msgrcv,
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i] == call)
            return true;
    return false;
}

/* The number of the call that returns to PC; -1: the code does not load it just before the call. */
static int call_before(uintptr_t pc)
{
    unsigned char code[7]; // mov $NUMBER, %eax; syscall
    int32_t number;
    if (!gs_probe_peek(getpid(), pc - sizeof code, code, sizeof code) || code[0] != 0xb8 || code[5] != 0x0f ||
        code[6] != 0x05)
        return -1;
    memcpy(&number, code + 1, sizeof number);
    return number;
}

/* Is a signal other than SIGNAL pending that the interrupted code does not block? */
static bool is_another_pending(int signal, const ucontext_t *context)
{
    uint64_t pending = 0, blocked;
    memcpy(&blocked, &context->uc_sigmask, sizeof blocked);
    return syscall(SYS_rt_sigpending, &pending, sizeof pending) != 0 ||
           (pending & ~blocked & ~bit(signal)) != 0;
}

/* May a handler of the host have run while SIGNAL, ours, waited for its end? */
static bool is_blocked_by_a_handler(int signal)
{
    for (int other = 1; other <= SIGNALS; other++) {
        struct kernel_action action = {0};
        if (other == signal || syscall(SYS_rt_sigaction, other, NULL, &action, sizeof action.mask) != 0)
            continue;
        if (action.handler != SIG_DFL && action.handler != SIG_IGN && action.mask & bit(signal))
            return true;
    }
    return false;
}

void gs_threads_restart_call(int signal, ucontext_t *context)
{
    greg_t *regs = context->uc_mcontext.gregs;
    if (regs[REG_RAX] != -EINTR)
        return;
    int call = call_before((uintptr_t)regs[REG_RIP]);
    if (!gs_threads_call_is_interrupted(call) || is_another_pending(signal, context) ||
        is_blocked_by_a_handler(signal))
        return;
    regs[REG_RAX] = call;
    regs[REG_RIP] -= 2; // the length of the instruction "syscall"
}
#else
bool gs_threads_call_is_interrupted(int call)
{
    (void)call;
    return false;
}

void gs_threads_restart_call(int signal, ucontext_t *context)
{
    (void)signal;
    (void)context;
}
#endif
