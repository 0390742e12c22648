/* process.c - reads /proc/PID/stat: field 22 is the start in clock ticks since boot, field 52 the exit code. Copies
 * descriptors. */
#include "sys/process.h"
#include "base/clock.h"
#include "base/memory.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STAT_BYTES = 1024 };

/* Read the stat file of process PID into STAT, and return its second field's end; NULL: it cannot be read. Allocates
 * nothing: a process whose start could not be read for lack of memory would count as dead. */
static const char *read_stat(int pid, char stat[STAT_BYTES])
{
    char path[32];
    if (pid == (int)getpid())
        strcpy(path, "/proc/self/stat");
    else
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_NOCTTY, 0);
    ssize_t got = fd < 0 ? 0 : read(fd, stat, STAT_BYTES - 1);
    stat[got > 0 ? got : 0] = 0;
    if (fd >= 0)
        close(fd);
    return strrchr(stat, ')'); // the process name before it may contain any character
}

/* Field NUMBER (numbered as in proc(5)) of a stat file, from its second field's end AT; 0: there is none. */
static unsigned long long field_of(const char *at, int number)
{
    for (int field = 2; at && field < number; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at, NULL, 10) : 0;
}

static unsigned long long stat_field(int pid, int number)
{
    char stat[STAT_BYTES];
    return field_of(read_stat(pid, stat), number);
}

unsigned long long gs_process_start_ticks(int pid)
{
    return stat_field(pid, 22);
}

int gs_process_parent(int pid)
{
    return (int)stat_field(pid, 4);
}

bool gs_process_runs(int pid, unsigned long long start_ticks)
{
    char stat[STAT_BYTES];
    const char *at = read_stat(pid, stat);
    if (!at || field_of(at, 22) != start_ticks)
        return false;
    bool is_zombie = at[1] == ' ' && (at[2] == 'Z' || at[2] == 'X');
    return !is_zombie ||
           field_of(at, 20) > 1; // threads: a first thread that has ended is a zombie while others run
}

int64_t gs_process_started_ns(int pid)
{
    struct timespec since_boot;
    int64_t ticks = (int64_t)gs_process_start_ticks(pid ? pid : (int)getpid());
    if (!ticks || clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0)
        return 0;
    int64_t uptime_ns = since_boot.tv_sec * GS_NS_PER_S + since_boot.tv_nsec;
    return gs_clock_realtime_ns() - uptime_ns + ticks * (GS_NS_PER_S / sysconf(_SC_CLK_TCK));
}

int gs_process_first_threads_end(void)
{
    return (int)(stat_field((int)getpid(), 52) & 0xffff);
}

/* The number after KEY in the text of a status file; 0: it is not there. */
static unsigned status_number(const char *status, const char *key)
{
    const char *at = strstr(status, key);
    return at ? (unsigned)strtoul(at + strlen(key), NULL, 10) : 0;
}

unsigned gs_process_filters_in(const char *status)
{
    enum { STRICT = 1, FILTERED };
    unsigned mode = status_number(status, "\nSeccomp:"), count = status_number(status, "\nSeccomp_filters:");
    return mode == STRICT ? UINT_MAX : mode == FILTERED && !count ? 1 : count;
}

unsigned gs_process_count_filters(void)
{
    enum { STATUS_MAX = 64 << 10 };
    char *text;
    size_t length;
    if (gs_file_read(AT_FDCWD, "/proc/thread-self/status", STATUS_MAX, &text, &length))
        return 0;
    unsigned filters = gs_process_filters_in(text);
    gs_free(text);
    return filters;
}

int gs_process_handle(void)
{
    if (gs_process_count_filters())
        return -EPERM;
    int process = (int)syscall(SYS_pidfd_open, getpid(), 0);
    return process < 0 ? -errno : process;
}

int gs_process_copy_descriptor(int process, int fd)
{
    int copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
    return copy < 0 ? -errno : copy;
}
