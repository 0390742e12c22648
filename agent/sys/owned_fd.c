/* owned_fd.c - descriptors that belong to a table. */
#include "sys/owned_fd.h"
#include <stdatomic.h>
#include <unistd.h>

static _Atomic unsigned current_table;

void gs_owned_fd_new_table(void)
{
    atomic_fetch_add(&current_table, 1);
}

int gs_owned_fd_take(struct gs_owned_fd *owned, int fd)
{
    *owned = (struct gs_owned_fd){fd < 0 ? -1 : fd, atomic_load(&current_table)};
    return fd < 0 ? fd : 0;
}

bool gs_owned_fd_is_open(const struct gs_owned_fd *owned, struct stat *status)
{
    return owned->fd >= 0 && owned->table == atomic_load(&current_table) &&
           (!status || fstat(owned->fd, status) == 0);
}

void gs_owned_fd_close(struct gs_owned_fd *owned)
{
    if (gs_owned_fd_is_open(owned, NULL))
        close(owned->fd);
    *owned = (struct gs_owned_fd)GS_OWNED_FD_NONE;
}
