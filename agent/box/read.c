/* read.c - reads a black box. The file is not trusted.
 *
 *   1  walk: length, crc32, type ──▶ end of the last complete write
 *   2  walk up to that end (read_records.c): identity, texts ─▶ copied
 *                                         stacks          ─▶ stack[number]: frames, labels, values of four moments
 *                                         history         ─▶ joined, unpacked at the end
 *   3  struct gs_post_mortem (contents.c)
 *
 * Each value is checked before it is used. One impossible value makes the whole box damaged, because its checksum was right.
 * Who: the watcher, for boxes of dead processes; the command. Bounds: the tables have the writer's limits; all else uses at
 * most about ten times the file's length. */
#include "box/read.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

/* ---- records of the file -------------------------------------------------------------------------------------------- */

static uint32_t u32_at(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The end of the record at AT, if its crc32 continues *CHAIN, the crc32 of the record before; 0: no valid record. */
static size_t end_of_record(const unsigned char *bytes, size_t at, size_t length, uint32_t *chain)
{
    if (length - at < GS_BOX_RECORD_HEAD)
        return 0;
    uint32_t payload = u32_at(bytes + at);
    if (payload > GS_BOX_RECORD_MAX || payload > length - at - GS_BOX_RECORD_HEAD)
        return 0;
    *chain = (uint32_t)crc32(*chain, bytes + at + 8, payload + 1);
    return *chain == u32_at(bytes + at + 4) ? at + GS_BOX_RECORD_HEAD + payload : 0;
}

/* The end of the last complete write; 0: there is none. */
static size_t last_written(const unsigned char *bytes, size_t length)
{
    uint32_t chain = 0;
    size_t written = 0;
    for (size_t at = GS_BOX_HEAD, end; (end = end_of_record(bytes, at, length, &chain)); at = end)
        if (bytes[at + 8] == GS_BOX_WRITTEN)
            written = end;
    return written;
}

static void read_records(struct gs_box_reader *reader, const unsigned char *bytes, size_t written)
{
    for (size_t at = GS_BOX_HEAD; at < written && !reader->bad && !reader->no_memory;) {
        size_t end = at + GS_BOX_RECORD_HEAD + u32_at(bytes + at);
        reader->at = bytes + at + GS_BOX_RECORD_HEAD;
        reader->end = bytes + end;
        gs_box_read_record(reader, bytes[at + 8]);
        at = end;
    }
}

/* ---- the whole box -------------------------------------------------------------------------------------------------- */

bool gs_box_is(const void *bytes, size_t length)
{
    return length >= GS_BOX_HEAD && memcmp(bytes, GS_BOX_MAGIC, GS_BOX_LEFT_AT) == 0;
}

bool gs_box_was_left(int fd)
{
    unsigned char head[GS_BOX_HEAD];
    return pread(fd, head, sizeof head, 0) == sizeof head && gs_box_is(head, sizeof head) &&
           head[GS_BOX_LEFT_AT] == GS_BOX_LEFT;
}

static const char *read_all(struct gs_box_reader *reader, const unsigned char *bytes, size_t length)
{
    if (!gs_box_is(bytes, length))
        return "it is no black box";
    if (bytes[GS_BOX_HEAD - 1] != GS_BOX_MAGIC[GS_BOX_HEAD - 1])
        return "it is a black box of a later version: use a newer gumshoe";
    size_t written = last_written(bytes, length);
    if (written == 0)
        return "it contains no complete write";
    reader->out = gs_box_contents_new();
    if (!reader->out)
        return "out of memory";
    read_records(reader, bytes, written);
    if (reader->bad)
        return "it is damaged: a record contains an impossible value";
    if (reader->no_memory || !gs_box_contents_build(reader))
        return "out of memory";
    return reader->out->post_mortem.pid ? NULL : "it does not name its process";
}

struct gs_box_contents *gs_box_read(const void *bytes, size_t length, char *why, size_t why_size)
{
    struct gs_box_reader reader = {0};
    const char *wrong = read_all(&reader, bytes, length);
    gs_box_reader_fini(&reader);
    if (!wrong)
        return reader.out;
    snprintf(why, why_size, "%s", wrong);
    gs_box_contents_free(reader.out);
    return NULL;
}
