/* probe/inside.h - what the four folders of probe/ offer each other. What the files of one folder share among themselves is
 * in that folder's own inside.h, which the other three do not include.
 *
 *   hooks/ ──▶ heap/     is this block sampled? a sample, a free, a mapping
 *          ──▶ threads/  a thread begins, blocks signals, goes onto a small stack
 *          ──▶ unwind/   a library is being closed
 *   heap/, threads/ ──▶ unwind/   walk this stack
 *
 * Everything here runs on host threads, inside malloc or in a signal handler too, unless it says otherwise: no allocation,
 * no lock, errno kept, bounded. */
#pragma once
#include "probe/fast.h"
#include "probe/probe.h"
#include <signal.h>
#include <stddef.h>

#define GS_LIKELY(x)   __builtin_expect(!!(x), 1)
#define GS_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* ---- a thread's own state (threads/thread.c) -------------------------------------------------------------------
 * Initial-exec TLS: exists from the thread's first instruction, zeroed, never allocated. Much smaller than the 512
 * bytes that the loader reserves for libraries that are loaded late. */
struct gs_thread {
    uint64_t countdown; // bytes up to the next sampled byte. First member: the fast path reads it
    uint64_t distance;  // the mean distance that the current gap was drawn with; 0: not sampling
    uint64_t random;
    uint64_t follows; // the size of the sampled block that the next allocation follows, for empty blocks (sampler.c); 0: none
    uint64_t empty;   // empty blocks since that block
    uintptr_t stack_low, stack_high; // the part of its own stack that is known to be readable
    int64_t second_due_ns;           // CPU time at which the timer must fire next, set by the handler (cpu.c); 0: the timer has it
    uint32_t labels;                 // the set of labels of its samples; 0: none
    uint32_t closing;                // nested dlclose calls of this thread (walk.c)
    uint8_t which;       // 0 not known, or: the process's first thread, or another one (reach.c)
    bool on_small_stack; // it was seen on a small stack at least once (small_stack.c)
    bool sandboxed;      // it is in a sandbox of the program's own (sandbox.c)
    bool own;            // it is one of the agent's threads
    bool ready;          // its random numbers are seeded and its first gap is drawn (sampler.c)
    bool busy;           // inside the sampler: allocations of the sampler or of a signal handler are not sampled
};
extern _Thread_local struct gs_thread gs_thread;

/* Is the calling thread, a host thread, in a sandbox (threads/sandbox.c)? Then code of ours makes no system call on it, and reads no
 * clock that needs one or the time stamp counter. */
extern _Atomic bool gs_all_sandboxed __attribute__((visibility("hidden")));
static inline bool gs_is_sandboxed(void)
{
    return GS_UNLIKELY(gs_thread.sandboxed ||
                       (atomic_load_explicit(&gs_all_sandboxed, memory_order_relaxed) && !gs_thread.own));
}

/* ---- heap/: the check of every free (live.c) ---------------------------------------------------------------------
 * Was this address ever sampled? One counter for each group of addresses: zero means "no live sample here" for certain. */
enum { GS_FILTER_BITS = 18 };
extern _Atomic uint8_t gs_filter[1 << GS_FILTER_BITS] __attribute__((visibility("hidden")));

/* Raise the counter of PTR, so that its free takes the slow path. */
void gs_heap_filter_add(const void *ptr);

/* Neighbours in memory are neighbours in the filter, one byte for about 60 bytes of memory: so free touches one cache line
 * of the filter for some 60 lines of the heap that the host touches itself; a scattering hash would touch all 256 KiB. The
 * product is (ptr >> 6) + (ptr * 21 >> 14), to 18 bits, in one instruction: all of the address's low half counts. */
static inline size_t gs_filter_index(const void *ptr)
{
    return (uint32_t)(uintptr_t)ptr * ((1u << (26 - GS_FILTER_BITS)) + 21) >> (32 - GS_FILTER_BITS);
}

static inline bool gs_maybe_sampled(const void *ptr)
{
    return GS_UNLIKELY(gs_byte_is_set(&gs_filter[gs_filter_index(ptr)]));
}

/* ---- heap/: the check of every allocation ---------------------------------------------------------------------------- */

/* Is an allocation of SIZE bytes to be sampled, or looked at: does the countdown end inside it? */
static inline bool gs_due(size_t size)
{
    return GS_UNLIKELY(gs_count_down(&gs_thread.countdown, size));
}

/* ---- heap/: sampling (sampler.c) ------------------------------------------------------------------------------------ */

/* Where the hook was called from. */
struct gs_caller {
    uintptr_t pc, sp, bp;
};
/* The caller of the function that uses this macro (a macro, because it reads that function's own frame, which starts
 * with the saved bp and the return address). The function must not be inlined, and is tail-called by the hook. */
#define GS_CALLER()                                                                          \
    ((struct gs_caller){.pc = (uintptr_t)__builtin_return_address(0),                        \
                        .sp = (uintptr_t)__builtin_frame_address(0) + 2 * sizeof(uintptr_t), \
                        .bp = *(uintptr_t *)__builtin_frame_address(0)})
/* The slow path of every allocation hook. gs_heap_sampler_begin returns the mean distance that the last gap was drawn with, or
 * for an empty block what it stands for; 0: this allocation is not to be sampled. Else the hook allocates and
 * passes the block to gs_heap_sampler_record, or NULL if the allocation failed: then there is no sample, which does not bias
 * anything, as gaps have no memory. */
uint64_t gs_heap_sampler_begin(size_t size);
void gs_heap_sampler_record(const void *ptr, size_t size, uint64_t drawn_with, struct gs_caller caller);
/* The number of CALLER's stack, for events that are not allocations. False: sampling is off, or no scratch room. */
bool gs_heap_sampler_stack(struct gs_caller caller, uint32_t *stack);
/* The same of CALLER alone, as a stack of one frame: a few ns. False: sampling is off. */
bool gs_heap_sampler_caller(struct gs_caller caller, uint32_t *stack);
/* The block at PTR is about to be freed: if it was sampled, subtract it. Call before the real free. */
void gs_heap_sampler_forget(const void *ptr);

struct gs_live { // what one sample stands for
    uint32_t stack;
    uint64_t born_ns; // when it was taken, CLOCK_MONOTONIC; the table keeps multiples of 4096 ns
    uint64_t objects, bytes;
};
/* For realloc, which may fail and leave the block as it is: take PTR's sample out first, if it has one (true); afterwards
 * put it back (failed), or release it (count it as freed). */
bool gs_heap_live_take(const void *ptr, struct gs_live *sample);
void gs_heap_sampler_put_back(const void *ptr, const struct gs_live *sample);
void gs_heap_sampler_release(const struct gs_live *sample);

/* Set if the program that libgumshoe.a is linked into takes malloc, or a related function, from elsewhere (hooks/malloc.c):
 * the heap is then not sampled. */
extern _Atomic bool gs_heap_is_anothers;

/* ---- heap/: mappings, threads by the stack that created them -------------------------------------------------------- */

/* _draw: is a mapping of LENGTH bytes to be recorded? Small ones are sampled. _weight: how many it then stands for, in units of
 * 1 / GS_MAPPED_ONE. _add: STACK mapped START to END, which replaces what was recorded there. _forget: START to END is about to
 * be unmapped. _find: the record of the memory at AT; false: there is none. A stack with GS_MAPPED_RESERVED mapped memory
 * without access, one with GS_MAPPED_ALONE memory that is unmapped as a whole, without its length. _is_reserved: is any of
 * START to END reserved? _open: STACK has made that part of it writable (mapped.c). */
#define GS_MAPPED_RESERVED (1u << 31)
#define GS_MAPPED_ALONE    (1u << 30)
bool gs_heap_mapped_draw(size_t length);
uint32_t gs_heap_mapped_weight(size_t length);
void gs_heap_mapped_add(uintptr_t start, uintptr_t end, uint32_t stack, uint32_t weight);
void gs_heap_mapped_forget(uintptr_t start, uintptr_t end);
bool gs_heap_mapped_is_reserved(uintptr_t start, uintptr_t end);
void gs_heap_mapped_open(uintptr_t start, uintptr_t end, uint32_t stack);
bool gs_heap_mapped_find(uintptr_t at, struct gs_mapped *out);
void gs_heap_regions_forget(uintptr_t start, uintptr_t end); // START to END was mapped anew: no heap is there (heap_regions.c)
void gs_heap_stack_count_thread(uint32_t stack); // STACK created a thread (stacks.c)

/* ---- heap/: random numbers (sampling_math.c; pure) ------------------------------------------------------------------ */

uint64_t gs_heap_random(uint64_t *state); // the next number; *STATE may start with any value

/* ---- unwind/: the walk (walk.c) --------------------------------------------------------------------------------------- */

struct gs_registers {
    uintptr_t pc, sp, bp, bx; // bx: the frame of the dynamic linker's lazy binding is found by it
    bool bp_known, bx_known;  // false where /proc gives only pc and sp, or a frame has overwritten it
    bool exact;               // pc is the interrupted instruction, not a return address
};
/* Memory that a walk may read: addresses LOW to HIGH, stored at address + SHIFT (0: the stack itself; else a copy).
 * GROW, if set, tries to raise HIGH by one page when the walk reaches it; false at the stack's end. */
struct gs_reach {
    uintptr_t low, high;
    intptr_t shift;
    bool (*grow)(struct gs_reach *reach);
    uintptr_t end;       // for grow: the upper limit of HIGH
    unsigned pages_left; // for grow: pages that may still be added
    bool unsure;         // frames are guesses, or another thread's: the code that they point to may be unmapped at any moment
};
/* Walk from *REGISTERS over the memory in REACH; store at most MAX frames, leaf first, in FRAMES. *CUT: the walk ended
 * before the outermost frame; *REGISTERS are then those of its last frame. Returns the number of frames. Needs 1/4 KiB of
 * stack, and 1 KiB more for a frame that is not in the cache. */
uint32_t gs_unwind_walk(struct gs_registers *registers, struct gs_reach *reach, uintptr_t *frames, uint32_t max,
                 bool *cut);
/* The walk of a copied stack ended at *REGISTERS because rbp is not known: search for it, and continue (search.c). Context:
 * watcher. */
void gs_unwind_search(const struct gs_registers *registers, struct gs_reach *reach, struct gs_thread_stack *out);
/* Call before and after a library is closed: in between no cached row is used or stored; afterwards all rows are invalid. */
void gs_unwind_walk_close_cache(void);
void gs_unwind_walk_open_cache(void);

/* Frames that know their library (libraries.c). _tag: put the numbers of libraries into FRAMES, which a walk has just stored.
 * _note: add the libraries of FRAMES, a new stack's, to the table; false: it is full. Both may change errno.
 * _before_close, _after_close: a library is being closed; in the middle the calls may be nested. */
void gs_unwind_libraries_tag(uintptr_t *frames, uint32_t depth);
bool gs_unwind_libraries_note(const uintptr_t *frames, uint32_t depth);
void gs_unwind_libraries_before_close(void);
void gs_unwind_libraries_after_close(void);

/* Set REACH to the calling thread's stack from SP upward (reach.c): the walk checks each page before it reads it. _remember,
 * after the walk, stores what was learned about the thread's own stack. */
void gs_unwind_reach_own_stack(struct gs_reach *reach, uintptr_t sp);
void gs_unwind_reach_remember(struct gs_reach *reach);
/* The same for a thread that crashed: nothing is known to be readable, not even the page of SP, and nothing is taken for
 * sane. False: no memory near SP is readable. */
bool gs_unwind_reach_crashed_stack(struct gs_reach *reach, uintptr_t sp);
/* The first readable page of the COUNT pages from the page of AT on; 0: none. errno is kept. */
uintptr_t gs_unwind_reach_first_readable(uintptr_t at, unsigned count);
/* Is SP on the calling thread's own stack, as far as we know? */
bool gs_unwind_reach_is_on_own_stack(uintptr_t sp);
/* From now on the walk cannot check pages of the calling thread: take its own stack, of at most STACK_SIZE bytes, for readable.
 * NEW_THREAD: it is not the process's first. */
void gs_unwind_reach_settle(bool new_thread, size_t stack_size);

/* Work memory, to spare the host's stack (scratch.c). NULL: all are in use. */
struct gs_scratch {
    uintptr_t frames[GS_DEPTH_MAX];
};
struct gs_scratch *gs_unwind_scratch_take(void);
void gs_unwind_scratch_give(struct gs_scratch *scratch);

/* ---- threads/ ----------------------------------------------------------------------------------------------------------- */

/* STACK created thread TID, the calling one, with STACK_SIZE bytes of stack; 0: size not given (thread_table.c). */
void gs_threads_table_add(pid_t tid, uint32_t stack, size_t stack_size);
/* Too small for a signal on top of the thread's own use: the kernel's signal frame alone takes 3 KiB. */
static inline bool gs_is_small_stack(size_t size)
{
    enum { SMALL = 48 << 10 };
    return size && size < SMALL;
}

/* The calling thread is about to enter a sandbox; EVERY_THREAD: all threads of the process are. False: it was in one before. _leave:
 * the kernel has refused it. _inherit: the thread begins, and was created by one in a sandbox, with STACK_SIZE bytes of stack, 0: as
 * many as the C library gives by default. errno is kept (sandbox.c). */
bool gs_threads_sandbox_enter(bool every_thread);
void gs_threads_sandbox_leave(void);
void gs_threads_sandbox_inherit(size_t stack_size);
/* CLOCK_MONOTONIC; in a sandbox only to the clock tick, 1 to 10 ms (thread.c). */
int64_t gs_threads_now_ns(void);

/* The calling thread switches to a small stack of the program's own, the first time or again: no signal is sent to it any
 * more. errno is kept (small_stack.c). */
void gs_threads_small_stack_enter(void);
/* The same if SP, the calling thread's, is on a small stack; REACH: as a walk from SP has left it. */
void gs_threads_small_stack_notice(uintptr_t sp, const struct gs_reach *reach);

/* The handler of fatal signals (crash.c), for hooks that hide it from the program. */
bool gs_threads_crash_is_handler(const struct sigaction *action);
/* The program's own action of SIGNAL, which our handler replaced. */
void gs_threads_crash_host_action(int signal, struct sigaction *out);
/* Where the C library stores the address of its message before it calls abort: a pointer to an unsigned size and then the
 * text; NULL: not known. Set once, when the library is loaded (hooks/abort_message.c). */
extern const void *const *gs_threads_abort_message;
/* The calling thread TID begins: it gets an alternate signal stack if crashes are handled (alternate_stack.c). */
void gs_threads_alternate_stack_begin(pid_t tid);
/* Is BASE the lower end of a signal stack of ours? */
bool gs_threads_alternate_stack_is_ours(const void *base);

/* The calling thread TID begins: sample its CPU time from now on, if CPU time is being sampled (cpu.c). */
void gs_threads_cpu_begin(pid_t tid);
/* The calling thread has blocked the signals in SET: if ours is one of them, stop sampling it and discard our pending
 * signal. */
void gs_threads_cpu_block(const sigset_t *set);

/* ---- descriptors (descriptors.c) ---------------------------------------------------------------------------------------- */

/* CALLER has opened FD, of KIND. Context: host thread of the watched process, not a child of vfork. errno is kept. */
void gs_probe_descriptor_opened(int fd, enum gs_descriptor_kind kind, struct gs_caller caller);
/* What FD was opened as; GS_DESCRIPTOR_ANY: not known. */
enum gs_descriptor_kind gs_probe_descriptor_kind(int fd);
/* The descriptors FIRST to LAST are about to be closed. Context: as above. */
void gs_probe_descriptors_closing(unsigned first, unsigned last);
void gs_probe_descriptors_hook(void); // from now on the calls are seen

/* ---- in the child of a fork (after_fork.c calls them) ------------------------------------------------------------------- */

void gs_threads_cpu_timers_after_fork(void);
void gs_heap_mapped_after_fork(void);
void gs_threads_table_after_fork(void);
void gs_unwind_scratch_after_fork(void);
void gs_threads_signal_after_fork(void);
void gs_threads_stack_after_fork(void); // in the child
void gs_threads_spare_after_fork(void);
void gs_threads_alternate_stack_after_fork(void);
void gs_unwind_walk_after_fork(void);
void gs_unwind_libraries_after_fork(void);

/* ---- drops (drops.c), and the anchor (anchor.c) -------------------------------------------------------------------------- */

struct gs_drop_counters {
    _Atomic uint64_t samples, stacks_full, stacks_cut, mappings;
};
extern struct gs_drop_counters gs_drops;

extern const struct gs_anchor_stacks gs_anchor_stacks; // heap/stacks.c
extern const struct gs_anchor_labels gs_anchor_labels; // threads/labels.c
extern const struct gs_anchor_libraries gs_anchor_libraries; // unwind/libraries.c
extern const struct gs_anchor_threads gs_anchor_threads; // threads/thread_table.c
