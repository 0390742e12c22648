/* owned_fd.c - owned_fd.h in code. */
#include "sys/owned_fd.h"
#include <stdatomic.h>
#include <unistd.h>

static _Atomic unsigned table;

void gs_owned_fd_new_table(void)
{
    atomic_fetch_add(&table, 1);
}

int gs_owned_fd_take(struct gs_owned_fd *held, int fd)
{
    *held = (struct gs_owned_fd){fd < 0 ? -1 : fd, atomic_load(&table)};
    return fd < 0 ? fd : 0;
}

bool gs_owned_fd_is_open(const struct gs_owned_fd *held, struct stat *status)
{
    return held->fd >= 0 && held->table == atomic_load(&table) && (!status || fstat(held->fd, status) == 0);
}

void gs_owned_fd_close(struct gs_owned_fd *held)
{
    if (gs_owned_fd_is_open(held, NULL))
        close(held->fd);
    *held = (struct gs_owned_fd)GS_HELD_NONE;
}
