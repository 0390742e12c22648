/* after_fork.c - what the probe forgets in the child of a fork: what the parent's other threads were doing, and what the kernel
 * does not hand down (timers).
 * Who: the one thread of the child, before the host's code goes on there; agent/watch/after_fork.c calls it. */
#include "probe/inside.h"

void gs_probe_after_fork(void)
{
    gs_threads_cpu_timers_after_fork();
    gs_unwind_scratch_after_fork();
    gs_threads_signal_after_fork();
    gs_heap_mapped_after_fork();
    gs_threads_table_after_fork();
    gs_unwind_walk_after_fork();
    gs_threads_small_stack_after_fork();
}
