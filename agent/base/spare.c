/* spare.c - spare.h in code.
 *
 *   memfd ──dup──▶ spare[0] … spare[n-1]      all of one inode, which is nobody else's: what the host put in a place of
 *                                             ours is seen, and neither used nor closed
 *
 * Bounds: SPARES descriptors, and no more than a sixteenth of the limit, but FEWEST. Two threads of ours that do this at
 * once may come to one spare less or more; the next gs_spare_put_by sets it right. */
#include "base/spare.h"
#include "base/held.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SPARES = 16, FEWEST = 4, NONE = 0 }; // 0 is never ours: we keep out of the way of standard input

static _Atomic int spare[SPARES]; // descriptors; NONE
static _Atomic dev_t device;      // what they are of
static _Atomic ino_t inode;
static _Atomic int most; // how many there are to be; 0: no watch

static bool is_ours(int fd)
{
    struct gs_held held = {fd, atomic_load(&device), atomic_load(&inode)};
    return fd > NONE && gs_is_held(&held, NULL);
}

static int how_many(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 16 >= SPARES)
        return SPARES;
    return limit.rlim_cur / 16 < FEWEST ? FEWEST : (int)(limit.rlim_cur / 16);
}

/* One of ours to copy, made if there is none. */
static int original(void)
{
    for (int i = 0; i < SPARES; i++)
        if (is_ours(atomic_load(&spare[i])))
            return atomic_load(&spare[i]);
    struct gs_held first;
    if (gs_hold(&first, memfd_create("gumshoe", MFD_CLOEXEC)))
        return -1;
    atomic_store(&device, first.device);
    atomic_store(&inode, first.inode);
    atomic_store(&spare[0], first.fd);
    return first.fd;
}

void gs_spare_put_by(void)
{
    int one = original(), wanted = how_many();
    atomic_store(&most, wanted);
    for (int i = 0; i < wanted && one >= 0; i++) {
        if (is_ours(atomic_load(&spare[i])))
            continue;
        int fd = fcntl(one, F_DUPFD_CLOEXEC, 3);
        atomic_store(&spare[i], fd < 0 ? NONE : fd);
    }
}

static int left(void)
{
    int count = 0;
    for (int i = 0; i < SPARES; i++)
        count += atomic_load(&spare[i]) != NONE;
    return count;
}

bool gs_spare_give(enum gs_spare_use use)
{
    int least = use == GS_SPARE_OF_MANY ? atomic_load(&most) / 2 : 0;
    for (int i = 0; i < SPARES && left() > least; i++) {
        int fd = atomic_exchange(&spare[i], NONE);
        if (is_ours(fd) && close(fd) == 0)
            return true;
    }
    return false;
}

void gs_spare_give_all(void)
{
    atomic_store(&most, 0);
    while (gs_spare_give(GS_SPARE_FOR_FILES))
        ;
}

static int open_with(enum gs_spare_use use, int dirfd, const char *path, int flags, mode_t mode)
{
    for (bool given = false;; given = true) {
        int fd = openat(dirfd, path, flags | O_CLOEXEC, mode);
        if (fd >= 0)
            return fd;
        int error = errno;
        if (error == EMFILE && gs_spare_give(use))
            continue;
        if (given)
            gs_spare_put_by(); // it was not that which it failed for
        return -error;
    }
}

int gs_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    return open_with(GS_SPARE_FOR_FILES, dirfd, path, flags, mode);
}

int gs_open_one_of_many(int dirfd, const char *path, int flags)
{
    return open_with(GS_SPARE_OF_MANY, dirfd, path, flags, 0);
}

/* Make FD, which is to be closed, a spare one: its number is never free in between. */
static bool becomes_spare(int fd)
{
    int one = NONE, slot = -1;
    for (int i = 0; i < atomic_load(&most); i++) {
        int there = atomic_load(&spare[i]);
        if (there == NONE)
            slot = i;
        else if (is_ours(there))
            one = there;
    }
    if (slot < 0 || one == NONE || fd <= 2 || dup3(one, fd, O_CLOEXEC) != fd)
        return false;
    int none = NONE;
    if (!atomic_compare_exchange_strong(&spare[slot], &none, fd))
        close(fd); // another thread of ours was quicker
    return true;
}

void gs_close(int fd)
{
    if (left() >= atomic_load(&most) || !becomes_spare(fd))
        close(fd);
}
