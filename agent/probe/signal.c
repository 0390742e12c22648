/* signal.c - the one signal of the host's that we borrow, to have a thread look at its own stack.
 *
 *   borrowed ──▶ on_signal, on any host thread ─┬─ sent by tgkill      ──▶ thread_stack.c answers
 *                                               └─ sent by a CPU timer ──▶ cpu.c takes a sample
 *
 * SIGURG, else SIGWINCH: to be ignored is what they do by default, so that one which is still pending over an exec, or comes
 * after we gave the signal back, harms nobody. One that the host has a handler for is not borrowed; a host that sets its
 * own while we have it keeps it.
 * Who:    borrowing and giving back: the watcher, or a host thread in gumshoe_write_profile, one at a time.
 * Bounds: on_signal keeps errno and does what its two users do: a walk. */
#include "probe/inside.h"
#include <errno.h>
#include <signal.h>
#include <string.h>

static const int candidates[] = {SIGURG, SIGWINCH};

static struct {
    int number; // 0: none is borrowed
    unsigned users;
    struct sigaction before;
} borrowed;

struct gs_registers gs_registers_of(const ucontext_t *context)
{
    struct gs_registers registers = {.bp_known = true, .bx_known = true, .exact = true};
#if defined(__x86_64__)
    const greg_t *regs = context->uc_mcontext.gregs;
    registers.pc = (uintptr_t)regs[REG_RIP];
    registers.sp = (uintptr_t)regs[REG_RSP];
    registers.bp = (uintptr_t)regs[REG_RBP];
    registers.bx = (uintptr_t)regs[REG_RBX];
#elif defined(__aarch64__)
    registers.pc = context->uc_mcontext.pc;
    registers.sp = context->uc_mcontext.sp;
    registers.bp = context->uc_mcontext.regs[29];
#else
#error "where do pc, sp and the frame pointer stand in this machine's ucontext?"
#endif
    return registers;
}

/* Context: signal handler. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
    int kept = errno;
    (void)signal;
    if (info->si_code == SI_TIMER)
        gs_cpu_on_timer(info, context);
    else if (info->si_code == SI_TKILL)
        gs_thread_stack_on_signal(context);
    errno = kept;
}

static bool is_ours(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_sigaction == on_signal;
}

static bool try_borrow(int number)
{
    struct sigaction ours = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    struct sigaction before;
    sigfillset(&ours.sa_mask);
    if (sigaction(number, NULL, &before) != 0 || (before.sa_flags & SA_SIGINFO) ||
        (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) || sigaction(number, &ours, NULL) != 0)
        return false;
    borrowed.number = number;
    borrowed.before = before;
    return true;
}

int gs_signal_borrow(void)
{
    if (borrowed.users == 0)
        for (size_t i = 0; i < sizeof candidates / sizeof *candidates && !borrowed.number; i++)
            try_borrow(candidates[i]);
    if (!borrowed.number || !is_ours(borrowed.number))
        return 0;
    borrowed.users++;
    return borrowed.number;
}

bool gs_signal_still_ours(void)
{
    return borrowed.number && is_ours(borrowed.number);
}

void gs_signal_give_back(void)
{
    if (--borrowed.users > 0)
        return;
    if (is_ours(borrowed.number))
        sigaction(borrowed.number, &borrowed.before, NULL);
    borrowed.number = 0;
}

void gs_signal_after_fork(void)
{
    if (!borrowed.number)
        return;
    borrowed.users = 1;
    gs_signal_give_back();
}

int gs_probe_ask_begin(void)
{
    return gs_signal_borrow();
}

void gs_probe_ask_end(void)
{
    gs_signal_give_back();
}
