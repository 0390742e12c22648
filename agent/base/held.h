/* held.h - descriptors of ours in a process of somebody else's.
 *
 * Daemons close every descriptor that they find, and their next open gets our number: a number alone says nothing. So each
 * one that we keep is known by what it is of, and looked at before it is used or closed.
 * Context: watcher, CLI. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <sys/stat.h>

struct gs_held {
    int fd;       // -1: none
    dev_t device; // what it is of
    ino_t inode;
};
#define GS_HELD_NONE {.fd = -1}

/* Move FD up, out of the host's way: the lowest free number is what its next open(2) counts on, and 0 to 2 mean something.
 * The new number, or -errno: FD is closed then. A negative FD is given back. */
int gs_out_of_the_way(int fd);
/* Keep FD, which is moved out of the way. 0 or -errno: it is closed then. */
int gs_hold(struct gs_held *held, int fd) GS_CHECK_RESULT;
/* Is it still what it was? STATUS may be NULL. */
bool gs_is_held(const struct gs_held *held, struct stat *status);
/* Close it, unless the host did, and forget it. */
void gs_release(struct gs_held *held);
