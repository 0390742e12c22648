/* store.c - the directory that incidents live in: opened once, checked, and used through its descriptor alone.
 * Who: the watcher. */
#include "base/file.h"
#include "base/memory.h"
#include "incident/inside.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Make DIR and its missing parents, 0700 each. */
static int make_directories(const char *dir)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s", dir) >= (int)sizeof path)
        return -ENAMETOOLONG;
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return mkdir(path, 0700) != 0 && errno != EEXIST ? -errno : 0;
}

/* Why FD, a directory, cannot be trusted with evidence; NULL when it can. */
static const char *distrust(int fd, struct stat *status)
{
    if (fstat(fd, status) != 0)
        return "it cannot be looked at";
    if (status->st_uid != geteuid()) {
        errno = EPERM;
        return "it belongs to another user: choose a directory of this process's own user";
    }
    if ((status->st_mode & 022) && !(status->st_mode & S_ISVTX)) {
        errno = EPERM;
        return "others may write in it: chmod go-w it, or choose another";
    }
    if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
        return "this process may not write in it";
    return NULL;
}

static int open_directory(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The absolute path of FD's directory. */
static void find_path(int fd, const char *given, char out[PATH_MAX])
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, out, PATH_MAX - 1);
    if (length > 0)
        out[length] = 0;
    else
        snprintf(out, PATH_MAX, "%s", given);
}

static int refuse(int error, const char *reason, char *why, size_t why_size)
{
    snprintf(why, why_size, "the incident directory is refused: %s", reason);
    errno = error;
    return -1;
}

static int open_checked(const char *dir, struct stat *status, char *why, size_t why_size)
{
    int error = *dir ? make_directories(dir) : -ENOENT;
    if (error)
        return refuse(-error, strerrordesc_np(-error), why, why_size);
    int fd = open_directory(dir);
    if (fd < 0)
        return refuse(errno,
                      errno == ENOTDIR || errno == ELOOP ? "it is not a directory, or a symbolic link"
                                                         : strerrordesc_np(errno),
                      why, why_size);
    const char *reason = distrust(fd, status);
    if (!reason)
        return fd;
    error = errno;
    close(fd);
    return refuse(error, reason, why, why_size);
}

struct gs_store *gs_store_open(const char *dir, const struct gs_store_limits *limits, char *why,
                               size_t why_size)
{
    struct stat status;
    int fd = open_checked(dir, &status, why, why_size);
    if (fd < 0)
        return NULL;
    struct gs_store *store = gs_alloc(sizeof *store);
    if (!store) {
        close(fd);
        refuse(ENOMEM, strerrordesc_np(ENOMEM), why, why_size);
        return NULL;
    }
    store->fd = fd;
    store->device = status.st_dev;
    store->inode = status.st_ino;
    store->limits = *limits;
    find_path(fd, dir, store->path);
    gs_store_sweep(store);
    return store;
}

void gs_store_limit(struct gs_store *store, const struct gs_store_limits *limits)
{
    store->limits = *limits;
}

void gs_store_close(struct gs_store *store)
{
    struct stat status;
    if (!store)
        return;
    if (fstat(store->fd, &status) == 0 && status.st_dev == store->device && status.st_ino == store->inode)
        close(store->fd); // else the number is the host's by now
    gs_free(store);
}

const char *gs_store_path(const struct gs_store *store)
{
    return store->path;
}

int gs_store_fd(struct gs_store *store)
{
    struct stat status;
    char why[256];
    bool ours =
        fstat(store->fd, &status) == 0 && status.st_dev == store->device && status.st_ino == store->inode;
    if (ours && status.st_nlink)
        return store->fd;
    int fd = open_checked(store->path, &status, why, sizeof why); // it was removed, or its descriptor closed
    if (fd < 0)
        return -errno;
    if (ours)
        close(store->fd);
    store->fd = fd;
    store->device = status.st_dev;
    store->inode = status.st_ino;
    return fd;
}
