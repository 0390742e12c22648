/* own_thread.h - a thread of the agent's own in the host's process, of which the C library does not know.
 *
 *   clone(2), with storage of own_tls.h ──▶ table of descriptors ──▶ routine ──▶ the kernel clears `tid`, and wakes who joins
 *
 * So the process is to the C library what it is without us: it exits as its last thread of the host's ends, its fork takes no
 * lock of malloc where there is one thread, and its setuid asks nobody to do the same. What such a thread must not do: call
 * malloc, the C library's mutexes, or code of the host's. docs/how-it-works.md says what else was weighed. */
#pragma once
#include "base/attributes.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Whose table of descriptors it has. */
enum gs_own_table {
    GS_TABLE_FRESH,    // one of its own, empty: what is held (sys/owned_fd.h) is of it from now on
    GS_TABLE_PASSING,  // one of its own, for the time of a request: nothing is held in it
    GS_TABLE_CREATORS, // that of the thread that starts it
};

struct gs_own_thread_options {
    const char *name; // 15 bytes at most
    void (*routine)(void *argument);
    void *argument;
    size_t stack_bytes;
    enum gs_own_table table;
};
struct gs_own_thread {  // all zero: none
    _Atomic pid_t tid;  // 0: it has ended, or never began
    void *memory, *top; // its memory, kept for another life, and where its stack begins in it
    struct gs_own_thread_options start;
};

/* Start it as START says, with every signal blocked. 0 or -errno. The first call is a host thread's, in gumshoe_start
 * (own_tls.h). Context: any thread; in the child of a fork too. */
int gs_own_thread_start(struct gs_own_thread *thread, const struct gs_own_thread_options *start) GS_CHECK_RESULT;
/* Start it once more, as before, in the memory that it had: takes no lock. Context: any thread, also inside malloc. */
int gs_own_thread_start_again(struct gs_own_thread *thread) GS_CHECK_RESULT;
/* Wait for its end, at most TIMEOUT_NS. True: it has ended, or never began. */
bool gs_own_thread_join(struct gs_own_thread *thread, int64_t timeout_ns);
bool gs_own_thread_runs(const struct gs_own_thread *thread);
/* Free the memory of a thread that has ended. */
void gs_own_thread_fini(struct gs_own_thread *thread);
/* In the child of a fork: it is not here. */
void gs_own_thread_after_fork(struct gs_own_thread *thread);
/* Is the calling thread one of these? */
bool gs_own_thread_is_me(void);
/* The calling thread is the last of the process: the process is to end with STATUS. */
void gs_own_thread_end_with(int status);
