/* process.h - what /proc tells of a process. Context: watcher, CLI. */
#pragma once
#include "base/attributes.h"
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* When process PID was started, in clock ticks since boot; 0: there is none. No allocation. */
unsigned long long gs_process_start_ticks(int pid);
/* When process PID (0: this one) was started, CLOCK_REALTIME; 0 when there is no such process. */
int64_t gs_process_started_ns(int pid);

/* The status that this process's first thread, which has ended, has ended with. Since Linux 5.17 the process's is that of its
 * last thread. */
int gs_process_first_threads_status(void);

/* Copies of descriptors that the process's first thread has, for a thread with a table of its own: a handle, copies, close.
 * -errno where the kernel (before 5.6) or a filter refuses. */
int gs_process_handle(void) GS_CHECK_RESULT;
int gs_process_copy_descriptor(int process, int fd) GS_CHECK_RESULT;

/* prctl(2) by itself: the C library's name is taken over by our own hooks, which would take it for the host's. */
static inline int gs_prctl(int option, unsigned long a, unsigned long b)
{
    return (int)syscall(SYS_prctl, option, a, b, 0UL, 0UL);
}
