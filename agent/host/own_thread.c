/* own_thread.c - own_thread.h in code.
 *
 *   memory of a thread:  [ … to the next page ][ guard page ][ stack, downward ][ thread-local storage ]
 *
 * Where the kernel or a filter of system calls refuses a thread its own table, a thread that is created with a copy of the
 * host's has one as well; closing the copies is dearer, and may flush what the host has written. */
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

enum { PAGE = 4096 };

static _Thread_local bool own __attribute__((tls_model("initial-exec")));
static _Thread_local int end_status __attribute__((tls_model("initial-exec")));
/* How a table of one's own is had in this process: found out by the first thread. */
enum way { UNKNOWN, UNSHARED, COPIED };
static _Atomic enum way way;
static struct gs_event way_found;

bool gs_own_thread_is_me(void)
{
    return own;
}

void gs_own_thread_end_with(int status)
{
    end_status = status;
}

/* ---- the table of descriptors ------------------------------------------------------------------------------------------- */

/* Close all that this thread's table has: one by one, where there is no close_range(2). */
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

/* 0 to 2 are taken by something that can be neither read nor written, so that no file of ours gets a number that means more. */
static void take_standard_numbers(void)
{
    while (open("/", O_PATH | O_CLOEXEC) >= 0 && fcntl(2, F_GETFD) < 0)
        ;
}

/* False: this thread still has the table of the one that started it. */
static bool enter_own_table(void)
{
    if (atomic_load(&way) == COPIED) // it was created with a copy
        close_all();
    else if (syscall(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE) != 0) {
        if (syscall(SYS_unshare, CLONE_FILES) != 0)
            return false;
        close_all();
    }
    take_standard_numbers();
    return true;
}

/* ---- the thread ----------------------------------------------------------------------------------------------------------- */

static bool enter(enum gs_own_table table)
{
    bool entered = table == GS_TABLE_CREATORS || enter_own_table();
    enum way unknown = UNKNOWN;
    if (table != GS_TABLE_CREATORS &&
        atomic_compare_exchange_strong(&way, &unknown, entered ? UNSHARED : COPIED))
        gs_event_signal(&way_found);
    if (entered && table == GS_TABLE_FRESH)
        gs_owned_fd_new_table();
    if (entered)
        gs_log_from_own_table(table == GS_TABLE_PASSING);
    return entered;
}

static int begin(void *of)
{
    struct gs_own_thread *thread = of;
    gs_own_tls_begin();
    own = true;
    gs_prctl(PR_SET_NAME, (unsigned long)thread->start.name, 0);
    gs_probe_own_thread(true);
    if (enter(thread->start.table))
        thread->start.routine(thread->start.argument);
    gs_probe_own_thread(false);
    return end_status;
}

/* All of them, also those that the C library keeps for itself and leaves out of its masks. */
static void set_mask(const uint64_t *mask, uint64_t *old)
{
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, old, sizeof *mask);
}

static int clone_thread(struct gs_own_thread *thread)
{
    const uint64_t all = ~UINT64_C(0);
    uint64_t old;
    bool copy = thread->start.table != GS_TABLE_CREATORS && atomic_load(&way) == COPIED;
    int flags = CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | (copy ? 0 : CLONE_FILES);
    void *storage = gs_own_tls_make(thread->top);
    set_mask(&all, &old); // the thread inherits it: there is no moment at which a signal could come
    int tid = clone(begin, thread->top, flags, thread, &thread->tid, storage, &thread->tid);
    int error = tid < 0 ? -errno : 0;
    set_mask(&old, NULL);
    return error;
}

int gs_own_thread_start_again(struct gs_own_thread *thread)
{
    int kept = errno, error = thread->memory ? clone_thread(thread) : -ENOMEM;
    errno = kept;
    return error;
}

static bool is_way_known(const void *unused)
{
    (void)unused;
    return atomic_load(&way) != UNKNOWN;
}

/* The first thread: wait until it is known how it has its table. Where it was refused one, it has ended: then again. */
static int find_way(struct gs_own_thread *thread)
{
    (void)gs_event_wait_until(&way_found, is_way_known, NULL, INT64_MAX / 2);
    if (atomic_load(&way) == UNSHARED)
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
    bool first = start->table != GS_TABLE_CREATORS && atomic_load(&way) == UNKNOWN;
    error = gs_own_thread_start_again(thread);
    return error || !first ? error : find_way(thread);
}

bool gs_own_thread_runs(const struct gs_own_thread *thread)
{
    return atomic_load(&thread->tid) != 0;
}

/* The kernel tells of the end a moment before the thread has left the process, which a call that wants one thread would see. */
static void wait_until_gone(pid_t tid)
{
    const struct timespec moment = {.tv_nsec = 20000};
    for (int i = 0; i < 1000 && syscall(SYS_tgkill, getpid(), tid, 0) == 0; i++)
        nanosleep(&moment, NULL);
}

bool gs_own_thread_join(struct gs_own_thread *thread, int64_t timeout_ns)
{
    int64_t until_ns = gs_clock_monotonic_ns() + timeout_ns;
    pid_t last = atomic_load(&thread->tid);
    int kept = errno;
    for (pid_t tid; (tid = atomic_load(&thread->tid));) {
        int64_t left_ns = until_ns - gs_clock_monotonic_ns();
        struct timespec left = {left_ns / GS_NS_PER_S, left_ns % GS_NS_PER_S};
        if (left_ns <= 0)
            break;
        syscall(SYS_futex, &thread->tid, FUTEX_WAIT, tid, &left, NULL, 0); // not private: the kernel wakes it
    }
    bool ended = !gs_own_thread_runs(thread);
    if (ended && last)
        wait_until_gone(last);
    errno = kept;
    return ended;
}

void gs_own_thread_fini(struct gs_own_thread *thread)
{
    if (thread->memory)
        protect_guard(thread, PROT_READ | PROT_WRITE); // it may be given to another
    gs_free(thread->memory);
    *thread = (struct gs_own_thread){.memory = NULL};
}

void gs_own_thread_after_fork(struct gs_own_thread *thread)
{
    atomic_store(&thread->tid, 0);
}
