/* bundle_read.c - reads a file out of a bundle, which anybody may have made. Nothing is unpacked to disk.
 *
 * Bounds: memory for the one member that is wanted; 1 GiB unpacked in all, 10,000 members. */
#include "base/memory.h"
#include "reader/bundle.h"
#include "sys/file.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { MEMBERS_MAX = 10000, HEADER = 512, MAGIC_AT = 257, GZIP = 15 + 16 };
static const int64_t unpacked_max = 1 << 30;

/* ---- is it one? ------------------------------------------------------------------------------------------------- */

/* Unpack the first HEADER bytes of what BYTES, the beginning of a file, holds. */
static bool unpack_header(const char *bytes, size_t length, char out[HEADER])
{
    z_stream zip = {.next_in = (Bytef *)bytes,
                    .avail_in = (uInt)length,
                    .next_out = (Bytef *)out,
                    .avail_out = HEADER,
                    .zalloc = gs_memory_zalloc,
                    .zfree = gs_memory_zfree};
    if (inflateInit2(&zip, GZIP) != Z_OK)
        return false;
    int state = inflate(&zip, Z_SYNC_FLUSH);
    inflateEnd(&zip);
    return (state == Z_OK || state == Z_STREAM_END || state == Z_BUF_ERROR) && zip.avail_out == 0;
}

bool gs_reader_is_bundle(const char *path)
{
    char bytes[4096], header[HEADER];
    int fd = gs_file_open_regular(path);
    ssize_t length = fd < 0 ? -1 : pread(fd, bytes, sizeof bytes, 0);
    if (fd >= 0)
        close(fd);
    return length > 18 && bytes[0] == 0x1f && (unsigned char)bytes[1] == 0x8b &&
           unpack_header(bytes, (size_t)length, header) && memcmp(header + MAGIC_AT, "ustar", 5) == 0;
}

/* ---- members ---------------------------------------------------------------------------------------------------- */

/* The part of a member's PATH below the bundle's folder; NULL: it has no such part, or is no path that we write. */
static const char *below_folder(const char *path)
{
    const char *slash = path ? strchr(path, '/') : NULL;
    return slash && slash != path ? slash + 1 : NULL;
}

/* Find member NAME in ARCHIVE. 0; -ENOENT; -EBADMSG with a sentence in WHY. */
static int find(struct archive *archive, const char *name, struct archive_entry **out, const char **why)
{
    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        int state = archive_read_next_header(archive, out);
        *why = "it is not a bundle, or damaged";
        if (state == ARCHIVE_EOF)
            return i ? -ENOENT : -EBADMSG;
        if (state != ARCHIVE_OK && state != ARCHIVE_WARN)
            return -EBADMSG;
        unsigned type = archive_entry_filetype(*out);
        *why = "it holds something that is neither a file nor a folder";
        if ((type != AE_IFREG && type != AE_IFDIR) || archive_entry_hardlink(*out))
            return -EBADMSG;
        const char *below = below_folder(archive_entry_pathname(*out));
        if (type == AE_IFREG && below && strcmp(below, name) == 0)
            return 0;
        *why = "it is larger than 1 GiB when unpacked";
        if (archive_entry_size(*out) < 0 || archive_entry_size(*out) > unpacked_max ||
            archive_filter_bytes(archive, 0) + archive_entry_size(*out) > unpacked_max)
            return -EBADMSG;
    }
    *why = "it has too many members";
    return -EBADMSG;
}

/* Read the data of the member ENTRY. */
static int read_member(struct archive *archive, struct archive_entry *entry, size_t max, char **bytes,
                       size_t *length)
{
    int64_t size = archive_entry_size(entry);
    if (size < 0 || (uint64_t)size > max)
        return -EFBIG;
    size_t capacity = 0, filled = 0;
    *bytes = NULL;
    for (;;) { // grown as data comes: a header can promise anything
        if (gs_grow(bytes, &capacity, filled + 65536, 1))
            return -ENOMEM;
        la_ssize_t read = archive_read_data(archive, *bytes + filled, capacity - filled - 1);
        if (read < 0)
            return -EBADMSG;
        filled += (size_t)read;
        if (read == 0)
            break;
    }
    (*bytes)[filled] = 0;
    *length = filled;
    return filled == (size_t)size ? 0 : -EBADMSG;
}

static int read_file(struct archive *archive, int fd, const char *name, size_t max, char **bytes,
                     size_t *length, const char **why)
{
    struct archive_entry *entry;
    if (archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
        archive_read_support_format_tar(archive) != ARCHIVE_OK ||
        archive_read_open_fd(archive, fd, 65536) != ARCHIVE_OK) {
        *why = "it is not a bundle, or damaged";
        return -EBADMSG;
    }
    int error = find(archive, name, &entry, why);
    if (error)
        return error;
    *why = "it is damaged";
    return read_member(archive, entry, max, bytes, length);
}

int gs_reader_bundle_file(const char *path, const char *name, size_t max, char **bytes, size_t *length,
                          char *why, size_t why_size)
{
    const char *reason = "";
    int fd = gs_file_open_regular(path);
    if (fd < 0)
        return fd;
    struct archive *archive = archive_read_new();
    *bytes = NULL;
    int error = archive ? read_file(archive, fd, name, max, bytes, length, &reason) : -ENOMEM;
    archive_read_free(archive);
    close(fd);
    if (error) {
        gs_free(*bytes);
        *bytes = NULL;
        snprintf(why, why_size, "%s", error == -EBADMSG ? reason : strerrordesc_np(-error));
    }
    return error;
}
