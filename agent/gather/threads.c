/* threads.c - the stack, name and state of every thread, as a profile and as text.
 *
 *   /proc/self/task ──▶ thread { tid, name, state, wait channel, how } ─┬▶ threads.pb.gz: a sample each, with labels
 *        gs_probe_thread_stack ──▶ frames, system call ──────────────────┼▶ threads.txt: threads_text.c
 *        locks.c ──▶ which thread waits for which ───────────────────────┼▶ a deadlock, checked twice
 *                                                                        └▶ what threads wait for, and who holds it: waits.c
 *
 * Who:    the watcher, or a host thread in gumshoe_write_profile. The agent's threads are left out (gs_probe_is_own_thread).
 * Bounds: one thread that does not answer costs at most ANSWER_NS, all of them PATIENCE_NS: after that, running threads are
 *         listed without a stack. One that is stopped, or that task.c spares, is not signaled. */
#include "gather/threads.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/sort.h"
#include "gather/inside.h"
#include "profile/profile.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ANSWER_NS   (20 * GS_NS_PER_MS)
#define PATIENCE_NS (500 * GS_NS_PER_MS)

/* ---- one thread ----------------------------------------------------------------------------------------------- */

/* Read name and state from one line, "TID (NAME) STATE …"; NAME may contain any character. False: the thread has ended. */
static bool read_stat(int task, pid_t tid, struct gs_thread_seen *out)
{
    char line[256];
    gs_gather_task_line(task, tid, "stat", line, sizeof line);
    const char *name = strchr(line, '('), *end = strrchr(line, ')');
    if (!name || !end || end[1] != ' ' || !end[2])
        return false;
    snprintf(out->name, sizeof out->name, "%.*s", (int)(end - name - 1), name + 1);
    out->state = end[2];
    return true;
}

static uint32_t labels_of(const struct gs_thread_seen *thread, struct gs_label_value *out)
{
    const char *call = gs_gather_syscall_name(thread->call);
    uint32_t count = gs_gather_label_values(gs_probe_labels_of(thread->tid), out);
    out[count++] = (struct gs_label_value){"tid", NULL, thread->tid, ""};
    out[count++] = (struct gs_label_value){"name", thread->name, 0, NULL};
    out[count++] = (struct gs_label_value){"state", gs_gather_thread_state(thread->state), 0, NULL};
    if (thread->channel[0])
        out[count++] = (struct gs_label_value){"wchan", thread->channel, 0, NULL};
    if (call)
        out[count++] = (struct gs_label_value){"call", call, 0, NULL};
    if (thread->waits.holder)
        out[count++] = (struct gs_label_value){"waits_for", NULL, thread->waits.holder, ""};
    return count;
}

/* Add a sample of the stack ADDRESS[0..DEPTH), whose hash is HASH. Most threads have the same stack as another thread: then
 * its locations are reused. */
static void add_stack(struct gs_thread_dump *dump, uint64_t hash, const uint64_t *address, uint32_t depth,
                      const struct gs_label_value *label, uint32_t labels)
{
    const int64_t one = 1;
    struct gs_profile *profile = dump->profile;
    size_t *known = &dump->known[hash % GS_KNOWN_STACKS]; // index of a sample, plus 1
    const struct gs_sample *twin = *known ? &profile->sample[*known - 1] : NULL;
    bool same = twin && twin->depth == depth;
    for (uint32_t i = 0; same && i < depth; i++)
        same = profile->location[twin->location[i]].address == address[i];
    if (same) {
        gs_profile_append_sample(profile, &(struct gs_sample){.location = twin->location,
                                                              .value = &one,
                                                              .label = label,
                                                              .depth = depth,
                                                              .label_count = labels});
        return;
    }
    *known = profile->sample_count + 1;
    gs_profile_add_sample(profile, address, depth, &one, label, labels);
}

static void add_sample(struct gs_thread_dump *dump, struct gs_thread_seen *thread,
                       const struct gs_thread_stack *stack)
{
    const int64_t one = 1;
    struct gs_label_value label[GS_LABELS_MAX + 6];
    uint32_t labels = labels_of(thread, label);
    uint64_t address[GS_DEPTH_MAX];
    char name[64];
    if (dump->profile->failed) // the profile will be thrown away
        return;
    for (uint32_t i = 0; i < stack->depth; i++)
        address[i] = stack->frames[i] - 1;
    thread->sample = dump->profile->sample_count;
    uint64_t hash = gs_hash_bytes(address, stack->depth * sizeof *address);
    snprintf(name, sizeof name, "(no answer: %s)",
             thread->unreachable_why ? thread->unreachable_why : gs_gather_thread_state(thread->state));
    thread->stack = hash ^ (uint64_t)thread->state;
    if (stack->depth == 0) // one group for each reason that there is no stack
        thread->stack ^= gs_hash_bytes(name, strlen(name));
    if (stack->depth == 0)
        gs_profile_add_named_sample(dump->profile, name, &one, label, labels);
    else
        add_stack(dump, hash, address, stack->depth, label, labels);
}

/* Signal the thread to record its own stack, if it can be signaled. The reason why it cannot is found even after
 * PATIENCE_NS. */
static void ask(struct gs_thread_dump *dump, int task, struct gs_thread_seen *thread,
                struct gs_thread_stack *stack)
{
    bool stopped = thread->state == 'T' || thread->state == 't' || thread->state == 'Z';
    if (!dump->signal || stopped)
        return;
    thread->unreachable_why = gs_gather_task_why_not_signal(task, thread->tid, dump->signal);
    if (thread->unreachable_why || dump->waited_ns >= PATIENCE_NS)
        return;
    int64_t before_ns = gs_clock_monotonic_ns();
    gs_probe_thread_stack(task, thread->tid, ANSWER_NS, stack);
    if (stack->how == GS_THREAD_UNREACHED)
        dump->waited_ns += gs_clock_monotonic_ns() - before_ns;
}

/* Complete THREAD, the dump's next, with what STACK says, and add it to the dump. */
static void add_thread_seen(struct gs_thread_dump *dump, struct gs_thread_seen *thread,
                            const struct gs_thread_stack *stack)
{
    thread->how = stack->how;
    thread->cut = stack->cut;
    thread->call = stack->call;
    if (stack->call == SYS_futex) {
        thread->futex =
            (struct gs_futex){stack->argument[0], (uint32_t)stack->argument[1], (uint32_t)stack->argument[2]};
        thread->has_timeout = stack->argument[3] != 0;
        if (!thread->lock[0].end) // it was not read with the stack
            gs_gather_lock_memory_read(dump->memory, stack->argument[0], &thread->lock[0]);
    }
    if (!gs_gather_waits_for(&thread->lock[0], stack, &thread->waits))
        thread->waits = (struct gs_wait){0};
    thread->waits.tid = thread->tid;
    add_sample(dump, thread, stack);
    dump->count++;
}

/* Does CALL always sleep at the same place in the kernel? Then state and wait channel are the same for all threads in it. */
static bool has_one_channel(int call)
{
    return call == SYS_futex || call == SYS_clock_nanosleep || call == SYS_epoll_pwait
#ifdef SYS_epoll_wait
           || call == SYS_epoll_wait || call == SYS_pause
#endif
        ;
}

static void read_channel(int task, struct gs_thread_seen *thread)
{
    gs_gather_task_line(task, thread->tid, "wchan", thread->channel, sizeof thread->channel);
    if (strcmp(thread->channel, "0") == 0)
        thread->channel[0] = 0;
}

/* Read name, state and wait channel of THREAD; STACK is its stack. Reading "stat" costs as much as reading the stack: for
 * threads in a call with one channel it is skipped, and the channel is read once. False: the thread has ended. */
static bool read_state(struct gs_thread_dump *dump, int task, struct gs_thread_seen *thread,
                       const struct gs_thread_stack *stack)
{
    if (stack->how != GS_THREAD_ASLEEP || !has_one_channel(stack->call)) {
        read_channel(task, thread);
        return read_stat(task, thread->tid, thread);
    }
    thread->state = 'S';
    gs_gather_task_line(task, thread->tid, "comm", thread->name, sizeof thread->name);
    if (dump->channel_call != stack->call) {
        read_channel(task, thread);
        memcpy(dump->channel, thread->channel, sizeof dump->channel);
        dump->channel_call = stack->call;
    }
    memcpy(thread->channel, dump->channel, sizeof thread->channel);
    return true;
}

static int read_thread(struct gs_thread_dump *dump, int task, pid_t tid)
{
    if (gs_grow(&dump->thread, &dump->capacity, dump->count + 1, sizeof *dump->thread))
        return -ENOMEM;
    struct gs_thread_seen *thread = &dump->thread[dump->count];
    struct gs_thread_stack *stack = &dump->stack;
    *thread = (struct gs_thread_seen){.tid = tid};
    gs_probe_thread_stack(task, tid, 0, stack); // gives the stack only if the thread sleeps
    if (!read_state(dump, task, thread, stack))
        return 0;
    if (stack->how == GS_THREAD_UNREACHED || stack->cut)
        ask(dump, task, thread, stack);
    if (stack->how == GS_THREAD_UNREACHED && !read_stat(task, tid, thread))
        return 0; // it has ended meanwhile
    add_thread_seen(dump, thread, stack);
    return 0;
}

static int read_all(struct gs_thread_dump *dump)
{
    int task = gs_file_openat(AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY, 0), error = 0;
    if (task < 0)
        return task;
    struct gs_dir dir;
    dump->task = task;
    gs_file_dir_start(&dir, task);
    dump->signal = gs_probe_borrow_signal();
    for (const char *name; !error && (name = gs_file_dir_next(&dir));) {
        pid_t tid = (pid_t)strtol(name, NULL, 10);
        if (tid > 0 && !gs_probe_is_own_thread(tid))
            error = read_thread(dump, task, tid);
    }
    if (dump->signal)
        gs_probe_return_signal();
    return error;
}

/* ---- deadlocks ------------------------------------------------------------------------------------------------------ */

static int by_tid(const void *a, const void *b)
{
    const struct gs_thread_seen *x = a, *y = b;
    return (x->tid > y->tid) - (x->tid < y->tid);
}

/* Does THREAD wait as before? */
static bool still_waits(struct gs_thread_dump *dump, const struct gs_thread_seen *thread)
{
    struct gs_lock_memory memory;
    struct gs_lock_state lock;
    struct gs_wait now;
    gs_probe_thread_stack(dump->task, thread->tid, 0, &dump->stack);
    if (dump->stack.how != GS_THREAD_ASLEEP || dump->stack.argument[0] != thread->futex.address)
        return false;
    gs_gather_lock_memory_read(dump->memory, thread->futex.address, &memory);
    if (thread->kind == GS_WAIT_RWLOCK) {
        gs_gather_lock_read(thread->kind, &thread->futex, &memory, &lock);
        return lock.known && lock.holder == thread->waits.holder;
    }
    return gs_gather_waits_for(&memory, &dump->stack, &now) && now.lock == thread->waits.lock &&
           now.holder == thread->waits.holder;
}

/* Do all threads of the cycle still wait as before? The waits were read at different moments; if none has changed, they were
 * all true at the same moment. */
static bool cycle_still_holds(struct gs_thread_dump *dump, const size_t *cycle, size_t length)
{
    for (size_t i = 0; i < length && !dump->given; i++) // given threads stood still
        if (!still_waits(dump, &dump->thread[cycle[i]]))
            return false;
    return true;
}

/* Find threads that wait for each other in a cycle; the threads are sorted by tid. */
static size_t find_cycle(struct gs_thread_dump *dump, size_t cycle[GS_DEADLOCK_MAX])
{
    struct gs_wait *wait = gs_alloc((dump->count + 1) * sizeof *wait);
    size_t length = 0;
    for (size_t i = 0; wait && i < dump->count; i++)
        wait[i] = dump->thread[i].waits;
    if (wait)
        length = gs_gather_find_deadlock(wait, dump->count, cycle, GS_DEADLOCK_MAX);
    dump->profile->failed |= !wait;
    gs_free(wait);
    return length && cycle_still_holds(dump, cycle, length) ? length : 0;
}

static void find_deadlock(struct gs_thread_dump *dump, struct gs_deadlock *out)
{
    size_t cycle[GS_DEADLOCK_MAX], length = find_cycle(dump, cycle);
    for (size_t i = 0; i < length; i++) {
        const struct gs_thread_seen *thread = &dump->thread[cycle[i]];
        const struct gs_sample *sample = &dump->profile->sample[thread->sample];
        uint32_t own = gs_profile_own_frame(dump->profile, sample->location, sample->depth);
        out->thread[i] = (struct gs_deadlocked){
            .tid = thread->tid,
            .holder = thread->waits.holder,
            .lock = thread->waits.lock,
            .what = gs_gather_lock_word(thread->kind),
            .name = gs_profile_string(dump->profile, thread->name),
            .function = gs_profile_frame_string(dump->profile, sample->location[own]),
            .sample = thread->sample,
        };
    }
    out->count = length;
}

/* ---- the dump ----------------------------------------------------------------------------------------------------------- */

static void report_unreached(struct gs_thread_dump *dump, struct gs_text *notes)
{
    size_t unreached = 0;
    for (size_t i = 0; i < dump->count; i++)
        unreached += dump->thread[i].how == GS_THREAD_UNREACHED;
    if (unreached == 0)
        return;
    gs_profile_add_comment(dump->profile, "%zu %s: no stack", unreached,
                           unreached == 1 ? "thread did not answer" : "threads did not answer");
    gs_text_add(notes, "%zu %s: no stack; threads.txt says why\n", unreached,
                unreached == 1 ? "thread did not answer" : "threads did not answer");
}

/* Read the threads of another process. */
static int read_given(struct gs_thread_dump *dump)
{
    for (size_t i = 0; i < dump->given->count; i++) {
        const struct gs_given_thread *given = &dump->given->thread[i];
        if (gs_grow(&dump->thread, &dump->capacity, dump->count + 1, sizeof *dump->thread))
            return -ENOMEM;
        struct gs_thread_seen *thread = &dump->thread[dump->count];
        *thread = (struct gs_thread_seen){.tid = given->tid, .state = given->state, .lock[0] = given->lock};
        snprintf(thread->name, sizeof thread->name, "%s", given->name);
        snprintf(thread->channel, sizeof thread->channel, "%s", given->channel);
        dump->stack.how = given->depth ? GS_THREAD_ASLEEP : GS_THREAD_UNREACHED;
        dump->stack.call = given->call;
        dump->stack.depth = given->depth;
        dump->stack.cut = given->cut;
        memcpy(dump->stack.argument, given->argument, sizeof given->argument);
        memcpy(dump->stack.frames, given->frames, sizeof given->frames);
        add_thread_seen(dump, thread, &dump->stack);
    }
    return 0;
}

static int gather(struct gs_thread_dump *dump, const struct gs_gather *how, struct gs_gathered *out)
{
    struct gs_profile *profile = dump->profile = out->profile;
    gs_profile_add_sample_type(profile, "threads", "count");
    profile->period_type =
        (struct gs_value_type){gs_profile_string(profile, "threads"), gs_profile_string(profile, "count")};
    profile->period = 1;
    profile->time_ns = gs_clock_realtime_ns();
    gs_profile_add_comment(profile, "%s", how->reason);
    int error = dump->given ? read_given(dump) : read_all(dump);
    gs_gather_waits_look_again(dump);
    report_unreached(dump, &out->notes);
    struct gs_maps now = *how->maps;
    now.library = NULL; // these frames are as of now
    now.library_count = 0;
    gs_profile_symbolize(profile, &now);
    gs_sort(dump->thread, dump->count, sizeof *dump->thread, by_tid);
    if (!profile->failed) {
        gs_gather_waits_recognise(dump);
        find_deadlock(dump, &out->deadlock);
        gs_gather_waits_collect(dump, how->maps, &out->waits);
    }
    if (dump->task >= 0)
        close(dump->task);
    if (!profile->failed)
        gs_gather_threads_text(dump, &out->deadlock, &out->waits, &out->text);
    gs_free(dump->thread);
    return error ? error : profile->failed || out->text.failed ? -ENOMEM : 0;
}

struct process_memory { // of a process that runs
    struct gs_memory memory;
    pid_t pid;
};

static bool read_process_memory(const struct gs_memory *memory, uint64_t at, void *out, size_t length)
{
    return gs_probe_peek(((const struct process_memory *)memory)->pid, at, out, length);
}

void gs_gather_given_lock(int pid, struct gs_given_thread *thread)
{
    const struct process_memory memory = {{read_process_memory}, pid};
    if (thread->call == SYS_futex)
        gs_gather_lock_memory_read(&memory.memory, thread->argument[0], &thread->lock);
}

int gs_gather_given(const struct gs_gather *how, const struct gs_given_threads *given,
                    struct gs_gathered *out)
{
    struct gs_thread_dump *dump = gs_alloc(sizeof *dump);
    out->profile = gs_profile_new();
    int error = -ENOMEM;
    if (dump && out->profile) {
        dump->given = given;
        dump->task = dump->channel_call = -1;
        struct process_memory memory = {{read_process_memory}, given ? given->pid : getpid()};
        dump->pid = memory.pid;
        dump->memory = given && given->memory ? given->memory : &memory.memory;
        error = gather(dump, how, out);
    }
    gs_free(dump);
    return error;
}

int gs_gather_threads(const struct gs_gather *how, struct gs_gathered *out)
{
    return gs_gather_given(how, NULL, out);
}
