/* stacks.c - whose stacks hold resident memory: which threads, and the function whose frames are deep.
 *
 *   claims of threads, [stack] ──▶ thread { tid, bytes, growth } ─┬─ deep: walk it ──▶ the frame, or the recursion, that has most
 *                                                                  └─ else, or was deeper before ──▶ the stack that created it
 *
 * A new thread is charged to who created it, unless it has a quarter of all growth: many threads are one story, a deep one
 * another. Pages of a stack stay resident after the calls have returned: then nobody knows which function was deep.
 * Context: watcher. */
#include "account/inside.h"
#include "base/memory.h"
#include "base/sort.h"
#include "gather/gather.h"
#include "probe/probe.h"
#include "profile/profile.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MAX = 64, WALKS_MAX = 256, SMALL = 64 << 10 };

struct thread {
    struct gs_account_thread seen;
    uint64_t top; // of its stack
};
struct threads {
    struct thread *thread;
    size_t count, capacity;
    int error;
};

static void add_thread(struct threads *threads, int tid, uint64_t top, uint64_t pages)
{
    if (gs_grow(&threads->thread, &threads->capacity, threads->count + 1, sizeof *threads->thread))
        threads->error = -ENOMEM;
    else
        threads->thread[threads->count++] =
            (struct thread){.seen = {.tid = tid, .bytes = pages * GS_PAGE}, .top = top};
}

static int by_tid(const void *a, const void *b)
{
    const struct thread *x = a, *y = b;
    return (x->seen.tid > y->seen.tid) - (x->seen.tid < y->seen.tid);
}

/* The threads of SURVEY, by tid. */
static struct threads threads_of(const struct gs_survey *survey)
{
    struct threads threads = {0};
    const struct gs_claims *claims = &survey->claims[GS_CLAIM_STACK];
    for (size_t i = 0; i < claims->count; i++)
        add_thread(&threads, (int)claims->claim[i].stack, claims->claim[i].end, claims->claim[i].pages);
    for (size_t i = 0; i < survey->areas; i++)
        if (survey->area[i].kind == GS_AREA_STACK)
            add_thread(&threads, (int)getpid(), survey->area[i].line.end,
                       survey->area[i].unclaimed.anonymous);
    gs_sort(threads.thread, threads.count, sizeof *threads.thread, by_tid);
    return threads;
}

int gs_account_stacks_keep(const struct gs_survey *survey, struct gs_stacks_then *out)
{
    struct threads threads = threads_of(survey);
    out->stack = threads.error ? NULL : gs_alloc((threads.count + 1) * sizeof *out->stack);
    for (size_t i = 0; out->stack && i < threads.count; i++)
        out->stack[out->count++] = (struct gs_stack_then){threads.thread[i].seen.tid,
                                                          (uint32_t)(threads.thread[i].seen.bytes / GS_PAGE)};
    gs_free(threads.thread);
    return out->stack ? 0 : -ENOMEM;
}

/* Compare with THEN; both are sorted by tid. */
static void find_growth(struct threads *threads, const struct gs_stacks_then *then)
{
    for (size_t i = 0, k = 0; then && i < threads->count; i++) {
        struct gs_account_thread *now = &threads->thread[i].seen;
        while (k < then->count && then->stack[k].tid < now->tid)
            k++;
        now->is_new = k == then->count || then->stack[k].tid != now->tid;
        now->growth = (int64_t)now->bytes - (now->is_new ? 0 : (int64_t)then->stack[k].pages * GS_PAGE);
    }
}

/* The most growth first, then the largest. */
static int by_weight(const void *a, const void *b)
{
    const struct thread *x = a, *y = b;
    if (x->seen.growth != y->seen.growth)
        return x->seen.growth < y->seen.growth ? 1 : -1;
    return (x->seen.bytes < y->seen.bytes) - (x->seen.bytes > y->seen.bytes);
}

/* ---- deep stacks -------------------------------------------------------------------------------------------------- */

/* Bytes of frame I of USE; of a last frame that is too large to be read: what is left up to TOP. */
static uint64_t frame_bytes(const struct gs_stack_use *use, uint32_t i, uint64_t top)
{
    if (i + 1 < use->depth || !use->cut)
        return use->sp[i + 1] - use->sp[i];
    return use->far && top > use->sp[i] ? top - use->sp[i] : 0;
}

/* The first frame at the call that has most of the stack, with those of the same call: a recursion returns to one place. DEPTH:
 * none has half of it. */
static uint32_t deep_frame(const struct gs_stack_use *use, uint64_t top)
{
    for (uint32_t i = 0; i < use->depth; i++) {
        uint64_t bytes = 0;
        for (uint32_t k = i; k < use->depth; k++)
            bytes += use->frames[k] == use->frames[i] ? frame_bytes(use, k, top) : 0;
        if (bytes >= (top - use->sp[0]) / 2)
            return i;
    }
    return use->depth;
}

/* Charge THREAD to the function whose frames are deep. False: it does not sleep, or used more of its stack before. */
static bool charge_deep(struct gs_profile *profile, int task, struct thread *thread, struct gs_stack_use *use,
                        const int64_t *values)
{
    uint64_t address[GS_DEPTH_MAX];
    uint32_t depth = 0;
    if (!gs_probe_stack_use(task, thread->seen.tid, use) || thread->top <= use->sp[0])
        return false;
    thread->seen.in_use = thread->top - use->sp[0];
    uint32_t deep = deep_frame(use, thread->top);
    if (deep == use->depth || thread->seen.in_use < thread->seen.bytes / 2)
        return false;
    for (uint32_t i = deep; i < use->depth; i++)
        address[depth++] = use->frames[i] - 1;
    gs_profile_add_sample(profile, address, depth, values, NULL, 0);
    return true;
}

static void charge_creator(struct gs_profile *profile, const struct thread *thread, const int64_t *values)
{
    char name[40];
    uint32_t stack;
    if (gs_probe_creator_of(thread->seen.tid, &stack)) {
        gs_gather_add_stack(profile, stack, values);
        return;
    }
    snprintf(name, sizeof name, "[stack of %s]", thread->seen.name);
    gs_profile_add_named_sample(profile, name, values, NULL, 0);
}

static void charge(struct gs_profile *profile, int task, struct thread *thread, bool may_be_deep,
                   struct gs_stack_use *use)
{
    int64_t bytes = (int64_t)thread->seen.bytes, growth = thread->seen.growth;
    int64_t deep[GS_MAPPED_COLUMNS] = {[2 * GS_STACKS_DEEP] = bytes, [2 * GS_STACKS_DEEP + 1] = growth},
            created[GS_MAPPED_COLUMNS] = {[2 * GS_STACKS_CREATED] = bytes,
                                          [2 * GS_STACKS_CREATED + 1] = growth};
    gs_gather_task_line(task, thread->seen.tid, "comm", thread->seen.name, sizeof thread->seen.name);
    if (!may_be_deep || thread->seen.bytes < SMALL || !charge_deep(profile, task, thread, use, deep))
        charge_creator(profile, thread, created);
}

/* Charge THREADS, the heaviest first. */
static void charge_all(struct threads *threads, struct gs_profile *profile, int task,
                       struct gs_stack_use *use)
{
    int64_t total = 0;
    unsigned walks = 0;
    for (size_t i = 0; i < threads->count; i++)
        total += threads->thread[i].seen.growth > 0 ? threads->thread[i].seen.growth : 0;
    for (size_t i = 0; i < threads->count; i++) {
        struct thread *thread = &threads->thread[i];
        bool many = thread->seen.is_new && thread->seen.growth < total / 4,
             may_be_deep = !many && walks < WALKS_MAX;
        walks += may_be_deep;
        charge(profile, task, thread, may_be_deep, use);
    }
}

static int keep_largest(const struct threads *threads, struct gs_account *out)
{
    size_t count = threads->count < THREADS_MAX ? threads->count : THREADS_MAX;
    out->thread = gs_alloc((count + 1) * sizeof *out->thread);
    for (size_t i = 0; out->thread && i < count; i++)
        out->thread[out->threads++] = threads->thread[i].seen;
    return out->thread ? 0 : -ENOMEM;
}

int gs_account_stacks_list(const struct gs_survey *survey, const struct gs_stacks_then *then,
                           struct gs_profile *profile, struct gs_account *out)
{
    struct threads threads = threads_of(survey);
    struct gs_stack_use *use = gs_alloc(sizeof *use);
    int task = gs_file_openat(AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY, 0),
        error = use ? threads.error : -ENOMEM;
    if (!error && task >= 0) {
        find_growth(&threads, then);
        gs_sort(threads.thread, threads.count, sizeof *threads.thread, by_weight);
        charge_all(&threads, profile, task, use);
        error = keep_largest(&threads, out);
    }
    if (task >= 0)
        close(task);
    gs_free(use);
    gs_free(threads.thread);
    return error;
}
