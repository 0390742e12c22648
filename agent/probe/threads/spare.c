/* spare.c - threads that are not signaled any more: a signal would harm them.
 *
 *   small_stack.c, sandbox.c ──▶ a mark in thread_table.c, for good ──▶ cpu.c ends the thread's timer
 *
 * Who: host threads, in malloc and in the signal handler, too. Bounds: a few system calls, once for each thread and reason. */
#include "probe/threads/inside.h"
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic(void (*)(pid_t tid)) spare_listener;

void gs_threads_spare_tell(void (*listener)(pid_t tid))
{
    atomic_store_explicit(&spare_listener, listener, memory_order_seq_cst);
}

/* First set the mark, then call the listener. cpu.c works in the other order (listener, timer, then it reads the mark, in
 * gs_probe_cpu_watch), so one of the two always ends a timer that is being armed at this moment. */
void gs_threads_spare(enum gs_spared why)
{
    int saved_errno = errno;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    gs_threads_table_spare(tid, why);
    void (*listener)(pid_t) = atomic_load_explicit(&spare_listener, memory_order_seq_cst);
    if (listener)
        listener(tid);
    errno = saved_errno;
}

/* The thread has a new tid in the child. One in a sandbox makes no call: no thread of ours begins there. */
void gs_threads_spare_after_fork(void)
{
    if (gs_thread.on_small_stack && !gs_is_sandboxed())
        gs_threads_table_spare((pid_t)syscall(SYS_gettid), GS_SPARED_SMALL_STACK);
}
