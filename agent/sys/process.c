/* process.c - when a process was started: field 22 of its stat counts clock ticks from boot; how it ended: field 52. */
#include "sys/process.h"
#include "base/clock.h"
#include "base/memory.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Field NUMBER, as proc(5) counts them, of PATH, a stat file; 0 when it cannot be read. */
static int64_t stat_field(const char *path, int number)
{
    char *stat = NULL;
    size_t length;
    if (gs_file_read(AT_FDCWD, path, 4096, &stat, &length))
        return 0;
    const char *at = strrchr(stat, ')'); // the name before it may hold anything
    for (int field = 2; at && field < number; field++)
        at = strchr(at + 1, ' ');
    int64_t value = at ? strtoll(at, NULL, 10) : 0;
    gs_free(stat);
    return value;
}

int64_t gs_process_started_ns(int pid)
{
    char path[32];
    struct timespec since_boot;
    snprintf(path, sizeof path, "/proc/%d/stat", pid ? pid : (int)getpid());
    int64_t ticks = stat_field(path, 22);
    if (!ticks || clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0)
        return 0;
    int64_t uptime_ns = since_boot.tv_sec * GS_NS_PER_S + since_boot.tv_nsec;
    return gs_clock_realtime_ns() - uptime_ns + ticks * (GS_NS_PER_S / sysconf(_SC_CLK_TCK));
}

int gs_process_first_threads_status(void)
{
    return (int)(stat_field("/proc/self/stat", 52) >> 8 & 0xff); // as wait(2) has it
}

int gs_process_handle(void)
{
    int process = (int)syscall(SYS_pidfd_open, getpid(), 0);
    return process < 0 ? -errno : process;
}

int gs_process_copy_descriptor(int process, int fd)
{
    int copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
    return copy < 0 ? -errno : copy;
}
