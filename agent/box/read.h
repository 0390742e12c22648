/* box/read.h - the state of reading a black box, shared by read.c, read_records.c and contents.c.
 *
 *   read.c  bytes ──▶ records ──▶ read_records.c  the reader's tables ──▶ contents.c  struct gs_box_contents
 *
 * Context of all: watcher, CLI. */
#pragma once
#include "box/inside.h"
#include "symbol/symbol.h"

struct gs_box_reader_stack {
    uint64_t *frame;           // depth frames
    uint32_t depth, label_count;
    struct gs_label_value *label;
    uint32_t rolled;           // number of the baseline that `last` is of
    uint32_t peaked;           // number of the peak that `peak` is of
    bool known;                // its frames were read
    /* Values now, at the last baseline, and at the one before. */
    int64_t now[GS_HEAP_VALUES], last[GS_HEAP_VALUES], before[GS_HEAP_VALUES];
    int64_t peak[GS_HEAP_VALUES]; // at the last peak
};
struct gs_box_reader_text {    // grows
    char *at;                  // NULL: nothing yet
    size_t length, capacity;   // bytes
};
struct gs_box_reader_build_id {
    uint64_t start;            // of its mapping
    unsigned char id[GS_BUILD_ID_MAX];
    unsigned length;
};
struct gs_box_reader {         // starts as all zero; freed by gs_box_reader_fini
    const unsigned char *at, *end; // of the current record's payload: unread part
    bool bad;                  // a record contained an impossible value
    bool no_memory;
    struct gs_box_contents *out;
    struct gs_box_reader_stack *stack; // by stack number, up to the highest one read
    size_t stacks, stack_capacity;
    uint64_t frames;           // of all stacks
    uint32_t baselines;        // how many were read
    int64_t last_ns, before_ns; // CLOCK_REALTIME of the last baseline, and the one before; 0: there is none
    int64_t baseline_first_age_ns;
    uint32_t peaks;            // how many were read: the last one counts
    int64_t peak_ns;           // CLOCK_REALTIME of the last peak; 0: there is none
    uint64_t left_out;         // stacks that the writer had no room for
    struct gs_box_reader_text rules, maps, history;
    bool history_cut;          // the rest exceeded the limit
    struct gs_box_reader_build_id *build_id;
    size_t build_id_count, build_id_capacity;
    struct gs_mapping *library; // for gs_maps.library
    size_t library_count, library_capacity;
};

/* ---- records (read_records.c) --------------------------------------------------------------------------------------- */

/* Read one record of TYPE, whose payload is at..end, into READER. Unknown types (of later versions) are skipped. Sets bad or
 * no_memory on failure. */
void gs_box_read_record(struct gs_box_reader *reader, unsigned type);
/* Update STACK's values at the baselines and the peak to the last ones that READER has seen. */
void gs_box_roll_stack(struct gs_box_reader_stack *stack, const struct gs_box_reader *reader);
/* Frees the tables, but not `out`. */
void gs_box_reader_fini(struct gs_box_reader *reader);

/* ---- what the box holds (contents.c) -------------------------------------------------------------------------------- */

/* Empty contents, which gs_box_contents_free frees; NULL: no memory. */
struct gs_box_contents *gs_box_contents_new(void) GS_CHECK_RESULT;
/* Fill READER's `out` from its tables, after all records were read. `out` takes memory over. False: no memory. */
bool gs_box_contents_build(struct gs_box_reader *reader) GS_CHECK_RESULT;
