/* kept.c - descriptors of ours in a process of somebody else's.
 *
 *   opened ──▶ moved up, out of the host's way ──▶ read, tick by tick ──▶ lost: the host closed it
 *      ▲                                                                              │
 *      └──────────────────────────────────────────────────────────────────────────────┘
 *
 * A number that now means a file of the host's is neither read nor closed: it is forgotten.
 * Who:    the watcher. Reads are pread(2) from 0: no position to lose.
 * Bounds: a file that will not open is tried once in RETRY_NS, not at every tick. */
#include "base/clock.h"
#include "base/memory.h"
#include "metrics/inside.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RETRY_NS (10 * GS_NS_PER_S)

/* The lowest free number is what the host's next open(2) counts on, and 0 to 2 mean something. 400 is above
 * what most hosts use and below any usual limit; where it is not, above stderr will do. */
static int out_of_the_way(int low)
{
    static const int from[] = {400, 3};
    int high = -1;
    for (size_t i = 0; i < sizeof from / sizeof *from && high < 0; i++)
        high = fcntl(low, F_DUPFD_CLOEXEC, from[i]);
    if (high < 0)
        return low > 2 ? low : -1;
    close(low);
    return high;
}

static int open_kept(struct gs_kept *kept, struct stat *status)
{
    int fd = open(kept->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    int moved = out_of_the_way(fd);
    if (moved < 0 || fstat(moved, status)) {
        int error = -errno;
        close(moved < 0 ? fd : moved);
        return error;
    }
    kept->open = true;
    kept->fd = moved;
    kept->device = status->st_dev;
    kept->inode = status->st_ino;
    return 0;
}

static bool still_ours(const struct gs_kept *kept, struct stat *status)
{
    return kept->open && fstat(kept->fd, status) == 0 && status->st_dev == kept->device &&
           status->st_ino == kept->inode;
}

void gs_kept_init(struct gs_kept *kept, char *path)
{
    *kept = (struct gs_kept){.path = path};
}

void gs_kept_fini(struct gs_kept *kept)
{
    struct stat status;
    if (still_ours(kept, &status))
        close(kept->fd);
    gs_free(kept->path);
    *kept = (struct gs_kept){0};
}

int gs_kept_fd(struct gs_kept *kept, int64_t now_ns, struct stat *status)
{
    if (still_ours(kept, status))
        return kept->fd;
    kept->open = false; // closed behind our back, or the host's by now: either way not ours to close
    if (kept->error && now_ns < kept->again_ns)
        return kept->error;
    kept->error = open_kept(kept, status);
    kept->again_ns = now_ns + RETRY_NS;
    return kept->error ? kept->error : kept->fd;
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
