/* records.c - writes records of a black box to its file.
 *
 *   begin ▶ number, text, … ▶ end: length and crc32 filled in ──▶ buffer ──▶ pwrite, when the buffer is full and at the end
 *
 * Why pwrite and not mmap: if the disk is full or the file was truncated, access to a mapped page raises SIGBUS, which would
 * kill the host; and any store to a mapping may block on writeback. A failed pwrite returns an error. No sync is needed:
 * data that a killed process has written is in the kernel. A power cut loses what was not yet on disk, about thirty seconds;
 * the checksums find the end of the valid part.
 * Who: the watcher. Bounds: the buffer. */
#include "base/varint.h"
#include "box/inside.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

void gs_box_out_start(struct gs_box_out *out, int fd, uint64_t at, uint32_t chain)
{
    out->fd = fd;
    out->at = at;
    out->max = GS_BOX_BYTES_MAX;
    out->chain = chain;
    out->filled = 0;
    out->error = 0;
    if (at == 0) {
        memcpy(out->buffer, GS_BOX_MAGIC, GS_BOX_HEAD);
        out->filled = GS_BOX_HEAD;
    }
}

uint64_t gs_box_out_size(const struct gs_box_out *out)
{
    return out->at + out->filled;
}

/* Write the buffer to the file. A failure is stored in out->error. */
static void write_out(struct gs_box_out *out)
{
    size_t written = 0;
    if (!out->error && gs_box_out_size(out) > out->max)
        out->error = -EFBIG;
    while (!out->error && written < out->filled) {
        ssize_t count =
            pwrite(out->fd, out->buffer + written, out->filled - written, (off_t)(out->at + written));
        if (count > 0)
            written += (size_t)count;
        else if (count == 0 || errno != EINTR)
            out->error = count ? -errno : -EIO;
    }
    out->at += written;
    out->filled = 0;
}

int gs_box_flush(struct gs_box_out *out)
{
    write_out(out);
    return out->error;
}

static void put_u32(unsigned char *at, uint32_t number)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(number >> 8 * i);
}

void gs_box_begin(struct gs_box_out *out, enum gs_box_record type)
{
    if (out->filled > GS_BOX_RECORD_MAX - GS_BOX_RECORD_HEAD)
        write_out(out);
    out->record = out->filled;
    out->buffer[out->record + 8] = (unsigned char)type;
    out->filled += GS_BOX_RECORD_HEAD;
}

size_t gs_box_room(const struct gs_box_out *out)
{
    return out->record + GS_BOX_RECORD_HEAD + GS_BOX_RECORD_MAX - out->filled;
}

void gs_box_bytes(struct gs_box_out *out, const void *bytes, size_t length)
{
    if (length > gs_box_room(out)) { // callers check gs_box_room first: only an absurdly long text gets here
        out->error = out->error ? out->error : -EOVERFLOW;
        return;
    }
    if (length) // BYTES may be NULL if there are none
        memcpy(out->buffer + out->filled, bytes, length);
    out->filled += length;
}

void gs_box_number(struct gs_box_out *out, uint64_t number)
{
    unsigned char byte[GS_VARINT_MAX];
    gs_box_bytes(out, byte, gs_varint_write(number, byte));
}

void gs_box_signed(struct gs_box_out *out, int64_t number)
{
    gs_box_number(out, gs_varint_zigzag(number));
}

void gs_box_text(struct gs_box_out *out, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    gs_box_number(out, length);
    gs_box_bytes(out, text, length);
}

void gs_box_end(struct gs_box_out *out)
{
    unsigned char *record = out->buffer + out->record;
    size_t length = out->filled - out->record - GS_BOX_RECORD_HEAD;
    out->chain = (uint32_t)crc32(out->chain, record + 8, (uInt)(length + 1));
    put_u32(record, (uint32_t)length);
    put_u32(record + 4, out->chain);
}

void gs_box_long_text(struct gs_box_out *out, enum gs_box_record type, const char *bytes, size_t length)
{
    enum { PART = GS_BOX_RECORD_MAX / 2 };
    for (size_t at = 0; at == 0 || at < length; at += PART) {
        gs_box_begin(out, type);
        gs_box_number(out, at != 0);
        gs_box_bytes(out, bytes + at, length - at < PART ? length - at : PART);
        gs_box_end(out);
    }
}
