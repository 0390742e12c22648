/* reader/reader.h - the door of reader/: what only the command does: reads files of any origin, tests rules on
 * recorded data. Nothing of it is in the library.
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

/* Read a profile (gzip'd or not) of untrusted origin: every index is checked, at most 512 MiB unpacked.
 * NULL, with a sentence in WHY. */
struct gs_profile *gs_reader_profile(const void *bytes, size_t length, char *why, size_t why_size) GS_CHECK_RESULT;

/* ---- histories (history.c) ---------------------------------------------------------------------------------- */

/* Read a history of untrusted origin: LENGTH bytes of metrics.json, of CSV ("time,rss,gauge:queue", seconds of any
 * origin, an empty field where a value is missing), or of packs (gs_history_pack); FILE is its name in messages. NULL:
 * every error is in *ERRORS, in file order, up to the first 1000. Needs at most about twenty times LENGTH of memory; reads
 * at most 2,000,000 values of metrics.json. Context: CLI (requires the C locale). */
enum { GS_HISTORY_BYTES_MAX = 64 << 20 }; // a larger file is refused
struct gs_history *gs_reader_history(const char *bytes, size_t length, const char *file, struct gs_history_about *about,
                                   struct gs_errors *errors);

/* ---- replay ------------------------------------------------------------------------------------------------ */

struct gs_firing {
    int64_t time_ns;         // as in the history
    const char *condition;
    double value, line;      // NAN: none
    char reason[240];
};
struct gs_column {           // of a plot: the values of a stretch of time
    double low, high, line;  // NAN: nothing
    bool fired;
};
enum { GS_FIRINGS_MAX = 1000 };
struct gs_replayed {         // one rule
    struct gs_firing *firing; // the first GS_FIRINGS_MAX of them
    size_t firing_count;
    uint64_t fired;
    /* For a rule that never fired: when it came closest to firing, and what prevented it. */
    enum gs_obstacle obstacle;
    int64_t time_ns;
    double value, line;      // NAN: none
    char held_back[200];
    /* For every rule: how often a condition held for long enough and only this obstacle prevented an incident. */
    uint64_t missed[GS_OBSTACLES];
    struct gs_column *column;
};
struct gs_replay {
    size_t rows, gaps;
    bool counts_ticks;       // a window is given in ticks, and each row counts as a tick
    size_t rule_count, column_count;
    struct gs_replayed rule[]; // in the order of the rules
};
/* Judge every row of HISTORY as a tick of RULES, with the judge of the watcher. An incident takes no time. A row covers
 * its own step, whatever the rules' interval. NULL: out of memory. Context: CLI (pure). */
struct gs_replay *gs_reader_replay_run(const struct gs_rules *rules, const struct gs_history *history, uint64_t limit_bytes,
                                size_t columns) GS_CHECK_RESULT;
void gs_reader_replay_free(struct gs_replay *replay);

/* ---- suggestions ---------------------------------------------------------------------------------------- */

enum { GS_SUGGEST_ROWS_LEAST = 60 }; // and they must cover an hour
struct gs_suggest_constraints {
    uint64_t per_week;       // incidents per week at most; for a history of less than a week, in all of it
    uint64_t limit_bytes;    // the memory limit; 0: unknown
};
/* Write to OUT a rules file fitted to HISTORY. Its replay on HISTORY has no more incidents than CONSTRAINTS allow,
 * and the same input gives the same output. NOTES gets a line for each omission. 0; -ENODATA: nothing to fit to
 * (NOTES says why); or -ENOMEM. Context: CLI (pure). */
int gs_reader_suggest(const struct gs_history *history, const struct gs_suggest_constraints *constraints, struct gs_text *out,
               struct gs_text *notes) GS_CHECK_RESULT;

/* ---- core files (core_file.c, core_threads.c) ---------------------------------------------------------------
 * A core file is read as untrusted bytes.
 *
 *   gs_reader_core_open ──▶ segments (memory), notes (threads, signal, mapped files) ──▶ gs_reader_core_read, gs_reader_core_threads */

struct gs_core_segment {
    uint64_t start, end, offset, bytes;
    unsigned flags;
};                               // the file contains BYTES of it, from OFFSET on
struct gs_core_file {            // a mapping
    uint64_t start, end, offset; // offset in bytes
    const char *path;            // in the notes
    int fd;                      // of the file on this machine; -1: missing, or it has changed
};

struct gs_core {
    const char *path;
    int fd, pid, signal;             // signal 0: none is recorded
    char program[17];                // the process's name, as the kernel cuts it
    struct gs_core_segment *segment; // in address order
    size_t segment_count;
    struct gs_core_file *file; // in address order
    size_t file_count;
    int *tid; // in the core's order: the thread that received the signal is first
    size_t thread_count, threads_left_out;
    uint64_t entry;     // of the main program; 0: not known
    int64_t written_ns; // CLOCK_REALTIME
    char *notes;        // the bytes that the paths point into
    uint64_t notes_length;
};

/* Is FD's file an ELF core file? */
bool gs_reader_is_core(int fd);
/* Read the headers and notes of PATH, and open the files that were mapped. EXE, if not NULL, replaces the path of the main
 * program (absolute; must live as long as the core). NOTES gets a line for each file that is missing or has changed.
 * 0; else -errno, with a sentence in WHY. */
int gs_reader_core_open(const char *path, const char *exe, struct gs_core *out, struct gs_text *notes, char *why,
                 size_t why_size) GS_CHECK_RESULT;
void gs_reader_core_close(struct gs_core *core);
/* Read LENGTH bytes of the process's memory at AT from the core or, if they were not dumped, from the file that was mapped
 * there. False: not available. */
bool gs_reader_core_read(const struct gs_core *core, uint64_t at, void *out, size_t length);
/* The start of the ELF image that contains AT; 0: none. */
uint64_t gs_reader_core_image(const struct gs_core *core, uint64_t at);
/* The mapped file that holds AT; NULL: none. */
const struct gs_core_file *gs_reader_core_file_at(const struct gs_core *core, uint64_t at);

/* Walk the stacks of all threads with libunwind, into THREAD[0..core->thread_count). NOTES says how many threads have no
 * stack. 0 or -errno. */
int gs_reader_core_threads(const struct gs_core *core, struct gs_given_thread *thread,
                    struct gs_text *notes) GS_CHECK_RESULT;
