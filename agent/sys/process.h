/* process.h - reads facts about processes. Context: watcher, CLI. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Start of process PID in clock ticks since boot; 0: no such process. Allocates nothing. */
unsigned long long gs_process_start_ticks(int pid);
int gs_process_parent(int pid); // 0: no such process. Allocates nothing
/* True: process PID, which started at START_TICKS, runs. A zombie, which nobody has waited for yet, does not. Allocates
 * nothing. */
bool gs_process_runs(int pid, unsigned long long start_ticks);
/* Start of process PID (0: this one), CLOCK_REALTIME; 0: no such process. */
int64_t gs_process_started_ns(int pid);

/* How many system call filters (seccomp) the calling thread has; for kernels that do not count them (before 5.9): 1 if there is
 * any. A filter may kill the process for a call that it forbids, and nobody can ask which: calls that are not needed are left
 * out under one. */
unsigned gs_process_count_filters(void);
/* The same of the thread whose status file (/proc) has the text STATUS. UINT_MAX: it is in strict mode. */
unsigned gs_process_filters_in(const char *status);

/* How this process's first thread has ended, as wait(2) has it. Needed because since Linux 5.17 a process ends as its last thread
 * does. */
int gs_process_first_threads_end(void);

/* For a thread with its own table: open a handle (pidfd), copy descriptors of the process's first thread, then close the
 * handle. Both return a descriptor, or -errno if the kernel (before 5.6) refuses, or under a seccomp filter. */
int gs_process_handle(void) GS_CHECK_RESULT;
int gs_process_copy_descriptor(int process, int fd) GS_CHECK_RESULT;

/* prctl(2) as a direct system call: our hooks replace the C library's function, and would take the call for the host's. */
static inline int gs_prctl(int option, unsigned long a, unsigned long b)
{
    return (int)syscall(SYS_prctl, option, a, b, 0UL, 0UL);
}
