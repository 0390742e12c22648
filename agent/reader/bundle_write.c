/* bundle_write.c - writes a bundle with libarchive: ustar, or pax for what ustar cannot hold, in gzip without a time. */
#include "base/memory.h"
#include "reader/bundle.h"
#include "sys/file.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct gs_bundle_writer {
    struct archive *archive;
    struct archive_entry *entry;
    char folder[NAME_MAX + 1];
    int64_t time_s;
    int fd, error; // error: of writing to FD
};

static int error_of(struct gs_bundle_writer *writer)
{
    if (writer->error)
        return writer->error;
    int error = writer->archive ? archive_errno(writer->archive) : ENOMEM;
    return error > 0 ? -error : -EIO;
}

static la_ssize_t write_bytes(struct archive *archive, void *of, const void *bytes, size_t length)
{
    struct gs_bundle_writer *writer = of;
    writer->error = gs_file_write_all(writer->fd, bytes, length);
    if (!writer->error)
        return (la_ssize_t)length;
    archive_set_error(archive, -writer->error, "the bundle cannot be written");
    return -1;
}

/* Write the header of the member PATH. */
static int add_header(struct gs_bundle_writer *writer, const char *path, unsigned type, int64_t size)
{
    struct archive_entry *entry = archive_entry_clear(writer->entry);
    archive_entry_set_pathname(entry, path);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, type == AE_IFDIR ? 0700 : 0600);
    archive_entry_set_mtime(entry, writer->time_s, 0);
    archive_entry_set_size(entry, size);
    return archive_write_header(writer->archive, entry) == ARCHIVE_OK ? 0 : error_of(writer);
}

static void writer_free(struct gs_bundle_writer *writer)
{
    archive_entry_free(writer->entry);
    archive_write_free(writer->archive);
    gs_free(writer);
}

static int set_up(struct archive *archive)
{
    if (archive_write_set_format_pax_restricted(archive) != ARCHIVE_OK ||
        archive_write_add_filter_gzip(archive) != ARCHIVE_OK ||
        archive_write_set_filter_option(archive, "gzip", "timestamp", NULL) != ARCHIVE_OK)
        return -EIO;
    return archive_write_set_bytes_in_last_block(archive, 1) == ARCHIVE_OK ? 0 : -EIO; // no padding
}

int gs_reader_bundle_begin(int fd, const char *folder, int64_t time_s, struct gs_bundle_writer **out)
{
    struct gs_bundle_writer *writer = gs_alloc(sizeof *writer);
    if (!writer)
        return -ENOMEM;
    *writer = (struct gs_bundle_writer){
        .archive = archive_write_new(), .entry = archive_entry_new(), .time_s = time_s, .fd = fd};
    snprintf(writer->folder, sizeof writer->folder, "%s", folder);
    int error = writer->archive && writer->entry ? set_up(writer->archive) : -ENOMEM;
    if (!error && archive_write_open(writer->archive, writer, NULL, write_bytes, NULL) != ARCHIVE_OK)
        error = error_of(writer);
    if (!error)
        error = add_header(writer, writer->folder, AE_IFDIR, 0);
    if (error)
        writer_free(writer);
    else
        *out = writer;
    return error;
}

int gs_reader_bundle_add(struct gs_bundle_writer *writer, const char *name, int fd)
{
    enum { BLOCK = 65536 };
    char path[PATH_MAX], block[BLOCK];
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    if (snprintf(path, sizeof path, "%s/%s", writer->folder, name) >= PATH_MAX)
        return -ENAMETOOLONG;
    int error = add_header(writer, path, AE_IFREG, status.st_size);
    for (off_t at = 0; !error && at < status.st_size;) {
        size_t length = status.st_size - at < BLOCK ? (size_t)(status.st_size - at) : BLOCK;
        if (!gs_file_read_at(fd, (uint64_t)at, block, length))
            error = -EIO; // it became shorter
        else if (archive_write_data(writer->archive, block, length) != (la_ssize_t)length)
            error = error_of(writer);
        at += (off_t)length;
    }
    return error;
}

int gs_reader_bundle_end(struct gs_bundle_writer *writer)
{
    int error = archive_write_close(writer->archive) == ARCHIVE_OK ? 0 : error_of(writer);
    writer_free(writer);
    return error;
}
