/* thread_stack.c - the stack of another thread.
 *
 *   /proc/self/task/TID/syscall ──asleep: pc, sp──▶ walk a copy of its stack ──▶ still asleep at the same place? done
 *                               └─running, or the walk cannot be completed──▶ ask the thread by a signal (signal.c)
 *
 * A thread that sleeps in a system call is read without waking it. If its stack is incomplete, it is asked only if its call
 * goes on after a handler: the host sees no EINTR. The stack is copied by
 * process_vm_readv: if the thread ends meanwhile, that returns an error where a plain read would crash. /proc does not give
 * rbp, so a frame that needs rbp is searched for (search.c).
 * Who:    gs_probe_thread_stack: the watcher, for incidents, or the thread that gumshoe_write_profile starts, one at a time
 *         (the lock of watch/active_captures.c). gs_threads_stack_on_signal: in the signal handler, on any host thread.
 * Bounds: 64 KiB of stack are read; an answer is waited for at most as long as the caller says; a thread that is
 *         stopped in the middle of its answer keeps its slot of REQUESTS until it continues. */
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

/* ---- a sleeping thread ---------------------------------------------------------------------------------------------- */

struct position {
    char text[256];
    uintptr_t pc, sp;
};

/* Write "TID/syscall" to OUT. printf and its relatives are not allowed in this folder. */
static void syscall_path(pid_t tid, char out[24])
{
    char digits[12], *at = digits + sizeof digits;
    *--at = 0;
    for (unsigned left = (unsigned)tid; left || at == digits + sizeof digits - 1; left /= 10)
        *--at = (char)('0' + left % 10);
    strcpy(out, at);
    strcat(out, "/syscall");
}

/* Read the number at *AT, hexadecimal after "0x", else decimal; move *AT behind it and the blank that follows. */
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

/* Read where the thread is: "CALL A1 … A6 SP PC"; "-1 SP PC" outside of a call; "running". False: it runs, or has ended. */
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

/* One buffer for all callers: they run one at a time, see "Who" above. */
static char copy[(COPY_PAGES + 1) * PAGE] __attribute__((aligned(PAGE)));

/* Copy one more page of the sleeping thread's stack. False: the limit is reached, or the page cannot be read. */
static bool copy_more(struct gs_reach *reach)
{
    if (reach->pages_left == 0 ||
        !gs_probe_peek(getpid(), reach->high, (char *)reach->high + reach->shift, PAGE))
        return false;
    reach->pages_left--;
    reach->high += PAGE;
    return true;
}

/* Copy the stack from SP to the end of the next page, as far as it can be read: most walks need no more. */
static struct gs_reach copy_stack(uintptr_t sp)
{
    uintptr_t page = sp & -(uintptr_t)PAGE;
    struct iovec from[] = {{(void *)sp, page + PAGE - sp}, {(void *)(page + PAGE), PAGE}};
    struct iovec to = {copy + (sp - page), from[0].iov_len + PAGE};
    ssize_t got = process_vm_readv(getpid(), &to, 1, from, 2,
                                   0); // copies page by page, and stops at a page that is not mapped
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
        return false; // it moved: the copy may mix two different stacks
    read_call(&before, out);
    out->how = GS_THREAD_ASLEEP;
    return true;
}

/* The descriptor of /proc/self/task/TID/syscall, or negative. */
static int open_position(int task, pid_t tid)
{
    char path[24];
    syscall_path(tid, path);
    return openat(task, path, O_RDONLY | O_CLOEXEC);
}

/* Walk one frame at a time, so that the end of each is known. */
static void walk_use(const struct position *position, struct gs_stack_use *out)
{
    struct gs_reach reach = copy_stack(position->sp);
    struct gs_registers registers = {.pc = position->pc, .sp = position->sp, .exact = true};
    *out = (struct gs_stack_use){.cut = true, .sp = {position->sp}};
    while (out->cut && out->depth < GS_DEPTH_MAX) {
        uintptr_t sp = registers.sp;
        (void)gs_unwind_walk(&registers, &reach, &out->frames[out->depth++], 1, &out->cut);
        out->sp[out->depth] = registers.sp;
        if (out->cut && registers.sp == sp)
            break;
    }
    out->far = out->cut && reach.pages_left == 0;
}

bool gs_probe_stack_use(int task, pid_t tid, struct gs_stack_use *out)
{
    struct position before, after;
    int fd = open_position(task, tid);
    bool taken = fd >= 0 && read_position(fd, &before);
    if (taken)
        walk_use(&before, out);
    taken = taken && read_position(fd, &after) && strcmp(before.text, after.text) == 0;
    if (fd >= 0)
        close(fd);
    return taken;
}

static bool read_sleeping(int task, pid_t tid, struct gs_thread_stack *out)
{
    int fd = open_position(task, tid);
    if (fd < 0)
        return false;
    bool taken = walk_asleep(fd, out);
    close(fd);
    return taken;
}

/* ---- a signaled thread ------------------------------------------------------------------------------------------------- */

enum request_state { FREE, ASKED, ANSWERING, ANSWERED };
/* The thread and the state are one word: if a signal comes late, when the request has another thread's tid, the late thread
 * does not answer it. */
struct request {
    _Atomic uint64_t tid_state; // tid << 32 | state
    _Atomic bool asker_sleeps;  // the asking thread sleeps, and must be woken
    struct gs_thread_stack stack;
};
static struct request requests[REQUESTS];

static uint64_t word_of(pid_t tid, enum request_state state)
{
    return (uint64_t)(uint32_t)tid << 32 | state;
}

static enum request_state state_of(uint64_t tid_state)
{
    return (enum request_state)(uint32_t)tid_state;
}

/* The half of the word that holds the state, as futex(2) needs it. */
static const uint32_t *state_futex(const struct request *request)
{
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the state is the first half of the word");
    return (const uint32_t *)(const void *)&request->tid_state;
}

static void answer(struct request *request, const ucontext_t *context)
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
        if (!atomic_compare_exchange_strong_explicit(&request->tid_state, &asked, word_of(tid, ANSWERING),
                                                     memory_order_acquire, memory_order_relaxed))
            continue;
        answer(request, context);
        atomic_store_explicit(&request->tid_state, word_of(tid, ANSWERED), memory_order_release);
        atomic_thread_fence(memory_order_seq_cst);
        if (atomic_load_explicit(&request->asker_sleeps, memory_order_relaxed))
            syscall(SYS_futex, state_futex(request), FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        break;
    }
}

/* Most answers come within microseconds. So wait without sleeping first: waking us would cost the answering thread more than
 * the whole answer. */
static void spin(const struct request *request, uint64_t word)
{
    enum { SPINS = 2000 };
    for (int i = 0; i < SPINS && atomic_load_explicit(&request->tid_state, memory_order_acquire) == word; i++)
#if defined(__x86_64__)
        __asm__ volatile("pause");
#else
        __asm__ volatile("" ::: "memory");
#endif
}

/* Wait until REQUEST's word differs from WORD, at most TIMEOUT_NS; returns the word. */
static uint64_t wait_while(struct request *request, uint64_t word, int64_t timeout_ns)
{
    struct timespec step = {.tv_nsec = 1000000};
    spin(request, word);
    atomic_store_explicit(&request->asker_sleeps, true, memory_order_seq_cst);
    for (int64_t waited = 0; waited < timeout_ns; waited += step.tv_nsec) {
        uint64_t now = atomic_load_explicit(&request->tid_state, memory_order_acquire);
        if (now != word)
            return now;
        syscall(SYS_futex, state_futex(request), FUTEX_WAIT_PRIVATE, state_of(word), &step, NULL, 0);
    }
    return atomic_load_explicit(&request->tid_state, memory_order_acquire);
}

/* Wait for TID's answer; on timeout cancel the request. False: no answer. */
static bool await_answer(struct request *request, pid_t tid, int64_t timeout_ns)
{
    uint64_t asked = word_of(tid, ASKED), answering = word_of(tid, ANSWERING);
    uint64_t word = wait_while(request, asked, timeout_ns);
    if (word == asked && atomic_compare_exchange_strong_explicit(&request->tid_state, &word, FREE,
                                                                 memory_order_acquire, memory_order_acquire))
        return false;
    if (word == answering)
        word = wait_while(request, answering, timeout_ns);
    return state_of(word) == ANSWERED;
}

/* A request that no thread is answering. One that was answered after its timeout is free again. NULL: none. */
static struct request *free_request(void)
{
    for (int i = 0; i < REQUESTS; i++) {
        enum request_state state =
            state_of(atomic_load_explicit(&requests[i].tid_state, memory_order_acquire));
        if (state == FREE || state == ANSWERED)
            return &requests[i];
    }
    return NULL;
}

/* Borrow the signal; our handler is set before the first request can be sent. */
static int borrow_signal(void)
{
    gs_threads_signal_set_handler(GS_SIGNAL_REQUEST, gs_threads_stack_on_signal);
    return gs_threads_signal_borrow();
}

static bool ask_by_signal(pid_t tid, int64_t timeout_ns, struct gs_thread_stack *out)
{
    struct request *request = free_request();
    int number = request ? borrow_signal() : 0;
    if (!number)
        return false;
    atomic_store_explicit(&request->asker_sleeps, false, memory_order_relaxed);
    atomic_store_explicit(&request->tid_state, word_of(tid, ASKED), memory_order_release);
    bool answered = false;
    if (!gs_probe_why_not_signal(tid) && syscall(SYS_tgkill, getpid(), tid, number) == 0)
        answered = await_answer(request, tid, timeout_ns);
    else
        atomic_store_explicit(&request->tid_state, FREE, memory_order_relaxed);
    if (answered && request->stack.depth >=
                        out->depth) { // keep the deeper of the two walks: a truncated one is better than none
        out->how = request->stack.how;
        out->depth = request->stack.depth;
        out->cut = request->stack.cut;
        memcpy(out->frames, request->stack.frames, out->depth * sizeof *out->frames);
    }
    if (answered)
        atomic_store_explicit(&request->tid_state, FREE, memory_order_release);
    gs_threads_signal_give_back();
    return answered;
}

/* Does the call that the thread sleeps in go on after a handler? FUTEX_WAIT does where it has no timeout, the fourth argument. */
static bool may_be_asked(const struct gs_thread_stack *asleep)
{
    return !gs_threads_call_is_interrupted(asleep->call) ||
           (asleep->call == SYS_futex && asleep->argument[3] == 0);
}

void gs_probe_thread_stack(int task, pid_t tid, int64_t timeout_ns, struct gs_thread_stack *out)
{
    out->how = GS_THREAD_UNREACHED;
    out->depth = 0;
    out->cut = true;
    out->call = -1;
    bool asleep = read_sleeping(task, tid, out);
    if ((asleep && (!out->cut || !may_be_asked(out))) || timeout_ns == 0)
        return;
    ask_by_signal(tid, timeout_ns, out);
}

int gs_probe_borrow_signal(void)
{
    return borrow_signal();
}

void gs_probe_return_signal(void)
{
    gs_threads_signal_give_back();
}

/* A request that was open belongs to a thread that the child does not have. */
void gs_threads_stack_after_fork(void)
{
    for (size_t i = 0; i < REQUESTS; i++) // write only used requests: writing copies the page
        if (state_of(atomic_load_explicit(&requests[i].tid_state, memory_order_relaxed)) != FREE)
            atomic_store_explicit(&requests[i].tid_state, FREE, memory_order_relaxed);
}
