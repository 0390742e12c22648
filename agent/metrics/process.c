/* process.c - rss, threads, major_faults and fds: what the kernel says of the whole process.
 *
 *   /proc/self/statm  "SIZE RESIDENT SHARED …" in pages                                   about 1 µs
 *   /proc/self/task   its links are the number of threads
 *   /proc/self/stat   "PID (NAME) STATE …": field 12 major faults, 14 and 15 CPU time in ticks.
 *                     NAME is the host's to choose, perhaps "a) R 1": the last parenthesis is the kernel's.
 *   /proc/self/fd     its size is the number of descriptors since Linux 6.2; before, its entries are counted
 *
 * Who: the watcher, each tick. Bounds: where many descriptors must be counted, once in COUNT_AGAIN_NS. */
#include "base/clock.h"
#include "metrics/inside.h"
#include "probe/probe.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* ---- rss ----------------------------------------------------------------------------------------------- */

static int rss_open(struct gs_metric_set *set)
{
    return gs_metrics_set_open_file(set, &set->statm, "/proc/self/statm");
}

static double rss_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    char text[256];
    ssize_t length = gs_metrics_source_read(&set->statm, set->now_ns, text, sizeof text);
    if (length < 0)
        return gs_metrics_unreadable(slot, &set->statm, length);
    const char *at = text;
    uint64_t size, resident;
    if (!gs_metrics_scan_u64(&at, &size) || *at++ != ' ' || !gs_metrics_scan_u64(&at, &resident) ||
        *at != ' ')
        return gs_metrics_no_value(slot, "%s is not as expected", set->statm.path);
    if (resident == 0) // a process that reads this has memory; the kernel looks at its first thread's
        return gs_metrics_no_value(slot, "%s shows nothing: the main thread has ended", set->statm.path);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

const struct gs_metric_reader gs_metric_reader_rss = {rss_open, rss_read};

/* ---- /proc/self/stat ----------------------------------------------------------------------------------- */

int gs_metrics_process_open(struct gs_metric_set *set)
{
    return gs_metrics_set_open_file(set, &set->stat, "/proc/self/stat");
}

/* Field NUMBER as proc(5) counts; NAME_END is the parenthesis that ends field 2. A field cut off by the end
 * of the text is none. */
static bool field(const char *name_end, int number, uint64_t *value)
{
    const char *at = name_end;
    for (int i = 2; i < number; i++) {
        at = strchr(at, ' ');
        if (!at)
            return false;
        at++;
    }
    return gs_metrics_scan_u64(&at, value) && (*at == ' ' || *at == '\n');
}

static bool parse_stat(const char *text, struct gs_process *out)
{
    const char *name_end = strrchr(text, ')');
    uint64_t user, system;
    return name_end && field(name_end, 12, &out->major_faults) && field(name_end, 14, &user) &&
           field(name_end, 15, &system) && !__builtin_add_overflow(user, system, &out->cpu_ticks);
}

const struct gs_process *gs_metrics_process_now(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    char text[1024];
    if (!set->stat_taken) {
        set->stat_error = gs_metrics_source_read(&set->stat, set->now_ns, text, sizeof text);
        set->stat_taken = true;
        set->stat_known = set->stat_error >= 0 && parse_stat(text, &set->process);
    }
    if (set->stat_known)
        return &set->process;
    if (set->stat_error < 0)
        gs_metrics_unreadable(slot, &set->stat, set->stat_error);
    else
        gs_metrics_no_value(slot, "%s is not as expected", set->stat.path);
    return NULL;
}

int gs_metrics_process_open_threads(struct gs_metric_set *set)
{
    return gs_metrics_set_open_file(set, &set->tasks, "/proc/self/task");
}

/* How many threads there are, counted at most once a tick; 0: the directory is not as expected; or -errno. A directory has a link
 * for each one in it, and two of its own. The figure in /proc/self/stat costs a walk over all threads, whose CPU times stand
 * there too: 20 µs with a thousand of them. */
static long count_threads(struct gs_metric_set *set)
{
    struct stat status;
    if (set->threads_taken)
        return set->threads;
    int fd = gs_metrics_source_fd(&set->tasks, set->now_ns, &status);
    set->threads_taken = true;
    if (fd < 0)
        set->threads = fd;
    else
        set->threads = S_ISDIR(status.st_mode) && status.st_nlink >= 3 ? (long)status.st_nlink - 2 : 0;
    return set->threads;
}

bool gs_metrics_process_is_crowded(struct gs_metric_set *set)
{
    return count_threads(set) > GS_CROWD;
}

static double threads_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    long count = count_threads(set);
    if (count < 0)
        return gs_metrics_unreadable(slot, &set->tasks, count);
    if (count == 0)
        return gs_metrics_no_value(slot, "%s is not as expected", set->tasks.path);
    return (double)count;
}

static double major_faults_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    const struct gs_process *process = gs_metrics_process_now(set, slot);
    return process ? gs_metrics_rate(&slot->rate, set->now_ns, process->major_faults) : NAN;
}

const struct gs_metric_reader gs_metric_reader_threads = {gs_metrics_process_open_threads, threads_read};
const struct gs_metric_reader gs_metric_reader_major_faults = {gs_metrics_process_open, major_faults_read};

/* ---- fds ----------------------------------------------------------------------------------------------- */

enum { COUNT_FREELY = 1024 }; // entries of /proc/self/fd that take well under a millisecond
#define COUNT_AGAIN_NS (10 * GS_NS_PER_S)

static int descriptors_open(struct gs_metric_set *set)
{
    return gs_metrics_set_open_file(set, &set->descriptors, "/proc/self/fd");
}

static double count_entries(int fd)
{
    struct gs_dir dir;
    double count = 0;
    gs_file_dir_start(&dir, fd);
    while (gs_file_dir_next(&dir))
        count++;
    return count;
}

/* Only procfs means "descriptors" by a directory's size; which device that is, is asked once. */
static bool size_is_count(struct gs_metric_set *set, int fd, const struct stat *status)
{
    struct statfs files;
    if (status->st_size <= 0)
        return false;
    if (!set->procfs_known && fstatfs(fd, &files) == 0 && files.f_type == PROC_SUPER_MAGIC) {
        set->procfs_known = true;
        set->procfs = status->st_dev;
    }
    return set->procfs_known && set->procfs == status->st_dev;
}

/* Of a thread of the host's that is not the first. */
static int open_other_table(void)
{
    char path[48];
    struct gs_dir dir;
    int tasks = gs_file_openat(AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY, 0), fd = -ESRCH;
    if (tasks < 0)
        return tasks;
    gs_file_dir_start(&dir, tasks);
    for (const char *name; fd < 0 && (name = gs_file_dir_next(&dir));) {
        pid_t tid = (pid_t)atoi(name);
        snprintf(path, sizeof path, "%d/fd", tid);
        if (tid != getpid() && !gs_probe_is_own_thread(tid))
            fd = gs_file_openat(tasks, path, O_RDONLY | O_DIRECTORY, 0);
    }
    close(tasks);
    return fd;
}

int gs_metrics_open_descriptors(void)
{
    struct stat status;
    int fd = gs_file_openat(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY, 0);
    bool ended = fd >= 0 && fstat(fd, &status) == 0 && status.st_size == 0 && count_entries(fd) == 0;
    if (!ended)
        return fd;
    int other = open_other_table();
    if (other < 0)
        return fd; // the first thread lives, and has nothing open
    close(fd);
    return other;
}

/* How many another thread of the host's has, where the first has none: it has ended. */
static double count_elsewhere(void)
{
    int fd = gs_metrics_open_descriptors();
    double count = fd < 0 ? 0 : count_entries(fd);
    if (fd >= 0)
        close(fd);
    return count;
}

static double descriptors_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    struct stat status;
    int fd = gs_metrics_source_fd(&set->descriptors, set->now_ns, &status);
    if (fd < 0)
        return gs_metrics_unreadable(slot, &set->descriptors, fd);
    if (!S_ISDIR(status.st_mode))
        return gs_metrics_no_value(slot, "%s is not a directory", set->descriptors.path);
    if (size_is_count(set, fd, &status))
        return (double)status.st_size;
    if (set->descriptors_counted < COUNT_FREELY || set->now_ns >= set->descriptors_due_ns) {
        set->descriptors_counted = count_entries(fd);
        if (set->descriptors_counted == 0 && !*set->root)
            set->descriptors_counted = count_elsewhere();
        set->descriptors_due_ns = set->now_ns + COUNT_AGAIN_NS;
    }
    return set->descriptors_counted;
}

uint64_t gs_metrics_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return 0;
    return limit.rlim_cur;
}

const struct gs_metric_reader gs_metric_reader_descriptors = {descriptors_open, descriptors_read};
