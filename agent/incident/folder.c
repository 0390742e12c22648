/* folder.c - one incident's folder while it is made.
 *
 *   .<name>/ ── file ▶ fsync ▶ crc32 ── … ── incident.json ▶ fsync(folder) ▶ rename to <name>/ ▶ fsync(store)
 *
 * A folder under its final name is complete and safe on disk. Everything goes through descriptors and follows no link.
 * Who: the watcher. */
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "incident/inside.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static bool taken(int store, const char *name)
{
    struct stat status;
    return fstatat(store, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Make ".NAME" unless NAME or it is taken (two containers may both be pid 1). */
static int make_dot_folder(int store, const char *name)
{
    char dot[GS_FOLDER_NAME_MAX + 1];
    snprintf(dot, sizeof dot, ".%s", name);
    if (taken(store, name))
        return -EEXIST;
    if (mkdirat(store, dot, 0700) != 0)
        return -errno;
    int fd = openat(store, dot, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int gs_folder_make(struct gs_store *store, const char *rule, int pid, int64_t triggered_ns, struct gs_folder *out)
{
    enum { TRIES = 100 };
    char time[GS_TIME_TEXT];
    int store_fd = gs_store_fd(store);
    if (store_fd < 0)
        return store_fd;
    *out = (struct gs_folder){.store = store, .fd = -EEXIST};
    gs_print_time(triggered_ns, GS_TIME_FOLDER, time);
    for (int n = 1; n <= TRIES && out->fd == -EEXIST; n++) {
        int length = snprintf(out->name, sizeof out->name, "%s-%s-%d", time, rule, pid);
        if (n > 1)
            snprintf(out->name + length, sizeof out->name - (size_t)length, "-%d", n);
        out->fd = make_dot_folder(store_fd, out->name);
    }
    if (out->fd < 0)
        return out->fd;
    out->files = json_array();
    return out->files ? 0 : -ENOMEM;
}

int gs_folder_create(struct gs_folder *folder, const char *name)
{
    int fd = openat(folder->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : fd;
}

int gs_open_regular(int folderfd, const char *name)
{
    struct stat status;
    int fd = openat(folderfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        return fd;
    close(fd);
    return -EINVAL;
}

static json_t *entry_of(int fd, const char *name)
{
    unsigned char block[4096];
    uLong crc = crc32(0, NULL, 0);
    off_t size = 0;
    for (ssize_t got; (got = pread(fd, block, sizeof block, size)) != 0;) {
        if (got < 0)
            return NULL;
        crc = crc32(crc, block, (uInt)got);
        size += got;
    }
    char hex[9];
    snprintf(hex, sizeof hex, "%08lx", crc);
    return json_pack("{s:s, s:I, s:s}", "name", name, "size", (json_int_t)size, "crc32", hex);
}

json_t *gs_file_entry(int folderfd, const char *name)
{
    int fd = gs_open_regular(folderfd, name);
    json_t *entry = fd < 0 ? NULL : entry_of(fd, name);
    if (fd >= 0)
        close(fd);
    return entry;
}

int gs_folder_keep(struct gs_folder *folder, const char *name, int fd)
{
    int error = fsync(fd) != 0 ? -errno : 0;
    json_t *entry = error ? NULL : entry_of(fd, name);
    if (!error && (!entry || json_array_append_new(folder->files, entry) != 0))
        error = -EIO;
    if (error) {
        gs_folder_discard(folder, name, fd);
        return error;
    }
    close(fd);
    return 0;
}

void gs_folder_discard(struct gs_folder *folder, const char *name, int fd)
{
    close(fd);
    unlinkat(folder->fd, name, 0);
}

int gs_folder_put(struct gs_folder *folder, const char *name, const void *bytes, size_t length)
{
    int fd = gs_folder_create(folder, name);
    if (fd < 0)
        return fd;
    int error = gs_write_all(fd, bytes, length);
    if (!error)
        return gs_folder_keep(folder, name, fd);
    gs_folder_discard(folder, name, fd);
    return error;
}

int gs_folder_put_json(struct gs_folder *folder, const json_t *json)
{
    static const char fresh[] = "incident.json.new";
    char *text = json_dumps(json, JSON_INDENT(2));
    if (!text)
        return -ENOMEM;
    int fd = gs_folder_create(folder, fresh), error = fd < 0 ? fd : gs_write_all(fd, text, strlen(text));
    if (!error)
        error = gs_write_all(fd, "\n", 1);
    if (!error && (fsync(fd) != 0 || renameat(folder->fd, fresh, folder->fd, "incident.json") != 0))
        error = -errno;
    if (error && fd >= 0)
        gs_folder_discard(folder, fresh, fd);
    else if (fd >= 0)
        close(fd);
    gs_free(text);
    return error;
}

int gs_folder_publish(struct gs_folder *folder)
{
    char dot[GS_FOLDER_NAME_MAX + 1];
    int store = gs_store_fd(folder->store);
    snprintf(dot, sizeof dot, ".%s", folder->name);
    if (store < 0)
        return store;
    if (fsync(folder->fd) != 0 || renameat2(store, dot, store, folder->name, RENAME_NOREPLACE) != 0)
        return -errno;
    return fsync(store) != 0 ? -errno : 0;
}

void gs_folder_close(struct gs_folder *folder)
{
    if (folder->fd >= 0)
        close(folder->fd);
    json_decref(folder->files);
}
