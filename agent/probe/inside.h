/* probe/inside.h - what the four folders of probe/ offer each other. What the files of one folder share among themselves is
 * in that folder's own inside.h, which the other three do not include.
 *
 *   hooks/ ──▶ heap/     is this block sampled? a sample, a free, a mapping
 *          ──▶ threads/  a thread begins, blocks signals, goes onto a small stack
 *          ──▶ unwind/   a library is being closed
 *   heap/, threads/ ──▶ unwind/   walk this stack
 *
 * Everything here runs on host threads, inside malloc or in a signal handler too, unless it says otherwise: no allocation, no
 * lock, errno kept, bounded. */
#pragma once
#include "probe/fast.h"
#include "probe/probe.h"
#include <signal.h>
#include <stddef.h>

#define GS_LIKELY(x)   __builtin_expect(!!(x), 1)
#define GS_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* ---- a thread's own state (threads/thread.c) -------------------------------------------------------------------
 * Initial-exec TLS: there from the thread's first instruction, zeroed, never allocated. Kept far below the 512
 * bytes that the loader can spare for a library opened late. */
struct gs_thread {
    uint64_t countdown; // bytes to the next sampled one. First: the fast path reads it
    uint64_t distance;  // the mean distance that the present gap was drawn with; 0: not sampling
    uint64_t random;
    uintptr_t stack_low, stack_high; // of its own stack: what is known to be readable
    int64_t second_due_ns;           // of its CPU time, where the timer does not know (cpu.c); 0: it does
    uint32_t labels;                 // the set that its samples carry; 0: none
    uint32_t closing;                // libraries that it is closing just now, one inside another (walk.c)
    uint8_t which;       // the process's first thread, or another (reach.c)
    bool on_small_stack; // it was seen on one, at least once (small_stack.c)
    bool ready;          // its random numbers are seeded and its first gap is drawn (sampler.c)
    bool busy;           // inside the sampler: an allocation made by us or by a signal handler is not sampled
};
extern _Thread_local struct gs_thread gs_thread;

/* ---- heap/: the question that every free asks (live.c) -----------------------------------------------------------
 * Was this address ever sampled? A counter for each place of an address: zero says "no live sample here" for sure. */
enum { GS_FILTER_BITS = 18 };
extern _Atomic uint8_t gs_filter[1 << GS_FILTER_BITS];
/* Set with the first of them, for good: where we are switched off, free asks no more. (Hidden, and said so: else it would be
 * reached through a table.) */
extern bool gs_filter_used __attribute__((visibility("hidden")));

/* Raise the counter of PTR, so that its free is looked at. */
void gs_heap_filter_add(const void *ptr);

/* Neighbours in memory are neighbours in the filter, a byte to each 60: so free touches one cache line of the filter for
 * some 60 lines of the heap that the host touches itself, where a scattering hash would touch all 256 KiB. The product is
 * (ptr >> 6) + (ptr * 21 >> 14), to 18 bits, in one instruction: all of the address's low half counts. */
static inline size_t gs_filter_index(const void *ptr)
{
    return (uint32_t)(uintptr_t)ptr * ((1u << (26 - GS_FILTER_BITS)) + 21) >> (32 - GS_FILTER_BITS);
}

static inline bool gs_maybe_sampled(const void *ptr)
{
    return GS_LIKELY(gs_filter_used) && GS_UNLIKELY(gs_byte_is_set(&gs_filter[gs_filter_index(ptr)]));
}

/* ---- heap/: the question that every allocation asks ----------------------------------------------------------------- */

/* A size as it is counted: a block of no bytes is one byte to us, so that none is invisible. Weights use the same. */
static inline uint64_t gs_counted_size(size_t size)
{
    return (uint64_t)size + 1;
}

/* Has the turn come for an allocation of SIZE bytes: does it hold the byte that the countdown leads to? */
static inline bool gs_due(size_t size)
{
    return GS_UNLIKELY(gs_count_down(&gs_thread.countdown, gs_counted_size(size)));
}

/* ---- heap/: sampling (sampler.c) ------------------------------------------------------------------------------------ */

/* Where the hook was called from. */
struct gs_caller {
    uintptr_t pc, sp, bp;
};
/* The caller of the function that this stands in (a macro, because it is about that function's own frame: it begins
 * with the saved bp and the return address). The function must not be inlined, and is tail-called by the hook. */
#define GS_CALLER()                                                                          \
    ((struct gs_caller){.pc = (uintptr_t)__builtin_return_address(0),                        \
                        .sp = (uintptr_t)__builtin_frame_address(0) + 2 * sizeof(uintptr_t), \
                        .bp = *(uintptr_t *)__builtin_frame_address(0)})
/* The slow half of every allocation hook. gs_heap_sampler_begin arms the thread's countdown afresh and says whether this
 * allocation is to be sampled: the mean distance that its gap was drawn with, or 0. If so, the hook allocates and
 * hands the block to gs_heap_sampler_record; a failed allocation has used its turn up, and as gaps have no memory nothing
 * is biased. */
uint64_t gs_heap_sampler_begin(size_t size);
void gs_heap_sampler_record(const void *ptr, size_t size, uint64_t drawn_with, struct gs_caller caller);
/* The stack that CALLER stands on, for what is not an allocation. False: sampling is off, or no room to work in. */
bool gs_heap_sampler_stack(struct gs_caller caller, uint32_t *stack);
/* The block at PTR goes away: if it was sampled, count that. Before the real free. */
void gs_heap_sampler_forget(const void *ptr);

struct gs_live { // what a sample stands for
    uint32_t stack;
    uint64_t objects, bytes;
};
/* For realloc, which may fail and leave the block: take the sample of PTR out before it, if there is one; then put it back, or
 * let go of it. */
bool gs_heap_live_take(const void *ptr, struct gs_live *sample);
void gs_heap_sampler_put_back(const void *ptr, const struct gs_live *held);
void gs_heap_sampler_let_go(const struct gs_live *held);

/* Set where malloc or one of its kin is somebody else's, in a program that libgumshoe.a is linked into (hooks/malloc.c): the
 * heap is not seen. */
extern _Atomic bool gs_heap_is_anothers;

/* ---- heap/: mappings, threads by the stack that created them -------------------------------------------------------- */

/* STACK has mapped START to END, whatever was known of these addresses before; what lies in START to END goes away, before
 * it does; the stack that mapped what holds AT, if that is known (mapped.c). */
void gs_heap_mapped_add(uintptr_t start, uintptr_t end, uint32_t stack);
void gs_heap_mapped_forget(uintptr_t start, uintptr_t end);
bool gs_heap_mapped_stack(uintptr_t at, uint32_t *stack);
void gs_heap_stack_count_thread(uint32_t stack); // it has created one (stacks.c)

/* ---- heap/: random numbers (sampling_math.c; pure) ------------------------------------------------------------------ */

uint64_t gs_heap_random(uint64_t *state); // the next one; *STATE may begin with anything

/* ---- unwind/: the walk (walk.c) --------------------------------------------------------------------------------------- */

struct gs_registers {
    uintptr_t pc, sp, bp, bx; // bx: the dynamic linker's lazy binding hangs its frame on it
    bool bp_known, bx_known;  // false where /proc tells only pc and sp, or a frame has spoilt it
    bool exact;               // pc is where the thread stands, not a return address
};
/* Memory that a walk may read: addresses LOW to HIGH, found at address + SHIFT (0: the stack itself; else a copy).
 * GROW, if set, may raise HIGH by a page when the walk comes to it; it answers false at the stack's end. */
struct gs_reach {
    uintptr_t low, high;
    intptr_t shift;
    bool (*grow)(struct gs_reach *reach);
    uintptr_t end;       // for grow: the highest end it may reach
    unsigned pages_left; // for grow: how many more
    bool unsure;         // frames were guessed, or are another thread's: what they lead into may be unmapped any moment
};
/* Walk from *REGISTERS over the memory in REACH; frames (leaf first) into FRAMES, at most MAX. *CUT: it ended before
 * the outermost frame; *REGISTERS are those of the frame that it ended in. Returns how many. About 1/4 KiB of stack, and
 * 1 KiB more for a frame that is not in the cache. */
uint32_t gs_unwind_walk(struct gs_registers *registers, struct gs_reach *reach, uintptr_t *frames, uint32_t max,
                 bool *cut);
/* The walk of a copied stack ended at *REGISTERS for want of rbp: search for it, and go on (search.c). Context: watcher. */
void gs_unwind_search(const struct gs_registers *registers, struct gs_reach *reach, struct gs_thread_stack *out);
/* Around the closing of an object: no cached row is used or kept, and afterwards every row is forgotten. */
void gs_unwind_walk_close_cache(void);
void gs_unwind_walk_open_cache(void);

/* The calling thread's stack as it may be read from SP upward (reach.c): page by page, each found to be readable
 * before it is touched; what is known of the thread's own stack is remembered, after the walk. */
void gs_unwind_reach_own_stack(struct gs_reach *reach, uintptr_t sp);
void gs_unwind_reach_remember(struct gs_reach *reach);
/* Is SP on the calling thread's own stack, as far as that is known? */
bool gs_unwind_reach_is_on_own_stack(uintptr_t sp);

/* A place to work that is not the host's stack (scratch.c). NULL: all are in use. */
struct gs_scratch {
    uintptr_t frames[GS_DEPTH_MAX];
};
struct gs_scratch *gs_unwind_scratch_take(void);
void gs_unwind_scratch_give(struct gs_scratch *scratch);

/* ---- threads/ ----------------------------------------------------------------------------------------------------------- */

/* The thread TID, which is the calling one, was created by STACK, with STACK_SIZE asked for; 0: not said (thread_table.c). */
void gs_threads_table_add(pid_t tid, uint32_t stack, size_t stack_size);
/* Too small for a signal on top of what the thread may be doing: the kernel's frame alone takes 3 KiB. */
static inline bool gs_is_small_stack(size_t size)
{
    enum { SMALL = 48 << 10 };
    return size && size < SMALL;
}

/* The calling thread goes on to a small stack of the program's own, for the first time or not: no signal is sent to it any
 * more. errno is kept (small_stack.c). */
void gs_threads_small_stack_enter(void);
/* The same if SP, where the calling thread stands, is on such a stack; REACH is what a walk from there has found. */
void gs_threads_small_stack_notice(uintptr_t sp, const struct gs_reach *reach);

/* A thread begins, the calling one: its CPU time is sampled from here on, if anybody's is (cpu.c). */
void gs_threads_cpu_begin(pid_t tid);
/* The calling thread blocks the signals in SET: if ours is one of them, it is not sampled any more, and finds none of ours. */
void gs_threads_cpu_block(const sigset_t *set);

/* ---- in the child of a fork (after_fork.c calls them) ------------------------------------------------------------------- */

void gs_threads_cpu_timers_after_fork(void);
void gs_heap_mapped_after_fork(void);
void gs_threads_table_after_fork(void);
void gs_unwind_scratch_after_fork(void);
void gs_threads_signal_after_fork(void);
void gs_threads_small_stack_after_fork(void);
void gs_unwind_walk_after_fork(void);

/* ---- what was left out (drops.c), and where the tables are (anchor.c) ---------------------------------------------------- */

struct gs_drop_counters {
    _Atomic uint64_t samples, stacks_full, stacks_cut, mappings;
};
extern struct gs_drop_counters gs_drops;

extern const struct gs_anchor_stacks gs_anchor_stacks; // heap/stacks.c
extern const struct gs_anchor_labels gs_anchor_labels; // threads/labels.c
