/* lines_file.c - fills lines into a profile's file.
 *
 *   heap.pb.gz ──first time: kept as──▶ heap.orig.pb.gz ──lines──▶ .heap.pb.gz.PID ──fsync, rename──▶ heap.pb.gz
 *
 * The original is kept, because it has addresses alone: later, when more debug files are installed, it is read again.
 * At each moment there is a complete file under the name. Who: the CLI. */
#include "base/memory.h"
#include "base/text.h"
#include "reader/reader.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "heap.pb.gz" becomes "heap.orig.pb.gz", and "profile" becomes "profile.orig". */
static int original_name(const char *name, char out[NAME_MAX + 1])
{
    static const char *const endings[] = {".pb.gz", ".pb", ".gz"};
    size_t length = strlen(name), stem = length;
    for (size_t i = 0; i < sizeof endings / sizeof *endings && stem == length; i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(name + length - ending, endings[i]) == 0)
            stem = length - ending;
    }
    return snprintf(out, NAME_MAX + 1, "%.*s.orig%s", (int)stem, name, name + stem) <= NAME_MAX
               ? 0
               : -ENAMETOOLONG;
}

bool gs_reader_is_original(const char *name)
{
    size_t length = strlen(name);
    return length > 11 && strcmp(name + length - 11, ".orig.pb.gz") == 0;
}

/* Read the profile NAME, or the original that is kept of it. */
static int read_profile(int dirfd, const char *name, const char *original, struct gs_profile **out,
                        struct gs_text *notes)
{
    char *bytes = NULL, why[160];
    size_t length = 0;
    int error = gs_file_read(dirfd, original, GS_PROFILE_BYTES_MAX, &bytes, &length);
    if (error == -ENOENT)
        error = gs_file_read(dirfd, name, GS_PROFILE_BYTES_MAX, &bytes, &length);
    if (error)
        return error;
    *out = gs_reader_profile(bytes, length, why, sizeof why);
    gs_free(bytes);
    if (*out)
        return 0;
    gs_text_add_printable(notes, name);
    gs_text_add(notes, ": %s\n", why);
    return -EBADMSG;
}

/* Write PROFILE as a new file NAME, with the owner and mode of LIKE (NULL: as usual). */
static int write_new(int dirfd, const char *name, const struct stat *like, const struct gs_profile *profile)
{
    int fd = gs_file_openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, like ? 0600 : 0666);
    if (fd < 0)
        return fd;
    int error = 0;
    if (like) {
        if (fchown(fd, like->st_uid, like->st_gid) != 0 && errno != EPERM)
            error = -errno;
        if (fchmod(fd, like->st_mode & 07777) != 0)
            error = -errno;
    }
    if (!error)
        error = gs_profile_write(profile, fd);
    if (!error && fsync(fd) != 0)
        error = -errno;
    close(fd);
    if (error)
        unlinkat(dirfd, name, 0);
    return error;
}

/* Keep NAME as ORIGINAL, unless an original is kept already. */
static int keep_original(int dirfd, const char *name, const char *original)
{
    if (linkat(dirfd, name, dirfd, original, 0) == 0 || errno == EEXIST)
        return 0;
    if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK)
        return -errno;
    return renameat2(dirfd, name, dirfd, original, 1 /* RENAME_NOREPLACE */) == 0
               ? 0
               : -errno; // no hard links here
}

static int replace(int dirfd, const char *name, const char *original, const struct gs_profile *profile)
{
    char temporary[NAME_MAX + 1];
    struct stat status;
    if (fstatat(dirfd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return -errno;
    if (snprintf(temporary, sizeof temporary, ".%s.%d", name, (int)getpid()) > NAME_MAX)
        return -ENAMETOOLONG;
    int error = write_new(dirfd, temporary, &status, profile);
    if (error)
        return error;
    error = keep_original(dirfd, name, original);
    if (!error && renameat(dirfd, temporary, dirfd, name) != 0)
        error = -errno;
    if (error)
        unlinkat(dirfd, temporary, 0);
    else if (fsync(dirfd) != 0)
        error = -errno;
    return error;
}

int gs_reader_write_profile(const struct gs_profile *profile, const char *out)
{
    char temporary[PATH_MAX];
    struct stat status;
    if (lstat(out, &status) == 0 && !S_ISREG(status.st_mode)) { // a pipe; a link, as /dev/stdout: it stays
        int fd = gs_file_openat(AT_FDCWD, out, O_WRONLY | O_TRUNC, 0),
            error = fd < 0 ? fd : gs_profile_write(profile, fd);
        if (fd >= 0)
            close(fd);
        return error;
    }
    if (snprintf(temporary, sizeof temporary, "%s.%d", out, (int)getpid()) >= PATH_MAX)
        return -ENAMETOOLONG;
    int error = write_new(AT_FDCWD, temporary, NULL, profile);
    if (!error && rename(temporary, out) != 0) {
        error = -errno;
        unlink(temporary);
    }
    return error;
}

int gs_reader_symbolize_file(int dirfd, const char *name, const char *out,
                             const struct gs_symbolize_options *options, struct gs_text *notes)
{
    char original[NAME_MAX + 1];
    struct gs_profile *profile = NULL;
    int error = original_name(name, original);
    if (!error)
        error = read_profile(dirfd, name, original, &profile, notes);
    if (error)
        return error;
    struct gs_profile *lined = gs_reader_symbolize_apart(profile, options, notes);
    if (!lined)
        error = -ENODATA;
    else if (out)
        error = gs_reader_write_profile(lined, out);
    else
        error = replace(dirfd, name, original, lined);
    gs_profile_free(lined);
    gs_profile_free(profile);
    return error;
}
