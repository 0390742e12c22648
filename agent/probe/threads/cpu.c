/* cpu.c - CPU time: each thread has a timer on its own CPU clock; the timer's signal makes the thread record its stack.
 *
 *   thread begins (hooks/thread.c)      ──▶ timer ──▶ signal ──▶ on_timer: walk ──▶ ring[4096] ──▶ the watcher
 *   thread exists (the watcher asks)    ──▶   │
 *                                             └ on the thread's CPU clock, so that all threads have the same weight
 *
 * One timer for the whole process would not do: kernels before 6.4 deliver it to the main thread. A timer for each thread is
 * right on all kernels, and a thread that begins during a capture arms its own.
 *
 * Short threads. The kernel checks these timers once a clock tick (4 ms at 250 Hz), so what is due after a thread's
 * last tick is never seen: half a tick for each thread, on average. To make up for it, the first expiry is drawn from
 * (0, period) minus half a tick: the expected number of samples of a thread that runs for C is C / period, for every C of
 * one tick or more. Several expiries within one tick come as one signal, whose si_overrun gives the number.
 *
 * Who:    starting, stopping, reading: the watcher, or the thread that gumshoe_write_profile starts, one at a time (the lock
 *         of gather/cpu.c). New threads arm their own timer. on_timer runs in the signal handler, on any host thread.
 * Bounds: .bss: TIMERS timers, SLOTS samples. When nobody reads, new samples overwrite the oldest: the ring then holds the
 *         seconds before a capture ("before"). */
#include "probe/threads/inside.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { TIMERS = 1 << 14, NEIGHBOURS = 64, SLOTS = GS_CPU_KEPT, NS_PER_S = 1000000000 };

/* ---- the ring ------------------------------------------------------------------------------------------------------ */

enum { EMPTY, WRITING, READY }; // bits 0 and 1 of a slot's state; from bit 2 on: the ticket
struct sample_slot {
    _Atomic uint64_t state;
    struct gs_cpu_sample sample;
};
static struct sample_slot ring[SLOTS];
static _Atomic uint64_t head, lost;
static uint64_t tail; // next ticket to read: one reader at a time (the lock of gather/cpu.c)

/* A slot for a new sample; NULL when an older writer has not finished with it (its thread was stopped). */
static struct sample_slot *take_slot(uint64_t *ticket)
{
    *ticket = atomic_fetch_add_explicit(&head, 1, memory_order_relaxed);
    struct sample_slot *slot = &ring[*ticket % SLOTS];
    uint64_t seen = atomic_load_explicit(&slot->state, memory_order_relaxed);
    if ((seen & 3) != WRITING &&
        atomic_compare_exchange_strong_explicit(&slot->state, &seen, *ticket << 2 | WRITING,
                                                memory_order_acquire, memory_order_relaxed))
        return slot;
    atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
    return NULL;
}

bool gs_probe_cpu_next(struct gs_cpu_sample *out, bool last)
{
    for (uint64_t end; tail < (end = atomic_load_explicit(&head, memory_order_acquire)); tail++) {
        if (end - tail > SLOTS) {
            atomic_fetch_add_explicit(&lost, end - tail - SLOTS, memory_order_relaxed);
            tail = end - SLOTS;
        }
        struct sample_slot *slot = &ring[tail % SLOTS];
        uint64_t state = atomic_load_explicit(&slot->state, memory_order_acquire);
        if (state == (tail << 2 | READY)) {
            memcpy(out, &slot->sample, offsetof(struct gs_cpu_sample, frames));
            memcpy(out->frames, slot->sample.frames,
                   out->depth % (GS_CPU_DEPTH_MAX + 1) * sizeof *out->frames);
            atomic_thread_fence(memory_order_acquire);
            if (atomic_load_explicit(&slot->state, memory_order_relaxed) == state) {
                tail++;
                return true;
            }
        } else if (state >> 2 <= tail && !last && end - tail < SLOTS / 2) {
            return false; // it is still being written
        }
    }
    return false;
}

uint64_t gs_probe_cpu_lost(void)
{
    return atomic_load_explicit(&lost, memory_order_relaxed);
}

static _Atomic int64_t period_ns; // 0: off
static int signal_number;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * (int64_t)NS_PER_S + t.tv_nsec;
}

/* ---- timers ------------------------------------------------------------------------------------------------------------ */

/* Each thread's timer: tid << 32 | timer id + 1; the low half is 0 until the timer exists. */
static _Atomic uint64_t timer[TIMERS + NEIGHBOURS];
static _Atomic bool timers_used; // false: no timer was ever made, and a forked child need not clear the table

static _Atomic uint64_t *timer_of(pid_t tid)
{
    for (size_t at = (size_t)tid % TIMERS, end = at + NEIGHBOURS; at < end; at++)
        if ((pid_t)(atomic_load_explicit(&timer[at], memory_order_relaxed) >> 32) == tid)
            return &timer[at];
    return NULL;
}

static _Atomic uint64_t *entry_for(pid_t tid)
{
    for (size_t at = (size_t)tid % TIMERS, end = at + NEIGHBOURS; at < end; at++) {
        uint64_t none = 0;
        atomic_store_explicit(&timers_used, true, memory_order_relaxed);
        if (atomic_compare_exchange_strong_explicit(&timer[at], &none, (uint64_t)tid << 32,
                                                    memory_order_acquire, memory_order_relaxed))
            return &timer[at];
    }
    return NULL;
}

static void end_timer(_Atomic uint64_t *entry)
{
    uint64_t current = atomic_exchange_explicit(entry, 0, memory_order_acq_rel);
    if ((uint32_t)current)
        syscall(SYS_timer_delete, (int)((uint32_t)current - 1));
}

/* A random time from 0 to less than PERIOD, in ns. */
static int64_t random_phase(pid_t tid, int64_t period)
{
    uint64_t seed = (uint64_t)tid * 0x9e3779b97f4a7c15u ^ (uint64_t)clock_ns(CLOCK_MONOTONIC);
    gs_heap_random(&seed);
    return (int64_t)(gs_heap_random(&seed) % (uint64_t)period);
}

static void set_timer(int id, int flags, int64_t first, int64_t period)
{
    struct itimerspec when = {
        .it_interval = {period / NS_PER_S, period % NS_PER_S},
        .it_value = {first / NS_PER_S, first % NS_PER_S},
    };
    syscall(SYS_timer_settime, id, flags, &when, NULL);
}

/* Set the calling thread's timer as if it had run since the thread began: see "Short threads" above. A sample that is due at
 * once waits for the next tick: else the signal would find the thread here. The second sample must not be late for that: the
 * handler sets it to its due time. */
static void set_from_birth(int id, int64_t due, int64_t period)
{
    enum { SOON = 50000 };
    struct timespec tick = {0};
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick); // the length of a clock tick
    due -= tick.tv_nsec / 2;
    int64_t soonest = clock_ns(CLOCK_THREAD_CPUTIME_ID) + SOON;
    gs_thread.second_due_ns = due < soonest ? due + period : 0;
    set_timer(id, TIMER_ABSTIME, due < soonest ? soonest : due, period);
}

/* Start a timer on the CPU clock of thread TID of this process: from now on, or (NEWBORN, TID is the calling thread) from
 * the thread's start. False: sampling is off, no free entry, or the kernel gives no timer. */
static bool arm(pid_t tid, bool newborn)
{
    int64_t period = atomic_load_explicit(&period_ns, memory_order_acquire);
    enum { PER_THREAD = 4, SCHEDULED = 2 }; // how the kernel numbers CPU clocks
    clockid_t clock = (clockid_t)(~(unsigned)tid << 3 | PER_THREAD | SCHEDULED);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal_number};
    int id;
    _Atomic uint64_t *entry = period ? entry_for(tid) : NULL;
    if (!entry)
        return false;
    event.sigev_value.sival_ptr = ring;
    event._sigev_un._tid = tid;
    if (syscall(SYS_timer_create, clock, &event, &id) != 0) {
        atomic_store_explicit(entry, 0, memory_order_relaxed);
        return false;
    }
    if (newborn)
        set_from_birth(id, random_phase(tid, period), period);
    else
        set_timer(id, 0, 1 + random_phase(tid, period), period);
    atomic_store_explicit(entry, (uint64_t)tid << 32 | ((uint32_t)id + 1), memory_order_release);
    if (atomic_load_explicit(&period_ns, memory_order_acquire) == 0)
        end_timer(
            entry); // sampling was switched off meanwhile; the watcher may already have passed this entry
    return true;
}

static bool blocks_the_signal(void)
{
    uint64_t mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask);
    return mask >> (signal_number - 1) & 1;
}

void gs_threads_cpu_begin(pid_t tid)
{
    if (atomic_load_explicit(&period_ns, memory_order_acquire) == 0 || blocks_the_signal())
        return; // the watcher finds this thread, and reports it
    int saved_errno = errno;
    arm(tid, true);
    errno = saved_errno;
}

bool gs_probe_cpu_is_watched(pid_t tid)
{
    return timer_of(tid) != NULL;
}

/* Stop sampling thread TID. Context: host thread, signal handler, watcher. */
static void end_timer_of(pid_t tid)
{
    _Atomic uint64_t *entry = timer_of(tid);
    if (entry)
        end_timer(entry);
}

/* Discard the signal that our timer had sent and that the calling thread now blocks. If it was the host's own, send it
 * again. */
static void discard_pending(void)
{
    const struct timespec now = {0};
    uint64_t ours = (uint64_t)1 << (signal_number - 1);
    siginfo_t info;
    if (syscall(SYS_rt_sigtimedwait, &ours, &info, &now, sizeof ours) == signal_number &&
        (info.si_code != SI_TIMER || info.si_value.sival_ptr != ring))
        syscall(SYS_kill, getpid(), signal_number);
}

void gs_threads_cpu_block(const sigset_t *set)
{
    uint64_t mask;
    if (GS_LIKELY(atomic_load_explicit(&period_ns, memory_order_relaxed) == 0) || gs_is_sandboxed())
        return;                      // in a sandbox it has no timer
    memcpy(&mask, set, sizeof mask); // the first 64 bits are the kernel's signal mask
    int saved_errno = errno;
    _Atomic uint64_t *entry = mask >> (signal_number - 1) & 1 ? timer_of((pid_t)syscall(SYS_gettid)) : NULL;
    if (entry) {
        end_timer(entry);
        discard_pending();
    }
    errno = saved_errno;
}

bool gs_probe_cpu_watch(pid_t tid)
{
    if (!timer_of(tid) && !arm(tid, false))
        return false;
    if (!gs_probe_why_not_signal(tid))
        return true;
    end_timer_of(tid); // it has switched to a small stack, or entered a sandbox, meanwhile
    return false;
}

void gs_probe_cpu_sweep(void)
{
    pid_t pid = getpid();
    for (size_t at = 0; at < TIMERS + NEIGHBOURS; at++) {
        uint64_t current = atomic_load_explicit(&timer[at], memory_order_relaxed);
        if ((uint32_t)current && gs_threads_ended(pid, (pid_t)(current >> 32)))
            end_timer(&timer[at]);
    }
}

/* ---- in the handler ------------------------------------------------------------------------------------------------ */

static void on_timer(const siginfo_t *info, const ucontext_t *context)
{
    int64_t period = atomic_load_explicit(&period_ns, memory_order_relaxed);
    uint64_t ticket;
    struct sample_slot *slot = info->si_value.sival_ptr == ring && period ? take_slot(&ticket) : NULL;
    if (!slot)
        return; // sampling was stopped, another timer, or no free slot
    struct gs_cpu_sample *sample = &slot->sample;
    struct gs_registers registers = gs_threads_registers_of(context);
    struct gs_reach reach;
    if (gs_thread.second_due_ns) {
        set_timer(info->si_timerid, TIMER_ABSTIME, gs_thread.second_due_ns, period);
        gs_thread.second_due_ns = 0;
    }
    sample->time_ns = gs_threads_now_ns();
    sample->count = 1 + (info->si_overrun > 0 ? (uint32_t)info->si_overrun : 0);
    sample->cpu_ns = sample->count * period;
    sample->labels = gs_thread.labels;
    uintptr_t sp = registers.sp; // gs_unwind_walk changes `registers`
    gs_unwind_reach_own_stack(&reach, registers.sp);
    sample->depth = gs_unwind_walk(&registers, &reach, sample->frames, GS_CPU_DEPTH_MAX, &sample->cut);
    gs_unwind_reach_remember(&reach);
    gs_threads_small_stack_notice(sp, &reach);
    gs_unwind_libraries_tag(sample->frames, sample->depth);
    (void)gs_unwind_libraries_note(sample->frames, sample->depth);
    atomic_store_explicit(&slot->state, ticket << 2 | READY, memory_order_release);
}

/* ---- on and off -------------------------------------------------------------------------------------------------------- */

bool gs_probe_cpu_start(int64_t period)
{
    gs_threads_signal_set_handler(GS_SIGNAL_TIMER, on_timer);
    gs_threads_spare_tell(end_timer_of);
    signal_number = gs_threads_signal_borrow();
    if (!signal_number)
        return false;
    atomic_store_explicit(&period_ns, period, memory_order_release);
    return true;
}

int gs_probe_cpu_signal(void)
{
    return signal_number;
}

bool gs_probe_cpu_undisturbed(void)
{
    return gs_threads_signal_still_ours();
}

void gs_threads_cpu_end_timers(void)
{
    for (size_t at = 0; timers_used && at < TIMERS + NEIGHBOURS; at++)
        if ((uint32_t)atomic_load_explicit(&timer[at], memory_order_acquire))
            end_timer(&timer[at]);
}

void gs_probe_cpu_stop(void)
{
    if (atomic_exchange_explicit(&period_ns, 0, memory_order_acq_rel) == 0)
        return;
    gs_threads_cpu_end_timers();
    gs_threads_signal_give_back();
}

void gs_threads_cpu_timers_after_fork(void)
{
    atomic_store_explicit(&period_ns, 0, memory_order_relaxed);
    for (size_t at = 0; timers_used && at < TIMERS + NEIGHBOURS; at++) // a child inherits no timers
        if (atomic_load_explicit(&timer[at], memory_order_relaxed))
            atomic_store_explicit(
                &timer[at], 0, memory_order_relaxed); // write only if needed: untouched pages are not copied
}
