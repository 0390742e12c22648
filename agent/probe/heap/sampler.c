/* sampler.c - the slow half of the hooks: draws the gaps, takes the samples, undoes them at free.
 *
 *   countdown used up ──▶ gs_heap_sampler_begin: arm again ──▶ real malloc ──▶ gs_heap_sampler_record:
 *                         weigh ▶ walk ▶ intern the stack ▶ insert into live ▶ count ▶ alarm?
 *
 * Sampling runs from the process's first allocation at the default distance, so that what a server builds up before
 * it calls gumshoe_start is known too; gs_probe_start changes the distance, gs_probe_stop ends the drawing. Each
 * sample is weighed with the distance its gap was drawn with, so changes leave the estimates unbiased.
 * Who:    host threads, inside malloc and free. A thread inside here (busy) that allocates again - a signal handler's
 *         malloc - is served without being sampled. */
#include "probe/heap/inside.h"
#include <errno.h>
#include <time.h>

enum {
    DEFAULT_DISTANCE = 512 << 10,
    DEFAULT_DEPTH = 64,
    WHILE_OFF = 256 << 10, // how often a thread looks whether sampling was switched on
    DOUBLINGS_MAX = 24,
    TIMED = 64,           // one sample in so many is timed
    TIMED_NS_MAX = 50000, // longer than this, and the thread was not running
};

static _Atomic uint64_t distance = DEFAULT_DISTANCE; // 0: off
static _Atomic uint32_t depth = DEFAULT_DEPTH;
static _Atomic bool hooks_seen;
_Atomic bool gs_heap_is_anothers;
static _Atomic unsigned widened;
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

bool gs_probe_hooks_seen(void)
{
    return atomic_load_explicit(&hooks_seen, memory_order_relaxed) && !gs_heap_is_anothers;
}

void gs_probe_widen(unsigned doublings)
{
    atomic_store_explicit(&widened, doublings, memory_order_relaxed);
}

struct gs_sampling gs_probe_sampling(void)
{
    struct gs_sampling s = {
        .asked_bytes = atomic_load_explicit(&distance, memory_order_relaxed),
        .for_budget = atomic_load_explicit(&widened, memory_order_relaxed),
        .for_crowding = gs_heap_live_crowding(),
    };
    unsigned doublings = s.for_budget + s.for_crowding;
    s.bytes = s.asked_bytes << (doublings < DOUBLINGS_MAX ? doublings : DOUBLINGS_MAX);
    return s;
}

uint64_t gs_probe_sampling_ns(void)
{
    return atomic_load_explicit(&sampling_ns, memory_order_relaxed);
}

/* Arm the countdown of thread T with a fresh gap. */
static void arm(struct gs_thread *t)
{
    t->distance = gs_probe_sampling().bytes;
    t->countdown = t->distance ? gs_heap_draw_gap(gs_heap_random(&t->random), t->distance) : WHILE_OFF;
}

/* A thread's first allocation: its first gap begins before it. */
static void make_ready(struct gs_thread *t)
{
    static _Atomic uint64_t threads;
    uint64_t number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
    t->random = number * 0x9e3779b97f4a7c15u ^ (uintptr_t)t; // the address differs from run to run
    for (int i = 0; i < 4; i++)
        gs_heap_random(&t->random); // neighbouring seeds drift apart
    t->ready = true;
    atomic_store_explicit(&hooks_seen, true, memory_order_relaxed);
    arm(t);
}

uint64_t gs_heap_sampler_begin(size_t size)
{
    struct gs_thread *t = &gs_thread;
    if (!t->ready) {
        make_ready(t);
        if (!gs_due(size))
            return 0;
    }
    uint64_t drawn_with = t->distance; // 0: sampling was off, and the gap only said when to look again
    arm(t);
    return t->busy || gs_probe_cannot_serve() ? 0 : drawn_with;
}

static struct gs_live weigh(size_t size, uint64_t mean_distance)
{
    double weight = gs_heap_sample_weight(gs_counted_size(size), mean_distance);
    struct gs_live live = {
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
    return gs_heap_stack_intern(scratch->frames, frames, cut, gs_thread.labels);
}

static void record(const void *ptr, struct gs_live live, struct gs_caller caller)
{
    struct gs_scratch *scratch = gs_unwind_scratch_take();
    if (!scratch) {
        atomic_fetch_add_explicit(&gs_drops.samples, 1, memory_order_relaxed);
        return;
    }
    live.stack = stack_of(caller, scratch);
    gs_unwind_scratch_give(scratch);
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
    int kept = errno;
    *stack = stack_of(caller, scratch);
    gs_unwind_scratch_give(scratch);
    errno = kept;
    return true;
}

__attribute__((noinline)) uint32_t gs_probe_own_frames(uintptr_t *frames, uint32_t max)
{
    struct gs_caller caller = GS_CALLER();
    struct gs_registers registers = {.pc = caller.pc, .sp = caller.sp, .bp = caller.bp, .bp_known = true};
    struct gs_reach reach;
    int kept = errno;
    bool cut;
    gs_unwind_reach_own_stack(&reach, caller.sp);
    uint32_t found = gs_unwind_walk(&registers, &reach, frames, max, &cut);
    gs_unwind_reach_remember(&reach);
    errno = kept;
    return found;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void add_up(uint64_t took_ns)
{
    uint64_t sane_ns = took_ns < TIMED_NS_MAX ? took_ns : TIMED_NS_MAX;
    atomic_fetch_add_explicit(&sampling_ns, sane_ns * TIMED, memory_order_relaxed);
}

static _Atomic(void (*)(void)) waiting; // for a sample
static int64_t waiting_due_ns;

void gs_probe_tell_sample(void (*whom)(void), int64_t due_ns)
{
    atomic_store_explicit(&waiting, NULL, memory_order_relaxed);
    waiting_due_ns = due_ns;
    atomic_store_explicit(&waiting, whom, memory_order_release);
}

static void tell_waiting(void)
{
    void (*whom)(void) = atomic_load_explicit(&waiting, memory_order_acquire);
    if (GS_LIKELY(!whom) || (int64_t)now_ns() < waiting_due_ns)
        return;
    if (atomic_compare_exchange_strong_explicit(&waiting, &whom, NULL, memory_order_acq_rel,
                                                memory_order_relaxed))
        whom();
}

void gs_heap_sampler_record(const void *ptr, size_t size, uint64_t drawn_with, struct gs_caller caller)
{
    if (!ptr || !drawn_with)
        return;
    int kept = errno;
    bool timed = gs_thread.random % TIMED == 0;
    uint64_t began_ns = timed ? now_ns() : 0;
    gs_thread.busy = true;
    atomic_signal_fence(memory_order_seq_cst); // what a signal handler sees is in this order
    record(ptr, weigh(size, drawn_with), caller);
    atomic_signal_fence(memory_order_seq_cst);
    gs_thread.busy = false;
    if (timed)
        add_up(now_ns() - began_ns);
    tell_waiting();
    errno = kept;
}

void gs_heap_sampler_let_go(const struct gs_live *held)
{
    gs_heap_stack_count_free(held->stack, held->objects, held->bytes);
    gs_heap_totals_subtract(held->bytes);
}

void gs_heap_sampler_forget(const void *ptr)
{
    struct gs_live live;
    if (gs_heap_live_take(ptr, &live))
        gs_heap_sampler_let_go(&live);
}

void gs_heap_sampler_put_back(const void *ptr, const struct gs_live *held)
{
    if (gs_heap_live_insert(ptr, held))
        return;
    atomic_fetch_add_explicit(&gs_drops.samples, 1, memory_order_relaxed);
    gs_heap_sampler_let_go(held);
}
