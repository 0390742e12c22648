/* task.c - what /proc says about one thread of this process. Who: the watcher, or a host thread in gumshoe_write_profile. */
#include "base/text.h"
#include "gather/inside.h"
#include "sys/file.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void read_start(int task, pid_t tid, const char *name, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "%d/%s", (int)tid, name);
    int fd = gs_file_openat(task, path, O_RDONLY, 0);
    ssize_t length = fd < 0 ? 0 : read(fd, out, size - 1);
    if (fd >= 0)
        close(fd);
    out[length > 0 ? length : 0] = 0;
}

void gs_gather_task_line(int task, pid_t tid, const char *name, char *out, size_t size)
{
    read_start(task, tid, name, out, size);
    out[strcspn(out, "\n")] = 0;
}

/* The number after KEY, "\nName:\t", in the text of a status file; 0: it is not there. */
static uint64_t status_number(const char *status, const char *key, int base)
{
    const char *at = strstr(status, key);
    return at ? strtoull(at + strlen(key), NULL, base) : 0;
}

/* How far a thread with this status is confined: 0 not, else the more filters of system calls, the more. */
static uint64_t confinement(const char *status)
{
    enum { STRICT = 1 };
    uint64_t mode = status_number(status, "\nSeccomp:\t", 10);
    uint64_t filters = status_number(status, "\nSeccomp_filters:\t", 10); // since Linux 5.9
    return mode == STRICT ? UINT64_MAX : filters ? filters : mode;
}

/* Is the thread with this status confined more than the calling one? Then it was not when the program began, but has locked itself
 * into a sandbox (probe/threads/sandbox.c). */
static bool is_in_sandbox(int task, const char *status)
{
    char own[4096];
    if (confinement(status) == 0)
        return false;
    read_start(task, (pid_t)syscall(SYS_gettid), "status", own, sizeof own);
    return confinement(status) > confinement(own);
}

const char *gs_gather_task_why_not_signal(int task, pid_t tid, int signal)
{
    const char *why = gs_probe_why_not_signal(tid);
    char status[4096];
    if (why)
        return why;
    read_start(task, tid, "status", status, sizeof status);
    if (status_number(status, "\nSigBlk:\t", 16) >> (signal - 1) & 1)
        return "it blocks the signal"; // the signal would stay pending, and sigwait would return it
    return is_in_sandbox(task, status) ? "it is in a sandbox" : NULL;
}

const char *gs_gather_thread_state(char state)
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
