/* read.c - a black box as what is left of its process. The file may come from anywhere.
 *
 *   1  walk: length, crc32, type ──▶ where the last write ends that counts
 *   2  walk up to there (read_records.c): identity, texts ─▶ copied
 *                                         stacks          ─▶ stack[number]: frames, labels, values now and at two baselines
 *                                         history         ─▶ joined, unpacked at the end
 *   3  gs_remains (contents.c)
 *
 * What a record says is checked before it is believed; one that says what cannot be makes the whole box a damaged one, for its
 * checksum was good.
 * Who: the watcher, of those who died; the command. Bounds: the tables have the writer's; all else is some ten times the
 * file's length at most. */
#include "box/read.h"
#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* ---- the walk
 * ------------------------------------------------------------------------------------------------------------------ */

static uint32_t u32_at(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Where the record at AT ends, if it is a good one behind the one whose crc32 was *CHAIN; 0: it is none. */
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

/* Where the last write ends; 0: there is none. */
static size_t last_written(const unsigned char *bytes, size_t length)
{
    uint32_t chain = 0;
    size_t written = 0;
    for (size_t at = GS_BOX_HEAD, end; (end = end_of_record(bytes, at, length, &chain)); at = end)
        if (bytes[at + 8] == GS_BOX_WRITTEN)
            written = end;
    return written;
}

static void read_records(struct gs_box_reader *r, const unsigned char *bytes, size_t written)
{
    for (size_t at = GS_BOX_HEAD; at < written && !r->bad && !r->no_memory;) {
        size_t end = at + GS_BOX_RECORD_HEAD + u32_at(bytes + at);
        r->at = bytes + at + GS_BOX_RECORD_HEAD;
        r->end = bytes + end;
        gs_box_read_record(r, bytes[at + 8]);
        at = end;
    }
}

/* ---- the whole ----------------------------------------------------------------------------------------------------------- */

bool gs_box_is(const void *bytes, size_t length)
{
    return length >= GS_BOX_HEAD && memcmp(bytes, GS_BOX_MAGIC, GS_BOX_HEAD - 1) == 0;
}

static const char *read_all(struct gs_box_reader *r, const unsigned char *bytes, size_t length)
{
    if (!gs_box_is(bytes, length))
        return "it is no black box";
    if (bytes[GS_BOX_HEAD - 1] != GS_BOX_MAGIC[GS_BOX_HEAD - 1])
        return "it is a black box of a later version: a newer gumshoe reads it";
    size_t written = last_written(bytes, length);
    if (written == 0)
        return "it holds no write that was completed";
    r->out = gs_box_contents_new();
    if (!r->out)
        return "memory is out";
    read_records(r, bytes, written);
    if (r->bad)
        return "it is damaged: a record says what cannot be";
    if (r->no_memory || !gs_box_contents_build(r))
        return "memory is out";
    return r->out->post_mortem.pid ? NULL : "it does not say whose it is";
}

struct gs_box_contents *gs_box_read(const void *bytes, size_t length, char *why, size_t why_size)
{
    struct gs_box_reader r = {0};
    const char *wrong = read_all(&r, bytes, length);
    gs_box_reader_fini(&r);
    if (!wrong)
        return r.out;
    snprintf(why, why_size, "%s", wrong);
    gs_box_contents_free(r.out);
    return NULL;
}
