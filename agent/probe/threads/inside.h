/* probe/threads/inside.h - what the files of threads/ share: the table of threads, and the one signal that they are asked by. */
#pragma once
#include "probe/inside.h"
#include <ucontext.h>

/* ---- the table of threads (thread_table.c) ---------------------------------------------------------------------------- */

void gs_threads_table_label(pid_t tid, uint32_t labels); // the calling thread TID carries this set
void gs_threads_table_small_stack(pid_t tid);            // and runs on stacks without room for a signal
/* Is there no thread TID of process PID any more? errno is kept. */
bool gs_threads_ended(pid_t pid, pid_t tid);

/* Have WHOM called with each thread that is marked from now on as one on a small stack: on that thread, in a signal handler
 * maybe. For one listener: cpu.c, which ends the thread's timer. For good, also in the child of a fork (small_stack.c). */
void gs_threads_small_stack_tell(void (*whom)(pid_t tid));

/* ---- the borrowed signal (signal.c) ------------------------------------------------------------------------------------ */

/* Who has sent it, and so whose it is: a CPU timer (cpu.c), or a request by tgkill (thread_stack.c). */
enum gs_signal_sender { GS_SIGNAL_TIMER, GS_SIGNAL_REQUEST, GS_SIGNAL_SENDERS };
/* Called in the signal handler, on any host thread: no lock, no allocation, bounded; signal.c keeps errno. */
typedef void gs_signal_handler(const siginfo_t *info, const ucontext_t *context);
/* Have HANDLER called for signals from SENDER, for good, also in the child of a fork. To be called before
 * gs_threads_signal_borrow by whoever has signals sent; any number of times with the same HANDLER. Context: watcher, host
 * thread outside of malloc. */
void gs_threads_signal_set_handler(enum gs_signal_sender sender, gs_signal_handler *handler);
/* Its number; 0: the host uses all that we could. Give each back that was borrowed. Context: as above. */
int gs_threads_signal_borrow(void);
void gs_threads_signal_give_back(void);
bool gs_threads_signal_still_ours(void); // false: the host has set a handler of its own since

struct gs_registers gs_threads_registers_of(const ucontext_t *context); // of what a handler interrupted
gs_signal_handler gs_threads_stack_on_signal;                    // answers a request; in a header for its test
