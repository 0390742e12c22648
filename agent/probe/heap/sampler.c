/* sampler.c - the slow path of the hooks: draws gaps, records samples, undoes them at free.
 *
 *   countdown used up ──▶ gs_heap_sampler_begin: draw the next gap ──▶ real malloc ──▶ gs_heap_sampler_record:
 *                         weigh ▶ walk ▶ intern the stack ▶ insert into live ▶ count ▶ alarm?
 *
 * Sampling runs from the process's first allocation at the default distance, so that what a server allocates before
 * gumshoe_start is known too. gs_probe_start changes the distance; gs_probe_stop ends sampling. Each sample is weighed with
 * the distance that its gap was drawn with, so estimates stay unbiased when the distance changes.
 * Who:    host threads, inside malloc and free. If a thread in here (busy) allocates again, in a signal handler, that
 *         allocation is not sampled. */
#include "probe/heap/inside.h"
#include <errno.h>
#include <time.h>

enum {
    DEFAULT_DISTANCE = 512 << 10,
    DEFAULT_DEPTH = 64,
    WHILE_OFF = 256 << 10, // bytes: how often a thread checks whether sampling was switched on
    WHILE_DISABLED = 64 << 20,
    DOUBLINGS_MAX = 24,
    TIMED = 64,           // one sample in 64 is timed
    TIMED_NS_MAX = 50000, // a longer time means that the thread was preempted
};
static const uint64_t EMPTY = 1ull << 63;        // no distance has this bit (begin_empty)
static const uint64_t CERTAIN = UINT64_MAX >> 1; // the size of a block that is always sampled

static _Atomic uint64_t distance = DEFAULT_DISTANCE; // 0: off
static _Atomic uint32_t depth = DEFAULT_DEPTH;
static _Atomic uint64_t while_off = WHILE_OFF;
static _Atomic bool hooks_seen;
_Atomic bool gs_heap_is_anothers;
static _Atomic unsigned budget_doublings;
static _Atomic uint64_t sampling_ns;

void gs_probe_start(const struct gs_probe_settings *settings)
{
    uint32_t frames = settings->depth;
    atomic_store_explicit(&depth,
                          frames < 1              ? 1
                          : frames > GS_DEPTH_MAX ? GS_DEPTH_MAX
                                                  : frames,
                          memory_order_relaxed);
    atomic_store_explicit(&distance, settings->sample_bytes, memory_order_relaxed);
}

void gs_probe_stop(void)
{
    atomic_store_explicit(&distance, 0, memory_order_relaxed);
}

void gs_probe_disable(void)
{
    atomic_store_explicit(&while_off, WHILE_DISABLED, memory_order_relaxed);
    gs_probe_stop();
}

bool gs_probe_hooks_seen(void)
{
    return atomic_load_explicit(&hooks_seen, memory_order_relaxed) && !gs_heap_is_anothers;
}

void gs_probe_widen(unsigned doublings)
{
    atomic_store_explicit(&budget_doublings, doublings, memory_order_relaxed);
}

struct gs_sampling gs_probe_sampling(void)
{
    struct gs_sampling sampling = {
        .asked_bytes = atomic_load_explicit(&distance, memory_order_relaxed),
        .for_budget = atomic_load_explicit(&budget_doublings, memory_order_relaxed),
        .for_crowding = gs_heap_live_crowding(),
    };
    unsigned doublings = sampling.for_budget + sampling.for_crowding;
    sampling.bytes = sampling.asked_bytes << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);
    return sampling;
}

uint64_t gs_probe_sampling_ns(void)
{
    return atomic_load_explicit(&sampling_ns, memory_order_relaxed);
}

/* Start THREAD's countdown with a new gap. */
static void arm(struct gs_thread *thread)
{
    thread->follows = 0;
    thread->distance = gs_probe_sampling().bytes;
    thread->countdown = thread->distance ? gs_heap_draw_gap(gs_heap_random(&thread->random), thread->distance)
                                         : atomic_load_explicit(&while_off, memory_order_relaxed);
}

/* Empty blocks hold no byte, so no gap ends in one. Instead a countdown of 0 brings the next allocation after a sampled block
 * here. If it is empty, it is sampled with the weight of the block before it, and the allocation after it comes here too; else
 * the next gap begins before it. So an empty block is sampled with the same probability as the block before it, and its weight is
 * the inverse of that. A thread's first allocation follows, for this purpose, a block that is certain to be sampled. */
static void look_at_next(struct gs_thread *thread, uint64_t sampled_size)
{
    thread->follows = sampled_size;
    thread->empty = 0;
    atomic_signal_fence(memory_order_seq_cst);
    thread->countdown = 0;
}

/* What an empty block stands for: EMPTY, and the number of objects in units of 1 / (1 << GS_OBJECT_SHIFT). 0: it is not
 * sampled. Of n empty blocks in a row about the square root of n is sampled, so that they do not fill the table. */
static uint64_t begin_empty(struct gs_thread *thread)
{
    uint64_t row = ++thread->empty;
    unsigned rarer = (unsigned)(64 - __builtin_clzll(row)) / 2;
    if (gs_heap_random(&thread->random) & ((1ull << rarer) - 1) ||
        !atomic_load_explicit(&distance, memory_order_relaxed))
        return 0;
    double weight = gs_heap_sample_weight(thread->follows, thread->distance);
    return EMPTY | (uint64_t)(weight * (1 << GS_OBJECT_SHIFT) + 0.5) << rarer;
}

/* Prepare THREAD at its first allocation: its first gap begins before that allocation. */
static void make_ready(struct gs_thread *thread)
{
    static _Atomic uint64_t threads;
    uint64_t number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
    thread->random = number * 0x9e3779b97f4a7c15u ^ (uintptr_t)thread; // the address differs from run to run
    for (int i = 0; i < 4; i++)
        gs_heap_random(&thread->random); // similar seeds give different numbers only after some rounds
    thread->ready = true;
    atomic_store_explicit(&hooks_seen, true, memory_order_relaxed);
    arm(thread);
    if (thread->distance)
        look_at_next(thread, CERTAIN);
}

uint64_t gs_heap_sampler_begin(size_t size)
{
    struct gs_thread *thread = &gs_thread;
    if (!thread->ready)
        make_ready(thread);
    if (thread->follows && size) {
        arm(thread);
        if (!gs_due(size))
            return 0;
    }
    uint64_t drawn_with =
        thread->distance; // 0: sampling was off, and the countdown only said when to check again
    if (!size)
        drawn_with = thread->follows ? begin_empty(thread) : 0;
    else if (drawn_with)
        look_at_next(thread, size);
    else
        arm(thread);
    return thread->busy || gs_probe_cannot_serve() ? 0 : drawn_with;
}

static struct gs_live weigh(size_t size, uint64_t drawn_with, uint64_t born_ns)
{
    if (drawn_with & EMPTY)
        return (struct gs_live){.born_ns = born_ns, .objects = drawn_with & ~EMPTY};
    double weight = gs_heap_sample_weight(size, drawn_with);
    struct gs_live live = {
        .born_ns = born_ns,
        .objects = (uint64_t)(weight * (1 << GS_OBJECT_SHIFT) + 0.5),
        .bytes = (uint64_t)(weight * (double)size + 0.5),
    };
    return live;
}

static uint32_t stack_of(struct gs_caller caller, struct gs_scratch *scratch)
{
    struct gs_registers registers = {.pc = caller.pc, .sp = caller.sp, .bp = caller.bp, .bp_known = true};
    struct gs_reach reach;
    bool cut;
    gs_unwind_reach_own_stack(&reach, caller.sp);
    uint32_t frames = gs_unwind_walk(&registers, &reach, scratch->frames,
                                     atomic_load_explicit(&depth, memory_order_relaxed), &cut);
    gs_unwind_reach_remember(&reach);
    gs_threads_small_stack_notice(caller.sp, &reach);
    if (cut)
        atomic_fetch_add_explicit(&gs_drops.stacks_cut, 1, memory_order_relaxed);
    gs_unwind_libraries_tag(scratch->frames, frames);
    return gs_heap_stack_intern(scratch->frames, frames, cut, gs_thread.labels);
}

/* Record an allocation of SIZE bytes at PTR, which LIVE was weighed for; PTR NULL: it failed. */
static void record(const void *ptr, size_t size, struct gs_live live, struct gs_caller caller)
{
    struct gs_scratch *scratch = gs_unwind_scratch_take();
    if (!scratch) {
        atomic_fetch_add_explicit(&gs_drops.samples, 1, memory_order_relaxed);
        return;
    }
    live.stack = stack_of(caller, scratch);
    gs_unwind_scratch_give(scratch);
    if (!ptr) {
        gs_heap_notable_failure(size, live.stack, live.objects);
        return;
    }
    gs_heap_notable_alloc(size, live.stack);
    if (!gs_heap_live_insert(ptr, &live)) {
        atomic_fetch_add_explicit(&gs_drops.samples, 1, memory_order_relaxed);
        return;
    }
    gs_heap_regions_add(ptr);
    gs_heap_stack_count_alloc(live.stack, live.objects, live.bytes);
    gs_heap_alarm_check(gs_heap_totals_add(live.bytes));
}

bool gs_heap_sampler_stack(struct gs_caller caller, uint32_t *stack)
{
    struct gs_scratch *scratch =
        atomic_load_explicit(&distance, memory_order_relaxed) && !gs_probe_cannot_serve()
            ? gs_unwind_scratch_take()
            : NULL;
    if (!scratch)
        return false;
    int saved_errno = errno;
    *stack = stack_of(caller, scratch);
    gs_unwind_scratch_give(scratch);
    errno = saved_errno;
    return true;
}

bool gs_heap_sampler_caller(struct gs_caller caller, uint32_t *stack)
{
    if (!atomic_load_explicit(&distance, memory_order_relaxed))
        return false;
    int saved_errno = errno;
    uintptr_t frame = caller.pc;
    gs_unwind_libraries_tag(&frame, 1);
    *stack = gs_heap_stack_intern(&frame, 1, true, gs_thread.labels);
    errno = saved_errno;
    return true;
}

__attribute__((noinline)) uint32_t gs_probe_own_frames(uintptr_t *frames, uint32_t max)
{
    struct gs_caller caller = GS_CALLER();
    struct gs_registers registers = {.pc = caller.pc, .sp = caller.sp, .bp = caller.bp, .bp_known = true};
    struct gs_reach reach;
    int saved_errno = errno;
    bool cut;
    gs_unwind_reach_own_stack(&reach, caller.sp);
    uint32_t found = gs_unwind_walk(&registers, &reach, frames, max, &cut);
    gs_unwind_reach_remember(&reach);
    errno = saved_errno;
    return found;
}

static void add_sampling_time(uint64_t took_ns)
{
    uint64_t sane_ns = took_ns < TIMED_NS_MAX ? took_ns : TIMED_NS_MAX;
    atomic_fetch_add_explicit(&sampling_ns, sane_ns * TIMED, memory_order_relaxed);
}

static _Atomic(void (*)(void)) sample_listener; // called once, with one of the next samples
static int64_t listener_due_ns;

void gs_probe_on_next_sample(void (*listener)(void), int64_t due_ns)
{
    atomic_store_explicit(&sample_listener, NULL, memory_order_relaxed);
    listener_due_ns = due_ns;
    atomic_store_explicit(&sample_listener, listener, memory_order_release);
}

static void call_listener(void)
{
    void (*listener)(void) = atomic_load_explicit(&sample_listener, memory_order_acquire);
    if (GS_LIKELY(!listener) || gs_threads_now_ns() < listener_due_ns)
        return;
    if (atomic_compare_exchange_strong_explicit(&sample_listener, &listener, NULL, memory_order_acq_rel,
                                                memory_order_relaxed))
        listener();
}

void gs_heap_sampler_record(const void *ptr, size_t size, uint64_t drawn_with, struct gs_caller caller)
{
    if (!drawn_with || (!ptr && !size)) // realloc(ptr, 0) frees
        return;
    int saved_errno = errno;
    bool timed = gs_thread.random % TIMED == 0;
    uint64_t began_ns = (uint64_t)gs_threads_now_ns();
    gs_thread.busy = true;
    atomic_signal_fence(
        memory_order_seq_cst); // a signal handler on this thread sees the stores in this order
    record(ptr, size, weigh(size, drawn_with, began_ns), caller);
    atomic_signal_fence(memory_order_seq_cst);
    gs_thread.busy = false;
    if (timed)
        add_sampling_time((uint64_t)gs_threads_now_ns() - began_ns);
    call_listener();
    errno = saved_errno;
}

/* SAMPLE's block is not counted any more. */
static void uncount(const struct gs_live *sample)
{
    gs_heap_stack_count_free(sample->stack, sample->objects, sample->bytes);
    gs_heap_totals_subtract(sample->bytes);
}

/* How long it is since BORN_NS, which the table has without its upper bits. The coarse clock may be behind the one that BORN_NS was
 * read from. */
static uint64_t lifetime_ns(uint64_t born_ns)
{
    enum { TICK_MAX_NS = 20000000 };
    uint64_t all = ((uint64_t)1 << GS_BORN_BITS) - 1,
             lifetime = ((uint64_t)gs_threads_now_ns() - born_ns) & all;
    return all - lifetime < TICK_MAX_NS ? 0 : lifetime;
}

void gs_heap_sampler_release(const struct gs_live *sample)
{
    int saved_errno = errno;
    uncount(sample);
    gs_heap_lifetimes_add(sample->stack, lifetime_ns(sample->born_ns), sample->objects, sample->bytes);
    errno = saved_errno;
}

void gs_heap_sampler_forget(const void *ptr)
{
    struct gs_live live;
    if (gs_heap_live_take(ptr, &live))
        gs_heap_sampler_release(&live);
}

void gs_heap_sampler_put_back(const void *ptr, const struct gs_live *sample)
{
    if (gs_heap_live_insert(ptr, sample))
        return;
    atomic_fetch_add_explicit(&gs_drops.samples, 1, memory_order_relaxed);
    uncount(sample);
}
