/* fresh_store.h - a store in a folder of its own under /tmp, for one test. */
#pragma once
#include "store/store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRESH_DIR = 64 };

/* The store, in a new folder whose path is put into DIR; NULL: there is none to be had. */
static inline struct gs_store *fresh_store(char dir[FRESH_DIR])
{
    char why[256];
    strcpy(dir, "/tmp/gumshoe-test-XXXXXX");
    return mkdtemp(dir) ? gs_store_open(dir, &(struct gs_store_limits){0}, why, sizeof why) : NULL;
}

/* Close STORE and remove DIR with all that is in it, whatever a test has done to its mode. 0: it is gone. */
static inline int remove_store_at(struct gs_store *store, const char *dir)
{
    char command[2 * FRESH_DIR + 64];
    gs_store_close(store);
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", dir, dir);
    return system(command);
}
