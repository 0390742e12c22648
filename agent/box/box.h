/* box/box.h - the door of box/: the black box, which holds what will be an incident should the process die.
 * Opened by: incident, watch, reader, cli, tests.  Opens: base, sys, metrics, history, rules, symbol, profile, gather, store. */
#pragma once
#include "base/attributes.h"
#include "gather/gather.h"
#include "history/history.h"
#include "rules/rules.h"
#include "store/store.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an incident and a box of this process have in common. */
struct gs_incident_context {     // what does not change from one incident to the next; borrowed
    const struct gs_rules *rules;
    const struct gs_history *history;
    const struct gs_baselines *baselines;
    const char *const *unavailable; // "memory_pressure: no PSI in this kernel": shown in every incident
    size_t unavailable_count;
    const char *rules_refused; // the rules file has changed since, to something that was refused: why; NULL: it has not
    uint64_t limit_bytes;      // 0: unknown
    const char *limit_from;
    int64_t start_ns;          // CLOCK_MONOTONIC of the watch's start
    int64_t started_ns;        // CLOCK_REALTIME of the process's start
};

/* ---- the black box: DIR/.live/<pid>-<start time>-<namespace>.box (box.h) ------------------------------------------------ */

struct gs_box;                 // what this process's incident will be made of should it die; never NULL trouble: NULL is no box
/* Begin the box of this process in STORE, which is borrowed. NULL when memory is out. Nothing is written before the first
 * gs_box_write. Context: watcher, like all of these. */
struct gs_box *gs_box_open(struct gs_store *store) GS_CHECK_RESULT;
enum gs_box_when { GS_BOX_TICK, GS_BOX_EARLY }; // early: between two ticks, because the heap has grown
/* Write what has changed since the last write, in one piece: killed at whatever moment, it is there or the write before is.
 * HEAP_IN_USE: bytes, as of just before. What cannot be written is logged once; the last box that was stays. */
void gs_box_write(struct gs_box *box, const struct gs_incident_context *context, uint64_t heap_in_use, enum gs_box_when when);
/* The heap in use, in bytes, at which the next write is due before the next tick: a sixteenth more than at the last one. */
uint64_t gs_box_line(const struct gs_box *box);
void gs_box_renew(struct gs_box *box); // the rules were changed: the next write writes everything
/* The watch ends as it should: the box goes. */
void gs_box_close(struct gs_box *box);
/* Its file goes, until the next write: the thread that has it open ends, and may come back. */
void gs_box_put_away(struct gs_box *box);
/* The process ends by its own will, though by none of its destructors: the box goes. Any thread, signal handlers as well; in a
 * child of vfork it does nothing. */
void gs_box_leave(void);

/* ---- reading one, which may come from anywhere (read.c) ------------------------------------------------------------ */

struct gs_post_mortem {            // what is left of it; borrowed. Texts may be "", everything else NULL or 0 where it is not known
    int pid;
    const char *process;       // gs_store_live_name, as of when it lived; NULL: not known
    const char *exe, *host;
    int64_t started_ns, last_seen_ns; // CLOCK_REALTIME
    const char *how;           // it died: "killed by signal 9 (SIGKILL)"
    int signal;
    uint64_t limit_bytes;
    const char *limit_from;
    const struct gs_maps *maps;       // never NULL: gs_symbol_maps_parse of "" where nothing is known
    const struct gs_given_heap *heap;
    const struct gs_given_threads *threads;
    const struct gs_history *history;
    const char *rules;         // the text of the rules in force, of any version
    size_t rules_length;
    const char *const *note;   // what is missing, and the like
    size_t note_count;
};
/* BYTES are a black box, by their beginning. */
bool gs_box_is(const void *bytes, size_t length);
/* Another process holds the lock of the box that is open as FD: it is its writer, wherever that runs. Context: CLI. */
bool gs_box_is_locked(int fd);
/* What a box holds, which may come from anywhere; NULL with a sentence in WHY. Takes some ten times LENGTH of memory at most. */
struct gs_box_contents;
struct gs_box_contents *gs_box_read(const void *bytes, size_t length, char *why, size_t why_size) GS_CHECK_RESULT;
/* Borrowed from it. How the process died is told as far as it can be found out now; NULL: it runs. */
const struct gs_post_mortem *gs_box_remains(struct gs_box_contents *contents);
struct gs_history *gs_box_take_history(struct gs_box_contents *contents); // the caller's from then on; NULL: none
void gs_box_contents_free(struct gs_box_contents *contents);

enum { GS_DEATH_TEXT = 320 }; // how a process died, in words
struct gs_box_contents {
    struct gs_post_mortem post_mortem; // but for how it died; all of it lives as long as this
    struct gs_store_live_id id;
    char process[GS_LIVE_NAME]; // the id as a name
    const char *boot_id, *oom_file;
    int64_t oom_kills;         // at the last write; -1: not known
    struct gs_given_heap heap;
    struct gs_given_stack *stack;
    struct gs_maps *maps;
    struct gs_history *history;
    char *rules;
    struct gs_profile *texts;  // keeps strings: equal ones once
    const char *notes[4];
    char how[GS_DEATH_TEXT];
};
/* A sentence's end, into OUT: "killed by signal 9 (SIGKILL), probably the OOM killer: …". NUMBER: the signal, as its parent saw
 * it; 0: nobody did. */
void gs_box_describe_death(const struct gs_box_contents *contents, int number, char out[GS_DEATH_TEXT]);
/* Lock FD's file as its writer does; false: another process holds it. The lock goes with the process, not with its children, and
 * with any descriptor of the file that the process closes: so nobody opens its own box a second time. */
bool gs_box_lock(int fd);
enum { GS_BOX_BYTES_MAX = 32 << 20 }; // of a box
