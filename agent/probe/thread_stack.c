/* thread_stack.c - the stack of another thread.
 *
 *   /proc/self/task/TID/syscall ──asleep: pc, sp──▶ copy its stack ──▶ walk the copy ──▶ asleep still, same place? done
 *                               └─running, or the walk came to a frame that needs bp──▶ ask the thread by a signal
 *
 * A thread asleep in a system call is read without being woken: it sees no EINTR. The copy is made by
 * process_vm_readv, which answers an error where a plain read would kill us: the thread may end meanwhile.
 * The signal is SIGURG: its default action is to be ignored, so one that is still pending over an exec, or comes
 * after we took our handler away, harms nobody. Where the host has a handler of its own for it we send none.
 * Who:    gs_probe_thread_stack on the watcher; `answer` in the signal handler, on any host thread.
 * Bounds: 64 KiB of stack are looked at; an answer is waited for as long as the caller says; a thread that is
 *         stopped in the middle of its answer keeps its slot of REQUESTS until it goes on. */
#include "probe/inside.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, COPY_PAGES = 16, REQUESTS = 8, ASK_SIGNAL = SIGURG };

/* ---- asleep ------------------------------------------------------------------------------------------------- */

struct position {
    char text[256];
    uintptr_t pc, sp;
};

/* "/proc/self/task/TID/syscall" into OUT. printf's family is not for this folder. */
static void syscall_path(pid_t tid, char out[48])
{
    char digits[12], *at = digits + sizeof digits;
    *--at = 0;
    for (unsigned left = (unsigned)tid; left || at == digits + sizeof digits - 1; left /= 10)
        *--at = (char)('0' + left % 10);
    strcpy(out, "/proc/self/task/");
    strcat(out, at);
    strcat(out, "/syscall");
}

static uintptr_t hexadecimal(const char *text)
{
    uintptr_t value = 0;
    for (text += 2; *text; text++) { // after 0x
        char c = *text;
        if (c >= '0' && c <= '9')
            value = value << 4 | (uintptr_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uintptr_t)(c - 'a' + 10);
        else
            break;
    }
    return value;
}

/* Where thread TID sleeps: the last two words of the line, sp and pc. False when it runs, or is gone. */
static bool read_position(pid_t tid, struct position *out)
{
    char path[48];
    syscall_path(tid, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, out->text, sizeof out->text - 1);
    close(fd);
    if (length <= 0 || out->text[0] == 'r') // "running"
        return false;
    out->text[length] = 0;
    const char *pc = strrchr(out->text, ' ');
    const char *sp = pc ? memrchr(out->text, ' ', (size_t)(pc - out->text)) : NULL;
    if (!sp || strncmp(sp, " 0x", 3) != 0 || strncmp(pc, " 0x", 3) != 0)
        return false;
    out->sp = hexadecimal(sp + 1);
    out->pc = hexadecimal(pc + 1);
    return out->pc != 0;
}

/* Copy the stack from SP up; returns how many bytes came over. */
static size_t copy_stack(uintptr_t sp, char *copy)
{
    struct iovec to = {copy, COPY_PAGES * PAGE}, from[COPY_PAGES];
    uintptr_t at = sp;
    for (int i = 0; i < COPY_PAGES; i++) { // page by page: a short read tells where the stack ends
        size_t length = PAGE - (at & (PAGE - 1));
        from[i] = (struct iovec){(void *)at, length};
        at += length;
    }
    to.iov_len = at - sp;
    ssize_t got = process_vm_readv(getpid(), &to, 1, from, COPY_PAGES, 0);
    return got > 0 ? (size_t)got : 0;
}

static bool take_asleep(pid_t tid, struct gs_thread_stack *out)
{
    static char copy[COPY_PAGES * PAGE] __attribute__((aligned(16))); // the watcher alone comes here
    struct position before, after;
    if (!read_position(tid, &before))
        return false;
    size_t length = copy_stack(before.sp, copy + (before.sp & 15));
    struct gs_reach reach = {
        .low = before.sp,
        .high = before.sp + length,
        .shift = (intptr_t)((uintptr_t)copy + (before.sp & 15) - before.sp),
    };
    struct gs_registers registers = {.pc = before.pc, .sp = before.sp, .exact = true};
    uint32_t depth = gs_walk(registers, &reach, out->frames, GS_DEPTH_MAX, &out->cut);
    if (!read_position(tid, &after) || strcmp(before.text, after.text) != 0)
        return false; // it moved: what we copied may be half of one stack and half of another
    out->depth = depth;
    out->how = GS_THREAD_ASLEEP;
    return true;
}

/* ---- asked ---------------------------------------------------------------------------------------------------- */

enum request_state { FREE, ASKED, ANSWERING, ANSWERED };
struct request {
    _Atomic uint32_t state;
    _Atomic pid_t tid;
    struct gs_thread_stack stack;
};
static struct request requests[REQUESTS];

static void fill(struct request *request, const ucontext_t *context)
{
    const greg_t *regs = context->uc_mcontext.gregs;
    struct gs_registers registers = {
        .pc = (uintptr_t)regs[REG_RIP],
        .sp = (uintptr_t)regs[REG_RSP],
        .bp = (uintptr_t)regs[REG_RBP],
        .bx = (uintptr_t)regs[REG_RBX],
        .bp_known = true,
        .bx_known = true,
        .exact = true,
    };
    struct gs_reach reach;
    gs_reach_own_stack(&reach, registers.sp);
    request->stack.depth =
        gs_walk(registers, &reach, request->stack.frames, GS_DEPTH_MAX, &request->stack.cut);
    gs_reach_remember(&reach);
    request->stack.how = GS_THREAD_SIGNALED;
}

/* Context: signal handler. */
static void answer(int signal, siginfo_t *from, void *context)
{
    (void)signal;
    (void)from;
    int kept = errno;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    for (int i = 0; i < REQUESTS; i++) {
        uint32_t asked = ASKED;
        if (atomic_load_explicit(&requests[i].tid, memory_order_acquire) != tid ||
            !atomic_compare_exchange_strong_explicit(&requests[i].state, &asked, ANSWERING,
                                                     memory_order_acquire, memory_order_relaxed))
            continue;
        fill(&requests[i], context);
        atomic_store_explicit(&requests[i].state, ANSWERED, memory_order_release);
        syscall(SYS_futex, &requests[i].state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        break;
    }
    errno = kept;
}

/* Put our handler in place of the default; false when the host uses the signal. *OLD is for give_back. */
static bool borrow_signal(struct sigaction *old)
{
    struct sigaction ours = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigfillset(&ours.sa_mask);
    if (sigaction(ASK_SIGNAL, NULL, old) != 0 || (old->sa_flags & SA_SIGINFO) ||
        (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN))
        return false;
    return sigaction(ASK_SIGNAL, &ours, NULL) == 0;
}

static void give_back_signal(const struct sigaction *old)
{
    struct sigaction now;
    if (sigaction(ASK_SIGNAL, NULL, &now) == 0 && now.sa_sigaction == answer)
        sigaction(ASK_SIGNAL, old, NULL); // else the host set its own meanwhile: that one stays
}

/* Wait until REQUEST leaves STATE or the time is up; returns its state then. */
static uint32_t wait_while(struct request *request, uint32_t state, int64_t timeout_ns)
{
    struct timespec step = {.tv_nsec = 1000000};
    for (int64_t waited = 0; waited < timeout_ns; waited += step.tv_nsec) {
        uint32_t now = atomic_load_explicit(&request->state, memory_order_acquire);
        if (now != state)
            return now;
        syscall(SYS_futex, &request->state, FUTEX_WAIT_PRIVATE, state, &step, NULL, 0);
    }
    return atomic_load_explicit(&request->state, memory_order_acquire);
}

/* Wait for the answer, or take the question back. */
static bool await_answer(struct request *request, int64_t timeout_ns)
{
    uint32_t state = wait_while(request, ASKED, timeout_ns);
    if (state == ASKED && atomic_compare_exchange_strong_explicit(&request->state, &state, FREE,
                                                                  memory_order_acquire, memory_order_acquire))
        return false;
    if (state == ANSWERING)
        state = wait_while(request, ANSWERING, timeout_ns);
    return state == ANSWERED;
}

/* A request that nobody is answering. One that was answered after its time was up is free again. */
static struct request *free_request(void)
{
    for (int i = 0; i < REQUESTS; i++) {
        uint32_t state = atomic_load_explicit(&requests[i].state, memory_order_acquire);
        if (state == FREE || state == ANSWERED)
            return &requests[i];
    }
    return NULL;
}

static bool take_asking(pid_t tid, int64_t timeout_ns, struct gs_thread_stack *out)
{
    struct sigaction old;
    struct request *request = free_request();
    if (!request || !borrow_signal(&old))
        return false;
    atomic_store_explicit(&request->tid, tid, memory_order_relaxed);
    atomic_store_explicit(&request->state, ASKED, memory_order_release);
    bool answered = false;
    if (syscall(SYS_tgkill, getpid(), tid, ASK_SIGNAL) == 0)
        answered = await_answer(request, timeout_ns);
    else
        atomic_store_explicit(&request->state, FREE, memory_order_relaxed);
    if (answered) {
        *out = request->stack;
        atomic_store_explicit(&request->state, FREE, memory_order_release);
    }
    give_back_signal(&old);
    return answered;
}

void gs_probe_thread_stack(pid_t tid, int64_t timeout_ns, struct gs_thread_stack *out)
{
    out->how = GS_THREAD_UNREACHED;
    out->depth = 0;
    out->cut = true;
    if (take_asleep(tid, out) && !out->cut)
        return;
    uint32_t depth = out->depth; // a walk that was cut is better than none
    struct gs_thread_stack asked;
    if (take_asking(tid, timeout_ns, &asked) && asked.depth >= depth)
        *out = asked;
}
