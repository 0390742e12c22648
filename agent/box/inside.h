/* box/inside.h - the format of a black box, shared by its writer and its reader (docs/formats.md describes each byte).
 *
 *   "gsbox" left 0 1 │ record │ record │ …                                 little endian
 *   left            1: the process has ended normally, and could not remove the box; else 0
 *   record          length of the payload │ crc32 │ type │ payload
 *                   4                       4       1
 *   crc32           over type and payload, starting from the crc32 of the record before: a moved record is invalid
 *   a write         records …, then WRITTEN: records after the last WRITTEN are ignored
 *
 * The file is a log: reading all records up to the last WRITTEN gives the state of the process at that time. */
#pragma once
#include "box/box.h"
#include "store/store.h"

#define GS_BOX_MAGIC "gsbox\0\0\1"
enum {
    GS_BOX_HEAD = 8,
    GS_BOX_LEFT_AT = 5, // offset of `left`
    GS_BOX_LEFT = 1,
    GS_BOX_RECORD_HEAD = 9,
    GS_BOX_RECORD_MAX = 64 << 10, // of a payload
    GS_BOX_STACKS_MAX = 1 << 16,
    GS_BOX_FRAMES_MAX = 1 << 21,
};

/* Numbers are LEB128; signed numbers are zigzag-encoded first. A text is its length and its bytes. */
enum gs_box_record {
    GS_BOX_IDENTITY = 1, // numbers: pid, start ticks, started ns, limit, baseline's first age ns; texts: boot id, host, exe,
                         // limit from, oom file; a number: namespace; texts: program, container, pod, pod's namespace (those
                         // after oom file are missing in boxes of earlier versions)
    GS_BOX_RULES,        // 0: first part, 1: continued; bytes of the rules file
    GS_BOX_MAPS,         // like GS_BOX_RULES; bytes of /proc/self/maps
    GS_BOX_BUILD_IDS,    // repeated: start address of an executable mapping, its build id as a text
    GS_BOX_STACKS,       // repeated: stack number * 2 + is new; if new: depth, frames (signed differences), label count,
                         // a key and a value of each label; alloc_objects, alloc_space, inuse_objects, inuse_space (signed)
    GS_BOX_BASELINE,     // ns: the stacks' values so far in the file are the baseline of this time
    GS_BOX_SAMPLING,     // struct gs_heap_sampling, and how many stacks did not fit
    GS_BOX_HISTORY,      // the next part of the packed history
    GS_BOX_WRITTEN,      // ns: time of the write; ns since the watch began; oom_kill count (signed)
    GS_BOX_LIBRARIES,    // 0: first part, 1: continued; repeated, in the order of their numbers: start, end, offset, bias,
                         // 1 if it was unloaded, build id as a text, path as a text. End 0: the number is not in use
    GS_BOX_CRASH,        // numbers: time ns, signal, code (signed), sender, flags (enum gs_box_crash_flag), address, tid, frames
                         // of the whole stack, those before the gap, recorded ones; these (signed differences); texts: name
                         // of the thread, message
    GS_BOX_ACCOUNT,      // numbers: time ns, count, bytes of each part of the resident memory (enum gs_account_part)
    GS_BOX_PEAK,         // ns: the stacks' values so far in the file are those of the heap's peak, at this time; the
                         // highest heap in use around it, in bytes
};

enum gs_box_crash_flag { GS_BOX_CRASH_HAS_ADDRESS = 1, GS_BOX_CRASH_OVERFLOW = 2, GS_BOX_CRASH_CUT = 4 };
/* A process that still writes its box so long after a crash has survived it. */
#define GS_BOX_CRASH_SURVIVED_NS (10 * 1000000000LL)

/* ---- writing records (records.c) ------------------------------------------------------------------------------------ */

struct gs_box_out {
    int fd;
    uint64_t at;    // file offset of the buffer's first byte
    uint64_t max;   // bytes of the file at most
    uint32_t chain; // crc32 of the last record
    size_t filled, record;
    int error;      // the first failure, -errno; 0: none
    unsigned char buffer[2 * GS_BOX_RECORD_MAX];
};

/* Start a new box (AT is 0), or append at offset AT after a record with crc32 CHAIN. */
void gs_box_out_start(struct gs_box_out *out, int fd, uint64_t at, uint32_t chain);
void gs_box_begin(struct gs_box_out *out, enum gs_box_record type);
void gs_box_number(struct gs_box_out *out, uint64_t number);
void gs_box_signed(struct gs_box_out *out, int64_t number);
void gs_box_bytes(struct gs_box_out *out, const void *bytes, size_t length);
void gs_box_text(struct gs_box_out *out, const char *text);
/* Bytes that still fit in the current record. */
size_t gs_box_room(const struct gs_box_out *out);
void gs_box_end(struct gs_box_out *out);
/* Write LENGTH bytes as one or more records of TYPE: 0 before the first part, 1 before each later one. */
void gs_box_long_text(struct gs_box_out *out, enum gs_box_record type, const char *bytes, size_t length);
/* Size of the file once the buffer is written. */
uint64_t gs_box_out_size(const struct gs_box_out *out);
/* Write the buffer. 0, or the first failure since gs_box_out_start: then the caller must discard the whole write. */
int gs_box_flush(struct gs_box_out *out) GS_CHECK_RESULT;
