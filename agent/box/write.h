/* box/write.h - the state of writing the box of this process, shared by the files that write it.
 *
 *   write.c ──▶ write_heap.c     stacks, baselines, sampling ──▶ (a frame outside the map) ────┐
 *           ├─▶ write_maps.c     memory map, build ids  ◀──────────────────────────────────────┘
 *           ├─▶ write_libraries.c  the libraries that frames were in
 *           ├─▶ write_process.c  identity, history, the moment of the write
 *           ├─▶ write_crash.c    a crash, the memory account
 *           └─▶ leave.c          removes the box at an end without destructors
 *
 * Each put function adds records to box->out, which also stores the first failure (records.c). put_new functions write only
 * what has changed since the last write. Context of all: watcher; the writing of a crash: the agent's thread for that. */
#pragma once
#include "account/account.h"
#include "box/inside.h"
#include "sys/lock.h"
#include "sys/owned_fd.h"

struct gs_box {
    struct gs_store *store;
    char name[GS_LIVE_NAME];   // of the file, in .live
    struct gs_owned_fd file;   // not open: the next write begins a new file
    uint64_t size, first_size; // bytes of the file: now, and after its first write
    uint32_t chain;            // crc32 of its last record
    uint64_t heap_line;        // gs_box_heap_line
    uint64_t history_mark;     // gs_history_serial of the last tick in the file
    int64_t baseline_ns;       // time of the youngest baseline in the file
    int64_t peak_ns;           // time of the heap's peak in the file
    int64_t retry_ns;          // after a failure: no new file before this time
    bool must_rewrite, failing;
    struct gs_maps *maps;      // as in the file; NULL: write them again
    int64_t maps_look_ns, maps_pause_ns; // when the map may be read next; the pause before that
    struct gs_heap_sampling sampling; // as in the file
    uint32_t library_changes;  // gs_gather_library_changes of the libraries in the file
    uint64_t left_out;         // stacks that did not fit
    char oom_file[256];
    int64_t oom_kills, oom_look_ns;
    uint64_t known[GS_BOX_STACKS_MAX / GS_HEAP_GROUP]; // bit set: the stack's frames are in the file
    int64_t start_ns;          // CLOCK_MONOTONIC of the watch's start, as of the last write
    struct gs_given_crash *crash; // NULL: nothing has crashed
    struct gs_account_parts account; // the last one that was taken
    bool account_is_written;
    struct gs_lock lock;       // over everything here: a crash is written by a thread of its own
    struct gs_box_out out;
};

/* ---- the heap (write_heap.c) ---------------------------------------------------------------------------------------- */

/* All stacks: their values at the two youngest baselines, at the heap's peak, and now. */
void gs_box_put_heap(struct gs_box *box, const struct gs_incident_context *context);
/* The stacks whose values changed since the last write. */
void gs_box_put_changed_stacks(struct gs_box *box);
/* A baseline, if one was taken since the last write. */
void gs_box_put_new_baseline(struct gs_box *box, const struct gs_incident_context *context);
/* The heap's peak, if it was copied just now, and not in the file yet. */
void gs_box_put_new_peak(struct gs_box *box);
/* True: the peak in the file is another one than the agent's, and only a new file can have that one. */
bool gs_box_peak_is_stale(const struct gs_box *box);
void gs_box_put_sampling(struct gs_box *box);
void gs_box_put_new_sampling(struct gs_box *box);

/* ---- the memory map (write_maps.c) ---------------------------------------------------------------------------------- */

void gs_box_put_maps(struct gs_box *box);
/* The map again, if a written stack has a frame outside it. */
void gs_box_put_new_maps(struct gs_box *box);
/* Drop box->maps if a frame of STACK lies outside them: a library was loaded. */
void gs_box_drop_stale_maps(struct gs_box *box, const struct gs_given_stack *stack);

/* ---- the libraries that frames were in (write_libraries.c) ----------------------------------------------------------- */

void gs_box_put_libraries(struct gs_box *box);
/* All of them again, if one was added, was unloaded, or was loaded again since the last write. */
void gs_box_put_new_libraries(struct gs_box *box);

/* ---- the process (write_process.c) ---------------------------------------------------------------------------------- */

void gs_box_put_identity(struct gs_box *box, const struct gs_incident_context *context);
void gs_box_put_history(struct gs_box *box, const struct gs_incident_context *context);
/* The ticks since the last write. */
void gs_box_put_new_history(struct gs_box *box, const struct gs_incident_context *context);
/* The last record of each write; without it the write is not valid. */
void gs_box_put_written(struct gs_box *box);

/* ---- an end without destructors (leave.c); gs_box_leave is in box.h ------------------------------------------------- */

/* From now on gs_box_leave removes file NAME in STORE's .live. Called by the thread whose descriptor table contains the
 * store. */
void gs_box_leave_prepare(struct gs_store *store, const char *name);
/* From now on gs_box_leave_by_mark leaves its mark in the box FD. */
void gs_box_leave_map(int fd);
/* Was gs_box_leave called since the last reset? Then no box may be written. Context: any thread. */
bool gs_box_has_left(void);
void gs_box_leave_reset(void);

/* ---- a crash, and the memory account (write_crash.c) ----------------------------------------------------------------- */

void gs_box_put_crash(struct gs_box *box); // if there was one within GS_BOX_CRASH_SURVIVED_NS
void gs_box_put_account(struct gs_box *box);
