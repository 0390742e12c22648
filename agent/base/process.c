/* process.c - when a process was started: field 22 of its stat counts clock ticks from boot. */
#include "base/process.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t gs_process_started_ns(int pid)
{
    char path[32], *stat = NULL;
    size_t length;
    struct timespec since_boot;
    snprintf(path, sizeof path, "/proc/%d/stat", pid ? pid : (int)getpid());
    if (gs_read_file(AT_FDCWD, path, 4096, &stat, &length) || clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0)
        return 0;
    const char *at = strrchr(stat, ')'); // the name before it may hold anything
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    int64_t ticks = at ? strtoll(at, NULL, 10) : 0;
    gs_free(stat);
    int64_t uptime_ns = since_boot.tv_sec * GS_NS_PER_S + since_boot.tv_nsec;
    return gs_realtime_ns() - uptime_ns + ticks * (GS_NS_PER_S / sysconf(_SC_CLK_TCK));
}
