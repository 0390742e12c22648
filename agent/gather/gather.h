/* gather/gather.h - the door of gather/: heap, CPU time, threads and their creators, of this process or as somebody else has read
 * them, into profiles; and what every stack held at some moments past.
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

struct gs_baselines;              // what every stack held at some moments past
/* What somebody else remembers with each baseline. */
struct gs_attachment {
    void *(*take)(const void *last); // now; LAST: with the youngest baseline, or NULL. NULL: nothing
    void (*free)(void *attached);
};
struct gs_baselines *gs_gather_baselines_new(const struct gs_attachment *attachment) GS_CHECK_RESULT; // NULL: there is none
void gs_gather_baselines_free(struct gs_baselines *baselines);
/* Has the time come for one: FIRST_AGE_NS after START_NS, or after the youngest? Take it if it has; they are kept at doubling
 * ages. Bounded. */
bool gs_gather_baselines_due(const struct gs_baselines *baselines, int64_t start_ns, int64_t first_age_ns, int64_t now_ns);
void gs_gather_baselines_tick(struct gs_baselines *baselines, int64_t start_ns, int64_t first_age_ns, int64_t now_ns);

/* What was attached to the baseline for a condition that looked WINDOW_NS back, and when that was taken; NULL: nothing. */
const void *gs_gather_baselines_attached(const struct gs_baselines *baselines, int64_t now_ns, int64_t window_ns, int64_t *time_ns);

/* ---- gathering (captures.c) ------------------------------------------------------------------------------------- */

struct gs_gather {                // what a gatherer may need; times are CLOCK_MONOTONIC
    const struct gs_maps *maps;
    const struct gs_baselines *baselines; // NULL: none
    int64_t now_ns, start_ns;             // start of the watch
    int64_t window_ns;                    // of the condition: the baseline is the youngest at least as old
    struct gs_cpu_session *cpu;           // taken by the gatherer of CPU time; NULL: there is none
    const char *reason;                   // for the comments
};
/* Threads that wait for each other: each for what the next one holds, the last for what the first one does. */
enum { GS_DEADLOCK_MAX = 16 };
struct gs_deadlocked {
    int tid, holder;              // who waits, and who holds what it waits for
    uint64_t lock;                // its address; 0: for the thread HOLDER to end (pthread_join)
    const char *name, *function;  // of the thread; of the program's own frame that waits. Borrowed from the profile
    size_t sample;                // in the profile of threads
};
struct gs_deadlock { size_t count; struct gs_deadlocked thread[GS_DEADLOCK_MAX]; }; // count 0: none was seen

enum { GS_GIVEN_DEPTH = 256 };
struct gs_gathered {              // all zero before; gs_gather_fini after
    struct gs_profile *profile;
    struct gs_profile *base;      // heap only, and only when there is a baseline
    int64_t base_age_ns;
    struct gs_text text;          // threads.txt
    struct gs_deadlock deadlock;  // of threads, when there is one
    struct gs_text notes;         // what was dropped, a line each
};
/* Threads of another process, as somebody else has read them while they stood still. */
struct gs_given_thread {
    int tid, call;             // call -1: none
    char name[32], state, channel[48];
    uintptr_t argument[6];     // of the call
    uint32_t depth;
    bool cut;
    uintptr_t frames[GS_GIVEN_DEPTH]; // leaf first: return addresses; the leaf's pc plus one
};
struct gs_given_threads {
    int pid, died;             // died: the thread that the process's end came from; 0: none, or not known
    const struct gs_given_thread *thread;
    size_t count;
};
/* What gathering the threads of this process gives, of those. */
int gs_gather_given(const struct gs_gather *how, const struct gs_given_threads *given, struct gs_gathered *out);

/* The heap of this process stack by stack, for the black box: as gs_probe_stack_count and gs_probe_stacks_changed have it, and
 * the same at the moments of the two youngest baselines. */
uint32_t gs_gather_heap_stack_count(void);
enum { GS_HEAP_GROUP = 64 };   // stacks
uint64_t gs_gather_heap_stacks_changed(uint32_t group);
struct gs_given_stack;
/* STACK's frames (borrowed, for good) and labels (into LABEL, of GS_HEAP_LABELS_MAX) into OUT, whose values stay as they are. */
enum { GS_HEAP_LABELS_MAX = 8 };
void gs_gather_heap_stack_read(uint32_t stack, struct gs_label_value *label, struct gs_given_stack *out);
void gs_gather_heap_stack_values(uint32_t stack, int64_t *values); // GS_HEAP_VALUES of them
/* Baseline number AT, the youngest first: when it was taken, CLOCK_MONOTONIC (0: there is none), and its values of STACK. */
int64_t gs_gather_baseline_time_ns(const struct gs_baselines *baselines, unsigned at);
void gs_gather_baseline_values(const struct gs_baselines *baselines, unsigned at, uint32_t stack, int64_t *values);

/* A heap, as somebody else has read it: out of the black box or the core file of a process that died. Values are what the
 * samples stand for: whole objects, and bytes. */
enum gs_heap_value { GS_ALLOC_OBJECTS, GS_ALLOC_SPACE, GS_INUSE_OBJECTS, GS_INUSE_SPACE, GS_HEAP_VALUES }; // as its sample types
struct gs_given_stack {
    const uint64_t *frame;     // depth of them, leaf first: return addresses; an exact pc plus one
    uint32_t depth;            // 0: what was charged to no stack, because the table was full
    uint32_t label_count;
    const struct gs_label_value *label;
    int64_t now[GS_HEAP_VALUES], then[GS_HEAP_VALUES]; // then: as of the baseline
};
struct gs_heap_sampling {      // how a heap was sampled, and what was left out
    uint64_t asked_bytes, bytes;       // mean distance: as the rules have it, and in force
    uint32_t for_budget, for_crowding; // doublings between the two
    uint64_t samples_dropped, stacks_full, stacks_cut, labels_refused;
    bool hooks_seen;                   // false: the program brings an allocator of its own
};
struct gs_given_heap {
    const struct gs_given_stack *stack;
    size_t count;
    int64_t time_ns, duration_ns;      // CLOCK_REALTIME of the values now; since the watch's start
    int64_t base_age_ns;               // how much older the baseline is; 0: there is none
    struct gs_heap_sampling sampling;
};
void gs_gather_heap_sampling_now(struct gs_heap_sampling *out); // of this process
/* What gathering the heap of this process gives, of that. */
int gs_gather_given_heap(const struct gs_gather *how, const struct gs_given_heap *given, struct gs_gathered *out);

/* The memory of a process that is no more, as its reader has it: LENGTH bytes of it at AT, or false. Readers embed it. */
struct gs_memory { bool (*read)(const struct gs_memory *memory, uint64_t at, void *out, size_t length); };
/* The heap out of the tables of a process that had our probe; ANCHOR: where its gumshoe_anchor lies in MEMORY. What it holds
 * may be anything: all is checked. NULL with a sentence in WHY. Context: CLI. */
struct gs_anchored {
    struct gs_given_heap heap;
    int64_t last_tick_ns;      // CLOCK_REALTIME of the watcher's last tick; 0: none ran
    void **kept;               // internal: what the stacks point to, kept_count blocks
    size_t kept_count;
};
struct gs_anchored *gs_gather_anchored_read(const struct gs_memory *memory, uint64_t anchor, char *why, size_t why_size) GS_CHECK_RESULT;
void gs_gather_anchored_free(struct gs_anchored *anchored);
/* Where the anchor lies in LENGTH bytes of memory at AT; 0: it does not. */
uint64_t gs_gather_anchor_find(const struct gs_memory *memory, uint64_t at, uint64_t length);

/* Evidence of KIND, of this process. 0 or -errno. Context: watcher. */
int gs_gather(enum gs_kind kind, const struct gs_gather *how, struct gs_gathered *out) GS_CHECK_RESULT;
/* CPU time is gathered over time: open ▶ poll, again and again ▶ gather (gs_gather.cpu), which closes it. Any thread but the
 * host's in a hook; several sessions may be open at once. */
struct gs_cpu_settings { double hertz; int64_t before_ns; };
/* Take these settings. With before_ns the threads are sampled from now on, so that a session may begin before it is opened;
 * else only while one is open. */
void gs_gather_cpu_configure(const struct gs_cpu_settings *settings);
/* NULL, with a sentence in WHY: the host uses every signal that we could, or no memory. */
struct gs_cpu_session *gs_gather_cpu_open(int64_t duration_ns, char *why, size_t why_size) GS_CHECK_RESULT;
void gs_gather_cpu_abandon(struct gs_cpu_session *session); // instead of gathering it; NULL is fine
bool gs_gather_cpu_is_over(const struct gs_cpu_session *session, int64_t now_ns);
void gs_gather_cpu_poll(int64_t now_ns);    // at least every GS_CPU_POLL_NS while a session is open, every second else
#define GS_CPU_POLL_NS (50 * 1000000LL)
void gs_gather_cpu_after_fork(void);

void gs_gather_fini(struct gs_gathered *gathered);

/* Add the probe's stack number STACK to PROFILE, with the labels that it carries. */
void gs_gather_add_stack(struct gs_profile *profile, uint32_t stack, const int64_t *values);
/* The first line of /proc/self/task/TID/NAME, TASK being a descriptor of the directory; "" when it cannot be read. */
void gs_gather_task_line(int task, pid_t tid, const char *name, char *out, size_t size);
