/* The stack of another thread: asleep in a system call it is read without being woken; running it is asked; not there
 * or deaf it is given up in time. */
#include "probe/threads/inside.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <cmocka.h>

struct worker {
    void (*work)(struct worker *);
    pthread_t thread;
    _Atomic pid_t tid;
    _Atomic bool stop;
    int pipe[2];
    int interrupted;
};

/* poll is never restarted after a signal. */
static __attribute__((noinline)) void wait_in_poll(struct worker *worker)
{
    struct pollfd fd = {.fd = worker->pipe[0], .events = POLLIN};
    while (poll(&fd, 1, 60000) < 0)
        worker->interrupted++;
    __asm__ volatile("");
}

static __attribute__((noinline)) void spin(struct worker *worker)
{
    while (!worker->stop)
        __asm__ volatile("");
    __asm__ volatile("");
}

static __attribute__((noinline)) void spin_deaf(struct worker *worker)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    spin(worker);
    __asm__ volatile("");
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    worker->tid = (pid_t)syscall(SYS_gettid);
    worker->work(worker);
    return NULL;
}

static void begin(struct worker *worker, void (*work)(struct worker *))
{
    *worker = (struct worker){.work = work};
    assert_int_equal(pipe(worker->pipe), 0);
    assert_int_equal(pthread_create(&worker->thread, NULL, run, worker), 0);
    while (!worker->tid)
        sched_yield();
}

static void end(struct worker *worker)
{
    worker->stop = true;
    assert_int_equal(write(worker->pipe[1], "x", 1), 1);
    pthread_join(worker->thread, NULL);
    close(worker->pipe[0]);
    close(worker->pipe[1]);
}

/* Does some frame stand in FUNCTION (the first 400 bytes from its address)? */
static bool stands_in(const struct gs_thread_stack *stack, void (*function)(struct worker *))
{
    for (uint32_t i = 0; i < stack->depth; i++)
        if (stack->frames[i] - 1 - (uintptr_t)function < 400)
            return true;
    return false;
}

static int task(void)
{
    static int descriptor;
    if (!descriptor)
        descriptor = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return descriptor;
}

static struct gs_thread_stack take_within(pid_t tid, int64_t limit_ns)
{
    struct gs_thread_stack stack;
    gs_probe_thread_stack(task(), tid, limit_ns, &stack);
    return stack;
}

/* Of a thread that answers, however busy the machine is. */
static struct gs_thread_stack take(pid_t tid)
{
    return take_within(tid, 300000000000);
}

static void a_sleeping_thread_is_read_and_not_woken(void **state)
{
    (void)state;
    struct worker worker;
    struct gs_thread_stack stack;
    begin(&worker, wait_in_poll);
    do // until it has come to its poll
        stack = take(worker.tid);
    while (!stands_in(&stack, wait_in_poll) || stack.how != GS_THREAD_ASLEEP);
    int before = worker.interrupted;
    for (int i = 0; i < 1000; i++) {
        stack = take(worker.tid);
        assert_int_equal(stack.how, GS_THREAD_ASLEEP);
        assert_false(stack.cut);
        assert_true(stands_in(&stack, wait_in_poll));
    }
    end(&worker);
    assert_int_equal(worker.interrupted, before);
}

static void a_running_thread_is_asked(void **state)
{
    (void)state;
    struct worker worker;
    begin(&worker, spin);
    for (int i = 0; i < 100; i++) {
        struct gs_thread_stack stack = take(worker.tid);
        assert_true(stack.how == GS_THREAD_SIGNALED ||
                    stack.how == GS_THREAD_ASLEEP); // asleep: preempted at its start
        assert_false(stack.cut);
    }
    struct gs_thread_stack stack;
    do // until it has come to its work
        stack = take(worker.tid);
    while (!stands_in(&stack, spin));
    end(&worker);
}

static void a_deaf_thread_is_given_up(void **state)
{
    (void)state;
    struct worker worker;
    struct gs_thread_stack stack;
    begin(&worker, spin_deaf);
    do // until it has blocked its signals
        gs_probe_thread_stack(task(), worker.tid, 5000000, &stack);
    while (stack.how != GS_THREAD_UNREACHED);
    assert_int_equal(stack.depth, 0);
    end(&worker);
}

static void a_thread_that_is_gone_has_no_stack(void **state)
{
    (void)state;
    struct gs_thread_stack stack = take(0x3fffffff);
    assert_int_equal(stack.how, GS_THREAD_UNREACHED);
}

static _Atomic int urgent;

static void on_urgent(int signal)
{
    (void)signal;
    urgent++;
}

/* The host uses SIGURG: it never gets one from us, its handler stays, and the thread is asked by SIGWINCH; if it uses that too,
 * the thread is said to be unreached. */
static void the_hosts_own_handler_wins(void **state)
{
    (void)state;
    struct worker worker;
    struct sigaction after;
    signal(SIGURG, on_urgent);
    begin(&worker, spin);
    struct gs_thread_stack stack = take(worker.tid);
    assert_int_not_equal(stack.how, GS_THREAD_UNREACHED);
    signal(SIGWINCH, on_urgent);
    stack = take_within(worker.tid, 200000000);
    assert_int_not_equal(stack.how, GS_THREAD_SIGNALED);
    assert_int_equal(urgent, 0);
    sigaction(SIGURG, NULL, &after);
    assert_ptr_equal(after.sa_handler, on_urgent);
    signal(SIGURG, SIG_DFL);
    signal(SIGWINCH, SIG_DFL);
    end(&worker);
}

/* After a dump the signal is as it was: default, so that a late one is ignored. */
static void the_signal_is_given_back(void **state)
{
    (void)state;
    struct worker worker;
    struct sigaction after;
    begin(&worker, spin);
    (void)take(worker.tid);
    sigaction(SIGURG, NULL, &after);
    assert_ptr_equal(after.sa_handler, SIG_DFL);
    end(&worker);
}

/* ---- an answer that comes late ------------------------------------------------------------------------------------- */

/* Two threads block the signal and look whether they were sent it. The first then does what the handler would do, an instruction
 * at a time; after the STEP-th it stands still until its asker has given up and asks the second. */
static struct {
    int step, stepped;
    _Atomic bool asked_second, over;
    _Atomic pid_t first, second;
} late;

static bool is_sent_it(void)
{
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGURG);
}

static void block_it(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGURG);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void on_step(int signal, siginfo_t *info, void *context)
{
    enum { TRAP_FLAG = 0x100 };
    (void)signal, (void)info;
    if (late.stepped++ < late.step)
        return;
    while (!late.asked_second)
        sched_yield();
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

__attribute__((noinline)) static void answer_in_steps(void)
{
    ucontext_t context;
    getcontext(&context);
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
    gs_threads_stack_on_signal(NULL, &context);
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

static void *first_thread(void *unused)
{
    block_it();
    late.first = (pid_t)syscall(SYS_gettid);
    while (!is_sent_it() && !late.over)
        ;
    answer_in_steps();
    while (!late.over)
        ;
    return unused;
}

static void *second_thread(void *unused)
{
    block_it();
    late.second = (pid_t)syscall(SYS_gettid);
    while (!is_sent_it() && !late.over)
        ;
    late.asked_second = true;
    while (!late.over)
        ;
    return unused;
}

/* The first answers before it is given up, or not at all: never for the second. */
static void a_late_answer_is_not_taken_for_anothers(void **state)
{
    enum { STEPS = 80, MS = 1000000 };
    struct sigaction stepping = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO}, before;
    (void)state;
    sigaction(SIGTRAP, &stepping, &before);
    for (int step = 5; step < STEPS; step++) {
        pthread_t first, second;
        struct gs_thread_stack stack;
        memset(&late, 0, sizeof late);
        late.step = step;
        assert_int_equal(pthread_create(&first, NULL, first_thread, NULL), 0);
        assert_int_equal(pthread_create(&second, NULL, second_thread, NULL), 0);
        while (!late.first || !late.second)
            sched_yield();
        gs_probe_thread_stack(task(), late.first, 5 * MS, &stack);
        gs_probe_thread_stack(task(), late.second, 5 * MS, &stack);
        assert_int_not_equal(stack.how,
                             GS_THREAD_SIGNALED); // it blocks the signal: who answered is the first
        late.asked_second = late.over = true;
        pthread_join(first, NULL);
        pthread_join(second, NULL);
    }
    sigaction(SIGTRAP, &before, NULL);
}

/* ---- a library on its way out ----------------------------------------------------------------------------------- */

/* dlclose is in the middle of its work: the library's unwind data are unmapped, and it is still found by its addresses. The
 * answer is an address in one of its functions. */
static uintptr_t in_a_library_that_goes_away(void)
{
    static uintptr_t inside;
    struct dl_find_object found;
    if (inside)
        return inside;
    void *library = dlopen("libthread_db.so.1", RTLD_LAZY);
    assert_non_null(library);
    inside = (uintptr_t)dlsym(library, "td_ta_new") + 1;
    assert_int_equal(_dl_find_object((void *)inside, &found), 0);
    uintptr_t tables = (uintptr_t)found.dlfo_eh_frame & -(uintptr_t)4096;
    assert_true(inside < tables); // they have a segment of their own, behind the code
    assert_int_equal(munmap((void *)tables, 4096), 0);
    return inside;
}

/* Built so that its frame is found by rbp, which /proc does not tell: it is searched for among what stands on the stack. */
__attribute__((noinline, optimize("O0"))) static void sleep_over_old_words(struct worker *worker)
{
    volatile uintptr_t left_over[1000];
    struct pollfd fd = {.fd = worker->pipe[0], .events = POLLIN};
    for (int i = 0; i < 1000; i++)
        left_over[i] = in_a_library_that_goes_away() + 5;
    while (syscall(SYS_poll, &fd, 1, 60000) < 0) // it was asked by a signal as it came here
        left_over[0]++;
    left_over[0]++;
}

static void a_library_that_goes_away_is_not_searched_in(void **state)
{
    (void)state;
    struct worker worker;
    struct gs_thread_stack stack;
    in_a_library_that_goes_away();
    begin(&worker, sleep_over_old_words);
    do
        stack = take(worker.tid);
    while (!stands_in(&stack, sleep_over_old_words) || stack.how != GS_THREAD_ASLEEP);
    assert_false(stack.cut);
    end(&worker);
}

/* Code made at run time uses rbp as it likes: what seems to be its caller is left over from older calls. */
static void a_library_that_goes_away_is_not_walked_into(void **state)
{
    (void)state;
    static const char code_without_unwind_data[64];
    uintptr_t words[64], frames[GS_DEPTH_MAX];
    for (int i = 0; i < 64; i += 2) {
        words[i] = (uintptr_t)&words[i + 2];
        words[i + 1] = in_a_library_that_goes_away() + 5;
    }
    struct gs_registers registers = {.pc = (uintptr_t)code_without_unwind_data,
                                     .sp = (uintptr_t)words,
                                     .bp = (uintptr_t)words,
                                     .bp_known = true,
                                     .exact = true};
    struct gs_reach reach = {.low = (uintptr_t)words, .high = (uintptr_t)(words + 64)};
    bool cut;
    uint32_t depth = gs_unwind_walk(&registers, &reach, frames, GS_DEPTH_MAX, &cut);
    assert_true(depth >= 2);
    assert_true(frames[1] == in_a_library_that_goes_away() + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sleeping_thread_is_read_and_not_woken),
        cmocka_unit_test(a_running_thread_is_asked),
        cmocka_unit_test(a_deaf_thread_is_given_up),
        cmocka_unit_test(a_thread_that_is_gone_has_no_stack),
        cmocka_unit_test(the_hosts_own_handler_wins),
        cmocka_unit_test(the_signal_is_given_back),
        cmocka_unit_test(a_late_answer_is_not_taken_for_anothers),
        cmocka_unit_test(a_library_that_goes_away_is_not_searched_in),
        cmocka_unit_test(a_library_that_goes_away_is_not_walked_into),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
