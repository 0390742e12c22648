/* signal.c - the one signal of the host's that we borrow, to have a thread look at its own stack.
 *
 *   borrowed ──▶ on_signal, on any host thread ─┬─ sent by tgkill      ──▶ handlers[GS_SIGNAL_REQUEST]  (thread_stack.c's)
 *                                               └─ sent by a CPU timer ──▶ handlers[GS_SIGNAL_TIMER]    (cpu.c's)
 *
 * The files that use the signal set their handler here before they borrow it, so this file calls none of them by name.
 *
 * SIGURG, else SIGWINCH: both are ignored by default, so a signal that is still pending over an exec, or that arrives after we
 * gave the signal back, harms nobody. A signal that the host has a handler for is not borrowed. A host that sets its own handler
 * while we have the signal keeps it, even if it does so between two of our system calls.
 *
 * Several may borrow at the same time (a capture of CPU time and a dump of threads); they share the one signal, and the last to
 * give it back restores what the host had.
 * Who:    borrowing and giving back: the watcher and the thread that gumshoe_write_profile starts, perhaps at the same time: the
 *         later waits for a few system calls. Never in a signal handler, nor in malloc.
 * Bounds: on_signal keeps errno; beyond that it costs what the handler costs: a walk. */
#include "probe/threads/inside.h"
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CANDIDATES = 2 };
static const int candidates[CANDIDATES] = {SIGURG, SIGWINCH};

static struct {
    int number; // 0: none is borrowed
    unsigned users;
    struct sigaction
        before[CANDIDATES]; // what each candidate did, from just before ours was put in its place
    bool used[CANDIDATES];  // and ours may still be there
} borrowed;

/* ---- a lock over `borrowed` -------------------------------------------------------------------------------------------- */

/* Held for the few system calls that change `borrowed`, not for as long as the signal is borrowed. */
enum { FREE, TAKEN, WAITED_FOR };
static _Atomic uint32_t turn;

static void take_turn(void)
{
    uint32_t seen = FREE;
    if (atomic_compare_exchange_strong_explicit(&turn, &seen, TAKEN, memory_order_acquire,
                                                memory_order_relaxed))
        return;
    while (atomic_exchange_explicit(&turn, WAITED_FOR, memory_order_acquire) != FREE)
        syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, WAITED_FOR, NULL, NULL, 0);
}

static void give_turn(void)
{
    if (atomic_exchange_explicit(&turn, FREE, memory_order_release) == WAITED_FOR)
        syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* ---- the handler ---------------------------------------------------------------------------------------------------- */

struct gs_registers gs_threads_registers_of(const ucontext_t *context)
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

static _Atomic(gs_signal_handler *) handlers[GS_SIGNAL_SENDERS];

void gs_threads_signal_set_handler(enum gs_signal_sender sender, gs_signal_handler *handler)
{
    atomic_store_explicit(&handlers[sender], handler, memory_order_release);
}

/* No handler is set: nothing of ours has had such a signal sent, so it is ignored. */
static void handle(enum gs_signal_sender sender, const siginfo_t *info, const ucontext_t *context)
{
    gs_signal_handler *handler = atomic_load_explicit(&handlers[sender], memory_order_acquire);
    if (handler)
        handler(info, context);
}

static _Atomic bool passed_by; // one came that was not meant for us

/* Context: signal handler. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
    int kept = errno;
    (void)signal;
    if (info->si_code == SI_TIMER)
        handle(GS_SIGNAL_TIMER, info, context);
    else if (info->si_code == SI_TKILL)
        handle(GS_SIGNAL_REQUEST, info, context);
    else
        atomic_store_explicit(&passed_by, true, memory_order_relaxed);
    errno = kept;
}

/* ---- borrowing ------------------------------------------------------------------------------------------------------ */

static bool is_ours(int number)
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_sigaction == on_signal;
}

static bool has_handler(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) ||
           (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* Put ACTION in the place of ours. What the host has set there meanwhile is newer, and stays; a signal of the host's that came
 * to us in between is sent once more. */
static void put_in_place_of_ours(int number, struct sigaction action)
{
    enum { PATIENCE = 100 }; // a host that changes its mind between any two system calls
    struct sigaction there;
    void (*expected)(int, siginfo_t *, void *) = on_signal;
    for (int i = 0; i < PATIENCE; i++) {
        if (sigaction(number, &action, &there) != 0 || there.sa_sigaction == expected)
            break;
        expected = action.sa_sigaction;
        action = there;
    }
    if (atomic_exchange_explicit(&passed_by, false, memory_order_relaxed) && has_handler(&action))
        syscall(SYS_kill, getpid(), number);
}

static bool try_borrow(int which)
{
    struct sigaction ours = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    struct sigaction there;
    int number = candidates[which];
    sigfillset(&ours.sa_mask);
    if (sigaction(number, NULL, &borrowed.before[which]) != 0 || has_handler(&borrowed.before[which]))
        return false;
    borrowed.used[which] = true;
    atomic_store_explicit(&passed_by, false, memory_order_relaxed);
    if (sigaction(number, &ours, &there) == 0) {
        if (!has_handler(&there)) {
            borrowed.before[which] = there;
            borrowed.number = number;
            return true;
        }
        put_in_place_of_ours(number, there); // the host has just set it
    }
    borrowed.used[which] = false;
    return false;
}

/* Take ours away wherever it is. */
static void give_all_back(void)
{
    for (int which = 0; which < CANDIDATES; which++) {
        if (borrowed.used[which] && is_ours(candidates[which]))
            put_in_place_of_ours(candidates[which], borrowed.before[which]);
        borrowed.used[which] = false;
    }
    borrowed.number = 0;
}

int gs_threads_signal_borrow(void)
{
    take_turn();
    for (int which = 0; which < CANDIDATES && borrowed.users == 0 && !borrowed.number; which++)
        try_borrow(which);
    int number = borrowed.number && is_ours(borrowed.number) ? borrowed.number : 0;
    if (number)
        borrowed.users++;
    else if (borrowed.users == 0)
        give_all_back();
    give_turn();
    return number;
}

/* For who has borrowed it. */
bool gs_threads_signal_still_ours(void)
{
    return borrowed.number && is_ours(borrowed.number);
}

void gs_threads_signal_give_back(void)
{
    take_turn();
    if (borrowed.users > 0 && --borrowed.users == 0)
        give_all_back();
    give_turn();
}

/* A thread that is not here may have been in the middle of it. */
void gs_threads_signal_after_fork(void)
{
    atomic_store_explicit(&turn, FREE, memory_order_relaxed);
    borrowed.users = 0;
    give_all_back();
}
