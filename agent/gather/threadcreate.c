/* threadcreate.c - the threadcreate profile: each stack that called pthread_create, how often, and how many of the threads
 * it created are alive. Counts are exact, not sampled. Who: the watcher, or a host thread in gumshoe_write_profile. */
#include "base/clock.h"
#include "base/memory.h"
#include "gather/inside.h"
#include "profile/profile.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct thread_census {
    uint32_t *live; // live threads, by stack
    uint32_t stacks;
    size_t unattributed; // threads whose creation we did not see: the first thread, and the C library's own
};

static int count_living(struct thread_census *census)
{
    int task = gs_file_openat(AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY, 0);
    if (task < 0)
        return task;
    struct gs_dir dir;
    gs_file_dir_start(&dir, task);
    for (const char *name; (name = gs_file_dir_next(&dir));) {
        pid_t tid = (pid_t)strtol(name, NULL, 10);
        uint32_t stack;
        if (tid <= 0 || gs_probe_is_own_thread(tid))
            continue;
        if (gs_probe_creator_of(tid, &stack) && stack < census->stacks)
            census->live[stack]++;
        else
            census->unattributed++;
    }
    close(task);
    return 0;
}

static void add_stacks(struct gs_profile *profile, const struct thread_census *census)
{
    for (uint32_t stack = 0; stack < census->stacks; stack++) {
        const int64_t values[] = {gs_probe_stack_threads(stack), census->live[stack]};
        if (values[0])
            gs_gather_add_stack(profile, stack, values);
    }
}

int gs_gather_threadcreate(const struct gs_gather *how, struct gs_gathered *out)
{
    struct gs_profile *profile = out->profile = gs_profile_new();
    if (!profile)
        return -ENOMEM;
    gs_profile_add_sample_type(profile, "threadcreate", "count");
    gs_profile_add_sample_type(profile, "live_threads", "count");
    profile->default_sample_type = 1;
    profile->period_type = (struct gs_value_type){gs_profile_string(profile, "threadcreate"),
                                                  gs_profile_string(profile, "count")};
    profile->period = 1;
    profile->time_ns = gs_clock_realtime_ns();
    profile->duration_ns = how->now_ns - how->start_ns;
    profile->drop_frames = gs_profile_string(profile, "pthread_create");
    gs_profile_add_comment(profile, "%s", how->reason);
    struct thread_census census = {.stacks = gs_probe_stack_count()};
    census.live = gs_alloc(census.stacks * sizeof *census.live);
    int error = census.live ? count_living(&census) : -ENOMEM;
    if (!error) {
        add_stacks(profile, &census);
        gs_profile_add_comment(
            profile, "%zu live threads were not seen to be created: the first, and the C library's own",
            census.unattributed);
        gs_gather_symbolize(profile, how->maps);
    }
    gs_free(census.live);
    return error ? error : profile->failed ? -ENOMEM : 0;
}
