/* bundle.c - an incident's folder as a bundle (reader/bundle.h): each regular file, below the folder's name.
 *
 * Bounds: FILES_MAX files, BYTES_MAX bytes. Links and other kinds of files are left out. */
#include "base/memory.h"
#include "base/sort.h"
#include "reader/reader.h"
#include "ship/inside.h"
#include "store/store.h"
#include "sys/file.h"
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

/* Add file NAME of FOLDER. What is no regular file is left out. *LEFT: how many bytes may follow. */
static int add_file(struct gs_bundle_writer *writer, int folder, const char *name, int64_t *left)
{
    struct stat status;
    int fd = gs_store_open_regular(folder, name), error = 0;
    if (fd < 0)
        return fd == -EINVAL || fd == -ELOOP || fd == -ENOENT || fd == -EISDIR ? 0 : fd;
    if (fstat(fd, &status) != 0)
        error = -errno;
    else if (status.st_size > *left)
        error = -EFBIG;
    if (!error) {
        *left -= status.st_size;
        error = gs_reader_bundle_add(writer, name, fd);
    }
    close(fd);
    return error;
}

static int write_files(struct gs_bundle_writer *writer, int folder)
{
    struct files *files = gs_alloc(sizeof *files);
    int64_t left = BYTES_MAX;
    int error = files ? list_files(folder, files) : -ENOMEM;
    for (size_t i = 0; !error && i < files->count; i++)
        error = add_file(writer, folder, files->name[i], &left);
    gs_free(files);
    return error;
}

static int write_bundle(const struct gs_ship_incident *incident, int folder, int fd)
{
    struct gs_bundle_writer *writer;
    struct stat status;
    if (fstat(folder, &status) != 0)
        return -errno;
    int error = gs_reader_bundle_begin(fd, incident->folder, status.st_mtime, &writer);
    if (error)
        return error;
    error = write_files(writer, folder);
    int end = gs_reader_bundle_end(writer);
    return error ? error : end;
}

int gs_ship_bundle(const struct gs_ship_incident *incident, int fd, char *why, size_t why_size)
{
    int folder = gs_file_openat(AT_FDCWD, incident->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    int error = folder < 0 ? folder : write_bundle(incident, folder, fd);
    if (folder >= 0)
        close(folder);
    if (error)
        snprintf(why, why_size, "%s",
                 error == -EFBIG ? "it has more than 256 files, or 1 GiB" : strerrordesc_np(-error));
    return error;
}
