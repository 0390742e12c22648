/* task.c - what /proc says about one thread of this process. Who: the watcher, or a host thread in gumshoe_write_profile. */
#include "base/text.h"
#include "gather/inside.h"
#include "sys/file.h"
#include "sys/process.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static bool blocks(const char *status, int signal)
{
    static const char key[] = "\nSigBlk:\t";
    const char *mask = strstr(status, key);
    return mask && strtoull(mask + sizeof key - 1, NULL, 16) >> (signal - 1) & 1;
}

/* Has the thread with this status more filters of system calls than the calling one? Then it had fewer when the program began, and
 * has locked itself into a sandbox (probe/threads/sandbox.c). */
static bool is_in_sandbox(const char *status)
{
    unsigned filters = gs_process_filters_in(status);
    return filters > 0 && filters > gs_process_count_filters();
}

const char *gs_gather_task_why_not_signal(int task, pid_t tid, int signal)
{
    const char *why = gs_probe_why_not_signal(tid);
    char status[4096];
    if (why)
        return why;
    read_start(task, tid, "status", status, sizeof status);
    if (blocks(status, signal))
        return "it blocks the signal"; // the signal would stay pending, and sigwait would return it
    return is_in_sandbox(status) ? "it is in a sandbox" : NULL;
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
