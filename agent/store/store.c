/* store.c - the directory that contains the incidents: opened once, checked, and used only through its descriptor.
 * Who: the watcher. */
#include "base/memory.h"
#include "store/inside.h"
#include "sys/file.h"
#include "sys/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The store of this process that has no path for it (users.c); NULL: none. Context: watcher. */
static struct gs_store *user_store;

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

/* Why directory FD cannot be used for incidents, with errno; NULL: it can. *STATUS is filled. OF_USER: users.c made it,
 * for this process's group, and it has been open since. */
static const char *why_untrusted(int fd, bool of_user, struct stat *status)
{
    if (fstat(fd, status) != 0)
        return "its owner and permissions cannot be read";
    if (!of_user && status->st_uid != geteuid()) {
        errno = EPERM;
        return "it belongs to another user: choose a directory of this process's own user";
    }
    if (!of_user && (status->st_mode & 022) && !(status->st_mode & S_ISVTX)) {
        errno = EPERM;
        return "others may write in it: chmod go-w it, or choose another";
    }
    if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
        return "this process may not write in it";
    return NULL;
}

/* The absolute path of FD's directory. */
static void find_path(int fd, const char *given, char out[PATH_MAX])
{
    char link[32];
    snprintf(link, sizeof link, "/proc/thread-self/fd/%d", fd);
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

/* Open DIR, which is created if missing, and check that it can be trusted. The descriptor; or -1 with errno and a sentence
 * in WHY. */
static int open_checked(const char *dir, char *why, size_t why_size)
{
    struct stat status;
    int error = *dir ? make_directories(dir) : -ENOENT;
    if (error)
        return refuse(-error, strerrordesc_np(-error), why, why_size);
    int fd = gs_file_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        return refuse(-fd,
                      fd == -ENOTDIR || fd == -ELOOP ? "it is not a directory, or a symbolic link"
                                                     : strerrordesc_np(-fd),
                      why, why_size);
    const char *reason = why_untrusted(fd, false, &status);
    if (!reason)
        return fd;
    error = errno;
    close(fd);
    return refuse(error, reason, why, why_size);
}

/* Use FD, the directory at PATH, as the store's directory; the previous one is closed. 0 or -errno. */
static int use_directory(struct gs_store *store, int fd, const char *path)
{
    find_path(fd, path, store->path);
    gs_owned_fd_close(&store->directory);
    return gs_owned_fd_take(&store->directory, fd);
}

/* A store of the directory FD, which is closed on failure. NULL: out of memory. */
static struct gs_store *new_store(int fd, const char *dir, const struct gs_store_limits *limits)
{
    struct gs_store *store = gs_alloc(sizeof *store);
    if (!store) {
        close(fd);
        return NULL;
    }
    store->directory.fd = -1;
    store->limits = *limits;
    (void)!use_directory(store, fd, dir); // FD is open
    strcpy(store->opened_path, store->path);
    return store;
}

struct gs_store *gs_store_open(const char *dir, const struct gs_store_limits *limits, char *why,
                               size_t why_size)
{
    int fd = open_checked(dir, why, why_size);
    struct gs_store *store = fd < 0 ? NULL : new_store(fd, dir, limits);
    if (fd >= 0 && !store)
        refuse(ENOMEM, strerrordesc_np(ENOMEM), why, why_size);
    return store;
}

void gs_store_limit(struct gs_store *store, const struct gs_store_limits *limits)
{
    store->limits = *limits;
}

void gs_store_close(struct gs_store *store)
{
    if (!store)
        return;
    gs_owned_fd_close(&store->directory);
    if (user_store == store)
        user_store = NULL;
    gs_free(store);
}

/* ---- a store of a user (users.c) ------------------------------------------------------------------------------------ */

int gs_store_use_user(struct gs_store *store, int fd)
{
    int error = use_directory(store, fd, store->path);
    strcpy(store->opened_path, store->path);
    store->of_user = true;
    user_store = store;
    return error;
}

struct gs_store *gs_store_open_user(int fd, const struct gs_store_limits *limits)
{
    struct gs_store *store = new_store(fd, "", limits);
    if (store) {
        store->of_user = true;
        user_store = store;
    }
    return store;
}

bool gs_store_is_of_user(const struct gs_store *store)
{
    return store->of_user;
}

int gs_store_dup_user(void)
{
    enum { LOWEST = 3 };
    if (!user_store || !gs_owned_fd_is_open(&user_store->directory, NULL))
        return -ENOENT;
    int fd = fcntl(user_store->directory.fd, F_DUPFD_CLOEXEC, LOWEST);
    return fd < 0 ? -errno : fd;
}

int gs_store_open_folder(const char *path)
{
    enum { FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW };
    int fd = gs_file_openat(AT_FDCWD, path, FLAGS, 0);
    size_t length = user_store ? strlen(user_store->path) : 0;
    if (fd != -EACCES || !length || strncmp(path, user_store->path, length) != 0 || path[length] != '/' ||
        !gs_owned_fd_is_open(&user_store->directory, NULL))
        return fd;
    return gs_file_openat(user_store->directory.fd, path + length + 1, FLAGS, 0);
}

/* ---- the directory, again and again --------------------------------------------------------------------------------- */

int gs_store_open_again(struct gs_store *store, char *why, size_t why_size)
{
    struct stat status;
    if (gs_owned_fd_is_open(&store->directory, &status) && status.st_nlink) {
        const char *reason = why_untrusted(store->directory.fd, store->of_user, &status);
        return reason ? (refuse(errno, reason, why, why_size), -errno) : 0;
    }
    int fd = open_checked(store->opened_path, why, why_size);
    return fd < 0 ? -errno : use_directory(store, fd, store->opened_path);
}

void gs_store_log_if_unwritable(struct gs_store *store)
{
    struct stat status;
    const char *reason = gs_owned_fd_is_open(&store->directory, NULL)
                             ? why_untrusted(store->directory.fd, store->of_user, &status)
                             : NULL;
    if (reason && !store->unwritable_logged)
        gs_log(GS_LOG_WARNING,
               "the process has other credentials now, and incidents cannot be written to %s: %s",
               store->path, reason);
    store->unwritable_logged = reason != NULL;
}

const char *gs_store_path(const struct gs_store *store)
{
    return store->path;
}

/* The store was moved, or its path now leads to something that cannot be trusted: keep writing to the directory that is
 * open. Logged once. Returns its descriptor. */
static int keep_directory(struct gs_store *store, const char *why)
{
    find_path(store->directory.fd, store->path, store->path);
    if (!store->move_logged)
        gs_log(GS_LOG_WARNING,
               "%s is not the incident directory any more; incidents are still written to %s%s%s",
               store->opened_path, store->path, *why ? ": " : "", why);
    store->move_logged = true;
    return store->directory.fd;
}

/* Open the directory that is at the store's path now. Its descriptor, or -errno. */
static int reopen_directory(struct gs_store *store, bool removed)
{
    char why[256];
    int fd = open_checked(store->opened_path, why, sizeof why),
        error = fd < 0 ? -errno : use_directory(store, fd, store->opened_path);
    if (error) {
        if (fd < 0 && !removed)
            return keep_directory(store, why);
        gs_log(GS_LOG_ERROR, "%s: %s", store->opened_path, fd < 0 ? why : strerrordesc_np(-error));
        return error;
    }
    store->move_logged = false;
    gs_log(GS_LOG_WARNING, "%s was replaced, removed or closed: it was opened again", store->opened_path);
    return store->directory.fd;
}

/* The descriptor of a store of a user, which cannot be opened again. */
static int user_fd(struct gs_store *store)
{
    struct stat status;
    if (gs_owned_fd_is_open(&store->directory, &status) && status.st_nlink)
        return store->directory.fd;
    if (!store->move_logged)
        gs_log(GS_LOG_ERROR,
               "%s was removed or closed, and this user cannot open it again: incidents are lost until this "
               "process starts again",
               store->path);
    store->move_logged = true;
    return -ENOENT;
}

int gs_store_fd(struct gs_store *store)
{
    struct stat open_status, path_status;
    if (store->of_user)
        return user_fd(store);
    bool removed = !gs_owned_fd_is_open(&store->directory, &open_status) || open_status.st_nlink == 0;
    if (!removed && fstatat(AT_FDCWD, store->opened_path, &path_status, AT_SYMLINK_NOFOLLOW) != 0)
        return keep_directory(store, ""); // moved away, or the host has changed its root
    if (!removed && path_status.st_dev == open_status.st_dev && path_status.st_ino == open_status.st_ino) {
        store->move_logged = false;
        return store->directory.fd;
    }
    return reopen_directory(store, removed);
}
