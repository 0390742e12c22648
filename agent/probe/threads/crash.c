/* crash.c - the handler of fatal signals. It notes the crash for the black box, and then lets the process die as without us.
 *
 *   SIGSEGV, … ──▶ on_crash: note ──futex──▶ the agent's thread writes it to the box ──▶ recorded, or GS_CRASH_PATIENCE_NS
 *                    └──▶ default action ──▶ return ─┬▶ a fault: the instruction faults again
 *                                                    └▶ else: the signal, queued again with its siginfo, arrives
 *
 * So the core file has the thread's own registers and siginfo, and the exit status is the signal's. Our handler is set only
 * where the action is the default one; the hooks of hooks/sigaction.c show the program the default action, and a handler
 * that the program sets later replaces ours. The first thread that crashes is noted; others that crash meanwhile wait for the
 * process to end. In a child of fork or vfork, which our handler is inherited by but nobody listens for, it only passes the
 * signal on.
 * Who:    on_crash: any host thread, at any instruction; start and stop: the watcher; wait: one thread of the agent.
 * Bounds: one note, static. On a thread without an alternate stack a stack overflow is not noted: the kernel then ends the
 *         process itself. */
#include "probe/threads/inside.h"
#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FATAL = 5, STEP_NS = 10000000 };
static const int fatal[FATAL] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

enum { IDLE, FILLING, NOTED, RECORDED };
static _Atomic uint32_t state;
static _Atomic uint32_t wakes;  // gs_probe_crash_wait sleeps on it
static uint32_t wakes_seen;     // by the thread that waits: no wake before its sleep is lost
static _Atomic pid_t listening; // the process whose agent waits for crashes; 0: none
static struct gs_crash note;
static struct sigaction host_action[FATAL]; // the default action, as the program had set it

const void *const *gs_threads_abort_message;

/* ---- the kernel's actions ------------------------------------------------------------------------------------------- */

/* As the kernel has them: sigaction(3) is hooked, and hides our handler. */
struct fatal_action {
    void *handler;
    unsigned long flags;
#if defined(__x86_64__)
    void *restorer;
#endif
    uint64_t mask;
};

static bool change_action(int signal, const struct fatal_action *action, struct fatal_action *old)
{
    return syscall(SYS_rt_sigaction, signal, action, old, sizeof action->mask) == 0;
}

static void on_crash(int signal, siginfo_t *info, void *context);

static void *handler_address(void)
{
    void (*handler)(int, siginfo_t *, void *) = on_crash;
    void *address;
    memcpy(&address, &handler, sizeof address);
    return address;
}

bool gs_threads_crash_is_handler(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_crash;
}

void gs_threads_crash_host_action(int signal, struct sigaction *out)
{
    *out = (struct sigaction){.sa_flags = 0};
    for (int i = 0; i < FATAL; i++)
        if (fatal[i] == signal)
            *out = host_action[i];
}

/* ---- the note ------------------------------------------------------------------------------------------------------- */

/* Copy the C library's message, from memory that may be damaged. */
static void read_message(char out[GS_CRASH_MESSAGE])
{
    const void *message = gs_threads_abort_message ? *gs_threads_abort_message : NULL;
    uint32_t size; // of the mapping, with this number
    if (!message || !gs_probe_peek(getpid(), (uintptr_t)message, &size, sizeof size) || size <= sizeof size)
        return;
    size_t length = size - sizeof size < GS_CRASH_MESSAGE - 1 ? size - sizeof size : GS_CRASH_MESSAGE - 1;
    if (!gs_probe_peek(getpid(), (uintptr_t)message + sizeof size, out, length))
        out[0] = 0;
    out[GS_CRASH_MESSAGE - 1] = 0;
    for (size_t end = strlen(out); end > 0 && out[end - 1] == '\n'; end--)
        out[end - 1] = 0;
}

/* A code above 0 is the kernel's: it reports a fault. */
static bool is_fault(int signal, const siginfo_t *info)
{
    return signal != SIGABRT && info->si_code > 0;
}

static void fill_note(int signal, const siginfo_t *info, const ucontext_t *context)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    note = (struct gs_crash){.signal = signal,
                             .code = info->si_code,
                             .tid = (pid_t)syscall(SYS_gettid),
                             .time_ns = now.tv_sec * 1000000000LL + now.tv_nsec};
    if (is_fault(signal, info)) {
        note.address = (uintptr_t)info->si_addr;
        note.has_address =
            info->si_code != SI_KERNEL; // of a non-canonical address the kernel does not know which
    } else if (info->si_code <= 0) {
        note.sender = info->si_pid;
    }
    if (syscall(SYS_prctl, PR_GET_NAME, note.thread, 0, 0, 0) != 0)
        note.thread[0] = 0;
    note.thread[sizeof note.thread - 1] = 0;
    if (signal == SIGABRT)
        read_message(note.message);
    gs_threads_crash_walk(context, &note);
}

/* ---- the end -------------------------------------------------------------------------------------------------------- */

/* Sleep while *WORD is VALUE, at most PATIENCE times GS_CRASH_PATIENCE_NS. In steps: the waker may itself be a host thread
 * that dies. */
static void wait_while(_Atomic uint32_t *word, uint32_t value, int patience)
{
    const struct timespec step = {.tv_nsec = STEP_NS};
    for (int64_t waited = 0; waited < patience * GS_CRASH_PATIENCE_NS; waited += STEP_NS) {
        if (atomic_load_explicit(word, memory_order_acquire) != value)
            return;
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &step, NULL, 0);
    }
}

static void wake_all(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* Note the crash, and wait until it is in the box. A later thread waits for the process to end by the first. */
static void note_crash(int signal, const siginfo_t *info, const ucontext_t *context)
{
    static _Atomic uint32_t never;
    uint32_t idle = IDLE;
    if (!atomic_compare_exchange_strong(&state, &idle, FILLING)) {
        if (note.tid != (pid_t)syscall(SYS_gettid)) // else the noted signal arrives again
            wait_while(&never, 0, 2);
        return;
    }
    fill_note(signal, info, context);
    atomic_store(&state, NOTED);
    gs_probe_crash_wake();
    wait_while(&state, NOTED, 1);
}

/* Will the interrupted instruction fault again with the same siginfo? Else the signal was sent, or reports a fault that does
 * not belong to the instruction. */
static bool faults_again(int signal, const siginfo_t *info, const ucontext_t *context)
{
    if (!is_fault(signal, info) || (signal == SIGBUS && info->si_code == BUS_MCEERR_AO))
        return false;
#if defined(__x86_64__)
    enum { GENERAL_PROTECTION = 13, PAGE_FAULT = 14 };
    const greg_t *regs = context->uc_mcontext.gregs;
    if (signal == SIGSEGV && info->si_code == SI_KERNEL)
        return regs[REG_TRAPNO] == GENERAL_PROTECTION;
    if (signal == SIGSEGV)
        return regs[REG_TRAPNO] == PAGE_FAULT && (uintptr_t)regs[REG_CR2] == (uintptr_t)info->si_addr;
#else
    (void)context;
#endif
    return true;
}

/* Restore the default action; after our return the process dies by it. */
static void die(int signal, siginfo_t *info, const ucontext_t *context)
{
    const struct fatal_action by_default = {.handler = NULL};
    pid_t pid = getpid(), tid = (pid_t)syscall(SYS_gettid);
    change_action(signal, &by_default, NULL);
    if (!faults_again(signal, info, context) && syscall(SYS_rt_tgsigqueueinfo, pid, tid, signal, info) != 0)
        syscall(SYS_tgkill, pid, tid, signal);
}

/* In a sandbox, without a system call: if SIGNAL is a fault, fault again in the same way. The signal is blocked now, so the kernel
 * takes the default action. */
static void fault_again_here(int signal)
{
    if (signal == SIGSEGV)
        *(volatile char *)(UINTPTR_MAX - 4095) = 0; // an address of the kernel's
#if defined(__x86_64__)
    if (signal == SIGILL)
        __asm__ volatile("ud2");
    if (signal == SIGFPE)
        __asm__ volatile("xorl %%ecx, %%ecx; idivl %%ecx" ::: "eax", "ecx", "edx");
#endif
}

/* Context: signal handler. All signals are blocked. */
static void on_crash(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    if (gs_is_sandboxed()) {
        fault_again_here(signal);
        die(signal, info, context); // may be forbidden
        return;
    }
    if (atomic_load(&listening) == getpid())
        note_crash(signal, info, context);
    die(signal, info, context);
    errno = saved_errno;
}

/* ---- start and stop ------------------------------------------------------------------------------------------------- */

static bool is_ours(const struct fatal_action *action)
{
    return action->handler == handler_address();
}

/* Set our handler for number AT of `fatal`, if its action is the default one. True: our handler is set. */
static bool take_over(int at)
{
    struct sigaction ours = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK}, old;
    struct fatal_action current;
    if (!change_action(fatal[at], NULL, &current) || is_ours(&current))
        return is_ours(&current);
    if (current.handler || sigaction(fatal[at], NULL, &host_action[at]) != 0)
        return false;
    sigfillset(&ours.sa_mask);
    if (sigaction(fatal[at], &ours, &old) != 0)
        return false;
    if (old.sa_handler == SIG_DFL || gs_threads_crash_is_handler(&old))
        return true;
    sigaction(fatal[at], &old, NULL); // the program has just set an action of its own
    return false;
}

unsigned gs_probe_crash_start(void)
{
    unsigned taken = 0;
    if (atomic_load(&listening) != getpid())
        atomic_store(&state, IDLE);
    for (int i = 0; i < FATAL; i++)
        taken += take_over(i);
    atomic_store(&listening, getpid());
    return taken;
}

void gs_probe_crash_stop(void)
{
    atomic_store(&listening, 0);
    for (int i = 0; i < FATAL; i++) {
        struct fatal_action current;
        if (change_action(fatal[i], NULL, &current) && is_ours(&current))
            sigaction(fatal[i], &host_action[i], NULL);
    }
}

/* ---- the agent's thread --------------------------------------------------------------------------------------------- */

const struct gs_crash *gs_probe_crash_wait(void)
{
    if (atomic_load(&state) != NOTED)
        syscall(SYS_futex, &wakes, FUTEX_WAIT_PRIVATE, wakes_seen, NULL, NULL, 0);
    wakes_seen = atomic_load(&wakes);
    return atomic_load(&state) == NOTED ? &note : NULL;
}

void gs_probe_crash_wake(void)
{
    int saved_errno = errno;
    atomic_fetch_add(&wakes, 1);
    wake_all(&wakes);
    errno = saved_errno;
}

void gs_probe_crash_recorded(void)
{
    uint32_t noted = NOTED;
    if (atomic_compare_exchange_strong(&state, &noted, RECORDED))
        wake_all(&state);
}

/* Does the calling process handle crashes? */
bool gs_threads_crash_is_on(void)
{
    return atomic_load_explicit(&listening, memory_order_relaxed) != 0;
}
