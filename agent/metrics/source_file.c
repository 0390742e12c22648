/* source_file.c - files that stay open from tick to tick.
 *
 *   opened ──▶ read, tick by tick ──▶ lost, with the table that it was of (base/held.h) ──▶ opened again
 *
 * Who:    the watcher. Reads are pread(2) from 0: no position to lose.
 * Bounds: a file that will not open is tried once in RETRY_NS, not at every tick. */
#include "base/clock.h"
#include "base/memory.h"
#include "metrics/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RETRY_NS (10 * GS_NS_PER_S)

static int open_kept(struct gs_source_file *kept, struct stat *status)
{
    int fd = gs_file_openat(AT_FDCWD, kept->path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
    int error = fd < 0 ? fd : gs_owned_fd_take(&kept->held, fd);
    if (!error && !gs_owned_fd_is_open(&kept->held, status))
        error = -EBADF;
    return error;
}

void gs_metrics_source_init(struct gs_source_file *kept, char *path)
{
    *kept = (struct gs_source_file){.path = path, .held = GS_HELD_NONE};
}

void gs_metrics_source_fini(struct gs_source_file *kept)
{
    gs_owned_fd_close(&kept->held);
    gs_free(kept->path);
    *kept = (struct gs_source_file){.held = GS_HELD_NONE};
}

int gs_metrics_source_fd(struct gs_source_file *kept, int64_t now_ns, struct stat *status)
{
    if (gs_owned_fd_is_open(&kept->held, status))
        return kept->held.fd;
    if (kept->error && now_ns < kept->again_ns)
        return kept->error;
    kept->error = open_kept(kept, status);
    kept->again_ns = now_ns + RETRY_NS;
    return kept->error ? kept->error : kept->held.fd;
}

ssize_t gs_metrics_source_read(struct gs_source_file *kept, int64_t now_ns, char *out, size_t size)
{
    struct stat status;
    int fd = gs_metrics_source_fd(kept, now_ns, &status);
    if (fd < 0)
        return fd;
    ssize_t got;
    do
        got = pread(fd, out, size - 1, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    out[got] = 0;
    return got;
}
