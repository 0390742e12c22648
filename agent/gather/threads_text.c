/* threads_text.c - writes threads.txt: threads with equal stacks form a group, the largest group first, like Go's goroutine
 * dump; a deadlock, and what threads wait for, come first. Context: as threads.c. */
#include "base/memory.h"
#include "base/sort.h"
#include "gather/threads.h"
#include <string.h>

enum { NAMED = 16 }; // threads of a group whose names and waits are listed

static int by_stack(const void *a, const void *b)
{
    const struct gs_thread_seen *left = a, *right = b;
    if (left->stack != right->stack)
        return left->stack < right->stack ? -1 : 1;
    return (left->tid > right->tid) - (left->tid < right->tid);
}

struct stack_group {
    size_t first, count;
};

static int by_size(const void *a, const void *b)
{
    const struct stack_group *left = a, *right = b;
    if (left->count != right->count)
        return left->count > right->count ? -1 : 1;
    return (left->first > right->first) - (left->first < right->first);
}

static const struct gs_thread_seen *find(const struct gs_thread_dump *dump, int tid)
{
    for (size_t i = 0; i < dump->count; i++)
        if (dump->thread[i].tid == tid)
            return &dump->thread[i];
    return NULL;
}

/* Add "name/tid"; "/tid" alone if there is no such thread. */
static void add_thread(struct gs_text *out, const struct gs_thread_dump *dump, int tid)
{
    const struct gs_thread_seen *thread = find(dump, tid);
    gs_text_add_printable(out, thread ? thread->name : "");
    gs_text_add(out, "/%d", tid);
}

/* WHAT: "mutex", "rwlock". The holder follows. */
static void add_wait(struct gs_text *out, const char *what, uint64_t lock)
{
    if (lock)
        gs_text_add(out, "waits for %s %#llx, held by ", what, (unsigned long long)lock);
    else
        gs_text_add(out, "waits for the end of ");
}

/* Add what all threads of a group have in common, for the group's first line. */
static void add_state(struct gs_text *out, const struct gs_thread_seen *thread)
{
    const char *call = gs_gather_syscall_name(thread->call);
    gs_text_add(out, ", %s", gs_gather_thread_state(thread->state));
    if (call)
        gs_text_add(out, " in %s", call);
    if (thread->channel[0])
        gs_text_add(out, call ? " (%s)" : " in %s", thread->channel);
}

static void add_members(struct gs_text *out, const struct gs_thread_dump *dump, struct stack_group group)
{
    const struct gs_thread_seen *thread = &dump->thread[group.first];
    for (size_t i = 0; i < group.count && i < NAMED; i++) {
        gs_text_add(out, " ");
        add_thread(out, dump, thread[i].tid);
        if (thread[i].futex.address)
            gs_text_add(out, "@%#llx", (unsigned long long)thread[i].futex.address);
    }
    gs_text_add(out, group.count > NAMED ? " and %zu more\n" : "\n", group.count - NAMED);
    for (size_t i = 0; i < group.count && i < NAMED; i++) {
        if (!thread[i].waits.holder || thread[i].kind == GS_WAIT_FUTEX)
            continue;
        gs_text_add(out, "    # ");
        add_thread(out, dump, thread[i].tid);
        gs_text_add(out, " ");
        add_wait(out, gs_gather_lock_word(thread[i].kind), thread[i].waits.lock);
        add_thread(out, dump, thread[i].waits.holder);
        gs_text_add(out, "\n");
    }
}

static void add_frames(struct gs_text *out, const struct gs_profile *profile, const struct gs_sample *sample)
{
    for (uint32_t i = 0; i < sample->depth; i++) {
        char name[512];
        uint32_t location = sample->location[i];
        gs_text_add(out, "    %#18llx  ", (unsigned long long)profile->location[location].address);
        gs_text_add_printable(out, gs_profile_frame_name(profile, location, name, sizeof name));
        gs_text_add(out, "\n");
    }
}

static void add_group(struct gs_text *out, const struct gs_thread_dump *dump, struct stack_group group)
{
    const struct gs_thread_seen *thread = &dump->thread[group.first];
    gs_text_add(out, "%zu %s", group.count, group.count == 1 ? "thread" : "threads");
    add_state(out, thread);
    gs_text_add(out, ":");
    add_members(out, dump, group);
    add_frames(out, dump->profile, &dump->profile->sample[thread->sample]);
    if (thread->cut && thread->how != GS_THREAD_UNREACHED)
        gs_text_add(out, "    (truncated: it could not be unwound further)\n");
    gs_text_add(out, "\n");
}

/* Add "name/tid" of the thread TID, which is one of DEADLOCK. */
static void add_deadlocked(struct gs_text *out, const struct gs_deadlock *deadlock, int tid)
{
    for (size_t i = 0; i < deadlock->count; i++)
        if (deadlock->thread[i].tid == tid)
            gs_text_add_printable(out, deadlock->thread[i].name);
    gs_text_add(out, "/%d", tid);
}

static void add_deadlock(struct gs_text *out, const struct gs_deadlock *deadlock)
{
    if (deadlock->count == 0)
        return;
    gs_text_add(out, "DEADLOCK: %zu %s\n", deadlock->count,
                deadlock->count == 1 ? "thread waits for itself" : "threads wait for each other");
    for (size_t i = 0; i < deadlock->count; i++) {
        const struct gs_deadlocked *thread = &deadlock->thread[i];
        gs_text_add(out, "    ");
        add_deadlocked(out, deadlock, thread->tid);
        gs_text_add(out, " in ");
        gs_text_add_printable(out, thread->function);
        gs_text_add(out, " ");
        add_wait(out, thread->what, thread->lock);
        add_deadlocked(out, deadlock, thread->holder);
        gs_text_add(out, "\n");
    }
    gs_text_add(out, "\n");
}

/* Add the frames of SAMPLE in one line, leaf first. */
static void add_chain(struct gs_text *out, const struct gs_profile *profile, const struct gs_sample *sample)
{
    for (uint32_t i = 0; i < sample->depth; i++) {
        char name[512];
        gs_text_add(out, i ? " ← " : " in ");
        gs_text_add_printable(out, gs_profile_frame_name(profile, sample->location[i], name, sizeof name));
    }
}

static void add_waits(struct gs_text *out, const struct gs_profile *profile, const struct gs_waits *waits)
{
    for (size_t i = 0; i < waits->count; i++) {
        const struct gs_waited *wait = &waits->wait[i];
        gs_text_add(out, "%zu %s ", wait->threads, wait->threads == 1 ? "thread waits" : "threads wait");
        gs_text_add(out, wait->kind == GS_WAIT_CALL ? "in " : "for ");
        gs_gather_describe_wait(out, wait);
        if (wait->held == GS_HOLDER_THREAD && wait->holder_sample != SIZE_MAX)
            add_chain(out, profile, &profile->sample[wait->holder_sample]);
        gs_text_add(out, "\n");
    }
    if (waits->left_out)
        gs_text_add(out, "and %zu more waits\n", waits->left_out);
    if (waits->nobody_runs)
        gs_text_add(
            out, "No thread is left to wake them: every thread waits for another one, without a timeout.\n");
    gs_text_add(out, waits->count ? "\n" : "");
}

void gs_gather_threads_head(const struct gs_profile *threads, const struct gs_deadlock *deadlock,
                            const struct gs_waits *waits, struct gs_text *out)
{
    add_deadlock(out, deadlock);
    add_waits(out, threads, waits);
}

void gs_gather_threads_text(struct gs_thread_dump *dump, const struct gs_deadlock *deadlock,
                            const struct gs_waits *waits, struct gs_text *out)
{
    struct stack_group *groups = gs_alloc((dump->count + 1) * sizeof *groups);
    size_t count = 0;
    gs_text_add(out, "threads: %zu\n\n", dump->count);
    gs_gather_threads_head(dump->profile, deadlock, waits, out);
    if (!groups) {
        out->failed = true;
        return;
    }
    gs_sort(dump->thread, dump->count, sizeof *dump->thread, by_stack);
    for (size_t i = 0; i < dump->count; i++) {
        if (i == 0 || dump->thread[i].stack != dump->thread[i - 1].stack)
            groups[count++] = (struct stack_group){.first = i};
        groups[count - 1].count++;
    }
    gs_sort(groups, count, sizeof *groups, by_size);
    for (size_t i = 0; i < count; i++)
        add_group(out, dump, groups[i]);
    gs_free(groups);
}
