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

static int open_kept(struct gs_kept *kept, struct stat *status)
{
    int fd = gs_openat(AT_FDCWD, kept->path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
    int error = fd < 0 ? fd : gs_hold(&kept->held, fd);
    if (!error && !gs_is_held(&kept->held, status))
        error = -EBADF;
    return error;
}

void gs_kept_init(struct gs_kept *kept, char *path)
{
    *kept = (struct gs_kept){.path = path, .held = GS_HELD_NONE};
}

void gs_kept_fini(struct gs_kept *kept)
{
    gs_release(&kept->held);
    gs_free(kept->path);
    *kept = (struct gs_kept){.held = GS_HELD_NONE};
}

int gs_kept_fd(struct gs_kept *kept, int64_t now_ns, struct stat *status)
{
    if (gs_is_held(&kept->held, status))
        return kept->held.fd;
    if (kept->error && now_ns < kept->again_ns)
        return kept->error;
    kept->error = open_kept(kept, status);
    kept->again_ns = now_ns + RETRY_NS;
    return kept->error ? kept->error : kept->held.fd;
}

ssize_t gs_kept_read(struct gs_kept *kept, int64_t now_ns, char *out, size_t size)
{
    struct stat status;
    int fd = gs_kept_fd(kept, now_ns, &status);
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
