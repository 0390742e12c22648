/* probe/threads/inside.h - what the files of threads/ share: the table of threads, and the signal that asks a thread for its
 * stack. */
#pragma once
#include "probe/inside.h"
#include <ucontext.h>

/* ---- the table of threads (thread_table.c) ---------------------------------------------------------------------------- */

void gs_threads_table_label(pid_t tid, uint32_t labels); // TID is the calling thread; LABELS: its set of labels
/* TID, the calling thread, must not be signaled from now on, because of WHY. */
enum gs_spared { GS_SPARED_SMALL_STACK = 1, GS_SPARED_SANDBOX = 2 };
void gs_threads_table_spare(pid_t tid, enum gs_spared why);
/* True if process PID has no thread TID any more. errno is kept. */
bool gs_threads_ended(pid_t pid, pid_t tid);

/* The calling thread must not be signaled from now on, because of WHY (spare.c). _tell: call LISTENER for each such thread, on that
 * thread, possibly in a signal handler. One listener only: cpu.c, which ends the thread's timer. Permanent, also in the child of a
 * fork. */
void gs_threads_spare(enum gs_spared why);
void gs_threads_spare_tell(void (*listener)(pid_t tid));

/* ---- the borrowed signal (signal.c) ------------------------------------------------------------------------------------ */

/* Who sent the signal: a CPU timer (for cpu.c), or tgkill with a request (for thread_stack.c). */
enum gs_signal_sender { GS_SIGNAL_TIMER, GS_SIGNAL_REQUEST, GS_SIGNAL_SENDERS };
/* Called in the signal handler, on any host thread: no lock, no allocation, bounded; signal.c keeps errno. */
typedef void gs_signal_handler(const siginfo_t *info, const ucontext_t *context);
/* Call HANDLER for signals from SENDER. Permanent, also in the child of a fork. Call this before gs_threads_signal_borrow;
 * it may be repeated with the same HANDLER. Context: watcher, host thread outside of malloc. */
void gs_threads_signal_set_handler(enum gs_signal_sender sender, gs_signal_handler *handler);
/* Borrow the signal: returns its number; 0: the host uses every signal that we could. Pair each borrow with one give_back.
 * Context: as above. */
int gs_threads_signal_borrow(void);
void gs_threads_signal_give_back(void);
bool gs_threads_signal_still_ours(void); // false: the host has set a handler of its own since

/* Does CALL return EINTR after a handler has run, also with SA_RESTART (restart.c)? Context: any (pure). */
bool gs_threads_call_is_interrupted(int call);
/* If SIGNAL, ours, made a system call of the interrupted code return EINTR, change CONTEXT so that the call starts again. Context:
 * signal handler, as its last step. */
void gs_threads_restart_call(int signal, ucontext_t *context);

struct gs_registers gs_threads_registers_of(const ucontext_t *context); // registers of the interrupted code
gs_signal_handler gs_threads_stack_on_signal;                    // answers a request; declared here for its test

void gs_threads_cpu_end_timers(void); // of all threads; called after gs_probe_why_not_signal has a reason for each (cpu.c)

/* ---- crashes (crash.c, crash_walk.c) ------------------------------------------------------------------------------------- */

/* Record the stack of the crashed thread in NOTE, and whether it has overflowed. NOTE's signal, code and address are set.
 * Context: signal handler; one thread at a time. */
void gs_threads_crash_walk(const ucontext_t *context, struct gs_crash *note);
bool gs_threads_crash_is_on(void); // does the calling process, or its parent, handle crashes?
