/* box/read.h - a black box while it is read, as the files that read it share it.
 *
 *   read.c  bytes ──▶ records that count ──▶ read_records.c  into the reader's tables ──▶ contents.c  what the box holds
 *
 * Context of all: watcher, CLI. */
#pragma once
#include "box/inside.h"
#include "symbol/symbol.h"

struct gs_box_reader_stack {
    uint64_t *frame;           // depth of them
    uint32_t depth, label_count;
    struct gs_label_value *label;
    uint32_t rolled;           // up to which baseline its values of baselines are right
    bool known;                // its frames were met
    int64_t now[GS_HEAP_VALUES], last[GS_HEAP_VALUES], before[GS_HEAP_VALUES]; // at the last baseline, and the one before
};
struct gs_box_reader_text {    // it grows
    char *at;                  // NULL: nothing yet
    size_t length, capacity;   // bytes
};
struct gs_box_reader_build_id {
    uint64_t start;            // of its mapping
    unsigned char id[GS_BUILD_ID_MAX];
    unsigned length;
};
struct gs_box_reader {         // all zero before; gs_box_reader_fini after
    const unsigned char *at, *end; // of the present record's payload
    bool bad;                  // it said what cannot be
    bool no_memory;
    struct gs_box_contents *out;
    struct gs_box_reader_stack *stack; // by number, up to the highest that was met
    size_t stacks, stack_capacity;
    uint64_t frames;           // of all stacks
    uint32_t baselines;        // so far
    int64_t last_ns, before_ns; // CLOCK_REALTIME of the last baseline, and the one before; 0: there is none
    int64_t baseline_first_age_ns;
    uint64_t left_out;         // stacks that the writer had no room for
    struct gs_box_reader_text rules, maps, history;
    bool history_cut;          // there was more of it than we take
    struct gs_box_reader_build_id *build_id;
    size_t build_id_count, build_id_capacity;
};

/* ---- records (read_records.c) ------------------------------------------------------------------------------------------ */

/* One record of TYPE, whose payload is at..end, into READER. Types of a later day are passed over. Sets bad or no_memory on
 * failure. */
void gs_box_read_record(struct gs_box_reader *reader, unsigned type);
/* Bring STACK's values of the baselines up to baseline number BASELINES. */
void gs_box_roll_baselines(struct gs_box_reader_stack *stack, uint32_t baselines);
/* Frees the tables, but not `out`. */
void gs_box_reader_fini(struct gs_box_reader *reader);

/* ---- what the box holds (contents.c) ----------------------------------------------------------------------------------- */

/* Empty contents, which gs_box_contents_free frees; NULL: memory is out. */
struct gs_box_contents *gs_box_contents_new(void) GS_CHECK_RESULT;
/* READER's `out` out of its tables, once all records were read. What `out` takes over is not in the tables any more. False:
 * memory is out. */
bool gs_box_contents_build(struct gs_box_reader *reader) GS_CHECK_RESULT;
