/* shm.c - shmat and shmdt, taken over to record which stack attached System V shared memory.
 *
 *   shmat ──▶ the real shmat ──▶ IPC_STAT: its size ──▶ walk, intern ──▶ mapped.c, as a record that is never joined to another
 *   shmdt ──▶ mapped.c: remove that record ──▶ the real shmdt
 *
 * Who: host threads. errno is the real call's. */
#include "probe/hooks/inside.h"
#include <errno.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOOK   __attribute__((visibility("default")))
#define CALLED static __attribute__((noinline))
#define FAILED ((void *)-1)

enum { PAGE = 4096 };

typedef void *attach_function(int, const void *, int);
typedef int detach_function(const void *);

static void *kernel_attach(int id, const void *at, int flags)
{
    return (void *)syscall(SYS_shmat, id, at, flags);
}

static int kernel_detach(const void *at)
{
    return (int)syscall(SYS_shmdt, at);
}

static struct {
    attach_function *attach;
    detach_function *detach;
} real = {kernel_attach, kernel_detach};

static __attribute__((constructor)) void resolve(void)
{
    if (gs_hooks_program_is_static())
        return; // the system calls do
    gs_hooks_find_next(&real.attach, "shmat");
    gs_hooks_find_next(&real.detach, "shmdt");
}

/* The size of segment ID in whole pages; 0: not known. */
static size_t size_of(int id)
{
    struct shmid_ds segment;
    int saved_errno = errno;
    bool known = !gs_is_sandboxed() && syscall(SYS_shmctl, id, IPC_STAT, &segment) == 0;
    errno = saved_errno;
    return known ? (segment.shm_segsz + PAGE - 1) & ~(size_t)(PAGE - 1) : 0;
}

CALLED void *remembered_attach(int id, const void *at, int flags)
{
    struct gs_caller caller = GS_CALLER();
    void *attached = real.attach(id, at, flags);
    size_t size = attached == FAILED ? 0 : size_of(id);
    uint32_t stack;
    if (size && gs_heap_sampler_stack(caller, &stack))
        gs_heap_mapped_add((uintptr_t)attached, (uintptr_t)attached + size, stack | GS_MAPPED_ALONE,
                           GS_MAPPED_ONE);
    return attached;
}

HOOK void *shmat(int id, const void *at, int flags)
{
    return remembered_attach(id, at, flags);
}

HOOK int shmdt(const void *at)
{
    struct gs_mapped record;
    if (gs_heap_mapped_find((uintptr_t)at, &record) && record.start == (uintptr_t)at &&
        record.stack & GS_MAPPED_ALONE)
        gs_heap_mapped_forget(record.start, record.end);
    return real.detach(at);
}
