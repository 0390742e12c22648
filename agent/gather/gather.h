/* gather/gather.h - the door of gather/: makes profiles of heap, CPU time, threads and thread creation, of this process or
 * of another process that somebody else has read; keeps baselines of the heap.
 * Opened by: account, box, incident, watch, reader, cli, tests.  Opens: base, sys, probe, symbol, profile. */
#pragma once
#include "base/attributes.h"
#include "base/kinds.h"
#include "base/text.h"
#include "profile/profile.h"
#include "symbol/symbol.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- baselines (baseline.c) ----------------------------------------------------------------- */

struct gs_baselines;              // what every stack held at several past moments
/* What another folder stores with each baseline. */
struct gs_attachment {
    void *(*take)(const void *last); // taken now; LAST: the youngest baseline's attachment, or NULL. May return NULL
    void (*free)(void *attached);
};
struct gs_baselines *gs_gather_baselines_new(const struct gs_attachment *attachment) GS_CHECK_RESULT; // NULL: no memory
void gs_gather_baselines_free(struct gs_baselines *baselines);
/* Is a new baseline due: FIRST_AGE_NS after START_NS, or after the youngest baseline? _tick takes it if it is due. Baselines
 * are block at doubling ages, a bounded number. */
bool gs_gather_baselines_due(const struct gs_baselines *baselines, int64_t start_ns, int64_t first_age_ns, int64_t now_ns);
void gs_gather_baselines_tick(struct gs_baselines *baselines, int64_t start_ns, int64_t first_age_ns, int64_t now_ns);

/* The attachment of the baseline for a condition with a window of WINDOW_NS, and when that baseline was taken; NULL:
 * none. */
const void *gs_gather_baselines_attached(const struct gs_baselines *baselines, int64_t now_ns, int64_t window_ns, int64_t *time_ns);

/* ---- the peak (peak.c): what every stack held when the heap in use was highest ------------------------------------- */

struct gs_peak_settings {
    int64_t period_ns;            // how long a peak is remembered at least; 0: none is kept
    double budget;                // of the agent: CPU time as a share of one CPU, above 0
};
/* Apply SETTINGS. _forget: forget the peaks so far. Context of all these: watcher, unless they say otherwise. */
void gs_gather_peak_configure(const struct gs_peak_settings *settings);
void gs_gather_peak_forget(void);
void gs_gather_peak_after_fork(void); // in the child, in the atfork handler
/* Copy what the stacks hold if heap_in_use is high enough, and the budget allows it. True: the peak has changed. _tick: at
 * each tick; _look: in between. REACHED: the alarm was set to gs_gather_peak_line, and has fired. */
bool gs_gather_peak_tick(int64_t now_ns);
bool gs_gather_peak_look(int64_t now_ns, bool reached);
/* The heap in use at which _look is due, in bytes; UINT64_MAX: not before the next tick. */
uint64_t gs_gather_peak_line(void);
/* When the peak was, CLOCK_MONOTONIC (0: there is none); the highest heap in use around it, in bytes; what STACK held, as
 * GS_HEAP_VALUES numbers. */
int64_t gs_gather_peak_time_ns(void);
uint64_t gs_gather_peak_highest_bytes(void);
void gs_gather_peak_values(uint32_t stack, int64_t *values);
const void *gs_gather_peak_for_anchor(void); // for gs_probe_anchor_tick; NULL: there is none

/* ---- gathering (captures.c) ------------------------------------------------------------------------------------- */

struct gs_heap_pages;             // which pages of the heap are resident (account/)
struct gs_gather {                // input of a gatherer; times are CLOCK_MONOTONIC
    const struct gs_maps *maps;
    const struct gs_baselines *baselines; // NULL: none
    int64_t now_ns, start_ns;             // start of the watch
    int64_t window_ns;                    // the condition's window, or since the climb began: the baseline used is the youngest
                                          // that is at least this old
    struct gs_cpu_session *cpu;           // gs_gather_cpu closes and frees it; NULL: none
    struct gs_heap_pages *heap_pages;     // of the memory account that was just taken, for the waste; NULL: it is taken for it
    bool waste_asked;                     // the waste does not only come along: read more of the heap's headers
    int (*open_descriptors)(void);        // gs_metrics_open_descriptors; NULL: descriptors are not gathered
    bool peak_if_higher;                  // gather a peak only if it is clearly above what is in use now
    const char *reason;                   // reason of the capture, for the profile's comments
};
/* One call of an allocation function, by its stack in the probe's table (allocation.c). bytes 0: none. */
struct gs_allocation { uint64_t bytes; uint32_t stack; };
/* A profile with ALLOCATION as its only sample; the caller frees it with gs_profile_free. NULL: no memory. */
struct gs_profile *gs_gather_allocation(const struct gs_gather *how, const struct gs_allocation *allocation) GS_CHECK_RESULT;
/* What a thread waits for (waits.c). */
enum gs_wait_kind {
    GS_WAIT_NONE, GS_WAIT_MUTEX, GS_WAIT_RWLOCK, GS_WAIT_CONDITION, GS_WAIT_SEMAPHORE, GS_WAIT_BARRIER, GS_WAIT_ONCE,
    GS_WAIT_STATIC,           // another thread initializes a static variable of C++
    GS_WAIT_LIBC,             // a lock inside the C library: malloc's, stdio's, the loader's
    GS_WAIT_JOIN,             // the end of a thread
    GS_WAIT_FUTEX,            // a lock of the program's own, or one that could not be recognised
    GS_WAIT_CALL              // a system call
};
/* A deadlock: each thread waits for something that the next one holds; the last waits for the first. */
enum { GS_DEADLOCK_MAX = 16 };
struct gs_deadlocked {
    int tid, holder;              // the thread that waits, and the thread that it waits for
    uint64_t lock;                // the lock's address; 0: waits for thread HOLDER to end (pthread_join)
    const char *what;             // "mutex", "rwlock"
    const char *name, *function;  // thread name; the program's own function that waits. Borrowed from the profile
    size_t sample;                // index of its sample in the threads profile
};
struct gs_deadlock { size_t count; struct gs_deadlocked thread[GS_DEADLOCK_MAX]; }; // count 0: no deadlock

/* What threads wait for: threads that wait for the same thing are one wait, whatever their stacks (waits.c). */
enum gs_holder_kind {
    GS_HOLDER_UNKNOWN,        // this kind of wait has no holder, or it is not recorded
    GS_HOLDER_THREAD, GS_HOLDER_READERS,
    GS_HOLDER_CHANGES,        // it had different holders, or none, while the threads were read
    GS_HOLDER_GONE            // no thread of the process has the holder's id
};
struct gs_waited {
    enum gs_wait_kind kind;
    const char *name;         // "cache_lock", "cache+0x40", or the system call; "": not known. Borrowed from the profile
    uint64_t address;         // of the lock; 0: none
    size_t threads;           // that wait
    enum gs_holder_kind held; // and, of GS_HOLDER_THREAD and GS_HOLDER_GONE:
    int holder;
    const char *holder_name;  // borrowed from the profile
    size_t holder_sample;     // index in the profile; SIZE_MAX: its stack was not read
    uint32_t readers;         // of GS_HOLDER_READERS
};
enum { GS_WAITS_MAX = 10 };
struct gs_waits {
    size_t count, left_out;   // the largest first; how many more there are
    struct gs_waited wait[GS_WAITS_MAX];
    bool nobody_runs;         // every thread of the process waits for another one, without a timeout, all at one moment
};
/* "mutex", "condition", …: for machines. */
const char *gs_gather_wait_key(enum gs_wait_kind kind);
/* The head of threads.txt: DEADLOCK and WAITS, which are of the profile THREADS. */
void gs_gather_threads_head(const struct gs_profile *threads, const struct gs_deadlock *deadlock, const struct gs_waits *waits,
                            struct gs_text *out);
/* Add what WAIT's threads wait for, and who holds it: "cache_lock (mutex 0x55…), held by flusher/812". */
void gs_gather_describe_wait(struct gs_text *out, const struct gs_waited *wait);

/* The memory around a futex word, which begins at bytes[GS_LOCK_BEFORE]: bytes[first..end) were read. */
enum { GS_LOCK_BEFORE = 16, GS_LOCK_BYTES = 48 };
struct gs_lock_memory { unsigned first, end; unsigned char bytes[GS_LOCK_BYTES]; };

enum { GS_GIVEN_DEPTH = 256 };
struct gs_peak_facts {            // bytes: the sum of the profile; highest_bytes: the heap's estimate reached this around it
    uint64_t bytes, highest_bytes;
    int64_t age_ns;
};
struct gs_waste_facts {           // of the heap's resident memory, in bytes
    uint64_t heap, waste;         // all; what is free of it
    uint64_t pinned, trimmable;   // of the waste: near a live sample; what malloc_trim would return
    uint64_t walked;              // of the heap: where the allocator's headers told what is in use
    uint64_t samples;             // live ones in all
    uint32_t arenas;              // glibc's; 0: not known
};
/* How old the heap in use is (ages.c). older[n]: bytes in blocks at least as old as gs_gather_age_from_ns(n); older[0]: all.
 * older_than_baseline: 0 without a baseline. known false: nothing is known, as of a process that died. */
enum { GS_AGE_CLASSES = 8 };
struct gs_heap_ages { bool known, baseline; uint64_t older[GS_AGE_CLASSES], older_than_baseline; };
int64_t gs_gather_age_from_ns(unsigned class);
struct gs_gathered {              // zeroed by the caller before; gs_gather_fini after
    struct gs_profile *profile;
    struct gs_profile *base;      // heap only, if there is a baseline
    int64_t base_age_ns;
    struct gs_heap_ages ages;     // heap only
    struct gs_peak_facts peak;    // peak only
    struct gs_waste_facts waste;  // waste only
    struct gs_text text;          // threads.txt, fds.txt
    struct gs_text summary;       // fds only: lines for summary.txt
    struct gs_deadlock deadlock;  // threads only
    struct gs_waits waits;        // threads only
    struct gs_text notes;         // what was dropped, one line each
};
/* Threads of another process, read by somebody else while they were stopped. */
struct gs_given_thread {
    int tid, call;             // call: system call number; -1: none
    char name[32], state, channel[48];
    uintptr_t argument[6];     // of the system call
    struct gs_lock_memory lock; // what a futex call waits on (gs_gather_given_lock); all zero: not read
    uint32_t depth;
    bool cut;
    uintptr_t frames[GS_GIVEN_DEPTH]; // leaf first: return addresses; the leaf is pc + 1
};
struct gs_memory;
struct gs_given_threads {
    int pid, died;             // died: the thread that caused the process's death; 0: none, or not known
    const struct gs_memory *memory; // its memory, if it has died; NULL: it runs
    bool partial;              // some of its threads are missing
    bool other_namespace;      // it has other numbers for its threads than we
    const struct gs_given_thread *thread;
    size_t count;
};
/* Read the lock that THREAD of process PID waits for; while the threads are stopped, so that it belongs to their stacks. */
void gs_gather_given_lock(int pid, struct gs_given_thread *thread);
/* The fatal signal of a process, and the stack of the thread that got it. */
enum { GS_CRASH_TEXT = 512 };
struct gs_given_crash {
    int signal, code;          // code: si_code of the signal; above 0 the kernel sent it, because of a fault
    int sender;                // the process that sent the signal; 0: none, or not known
    bool has_address;
    bool overflow;             // the thread's stack has overflowed
    uint64_t address;          // of the fault
    int64_t time_ns;           // CLOCK_REALTIME; 0: not known
    uint64_t depth;            // frames of the whole stack; if there are more than thread.depth, those after INNER are left out
    uint32_t inner;            // frames of `thread` before that gap
    bool of_agent;             // the thread was one of ours
    char message[GS_CRASH_TEXT]; // what the C library said before it called abort; "": nothing
    struct gs_given_thread thread;
};
struct gs_crash;
void gs_gather_given_crash(const struct gs_crash *crash, struct gs_given_crash *out); // as a handler of the probe noted it
/* As gs_gather(GS_THREADS), but of GIVEN, not of this process. */
int gs_gather_given(const struct gs_gather *how, const struct gs_given_threads *given, struct gs_gathered *out);

/* The heap of this process stack by stack, for the black box: now (gs_probe_stack_count, gs_probe_stacks_changed), and at
 * the two youngest baselines. */
uint32_t gs_gather_heap_stack_count(void);
enum { GS_HEAP_GROUP = 64 };   // stacks
uint64_t gs_gather_heap_stacks_changed(uint32_t group);
struct gs_given_stack;
/* Set OUT's frames (borrowed, valid for good) and labels (stored in LABEL, room for GS_HEAP_LABELS_MAX); OUT's values stay
 * as they are. */
enum { GS_HEAP_LABELS_MAX = 8 };
void gs_gather_heap_stack_read(uint32_t stack, struct gs_label_value *label, struct gs_given_stack *out);
void gs_gather_heap_stack_values(uint32_t stack, int64_t *values); // GS_HEAP_VALUES numbers
/* Baseline number AT, youngest first: when it was taken, CLOCK_MONOTONIC (0: no such baseline), and its values of STACK. */
int64_t gs_gather_baseline_time_ns(const struct gs_baselines *baselines, unsigned at);
void gs_gather_baseline_values(const struct gs_baselines *baselines, unsigned at, uint32_t stack, int64_t *values);

/* The libraries that the frames of this process's heap and CPU samples were in, for gs_maps.library: number n is [n - 1]; one
 * without a path is not known yet. Freed by gs_gather_libraries_free; NULL: no memory. */
struct gs_mapping *gs_gather_libraries(size_t *count) GS_CHECK_RESULT;
void gs_gather_libraries_free(struct gs_mapping *library, size_t count);
uint32_t gs_gather_library_changes(void); // changes whenever a library is added, goes, or is loaded again
/* gs_profile_symbolize for a profile of such samples. MAPS: this process's. */
void gs_gather_symbolize(struct gs_profile *profile, const struct gs_maps *maps);

/* A heap that was read from the black box or the core file of a process that died. Values are estimates from the samples:
 * whole objects, and bytes. */
enum gs_heap_value { GS_ALLOC_OBJECTS, GS_ALLOC_SPACE, GS_INUSE_OBJECTS, GS_INUSE_SPACE, GS_HEAP_VALUES }; // in the order of the heap profile's sample types
struct gs_given_stack {
    const uint64_t *frame;     // DEPTH addresses, leaf first: return addresses; an exact pc plus one
    uint32_t depth;            // 0: samples without a stack, because the stack table was full
    uint32_t label_count;
    const struct gs_label_value *label;
    int64_t now[GS_HEAP_VALUES], then[GS_HEAP_VALUES]; // then: at the baseline
    int64_t peak[GS_HEAP_VALUES];
};
struct gs_heap_sampling {      // how the heap was sampled, and what was dropped
    uint64_t asked_bytes, bytes;       // mean sampling distance: as the rules set it; in force
    uint32_t for_budget, for_crowding; // doublings from asked_bytes to bytes
    uint64_t samples_dropped, stacks_full, stacks_cut, labels_refused;
    bool hooks_seen;                   // false: the program has its own allocator, which the hooks do not see
};
struct gs_given_heap {
    const struct gs_given_stack *stack;
    size_t count;
    int64_t time_ns, duration_ns;      // CLOCK_REALTIME of `now`; time since the start of the watch
    int64_t base_age_ns;               // age of the baseline before time_ns; 0: no baseline
    int64_t peak_age_ns;               // the same of the peak; 0: no peak
    uint64_t peak_highest_bytes;       // as in struct gs_peak_facts
    struct gs_heap_sampling sampling;
};
void gs_gather_heap_sampling_now(struct gs_heap_sampling *out); // of this process
/* As gs_gather(GS_HEAP) and gs_gather(GS_PEAK), but of GIVEN, not of this process. */
int gs_gather_given_heap(const struct gs_gather *how, const struct gs_given_heap *given, struct gs_gathered *out);
int gs_gather_given_peak(const struct gs_gather *how, const struct gs_given_heap *given, struct gs_gathered *out);

/* Access to the memory of a dead process: read LENGTH bytes at AT; false if they are not available. Each reader embeds
 * this. */
struct gs_memory { bool (*read)(const struct gs_memory *memory, uint64_t at, void *out, size_t length); };
extern const struct gs_memory gs_gather_no_memory; // none of it is available (crash.c)
/* Read the heap from the probe's tables in MEMORY; ANCHOR: address of its gumshoe_anchor. The memory may hold anything:
 * every value is checked. NULL, with a sentence in WHY, on failure. Context: CLI. */
struct gs_anchored {
    struct gs_given_heap heap;
    int64_t last_tick_ns;      // CLOCK_REALTIME of the watcher's last tick; 0: no watcher ran
    struct gs_mapping *library; // for gs_maps.library; freed by gs_gather_anchored_free unless the caller takes it (sets NULL)
    size_t library_count;
    void **block;               // internal: block_count blocks that the stacks point into
    size_t block_count;
};
struct gs_anchored *gs_gather_anchored_read(const struct gs_memory *memory, uint64_t anchor, char *why, size_t why_size) GS_CHECK_RESULT;
void gs_gather_anchored_free(struct gs_anchored *anchored);
/* The tids of the agent's threads in MEMORY, at most MAX; returns their number. */
size_t gs_gather_anchored_own_threads(const struct gs_memory *memory, uint64_t anchor, int *tid, size_t max);
/* The address of the anchor in LENGTH bytes of memory at AT; 0: not found. */
uint64_t gs_gather_anchor_find(const struct gs_memory *memory, uint64_t at, uint64_t length);

/* Capture evidence of KIND from this process. 0 or -errno; -ENODATA: there is none. Context: watcher. */
int gs_gather(enum gs_kind kind, const struct gs_gather *how, struct gs_gathered *out) GS_CHECK_RESULT;
/* CPU time is gathered over time: open ▶ poll, repeatedly ▶ gs_gather with gs_gather.cpu set, which closes the session. Several
 * sessions may be open at once. Context: watcher, and threads of gumshoe_write_profile; never inside a hook. */
struct gs_cpu_settings { double hertz; int64_t before_ns; };
/* Apply SETTINGS. With before_ns > 0 threads are sampled from now on, so that a session can include samples from before it
 * was opened; else threads are sampled only while a session is open. */
void gs_gather_cpu_configure(const struct gs_cpu_settings *settings);
/* NULL, with a sentence in WHY: the host uses every signal that we could use, or no memory. */
struct gs_cpu_session *gs_gather_cpu_open(int64_t duration_ns, char *why, size_t why_size) GS_CHECK_RESULT;
void gs_gather_cpu_abandon(struct gs_cpu_session *session); // close without a profile; NULL is fine
bool gs_gather_cpu_is_over(const struct gs_cpu_session *session, int64_t now_ns);
void gs_gather_cpu_poll(int64_t now_ns);    // call every GS_CPU_POLL_NS while a session is open, else every second
#define GS_CPU_POLL_NS (50 * 1000000LL)
void gs_gather_cpu_after_fork(void);

void gs_gather_fini(struct gs_gathered *gathered);

/* Add the probe's stack number STACK, with its labels, to PROFILE. */
void gs_gather_add_stack(struct gs_profile *profile, uint32_t stack, const int64_t *values);
/* The same with one more label. */
void gs_gather_add_stack_with(struct gs_profile *profile, uint32_t stack, const int64_t *values, const struct gs_label_value *more);
/* Say in PROFILE what every profile of this process's heap as of now says: when, why, and how it was sampled. */
void gs_gather_describe_heap_now(struct gs_profile *profile, const struct gs_gather *how);
/* The first line of /proc/self/task/TID/NAME; TASK: descriptor of /proc/self/task. "" if it cannot be read. */
void gs_gather_task_line(int task, pid_t tid, const char *name, char *out, size_t size);

/* The name of system call NUMBER; NULL: unknown number. Context: any (pure). */
const char *gs_gather_syscall_name(int number);
