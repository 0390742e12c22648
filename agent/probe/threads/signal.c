/* signal.c - the one signal of the host that we borrow, to make a thread record its own stack.
 *
 *   borrowed ──▶ on_signal, on any host thread ─┬─ sent by tgkill      ──▶ handlers[GS_SIGNAL_REQUEST]  (thread_stack.c's)
 *                                               └─ sent by a CPU timer ──▶ handlers[GS_SIGNAL_TIMER]    (cpu.c's)
 *
 * The files that use the signal set their handler here before they borrow it, so this file calls none of them by name.
 *
 * SIGURG, else SIGWINCH: both are ignored by default, so a signal that is still pending over an exec, or that arrives after
 * we gave the signal back, does no harm. A signal that the host has a handler for is not borrowed. A host that sets its own
 * handler while we have the signal keeps it, even if it does so between two of our system calls.
 *
 * Several may borrow at the same time (a capture of CPU time and a dump of threads): they share the one signal, and the last
 * give_back restores the host's action.
 * Who:    borrowing and giving back: the watcher and the thread that gumshoe_write_profile starts, perhaps at the same time:
 *         the later one waits for a few system calls. Never in a signal handler, nor in malloc.
 * Bounds: on_signal keeps errno and restarts the system call that it interrupted (restart.c); otherwise it costs what the handler
 *         costs: one walk. */
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
    int number; // the borrowed signal; 0: none
    unsigned users;
    struct sigaction
        host_action[CANDIDATES]; // the host's action of each candidate, read just before ours replaced it
    bool used[CANDIDATES];       // our action may still be set for this candidate
} borrowed;

/* ---- a lock over `borrowed` -------------------------------------------------------------------------------------------- */

/* Held for the few system calls that change `borrowed`, not for as long as the signal is borrowed. */
enum { FREE, TAKEN, CONTENDED };
static _Atomic uint32_t borrowed_lock;

static void lock_borrowed(void)
{
    uint32_t seen = FREE;
    if (atomic_compare_exchange_strong_explicit(&borrowed_lock, &seen, TAKEN, memory_order_acquire,
                                                memory_order_relaxed))
        return;
    while (atomic_exchange_explicit(&borrowed_lock, CONTENDED, memory_order_acquire) != FREE)
        syscall(SYS_futex, &borrowed_lock, FUTEX_WAIT_PRIVATE, CONTENDED, NULL, NULL, 0);
}

static void unlock_borrowed(void)
{
    if (atomic_exchange_explicit(&borrowed_lock, FREE, memory_order_release) == CONTENDED)
        syscall(SYS_futex, &borrowed_lock, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
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

/* If no handler is set, we have sent no such signal: ignore it. */
static void handle(enum gs_signal_sender sender, const siginfo_t *info, const ucontext_t *context)
{
    gs_signal_handler *handler = atomic_load_explicit(&handlers[sender], memory_order_acquire);
    if (handler)
        handler(info, context);
}

static _Atomic bool host_signal_seen; // a signal arrived that we did not send

/* Context: signal handler. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    bool ours = info->si_code == SI_TIMER || info->si_code == SI_TKILL;
    if (ours)
        handle(info->si_code == SI_TIMER ? GS_SIGNAL_TIMER : GS_SIGNAL_REQUEST, info, context);
    else
        atomic_store_explicit(&host_signal_seen, true, memory_order_relaxed);
    if (ours)
        gs_threads_restart_call(signal, context);
    errno = saved_errno;
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

/* Replace our action by ACTION. If the host has set another action meanwhile, that one stays. If one of the host's signals
 * reached our handler meanwhile, it is sent again. */
static void replace_ours(int number, struct sigaction action)
{
    enum { RETRIES = 100 }; // the host may set an action between any two of our system calls
    struct sigaction current;
    void (*expected)(int, siginfo_t *, void *) = on_signal;
    for (int i = 0; i < RETRIES; i++) {
        if (sigaction(number, &action, &current) != 0 || current.sa_sigaction == expected)
            break;
        expected = action.sa_sigaction;
        action = current;
    }
    if (atomic_exchange_explicit(&host_signal_seen, false, memory_order_relaxed) && has_handler(&action))
        syscall(SYS_kill, getpid(), number);
}

static bool try_borrow(int which)
{
    struct sigaction ours = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    struct sigaction current;
    int number = candidates[which];
    sigfillset(&ours.sa_mask);
    if (sigaction(number, NULL, &borrowed.host_action[which]) != 0 ||
        has_handler(&borrowed.host_action[which]))
        return false;
    borrowed.used[which] = true;
    atomic_store_explicit(&host_signal_seen, false, memory_order_relaxed);
    if (sigaction(number, &ours, &current) == 0) {
        if (!has_handler(&current)) {
            borrowed.host_action[which] = current;
            borrowed.number = number;
            return true;
        }
        replace_ours(number, current); // the host has just set a handler: restore it
    }
    borrowed.used[which] = false;
    return false;
}

/* Remove our action from every candidate where it is still set. */
static void give_all_back(void)
{
    for (int which = 0; which < CANDIDATES; which++) {
        if (borrowed.used[which] && is_ours(candidates[which]))
            replace_ours(candidates[which], borrowed.host_action[which]);
        borrowed.used[which] = false;
    }
    borrowed.number = 0;
}

int gs_threads_signal_borrow(void)
{
    lock_borrowed();
    for (int which = 0; which < CANDIDATES && borrowed.users == 0 && !borrowed.number; which++)
        try_borrow(which);
    int number = borrowed.number && is_ours(borrowed.number) ? borrowed.number : 0;
    if (number)
        borrowed.users++;
    else if (borrowed.users == 0)
        give_all_back();
    unlock_borrowed();
    return number;
}

/* Call only while the signal is borrowed. */
bool gs_threads_signal_still_ours(void)
{
    return borrowed.number && is_ours(borrowed.number);
}

void gs_threads_signal_give_back(void)
{
    lock_borrowed();
    if (borrowed.users > 0 && --borrowed.users == 0)
        give_all_back();
    unlock_borrowed();
}

/* Another thread of the parent may have held the lock at the fork. In a sandbox our action stays: it ignores the signal, as the
 * default action does. */
void gs_threads_signal_after_fork(void)
{
    atomic_store_explicit(&borrowed_lock, FREE, memory_order_relaxed);
    borrowed.users = 0;
    if (!gs_is_sandboxed())
        give_all_back();
}
