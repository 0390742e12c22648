/* owned_fd.h - descriptors that the agent keeps open from tick to tick.
 *
 * The agent's threads have a table of descriptors of their own (own_thread.h): the host has none of these numbers, cannot
 * close them, and its children do not inherit them. A table ends with its last thread. So each descriptor is known by its
 * table: one of a table that is gone counts as closed, also in the child of a fork.
 * Context: threads that share the watcher's table; the command, which has one table for good. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <sys/stat.h>

struct gs_owned_fd {
    int fd;         // -1: none
    unsigned table; // that it is of
};
#define GS_HELD_NONE {.fd = -1}

/* From now on descriptors are of another table, and none that was held before counts. Context: the first thread of a table,
 * as it begins, and the last as it ends. */
void gs_owned_fd_new_table(void);

/* Keep FD. 0, or the error that FD is, if it is negative. */
int gs_owned_fd_take(struct gs_owned_fd *held, int fd) GS_CHECK_RESULT;
/* Is it open? STATUS, if it is not NULL, is what it is of. */
bool gs_owned_fd_is_open(const struct gs_owned_fd *held, struct stat *status);
/* Close it, if it is open, and forget it. */
void gs_owned_fd_close(struct gs_owned_fd *held);
