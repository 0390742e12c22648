/* threads.c - the stack, name and state of every thread, as a profile and as text.
 *
 *   /proc/self/task ──▶ thread { tid, name, state, wait channel, how } ─┬▶ threads.pb.gz: a sample each, with labels
 *        gs_probe_thread_stack ──▶ frames ───────────────────────────────┴▶ threads.txt: equal stacks together
 *
 * Who:    the watcher, or a host thread in gumshoe_write_profile. The watcher's own thread is left out (skip_tid).
 * Bounds: a thread that does not answer costs ANSWER_NS, all of them together PATIENCE_NS: from then on threads that
 *         run are listed without a stack. */
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/sort.h"
#include "profile/gather.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_NS   (20 * GS_NS_PER_MS)
#define PATIENCE_NS (500 * GS_NS_PER_MS)

struct thread {
    pid_t tid;
    char name[32], state, wait[48];
    enum gs_thread_how how;
    bool cut;
    uint64_t stack; // hash of its frames: equal for equal stacks
    size_t sample;  // in the profile
};

struct dump {
    struct thread *thread;
    size_t count, capacity;
    struct gs_profile *profile;
    int64_t waited_ns;
};

/* ---- one thread ----------------------------------------------------------------------------------------------- */

/* The first line of /proc/self/task/TID/NAME, "" when it cannot be read (the thread ended). */
static void read_line(int task, pid_t tid, const char *name, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "%d/%s", (int)tid, name);
    int fd = openat(task, path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, out, size - 1);
    if (fd >= 0)
        close(fd);
    out[length > 0 ? length : 0] = 0;
    out[strcspn(out, "\n")] = 0;
}

static char read_state(int task, pid_t tid)
{
    char line[256];
    read_line(task, tid, "stat", line, sizeof line);
    const char *name_end = strrchr(line, ')'); // a name may hold anything
    return name_end && name_end[1] == ' ' ? name_end[2] : '?';
}

static const char *state_in_words(char state)
{
    // clang-format off
    switch (state) {
    case 'R': return "running";
    case 'S': return "sleeping";
    case 'D': return "uninterruptible";
    case 'T': return "stopped";
    case 't': return "traced";
    case 'Z': return "zombie";
    case 'X': return "dead";
    case 'I': return "idle";
    default: return "unknown";
    }
    // clang-format on
}

static void add_sample(struct dump *dump, struct thread *thread, const struct gs_thread_stack *stack)
{
    const int64_t one = 1;
    const struct gs_label_value labels[] = {
        {"tid", NULL, thread->tid, ""},
        {"name", thread->name, 0, NULL},
        {"state", state_in_words(thread->state), 0, NULL},
        {"wchan", thread->wait, 0, NULL},
    };
    uint64_t address[GS_DEPTH_MAX];
    for (uint32_t i = 0; i < stack->depth; i++)
        address[i] = stack->frames[i] - 1;
    thread->sample = dump->profile->sample_count;
    thread->stack = gs_hash_bytes(address, stack->depth * sizeof *address);
    if (stack->depth == 0)
        gs_profile_add_named_sample(dump->profile, "(no answer)", &one);
    else
        gs_profile_add_sample(dump->profile, address, stack->depth, &one, labels, thread->wait[0] ? 4 : 3);
}

static int take_thread(struct dump *dump, int task, pid_t tid)
{
    if (gs_grow(&dump->thread, &dump->capacity, dump->count + 1, sizeof *dump->thread))
        return -ENOMEM;
    struct thread *thread = &dump->thread[dump->count];
    struct gs_thread_stack stack;
    *thread = (struct thread){.tid = tid, .state = read_state(task, tid)};
    read_line(task, tid, "comm", thread->name, sizeof thread->name);
    read_line(task, tid, "wchan", thread->wait, sizeof thread->wait);
    if (strcmp(thread->wait, "0") == 0)
        thread->wait[0] = 0;
    int64_t before_ns = gs_monotonic_ns();
    gs_probe_thread_stack(tid, dump->waited_ns < PATIENCE_NS ? ANSWER_NS : 0, &stack);
    if (stack.how == GS_THREAD_UNREACHED) {
        if (read_state(task, tid) == '?')
            return 0; // it ended while we looked
        dump->waited_ns += gs_monotonic_ns() - before_ns;
    }
    thread->how = stack.how;
    thread->cut = stack.cut;
    add_sample(dump, thread, &stack);
    dump->count++;
    return 0;
}

static int take_all(struct dump *dump, pid_t skip)
{
    int task = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
    if (task < 0)
        return -errno;
    struct gs_dir dir;
    gs_dir_start(&dir, task);
    for (const char *name; !error && (name = gs_dir_next(&dir));) {
        pid_t tid = (pid_t)strtol(name, NULL, 10);
        if (tid > 0 && tid != skip)
            error = take_thread(dump, task, tid);
    }
    close(task);
    return error;
}

/* ---- the text ---------------------------------------------------------------------------------------------------- */

static int by_stack(const void *a, const void *b)
{
    const struct thread *x = a, *y = b;
    if (x->stack != y->stack)
        return x->stack < y->stack ? -1 : 1;
    return (x->tid > y->tid) - (x->tid < y->tid);
}

struct group {
    size_t first, count;
};

static int by_size(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

static void write_group(struct gs_text *out, const struct dump *dump, struct group group)
{
    enum { NAMED = 16 };
    const struct thread *thread = &dump->thread[group.first];
    const struct gs_sample *sample = &dump->profile->sample[thread->sample];
    gs_text_add(out, "%zu %s, %s", group.count, group.count == 1 ? "thread" : "threads",
                state_in_words(thread->state));
    if (thread->wait[0])
        gs_text_add(out, " in %s", thread->wait);
    gs_text_add(out, ":");
    for (size_t i = 0; i < group.count && i < NAMED; i++) {
        gs_text_add(out, " ");
        gs_text_add_printable(out, thread[i].name);
        gs_text_add(out, "/%d", (int)thread[i].tid);
    }
    gs_text_add(out, group.count > NAMED ? " and %zu more\n" : "\n", group.count - NAMED);
    for (uint32_t i = 0; i < sample->depth; i++) {
        char name[512];
        uint32_t location = sample->location[i];
        gs_text_add(out, "    %#18llx  ", (unsigned long long)dump->profile->location[location].address);
        gs_text_add_printable(out, gs_profile_frame_name(dump->profile, location, name, sizeof name));
        gs_text_add(out, "\n");
    }
    if (thread->cut && sample->depth)
        gs_text_add(out, "    (cut: no way to unwind further)\n");
    gs_text_add(out, "\n");
}

/* Equal stacks together, the largest group first, like the dump of goroutines that Go people know. */
static void write_text(struct gs_text *out, struct dump *dump)
{
    struct group *groups = gs_alloc((dump->count + 1) * sizeof *groups);
    size_t count = 0;
    gs_text_add(out, "threads: %zu\n\n", dump->count);
    if (!groups) {
        out->failed = true;
        return;
    }
    gs_sort(dump->thread, dump->count, sizeof *dump->thread, by_stack);
    for (size_t i = 0; i < dump->count; i++) {
        if (i == 0 || dump->thread[i].stack != dump->thread[i - 1].stack)
            groups[count++].first = i;
        groups[count - 1].count++;
    }
    gs_sort(groups, count, sizeof *groups, by_size);
    for (size_t i = 0; i < count; i++)
        write_group(out, dump, groups[i]);
    gs_free(groups);
}

static void tell_unreached(struct dump *dump, struct gs_text *notes)
{
    size_t unreached = 0;
    for (size_t i = 0; i < dump->count; i++)
        unreached += dump->thread[i].how == GS_THREAD_UNREACHED;
    if (unreached == 0)
        return;
    gs_profile_add_comment(dump->profile, "%zu threads did not answer: no stack", unreached);
    gs_text_add(notes, "%zu threads did not answer: no stack\n", unreached);
}

int gs_gather_threads(const struct gs_gather *how, struct gs_gathered *out)
{
    struct dump dump = {.profile = gs_profile_new()};
    if (!dump.profile)
        return -ENOMEM;
    out->profile = dump.profile;
    gs_profile_add_sample_type(dump.profile, "threads", "count");
    dump.profile->period_type = (struct gs_value_type){gs_profile_string(dump.profile, "threads"),
                                                       gs_profile_string(dump.profile, "count")};
    dump.profile->period = 1;
    dump.profile->time_ns = gs_realtime_ns();
    gs_profile_add_comment(dump.profile, "%s", how->reason);
    int error = take_all(&dump, how->skip_tid);
    tell_unreached(&dump, &out->notes);
    gs_profile_symbolize(dump.profile, how->maps);
    write_text(&out->text, &dump);
    gs_free(dump.thread);
    return error ? error : dump.profile->failed || out->text.failed ? -ENOMEM : 0;
}
