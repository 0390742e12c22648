/* cpu.c - the CPU profile: the probe's samples between two moments, summed by stack.
 *
 *   probe's ring ──gs_gather_cpu_poll──▶ every open session: stack ──▶ count, CPU time ──gs_gather_cpu──▶ cpu.pb.gz
 *        └ with "before" the ring is filled all the time, at a lower rate, and a session starts with its content
 *
 * What is missing is reported: threads that block the signal appear in the profile by name, with their CPU time; the notes
 * and comments give the number of lost samples and the part of the process's CPU time that the samples cover.
 * Who:    the watcher, and the threads of gumshoe_write_profile; only they take `lock`.
 * Bounds: STACKS_MAX stacks a session; samples of further stacks are charged to "(table full)". */
#include "base/clock.h"
#include "base/hash.h"
#include "base/index.h"
#include "base/memory.h"
#include "gather/inside.h"
#include "profile/profile.h"
#include "sys/file.h"
#include "sys/lock.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACKS_MAX = 1 << 14, BLOCKERS = 64, THREAD_NAME = 20 };
#define LOOK_NS GS_NS_PER_S /* how often we look for new and ended threads */

struct stack {
    int64_t cpu_ns, count;
    uint32_t labels, depth;
    size_t first; // index of its first frame in the session's `frame`
};

struct blocker { // a thread that must not be signaled (task.c): it is not sampled
    pid_t tid;
    bool blocks;      // it still blocked the signal at the last look
    int64_t began_ns; // its CPU time when this stretch of blocking was first seen
    int64_t spent_ns; // its CPU time in earlier stretches of blocking
    char name[THREAD_NAME];
};

struct gs_cpu_session {
    struct gs_cpu_session *next;
    int64_t opened_ns, from_ns, until_ns, began_realtime_ns;
    int64_t period_ns,
        before_period_ns; // CPU time for each sample, as the rules had it when the session was opened
    int64_t process_ns;   // the process's CPU time when the session was opened
    uint64_t lost;        // gs_probe_cpu_lost when the session was opened
    struct stack *stack;
    uint64_t *frame; // frames of all stacks
    size_t stack_count, stack_capacity, frame_count, frame_capacity;
    struct gs_index index;
    int64_t full_ns, full_count; // samples of stacks beyond STACKS_MAX
    int64_t sampled_ns;          // CPU time of the samples taken since the session was opened
    size_t cut, no_timer, blocker_count, more_blockers;
    struct blocker blocker[BLOCKERS];
    bool disturbed, failed;
};

static struct {
    struct gs_lock lock;
    struct gs_cpu_settings settings;
    struct gs_cpu_session *open;
    int64_t period_ns;    // in force; 0: off
    int64_t last_look_ns; // when look_at_all_threads last ran
} cpu = {.lock.rank = GS_RANK_CPU, .settings = {.hertz = 99}};

/* ---- clocks ---------------------------------------------------------------------------------------------------------- */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) ? 0 : t.tv_sec * GS_NS_PER_S + t.tv_nsec;
}

/* The CPU time of thread TID of this process; 0 when it is gone. */
static int64_t thread_ns(pid_t tid)
{
    enum { PER_THREAD = 4, SCHEDULED = 2 }; // how the kernel numbers CPU clocks
    return clock_ns((clockid_t)(~(unsigned)tid << 3 | PER_THREAD | SCHEDULED));
}

/* ---- samples into sessions ----------------------------------------------------------------------------------------- */

static uint64_t hash_frames(const uint64_t *frame, uint32_t depth, uint32_t labels)
{
    return gs_hash_mix(gs_hash_bytes(frame, depth * sizeof *frame) ^ labels);
}

static uint64_t hash_of_stack(const void *of, uint32_t number)
{
    const struct gs_cpu_session *session = of;
    const struct stack *stack = &session->stack[number];
    return hash_frames(session->frame + stack->first, stack->depth, stack->labels);
}

static struct stack *new_stack(struct gs_cpu_session *session, const struct gs_cpu_sample *sample,
                               uint64_t hash)
{
    size_t first = session->frame_count;
    if (session->stack_count == STACKS_MAX)
        return NULL;
    if (gs_grow(&session->frame, &session->frame_capacity, first + sample->depth, sizeof *session->frame) ||
        gs_grow(&session->stack, &session->stack_capacity, session->stack_count + 1,
                sizeof *session->stack) ||
        gs_index_add(&session->index, hash, (uint32_t)session->stack_count, hash_of_stack, session)) {
        session->failed = true;
        return NULL;
    }
    memcpy(session->frame + first, sample->frames, sample->depth * sizeof *sample->frames);
    session->frame_count += sample->depth;
    struct stack *stack = &session->stack[session->stack_count++];
    *stack = (struct stack){.labels = sample->labels, .depth = sample->depth, .first = first};
    return stack;
}

static struct stack *stack_of(struct gs_cpu_session *session, const struct gs_cpu_sample *sample)
{
    uint64_t hash = hash_frames(sample->frames, sample->depth, sample->labels);
    size_t at = SIZE_MAX;
    for (uint32_t n; (n = gs_index_next(&session->index, hash, &at)) != UINT32_MAX;) {
        struct stack *stack = &session->stack[n];
        if (stack->depth == sample->depth && stack->labels == sample->labels &&
            memcmp(session->frame + stack->first, sample->frames, sample->depth * sizeof *sample->frames) ==
                0)
            return stack;
    }
    return new_stack(session, sample, hash);
}

static void add_sample(struct gs_cpu_session *session, const struct gs_cpu_sample *sample)
{
    if (sample->time_ns < session->from_ns || sample->time_ns > session->until_ns)
        return;
    struct stack *stack = stack_of(session, sample);
    *(stack ? &stack->cpu_ns : &session->full_ns) += sample->cpu_ns;
    *(stack ? &stack->count : &session->full_count) += sample->count;
    session->cut += sample->cut;
    if (sample->time_ns >= session->opened_ns)
        session->sampled_ns += sample->cpu_ns;
}

static void drain(bool last)
{
    static struct gs_cpu_sample sample; // protected by cpu.lock
    while (gs_probe_cpu_next(&sample, last))
        for (struct gs_cpu_session *session = cpu.open; session; session = session->next)
            add_sample(session, &sample);
}

/* ---- living threads ---------------------------------------------------------------------------------------------------- */

static void record_blocker(struct gs_cpu_session *session, int task, pid_t tid)
{
    for (size_t i = 0; i < session->blocker_count; i++)
        if (session->blocker[i].tid == tid) {
            if (!session->blocker[i].blocks)
                session->blocker[i].began_ns = thread_ns(tid);
            session->blocker[i].blocks = true;
            return;
        }
    if (session->blocker_count == BLOCKERS) {
        session->more_blockers++;
        return;
    }
    struct blocker *blocker = &session->blocker[session->blocker_count++];
    *blocker = (struct blocker){.tid = tid, .blocks = true, .began_ns = thread_ns(tid)};
    gs_gather_task_line(task, tid, "comm", blocker->name, sizeof blocker->name);
}

/* The CPU time that BLOCKER's thread used while it blocked the signal. */
static int64_t blocked_ns(const struct blocker *blocker)
{
    return blocker->spent_ns + (blocker->blocks ? thread_ns(blocker->tid) - blocker->began_ns : 0);
}

/* Thread TID is sampled from now on: it had blocked the signal only for a moment, as a thread does while it creates
 * another. */
static void record_unblocked(struct gs_cpu_session *session, pid_t tid)
{
    for (struct blocker *blocker = session->blocker; blocker < session->blocker + session->blocker_count;
         blocker++)
        if (blocker->tid == tid && blocker->blocks) {
            blocker->spent_ns = blocked_ns(blocker);
            blocker->blocks = false;
        }
}

static void look_at(int task, pid_t tid)
{
    bool blocks =
        !gs_probe_cpu_is_watched(tid) && gs_gather_task_why_not_signal(task, tid, gs_probe_cpu_signal());
    bool watched = !blocks && gs_probe_cpu_watch(tid);
    for (struct gs_cpu_session *session = cpu.open; session; session = session->next) {
        if (blocks) {
            record_blocker(session, task, tid);
            continue;
        }
        record_unblocked(session, tid);
        if (!watched && thread_ns(tid))
            session->no_timer++;
    }
}

/* Watch every thread except the agent's. Later threads arm their own timer, except those that the C library starts. */
static void look_at_all_threads(int64_t now_ns)
{
    int task = gs_file_openat(AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY, 0);
    cpu.last_look_ns = now_ns;
    if (task < 0)
        return;
    struct gs_dir dir;
    gs_file_dir_start(&dir, task);
    for (const char *name; (name = gs_file_dir_next(&dir));) {
        pid_t tid = (pid_t)strtol(name, NULL, 10);
        if (tid > 0 && !gs_probe_is_own_thread(tid))
            look_at(task, tid);
    }
    close(task);
    gs_probe_cpu_sweep();
}

/* ---- sampling on and off, period ----------------------------------------------------------------------------------------- */

static int64_t full_period_ns(void)
{
    return (int64_t)((double)GS_NS_PER_S / cpu.settings.hertz);
}

/* The period while no session is open: 5 times the full period, or longer if the ring would not hold `before_ns` of samples
 * with all CPUs busy. */
static int64_t before_period_ns(void)
{
    cpu_set_t set;
    int cpus = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    int64_t slow = 5 * full_period_ns(), keeps = cpu.settings.before_ns * cpus / (GS_CPU_KEPT / 2);
    return slow > keeps ? slow : keeps;
}

/* Set the sampling period that is needed now. False: the host uses every signal that we could. */
static bool update_period(int64_t now_ns)
{
    int64_t period_ns = cpu.open ? full_period_ns() : cpu.settings.before_ns ? before_period_ns() : 0;
    if (period_ns == cpu.period_ns)
        return true;
    gs_probe_cpu_stop();
    cpu.period_ns = 0;
    if (period_ns == 0)
        return true;
    if (!gs_probe_cpu_start(period_ns))
        return false;
    cpu.period_ns = period_ns;
    look_at_all_threads(now_ns);
    return true;
}

void gs_gather_cpu_configure(const struct gs_cpu_settings *settings)
{
    gs_lock_take(&cpu.lock);
    cpu.settings = *settings;
    (void)update_period(gs_clock_monotonic_ns()); // on failure gs_gather_cpu_open fails too, and reports it
    gs_lock_give(&cpu.lock);
}

/* The host has set its own handler for the signal: stop, so that its handler gets none of ours. */
static void stop_for_host(void)
{
    for (struct gs_cpu_session *session = cpu.open; session; session = session->next)
        session->disturbed = true;
    gs_probe_cpu_stop();
    cpu.period_ns = 0;
}

void gs_gather_cpu_poll(int64_t now_ns)
{
    gs_lock_take(&cpu.lock);
    if (cpu.open)
        drain(false);
    if (cpu.period_ns && !gs_probe_cpu_undisturbed())
        stop_for_host();
    if (cpu.period_ns && now_ns - cpu.last_look_ns >= LOOK_NS)
        look_at_all_threads(now_ns);
    gs_lock_give(&cpu.lock);
}

void gs_gather_cpu_after_fork(void)
{
    gs_lock_after_fork(&cpu.lock);
    cpu.open = NULL;
    cpu.period_ns = 0;
    cpu.settings = (struct gs_cpu_settings){.hertz = 99};
}

/* ---- a session ----------------------------------------------------------------------------------------------------------- */

static bool open_session(struct gs_cpu_session *session, int64_t duration_ns)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    bool first = !cpu.open;
    session->opened_ns = now_ns;
    session->from_ns = now_ns - (first ? cpu.settings.before_ns : 0);
    session->until_ns = now_ns + duration_ns;
    session->began_realtime_ns = gs_clock_realtime_ns() - (now_ns - session->from_ns);
    session->period_ns = full_period_ns();
    session->before_period_ns = cpu.settings.before_ns ? before_period_ns() : 0;
    session->process_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    session->lost = gs_probe_cpu_lost();
    session->next = cpu.open;
    cpu.open = session;
    if (first)
        drain(true); // samples from before the session
    if (update_period(now_ns)) {
        if (!first)
            look_at_all_threads(now_ns);
        return true;
    }
    cpu.open = session->next;
    return false;
}

struct gs_cpu_session *gs_gather_cpu_open(int64_t duration_ns, char *why, size_t why_size)
{
    struct gs_cpu_session *session = gs_alloc(sizeof *session);
    if (!session) {
        snprintf(why, why_size, "no memory");
        return NULL;
    }
    gs_lock_take(&cpu.lock);
    bool opened = open_session(session, duration_ns);
    gs_lock_give(&cpu.lock);
    if (opened)
        return session;
    snprintf(why, why_size, "the program has handlers of its own for SIGURG and SIGWINCH: no CPU profile");
    gs_free(session);
    return NULL;
}

bool gs_gather_cpu_is_over(const struct gs_cpu_session *session, int64_t now_ns)
{
    return now_ns >= session->until_ns || session->disturbed;
}

static void close_session(struct gs_cpu_session *session)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    drain(true);
    if (session->until_ns > now_ns)
        session->until_ns = now_ns;
    for (struct gs_cpu_session **at = &cpu.open; *at; at = &(*at)->next)
        if (*at == session) {
            *at = session->next;
            break;
        }
    (void)update_period(now_ns);
}

static void free_session(struct gs_cpu_session *session)
{
    gs_free(session->stack);
    gs_free(session->frame);
    gs_index_fini(&session->index);
    gs_free(session);
}

void gs_gather_cpu_abandon(struct gs_cpu_session *session)
{
    if (!session)
        return;
    gs_lock_take(&cpu.lock);
    close_session(session);
    gs_lock_give(&cpu.lock);
    free_session(session);
}

/* ---- the profile --------------------------------------------------------------------------------------------------------- */

static void add_stacks(struct gs_profile *profile, struct gs_cpu_session *session)
{
    for (struct stack *stack = session->stack; stack < session->stack + session->stack_count; stack++) {
        struct gs_label_value label[GS_LABELS_MAX];
        const int64_t values[] = {stack->count, stack->cpu_ns};
        uint64_t *frame = session->frame + stack->first;
        for (uint32_t i = 0; i < stack->depth; i++)
            frame[i]--; // from a return address to an address inside the call
        gs_profile_add_sample(profile, frame, stack->depth, values, label,
                              gs_gather_label_values(stack->labels, label));
    }
    if (session->full_count)
        gs_profile_add_named_sample(profile, "(table full)",
                                    (const int64_t[]){session->full_count, session->full_ns}, NULL, 0);
}

/* Add the threads that block the signal and used CPU time. Returns that CPU time. */
static int64_t add_blockers(struct gs_profile *profile, const struct gs_cpu_session *session,
                            struct gs_text *notes)
{
    int64_t sum_ns = 0;
    size_t unseen = 0;
    for (const struct blocker *blocker = session->blocker;
         blocker < session->blocker + session->blocker_count; blocker++) {
        char name[64];
        int64_t spent_ns = blocked_ns(blocker);
        if (spent_ns <= 0 ||
            (!blocker->blocks &&
             spent_ns <
                 profile->period)) // it blocked the signal for a moment only, while it created a thread
            continue;
        const int64_t values[] = {(spent_ns + profile->period / 2) / profile->period, spent_ns};
        snprintf(name, sizeof name, "(thread %s takes no signals)", blocker->name);
        gs_profile_add_named_sample(profile, name, values, NULL, 0);
        sum_ns += spent_ns;
        unseen++;
    }
    if (unseen)
        gs_text_add(notes, "CPU: %zu %s: listed by name only\n", unseen,
                    unseen == 1 ? "thread blocks the sampling signal, has a small stack or is in a sandbox"
                                : "threads block the sampling signal, have small stacks or are in a sandbox");
    return sum_ns;
}

static void report_missing(struct gs_profile *profile, const struct gs_cpu_session *session,
                           int64_t blocked_ns, struct gs_text *notes)
{
    uint64_t lost = gs_probe_cpu_lost() - session->lost;
    double process = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - session->process_ns) / 1e9;
    gs_profile_add_comment(profile,
                           "samples account for %.2f s of the %.2f s of CPU time that the process took",
                           (double)(session->sampled_ns + blocked_ns) / 1e9, process);
    if (lost)
        gs_text_add(notes, "CPU: %llu sample%s lost: the ring was full\n", (unsigned long long)lost,
                    gs_text_plural((double)lost));
    if (session->cut)
        gs_text_add(notes, "CPU: %zu sample%s with a truncated stack: it could not be unwound further\n",
                    session->cut, gs_text_plural((double)session->cut));
    if (session->full_count)
        gs_text_add(notes, "CPU: %lld sample%s of stacks beyond the first %d charged to \"(table full)\"\n",
                    (long long)session->full_count, gs_text_plural((double)session->full_count), STACKS_MAX);
    if (session->no_timer)
        gs_text_add(notes, "CPU: %zu thread%s without a timer: the kernel gave none (RLIMIT_SIGPENDING?)\n",
                    session->no_timer, gs_text_plural((double)session->no_timer));
    if (session->more_blockers)
        gs_text_add(notes, "CPU: more than %d threads take no signal\n", BLOCKERS);
    if (session->disturbed)
        gs_text_add(notes, "CPU: ended early: the program took the signal for itself\n");
}

/* Add each line of TEXT as a comment. */
static void add_comments(struct gs_profile *profile, const struct gs_text *text)
{
    for (const char *at = text->bytes; at && *at;) {
        size_t length = strcspn(at, "\n");
        gs_profile_add_comment(profile, "%.*s", (int)length, at);
        at += length + (at[length] == '\n');
    }
}

static void describe(struct gs_profile *profile, const struct gs_cpu_session *session, int64_t now_period_ns,
                     const char *reason)
{
    gs_profile_add_sample_type(profile, "samples", "count");
    gs_profile_add_sample_type(profile, "cpu", "nanoseconds");
    profile->default_sample_type = 1;
    profile->period_type = profile->sample_type[1];
    profile->period = session->period_ns;
    profile->time_ns = session->began_realtime_ns;
    profile->duration_ns = session->until_ns - session->from_ns;
    gs_profile_add_comment(profile, "%s", reason);
    if (session->from_ns < session->opened_ns)
        gs_profile_add_comment(
            profile, "the first %.1f s were sampled before the trigger, every %.1f ms of CPU time",
            (double)(session->opened_ns - session->from_ns) / 1e9, (double)session->before_period_ns / 1e6);
    if (now_period_ns != session->period_ns)
        gs_profile_add_comment(
            profile, "the rules changed meanwhile: later samples were taken every %.1f ms of CPU time",
            (double)now_period_ns / 1e6);
}

int gs_gather_cpu(const struct gs_gather *how, struct gs_gathered *out)
{
    struct gs_cpu_session *session = how->cpu;
    if (!session)
        return -EBUSY;
    gs_lock_take(&cpu.lock);
    int64_t period_ns = full_period_ns();
    close_session(session);
    gs_lock_give(&cpu.lock);
    struct gs_profile *profile = out->profile = gs_profile_new();
    bool failed = session->failed || !profile;
    if (profile) {
        describe(profile, session, period_ns, how->reason);
        add_stacks(profile, session);
        report_missing(profile, session, add_blockers(profile, session, &out->notes), &out->notes);
        add_comments(profile, &out->notes);
        gs_gather_symbolize(profile, how->maps);
        failed = failed || profile->failed;
    }
    free_session(session);
    return failed ? -ENOMEM : 0;
}
