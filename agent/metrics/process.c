/* process.c - rss, threads, major_faults and fds: the kernel's figures of the whole process.
 *
 *   /proc/self/statm  "SIZE RESIDENT SHARED …" in pages                                   about 1 µs
 *   /proc/self/task   its link count less 2 is the number of threads
 *   getrusage         major faults, of all threads
 *   /proc/self/stat   the same, and CPU time, for tests with a root of fixtures: "PID (NAME) STATE …": field 12 major faults,
 *                     14 and 15 CPU time in ticks. The host chooses NAME, perhaps "a) R 1": only the last ")" is the kernel's.
 *   /proc/self/fd     since Linux 6.2 its size is the number of descriptors; before, its entries are counted
 *
 * Who: the watcher, each tick; major faults every FAULTS_REFRESH_NS. Bounds: many descriptors are counted only every COUNT_REFRESH_NS. */
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

#define FAULTS_REFRESH_NS GS_NS_PER_S // the kernel sums all threads for it

/* ---- rss ----------------------------------------------------------------------------------------------- */

int gs_metrics_process_open_memory(struct gs_metric_set *set)
{
    return gs_metrics_set_open_file(set, &set->statm, "/proc/self/statm");
}

/* "SIZE RESIDENT SHARED TEXT LIBRARIES OWN …" */
static bool parse_statm(const char *at, struct gs_memory_pages *out)
{
    uint64_t pages[6];
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++, at++)
        if (!gs_metrics_scan_u64(&at, &pages[i]) || *at != ' ')
            return false;
    *out = (struct gs_memory_pages){.resident = pages[1], .shared = pages[2], .own = pages[5]};
    return true;
}

const struct gs_memory_pages *gs_metrics_process_memory(struct gs_metric_set *set)
{
    char text[256];
    if (!set->statm_read) {
        set->statm_error = gs_metrics_source_read(&set->statm, set->now_ns, text, sizeof text);
        set->statm_read = true;
        set->statm_valid = set->statm_error >= 0 && parse_statm(text, &set->pages);
    }
    return set->statm_valid ? &set->pages : NULL;
}

static double rss_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    const struct gs_memory_pages *pages = gs_metrics_process_memory(set);
    if (!pages && set->statm_error < 0)
        return gs_metrics_unreadable(slot, &set->statm, set->statm_error);
    if (!pages)
        return gs_metrics_no_value(slot, "%s is not as expected", set->statm.path);
    if (pages->resident ==
        0) // impossible for a running process; the kernel shows the memory of the main thread
        return gs_metrics_no_value(slot, "%s shows nothing: the main thread has ended", set->statm.path);
    return (double)pages->resident * (double)sysconf(_SC_PAGESIZE);
}

const struct gs_metric_reader gs_metric_reader_rss = {gs_metrics_process_open_memory, rss_read, 0, 0};

/* ---- /proc/self/stat ----------------------------------------------------------------------------------- */

int gs_metrics_process_open(struct gs_metric_set *set)
{
    return gs_metrics_set_open_file(set, &set->stat, "/proc/self/stat");
}

/* Read field NUMBER, as proc(5) counts; NAME_END is the parenthesis that ends field 2. False: there is no such field,
 * or the end of the text cuts it off. */
static bool read_field(const char *name_end, int number, uint64_t *value)
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
    return name_end && read_field(name_end, 12, &out->major_faults) && read_field(name_end, 14, &user) &&
           read_field(name_end, 15, &system) && !__builtin_add_overflow(user, system, &out->cpu_ticks);
}

const struct gs_process *gs_metrics_process_now(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    char text[1024];
    if (!set->stat_read) {
        set->stat_error = gs_metrics_source_read(&set->stat, set->now_ns, text, sizeof text);
        set->stat_read = true;
        set->stat_valid = set->stat_error >= 0 && parse_stat(text, &set->process);
    }
    if (set->stat_valid)
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

/* The number of threads, counted at most once a tick; 0: the directory is not as expected; or -errno.
 * A directory has one link for each subdirectory, and two more. /proc/self/stat has the number too, but to read it the kernel
 * sums the CPU times of all threads: 20 µs with a thousand of them. */
static long count_threads(struct gs_metric_set *set)
{
    struct stat status;
    if (set->threads_counted)
        return set->threads;
    int fd = gs_metrics_source_fd(&set->tasks, set->now_ns, &status);
    set->threads_counted = true;
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

const struct gs_usage *gs_metrics_process_usage(struct gs_metric_set *set)
{
    struct rusage usage;
    if (!set->usage_read) {
        set->usage_read = true;
        set->usage_valid = getrusage(RUSAGE_SELF, &usage) == 0;
        if (set->usage_valid)
            set->usage =
                (struct gs_usage){(uint64_t)(usage.ru_nvcsw + usage.ru_nivcsw), (uint64_t)usage.ru_majflt};
    }
    return set->usage_valid ? &set->usage : NULL;
}

/* Where /proc/self/stat takes 16 µs after a sleep, getrusage takes 3. */
static double major_faults_read(struct gs_metric_set *set, struct gs_metric_slot *slot)
{
    const struct gs_usage *usage = set->root[0] == 0 ? gs_metrics_process_usage(set) : NULL;
    if (usage)
        return gs_metrics_rate(&slot->rate, set->now_ns, usage->major_faults);
    const struct gs_process *process = gs_metrics_process_now(set, slot);
    return process ? gs_metrics_rate(&slot->rate, set->now_ns, process->major_faults) : NAN;
}

const struct gs_metric_reader gs_metric_reader_threads = {gs_metrics_process_open_threads, threads_read, 0,
                                                          0};
const struct gs_metric_reader gs_metric_reader_major_faults = {gs_metrics_process_open, major_faults_read,
                                                               FAULTS_REFRESH_NS, 0};

/* ---- fds ----------------------------------------------------------------------------------------------- */

enum { COUNT_ALWAYS_MAX = 1024 }; // counting so many entries of /proc/self/fd takes well under 1 ms
#define COUNT_REFRESH_NS (10 * GS_NS_PER_S)

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

/* Is the directory's size the number of descriptors? Only in procfs, whose device number is looked up once. */
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

/* Open /proc/…/fd of a host thread other than the main thread. The descriptor or -errno. */
static int open_descriptors_of_other_thread(void)
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
    int other = open_descriptors_of_other_thread();
    if (other < 0)
        return fd; // the main thread is alive and has no open descriptors
    close(fd);
    return other;
}

/* The number of descriptors of another host thread, for when the main thread has ended and shows none. */
static double count_of_other_thread(void)
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
    if (set->descriptors_counted < COUNT_ALWAYS_MAX || set->now_ns >= set->descriptors_due_ns) {
        set->descriptors_counted = count_entries(fd);
        if (set->descriptors_counted == 0 && !*set->root)
            set->descriptors_counted = count_of_other_thread();
        set->descriptors_due_ns = set->now_ns + COUNT_REFRESH_NS;
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

const struct gs_metric_reader gs_metric_reader_descriptors = {descriptors_open, descriptors_read, 0, 0};
