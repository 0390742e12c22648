/* leave.c - the process ends by its own will, but runs none of its destructors (_exit, exec): its black box goes, so that the
 * next start does not take this end for a death.
 * Who: gs_box_leave any host thread at any moment, signal handlers as well; the rest the watcher. Nothing is ever freed. */
#include "box/write.h"
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    _Atomic pid_t pid; // whose box it is; 0: there is none
    char path[GS_LIVE_NAME + 80];
    _Atomic bool left; // it does not come back
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
        leaving.path); // by way of the watcher's own table of descriptors: none of it is in this thread's
}
