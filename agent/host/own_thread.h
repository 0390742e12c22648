/* own_thread.h - agent threads in the host's process, which the C library does not know.
 *
 *   clone(2), with the TLS of own_tls.h ──▶ table of descriptors ──▶ routine ──▶ kernel clears `tid`, wakes gs_own_thread_join
 *
 * So the C library behaves as without us: the process exits when the last host thread ends, fork takes no malloc lock in a
 * process with one thread, and setuid sends no signals to other threads. Such a thread must never call malloc, the C
 * library's mutexes, or host code. docs/how-it-works.md lists the alternatives. */
#pragma once
#include "base/attributes.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Which table of descriptors the thread uses. */
enum gs_own_thread_fds {
    GS_FDS_OWN,           // a new, empty one, which sys/owned_fd.h belongs to from now on
    GS_FDS_OWN_TEMPORARY, // a new, empty one for one request: not used by sys/owned_fd.h
    GS_FDS_OF_CREATOR,    // the table of the thread that starts it
};

struct gs_own_thread_options {
    const char *name; // 15 bytes at most
    void (*routine)(void *argument);
    void *argument;
    size_t stack_bytes;
    enum gs_own_thread_fds fds;
};
struct gs_own_thread {  // all zero: no thread
    _Atomic pid_t tid;  // 0: ended, or never started
    void *memory, *top; // its memory, kept for a restart; the top of the stack in it
    struct gs_own_thread_options start;
};

/* Start a thread as START says, with every signal blocked. 0 or -errno. The first call must be on a host thread in
 * gumshoe_start (own_tls.h). Context: any thread, also in the child of a fork. */
int gs_own_thread_start(struct gs_own_thread *thread, const struct gs_own_thread_options *start) GS_CHECK_RESULT;
/* Start an ended thread again, in its old memory. Takes no lock. 0 or -errno. Context: any thread, also inside malloc. */
int gs_own_thread_start_again(struct gs_own_thread *thread) GS_CHECK_RESULT;
/* Wait for its end, at most TIMEOUT_NS. True: it has ended, or was never started. The only system call is futex: the caller may
 * be a host thread whose filter (seccomp) ends the process for any other call. */
bool gs_own_thread_join(struct gs_own_thread *thread, int64_t timeout_ns);
/* Wait until the last threads that were joined have left the process, about 70 ms at most. Until then the kernel refuses unshare
 * and setns. */
void gs_own_thread_wait_gone(void);
bool gs_own_thread_runs(const struct gs_own_thread *thread);
/* Free the memory of a thread that has ended. */
void gs_own_thread_fini(struct gs_own_thread *thread);
/* In the child of a fork: the thread does not exist. */
void gs_own_thread_after_fork(struct gs_own_thread *thread);
/* True: the calling thread is one of these. */
bool gs_own_thread_is_me(void);
/* When the calling thread ends as the last of the process, the process ends as END says, in the form of wait(2). */
void gs_own_thread_end_with(int end);
