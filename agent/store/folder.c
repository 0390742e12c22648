/* folder.c - one incident's folder while it is being made.
 *
 *   .<name>/ ── file ▶ fsync ▶ crc32 ── … ── incident.json ▶ fsync(folder) ▶ rename to <name>/ ▶ fsync(store)
 *
 * A folder under its final name is complete and synced to disk. While a process makes it, that process holds a lock (flock)
 * on it. The kernel releases the lock when the process dies, in any container; sweep.c treats a dot-folder without a lock as
 * abandoned. All access goes through descriptors and follows no link. The store is reached as "..", because it may have been
 * moved.
 * Who: the watcher. */
#include "base/clock.h"
#include "base/memory.h"
#include "store/inside.h"
#include "sys/file.h"
#include "sys/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* ---- making a folder ------------------------------------------------------------------------------------------------ */

static bool name_exists(int store, const char *name)
{
    struct stat status;
    return fstatat(store, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Lock FD, the new dot-folder of NAME. -EEXIST: a sweep removed the folder first, or NAME exists (a process of another
 * container with the same pid published it). After this check NAME cannot appear: only a rename of the dot-folder creates
 * it. */
static int lock_new_folder(int store, const char *name, int fd)
{
    struct stat status;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return -EEXIST;
    if (fstat(fd, &status) != 0)
        return -errno;
    return status.st_nlink == 0 || name_exists(store, name) ? -EEXIST : 0;
}

/* Make ".NAME". -EEXIST: ".NAME" or NAME exists. */
static int make_dot_folder(int store, const char *name, struct gs_owned_fd *out)
{
    char dot[GS_FOLDER_NAME_MAX + 1];
    snprintf(dot, sizeof dot, ".%s", name);
    if (mkdirat(store, dot, 0700) != 0)
        return -errno;
    int fd = gs_file_openat(store, dot, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    int error = fd == -ENOENT ? -EEXIST
                : fd < 0      ? fd
                              : lock_new_folder(store, name, fd); // ENOENT: a sweep removed it first
    if (!error)
        error = gs_owned_fd_take(out, fd);
    else if (fd >= 0)
        close(fd);
    if (error)
        unlinkat(store, dot, AT_REMOVEDIR);
    return error;
}

int gs_store_folder_make(struct gs_store *store, const char *rule, int pid, int64_t triggered_ns,
                         struct gs_folder *out)
{
    enum { TRIES = 100 };
    char time[GS_TIME_TEXT];
    *out = (struct gs_folder){.directory = GS_OWNED_FD_NONE};
    int store_fd = gs_store_fd(store), error = store_fd < 0 ? store_fd : -EEXIST;
    gs_clock_print(triggered_ns, GS_TIME_FOLDER, time);
    for (int n = 1; n <= TRIES && error == -EEXIST; n++) {
        int length = snprintf(out->name, sizeof out->name, "%s-%s-%d", time, rule, pid);
        if (n > 1)
            snprintf(out->name + length, sizeof out->name - (size_t)length, "-%d", n);
        error = make_dot_folder(store_fd, out->name, &out->directory);
    }
    if (error)
        return error;
    out->files = json_array();
    return out->files ? 0 : -ENOMEM;
}

/* ---- its files ------------------------------------------------------------------------------------------------------ */

int gs_store_folder_create(struct gs_folder *folder, const char *name)
{
    if (!gs_owned_fd_is_open(&folder->directory, NULL))
        return -EBADF; // the host closed it
    return gs_file_openat(folder->directory.fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
}

static int describe_file(int fd, const char *name, json_t **out)
{
    unsigned char block[4096];
    uLong crc = crc32(0, NULL, 0);
    off_t size = 0;
    for (ssize_t length; (length = pread(fd, block, sizeof block, size)) != 0;) {
        if (length < 0)
            return -errno;
        crc = crc32(crc, block, (uInt)length);
        size += length;
    }
    char hex[9];
    snprintf(hex, sizeof hex, "%08lx", crc);
    *out = json_pack("{s:s, s:I, s:s}", "name", name, "size", (json_int_t)size, "crc32", hex);
    return *out ? 0 : -ENOMEM;
}

int gs_store_file_entry(int folderfd, const char *name, json_t **out)
{
    int fd = gs_store_open_regular(folderfd, name), error = fd < 0 ? fd : describe_file(fd, name, out);
    if (fd >= 0)
        close(fd);
    return error;
}

int gs_store_folder_record(struct gs_folder *folder, const char *name, int fd)
{
    json_t *entry;
    int error = fsync(fd) != 0 ? -errno : describe_file(fd, name, &entry);
    if (!error && json_array_append_new(folder->files, entry) != 0)
        error = -ENOMEM;
    if (error) {
        gs_store_folder_discard(folder, name, fd);
        return error;
    }
    close(fd);
    return 0;
}

void gs_store_folder_discard(struct gs_folder *folder, const char *name, int fd)
{
    close(fd);
    if (gs_owned_fd_is_open(&folder->directory, NULL))
        unlinkat(folder->directory.fd, name, 0);
}

int gs_store_folder_write(struct gs_folder *folder, const char *name, const void *bytes, size_t length)
{
    int fd = gs_store_folder_create(folder, name);
    if (fd < 0)
        return fd;
    int error = gs_file_write_all(fd, bytes, length);
    if (!error)
        return gs_store_folder_record(folder, name, fd);
    gs_store_folder_discard(folder, name, fd);
    return error;
}

int gs_store_folder_write_json(struct gs_folder *folder, const json_t *json)
{
    return gs_store_replace_incident_json(&folder->directory, json);
}

/* ---- publish and close ---------------------------------------------------------------------------------------------- */

/* Open the directory that contains FOLDER. -EBADF: the host closed the folder's descriptor. */
static int open_parent(const struct gs_folder *folder)
{
    return gs_owned_fd_is_open(&folder->directory, NULL)
               ? gs_file_openat(folder->directory.fd, "..", O_RDONLY | O_DIRECTORY, 0)
               : -EBADF;
}

static int rename_without_dot(int parent, const char *name)
{
    char dot[GS_FOLDER_NAME_MAX + 1];
    snprintf(dot, sizeof dot, ".%s", name);
    if (renameat2(parent, dot, parent, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    // This file system lacks RENAME_NOREPLACE. Plain rename never replaces a folder that is not empty.
    return renameat(parent, dot, parent, name) != 0 ? -errno : 0;
}

int gs_store_folder_publish(struct gs_folder *folder)
{
    int parent = open_parent(folder);
    if (parent < 0)
        return parent;
    int error = fsync(folder->directory.fd) != 0 ? -errno : rename_without_dot(parent, folder->name);
    folder->published = error == 0;
    if (!error && fsync(parent) != 0)
        gs_log(GS_LOG_WARNING,
               "incident %s: the store could not be synced, so a crash of the machine may undo its name: %s",
               folder->name, strerrordesc_np(errno));
    close(parent);
    return error;
}

void gs_store_folder_path(const struct gs_folder *folder, char out[PATH_MAX])
{
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/thread-self/fd/%d", folder->directory.fd);
    ssize_t length = gs_owned_fd_is_open(&folder->directory, NULL) ? readlink(link, path, PATH_MAX - 1) : 0;
    if (length <= 0)
        return;
    memcpy(out, path, (size_t)length);
    out[length] = 0;
}

void gs_store_folder_close(struct gs_folder *folder)
{
    char dot[GS_FOLDER_NAME_MAX + 1];
    int parent = folder->published || folder->directory.fd < 0 ? -1 : open_parent(folder);
    snprintf(dot, sizeof dot, ".%s", folder->name);
    if (parent >= 0) {
        unlinkat(parent, dot, AT_REMOVEDIR); // succeeds only if it is empty
        close(parent);
    }
    gs_owned_fd_close(&folder->directory);
    json_decref(folder->files);
    folder->files = NULL;
}
