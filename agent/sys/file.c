/* file.c - reads and writes whole files, without stdio. */
#include "sys/file.h"
#include "base/memory.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int gs_file_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    int fd = openat(dirfd, path, flags | O_CLOEXEC, mode);
    return fd < 0 ? -errno : fd;
}

int gs_file_open_regular(const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return -EINVAL;
    int fd = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd >= 0 && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))) { // replaced meanwhile
        close(fd);
        return -EINVAL;
    }
    return fd;
}

int gs_file_read_all(int fd, size_t max, char **bytes, size_t *length)
{
    char *text = NULL;
    size_t capacity = 0, filled = 0;
    for (;;) {
        if (gs_grow(&text, &capacity, filled + 4096, 1)) {
            gs_free(text);
            return -ENOMEM;
        }
        ssize_t got = read(fd, text + filled, capacity - filled - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || filled + (size_t)got > max) {
            int error = got < 0 ? -errno : -EFBIG;
            gs_free(text);
            return error;
        }
        filled += (size_t)got;
        if (got == 0)
            break;
    }
    text[filled] = 0;
    *bytes = text;
    *length = filled;
    return 0;
}

int gs_file_read(int dirfd, const char *path, size_t max, char **bytes, size_t *length)
{
    int fd = gs_file_openat(dirfd, path, O_RDONLY | O_NOCTTY | O_NONBLOCK,
                            0); // NONBLOCK: opening a FIFO does not wait
    if (fd < 0)
        return fd;
    struct stat status;
    int error = fstat(fd, &status)        ? -errno
                : S_ISDIR(status.st_mode) ? -EISDIR
                : S_ISREG(status.st_mode) ? 0
                                          : -EINVAL;
    if (!error)
        error = gs_file_read_all(fd, max, bytes, length);
    close(fd);
    return error;
}

bool gs_file_read_at(int fd, uint64_t offset, void *out, size_t length)
{
    char *at = out;
    while (length) {
        ssize_t got = offset > INT64_MAX ? 0 : pread(fd, at, length, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        offset += (uint64_t)got;
        length -= (size_t)got;
    }
    return true;
}

int gs_file_write_all(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length) {
        ssize_t wrote = write(fd, at, length);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote ? -errno : -EIO;
        at += wrote;
        length -= (size_t)wrote;
    }
    return 0;
}

void gs_file_dir_start(struct gs_dir *dir, int dirfd)
{
    dir->fd = dirfd;
    dir->filled = dir->at = 0;
    lseek(dirfd, 0, SEEK_SET);
}

const char *gs_file_dir_next(struct gs_dir *dir)
{
    for (;;) {
        if (dir->at >= dir->filled) {
            dir->filled = syscall(SYS_getdents64, dir->fd, dir->block, sizeof dir->block);
            dir->at = 0;
            if (dir->filled <= 0)
                return NULL;
        }
        struct dirent64 *entry = (struct dirent64 *)(void *)(dir->block + dir->at);
        dir->at += entry->d_reclen;
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            return entry->d_name;
    }
}
