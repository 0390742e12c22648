/* scheduling.c - context_switches and run_delay: how the kernel schedules the process's threads.
 *
 *   getrusage(RUSAGE_SELF)         voluntary and involuntary switches of all threads, also of those that have ended
 *   /proc/self/task/TID/schedstat  "RAN WAITED TIMES", nanoseconds: WAITED ready to run, but not running
 *
 *   run_delay = 100 × WAITED / (RAN + WAITED), of all threads, by what both grew since the reading before
 *
 * 50 % means that the threads ran half of the time in which they could have run; 0 that each got a CPU at once, or that none
 * ran. Each thread's times are kept from one reading to the next, so the end of a thread takes nothing away.
 * Who: the watcher. Bounds: for schedstat, three system calls a thread, every DELAY_REFRESH_NS; of more than
 * GS_DELAYED_THREADS threads the oldest stand for all. */
#include "base/clock.h"
#include "base/memory.h"
#include "metrics/inside.h"
#include "probe/probe.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DELAY_REFRESH_NS  (10 * GS_NS_PER_S)
#define SWITCH_REFRESH_NS GS_NS_PER_S

/* ---- context_switches ---------------------------------------------------------------------------------- */

static double context_switches_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    const struct gs_usage *usage = gs_metrics_process_usage(set);
    if (!usage)
        return gs_metrics_no_value(slot, "the kernel does not count them");
    return gs_metrics_rate(&slot->rate, set->now_ns, usage->switches);
}

const struct gs_metric_reader gs_metric_reader_context_switches = {NULL, context_switches_read,
                                                                   SWITCH_REFRESH_NS, 0};

/* ---- run_delay ----------------------------------------------------------------------------------------- */

static int run_delay_open(struct gs_metric_set *set)
{
    int error = gs_metrics_process_open_threads(set);
    if (error || set->delays)
        return error;
    set->delays = gs_alloc(sizeof *set->delays);
    return set->delays ? 0 : -ENOMEM;
}

/* Read how long thread TID has run and waited so far. False: the file is missing, or the thread has just ended. */
static bool read_times(int tasks, pid_t tid, struct gs_thread_times *out)
{
    char path[32], text[96];
    const char *at = text;
    snprintf(path, sizeof path, "%d/schedstat", (int)tid);
    int fd = gs_file_openat(tasks, path, O_RDONLY, 0);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (length < 0)
        return false;
    text[length] = 0;
    return gs_metrics_scan_u64(&at, &out->ran_ns) && *at++ == ' ' &&
           gs_metrics_scan_u64(&at, &out->waited_ns);
}

/* The times of thread TID at the last reading; all 0: it is new. *AT moves on, as both lists are in the same order. */
static struct gs_thread_times times_before(const struct gs_thread_delays *before, pid_t tid, size_t *at)
{
    for (size_t i = *at; i < before->count; i++)
        if (before->thread[i].tid == tid) {
            *at = i + 1;
            return before->thread[i].so_far;
        }
    return (struct gs_thread_times){0};
}

static uint64_t grown(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

/* Read all threads of the host into NOW. Returns by how much their times have grown since BEFORE. */
static struct gs_thread_times read_threads(int tasks, const struct gs_thread_delays *before,
                                           struct gs_thread_delays *now)
{
    struct gs_dir dir;
    struct gs_thread_times sum = {0};
    size_t at = 0;
    gs_file_dir_start(&dir, tasks);
    for (const char *name; now->count < GS_DELAYED_THREADS && (name = gs_file_dir_next(&dir));) {
        struct gs_delayed_thread *thread = &now->thread[now->count];
        thread->tid = (pid_t)atoi(name);
        if (gs_probe_is_own_thread(thread->tid) || !read_times(tasks, thread->tid, &thread->so_far))
            continue;
        struct gs_thread_times known = times_before(before, thread->tid, &at);
        sum.ran_ns += grown(thread->so_far.ran_ns, known.ran_ns);
        sum.waited_ns += grown(thread->so_far.waited_ns, known.waited_ns);
        now->count++;
    }
    return sum;
}

static double run_delay_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    struct stat status;
    struct gs_thread_delays now = {.known = set->now_ns !=
                                            INT64_MIN}; // the set's first reading is only for the reasons
    bool known = set->delays->known;
    int tasks = gs_metrics_source_fd(&set->tasks, set->now_ns, &status);
    if (tasks < 0)
        return gs_metrics_unreadable(slot, &set->tasks, tasks);
    struct gs_thread_times sum = read_threads(tasks, set->delays, &now);
    *set->delays = now;
    if (now.count == 0)
        return gs_metrics_no_value(slot, "%s: no thread has a schedstat that can be read", set->tasks.path);
    double wanted_ns = (double)sum.ran_ns + (double)sum.waited_ns;
    return !known ? NAN : wanted_ns > 0 ? 100 * (double)sum.waited_ns / wanted_ns : 0;
}

const struct gs_metric_reader gs_metric_reader_run_delay = {run_delay_open, run_delay_read, DELAY_REFRESH_NS,
                                                            0};
