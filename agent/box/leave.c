/* leave.c - removes the black box when the process ends itself without running destructors (_exit, exec), so that the next
 * start does not report this end as a death.
 * Who: gs_box_leave: any host thread at any time, also in signal handlers; the rest: the watcher. Nothing is ever freed. */
#include "box/write.h"
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    _Atomic pid_t pid; // the process that has the box; 0: no box
    char path[GS_LIVE_NAME + 80];
    _Atomic bool left; // gs_box_leave was called
} leaving;

bool gs_box_has_left(void)
{
    return atomic_load(&leaving.left);
}

void gs_box_leave_reset(void)
{
    atomic_store(&leaving.left, false);
}

void gs_box_leave_prepare(struct gs_store *store, const char *name)
{
    atomic_store(&leaving.pid, 0);
    snprintf(leaving.path, sizeof leaving.path, "/proc/self/task/%d/fd/%d/.live/%s", (int)syscall(SYS_gettid),
             gs_store_fd(store), name);
    atomic_store(&leaving.pid, getpid());
}

void gs_box_leave_cancel(void)
{
    atomic_store(&leaving.pid, 0);
}

void gs_box_leave(void)
{
    if (atomic_load(&leaving.pid) != getpid())
        return;
    atomic_store(&leaving.left, true);
    (void)!unlink(
        leaving.path); // through the watcher's descriptor table: this thread's does not contain the store
}
