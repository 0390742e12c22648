/* held.c - held.h in code. */
#include "base/held.h"
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

/* 400 is above what most hosts use and below any usual limit; where it is not, above stderr will do. */
int gs_out_of_the_way(int fd)
{
    static const int from[] = {400, 3};
    int high = -1;
    if (fd < 0)
        return fd;
    for (size_t i = 0; i < sizeof from / sizeof *from && high < 0; i++)
        high = fcntl(fd, F_DUPFD_CLOEXEC, from[i]);
    if (high < 0 && fd > 2)
        return fd; // no number is free: it stays where it is
    int error = -errno;
    close(fd);
    return high < 0 ? error : high;
}

int gs_hold(struct gs_held *held, int fd)
{
    struct stat status;
    *held = (struct gs_held)GS_HELD_NONE;
    int moved = gs_out_of_the_way(fd);
    if (moved < 0)
        return moved;
    if (fstat(moved, &status) != 0) {
        int error = -errno;
        close(moved);
        return error;
    }
    *held = (struct gs_held){moved, status.st_dev, status.st_ino};
    return 0;
}

bool gs_is_held(const struct gs_held *held, struct stat *status)
{
    struct stat room;
    if (!status)
        status = &room;
    return held->fd >= 0 && fstat(held->fd, status) == 0 && status->st_dev == held->device &&
           status->st_ino == held->inode;
}

void gs_release(struct gs_held *held)
{
    if (gs_is_held(held, NULL))
        close(held->fd);
    *held = (struct gs_held)GS_HELD_NONE;
}
