/* waits.c - what threads wait for, and who holds it: threads that wait for the same thing are one wait.
 *
 *   futex call + functions of the C library on the stack ──▶ kind: mutex, rwlock, condition variable, …
 *   kind + memory at the futex, read twice               ──▶ address and holder of the lock (locks.c)
 *   kind and address                                     ──▶ waits, the largest first ──▶ names of variables (symbol/variables.c)
 *
 * A holder is named only if the lock named the same thread when each of the waiting threads was read, and again after all
 * threads were read. Other languages use futexes without the C library: what they mean is not known, so they have no holder.
 * Context: as threads.c. */
#include "base/memory.h"
#include "base/search.h"
#include "base/sort.h"
#include "gather/threads.h"
#include "sys/file.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES = 8 }; // of the C library, from the leaf, that are looked at

// clang-format off
/* Functions of the C and C++ library that wait, by the beginning of their name without "__GI_" and underscores. */
static const struct { const char *prefix; enum gs_wait_kind kind; } waiting_functions[] = {
    {"pthread_mutex_", GS_WAIT_MUTEX},          {"mtx_", GS_WAIT_MUTEX},
    {"pthread_rwlock_", GS_WAIT_RWLOCK},        {"pthread_cond_", GS_WAIT_CONDITION},
    {"cnd_", GS_WAIT_CONDITION},                {"pthread_barrier_wait", GS_WAIT_BARRIER},
    {"pthread_once", GS_WAIT_ONCE},             {"call_once", GS_WAIT_ONCE},
    {"cxa_guard_acquire", GS_WAIT_STATIC},      {"sem_", GS_WAIT_SEMAPHORE},
    {"new_sem_", GS_WAIT_SEMAPHORE},            {"pthread_join", GS_WAIT_JOIN},
    {"pthread_timedjoin", GS_WAIT_JOIN},        {"pthread_clockjoin", GS_WAIT_JOIN},
    {"thrd_join", GS_WAIT_JOIN},                {"lll_lock_wait_private", GS_WAIT_LIBC},
};
static const struct { const char *words, *key; } kinds[] = { // for people, for machines
    [GS_WAIT_NONE] = {"", ""},                       [GS_WAIT_MUTEX] = {"mutex", "mutex"},
    [GS_WAIT_RWLOCK] = {"rwlock", "rwlock"},         [GS_WAIT_CONDITION] = {"condition variable", "condition"},
    [GS_WAIT_SEMAPHORE] = {"semaphore", "semaphore"}, [GS_WAIT_BARRIER] = {"barrier", "barrier"},
    [GS_WAIT_ONCE] = {"pthread_once", "once"},       [GS_WAIT_STATIC] = {"static variable's initializer", "static"},
    [GS_WAIT_LIBC] = {"lock of the C library", "libc"}, [GS_WAIT_JOIN] = {"the end of", "join"},
    [GS_WAIT_FUTEX] = {"futex", "futex"},            [GS_WAIT_CALL] = {"", "call"},
};
// clang-format on

const char *gs_gather_wait_key(enum gs_wait_kind kind)
{
    return kinds[kind].key;
}

const char *gs_gather_lock_word(enum gs_wait_kind kind)
{
    return kind == GS_WAIT_RWLOCK ? "rwlock" : "mutex";
}

/* ---- the kind of a wait ------------------------------------------------------------------------------------------- */

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static enum gs_wait_kind kind_of_function(const char *name)
{
    for (size_t i = 0; i < sizeof waiting_functions / sizeof *waiting_functions; i++)
        if (begins_with(name, waiting_functions[i].prefix))
            return waiting_functions[i].kind;
    return GS_WAIT_NONE;
}

/* The frame's function without the prefixes that the C library gives to its aliases. */
static const char *plain_name(const struct gs_profile *profile, uint32_t location, char *room, size_t size)
{
    const char *name = gs_profile_frame_name(profile, location, room, size);
    if (begins_with(name, "__GI_"))
        name += sizeof "__GI_" - 1;
    return name + strspn(name, "_");
}

static bool is_in_runtime(const struct gs_profile *profile, uint32_t location)
{
    uint32_t mapping = profile->location[location].mapping;
    return mapping && gs_symbol_path_is_runtime(profile->mapping[mapping - 1].path);
}

/* The kind of the innermost function that waits, among the frames of the C library up to the program's code. A program that
 * is linked statically has the C library's functions in its own file: their names are told by their beginning. */
static enum gs_wait_kind kind_by_stack(const struct gs_profile *profile, const struct gs_sample *sample)
{
    char room[300];
    for (uint32_t i = 0; i < sample->depth && i < FRAMES; i++) {
        const char *name = plain_name(profile, sample->location[i], room, sizeof room);
        enum gs_wait_kind kind = kind_of_function(name);
        if (kind)
            return kind;
        if (!is_in_runtime(profile, sample->location[i]) && !begins_with(name, "futex_") &&
            !begins_with(name, "lll_"))
            return GS_WAIT_NONE;
    }
    return GS_WAIT_NONE;
}

/* Does the program itself call futex(2), by syscall(2) or inline? */
static bool is_own_futex(const struct gs_profile *profile, const struct gs_sample *sample)
{
    char room[300];
    return sample->depth && profile->location[sample->location[0]].line_count &&
           (!is_in_runtime(profile, sample->location[0]) ||
            strcmp(plain_name(profile, sample->location[0], room, sizeof room), "syscall") == 0);
}

/* Is the wait in another C library than glibc? Its locks are laid out in another way. */
static bool is_foreign_library(const struct gs_profile *profile, const struct gs_sample *sample)
{
    uint32_t mapping = sample->depth ? profile->location[sample->location[0]].mapping : 0;
    return mapping && strstr(gs_text_base_name(profile->mapping[mapping - 1].path), "musl");
}

static enum gs_wait_kind kind_of(const struct gs_thread_dump *dump, const struct gs_thread_seen *thread)
{
    const struct gs_sample *sample = &dump->profile->sample[thread->sample];
    uint32_t command = thread->futex.operation & (uint32_t)FUTEX_CMD_MASK;
    if (thread->how != GS_THREAD_ASLEEP || thread->call < 0)
        return GS_WAIT_NONE;
    if (!thread->futex.address)
        return GS_WAIT_CALL;
    if (is_foreign_library(dump->profile, sample))
        return GS_WAIT_FUTEX;
    if (command == FUTEX_LOCK_PI || command == 13) // FUTEX_LOCK_PI2
        return GS_WAIT_MUTEX;
    enum gs_wait_kind kind = kind_by_stack(dump->profile, sample);
    if (kind == GS_WAIT_CONDITION && command == FUTEX_WAIT)
        return GS_WAIT_MUTEX; // it was signalled, and takes its mutex again
    if (!kind && !is_own_futex(dump->profile, sample) && thread->waits.holder && !thread->waits.lock)
        return GS_WAIT_JOIN; // by its futex; the slow part of pthread_join has a name only with debug symbols
    return kind ? kind : GS_WAIT_FUTEX;
}

/* The index of thread TID in the threads, sorted by tid; SIZE_MAX: none. */
static size_t thread_index(const struct gs_thread_dump *dump, int tid)
{
    struct gs_search search = {.high = dump->count};
    while (gs_search_next(&search))
        gs_search_step(&search, dump->thread[search.middle].tid < tid);
    return search.low < dump->count && dump->thread[search.low].tid == tid ? search.low : SIZE_MAX;
}

/* Is TID, as a lock names it, one of the threads? */
static bool is_thread(const struct gs_thread_dump *dump, int tid)
{
    return thread_index(dump, tid) != SIZE_MAX && !(dump->given && dump->given->other_namespace);
}

static void recognise(const struct gs_thread_dump *dump, struct gs_thread_seen *thread)
{
    struct gs_lock_state before;
    const struct gs_sample *sample = &dump->profile->sample[thread->sample];
    if (!is_thread(dump, thread->waits.holder))
        thread->waits.holder = 0; // the futex is none that names a thread
    thread->kind = kind_of(dump, thread);
    gs_gather_lock_read(thread->kind, &thread->futex, &thread->lock[0], &before);
    gs_gather_lock_read(thread->kind, &thread->futex, &thread->lock[1], &thread->held);
    thread->held.known &= before.known;
    if (before.holder != thread->held.holder)
        thread->held.holder = 0;
    if (!before.readers)
        thread->held.readers = 0;
    bool may_be_lock = thread->kind == GS_WAIT_FUTEX && !is_own_futex(dump->profile, sample);
    if (thread->kind == GS_WAIT_RWLOCK) {
        thread->waits.holder = is_thread(dump, thread->held.holder) ? thread->held.holder : 0;
        thread->waits.lock = thread->held.address;
    } else if (thread->kind != GS_WAIT_MUTEX && thread->kind != GS_WAIT_JOIN && !may_be_lock)
        thread->waits.holder = 0; // its futex looked like a mutex
}

/* Remove the label "waits_for", the last one of SAMPLE. */
static void drop_holder_label(struct gs_sample *sample)
{
    if (sample->label_count && strcmp(sample->label[sample->label_count - 1].key, "waits_for") == 0)
        sample->label_count--;
}

void gs_gather_waits_recognise(struct gs_thread_dump *dump)
{
    for (size_t i = 0; i < dump->count; i++) {
        recognise(dump, &dump->thread[i]);
        if (!dump->thread[i].waits.holder)
            drop_holder_label(&dump->profile->sample[dump->thread[i].sample]);
    }
}

void gs_gather_waits_look_again(struct gs_thread_dump *dump)
{
    for (size_t i = 0; i < dump->count; i++) {
        struct gs_thread_seen *thread = &dump->thread[i];
        if (dump->given)
            thread->lock[1] = thread->lock[0]; // all threads stood still
        else if (thread->futex.address)
            gs_gather_lock_memory_read(dump->memory, thread->futex.address, &thread->lock[1]);
    }
}

/* ---- who holds it ----------------------------------------------------------------------------------------------------- */

/* Does thread TID, which was not read, exist in the process? */
static bool exists(const struct gs_thread_dump *dump, int tid)
{
    char path[48];
    if (dump->given && (dump->given->memory || dump->given->partial))
        return dump->given->partial;
    snprintf(path, sizeof path, "/proc/%d/task/%d", (int)dump->pid, tid);
    return access(path, F_OK) == 0;
}

static void set_holder(const struct gs_thread_dump *dump, int tid, bool shared, struct gs_waited *out)
{
    size_t index = thread_index(dump, tid);
    out->holder = tid;
    out->holder_name = "";
    out->holder_sample = SIZE_MAX;
    out->held = GS_HOLDER_THREAD;
    if (index == SIZE_MAX) {
        if (!exists(dump, tid))
            out->held = shared ? GS_HOLDER_UNKNOWN : GS_HOLDER_GONE; // shared: another process may hold it
        return;
    }
    const struct gs_thread_seen *holder = &dump->thread[index];
    out->holder_name = gs_profile_string(dump->profile, holder->name);
    if (holder->how != GS_THREAD_UNREACHED)
        out->holder_sample = holder->sample;
}

/* Find the holder of a wait from its threads MEMBER[0..COUNT): all must say the same. */
static void find_holder(const struct gs_thread_dump *dump, struct gs_thread_seen *const *member, size_t count,
                        struct gs_waited *out)
{
    const struct gs_thread_seen *last = member[count - 1];
    int holder = last->held.holder;
    uint32_t readers = last->held.readers;
    bool known = last->held.known;
    if (out->kind == GS_WAIT_JOIN && last->waits.holder) {
        set_holder(dump, last->waits.holder, false, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        known &= member[i]->held.known;
        if (member[i]->held.holder != holder)
            holder = 0;
        if (!member[i]->held.readers)
            readers = 0;
    }
    if (!known || (dump->given && dump->given->other_namespace))
        return;
    if (holder)
        set_holder(dump, holder, !(last->futex.operation & FUTEX_PRIVATE_FLAG), out);
    else if (readers) {
        out->held = GS_HOLDER_READERS;
        out->readers = readers;
    } else
        out->held = GS_HOLDER_CHANGES;
}

/* ---- waits -------------------------------------------------------------------------------------------------------------- */

/* What tells waits of one kind apart. */
static uint64_t key_of(const struct gs_thread_seen *thread)
{
    if (thread->kind == GS_WAIT_CALL)
        return (uint64_t)thread->call;
    return thread->kind == GS_WAIT_JOIN ? (uint64_t)thread->waits.holder : thread->held.address;
}

static int by_wait(const void *a, const void *b)
{
    const struct gs_thread_seen *x = *(struct gs_thread_seen *const *)a,
                                *y = *(struct gs_thread_seen *const *)b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (key_of(x) != key_of(y))
        return key_of(x) < key_of(y) ? -1 : 1;
    return (x->tid > y->tid) - (x->tid < y->tid);
}

/* Is A before B among the waits: more threads, else recognised rather than only a call? */
static bool is_larger(const struct gs_waited *a, const struct gs_waited *b)
{
    return a->threads != b->threads ? a->threads > b->threads : a->kind < b->kind;
}

/* Put WAITED into its place in OUT; the smallest drops out. */
static void insert(struct gs_waits *out, const struct gs_waited *waited)
{
    size_t at = out->count;
    if (out->count < GS_WAITS_MAX)
        out->count++;
    else {
        out->left_out++;
        if (!is_larger(waited, &out->wait[--at]))
            return;
    }
    for (; at > 0 && is_larger(waited, &out->wait[at - 1]); at--)
        out->wait[at] = out->wait[at - 1];
    out->wait[at] = *waited;
}

static void add_wait(const struct gs_thread_dump *dump, struct gs_thread_seen *const *member, size_t count,
                     struct gs_waits *out)
{
    const struct gs_thread_seen *first = member[0];
    const char *call = first->kind == GS_WAIT_CALL ? gs_gather_syscall_name(first->call) : NULL;
    struct gs_waited waited = {
        .kind = first->kind, .name = "", .threads = count, .holder_name = "", .holder_sample = SIZE_MAX};
    if (first->kind == GS_WAIT_CALL && !call)
        return; // a number that we do not know
    if (call)
        waited.name = call;
    else if (first->kind != GS_WAIT_JOIN)
        waited.address = first->held.address;
    find_holder(dump, member, count, &waited);
    insert(out, &waited);
}

static void add_names(const struct gs_thread_dump *dump, const struct gs_maps *maps, struct gs_waits *out)
{
    struct gs_symbol_variable variable[GS_WAITS_MAX] = {0};
    char name[400];
    for (size_t i = 0; i < out->count; i++)
        variable[i].address = out->wait[i].address;
    gs_symbol_name_variables(maps, variable, out->count);
    for (size_t i = 0; i < out->count; i++) {
        if (!variable[i].name)
            continue;
        snprintf(name, sizeof name, variable[i].offset ? "%.300s+%#llx" : "%.300s", variable[i].name,
                 (unsigned long long)variable[i].offset);
        out->wait[i].name = gs_profile_string(dump->profile, name);
        gs_free(variable[i].name);
    }
}

/* ---- does any thread run? ---------------------------------------------------------------------------------------------- */

/* Can only another thread of the process end this wait? A semaphore may be posted by a signal handler. */
static bool needs_another_thread(const struct gs_thread_seen *thread)
{
    bool by_thread = thread->kind == GS_WAIT_MUTEX || thread->kind == GS_WAIT_RWLOCK ||
                     thread->kind == GS_WAIT_CONDITION || thread->kind == GS_WAIT_BARRIER;
    return !thread->has_timeout &&
           (thread->kind == GS_WAIT_JOIN || (by_thread && thread->futex.operation & FUTEX_PRIVATE_FLAG));
}

/* How often thread TID has been given a CPU; -1: not known. */
static long long runs_of(const struct gs_thread_dump *dump, int tid)
{
    char line[128];
    long long runs;
    gs_gather_task_line(dump->task, tid, "schedstat", line, sizeof line);
    return sscanf(line, "%*s %*s %lld", &runs) == 1 ? runs : -1;
}

/* Does each thread still wait, and has none run since RUNS was read? Then all wait at the same moment. */
static bool all_still_wait(struct gs_thread_dump *dump, const long long *runs)
{
    for (size_t i = 0; i < dump->count; i++) {
        gs_probe_thread_stack(dump->task, dump->thread[i].tid, 0, &dump->stack);
        if (runs[i] < 0 || dump->stack.how != GS_THREAD_ASLEEP || dump->stack.call != dump->thread[i].call ||
            dump->stack.argument[0] != dump->thread[i].futex.address)
            return false;
    }
    for (size_t i = 0; i < dump->count; i++)
        if (runs_of(dump, dump->thread[i].tid) != runs[i])
            return false;
    return true;
}

/* Does every thread wait for another one, all at the same moment? */
static bool nobody_runs(struct gs_thread_dump *dump)
{
    for (size_t i = 0; i < dump->count; i++)
        if (!needs_another_thread(&dump->thread[i]))
            return false;
    if (dump->given)
        return dump->count && !dump->given->partial; // they stood still
    long long *runs = gs_alloc((dump->count + 1) * sizeof *runs);
    for (size_t i = 0; runs && i < dump->count; i++)
        runs[i] = runs_of(dump, dump->thread[i].tid);
    bool all = runs && dump->count && all_still_wait(dump, runs);
    dump->profile->failed |= !runs;
    gs_free(runs);
    return all;
}

void gs_gather_waits_collect(struct gs_thread_dump *dump, const struct gs_maps *maps, struct gs_waits *out)
{
    struct gs_thread_seen **waiting = gs_alloc((dump->count + 1) * sizeof *waiting);
    size_t count = 0;
    *out = (struct gs_waits){0};
    if (!waiting) {
        dump->profile->failed = true;
        return;
    }
    for (size_t i = 0; i < dump->count; i++)
        if (dump->thread[i].kind)
            waiting[count++] = &dump->thread[i];
    gs_sort(waiting, count, sizeof *waiting, by_wait);
    for (size_t i = 0, first = 0; i < count; i++)
        if (i + 1 == count || waiting[i + 1]->kind != waiting[first]->kind ||
            key_of(waiting[i + 1]) != key_of(waiting[first])) {
            add_wait(dump, waiting + first, i + 1 - first, out);
            first = i + 1;
        }
    gs_free(waiting);
    add_names(dump, maps, out);
    out->nobody_runs = nobody_runs(dump);
}

/* ---- in words ------------------------------------------------------------------------------------------------------------ */

static void describe_holder(struct gs_text *out, const struct gs_waited *wait)
{
    switch (wait->held) {
    case GS_HOLDER_THREAD:
        gs_text_add(out, wait->kind == GS_WAIT_JOIN ? " " : ", held by ");
        gs_text_add_printable(out, wait->holder_name);
        gs_text_add(out, *wait->holder_name ? "/%d" : "thread %d", wait->holder); // core files have no names
        break;
    case GS_HOLDER_READERS:
        gs_text_add(out, ", held by %u %s", wait->readers, wait->readers == 1 ? "reader" : "readers");
        break;
    case GS_HOLDER_CHANGES: gs_text_add(out, ", whose holder changes"); break;
    case GS_HOLDER_GONE:
        if (wait->kind == GS_WAIT_JOIN)
            gs_text_add(out, " thread %d", wait->holder);
        else
            gs_text_add(out, ", held by thread %d, which no longer exists in this process", wait->holder);
        break;
    case GS_HOLDER_UNKNOWN: break;
    }
}

void gs_gather_describe_wait(struct gs_text *out, const struct gs_waited *wait)
{
    const char *word = kinds[wait->kind].words;
    gs_text_add_printable(out, wait->name);
    if (wait->address)
        gs_text_add(out, *wait->name ? " (%s %#llx)" : "%s %#llx", word, (unsigned long long)wait->address);
    else
        gs_text_add(out, "%s",
                    wait->kind == GS_WAIT_JOIN && wait->held == GS_HOLDER_UNKNOWN ? "the end of a thread"
                                                                                  : word);
    describe_holder(out, wait);
}
