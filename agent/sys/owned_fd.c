/* owned_fd.c - held.h in code. */
#include "sys/owned_fd.h"
#include <stdatomic.h>
#include <unistd.h>

static _Atomic unsigned table;

void gs_held_new_table(void)
{
    atomic_fetch_add(&table, 1);
}

int gs_hold(struct gs_held *held, int fd)
{
    *held = (struct gs_held){fd < 0 ? -1 : fd, atomic_load(&table)};
    return fd < 0 ? fd : 0;
}

bool gs_is_held(const struct gs_held *held, struct stat *status)
{
    return held->fd >= 0 && held->table == atomic_load(&table) && (!status || fstat(held->fd, status) == 0);
}

void gs_release(struct gs_held *held)
{
    if (gs_is_held(held, NULL))
        close(held->fd);
    *held = (struct gs_held)GS_HELD_NONE;
}
