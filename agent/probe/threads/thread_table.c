/* thread_table.c - what is known about each thread: the stack that created it, its labels, whether it may be signaled.
 *
 *   pthread_create ──▶ hooks/thread.c: walk, intern ──▶ the new thread, before its first own instruction: tid ──▶ stack
 *   gumshoe_label_set ──▶ labels.c ──▶ tid ──▶ set
 *
 *   thread_table[32 Ki]   by tid, in one of NEIGHBOURS rows; the row of a thread that has ended is reused
 *
 * Nothing reports a thread's end: whoever counts living threads lists them from /proc and looks each up here. When the
 * kernel reuses a tid, the new thread overwrites the row.
 * Who:    each thread writes its own row; the watcher reads at any time.
 * Bounds: .bss; with more than 32 Ki threads alive some are not found, which the profile reports. */
#include "probe/threads/inside.h"
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ROWS = 1 << 15, NEIGHBOURS = 8 };
#define NO_CREATOR UINT32_MAX // its creation was not seen

static struct thread_row {
    _Atomic uint64_t creator; // tid << 32 | stack; 0: free row
    _Atomic uintptr_t stack_top;
    _Atomic uint32_t labels;
    _Atomic uint32_t stack_kib; // size passed to pthread_create; 0: none was
    _Atomic uint32_t spared;    // enum gs_spared: why it is not signaled
} thread_table[ROWS + NEIGHBOURS];

bool gs_threads_ended(pid_t pid, pid_t tid)
{
    int saved_errno = errno;
    bool gone = syscall(SYS_tgkill, pid, tid, 0) != 0 && errno == ESRCH;
    errno = saved_errno;
    return gone;
}

static struct thread_row *find_row(pid_t tid)
{
    for (size_t at = (size_t)tid % ROWS, end = at + NEIGHBOURS; at < end; at++)
        if ((pid_t)(atomic_load_explicit(&thread_table[at].creator, memory_order_relaxed) >> 32) == tid)
            return &thread_table[at];
    return NULL;
}

static struct thread_row *new_row(pid_t tid, uint32_t stack)
{
    uint64_t new_creator = (uint64_t)tid << 32 | stack;
    pid_t pid = getpid();
    for (size_t at = (size_t)tid % ROWS, end = at + NEIGHBOURS; at < end; at++) {
        uint64_t current = atomic_load_explicit(&thread_table[at].creator, memory_order_relaxed);
        pid_t owner = (pid_t)(current >> 32);
        if ((current == 0 || owner == tid || gs_threads_ended(pid, owner)) &&
            atomic_compare_exchange_strong_explicit(&thread_table[at].creator, &current, new_creator,
                                                    memory_order_relaxed, memory_order_relaxed)) {
            atomic_store_explicit(&thread_table[at].spared, 0, memory_order_relaxed);
            return &thread_table[at];
        }
    }
    return NULL;
}

/* The C library stores its own record of a thread at the top of the thread's stack: the thread pointer points to it, and the
 * mapping ends with the page that holds it. */
static uintptr_t top_of_own_stack(void)
{
    enum { PAGE = 4096 };
    return ((uintptr_t)__builtin_thread_pointer() & ~(uintptr_t)(PAGE - 1)) + PAGE;
}

void gs_threads_table_add(pid_t tid, uint32_t stack, size_t stack_size)
{
    struct thread_row *row = new_row(tid, stack);
    if (!row)
        return;
    atomic_store_explicit(&row->labels, 0, memory_order_relaxed);
    atomic_store_explicit(&row->stack_kib, (uint32_t)(stack_size >> 10), memory_order_relaxed);
    atomic_store_explicit(&row->stack_top, top_of_own_stack(), memory_order_relaxed);
}

/* The row of TID, the calling thread. If there is none, one without a creator is added; NULL: no free row. */
static struct thread_row *own_row(pid_t tid)
{
    struct thread_row *row = find_row(tid);
    if (!row) {
        row = new_row(tid, NO_CREATOR);
        if (row)
            atomic_store_explicit(
                &row->stack_top, 0,
                memory_order_relaxed); // not known: the first thread's stack is not at its thread pointer
    }
    return row;
}

void gs_threads_table_label(pid_t tid, uint32_t labels)
{
    struct thread_row *row = own_row(tid);
    if (row)
        atomic_store_explicit(&row->labels, labels, memory_order_relaxed);
}

void gs_threads_table_spare(pid_t tid, enum gs_spared why)
{
    struct thread_row *row = own_row(tid);
    if (row)
        atomic_fetch_or_explicit(&row->spared, why, memory_order_seq_cst);
}

bool gs_probe_creator_of(pid_t tid, uint32_t *stack)
{
    const struct thread_row *row = find_row(tid);
    if (row)
        *stack = (uint32_t)atomic_load_explicit(&row->creator, memory_order_relaxed);
    return row && *stack != NO_CREATOR;
}

const char *gs_probe_why_not_signal(pid_t tid)
{
    const struct thread_row *row = find_row(tid);
    uint32_t spared = row ? atomic_load_explicit(&row->spared, memory_order_seq_cst) : 0;
    if ((spared & GS_SPARED_SANDBOX) || atomic_load_explicit(&gs_all_sandboxed, memory_order_seq_cst))
        return "it is in a sandbox";
    if (spared ||
        (row && gs_is_small_stack((size_t)atomic_load_explicit(&row->stack_kib, memory_order_relaxed) << 10)))
        return "its stack is small";
    return NULL;
}

bool gs_probe_stack_of(pid_t tid, uintptr_t *top, size_t *size)
{
    const struct thread_row *row = find_row(tid);
    *top = row ? atomic_load_explicit(&row->stack_top, memory_order_relaxed) : 0;
    *size = row ? (size_t)atomic_load_explicit(&row->stack_kib, memory_order_relaxed) << 10 : 0;
    return *top != 0;
}

uint32_t gs_probe_labels_of(pid_t tid)
{
    const struct thread_row *row = find_row(tid);
    return row ? atomic_load_explicit(&row->labels, memory_order_relaxed) : 0;
}

/* ---- the agent's threads ------------------------------------------------------------------------------------------------- */

static _Atomic pid_t own_tid[GS_OWN_THREADS_MAX];
const struct gs_anchor_threads gs_anchor_threads = {own_tid};

static void add_own(pid_t tid)
{
    pid_t pid = getpid();
    gs_threads_table_add(tid, NO_CREATOR, 0);
    for (int i = 0; i < GS_OWN_THREADS_MAX; i++) {
        pid_t current = atomic_load_explicit(&own_tid[i], memory_order_relaxed);
        if ((current == 0 || current == tid || gs_threads_ended(pid, current)) &&
            atomic_compare_exchange_strong_explicit(&own_tid[i], &current, tid, memory_order_relaxed,
                                                    memory_order_relaxed))
            return;
    }
}

/* The kernel may give TID to a host thread next. */
static void remove_own(pid_t tid)
{
    for (int i = 0; i < GS_OWN_THREADS_MAX; i++) {
        pid_t expected = tid;
        atomic_compare_exchange_strong_explicit(&own_tid[i], &expected, 0, memory_order_relaxed,
                                                memory_order_relaxed);
    }
}

void gs_probe_own_thread(bool begins)
{
    pid_t tid = (pid_t)syscall(SYS_gettid);
    gs_thread.own = begins;
    if (begins)
        add_own(tid);
    else
        remove_own(tid);
}

unsigned gs_probe_own_threads(void)
{
    unsigned count = 0;
    for (int i = 0; i < GS_OWN_THREADS_MAX; i++)
        count += atomic_load_explicit(&own_tid[i], memory_order_relaxed) != 0;
    return count;
}

void gs_threads_table_after_fork(void)
{
    for (int i = 0; i < GS_OWN_THREADS_MAX; i++)
        atomic_store_explicit(&own_tid[i], 0, memory_order_relaxed);
}

bool gs_probe_is_own_thread(pid_t tid)
{
    for (int i = 0; i < GS_OWN_THREADS_MAX; i++)
        if (atomic_load_explicit(&own_tid[i], memory_order_relaxed) == tid)
            return true;
    return false;
}
