/* spare.h - descriptors put by, for the time when the host has used up its own.
 *
 * A host that leaks descriptors until EMFILE is just what an incident is about, and a capture needs a few at once. So some are
 * taken at the start. An open of ours that finds no number free gives one back to open with; closing turns it into a spare one
 * again, in one step. A host that is after descriptors in a tight loop can snatch one between the two: then the next goes, and
 * what is read for each thread leaves some for the incident's own files.
 * Context: watcher, and other threads of ours. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <sys/types.h>

/* Put some by, as many as the limit allows for; call it again to make up for those that were used. */
void gs_spare_put_by(void);
/* Give one back to the process; false: there is none left, or (GS_SPARE_OF_MANY) only the half that files need. */
enum gs_spare_use { GS_SPARE_FOR_FILES, GS_SPARE_OF_MANY };
bool gs_spare_give(enum gs_spare_use use);
/* Give all back: the watch ends, or this is a forked child. */
void gs_spare_give_all(void);

/* openat(2), close-on-exec, with a spare one where there is no other. The descriptor, or -errno. */
int gs_openat(int dirfd, const char *path, int flags, mode_t mode) GS_CHECK_RESULT;
/* The same to read what there is a lot of (a file for each thread, each library): with GS_SPARE_OF_MANY. */
int gs_open_one_of_many(int dirfd, const char *path, int flags) GS_CHECK_RESULT;
/* Close what they opened; while a spare one is missing, it becomes that. */
void gs_close(int fd);
