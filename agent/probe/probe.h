/* probe/probe.h - the door of probe/: everything that runs on the host's own threads.
 *
 *   malloc, free, …  ──▶ sampler ──▶ stacks (counters) ──▶ read here by the watcher
 *   pthread_create   ──▶ per-thread state
 *   CPU timers       ──▶ samples (a ring)
 *   gumshoe_gauge    ──▶ gauges
 *
 * Code in this folder does not allocate, does not block, takes no lock, keeps errno, and is bounded: on a
 * host thread it may run inside malloc, inside the host's signal handlers, or on a stack of 16 KiB. It leans
 * on nobody: only the names in tests/check/probe.allow.
 * "Context: watcher" means a thread of the agent's: the watcher, or the one that gumshoe_write_profile starts. Those two take
 * turns at stacks (the lock of watch/active_captures.c) and at CPU time (that of gather/cpu.c).
 * Opened by: metrics, gather, account, host, watch, the two ways in. Opens: nothing. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- starting ---------------------------------------------------------------------------------------- */

enum { GS_DEPTH_MAX = 256 };    // frames of one stack, at most
enum { GS_STACKS_MAX = 65536 }; // distinct stacks

struct gs_probe_settings {
    uint64_t sample_bytes; // mean distance of two samples, in allocated bytes; 0: sampling off
    uint32_t depth;        // frames kept of each stack, 1 to GS_DEPTH_MAX
};

/* Change how we sample. Sampling itself runs from the process's first allocation, every 512 KiB; threads take a new
 * distance with their next sample. Context: watcher. */
void gs_probe_start(const struct gs_probe_settings *settings);
/* Stop sampling: what is live keeps being followed until it is freed, so that a later start is true. */
void gs_probe_stop(void);
/* False when the program brings a malloc of its own that our hooks never see. */
bool gs_probe_hooks_seen(void);

/* Why nothing may be watched in this process, a sentence's worth; NULL: it may. There the hooks pass on, and sample nothing.
 * Context: any. */
const char *gs_probe_cannot_serve(void);

/* ---- heap -------------------------------------------------------------------------------------------- */

/* Estimates, in bytes: what the samples stand for. heap_in_use is the sum over the stacks' inuse_space. */
uint64_t gs_probe_heap_in_use(void);
uint64_t gs_probe_heap_allocated(void); // since the start; only grows

/* The distance in force is the one that was set, doubled for the budget (gs_probe_widen, which watch/governor.c decides) and so
 * that the tables of live samples never fill. Estimates stay unbiased. */
struct gs_sampling {
    uint64_t asked_bytes, bytes;          // as set; in force now
    unsigned for_budget, for_crowding;    // doublings
};
struct gs_sampling gs_probe_sampling(void);
void gs_probe_widen(unsigned doublings);
/* Time that samples have cost the host's threads so far: an estimate, from one in 64 of them. */
uint64_t gs_probe_sampling_ns(void);

/* Wake the waiter of gs_probe_wait once heap_in_use reaches LINE bytes; UINT64_MAX: never. One shot. */
void gs_probe_alarm_at(uint64_t line_bytes);
/* While MUTE no line wakes anybody: the estimate is known to be wrong. Context: watcher. */
void gs_probe_alarm_mute(bool mute);
/* Sleep until the alarm, a gs_probe_wake, or TIMEOUT_NS. Context: watcher. */
enum gs_wake { GS_WAKE_TIMEOUT, GS_WAKE_ALARM, GS_WAKE_CALL };
enum gs_wake gs_probe_wait(int64_t timeout_ns);
void gs_probe_wake(void); // from any thread

/* What one stack has allocated and still holds. Objects are in units of 1/GS_OBJECT_ONE. */
enum { GS_OBJECT_SHIFT = 16 };
struct gs_heap_counts { uint64_t alloc_objects, alloc_space, inuse_objects, inuse_space; };

/* Stacks are numbered from 0 in order of their first sample; numbers never change and never go away. */
uint32_t gs_probe_stack_count(void);
/* The frames of STACK, leaf first: each one past an address inside its call (a return address; the exact pc of an
 * interrupted frame plus one), so that address - 1 is what to name. Borrowed, for good.
 * *CUT: the walk ended before the outermost frame. */
const uintptr_t *gs_probe_stack_frames(uint32_t stack, uint32_t *depth, bool *cut);
struct gs_heap_counts gs_probe_stack_counts(uint32_t stack);
/* Which of the 64 stacks from GROUP * 64 on have counted something since the last call: bit n is stack GROUP * 64 + n. What it
 * tells, it forgets: for one caller alone, the box. */
uint64_t gs_probe_stacks_changed(uint32_t group);
/* The set of labels that the thread carried; 0: none. The same frames under other labels are another stack. */
uint32_t gs_probe_stack_labels(uint32_t stack);

/* What was dropped, for the log, the profile's comments and the summary. Counted since the start. */
struct gs_probe_drops {
    uint64_t samples;       // live table's neighbourhood full, or no scratch room
    uint64_t stacks_full;   // samples charged to no stack: the stack table was full
    uint64_t stacks_cut;    // stacks whose walk ended early
    uint64_t mappings;      // mappings outside malloc without a place in the table
};
struct gs_probe_drops gs_probe_drops(void);

/* For gumshoe_note_alloc and gumshoe_note_free. Context: host thread. */
void gs_probe_note_alloc(void *ptr, size_t size);
void gs_probe_note_free(void *ptr);

/* ---- what the memory is for --------------------------------------------------------------------------- */

/* Addresses where blocks of the heap are or were: of every live sample, and one of each 2 MiB that ever held a sample. From
 * *AT = 0 on; false: there is no more. Context: watcher. */
bool gs_probe_block_next(size_t *at, uintptr_t *address);
/* Anonymous private memory of 64 KiB and more that the host mapped with mmap, and the stack that did; what an allocator maps
 * for itself is among it, where that allocator calls mmap as others do. In no order. Context: watcher. */
struct gs_mapped { uintptr_t start, end; uint32_t stack; };
bool gs_probe_mapped_next(size_t *at, struct gs_mapped *out);
/* Where the stack of thread TID ends, and the size that was asked for (0: none was). False: not known. Context: watcher. */
bool gs_probe_stack_of(pid_t tid, uintptr_t *top, size_t *size);

/* ---- threads ----------------------------------------------------------------------------------------- */

enum gs_thread_how {
    GS_THREAD_ASLEEP,   // read through /proc without waking it
    GS_THREAD_SIGNALED, // it ran, and its stack was taken by a signal
    GS_THREAD_UNREACHED // neither worked: no stack
};
struct gs_thread_stack {
    enum gs_thread_how how;
    int call;              // the system call that it sleeps in; -1: none, or not known
    uintptr_t argument[6]; // of the call
    uint32_t depth;
    bool cut;
    uintptr_t frames[GS_DEPTH_MAX]; // leaf first; as gs_probe_stack_frames has them
};
/* Take the stack of thread TID of this process, TASK being a descriptor of /proc/self/task. At most TIMEOUT_NS for a signal's
 * answer; 0: no signal is sent. Context: watcher. */
void gs_probe_thread_stack(int task, pid_t tid, int64_t timeout_ns, struct gs_thread_stack *out);
/* False: thread TID was created with a stack so small that a signal might run over its end, or was seen on one of the
 * program's own. */
bool gs_probe_may_be_asked(pid_t tid);
/* Around a dump that may ask threads: the signal that they are asked by, borrowed until the end; 0: the host uses all that
 * we could. Without it gs_probe_thread_stack borrows it for each thread. */
int gs_probe_ask_begin(void);
void gs_probe_ask_end(void);
/* Copy LENGTH bytes of process PID's memory at AT; false when they cannot be read. */
bool gs_probe_peek(pid_t pid, uintptr_t at, void *out, size_t length);

/* How many threads STACK has created; and which stack created the living thread TID of this process: false when that
 * was not seen. Context: watcher. */
uint32_t gs_probe_stack_threads(uint32_t stack);
bool gs_probe_creator_of(pid_t tid, uint32_t *stack);
/* The calling thread is the agent's own, from here on or, where it does not BEGIN, no more: dumps leave it out. */
void gs_probe_own_thread(bool begins);
bool gs_probe_is_own_thread(pid_t tid);
unsigned gs_probe_own_threads(void); // how many there are

/* Where the calling thread stands, from the caller of this outward: at most MAX frames, as gs_probe_stack_frames has them.
 * Returns how many. Context: host thread. */
uint32_t gs_probe_own_frames(uintptr_t *frames, uint32_t max);

/* ---- CPU time ---------------------------------------------------------------------------------------- */

enum { GS_CPU_DEPTH_MAX = 128 };
struct gs_cpu_sample {
    int64_t time_ns;       // CLOCK_MONOTONIC
    int64_t cpu_ns;        // the CPU time that it stands for
    uint32_t count, labels, depth;
    bool cut;
    uintptr_t frames[GS_CPU_DEPTH_MAX]; // leaf first; as gs_probe_stack_frames has them
};
/* Take a sample for every PERIOD_NS of CPU time of each thread that is watched: those that gs_probe_cpu_watch is told of,
 * and all that begin from now on. False: the host uses every signal that we could. Context: watcher. */
bool gs_probe_cpu_start(int64_t period_ns);
bool gs_probe_cpu_watch(pid_t tid);      // false: the kernel gives no timer more, or the thread has ended
bool gs_probe_cpu_is_watched(pid_t tid);
void gs_probe_cpu_sweep(void);       // end the timers of threads that have ended
int gs_probe_cpu_signal(void);       // the signal that is used: a thread that blocks it is not to be watched
bool gs_probe_cpu_undisturbed(void); // false: the host took the signal for itself meanwhile
void gs_probe_cpu_stop(void);
/* The oldest sample that was not read yet; false: none. The last GS_CPU_KEPT are kept while nobody reads. LAST: do not
 * wait for samples that are just being taken. */
enum { GS_CPU_KEPT = 4096 };
bool gs_probe_cpu_next(struct gs_cpu_sample *out, bool last);
uint64_t gs_probe_cpu_lost(void); // samples that were overwritten unread, or found no room
void gs_probe_after_fork(void);   // in the child: after_fork.c

/* Have WHOM called before _exit or _Exit ends the process, with its status: on a host thread, in a signal handler maybe, or in
 * a child of vfork, whose memory is the parent's. */
void gs_probe_tell_exit(void (*whom)(int status));

/* Have CHANGE called before an exec: it may give another environment for the program than ENVP, which is given to FAILED if the
 * exec fails; NULL: as it is. On a host thread, in a signal handler maybe, or in a child of vfork, whose memory is the
 * parent's. */
void gs_probe_tell_exec(char *const *(*change)(char *const envp[]), void (*failed)(char *const *changed));
/* Have BEFORE and AFTER called around calls of the host's that change what a thread is: its users, groups and capabilities,
 * its namespaces, or its root directory. On a host thread, in a signal handler maybe, or in a child of vfork, whose memory is
 * the parent's. */
enum gs_change { GS_CHANGE_CREDENTIALS, GS_CHANGE_NAMESPACES, GS_CHANGE_ROOT };
void gs_probe_tell_change(void (*before)(enum gs_change), void (*after)(enum gs_change));
/* Have WHOM called once, with one of the next samples, at DUE_NS (CLOCK_MONOTONIC) or later. On a host thread, inside malloc. */
void gs_probe_tell_sample(void (*whom)(void), int64_t due_ns);

/* ---- labels ------------------------------------------------------------------------------------------ */

enum { GS_LABELS_MAX = 8, GS_LABEL_TEXT = 128 }; // of one thread; a key's or value's bytes, with the 0
/* Label the calling thread; a key that it has already gets the new value. 0; -EINVAL for a text that is empty or too
 * long, -ENOSPC when the thread has GS_LABELS_MAX or the tables are full. Context: host thread. */
int gs_probe_label_set(const char *key, const char *value);
void gs_probe_label_clear(const char *key);
/* The set that the living thread TID carries; 0: none. Context: watcher. */
uint32_t gs_probe_labels_of(pid_t tid);
/* The labels of a set into OUT, borrowed for good; returns how many. */
struct gs_probe_label { const char *key, *value; };
uint32_t gs_probe_labels(uint32_t set, struct gs_probe_label out[GS_LABELS_MAX]);
uint64_t gs_probe_labels_refused(void);

/* ---- the anchor: where the tables are, for those who read them out of a core file ------------------------- */

#define GS_ANCHOR_MAGIC "gumshoe anchor"
enum { GS_ANCHOR_VERSION = 2 };  // of all that is reached from the anchor: changes when any of it does
struct gs_stack_entry {          // a stack, as it lies in the table
    uint64_t hash;
    uint32_t first_frame, labels;
    _Atomic uint32_t depth_live; // depth << 2 | cut << 1 | live
    _Atomic uint32_t threads;    // created
    _Atomic uint64_t alloc_objects, alloc_space, inuse_objects, inuse_space;
};
struct gs_anchor_stacks { const struct gs_stack_entry *entry; const _Atomic uint32_t *count; const uintptr_t *frame; };
/* A text or set lies at 4 times its number: its length, four bytes, then its bytes. A set is pairs of numbers of texts, four
 * bytes each: key and value. */
struct gs_anchor_labels { const char *text, *set; };
struct gs_anchor {
    char magic[16];              // GS_ANCHOR_MAGIC
    uint32_t version, size;      // size: of this struct
    const struct gs_anchor_stacks *stacks;
    const struct gs_anchor_labels *labels;
    /* What the watcher tells, tick by tick; all zero where none runs. */
    struct gs_sampling sampling;
    struct gs_probe_drops drops;
    uint64_t labels_refused;
    bool hooks_seen;
    const void *baselines;       // struct gs_baselines of gather/
    int64_t start_ns, tick_ns, tick_realtime_ns; // CLOCK_MONOTONIC, CLOCK_MONOTONIC, CLOCK_REALTIME
};
extern struct gs_anchor gumshoe_anchor __attribute__((visibility("default")));
/* Tell it of this tick. Context: watcher. */
void gs_probe_anchor_tick(const void *baselines, int64_t start_ns, int64_t tick_ns, int64_t tick_realtime_ns);

/* ---- gauges ------------------------------------------------------------------------------------------ */

enum { GS_GAUGES_MAX = 64, GS_GAUGE_NAME = 41 };
void gs_probe_gauge(const char *name, double value);               // Context: host thread, signal handler
bool gs_probe_gauge_read(const char *name, double *value);         // false: never set
const char *gs_probe_gauge_name(unsigned index);                   // NULL past the last
uint64_t gs_probe_gauges_refused(void);                            // names that found no room
