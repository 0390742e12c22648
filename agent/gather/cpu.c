/* cpu.c - the CPU profile: the probe's samples between two moments, added up by stack.
 *
 *   probe's ring ──gs_gather_cpu_poll──▶ every open session: stack ──▶ count, CPU time ──gs_gather_cpu──▶ cpu.pb.gz
 *        └ with "before" it is filled all the time, at a lower rate, and a session begins with what is in it
 *
 * What is not seen is said: threads that block the signal stand in the profile by name, with their CPU time; samples that
 * were lost, and how much of the process's CPU time the samples account for, in its comments.
 * Who:    the watcher, and the threads of gumshoe_write_profile; `lock` is theirs alone.
 * Bounds: STACKS_MAX stacks a session; the rest is charged to "(table full)". */
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
#define LOOK_NS GS_NS_PER_S /* how often threads are looked through for new and ended ones */

struct stack {
    int64_t cpu_ns, count;
    uint32_t labels, depth;
    size_t first; // of its frames
};

struct blocker { // a thread that no signal reaches, or is to reach
    pid_t tid;
    bool blocks;      // still, as of the last look
    int64_t began_ns; // its CPU time when that was seen first
    int64_t spent_ns; // its CPU time in earlier stretches of blocking
    char name[THREAD_NAME];
};

struct gs_cpu_session {
    struct gs_cpu_session *next;
    int64_t opened_ns, from_ns, until_ns, began_realtime_ns;
    int64_t process_ns; // the process's CPU time when it was opened
    uint64_t lost;      // the probe's count then
    struct stack *stack;
    uint64_t *frame; // of all stacks
    size_t stack_count, stack_capacity, frame_count, frame_capacity;
    struct gs_index index;
    int64_t full_ns, full_count; // what found no room
    int64_t since_ns;            // CPU time that was sampled since it was opened
    size_t cut, no_timer;
    struct blocker blocker[BLOCKERS];
    size_t blocker_count, blockers_more;
    bool disturbed, failed;
};

static struct {
    struct gs_lock lock;
    struct gs_cpu_settings settings;
    struct gs_cpu_session *open;
    int64_t period_ns; // in force; 0: off
    int64_t looked_ns; // when the threads were looked through
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
        session->since_ns += sample->cpu_ns;
}

static void drain(bool last)
{
    static struct gs_cpu_sample sample; // under the mutex
    while (gs_probe_cpu_next(&sample, last))
        for (struct gs_cpu_session *session = cpu.open; session; session = session->next)
            add_sample(session, &sample);
}

/* ---- the threads that there are -------------------------------------------------------------------------------------- */

static void note_blocker(struct gs_cpu_session *session, int task, pid_t tid)
{
    for (size_t i = 0; i < session->blocker_count; i++)
        if (session->blocker[i].tid == tid) {
            if (!session->blocker[i].blocks)
                session->blocker[i].began_ns = thread_ns(tid);
            session->blocker[i].blocks = true;
            return;
        }
    if (session->blocker_count == BLOCKERS) {
        session->blockers_more++;
        return;
    }
    struct blocker *blocker = &session->blocker[session->blocker_count++];
    *blocker = (struct blocker){.tid = tid, .blocks = true, .began_ns = thread_ns(tid)};
    gs_gather_task_line(task, tid, "comm", blocker->name, sizeof blocker->name);
}

/* The CPU time of a thread that blocks the signal, for as long as it did. */
static int64_t blocked_ns(const struct blocker *blocker)
{
    return blocker->spent_ns + (blocker->blocks ? thread_ns(blocker->tid) - blocker->began_ns : 0);
}

/* Thread TID is sampled from now on: it may have blocked the signal for a moment, as one does that starts another. */
static void note_unblocked(struct gs_cpu_session *session, pid_t tid)
{
    for (struct blocker *b = session->blocker; b < session->blocker + session->blocker_count; b++)
        if (b->tid == tid && b->blocks) {
            b->spent_ns = blocked_ns(b);
            b->blocks = false;
        }
}

static void look_at(int task, pid_t tid)
{
    bool blocks = !gs_probe_cpu_is_watched(tid) &&
                  (!gs_probe_may_be_asked(tid) || gs_gather_task_blocks(task, tid, gs_probe_cpu_signal()));
    bool watched = !blocks && gs_probe_cpu_watch(tid);
    for (struct gs_cpu_session *session = cpu.open; session; session = session->next) {
        if (blocks) {
            note_blocker(session, task, tid);
            continue;
        }
        note_unblocked(session, tid);
        if (!watched && thread_ns(tid))
            session->no_timer++;
    }
}

/* Watch every thread but our own; those that begin later see to it themselves, but for what the C library starts. */
static void look_through_threads(int64_t now_ns)
{
    int task = gs_file_openat(AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY, 0);
    cpu.looked_ns = now_ns;
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

/* ---- on, off, faster, slower -------------------------------------------------------------------------------------------- */

static int64_t full_period_ns(void)
{
    return (int64_t)((double)GS_NS_PER_S / cpu.settings.hertz);
}

/* While nobody reads: a fifth of the rate, and no more than the ring keeps of "before" with all CPUs busy. */
static int64_t waiting_period_ns(void)
{
    cpu_set_t set;
    int cpus = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    int64_t slow = 5 * full_period_ns(), keeps = cpu.settings.before_ns * cpus / (GS_CPU_KEPT / 2);
    return slow > keeps ? slow : keeps;
}

/* Sample as often as it is wanted now. */
static bool set_pace(int64_t now_ns)
{
    int64_t period_ns = cpu.open ? full_period_ns() : cpu.settings.before_ns ? waiting_period_ns() : 0;
    if (period_ns == cpu.period_ns)
        return true;
    gs_probe_cpu_stop();
    cpu.period_ns = 0;
    if (period_ns == 0)
        return true;
    if (!gs_probe_cpu_start(period_ns))
        return false;
    cpu.period_ns = period_ns;
    look_through_threads(now_ns);
    return true;
}

void gs_gather_cpu_configure(const struct gs_cpu_settings *settings)
{
    gs_lock_take(&cpu.lock);
    cpu.settings = *settings;
    (void)set_pace(gs_clock_monotonic_ns()); // if it fails, so does opening a session, which says so
    gs_lock_give(&cpu.lock);
}

/* The host has taken the signal: its handler is not to get ours. */
static void step_aside(void)
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
        step_aside();
    if (cpu.period_ns && now_ns - cpu.looked_ns >= LOOK_NS)
        look_through_threads(now_ns);
    gs_lock_give(&cpu.lock);
}

void gs_gather_cpu_after_fork(void)
{
    gs_lock_after_fork(&cpu.lock);
    cpu.open = NULL;
    cpu.period_ns = 0;
    cpu.settings = (struct gs_cpu_settings){.hertz = 99};
}

/* ---- a session ------------------------------------------------------------------------------------------------------------- */

static bool open_session(struct gs_cpu_session *session, int64_t duration_ns)
{
    int64_t now_ns = gs_clock_monotonic_ns();
    bool first = !cpu.open;
    session->opened_ns = now_ns;
    session->from_ns = now_ns - (first ? cpu.settings.before_ns : 0);
    session->until_ns = now_ns + duration_ns;
    session->began_realtime_ns = gs_clock_realtime_ns() - (now_ns - session->from_ns);
    session->process_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    session->lost = gs_probe_cpu_lost();
    session->next = cpu.open;
    cpu.open = session;
    if (first)
        drain(true); // what is left from before
    if (set_pace(now_ns)) {
        if (!first)
            look_through_threads(now_ns);
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
    (void)set_pace(now_ns);
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

/* ---- the profile
 * -------------------------------------------------------------------------------------------------------------- */

static void add_stacks(struct gs_profile *profile, struct gs_cpu_session *session)
{
    for (struct stack *stack = session->stack; stack < session->stack + session->stack_count; stack++) {
        struct gs_label_value label[GS_LABELS_MAX];
        const int64_t values[] = {stack->count, stack->cpu_ns};
        uint64_t *frame = session->frame + stack->first;
        for (uint32_t i = 0; i < stack->depth; i++)
            frame[i]--; // an address inside the call
        gs_profile_add_sample(profile, frame, stack->depth, values, label,
                              gs_gather_label_values(stack->labels, label));
    }
    if (session->full_count)
        gs_profile_add_named_sample(profile, "(table full)",
                                    (const int64_t[]){session->full_count, session->full_ns}, NULL, 0);
}

/* Threads that block the signal, and worked. Returns their CPU time. */
static int64_t add_blockers(struct gs_profile *profile, const struct gs_cpu_session *session,
                            struct gs_text *notes)
{
    int64_t sum_ns = 0;
    size_t worked = 0;
    for (const struct blocker *b = session->blocker; b < session->blocker + session->blocker_count; b++) {
        char name[64];
        int64_t spent_ns = blocked_ns(b);
        if (spent_ns <= 0 ||
            (!b->blocks && spent_ns < profile->period)) // for a moment, while it started a thread
            continue;
        const int64_t values[] = {(spent_ns + profile->period / 2) / profile->period, spent_ns};
        snprintf(name, sizeof name, "(thread %s takes no signals)", b->name);
        gs_profile_add_named_sample(profile, name, values, NULL, 0);
        sum_ns += spent_ns;
        worked++;
    }
    if (worked)
        gs_text_add(notes,
                    "CPU: %zu threads block the signal that samples them, or have small stacks: not seen but "
                    "by name\n",
                    worked);
    return sum_ns;
}

static void say_what_is_missing(struct gs_profile *profile, const struct gs_cpu_session *session,
                                int64_t blocked_ns, struct gs_text *notes)
{
    uint64_t lost = gs_probe_cpu_lost() - session->lost;
    double process = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - session->process_ns) / 1e9;
    gs_profile_add_comment(profile,
                           "samples account for %.2f s of the %.2f s of CPU time that the process took",
                           (double)(session->since_ns + blocked_ns) / 1e9, process);
    if (lost)
        gs_text_add(notes, "CPU: %llu samples were lost: more than could be read\n",
                    (unsigned long long)lost);
    if (session->cut)
        gs_text_add(notes, "CPU: %zu samples were cut: no way to unwind further\n", session->cut);
    if (session->full_count)
        gs_text_add(notes, "CPU: %lld samples had stacks beyond the first %d: \"(table full)\"\n",
                    (long long)session->full_count, STACKS_MAX);
    if (session->no_timer)
        gs_text_add(notes, "CPU: %zu threads got no timer from the kernel (RLIMIT_SIGPENDING?)\n",
                    session->no_timer);
    if (session->blockers_more)
        gs_text_add(notes, "CPU: more than %d threads take no signal\n", BLOCKERS);
    if (session->disturbed)
        gs_text_add(notes, "CPU: ended early: the program took the signal for itself\n");
}

/* Each line of TEXT as a comment. */
static void comment_on(struct gs_profile *profile, const struct gs_text *text)
{
    for (const char *at = text->bytes; at && *at;) {
        size_t length = strcspn(at, "\n");
        gs_profile_add_comment(profile, "%.*s", (int)length, at);
        at += length + (at[length] == '\n');
    }
}

static void describe(struct gs_profile *profile, const struct gs_cpu_session *session, const char *reason)
{
    gs_profile_add_sample_type(profile, "samples", "count");
    gs_profile_add_sample_type(profile, "cpu", "nanoseconds");
    profile->default_sample_type = 1;
    profile->period_type =
        (struct gs_value_type){gs_profile_string(profile, "cpu"), gs_profile_string(profile, "nanoseconds")};
    profile->period = full_period_ns();
    profile->time_ns = session->began_realtime_ns;
    profile->duration_ns = session->until_ns - session->from_ns;
    gs_profile_add_comment(profile, "%s", reason);
    if (session->from_ns < session->opened_ns)
        gs_profile_add_comment(
            profile, "the first %.1f s were sampled before the trigger, every %.1f ms of CPU time",
            (double)(session->opened_ns - session->from_ns) / 1e9, (double)waiting_period_ns() / 1e6);
}

int gs_gather_cpu(const struct gs_gather *how, struct gs_gathered *out)
{
    struct gs_cpu_session *session = how->cpu;
    if (!session)
        return -EBUSY;
    gs_lock_take(&cpu.lock);
    close_session(session);
    gs_lock_give(&cpu.lock);
    struct gs_profile *profile = out->profile = gs_profile_new();
    bool failed = session->failed || !profile;
    if (profile) {
        describe(profile, session, how->reason);
        add_stacks(profile, session);
        say_what_is_missing(profile, session, add_blockers(profile, session, &out->notes), &out->notes);
        comment_on(profile, &out->notes);
        gs_profile_symbolize(profile, how->maps);
        failed = failed || profile->failed;
    }
    free_session(session);
    return failed ? -ENOMEM : 0;
}
