/* probe/probe.h - the door of probe/: everything that runs on the host's own threads.
 *
 *   malloc, free, …  ──▶ sampler ──▶ stacks (counters) ──▶ read here by the watcher
 *   pthread_create   ──▶ per-thread state
 *   CPU timers       ──▶ samples (a ring)
 *   gumshoe_gauge    ──▶ gauges
 *
 * Code in this folder does not allocate, does not block, takes no lock, keeps errno, and is bounded: on a
 * host thread it may run inside malloc, inside the host's signal handlers, or on a stack of 16 KiB. It depends
 * only on the names in tests/check/probe.allow.
 * "Context: watcher" means a thread of the agent: the watcher, or the one that gumshoe_write_profile starts. Only one of
 * them at a time reads stacks (the lock of watch/active_captures.c) or CPU time (the lock of gather/cpu.c).
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
    uint64_t sample_bytes; // mean distance between two samples, in allocated bytes; 0: sampling off
    uint32_t depth;        // frames kept of each stack, 1 to GS_DEPTH_MAX
};

/* Change the sampling settings. Sampling runs from the process's first allocation, every 512 KiB; each thread uses a new
 * distance from its next sample on. Context: watcher. */
void gs_probe_start(const struct gs_probe_settings *settings);
/* Stop sampling. Live samples are still followed until they are freed, so that a later start has right numbers. */
void gs_probe_stop(void);
void gs_probe_disable(void); // gs_probe_stop; threads look seldom whether somebody starts again
/* False: the program has its own malloc, which our hooks do not see. */
bool gs_probe_hooks_seen(void);

/* Why this process cannot be watched, one sentence; NULL: it can. If it cannot, the hooks only pass calls on. Context:
 * any. */
const char *gs_probe_cannot_serve(void);

/* ---- heap -------------------------------------------------------------------------------------------- */

/* Estimates from the samples, in bytes. heap_in_use is the sum over the stacks' inuse_space. */
uint64_t gs_probe_heap_in_use(void);
uint64_t gs_probe_heap_allocated(void); // since the start; only grows
/* The highest heap_in_use since gs_probe_heap_forget_highest, which makes it what is in use now. */
uint64_t gs_probe_heap_highest(void);
void gs_probe_heap_forget_highest(void); // Context: watcher

/* The distance in force is the distance that was set, doubled for the budget (gs_probe_widen; watch/governor.c decides) and
 * so that the tables of live samples never fill. Estimates stay unbiased. */
struct gs_sampling {
    uint64_t asked_bytes, bytes;          // as set; in force
    unsigned for_budget, for_crowding;    // doublings
};
struct gs_sampling gs_probe_sampling(void);
void gs_probe_widen(unsigned doublings);
/* CPU time that sampling has cost the host's threads so far, in ns: an estimate from one sample in 64. */
uint64_t gs_probe_sampling_ns(void);

/* Wake gs_probe_wait once heap_in_use reaches LINE_BYTES; UINT64_MAX: never. Fires once. */
void gs_probe_alarm_at(uint64_t line_bytes);
/* While muted the alarm never fires: the estimate is known to be wrong. Context: watcher. */
void gs_probe_alarm_mute(bool mute);
bool gs_probe_alarm_is_muted(void);
/* Sleep until the alarm, a gs_probe_wake, a gs_probe_notify, or TIMEOUT_NS. Context: watcher. */
enum gs_wake { GS_WAKE_TIMEOUT, GS_WAKE_ALARM, GS_WAKE_CALL, GS_WAKE_NOTICE };
enum gs_wake gs_probe_wait(int64_t timeout_ns);
void gs_probe_wake(void);   // from any thread
void gs_probe_notify(void); // from any thread: memory becomes scarce, as the kernel says

/* What one stack has allocated, and what of that is in use. Objects are in units of 1 / (1 << GS_OBJECT_SHIFT). */
enum { GS_OBJECT_SHIFT = 16 };
struct gs_heap_counts { uint64_t alloc_objects, alloc_space, inuse_objects, inuse_space; };

/* Stacks are numbered from 0 in the order of their first sample; a stack keeps its number and is never removed. */
uint32_t gs_probe_stack_count(void);
/* The frames of STACK, leaf first. Each is one past an address inside its call (a return address, or the exact pc of an
 * interrupted frame plus one), so resolve address - 1. Borrowed, valid for good.
 * *CUT: the walk ended before the outermost frame. */
const uintptr_t *gs_probe_stack_frames(uint32_t stack, uint32_t *depth, bool *cut);
struct gs_heap_counts gs_probe_stack_counts(uint32_t stack);

/* ---- libraries: what a frame was in when it was recorded (unwind/libraries.c) ------------------------------------------- */

/* The frames of heap and CPU samples have the number of a library above their address: another library may have been loaded
 * there later. 0: the first library in the table that covers the address, if any does. Stacks of threads have addresses
 * only. */
enum { GS_FRAME_LIBRARY_SHIFT = 48 };
enum { GS_FRAME_UNKNOWN_LIBRARY = 0x7ffe, GS_FRAME_NO_LIBRARY }; // the table was full; code that the program generated
enum { GS_LIBRARIES_MAX = 1024, GS_LIBRARY_PATH = 256, GS_LIBRARY_ID = 20 };
enum gs_library_state { GS_LIBRARY_EMPTY, GS_LIBRARY_LOADED, GS_LIBRARY_GONE };
struct gs_library {              // the code of a program or library; as it lies in the table
    uintptr_t start, end;        // in memory
    uintptr_t offset;            // of start, in the file
    uintptr_t bias;              // address - bias = address in the file
    uintptr_t id_at;             // where the build id is in memory
    _Atomic uint32_t state;      // enum gs_library_state
    uint32_t build_id_length;    // 0: none
    unsigned char build_id[GS_LIBRARY_ID];
    bool was_gone;
    char path[GS_LIBRARY_PATH];  // absolute; "": the program itself, or not known
};
uint32_t gs_probe_library_count(void);
/* Library NUMBER, from 1; borrowed for good. NULL: no entry yet. */
const struct gs_library *gs_probe_library(uint32_t number);
uint32_t gs_probe_library_changes(void); // changes whenever a library is added, goes, or is loaded again
/* Which of the 64 stacks from GROUP * 64 on were counted since the last call: bit n is stack GROUP * 64 + n. Clears the
 * bits, so it has one caller only: the box. */
uint64_t gs_probe_stacks_changed(uint32_t group);
/* The set of labels of the thread; 0: none. The same frames with other labels are another stack. */
uint32_t gs_probe_stack_labels(uint32_t stack);

/* Single allocations, as far as they were sampled (heap/notable.c). bytes 0: none. */
struct gs_notable_alloc { uint64_t bytes; uint32_t stack; };
/* The largest allocation since the last gs_probe_forget_largest_alloc, which forgets SEEN unless a larger one came since.
 * Context: watcher. */
struct gs_notable_alloc gs_probe_largest_alloc(void);
void gs_probe_forget_largest_alloc(struct gs_notable_alloc seen);
/* How many allocations have returned NULL since the start (an estimate), and the last one of them. Context: watcher. */
uint64_t gs_probe_alloc_failures(struct gs_notable_alloc *last);

/* What was dropped, for the log, the profile's comments and the summary. Counted since the start. */
struct gs_probe_drops {
    uint64_t samples;       // no free slot in the live table near the address, or no scratch room
    uint64_t stacks_full;   // samples charged to "(table full)": the stack table was full
    uint64_t stacks_cut;    // stacks whose walk ended early: of heap samples, mmap and pthread_create
    uint64_t mappings;      // mappings outside malloc that found no room in their table
};
struct gs_probe_drops gs_probe_drops(void);

/* For gumshoe_note_alloc and gumshoe_note_free. Context: host thread. */
void gs_probe_note_alloc(void *ptr, size_t size);
void gs_probe_note_free(void *ptr);

/* The live samples one by one, in no order; those that come or go meanwhile may be missing. Start with *AT = 0; false: no more.
 * born_ns: when the block was allocated, CLOCK_MONOTONIC, in steps of 4096 ns. objects and bytes: what the sample stands for, objects as
 * in struct gs_heap_counts; so bytes / objects is the size of the block itself. Context: watcher. */
struct gs_live_sample { uintptr_t address; uint32_t stack; int64_t born_ns; uint64_t objects, bytes; };
bool gs_probe_live_next(size_t *at, struct gs_live_sample *out);

/* How long the sampled blocks of STACK lived that were freed since the start, in classes that are twice as long each (lifetimes.c):
 * start with *AT = 0; false: no more. objects and bytes as in struct gs_heap_counts. _from_ns: the shortest lifetime of a class.
 * _dropped: frees that are in no class, because the table was full. Context: any thread of ours. */
enum { GS_LIFETIME_CLASSES = 45 };
struct gs_lifetime { unsigned class; uint64_t objects, bytes; };
bool gs_probe_lifetimes_next(uint32_t stack, uint32_t *at, struct gs_lifetime *out);
int64_t gs_probe_lifetime_from_ns(unsigned class);
uint64_t gs_probe_lifetimes_dropped(void);

/* ---- what the memory is for --------------------------------------------------------------------------- */

/* Addresses of heap blocks: of every live sample, and one in each 2 MiB that ever held a sample. Start with *AT = 0; false:
 * no more. Context: watcher. */
bool gs_probe_block_next(size_t *at, uintptr_t *address);
/* Anonymous private memory, shared memory, writable mappings of files, and memory behind the program break, that the host mapped
 * with mmap, shmat or sbrk, and the stack that did; of memory reserved without access, the stack that opened it with mprotect.
 * Includes what an allocator maps for itself, if it calls mmap through our hook. Mappings below 64 KiB are sampled: one with
 * weight W / GS_MAPPED_ONE stands for so many. In no order. Context: watcher. */
#define GS_MAPPED_ONE 256u
struct gs_mapped { uintptr_t start, end; uint32_t stack, weight; };
bool gs_probe_mapped_next(size_t *at, struct gs_mapped *out);
/* The upper end of thread TID's stack, and the size that was asked for (0: none). False: not known. Context: watcher. */
bool gs_probe_stack_of(pid_t tid, uintptr_t *top, size_t *size);

/* ---- threads ----------------------------------------------------------------------------------------- */

enum gs_thread_how {
    GS_THREAD_ASLEEP,   // read through /proc, without waking the thread
    GS_THREAD_SIGNALED, // it was running, and recorded its stack in a signal handler
    GS_THREAD_UNREACHED // neither worked: no stack
};
struct gs_thread_stack {
    enum gs_thread_how how;
    int call;              // the system call that it sleeps in; -1: none, or not known
    uintptr_t argument[6]; // of the system call
    uint32_t depth;
    bool cut;
    uintptr_t frames[GS_DEPTH_MAX]; // leaf first; as gs_probe_stack_frames has them
};
/* Read the stack of thread TID of this process; TASK: descriptor of /proc/self/task. Waits at most TIMEOUT_NS for the answer
 * to a signal; 0: sends no signal. Context: watcher. */
void gs_probe_thread_stack(int task, pid_t tid, int64_t timeout_ns, struct gs_thread_stack *out);
/* How the sleeping thread TID uses its stack: frame I, as above, lies between sp[I] and sp[I + 1]; if the walk was cut, the last
 * frame's end is not known. *FAR: it was cut because that end is further away than what is read of a stack. False: the thread
 * does not sleep, or has ended. Context: watcher. */
struct gs_stack_use {
    uint32_t depth;
    bool cut, far;
    uintptr_t frames[GS_DEPTH_MAX], sp[GS_DEPTH_MAX + 1];
};
bool gs_probe_stack_use(int task, pid_t tid, struct gs_stack_use *out);
/* Why thread TID must not be signaled, for people: it was created with a stack so small that a signal might overflow it, was seen on
 * a small stack of the program's own, or is in a sandbox that may forbid the return from a signal. NULL: it may be signaled. */
const char *gs_probe_why_not_signal(pid_t tid);
/* Is the calling host thread in a sandbox of the program's own, a filter of system calls (seccomp) for example? Then no system call
 * is to be made on it. */
bool gs_probe_is_sandboxed(void);
/* Call before and after a dump that may signal threads. _begin borrows the signal and returns its number; 0: the host uses
 * every signal that we could. Without _begin, gs_probe_thread_stack borrows the signal for each thread. */
int gs_probe_borrow_signal(void);
void gs_probe_return_signal(void);
/* Copy LENGTH bytes of process PID's memory at AT; false when they cannot be read. */
bool gs_probe_peek(pid_t pid, uintptr_t at, void *out, size_t length);

/* How many threads STACK has created. The stack that created the living thread TID of this process; false: not known.
 * Context: watcher. */
uint32_t gs_probe_stack_threads(uint32_t stack);
bool gs_probe_creator_of(pid_t tid, uint32_t *stack);
/* The calling thread becomes (BEGINS), or stops being, a thread of the agent's: dumps leave those out. */
void gs_probe_own_thread(bool begins);
bool gs_probe_is_own_thread(pid_t tid);
unsigned gs_probe_own_threads(void); // how many there are

/* The calling thread's stack from the caller of this function outward: at most MAX frames, as from gs_probe_stack_frames.
 * Returns the number of frames. Context: host thread. */
uint32_t gs_probe_own_frames(uintptr_t *frames, uint32_t max);

/* ---- CPU time ---------------------------------------------------------------------------------------- */

enum { GS_CPU_DEPTH_MAX = 128 };
struct gs_cpu_sample {
    int64_t time_ns;       // CLOCK_MONOTONIC
    int64_t cpu_ns;        // the CPU time that the sample stands for
    uint32_t count, labels, depth;
    bool cut;
    uintptr_t frames[GS_CPU_DEPTH_MAX]; // leaf first; as gs_probe_stack_frames has them
};
/* Take one sample for every PERIOD_NS of CPU time of each watched thread: those passed to gs_probe_cpu_watch, and all that
 * begin from now on. False: the host uses every signal that we could. Context: watcher. */
bool gs_probe_cpu_start(int64_t period_ns);
bool gs_probe_cpu_watch(pid_t tid);      // false: the kernel gives no more timers, or the thread has ended
bool gs_probe_cpu_is_watched(pid_t tid);
void gs_probe_cpu_sweep(void);       // delete the timers of threads that have ended
int gs_probe_cpu_signal(void);       // the signal in use: do not watch a thread that blocks it
bool gs_probe_cpu_undisturbed(void); // false: the host has set its own handler for the signal
void gs_probe_cpu_stop(void);
/* The oldest unread sample; false: none. While nobody reads, the last GS_CPU_KEPT samples are kept. LAST: do not wait for
 * samples that are still being written. */
enum { GS_CPU_KEPT = 4096 };
bool gs_probe_cpu_next(struct gs_cpu_sample *out, bool last);
uint64_t gs_probe_cpu_lost(void); // samples that were overwritten unread, or found no room
void gs_probe_after_fork(void);   // in the child: after_fork.c

/* Call LISTENER(status) before _exit or _Exit ends the process: on a host thread, possibly in a signal handler, or in a
 * child of vfork, which shares the parent's memory. */
void gs_probe_on_exit(void (*listener)(int status));

/* Call CHANGE before an exec: it may return another environment for the program instead of ENVP; NULL: keep ENVP. If the
 * exec fails, FAILED gets the changed one. On a host thread, possibly in a signal handler, or in a child of vfork, which
 * shares the parent's memory. */
void gs_probe_on_exec(char *const *(*change)(char *const envp[]), void (*failed)(char *const *changed));
/* Call BEFORE and AFTER around the host's calls that change a thread's users, groups, capabilities, namespaces or root
 * directory. On a host thread, possibly in a signal handler, or in a child of vfork, which shares the parent's memory. */
enum gs_change { GS_CHANGE_CREDENTIALS, GS_CHANGE_NAMESPACES, GS_CHANGE_ROOT };
void gs_probe_on_change(void (*before)(enum gs_change), void (*after)(enum gs_change));
/* Call LISTENER when the host limits its address space (RLIMIT_AS), on a host thread. */
void gs_probe_on_limit(void (*listener)(uint64_t bytes));
/* Call LISTENER in place of mlockall(FLAGS), on a host thread. True: it has done it; *ERROR is 0 or -errno. */
void gs_probe_on_lock(bool (*listener)(int flags, int *error));
/* Call LISTENER once, with one of the next samples at DUE_NS (CLOCK_MONOTONIC) or later. On a host thread, inside malloc. */
void gs_probe_on_next_sample(void (*listener)(void), int64_t due_ns);

/* ---- crashes ----------------------------------------------------------------------------------------- */

enum { GS_CRASH_INNER = 96, GS_CRASH_OUTER = 32, GS_CRASH_MESSAGE = 512 };
struct gs_crash {              // a fatal signal, noted by the thread that got it
    int signal, code;          // code: si_code
    pid_t tid, sender;         // sender: the process that sent the signal; 0: the kernel, because of a fault
    int64_t time_ns;           // CLOCK_REALTIME
    bool has_address;          // the signal reports the address of a fault
    bool overflow;             // the fault is just below the thread's stack
    bool cut;                  // the walk ended before the outermost frame
    uintptr_t address;
    uint64_t depth;            // frames of the whole stack; those between the recorded inner and outer ones are left out
    uint32_t inner, outer;     // recorded: the first frames, and the last ones
    uintptr_t frames[GS_CRASH_INNER + GS_CRASH_OUTER]; // leaf first; as gs_probe_stack_frames has them
    char thread[16];           // the thread's name
    char message[GS_CRASH_MESSAGE]; // what the C library said before it called abort; "": nothing
};
/* Handle each fatal signal that still has its default action (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT): note the crash, wait
 * for gs_probe_crash_recorded, at most GS_CRASH_PATIENCE_NS, and die as without us. Signals that the program handles or
 * ignores stay its own. May be called again, also in the child of a fork. Returns how many of the signals we handle.
 * Context: watcher. */
#define GS_CRASH_PATIENCE_NS 3000000000LL
unsigned gs_probe_crash_start(void);
/* Restore the default actions where ours are still set. */
void gs_probe_crash_stop(void);
/* Sleep until a thread has crashed, or gs_probe_crash_wake. NULL: no crash. Context: one thread of the agent. */
const struct gs_crash *gs_probe_crash_wait(void);
void gs_probe_crash_wake(void);
void gs_probe_crash_recorded(void); // the thread that crashed may die
/* Give the calling thread an alternate signal stack, if crashes are handled and it has none. Threads that begin later get
 * theirs by themselves. Context: host thread. */
void gs_probe_crash_stack(void);

/* ---- descriptors ------------------------------------------------------------------------------------- */

enum { GS_DESCRIPTORS_MAX = 1 << 18 };
enum gs_descriptor_kind {         // what the function that opened a descriptor opens
    GS_DESCRIPTOR_ANY, GS_DESCRIPTOR_FILE, GS_DESCRIPTOR_SOCKET, GS_DESCRIPTOR_PIPE,
    GS_DESCRIPTOR_EVENTS,         // eventfd, epoll, inotify, timerfd, signalfd
};
struct gs_descriptor {            // who opened a descriptor
    uint32_t stack;
    enum gs_descriptor_kind kind;
    bool caller_only;             // the stack is its first frame: too many were opened at that time
};
/* Who opened FD, which may have been closed since by a call that we did not see. False: not known. Context: any. */
bool gs_probe_descriptor(unsigned fd, struct gs_descriptor *out);
/* False: no calls that open descriptors are seen in this process. */
bool gs_probe_descriptors_are_seen(void);

/* ---- labels ------------------------------------------------------------------------------------------ */

enum { GS_LABELS_MAX = 8, GS_LABEL_TEXT = 128 }; // labels of one thread; bytes of a key or value, with the final 0
/* Set a label of the calling thread; an existing key gets the new value. 0; -EINVAL: a text is empty or too long; -ENOSPC:
 * the thread has GS_LABELS_MAX labels, or the tables are full. Context: host thread. */
int gs_probe_label_set(const char *key, const char *value);
void gs_probe_label_clear(const char *key);
/* The set of labels of the living thread TID; 0: none. Context: watcher. */
uint32_t gs_probe_labels_of(pid_t tid);
/* Write the labels of SET to OUT, borrowed for good; returns the number of labels. */
struct gs_probe_label { const char *key, *value; };
uint32_t gs_probe_labels(uint32_t set, struct gs_probe_label out[GS_LABELS_MAX]);
uint64_t gs_probe_labels_refused(void);

/* ---- the anchor: where the tables are, for readers of core files --------------------------------------------------------- */

#define GS_ANCHOR_MAGIC "gumshoe anchor"
enum { GS_ANCHOR_VERSION = 6 };  // of the layout of everything that the anchor points to: change it with that
struct gs_stack_entry {          // a stack, as it lies in the table
    uint64_t hash;
    uint32_t first_frame, labels;
    _Atomic uint32_t depth_live; // depth << 2 | cut << 1 | live
    _Atomic uint32_t threads;    // created
    _Atomic uint64_t alloc_objects, alloc_space, inuse_objects, inuse_space;
};
struct gs_anchor_stacks { const struct gs_stack_entry *entry; const _Atomic uint32_t *count; const uintptr_t *frame; };
/* Item NUMBER of `text` or `set` is at byte 4 * NUMBER: its length (4 bytes), then its bytes. A set is pairs of numbers of
 * texts, key and value, 4 bytes each. */
struct gs_anchor_labels { const char *text, *set; };
struct gs_anchor_libraries { const struct gs_library *library; const _Atomic uint32_t *count; };
enum { // the agent's threads that may run at a time
    GS_OWN_THREADS_SINGLE = 5,  // watcher; control socket; crash; on_incident; the kernel's notices
    GS_OWN_THREADS_SERVED = 4,  // profiles for clients of the control socket (watch/profile_jobs.c)
    GS_OWN_THREADS_CALLED = 7,  // profiles for calls of gumshoe_write_profile (watch/write_profile.c)
    GS_OWN_THREADS_MAX = GS_OWN_THREADS_SINGLE + GS_OWN_THREADS_SERVED + GS_OWN_THREADS_CALLED
};
struct gs_anchor_threads { const _Atomic pid_t *own; }; // the agent's threads: GS_OWN_THREADS_MAX tids; 0: none
struct gs_anchor {
    char magic[16];              // GS_ANCHOR_MAGIC
    uint32_t version, size;      // size: of this struct
    const struct gs_anchor_stacks *stacks;
    const struct gs_anchor_labels *labels;
    const struct gs_anchor_libraries *libraries;
    const struct gs_anchor_threads *threads;
    /* Written by the watcher at each tick; all zero if no watcher runs. */
    struct gs_sampling sampling;
    struct gs_probe_drops drops;
    uint64_t labels_refused;
    bool hooks_seen;
    const void *baselines, *peak; // struct gs_baselines and struct gs_baseline of gather/; peak NULL: none
    int64_t start_ns, tick_ns, tick_realtime_ns; // CLOCK_MONOTONIC, CLOCK_MONOTONIC, CLOCK_REALTIME
};
extern struct gs_anchor gumshoe_anchor __attribute__((visibility("default")));
/* Write this tick's state to the anchor. Context: watcher. */
void gs_probe_anchor_tick(const void *baselines, const void *peak, int64_t start_ns, int64_t tick_ns,
                          int64_t tick_realtime_ns);

/* ---- gauges ------------------------------------------------------------------------------------------ */

enum { GS_GAUGES_MAX = 64, GS_GAUGE_NAME = 41 };
void gs_probe_gauge(const char *name, double value);               // Context: host thread, signal handler
bool gs_probe_gauge_read(const char *name, double *value);         // false: never set
const char *gs_probe_gauge_name(unsigned index);                   // NULL past the last
/* How many calls had a name that is malformed or found no room. *FIRST: the first of the names, in printable text. */
uint64_t gs_probe_gauges_refused(const char **first);
