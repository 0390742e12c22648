/* thread_table.c - what is known of each thread: which stack created it, which labels it carries, whether it may be signalled.
 *
 *   pthread_create ──▶ hooks/thread.c: walk, intern ──▶ the new thread, before its first own instruction: tid ──▶ stack
 *   gumshoe_label_set ──▶ labels.c ──▶ tid ──▶ set
 *
 *   roll[32 Ki]       by tid, one of NEIGHBOURS places; a place whose thread has ended is given away
 *
 * Nothing tells of a thread's end: who counts living threads lists them from /proc and looks each up here. When the kernel gives
 * a thread's number to a new one, the new one overwrites the line.
 * Who:    threads write their own line; the watcher reads at any time.
 * Bounds: .bss; with more than 32 Ki threads alive some are not found, which the profile says. */
#include "probe/threads/inside.h"
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PLACES = 1 << 15, NEIGHBOURS = 8 };
#define NOBODY UINT32_MAX // nobody was seen to create it

static struct line {
    _Atomic uint64_t creator; // tid << 32 | stack; 0: the line is free
    _Atomic uintptr_t stack_top;
    _Atomic uint32_t labels;
    _Atomic uint32_t stack_kib; // as asked for; 0: not said
    _Atomic bool on_small_stack;
} roll[PLACES + NEIGHBOURS];

bool gs_threads_ended(pid_t pid, pid_t tid)
{
    int kept = errno;
    bool gone = syscall(SYS_tgkill, pid, tid, 0) != 0 && errno == ESRCH;
    errno = kept;
    return gone;
}

static struct line *line_of(pid_t tid)
{
    for (size_t at = (size_t)tid % PLACES, end = at + NEIGHBOURS; at < end; at++)
        if ((pid_t)(atomic_load_explicit(&roll[at].creator, memory_order_relaxed) >> 32) == tid)
            return &roll[at];
    return NULL;
}

static struct line *new_line(pid_t tid, uint32_t stack)
{
    uint64_t mine = (uint64_t)tid << 32 | stack;
    pid_t pid = getpid();
    for (size_t at = (size_t)tid % PLACES, end = at + NEIGHBOURS; at < end; at++) {
        uint64_t there = atomic_load_explicit(&roll[at].creator, memory_order_relaxed);
        pid_t owner = (pid_t)(there >> 32);
        if ((there == 0 || owner == tid || gs_threads_ended(pid, owner)) &&
            atomic_compare_exchange_strong_explicit(&roll[at].creator, &there, mine, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            atomic_store_explicit(&roll[at].on_small_stack, false, memory_order_relaxed);
            return &roll[at];
        }
    }
    return NULL;
}

/* The C library keeps its own record of a thread on top of the thread's stack: the thread pointer leads to it, and the
 * mapping ends with the page that holds it. */
static uintptr_t top_of_own_stack(void)
{
    enum { PAGE = 4096 };
    return ((uintptr_t)__builtin_thread_pointer() & ~(uintptr_t)(PAGE - 1)) + PAGE;
}

void gs_threads_table_add(pid_t tid, uint32_t stack, size_t stack_size)
{
    struct line *line = new_line(tid, stack);
    if (!line)
        return;
    atomic_store_explicit(&line->labels, 0, memory_order_relaxed);
    atomic_store_explicit(&line->stack_kib, (uint32_t)(stack_size >> 10), memory_order_relaxed);
    atomic_store_explicit(&line->stack_top, top_of_own_stack(), memory_order_relaxed);
}

/* The line of the calling thread TID, which nobody was seen to create if there is none yet. */
static struct line *own_line(pid_t tid)
{
    struct line *line = line_of(tid);
    if (!line) {
        line = new_line(tid, NOBODY);
        if (line)
            atomic_store_explicit(&line->stack_top, 0,
                                  memory_order_relaxed); // the first thread's is elsewhere
    }
    return line;
}

void gs_threads_table_label(pid_t tid, uint32_t labels)
{
    struct line *line = own_line(tid);
    if (line)
        atomic_store_explicit(&line->labels, labels, memory_order_relaxed);
}

void gs_threads_table_small_stack(pid_t tid)
{
    struct line *line = own_line(tid);
    if (line)
        atomic_store_explicit(&line->on_small_stack, true, memory_order_seq_cst);
}

bool gs_probe_creator_of(pid_t tid, uint32_t *stack)
{
    const struct line *line = line_of(tid);
    if (line)
        *stack = (uint32_t)atomic_load_explicit(&line->creator, memory_order_relaxed);
    return line && *stack != NOBODY;
}

bool gs_probe_may_be_asked(pid_t tid)
{
    const struct line *line = line_of(tid);
    return !line ||
           (!atomic_load_explicit(&line->on_small_stack, memory_order_seq_cst) &&
            !gs_is_small_stack((size_t)atomic_load_explicit(&line->stack_kib, memory_order_relaxed) << 10));
}

bool gs_probe_stack_of(pid_t tid, uintptr_t *top, size_t *size)
{
    const struct line *line = line_of(tid);
    *top = line ? atomic_load_explicit(&line->stack_top, memory_order_relaxed) : 0;
    *size = line ? (size_t)atomic_load_explicit(&line->stack_kib, memory_order_relaxed) << 10 : 0;
    return *top != 0;
}

uint32_t gs_probe_labels_of(pid_t tid)
{
    const struct line *line = line_of(tid);
    return line ? atomic_load_explicit(&line->labels, memory_order_relaxed) : 0;
}

/* ---- our own --------------------------------------------------------------------------------------------------------- */

enum { OWN_MAX = 8 };
static _Atomic pid_t own[OWN_MAX];

static void note_own(pid_t tid)
{
    pid_t pid = getpid();
    gs_threads_table_add(tid, NOBODY, 0);
    for (int i = 0; i < OWN_MAX; i++) {
        pid_t there = atomic_load_explicit(&own[i], memory_order_relaxed);
        if ((there == 0 || there == tid || gs_threads_ended(pid, there)) &&
            atomic_compare_exchange_strong_explicit(&own[i], &there, tid, memory_order_relaxed,
                                                    memory_order_relaxed))
            return;
    }
}

/* Its number may be a host thread's next. */
static void forget_own(pid_t tid)
{
    for (int i = 0; i < OWN_MAX; i++) {
        pid_t mine = tid;
        atomic_compare_exchange_strong_explicit(&own[i], &mine, 0, memory_order_relaxed,
                                                memory_order_relaxed);
    }
}

void gs_probe_own_thread(bool begins)
{
    pid_t tid = (pid_t)syscall(SYS_gettid);
    if (begins)
        note_own(tid);
    else
        forget_own(tid);
}

unsigned gs_probe_own_threads(void)
{
    unsigned count = 0;
    for (int i = 0; i < OWN_MAX; i++)
        count += atomic_load_explicit(&own[i], memory_order_relaxed) != 0;
    return count;
}

void gs_threads_table_after_fork(void)
{
    for (int i = 0; i < OWN_MAX; i++)
        atomic_store_explicit(&own[i], 0, memory_order_relaxed);
}

bool gs_probe_is_own_thread(pid_t tid)
{
    for (int i = 0; i < OWN_MAX; i++)
        if (atomic_load_explicit(&own[i], memory_order_relaxed) == tid)
            return true;
    return false;
}
