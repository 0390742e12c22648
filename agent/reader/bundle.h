/* bundle.h - a bundle: an incident as one file, for another machine (bundle_write.c, bundle_read.c).
 *
 *   F.tar.gz: a folder, and in it the incident's files; no links, no absolute paths, nothing of the machine that wrote it
 *
 * Written and read with libarchive, which is the command's alone. Context of all functions: CLI. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- writing ---------------------------------------------------------------------------------------------------- */

struct gs_bundle_writer;
/* Begin an archive on FD. All its members are below FOLDER (a plain name) and have TIME_S, seconds since the epoch, as their time:
 * the same files give the same bytes. 0 or -errno. */
int gs_reader_bundle_begin(int fd, const char *folder, int64_t time_s, struct gs_bundle_writer **out) GS_CHECK_RESULT;
/* Add what FD holds from its start on as the member NAME, a path below the folder. 0 or -errno. */
int gs_reader_bundle_add(struct gs_bundle_writer *writer, const char *name, int fd) GS_CHECK_RESULT;
/* Complete the archive, and free WRITER (also after a failure). 0 or -errno; FD stays open. */
int gs_reader_bundle_end(struct gs_bundle_writer *writer) GS_CHECK_RESULT;

/* ---- reading, of untrusted origin -------------------------------------------------------------------------------- */

/* Is PATH a regular file that begins as a bundle does? */
bool gs_reader_is_bundle(const char *path);
/* Read the member NAME, directly below the bundle's one folder, at most MAX bytes, with a NUL behind. The archive is read as a stream;
 * it is refused if it unpacks to more than 1 GiB before that member, or holds anything but folders and files. 0; -ENOENT: no such
 * member; -EFBIG: the member is larger; -EBADMSG: refused, WHY is a sentence; or another -errno. The caller frees *BYTES with
 * gs_free. */
int gs_reader_bundle_file(const char *path, const char *name, size_t max, char **bytes, size_t *length, char *why,
                          size_t why_size) GS_CHECK_RESULT;
