/* reader/reader.h - the door of reader/: what only the command does: files of others read, recorded history tried against rules.
 * Nothing of it is in the library.
 * Opened by: cli, tests.  Opens: base, sys, metrics, history, rules, symbol, profile, gather. */
#pragma once
#include "base/attributes.h"
#include "base/errors.h"
#include "base/text.h"
#include "gather/gather.h"
#include "history/history.h"
#include "profile/profile.h"
#include "rules/rules.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- profiles (pprof.c) ------------------------------------------------------------------------------------- */

/* Read a profile (gzip'd or not) of hostile origin: every index is checked, at most 512 MiB unpacked.
 * NULL with a sentence in WHY. */
struct gs_profile *gs_reader_profile(const void *bytes, size_t length, char *why, size_t why_size) GS_CHECK_RESULT;

/* ---- histories (history.c) ---------------------------------------------------------------------------------- */

/* Read a history that may come from anywhere: LENGTH bytes of metrics.json, of CSV ("time,rss,gauge:queue", seconds of any
 * origin, an empty field where a value is missing), or of packs (below); FILE names it in messages. Times of its rows
 * only grow. NULL with every error in *ERRORS, in file order, up to the first 1000. Takes at most some twenty times LENGTH,
 * and of metrics.json, 2,000,000 values at most. Context: CLI (the C locale is taken for granted). */
enum { GS_HISTORY_BYTES_MAX = 64 << 20 }; // a file larger than this is not worth a try
struct gs_history *gs_reader_history(const char *bytes, size_t length, const char *file, struct gs_history_about *about,
                                   struct gs_errors *errors);

/* ---- replay ------------------------------------------------------------------------------------------------ */

struct gs_firing {
    int64_t time_ns;         // as the history has it
    const char *condition;
    double value, line;      // NAN: none
    char reason[240];
};
struct gs_column {           // of a plot: what a stretch of time saw
    double low, high, line;  // NAN: nothing
    bool fired;
};
enum { GS_FIRINGS_MAX = 1000 };
struct gs_replayed {         // one rule
    struct gs_firing *firing; // the first GS_FIRINGS_MAX of them
    size_t firing_count;
    uint64_t fired;
    /* Of one that never fired: the moment at which it came closest, and what still stood in its way. */
    enum gs_obstacle obstacle;
    int64_t time_ns;
    double value, line;      // NAN: none
    char held_back[200];
    /* Whether it fired or not: how often a condition held for long enough, and this alone stood in the way. */
    uint64_t missed[GS_OBSTACLES];
    struct gs_column *column;
};
struct gs_replay {
    size_t rows, gaps;
    bool counts_ticks;       // some window is given in ticks, for which rows are taken
    size_t rule_count, column_count;
    struct gs_replayed rule[]; // as in the rules
};
/* Judge every row of HISTORY as a tick of RULES, with the judge of the watcher. An incident takes no time. A row speaks
 * for its own step, whatever the rules' interval. NULL when memory is out. Context: CLI (pure). */
struct gs_replay *gs_reader_replay_run(const struct gs_rules *rules, const struct gs_history *history, uint64_t limit_bytes,
                                size_t columns) GS_CHECK_RESULT;
void gs_reader_replay_free(struct gs_replay *replay);

/* ---- suggestions ---------------------------------------------------------------------------------------- */

enum { GS_SUGGEST_ROWS_LEAST = 60 }; // and an hour
struct gs_suggest_constraints {
    uint64_t per_week;       // incidents, at most, on that history; of less than a week: in all of it
    uint64_t limit_bytes;    // what shares of memory are shares of; 0: unknown
};
/* A rules file fitted to HISTORY, into OUT: the same for the same, replayed on it with no more incidents than wished for. NOTES
 * gets a line for each thing that was left out. 0; -ENODATA: there is nothing to fit to (NOTES says why); or -ENOMEM.
 * Context: CLI (pure). */
int gs_reader_suggest(const struct gs_history *history, const struct gs_suggest_constraints *constraints, struct gs_text *out,
               struct gs_text *notes) GS_CHECK_RESULT;

/* ---- core files (core_file.c, core_threads.c) ---------------------------------------------------------------
 * A core file, read as what it is: bytes of unknown origin.
 *
 *   gs_reader_core_open ──▶ segments (memory), notes (threads, signal, mapped files) ──▶ gs_reader_core_read, gs_reader_core_threads */

struct gs_core_segment {
    uint64_t start, end, offset, bytes;
    unsigned flags;
};                               // bytes of it are in the file, from offset on
struct gs_core_file {            // a mapping
    uint64_t start, end, offset; // offset in bytes
    const char *path;            // in the notes
    int fd;                      // of the file as it is here; -1: it is not here, or another by now
};

struct gs_core {
    const char *path;
    int fd, pid, signal;             // signal 0: none was noted
    char program[17];                // the process's name, as the kernel cuts it
    struct gs_core_segment *segment; // in address order
    size_t segment_count;
    struct gs_core_file *file; // in address order
    size_t file_count;
    int *tid; // in the core's order: the thread that died comes first
    size_t thread_count, threads_left_out;
    uint64_t entry;     // of the main program; 0: not known
    int64_t written_ns; // CLOCK_REALTIME
    char *notes;        // what paths point into
    uint64_t notes_length;
};

/* Is FD's file a core file of this kind of machine? */
bool gs_reader_is_core(int fd);
/* Read PATH's headers and notes, and open the files that were mapped (EXE, an absolute path that
 * outlives the core, in place of the main program's, if it is not NULL): what
 * is not as it was, or not here, is said in NOTES. 0; else -errno, with a sentence in WHY. */
int gs_reader_core_open(const char *path, const char *exe, struct gs_core *out, struct gs_text *notes, char *why,
                 size_t why_size) GS_CHECK_RESULT;
void gs_reader_core_close(struct gs_core *core);
/* LENGTH bytes of the process's memory at AT, out of the core or, where they were not dumped, out of the file that was mapped
 * there; false when they cannot be had. */
bool gs_reader_core_read(const struct gs_core *core, uint64_t at, void *out, size_t length);
/* Where the ELF image begins that AT lies in; 0: none. */
uint64_t gs_reader_core_image(const struct gs_core *core, uint64_t at);
/* The mapped file that holds AT; NULL: none. */
const struct gs_core_file *gs_reader_core_file_at(const struct gs_core *core, uint64_t at);

/* The threads' stacks, walked by libunwind. THREAD[0..core->thread_count) is filled in; what could not be walked is said in
 * NOTES. 0 or -errno. */
int gs_reader_core_threads(const struct gs_core *core, struct gs_given_thread *thread,
                    struct gs_text *notes) GS_CHECK_RESULT;
