/* bundle.c - an incident's folder as a .tar.gz, by libarchive: each regular file, below the folder's name.
 *
 * Bounds: FILES_MAX files, BYTES_MAX bytes. Links and other kinds of files are left out. */
#include "base/memory.h"
#include "base/sort.h"
#include "ship/inside.h"
#include "store/store.h"
#include "sys/file.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 256, NAME_MAX_BYTES = 128 };
#define BYTES_MAX (1LL << 30)

struct files {
    char name[FILES_MAX][NAME_MAX_BYTES];
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The names of the files in FOLDER, sorted: equal folders give equal bundles. */
static int list_files(int folder, struct files *out)
{
    struct gs_dir dir;
    gs_file_dir_start(&dir, folder);
    for (const char *name; (name = gs_file_dir_next(&dir));) {
        if (name[0] == '.' || strlen(name) >= NAME_MAX_BYTES)
            continue;
        if (out->count == FILES_MAX)
            return -EFBIG;
        snprintf(out->name[out->count++], NAME_MAX_BYTES, "%s", name);
    }
    gs_sort(out->name, out->count, sizeof out->name[0], by_name);
    return 0;
}

static int copy(struct archive *archive, int fd, int64_t size)
{
    char block[64 << 10];
    for (int64_t at = 0; at < size;) {
        size_t part = (size_t)(size - at) < sizeof block ? (size_t)(size - at) : sizeof block;
        if (!gs_file_read_at(fd, (uint64_t)at, block, part))
            return -EIO;
        if (archive_write_data(archive, block, part) != (la_ssize_t)part)
            return archive_errno(archive) > 0 ? -archive_errno(archive) : -EIO;
        at += (int64_t)part;
    }
    return 0;
}

/* Add file NAME of FOLDER below the folder's name. What is no regular file is left out. *LEFT: how many bytes may follow. */
static int add_file(struct archive *archive, const struct gs_ship_incident *incident, int folder,
                    const char *name, int64_t *left)
{
    char path[GS_SHIP_FOLDER_MAX + NAME_MAX_BYTES + 2];
    struct stat status;
    int fd = gs_store_open_regular(folder, name), error = 0;
    if (fd < 0)
        return fd == -EINVAL || fd == -ELOOP || fd == -ENOENT || fd == -EISDIR ? 0 : fd;
    struct archive_entry *entry = archive_entry_new();
    if (!entry || fstat(fd, &status) != 0)
        error = entry ? -errno : -ENOMEM;
    else if (status.st_size > *left)
        error = -EFBIG;
    if (!error) {
        *left -= status.st_size;
        snprintf(path, sizeof path, "%s/%s", incident->folder, name);
        archive_entry_set_pathname(entry, path);
        archive_entry_set_size(entry, status.st_size);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0600);
        archive_entry_set_mtime(entry, status.st_mtime, 0);
        if (archive_write_header(archive, entry) != ARCHIVE_OK)
            error = archive_errno(archive) > 0 ? -archive_errno(archive) : -EIO;
        else
            error = copy(archive, fd, status.st_size);
    }
    archive_entry_free(entry);
    close(fd);
    return error;
}

static int write_archive(struct archive *archive, const struct gs_ship_incident *incident, int folder, int fd)
{
    struct files *files = gs_alloc(sizeof *files);
    int64_t left = BYTES_MAX;
    int error = files ? list_files(folder, files) : -ENOMEM;
    if (!error && (archive_write_set_format_pax_restricted(archive) != ARCHIVE_OK ||
                   archive_write_add_filter_gzip(archive) != ARCHIVE_OK ||
                   archive_write_set_options(archive, "gzip:!timestamp") != ARCHIVE_OK ||
                   archive_write_open_fd(archive, fd) != ARCHIVE_OK))
        error = archive_errno(archive) > 0 ? -archive_errno(archive) : -EIO;
    for (size_t i = 0; !error && i < files->count; i++)
        error = add_file(archive, incident, folder, files->name[i], &left);
    if (!error && archive_write_close(archive) != ARCHIVE_OK)
        error = archive_errno(archive) > 0 ? -archive_errno(archive) : -EIO;
    gs_free(files);
    return error;
}

int gs_ship_bundle(const struct gs_ship_incident *incident, int fd, char *why, size_t why_size)
{
    int folder = gs_file_openat(AT_FDCWD, incident->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    struct archive *archive = archive_write_new();
    int error = folder < 0 ? folder : archive ? write_archive(archive, incident, folder, fd) : -ENOMEM;
    if (archive)
        archive_write_free(archive);
    if (folder >= 0)
        close(folder);
    if (error)
        snprintf(why, why_size, "%s",
                 error == -EFBIG ? "it has more than 256 files, or 1 GiB" : strerrordesc_np(-error));
    return error;
}
