/* file.h - reads and writes whole files, without stdio. 0 or -errno; EINTR is handled here.
 * Context: watcher, CLI. */
#pragma once
#include "base/attributes.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* openat(2), close-on-exec. The descriptor, or -errno. */
int gs_file_openat(int dirfd, const char *path, int flags, mode_t mode) GS_CHECK_RESULT;

/* Open PATH for reading, if it is a regular file: opening some devices has effects, and the path may be anybody's. The
 * descriptor; -EINVAL: it is not a regular file; or another -errno. */
int gs_file_open_regular(const char *path) GS_CHECK_RESULT;

/* Read FD from its current offset to the end, at most MAX bytes (more: -EFBIG), with a NUL after *LENGTH bytes.
 * The caller frees *BYTES with gs_free. */
int gs_file_read_all(int fd, size_t max, char **bytes, size_t *length) GS_CHECK_RESULT;
/* The same for a path (openat's DIRFD, or AT_FDCWD). Only regular files and /proc: a FIFO, socket or device is
 * -EINVAL, a directory -EISDIR. */
int gs_file_read(int dirfd, const char *path, size_t max, char **bytes, size_t *length) GS_CHECK_RESULT;
/* Read LENGTH bytes of FD at OFFSET into OUT, as pread(2). False: the file is too short, or a read failed; OUT may then hold
 * a part. */
bool gs_file_read_at(int fd, uint64_t offset, void *out, size_t length) GS_CHECK_RESULT;
int gs_file_write_all(int fd, const void *bytes, size_t length) GS_CHECK_RESULT;

/* Walk the entries of directory DIRFD (not . and ..) without malloc, which opendir(3) would call. */
struct gs_dir { int fd; long filled, at; char block[4096] __attribute__((aligned(8))); };
void gs_file_dir_start(struct gs_dir *dir, int dirfd);   // borrows DIRFD and rewinds it
const char *gs_file_dir_next(struct gs_dir *dir);        // the name is valid until the next call; NULL: no more entries
