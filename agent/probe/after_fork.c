/* after_fork.c - resets the probe in the child of a fork: the parent's other threads do not exist there, and the kernel does
 * not pass timers on to the child.
 * Who: the only thread of the child, before the host's code continues there; agent/watch/after_fork.c calls it. */
#include "probe/inside.h"

void gs_probe_after_fork(void)
{
    gs_threads_cpu_timers_after_fork();
    gs_unwind_scratch_after_fork();
    gs_threads_signal_after_fork();
    gs_threads_stack_after_fork();
    gs_heap_mapped_after_fork();
    gs_threads_table_after_fork();
    gs_unwind_walk_after_fork();
    gs_unwind_libraries_after_fork();
    gs_threads_spare_after_fork();
    gs_threads_alternate_stack_after_fork();
}
