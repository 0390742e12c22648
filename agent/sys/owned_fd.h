/* owned_fd.h - descriptors that the agent keeps open from tick to tick.
 *
 * The agent's threads have their own table of descriptors (own_thread.h): the host cannot close these descriptors, and its
 * children do not inherit them. A table ends with its last thread. So each descriptor is stored with the number of its
 * table; if that table has ended, the descriptor counts as closed, also in the child of a fork.
 * Context: threads that share the watcher's table; the command, which has one table. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <sys/stat.h>

struct gs_owned_fd {
    int fd;         // -1: none
    unsigned table; // number of its table
};
#define GS_OWNED_FD_NONE {.fd = -1}

/* Start a new table: all descriptors stored so far count as closed. Context: the first thread of a table when it starts, and
 * the last one when it ends; the child of a fork. */
void gs_owned_fd_new_table(void);

/* Take FD, which may be -errno of a failed open. Returns 0, or that -errno. */
int gs_owned_fd_take(struct gs_owned_fd *owned, int fd) GS_CHECK_RESULT;
/* True: it is open, and, if STATUS is not NULL, fstat(2) has filled STATUS. */
bool gs_owned_fd_is_open(const struct gs_owned_fd *owned, struct stat *status);
/* Close it if it is open, and set it to none. */
void gs_owned_fd_close(struct gs_owned_fd *owned);
