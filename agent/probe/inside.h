/* probe/inside.h - what the files of probe/ share. Everything here runs on host threads. */
#pragma once
#include "probe/fast.h"
#include "probe/probe.h"
#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

#define GS_LIKELY(x)   __builtin_expect(!!(x), 1)
#define GS_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* ---- the program that libgumshoe.a is linked into (static.c, hooks_archive.c) --------------------------------- */

extern const bool gs_archive_mark __attribute__((weak, visibility("hidden"))); // in the archive alone
extern const bool gs_hooks_mark __attribute__((weak, visibility("hidden")));   // where there are hooks: in both libraries
static inline bool gs_is_archive(void)
{
    return &gs_archive_mark;
}
/* Has it no loader? */
bool gs_program_is_static(void);
/* Where it lies in memory; for a static program. False: that is not known. */
bool gs_program_extent(const uint8_t **start, const uint8_t **end);

/* ---- the functions that our hooks stand before (real.c) -------------------------------------------------------- */

struct gs_hooked {
    const char *name;
    void *ours, *in_force; // our hook; whose definition of the name the program has
    void *wrapped;         // what ld's --wrap put our hook before; NULL: the program was linked without
    void *second_name;     // the real function under another name, which a static C library has; NULL: it is not linked in
};
/* For the hook NAME, which the static C library also calls SECOND. GS_HOOK(name, second) is to stand at file scope. */
#define GS_HOOK(name, second)                                                              \
    __asm__(".set gs_ours_" #name ", " #name);                                               \
    extern char gs_ours_##name[] __attribute__((visibility("hidden")));                      \
    extern char __real_##name[] __attribute__((weak)), second[] __attribute__((weak))
#define GS_HOOKED(name, second) \
    (&(struct gs_hooked){#name, gs_ours_##name, (void *)(uintptr_t)name, __real_##name, second})
/* False: somebody else's function of that name stands before ours in this program, which libgumshoe.a is linked into. */
bool gs_is_hook_in_force(const struct gs_hooked *hook);
/* Set where malloc or one of its kin is somebody else's in this way (hooks_malloc.c): the heap is not seen. */
extern _Atomic bool gs_heap_is_anothers;
/* The function NAME of the next object that has it; NULL: none has. Context: host thread; may allocate, which comes back to the
 * hooks. */
void *gs_next_object_has(const char *name);
/* The real function; NULL: there is none. Context: as above. */
void *gs_real_function(const struct gs_hooked *hook);

/* ---- a thread's own state (thread.c) ---------------------------------------------------------------------
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
    uint8_t which; // the process's first thread, or another (reach.c)
    bool on_small_stack; // it was seen on one, at least once (small_stack.c)
    bool ready;
    bool busy; // inside the sampler: an allocation made by us or by a signal handler is not sampled
};
extern _Thread_local struct gs_thread gs_thread;

/* ---- the draw (draw.c, pure) ------------------------------------------------------------------------------- */

uint64_t gs_random(uint64_t *state);
/* The next gap in bytes, exponential with mean DISTANCE, at least 1, from the random bits BITS. */
uint64_t gs_draw_gap(uint64_t bits, uint64_t distance);
/* How many allocations of SIZE bytes one sample stands for: 1 / (1 - e^(-size/distance)); both > 0.
 * Source: docs/sampling.md, "Undoing the bias". */
double gs_sample_weight(uint64_t size, uint64_t distance);

/* ---- the filter: was this address ever sampled? (live.c) ---------------------------------------------------
 * A counter for each place of an address: zero says "no live sample here" for sure. */
enum { GS_FILTER_BITS = 18 };
extern _Atomic uint8_t gs_filter[1 << GS_FILTER_BITS];
/* Set with the first of them, for good: where we are switched off, free asks no more. (Hidden, and said so: else it would be
 * reached through a table.) */
extern bool gs_filter_used __attribute__((visibility("hidden")));

/* Raise the counter of PTR, so that its free is looked at. */
void gs_filter_add(const void *ptr);

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

/* ---- live samples (live.c) ------------------------------------------------------------------------------------ */

struct gs_live {
    uint32_t stack;
    uint64_t objects, bytes;
}; // what the sample stands for
/* Remember that the block at PTR was sampled. False: no room nearby (the caller counts it). */
bool gs_live_insert(const void *ptr, const struct gs_live *sample);
/* Take the sample of PTR out, if there is one. */
bool gs_live_take(const void *ptr, struct gs_live *sample);
/* In the key of a block that the host has reported (note.c); its address is without. */
#define GS_NOTED ((uintptr_t)1 << 63)
/* The address that place AT of the tables holds; 0: none. */
enum { GS_LIVE_PLACES = (1 << 11) + (1 << 16) + 2 * 32 };
uintptr_t gs_live_address(size_t at);
/* How often the sampling distance is to be doubled so that the tables last. */
unsigned gs_live_crowding(void);

/* Where the tables are (anchor.c). */
extern const struct gs_anchor_stacks gs_anchor_stacks;
extern const struct gs_anchor_labels gs_anchor_labels;

/* ---- where the heap is (places.c), and what is mapped outside it (mapped.c) -------------------------------------- */

void gs_place_note(const void *ptr);                      // a block was allocated here
void gs_places_forget(uintptr_t start, uintptr_t end);    // what lay here is gone
/* STACK has mapped START to END, whatever was known of these addresses before; what lies in START to END goes away, before
 * it does; the stack that mapped what holds AT, if that is known. */
void gs_mapped_add(uintptr_t start, uintptr_t end, uint32_t stack);
void gs_mapped_forget(uintptr_t start, uintptr_t end);
bool gs_mapped_stack(uintptr_t at, uint32_t *stack);
void gs_mapped_after_fork(void);

/* ---- stacks (stacks.c) ------------------------------------------------------------------------------------------ */

enum { GS_STACK_TABLE_FULL = 0 }; // the stack that samples without a place are charged to; it has no frames
/* The number of the stack FRAMES[0..DEPTH) with the set of labels LABELS, added if it is new. */
uint32_t gs_stack_intern(const uintptr_t *frames, uint32_t depth, bool cut, uint32_t labels);
void gs_stack_count_alloc(uint32_t stack, uint64_t objects, uint64_t bytes);
void gs_stack_count_thread(uint32_t stack);
void gs_stack_count_free(uint32_t stack, uint64_t objects, uint64_t bytes);

/* ---- the walk (walk.c, rows.c) ------------------------------------------------------------------------------------ */

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
 * the outermost frame; *REGISTERS are those of the frame that it ended in. Returns how many. About 1/4 KiB of stack. */
uint32_t gs_walk(struct gs_registers *registers, struct gs_reach *reach, uintptr_t *frames, uint32_t max,
                 bool *cut);

/* How to get from a frame to its caller, in one word, so that a cache entry is checked as a whole. */
enum gs_row_kind {
    GS_ROW_NONE,     // no unwind data here
    GS_ROW_END,      // the outermost frame: its return address is undefined
    GS_ROW_SIGNAL,   // the kernel's signal frame: all registers stand in it
    GS_ROW_SP,       // CFA = sp + cfa_offset
    GS_ROW_BP,       // CFA = bp + cfa_offset
    GS_ROW_SP_DEREF, // CFA = *(sp + cfa_offset)
    GS_ROW_BP_DEREF, // CFA = *(bp + cfa_offset)
    GS_ROW_BX,       // CFA = bx + cfa_offset
    GS_ROW_STRANGE,  // unwind data that we do not follow
};
enum gs_bp_kind {
    GS_BP_SAME,
    GS_BP_AT_CFA,
    GS_BP_AT_BP,
    GS_BP_LOST
};                                            // caller's bp: unchanged, *(CFA + off), *(bp + off)
enum { GS_BX_SAME = 0, GS_BX_LOST = -32768 }; // else the caller's bx is *(CFA + bx_offset)
struct gs_row {                               // as unpacked
    enum gs_row_kind kind;
    enum gs_bp_kind bp;
    int32_t cfa_offset, bp_offset, bx_offset; // the last two: multiples of 8 above GS_BX_LOST
};
/* Work out the row for PC from the .eh_frame of the object that holds it. No cache, no lock, no allocation. */
struct gs_row gs_row_compile(uintptr_t pc);
/* The same for an object that may be unmapped meanwhile: its tables are read by system calls. errno is not kept. */
struct gs_row gs_row_compile_unsure(uintptr_t pc);
/* Around the closing of an object: no cached row is used or kept, and afterwards every row is forgotten. */
void gs_walk_close_cache(void);
void gs_walk_open_cache(void);
void gs_walk_after_fork(void); // in the child

/* The calling thread's stack as it may be read from SP upward (reach.c): page by page, each found to be readable
 * before it is touched; what is known of the thread's own stack is remembered. */
void gs_reach_own_stack(struct gs_reach *reach, uintptr_t sp);
/* The walk came out of a signal handler onto another stack, at SP: go on there, with the questions that are left. */
void gs_reach_cross(struct gs_reach *reach, uintptr_t sp);
void gs_reach_remember(struct gs_reach *reach);
/* Is SP on the calling thread's own stack, as far as that is known? */
bool gs_reach_is_on_own_stack(uintptr_t sp);

/* ---- stacks without room for a signal (small_stack.c) ------------------------------------------------------------ */

/* The calling thread goes on to a small stack of the program's own, for the first time or not: no signal is sent to it any
 * more. errno is kept. */
void gs_small_stack_enter(void);
/* The same if SP, where the calling thread stands, is on such a stack; REACH is what a walk from there has found. */
void gs_small_stack_notice(uintptr_t sp, const struct gs_reach *reach);
/* Have WHOM called with each thread that is marked so from now on, on that thread, in a signal handler maybe. For one listener:
 * cpu.c, which ends the thread's timer. For good, also in the child of a fork. */
void gs_small_stack_tell(void (*whom)(pid_t tid));
void gs_small_stack_after_fork(void); // in the child

/* ---- sampling (sampler.c) -------------------------------------------------------------------------------------------- */

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
/* The slow half of every allocation hook. gs_sampler_begin arms the thread's countdown afresh and says whether this
 * allocation is to be sampled: the mean distance that its gap was drawn with, or 0. If so, the hook allocates and
 * hands the block to gs_sampler_record; a failed allocation has used its turn up, and as gaps have no memory nothing
 * is biased. */
uint64_t gs_sampler_begin(size_t size);
void gs_sampler_record(const void *ptr, size_t size, uint64_t drawn_with, struct gs_caller caller);
/* The stack that CALLER stands on, for what is not an allocation. False: sampling is off, or no room to work in. */
bool gs_sampler_stack(struct gs_caller caller, uint32_t *stack);
/* The block at PTR goes away: if it was sampled, count that. Before the real free. */
void gs_sampler_forget(const void *ptr);
/* For realloc, which may fail and leave the block: gs_live_take before it, then one of these. */
void gs_sampler_put_back(const void *ptr, const struct gs_live *held);
void gs_sampler_let_go(const struct gs_live *held);

/* The word at address AT, if the walk may read it. */
bool gs_reach_load(struct gs_reach *reach, uintptr_t at, uintptr_t *value);
/* One step of a walk: from a frame whose row is ROW to its caller. False: it cannot be made. */
bool gs_walk_step(struct gs_row row, struct gs_registers *registers, struct gs_reach *reach);
/* The walk of a copied stack ended at *REGISTERS for want of rbp: search for it, and go on (search.c). Context: watcher. */
void gs_search_on(const struct gs_registers *registers, struct gs_reach *reach, struct gs_thread_stack *out);
/* The range of code that the unwind entry of PC covers (rows.c). */
bool gs_row_function(uintptr_t pc, uintptr_t *start, uintptr_t *end);

/* ---- the roll of threads (roll.c) ------------------------------------------------------------------------------------- */

/* The thread TID, which is the calling one, was created by STACK, with STACK_SIZE asked for; 0: not said. */
void gs_roll_add(pid_t tid, uint32_t stack, size_t stack_size);
/* Too small for a signal on top of what the thread may be doing: the kernel's frame alone takes 3 KiB. */
static inline bool gs_is_small_stack(size_t size)
{
    enum { SMALL = 48 << 10 };
    return size && size < SMALL;
}
void gs_roll_label(pid_t tid, uint32_t labels); // and carries this set
void gs_roll_small_stack(pid_t tid);            // and runs on stacks without room for a signal
void gs_roll_after_fork(void);
bool gs_thread_ended(pid_t pid, pid_t tid);

/* ---- signals (signal.c), and what they are for ------------------------------------------------------------------------- */

/* Who has sent the borrowed signal, and so whose it is: a CPU timer (cpu.c), or a request by tgkill (thread_stack.c). */
enum gs_signal_sender { GS_SIGNAL_TIMER, GS_SIGNAL_REQUEST, GS_SIGNAL_SENDERS };
/* Called in the signal handler, on any host thread: no lock, no allocation, bounded; errno is kept by the caller. */
typedef void gs_signal_handler(const siginfo_t *info, const ucontext_t *context);
/* Have HANDLER called for signals from SENDER, for good, also in the child of a fork. To be called before gs_signal_borrow by
 * whoever has signals sent; any number of times with the same HANDLER. Context: any but a signal handler. */
void gs_signal_set_handler(enum gs_signal_sender sender, gs_signal_handler *handler);
int gs_signal_borrow(void); // its number; 0: the host uses all that we could. Give each back that was borrowed
void gs_signal_give_back(void);
bool gs_signal_still_ours(void);
void gs_signal_after_fork(void);
struct gs_registers gs_registers_of(const ucontext_t *context); // of what a handler interrupted
gs_signal_handler gs_thread_stack_on_signal;

/* A thread begins, the calling one: its CPU time is sampled from here on, if anybody's is (cpu.c). */
void gs_cpu_thread_begins(pid_t tid);
/* The calling thread blocks the signals in SET: if ours is one of them, it is not sampled any more, and finds none of ours. */
void gs_cpu_thread_blocks(const sigset_t *set);
void gs_cpu_timers_after_fork(void);

/* The hooks of hooks_malloc.c, by names that say that they are meant. */
void *gs_hooked_malloc(size_t size);
void *gs_hooked_memalign(size_t alignment, size_t size);
void gs_hooked_free(void *ptr);

/* ---- a place to work that is not the host's stack (scratch.c) --------------------------------------------------------- */

struct gs_scratch {
    uintptr_t frames[GS_DEPTH_MAX];
};
struct gs_scratch *gs_scratch_take(void); // NULL: all in use
void gs_scratch_give(struct gs_scratch *scratch);
void gs_scratch_after_fork(void);

/* ---- drops (drops.c) ---------------------------------------------------------------------------------------------------- */

struct gs_drop_counters {
    _Atomic uint64_t samples, stacks_full, stacks_cut, mappings;
};
extern struct gs_drop_counters gs_drops;

/* What the samples of the whole heap stand for (totals.c): BYTES more are allocated, in use from now on (returns what is in use
 * with them); BYTES are in use no more. */
uint64_t gs_totals_add(uint64_t bytes);
void gs_totals_take_off(uint64_t bytes);

/* The alarm (wake.c): tell it where heap_in_use stands now. */
void gs_alarm_check(uint64_t heap_in_use);

/* Who hears of an exec (changes.c); NULL: nobody. */
extern char *const *(*gs_told_exec)(char *const envp[]);
extern void (*gs_told_exec_failed)(char *const *changed);
/* Who hears of the host's calls that change what a thread is (changes.c). */
extern _Atomic(void (*)(enum gs_change)) gs_told_before, gs_told_after;
