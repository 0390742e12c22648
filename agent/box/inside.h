/* box/inside.h - how a black box is written down: shared by its writer and its reader (docs/formats.md has it byte by byte).
 *
 *   "gsbox" 0 0 1 │ record │ record │ …                                    little endian
 *   record          length of the payload │ crc32 │ type │ payload
 *                   4                       4       1
 *   crc32           over type and payload, begun with the crc32 of the record before: a record is good only in its place
 *   a write         records … and WRITTEN, which makes them count
 *
 * So the file is what happened, in order: who reads it takes all up to the last WRITTEN, and has the process as it was then. */
#pragma once
#include "box/box.h"
#include "store/store.h"

#define GS_BOX_MAGIC "gsbox\0\0\1"
enum {
    GS_BOX_HEAD = 8,
    GS_BOX_RECORD_HEAD = 9,
    GS_BOX_RECORD_MAX = 64 << 10, // of a payload
    GS_BOX_STACKS_MAX = 1 << 16,
    GS_BOX_FRAMES_MAX = 1 << 21,
};

/* Numbers are LEB128, signed ones zigzagged before; a text is its length and its bytes. */
enum gs_box_record {
    GS_BOX_IDENTITY = 1, // numbers: pid, start ticks, started ns, limit, baseline's first age ns; texts: boot id, host, exe,
                         // limit from, oom file; a number: namespace (an earlier version's has none)
    GS_BOX_RULES,        // 0 begins or 1 goes on; bytes of the rules
    GS_BOX_MAPS,         // the same of /proc/self/maps
    GS_BOX_BUILD_IDS,    // again and again: start of an executable mapping in it, and its build id as a text
    GS_BOX_STACKS,       // again and again: number * 2 + is new; if new: depth, frames (signed, by their difference), labels, and
                         // a key and a value for each; alloc_objects, alloc_space, inuse_objects, inuse_space (signed)
    GS_BOX_BASELINE,     // ns: what the stacks hold by here is the baseline of that moment
    GS_BOX_SAMPLING,     // as struct gs_heap_sampling, and how many stacks did not fit
    GS_BOX_HISTORY,      // a part of a history's packs, one behind the other
    GS_BOX_WRITTEN,      // ns: the moment; ns since the watch began; the oom file's count (signed)
};

/* ---- writing records (records.c) ------------------------------------------------------------------------------------ */

struct gs_box_out {
    int fd;
    uint64_t at;    // where the buffer's first byte goes in the file
    uint64_t max;   // the file ends there at the latest
    uint32_t chain; // crc32 of the last record
    size_t filled, record;
    int error;      // the first thing that failed
    unsigned char buffer[2 * GS_BOX_RECORD_MAX];
};

/* Begin a box, or go on behind AT, where CHAIN was the last record's crc32. */
void gs_box_out_start(struct gs_box_out *out, int fd, uint64_t at, uint32_t chain);
void gs_box_begin(struct gs_box_out *out, enum gs_box_record type);
void gs_box_number(struct gs_box_out *out, uint64_t number);
void gs_box_signed(struct gs_box_out *out, int64_t number);
void gs_box_bytes(struct gs_box_out *out, const void *bytes, size_t length);
void gs_box_text(struct gs_box_out *out, const char *text);
/* Room in the present record. */
size_t gs_box_room(const struct gs_box_out *out);
void gs_box_end(struct gs_box_out *out);
/* LENGTH bytes as records of TYPE, with 0 before those that begin and 1 before those that go on. */
void gs_box_long_text(struct gs_box_out *out, enum gs_box_record type, const char *bytes, size_t length);
/* How much would be in the file by now. */
uint64_t gs_box_out_size(const struct gs_box_out *out);
/* Write what is in the buffer. 0, or the first failure of all since the start: then nothing of it counts. */
int gs_box_flush(struct gs_box_out *out) GS_CHECK_RESULT;
