/* folder.c - one incident's folder while it is made.
 *
 *   .<name>/ ── file ▶ fsync ▶ crc32 ── … ── incident.json ▶ fsync(folder) ▶ rename to <name>/ ▶ fsync(store)
 *
 * A folder under its final name is complete and safe on disk. While it is made it is locked: the kernel lets go of the lock as
 * the maker dies, and not before, in whichever container that is; sweep.c takes an unlocked one for left behind.
 * Everything goes through descriptors and follows no link. The folder knows its store as "..": it may have moved meanwhile.
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

/* ---- making one ------------------------------------------------------------------------------------------------------ */

static bool taken(int store, const char *name)
{
    struct stat status;
    return fstatat(store, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Lock FD, the fresh dot-folder of NAME. -EEXIST: a sweeper was quicker, or NAME is taken (by another container's process of
 * this pid, since we looked: from here on it cannot be, for a folder gets its name by losing its dot). */
static int claim(int store, const char *name, int fd)
{
    struct stat status;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return -EEXIST;
    if (fstat(fd, &status) != 0)
        return -errno;
    return status.st_nlink == 0 || taken(store, name) ? -EEXIST : 0;
}

/* Make ".NAME" unless NAME or it is taken. */
static int make_dot_folder(int store, const char *name, struct gs_owned_fd *out)
{
    char dot[GS_FOLDER_NAME_MAX + 1];
    snprintf(dot, sizeof dot, ".%s", name);
    if (mkdirat(store, dot, 0700) != 0)
        return -errno;
    int fd = gs_file_openat(store, dot, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    int error = fd == -ENOENT ? -EEXIST
                : fd < 0      ? fd
                              : claim(store, name, fd); // ENOENT: a sweeper was quicker
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
    *out = (struct gs_folder){.held = GS_HELD_NONE};
    int store_fd = gs_store_fd(store), error = store_fd < 0 ? store_fd : -EEXIST;
    gs_clock_print(triggered_ns, GS_TIME_FOLDER, time);
    for (int n = 1; n <= TRIES && error == -EEXIST; n++) {
        int length = snprintf(out->name, sizeof out->name, "%s-%s-%d", time, rule, pid);
        if (n > 1)
            snprintf(out->name + length, sizeof out->name - (size_t)length, "-%d", n);
        error = make_dot_folder(store_fd, out->name, &out->held);
    }
    if (error)
        return error;
    out->files = json_array();
    return out->files ? 0 : -ENOMEM;
}

/* ---- its files ---------------------------------------------------------------------------------------------------------- */

int gs_store_folder_create(struct gs_folder *folder, const char *name)
{
    if (!gs_owned_fd_is_open(&folder->held, NULL))
        return -EBADF; // the host closed it
    return gs_file_openat(folder->held.fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
}

static int entry_of(int fd, const char *name, json_t **out)
{
    unsigned char block[4096];
    uLong crc = crc32(0, NULL, 0);
    off_t size = 0;
    for (ssize_t got; (got = pread(fd, block, sizeof block, size)) != 0;) {
        if (got < 0)
            return -errno;
        crc = crc32(crc, block, (uInt)got);
        size += got;
    }
    char hex[9];
    snprintf(hex, sizeof hex, "%08lx", crc);
    *out = json_pack("{s:s, s:I, s:s}", "name", name, "size", (json_int_t)size, "crc32", hex);
    return *out ? 0 : -ENOMEM;
}

int gs_store_file_entry(int folderfd, const char *name, json_t **out)
{
    int fd = gs_store_open_regular(folderfd, name), error = fd < 0 ? fd : entry_of(fd, name, out);
    if (fd >= 0)
        close(fd);
    return error;
}

int gs_store_folder_keep(struct gs_folder *folder, const char *name, int fd)
{
    json_t *entry;
    int error = fsync(fd) != 0 ? -errno : entry_of(fd, name, &entry);
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
    if (gs_owned_fd_is_open(&folder->held, NULL))
        unlinkat(folder->held.fd, name, 0);
}

int gs_store_folder_put(struct gs_folder *folder, const char *name, const void *bytes, size_t length)
{
    int fd = gs_store_folder_create(folder, name);
    if (fd < 0)
        return fd;
    int error = gs_file_write_all(fd, bytes, length);
    if (!error)
        return gs_store_folder_keep(folder, name, fd);
    gs_store_folder_discard(folder, name, fd);
    return error;
}

int gs_store_folder_put_json(struct gs_folder *folder, const json_t *json)
{
    return gs_store_replace_incident_json(&folder->held, json);
}

int gs_store_replace_incident_json(const struct gs_owned_fd *folder, const json_t *json)
{
    static const char fresh[] = "incident.json.new";
    if (!gs_owned_fd_is_open(folder, NULL))
        return -EBADF;
    struct gs_text text = {0};
    gs_json_print(json, JSON_INDENT(2), &text);
    unlinkat(folder->fd, fresh, 0); // of an attempt that failed
    int fd = text.failed ? -ENOMEM
                         : gs_file_openat(folder->fd, fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    int error = fd < 0 ? fd : gs_file_write_all(fd, text.bytes, text.length);
    if (!error && (fsync(fd) != 0 || renameat(folder->fd, fresh, folder->fd, "incident.json") != 0))
        error = -errno;
    if (fd >= 0)
        close(fd);
    if (error)
        unlinkat(folder->fd, fresh, 0);
    gs_text_fini(&text);
    return error;
}

/* ---- its end -------------------------------------------------------------------------------------------------------------- */

/* The directory that the folder stands in. */
static int parent_of(const struct gs_folder *folder)
{
    return gs_owned_fd_is_open(&folder->held, NULL)
               ? gs_file_openat(folder->held.fd, "..", O_RDONLY | O_DIRECTORY, 0)
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
    // A file system without RENAME_NOREPLACE. It never replaces a folder that holds something.
    return renameat(parent, dot, parent, name) != 0 ? -errno : 0;
}

int gs_store_folder_publish(struct gs_folder *folder)
{
    int parent = parent_of(folder);
    if (parent < 0)
        return parent;
    int error = fsync(folder->held.fd) != 0 ? -errno : rename_without_dot(parent, folder->name);
    folder->published = error == 0;
    if (!error && fsync(parent) != 0)
        gs_log(GS_LOG_WARNING, "incident %s: its name may not outlive a crash of the machine: %s",
               folder->name, strerrordesc_np(errno));
    close(parent);
    return error;
}

void gs_store_folder_path(const struct gs_folder *folder, char out[PATH_MAX])
{
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/thread-self/fd/%d", folder->held.fd);
    ssize_t length = gs_owned_fd_is_open(&folder->held, NULL) ? readlink(link, path, PATH_MAX - 1) : 0;
    if (length <= 0)
        return;
    memcpy(out, path, (size_t)length);
    out[length] = 0;
}

void gs_store_folder_close(struct gs_folder *folder)
{
    char dot[GS_FOLDER_NAME_MAX + 1];
    int parent = folder->published || folder->held.fd < 0 ? -1 : parent_of(folder);
    snprintf(dot, sizeof dot, ".%s", folder->name);
    if (parent >= 0) {
        unlinkat(parent, dot, AT_REMOVEDIR); // if there is nothing in it
        close(parent);
    }
    gs_owned_fd_close(&folder->held);
    json_decref(folder->files);
    folder->files = NULL;
}
