/* own_thread.c - creates the agent's threads with clone(2).
 *
 *   memory of a thread:  [ unused, to a page boundary ][ guard page ][ stack, grows downward ][ thread-local storage ]
 *
 * A table of descriptors of its own: by unshare(2) or close_range(2). If the kernel or a seccomp filter refuses that, the
 * thread is created with a copy of the host's table and closes the copies. That costs more, and close may flush the host's
 * files. */
#include "host/own_thread.h"
#include "base/clock.h"
#include "base/memory.h"
#include "host/own_tls.h"
#include "probe/probe.h"
#include "sys/event.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/owned_fd.h"
#include "sys/process.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, JOINED_MAX = 8 };

static _Thread_local bool is_own_thread __attribute__((tls_model("initial-exec")));
static _Thread_local int process_end __attribute__((tls_model("initial-exec")));
/* How a thread gets its own table in this process. The first thread finds out. */
enum table_method { UNKNOWN, UNSHARED, COPIED };
static _Atomic enum table_method table_method;
static struct gs_event method_found;

bool gs_own_thread_is_me(void)
{
    return is_own_thread;
}

void gs_own_thread_end_with(int end)
{
    process_end = end;
}

/* Set the mask of all signals, including those that the C library uses itself and excludes from sigprocmask(3). */
static void set_mask(const uint64_t *mask, uint64_t *old)
{
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, old, sizeof *mask);
}

/* End the process, whose last thread this is, by SIGNAL: a filter of system calls has killed its first thread alone. */
static void die_by(int signal)
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    const uint64_t none = 0;
    (void)sigaction(signal, &by_default, NULL);
    syscall(SYS_kill, getpid(), signal);
    set_mask(&none, NULL);
}

/* ---- the table of descriptors ----------------------------------------------------------------------------------------- */

/* Close all descriptors of this thread's table: one by one, if the kernel has no close_range(2). */
static void close_all(void)
{
    struct gs_dir dir;
    if (syscall(SYS_close_range, 0, ~0U, 0) == 0)
        return;
    int list = open("/proc/thread-self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (list < 0)
        return;
    gs_file_dir_start(&dir, list);
    for (const char *name; (name = gs_file_dir_next(&dir));)
        if (atoi(name) != list)
            close(atoi(name));
    close(list);
}

/* Open 0 to 2 on something that can be neither read nor written, so that none of our files becomes stdin, stdout or
 * stderr. */
static void take_standard_numbers(void)
{
    while (open("/", O_PATH | O_CLOEXEC) >= 0 && fcntl(2, F_GETFD) < 0)
        ;
}

/* Get a table of descriptors of this thread's own. False: it still shares the table of its creator. */
static bool enter_own_table(void)
{
    if (atomic_load(&table_method) == COPIED) // the thread was created with a copy
        close_all();
    else if (syscall(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE) != 0) {
        if (syscall(SYS_unshare, CLONE_FILES) != 0)
            return false;
        close_all();
    }
    take_standard_numbers();
    return true;
}

/* ---- the thread ------------------------------------------------------------------------------------------------------- */

static bool enter_table(enum gs_own_thread_fds table)
{
    bool entered = table == GS_FDS_OF_CREATOR || enter_own_table();
    enum table_method unknown = UNKNOWN;
    if (table != GS_FDS_OF_CREATOR &&
        atomic_compare_exchange_strong(&table_method, &unknown, entered ? UNSHARED : COPIED))
        gs_event_signal(&method_found);
    if (entered && table == GS_FDS_OWN)
        gs_owned_fd_new_table();
    if (entered)
        gs_log_from_own_table(table == GS_FDS_OWN_TEMPORARY);
    return entered;
}

static int run_thread(void *pointer)
{
    struct gs_own_thread *thread = pointer;
    gs_own_tls_begin();
    is_own_thread = true;
    gs_prctl(PR_SET_NAME, (unsigned long)thread->start.name, 0);
    gs_probe_own_thread(true);
    if (enter_table(thread->start.fds))
        thread->start.routine(thread->start.argument);
    gs_probe_own_thread(false);
    if (WIFSIGNALED(process_end))
        die_by(WTERMSIG(process_end));
    return WEXITSTATUS(process_end);
}

static int clone_thread(struct gs_own_thread *thread)
{
    const uint64_t all = ~UINT64_C(0);
    uint64_t old;
    bool copy = thread->start.fds != GS_FDS_OF_CREATOR && atomic_load(&table_method) == COPIED;
    int flags = CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | (copy ? 0 : CLONE_FILES);
    void *tls = gs_own_tls_make(thread->top);
    set_mask(&all, &old); // inherited, so no signal can ever reach the thread
    int tid = clone(run_thread, thread->top, flags, thread, &thread->tid, tls, &thread->tid);
    int error = tid < 0 ? -errno : 0;
    set_mask(&old, NULL);
    return error;
}

int gs_own_thread_start_again(struct gs_own_thread *thread)
{
    int saved_errno = errno, error = thread->memory ? clone_thread(thread) : -ENOMEM;
    errno = saved_errno;
    return error;
}

static bool is_method_known(const void *unused)
{
    (void)unused;
    return atomic_load(&table_method) != UNKNOWN;
}

/* For the first thread: wait until it knows the method. If it was refused a table, it has ended: start it again with a
 * copy. */
static int find_table_method(struct gs_own_thread *thread)
{
    (void)gs_event_wait_until(&method_found, is_method_known, NULL, INT64_MAX / 2);
    if (atomic_load(&table_method) == UNSHARED)
        return 0;
    while (!gs_own_thread_join(thread, GS_NS_PER_S))
        ;
    return gs_own_thread_start_again(thread);
}

static uintptr_t page_up(uintptr_t at)
{
    return (at + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
}

static void protect_guard(const struct gs_own_thread *thread, int protection)
{
    mprotect((void *)page_up((uintptr_t)thread->memory), PAGE, protection);
}

int gs_own_thread_start(struct gs_own_thread *thread, const struct gs_own_thread_options *start)
{
    int error = gs_own_tls_learn();
    size_t stack_bytes = page_up(start->stack_bytes);
    if (error)
        return error;
    if (!thread->memory) {
        thread->memory = gs_alloc(2 * PAGE + stack_bytes + gs_own_tls_size());
        if (!thread->memory)
            return -ENOMEM;
        protect_guard(thread, PROT_NONE);
    }
    thread->top = (void *)(page_up((uintptr_t)thread->memory) + PAGE + stack_bytes);
    thread->start = *start;
    bool first = start->fds != GS_FDS_OF_CREATOR && atomic_load(&table_method) == UNKNOWN;
    error = gs_own_thread_start_again(thread);
    return error || !first ? error : find_table_method(thread);
}

bool gs_own_thread_runs(const struct gs_own_thread *thread)
{
    return atomic_load(&thread->tid) != 0;
}

/* Threads that were joined last. The kernel clears `tid` shortly before a thread leaves the process. */
static _Atomic pid_t joined[JOINED_MAX];
static _Atomic unsigned joined_count;

void gs_own_thread_wait_gone(void)
{
    const struct timespec pause = {.tv_nsec = 20000};
    int pauses_left = 1000; // for all of them
    for (size_t at = 0; at < JOINED_MAX; at++) {
        pid_t tid = atomic_exchange(&joined[at], 0);
        while (tid && pauses_left > 0 && syscall(SYS_tgkill, getpid(), tid, 0) == 0) {
            nanosleep(&pause, NULL);
            pauses_left--;
        }
    }
}

bool gs_own_thread_join(struct gs_own_thread *thread, int64_t timeout_ns)
{
    int64_t until_ns = gs_clock_monotonic_ns() + timeout_ns;
    pid_t last = atomic_load(&thread->tid);
    int saved_errno = errno;
    for (pid_t tid; (tid = atomic_load(&thread->tid));) {
        int64_t left_ns = until_ns - gs_clock_monotonic_ns();
        struct timespec left = {left_ns / GS_NS_PER_S, left_ns % GS_NS_PER_S};
        if (left_ns <= 0)
            break;
        syscall(SYS_futex, &thread->tid, FUTEX_WAIT, tid, &left, NULL,
                0); // not FUTEX_PRIVATE: the kernel's wake at thread exit is not
    }
    bool ended = !gs_own_thread_runs(thread);
    if (ended && last)
        atomic_store(&joined[atomic_fetch_add(&joined_count, 1) % JOINED_MAX], last);
    errno = saved_errno;
    return ended;
}

void gs_own_thread_fini(struct gs_own_thread *thread)
{
    if (thread->memory)
        protect_guard(thread, PROT_READ | PROT_WRITE); // the block will be reused
    gs_free(thread->memory);
    *thread = (struct gs_own_thread){.memory = NULL};
}

void gs_own_thread_after_fork(struct gs_own_thread *thread)
{
    atomic_store(&thread->tid, 0);
}
