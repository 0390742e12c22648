/* source_file.c - files that stay open from tick to tick.
 *
 *   opened ──▶ read at every tick ──▶ closed by the host (sys/owned_fd.h notices) ──▶ opened again
 *
 * Who:    the watcher. Reads are pread(2) from offset 0, so there is no file position to maintain.
 * Bounds: a file that cannot be opened is tried every RETRY_NS, not at every tick. */
#include "base/clock.h"
#include "base/memory.h"
#include "metrics/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RETRY_NS (10 * GS_NS_PER_S)

static int open_file(struct gs_source_file *file, struct stat *status)
{
    int fd = gs_file_openat(AT_FDCWD, file->path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
    int error = fd < 0 ? fd : gs_owned_fd_take(&file->owned, fd);
    if (!error && !gs_owned_fd_is_open(&file->owned, status))
        error = -EBADF;
    return error;
}

void gs_metrics_source_init(struct gs_source_file *file, char *path)
{
    *file = (struct gs_source_file){.path = path, .owned = GS_OWNED_FD_NONE};
}

void gs_metrics_source_fini(struct gs_source_file *file)
{
    gs_owned_fd_close(&file->owned);
    gs_free(file->path);
    *file = (struct gs_source_file){.owned = GS_OWNED_FD_NONE};
}

int gs_metrics_source_fd(struct gs_source_file *file, int64_t now_ns, struct stat *status)
{
    if (gs_owned_fd_is_open(&file->owned, status))
        return file->owned.fd;
    if (file->error && now_ns < file->retry_ns)
        return file->error;
    file->error = open_file(file, status);
    file->retry_ns = now_ns + RETRY_NS;
    return file->error ? file->error : file->owned.fd;
}

static ssize_t read_start(int fd, char *out, size_t size)
{
    ssize_t got;
    do
        got = pread(fd, out, size - 1, 0);
    while (got < 0 && errno == EINTR);
    out[got < 0 ? 0 : got] = 0;
    return got < 0 ? -errno : got;
}

ssize_t gs_metrics_source_read(struct gs_source_file *file, int64_t now_ns, char *out, size_t size)
{
    int fd = gs_metrics_source_fd(file, now_ns, NULL);
    ssize_t got = fd < 0 ? fd : read_start(fd, out, size);
    if (fd < 0 || got != -EBADF)
        return got;
    file->owned = (struct gs_owned_fd)GS_OWNED_FD_NONE; // it was closed: open it again
    fd = gs_metrics_source_fd(file, now_ns, NULL);
    return fd < 0 ? fd : read_start(fd, out, size);
}
