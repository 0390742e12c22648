/* box/write.h - the box of this process, as the files that write it share it.
 *
 *   write.c ──▶ write_heap.c     stacks, baselines, sampling ──▶ (a frame outside of the map) ─┐
 *           ├─▶ write_maps.c     memory map, build ids  ◀──────────────────────────────────────┘
 *           ├─▶ write_process.c  identity, history, the moment of the write
 *           └─▶ leave.c          the box goes at an end without destructors
 *
 * Each put… adds records to box->out; what fails is remembered there (records.c). "new": what has changed since the last write,
 * if anything has. Context of all: watcher. */
#pragma once
#include "box/inside.h"
#include "sys/owned_fd.h"

struct gs_box {
    struct gs_store *store;
    char name[GS_LIVE_NAME];   // of its file, in .live
    struct gs_owned_fd held;       // the file; none: it is to be begun
    uint64_t size, began;      // bytes of the file: by now, and when it was begun
    uint32_t chain;            // crc32 of its last record
    uint64_t heap_line;        // gs_box_line
    uint64_t history_mark;     // how much of the history is in it
    int64_t baseline_ns;       // the youngest baseline in it
    int64_t again_ns;          // not tried before, after a failure
    bool begin_again, failing;
    struct gs_maps *maps;      // as they are in it; NULL: to be written again
    int64_t maps_look_ns, maps_pause_ns;
    struct gs_heap_sampling sampling; // as it is in it
    uint64_t left_out;         // stacks
    char oom_file[256];
    int64_t oom_kills, oom_look_ns;
    uint64_t known[GS_BOX_STACKS_MAX / GS_HEAP_GROUP]; // stacks whose frames are in it
    struct gs_box_out out;
};

/* ---- the heap (write_heap.c) ------------------------------------------------------------------------------------------- */

/* All of it: the two youngest baselines, and what is held now. */
void gs_box_put_heap(struct gs_box *box, const struct gs_incident_context *context);
/* The stacks that have counted something since the last write. */
void gs_box_put_changed_stacks(struct gs_box *box);
/* A baseline, if one was taken since the last write. */
void gs_box_put_new_baseline(struct gs_box *box, const struct gs_incident_context *context);
void gs_box_put_sampling(struct gs_box *box);
void gs_box_put_new_sampling(struct gs_box *box);

/* ---- the memory map (write_maps.c) ------------------------------------------------------------------------------------- */

void gs_box_put_maps(struct gs_box *box);
/* The map again, if a stack was met that it does not explain. */
void gs_box_put_new_maps(struct gs_box *box);
/* Forget the map if a frame of STACK lies outside of it: a library was loaded. */
void gs_box_look_for_libraries(struct gs_box *box, const struct gs_given_stack *stack);

/* ---- the process (write_process.c) ------------------------------------------------------------------------------------- */

void gs_box_put_identity(struct gs_box *box, const struct gs_incident_context *context);
void gs_box_put_history(struct gs_box *box, const struct gs_incident_context *context);
/* The ticks since the last write. */
void gs_box_put_new_history(struct gs_box *box, const struct gs_incident_context *context);
/* The record that makes a write count. */
void gs_box_put_written(struct gs_box *box, const struct gs_incident_context *context);

/* ---- an end without destructors (leave.c); gs_box_leave is in box.h ------------------------------------------------------ */

/* From now on gs_box_leave removes file NAME of STORE's .live, which this thread has open. */
void gs_box_leave_prepare(struct gs_store *store, const char *name);
/* There is nothing to remove any more. */
void gs_box_leave_cancel(void);
/* gs_box_leave was called since the last reset: no box comes back. Any thread. */
bool gs_box_has_left(void);
void gs_box_leave_reset(void);
