/* lock.c - the lock of a box: while it is held, the box's writer runs, in any container. Context: watcher, CLI. */
#include "box/box.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool gs_box_lock(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &whole) == 0 || (errno != EACCES && errno != EAGAIN);
}

bool gs_box_is_locked(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}
