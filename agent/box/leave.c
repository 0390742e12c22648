/* leave.c - removes the black box when the process ends itself without running destructors (_exit, exec), so that the next
 * start does not report this end as a death. In a sandbox, where no system call may be made, it leaves a mark in the box instead:
 * a byte of its first page, which is mapped for that.
 * Who: gs_box_leave, gs_box_leave_by_mark: any host thread at any time, also in signal handlers; the rest: the watcher. */
#include "box/inside.h"
#include "box/write.h"
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    _Atomic pid_t pid; // the process that has the box; 0: no box
    char path[GS_LIVE_NAME + 80];
    _Atomic bool left;             // the process has left
    _Atomic(unsigned char *) mark; // in `page`; NULL: no box
    unsigned char *page;           // the first page of the box
    unsigned char *old_page;       // of the box before it: a host thread may still leave its mark there
} leaving;

enum { PAGE = 4096 };

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

void gs_box_leave_map(int fd)
{
    void *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    atomic_store(&leaving.mark, at == MAP_FAILED ? NULL : (unsigned char *)at + GS_BOX_LEFT_AT);
    if (leaving.old_page)
        munmap(leaving.old_page, PAGE);
    leaving.old_page = leaving.page;
    leaving.page = at == MAP_FAILED ? NULL : at;
}

void gs_box_leave_cancel(void)
{
    atomic_store(&leaving.pid, 0);
    atomic_store(&leaving.mark, NULL);
}

void gs_box_leave(void)
{
    if (atomic_load(&leaving.pid) != getpid())
        return;
    atomic_store(&leaving.left, true);
    (void)!unlink(
        leaving.path); // through the watcher's descriptor table: this thread's does not contain the store
}

void gs_box_leave_by_mark(void)
{
    unsigned char *mark = atomic_load(&leaving.mark);
    atomic_store(&leaving.left, true);
    if (mark)
        *mark = GS_BOX_LEFT;
}
