/* thread_stack.c - the stack of another thread.
 *
 *   /proc/self/task/TID/syscall ──asleep: pc, sp──▶ walk a copy of its stack ──▶ asleep still, same place? done
 *                               └─running, or the walk cannot be completed──▶ ask the thread by a signal (signal.c)
 *
 * A thread asleep in a system call is read without being woken: it sees no EINTR. The copy is made by
 * process_vm_readv, which answers an error where a plain read would kill us: the thread may end meanwhile. A frame that
 * is found by rbp, which /proc does not tell, is searched for (search.c).
 * Who:    gs_probe_thread_stack: the watcher, for incidents, or the thread that gumshoe_write_profile starts, one at a time (the
 *         lock of watch/active_captures.c). gs_threads_stack_on_signal: in the signal handler, on any host thread.
 * Bounds: 64 KiB of stack are looked at; an answer is waited for as long as the caller says; a thread that is
 *         stopped in the middle of its answer keeps its slot of REQUESTS until it goes on. */
#include "probe/threads/inside.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, COPY_PAGES = 16, REQUESTS = 8 };

/* ---- asleep ------------------------------------------------------------------------------------------------- */

struct position {
    char text[256];
    uintptr_t pc, sp;
};

/* "TID/syscall" into OUT. printf's family is not for this folder. */
static void syscall_path(pid_t tid, char out[24])
{
    char digits[12], *at = digits + sizeof digits;
    *--at = 0;
    for (unsigned left = (unsigned)tid; left || at == digits + sizeof digits - 1; left /= 10)
        *--at = (char)('0' + left % 10);
    strcpy(out, at);
    strcat(out, "/syscall");
}

/* The number at *AT, "0x" and hexadecimal digits or decimal ones, and step over it and the blank behind. */
static uintptr_t take_number(const char **at)
{
    uintptr_t value = 0;
    bool hexadecimal = strncmp(*at, "0x", 2) == 0;
    for (*at += hexadecimal ? 2 : 0; **at && **at != ' ' && **at != '\n'; ++*at) {
        uintptr_t digit = (uintptr_t)(**at <= '9' ? **at - '0' : **at - 'a' + 10);
        value = hexadecimal ? value << 4 | digit : value * 10 + digit;
    }
    *at += **at == ' ';
    return value;
}

/* Where the thread stands: "CALL A1 … A6 SP PC", "-1 SP PC" outside of a call, "running". False when it runs, or is gone. */
static bool read_position(int fd, struct position *out)
{
    ssize_t length = pread(fd, out->text, sizeof out->text - 1, 0);
    if (length <= 0 || out->text[0] == 'r')
        return false;
    out->text[length] = 0;
    const char *pc = strrchr(out->text, ' ');
    const char *sp = pc ? memrchr(out->text, ' ', (size_t)(pc - out->text)) : NULL;
    if (!sp || strncmp(sp, " 0x", 3) != 0 || strncmp(pc, " 0x", 3) != 0)
        return false;
    sp++, pc++;
    out->sp = take_number(&sp);
    out->pc = take_number(&pc);
    return out->pc != 0;
}

static void read_call(const struct position *position, struct gs_thread_stack *out)
{
    const char *at = position->text;
    if (*at == '-')
        return; // asleep, but not in a system call
    out->call = (int)take_number(&at);
    for (size_t i = 0; i < sizeof out->argument / sizeof *out->argument; i++)
        out->argument[i] = take_number(&at);
}

bool gs_probe_peek(pid_t pid, uintptr_t at, void *out, size_t length)
{
    struct iovec to = {out, length}, from = {(void *)at, length};
    return process_vm_readv(pid, &to, 1, &from, 1, 0) == (ssize_t)length;
}

/* One for all callers: they come one at a time, see "Who" above. */
static char copy[(COPY_PAGES + 1) * PAGE] __attribute__((aligned(PAGE)));

/* A page more of the sleeper's stack. */
static bool copy_more(struct gs_reach *reach)
{
    if (reach->pages_left == 0 ||
        !gs_probe_peek(getpid(), reach->high, (char *)reach->high + reach->shift, PAGE))
        return false;
    reach->pages_left--;
    reach->high += PAGE;
    return true;
}

/* A copy of the stack from SP on, as much as there is of the page that SP is on and the next: most walks need no more. */
static struct gs_reach copy_stack(uintptr_t sp)
{
    uintptr_t page = sp & -(uintptr_t)PAGE;
    struct iovec from[] = {{(void *)sp, page + PAGE - sp}, {(void *)(page + PAGE), PAGE}};
    struct iovec to = {copy + (sp - page), from[0].iov_len + PAGE};
    ssize_t got =
        process_vm_readv(getpid(), &to, 1, from, 2, 0); // the pages in turn: what is not there ends it
    struct gs_reach reach = {.low = sp,
                             .high = sp + (got > 0 ? (uintptr_t)got : 0),
                             .shift = (intptr_t)((uintptr_t)copy - page),
                             .grow = copy_more,
                             .end = UINTPTR_MAX - PAGE,
                             .pages_left = COPY_PAGES - 2,
                             .unsure = true};
    return reach;
}

static bool walk_asleep(int fd, struct gs_thread_stack *out)
{
    struct position before, after;
    if (!read_position(fd, &before))
        return false;
    struct gs_reach reach = copy_stack(before.sp);
    struct gs_registers registers = {.pc = before.pc, .sp = before.sp, .exact = true};
    out->depth = gs_unwind_walk(&registers, &reach, out->frames, GS_DEPTH_MAX, &out->cut);
    if (out->cut)
        gs_unwind_search(&registers, &reach, out);
    if (!read_position(fd, &after) || strcmp(before.text, after.text) != 0)
        return false; // it moved: what we copied may be half of one stack and half of another
    read_call(&before, out);
    out->how = GS_THREAD_ASLEEP;
    return true;
}

static bool take_asleep(int task, pid_t tid, struct gs_thread_stack *out)
{
    char path[24];
    syscall_path(tid, path);
    int fd = openat(task, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool taken = walk_asleep(fd, out);
    close(fd);
    return taken;
}

/* ---- asked ---------------------------------------------------------------------------------------------------- */

enum request_state { FREE, ASKED, ANSWERING, ANSWERED };
/* Who is asked and how far it is are one word: a thread whose signal comes late, when the request is somebody else's already,
 * does not take that for its own. */
struct request {
    _Atomic uint64_t who_state; // tid << 32 | state
    _Atomic bool slept_for;     // the asker has gone to sleep: it is to be woken
    struct gs_thread_stack stack;
};
static struct request requests[REQUESTS];

static uint64_t word_of(pid_t tid, enum request_state state)
{
    return (uint64_t)(uint32_t)tid << 32 | state;
}

static enum request_state state_of(uint64_t who_state)
{
    return (enum request_state)(uint32_t)who_state;
}

/* The half of the word that tells the state, as futex(2) wants it. */
static const uint32_t *futex_of(const struct request *request)
{
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the state is the first half of the word");
    return (const uint32_t *)(const void *)&request->who_state;
}

static void fill(struct request *request, const ucontext_t *context)
{
    struct gs_registers registers = gs_threads_registers_of(context);
    struct gs_reach reach;
    uintptr_t sp = registers.sp;
    gs_unwind_reach_own_stack(&reach, sp);
    request->stack.depth =
        gs_unwind_walk(&registers, &reach, request->stack.frames, GS_DEPTH_MAX, &request->stack.cut);
    gs_unwind_reach_remember(&reach);
    gs_threads_small_stack_notice(sp, &reach);
    request->stack.how = GS_THREAD_SIGNALED;
}

void gs_threads_stack_on_signal(const siginfo_t *info, const ucontext_t *context)
{
    (void)info;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    for (int i = 0; i < REQUESTS; i++) {
        struct request *request = &requests[i];
        uint64_t asked = word_of(tid, ASKED);
        if (!atomic_compare_exchange_strong_explicit(&request->who_state, &asked, word_of(tid, ANSWERING),
                                                     memory_order_acquire, memory_order_relaxed))
            continue;
        fill(request, context);
        atomic_store_explicit(&request->who_state, word_of(tid, ANSWERED), memory_order_release);
        atomic_thread_fence(memory_order_seq_cst);
        if (atomic_load_explicit(&request->slept_for, memory_order_relaxed))
            syscall(SYS_futex, futex_of(request), FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        break;
    }
}

/* Most answers come within microseconds. To be woken by the answering thread would cost it more than all the rest. */
static void look_for_a_while(const struct request *request, uint64_t word)
{
    enum { LOOKS = 2000 };
    for (int i = 0; i < LOOKS && atomic_load_explicit(&request->who_state, memory_order_acquire) == word; i++)
#if defined(__x86_64__)
        __asm__ volatile("pause");
#else
        __asm__ volatile("" ::: "memory");
#endif
}

/* Wait until REQUEST is no longer at WORD or the time is up; returns its word then. */
static uint64_t wait_while(struct request *request, uint64_t word, int64_t timeout_ns)
{
    struct timespec step = {.tv_nsec = 1000000};
    look_for_a_while(request, word);
    atomic_store_explicit(&request->slept_for, true, memory_order_seq_cst);
    for (int64_t waited = 0; waited < timeout_ns; waited += step.tv_nsec) {
        uint64_t now = atomic_load_explicit(&request->who_state, memory_order_acquire);
        if (now != word)
            return now;
        syscall(SYS_futex, futex_of(request), FUTEX_WAIT_PRIVATE, state_of(word), &step, NULL, 0);
    }
    return atomic_load_explicit(&request->who_state, memory_order_acquire);
}

/* Wait for the answer of TID, or take the question back. */
static bool await_answer(struct request *request, pid_t tid, int64_t timeout_ns)
{
    uint64_t asked = word_of(tid, ASKED), answering = word_of(tid, ANSWERING);
    uint64_t word = wait_while(request, asked, timeout_ns);
    if (word == asked && atomic_compare_exchange_strong_explicit(&request->who_state, &word, FREE,
                                                                 memory_order_acquire, memory_order_acquire))
        return false;
    if (word == answering)
        word = wait_while(request, answering, timeout_ns);
    return state_of(word) == ANSWERED;
}

/* A request that nobody is answering. One that was answered after its time was up is free again. */
static struct request *free_request(void)
{
    for (int i = 0; i < REQUESTS; i++) {
        enum request_state state =
            state_of(atomic_load_explicit(&requests[i].who_state, memory_order_acquire));
        if (state == FREE || state == ANSWERED)
            return &requests[i];
    }
    return NULL;
}

/* Borrow the signal with our handler in place: it is set before the first request can be sent. */
static int borrow_signal(void)
{
    gs_threads_signal_set_handler(GS_SIGNAL_REQUEST, gs_threads_stack_on_signal);
    return gs_threads_signal_borrow();
}

static bool take_asking(pid_t tid, int64_t timeout_ns, struct gs_thread_stack *out)
{
    struct request *request = free_request();
    int number = request ? borrow_signal() : 0;
    if (!number)
        return false;
    atomic_store_explicit(&request->slept_for, false, memory_order_relaxed);
    atomic_store_explicit(&request->who_state, word_of(tid, ASKED), memory_order_release);
    bool answered = false;
    if (gs_probe_may_be_asked(tid) && syscall(SYS_tgkill, getpid(), tid, number) == 0)
        answered = await_answer(request, tid, timeout_ns);
    else
        atomic_store_explicit(&request->who_state, FREE, memory_order_relaxed);
    if (answered && request->stack.depth >= out->depth) { // a walk that was cut is better than none
        out->how = request->stack.how;
        out->depth = request->stack.depth;
        out->cut = request->stack.cut;
        memcpy(out->frames, request->stack.frames, out->depth * sizeof *out->frames);
    }
    if (answered)
        atomic_store_explicit(&request->who_state, FREE, memory_order_release);
    gs_threads_signal_give_back();
    return answered;
}

void gs_probe_thread_stack(int task, pid_t tid, int64_t timeout_ns, struct gs_thread_stack *out)
{
    out->how = GS_THREAD_UNREACHED;
    out->depth = 0;
    out->cut = true;
    out->call = -1;
    if ((take_asleep(task, tid, out) && !out->cut) || timeout_ns == 0)
        return;
    take_asking(tid, timeout_ns, out);
}

int gs_probe_ask_begin(void)
{
    return borrow_signal();
}

void gs_probe_ask_end(void)
{
    gs_threads_signal_give_back();
}
