/* write_text.c - writes a page or a picture to a file: as a whole, or not at all. Context: CLI. */
#include "base/text.h"
#include "reader/reader.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Write TEXT to PATH, opened with FLAGS. */
static int write_to(const struct gs_text *text, const char *path, int flags)
{
    int fd = gs_file_openat(AT_FDCWD, path, O_WRONLY | flags, 0666);
    if (fd < 0)
        return fd;
    int error = gs_file_write_all(fd, text->bytes, text->length);
    return close(fd) != 0 && !error ? -errno : error;
}

int gs_reader_write_text(const struct gs_text *text, const char *out)
{
    char temporary[PATH_MAX];
    struct stat status;
    if (stat(out, &status) == 0 && !S_ISREG(status.st_mode)) // /dev/stdout, a pipe
        return write_to(text, out, 0);
    if (snprintf(temporary, sizeof temporary, "%s.%d", out, (int)getpid()) >= PATH_MAX)
        return -ENAMETOOLONG;
    int error = write_to(text, temporary, O_CREAT | O_EXCL | O_NOFOLLOW);
    if (!error && rename(temporary, out) != 0)
        error = -errno;
    if (error && error != -EEXIST)
        unlink(temporary);
    return error;
}
