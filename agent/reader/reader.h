/* reader/reader.h - the door of reader/: what only the command does: reads files of any origin, tests rules on
 * recorded data. Nothing of it is in the library.
 * Opened by: cli, tests.  Opens: base, sys, metrics, history, rules, symbol, profile, gather, store. */
#pragma once
#include "base/attributes.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/text.h"
#include "gather/gather.h"
#include "history/history.h"
#include "profile/profile.h"
#include "reader/anonymous.h" // part of this door: anonymous copies
#include "reader/bundle.h"    // part of this door: an incident as one file
#include "rules/rules.h"
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- profiles (pprof.c) ------------------------------------------------------------------------------------- */

/* Read a profile (gzip'd or not) of untrusted origin: every index is checked, at most 512 MiB unpacked.
 * NULL, with a sentence in WHY. */
struct gs_profile *gs_reader_profile(const void *bytes, size_t length, char *why, size_t why_size) GS_CHECK_RESULT;
enum { GS_PROFILE_BYTES_MAX = 512 << 20 }; // a larger file is refused
/* Write PROFILE to the path OUT (lines_file.c). A regular file is replaced as a whole, or stays as it was. 0 or -errno. */
int gs_reader_write_profile(const struct gs_profile *profile, const char *out) GS_CHECK_RESULT;
/* Write TEXT to the path OUT in the same way (write_text.c). */
int gs_reader_write_text(const struct gs_text *text, const char *out) GS_CHECK_RESULT;

/* ---- quantities as pprof prints them (scale.c) ---------------------------------------------------------------- */

struct gs_scale { const char *unit; double factor; const char *suffix; }; // prints value * factor, then the suffix
/* The scale in which values of UNIT from MIN (the smallest that is shown, not 0) to MAX are readable, as pprof chooses it. */
struct gs_scale gs_reader_scale_for(const char *unit, long long min, long long max);
/* Print VALUE in SCALE into OUT; returns OUT. */
const char *gs_reader_print_scaled(long long value, const struct gs_scale *scale, char *out, size_t size);
/* Print VALUE in the unit that suits this value. */
const char *gs_reader_print_label(long long value, const char *unit, char *out, size_t size);
/* Print VALUE as a share of TOTAL: five columns and "%". */
const char *gs_reader_print_share(long long value, long long total, char *out, size_t size);

/* VALUE of unit FROM in unit TO, if both are sizes or both are times. False: they are not. */
bool gs_reader_convert(double value, const char *from, const char *to, double *out) GS_CHECK_RESULT;

/* ---- names that fit (fit.c) ---------------------------------------------------------------------------------- */

/* Add FUNCTION (demangled), with control characters escaped, in at most COLUMNS of a terminal (0: any number) if that is possible:
 * parameters, template arguments and namespaces are left out in this order, but never the function's own name. */
void gs_reader_add_fitted_function(struct gs_text *out, const char *function, size_t columns);
/* Add an extended regular expression that finds FUNCTION by its qualified name, with any template arguments. */
void gs_reader_add_function_pattern(struct gs_text *out, const char *function);

/* ---- views: what a reading command shows of a profile ------------------------------------------------------------ */

/* Which samples and frames of a profile are shown, as pprof's options of the same names mean them (filter.c). Expressions are
 * extended regular expressions; NULL: no condition. */
struct gs_filter {
    const char *focus, *ignore;         // samples with a frame that matches; without any frame that matches
    const char *hide, *show;            // remove the frames that match; those that do not
    const char *tag_focus, *tag_ignore; // by labels: "EXPRESSION,…", "KEY=EXPRESSION", or a range "32kB:64kB"
    const char *const *plumbing;        // patterns as for gs_symbol_matches: frames of such functions are removed, so that what
    size_t plumbing_count;              // they hold is their caller's; a stack of such frames alone stays as it is
};
/* Apply FILTER to PROFILE in place. WARNINGS gets a line for each expression that matches nothing. 0 or -ENOMEM; -EINVAL: an
 * expression cannot be read, WHY says which. Context: CLI. */
int gs_reader_filter(struct gs_profile *profile, const struct gs_filter *filter, struct gs_text *warnings, char *why,
                     size_t why_size) GS_CHECK_RESULT;

/* PATH, not empty, without "." and "..", as pprof shows it (clean_path.c). Lives as long as PROFILE. */
const char *gs_reader_clean_path(struct gs_profile *profile, const char *path);

/* The call graph of a profile, computed as pprof does (graph.c). */
enum gs_granularity { GS_BY_FUNCTION, GS_BY_LINE };
struct gs_graph_node {
    const char *name;       // "f", or "f file.c:12"; a frame without a function: "[libfoo.so]" or "<unknown>"
    const char *function, *file; // of its first location; "" when unknown
    int64_t line, start_line; // of the frame, of its function; 0: unknown, or nodes are functions
    int64_t flat, cum;
};
struct gs_graph_edge {
    uint32_t caller, callee; // indexes of nodes
    int64_t weight;
    bool inlined;            // in every sample the callee was inlined into the caller
};
struct gs_graph {
    struct gs_graph_node *node; // all; those in `order` are shown
    size_t node_count;
    uint32_t *order;            // indexes of nodes, sorted by flat or cum
    size_t order_count;
    struct gs_graph_edge *edge; // weight 0: removed
    size_t edge_count;
    size_t dropped, candidates; // nodes below the limits; nodes that remained before the limit on their number
    struct gs_graph_state *state; // internal
};
struct gs_graph_limits {
    double node_fraction, edge_fraction;
    size_t nodes;               // 0: no limit
    bool by_cum, no_edges;      // order; edges are not needed
};
/* The graph of PROFILE's sample type SAMPLE_TYPE. Nodes with a share of cum below node_fraction and edges below edge_fraction
 * are removed; an edge then leads over the removed nodes. NULL: no memory. Names are borrowed from PROFILE. */
struct gs_graph *gs_reader_graph(struct gs_profile *profile, int sample_type, enum gs_granularity by,
                                 const struct gs_graph_limits *limits) GS_CHECK_RESULT;
void gs_reader_graph_free(struct gs_graph *graph);

/* A source file as lines, for `gumshoe list` (source_text.c). */
struct gs_source_text {
    char *text;             // its bytes; each line ends with a 0
    const char **line;      // line[0] is line 1
    size_t count;
};
/* Read the source file that a profile calls PATH: at this place, else below DIR, where leading folders of PATH may be missing.
 * Only regular files, at most 16 MiB. 0 or -errno. */
int gs_reader_source(const char *path, const char *dir, struct gs_source_text *out) GS_CHECK_RESULT;
/* The same, but only below DIR: for what is shown to others. A PATH with ".." is not looked for. */
int gs_reader_source_below(const char *path, const char *dir, struct gs_source_text *out) GS_CHECK_RESULT;
void gs_reader_source_fini(struct gs_source_text *source);

/* ---- pages and pictures (page*.c, flame_svg.c, page/) ------------------------------------------------------------- */

/* The stacks of a profile as a prefix tree of functions, with the values of some of its sample types. */
struct gs_page_tree;
struct gs_page_view {       // one sample type, as the page's switch names it
    const char *id, *label; // id: unique in the page, [a-z0-9_.-]
    int type;               // index of the sample type
    bool alone;             // without the base, if there is one
};
/* The tree of PROFILE. With BASE (NULL: none) each view but those alone is differential: before, in BASE, and now, in PROFILE; functions are matched
 * by name. Negative values count as before. PROFILE and the strings of VIEW must live as long as the tree. COUNT: 1 to
 * GS_SAMPLE_TYPES_MAX. NULL: no memory. */
struct gs_page_tree *gs_reader_page_tree(const struct gs_profile *profile, const struct gs_profile *base,
                                         const struct gs_page_view *view, size_t count) GS_CHECK_RESULT;
void gs_reader_page_tree_free(struct gs_page_tree *tree);
/* A label for sample type TYPE: "Held now" for "inuse_space"; TYPE itself, if it is not known. */
const char *gs_reader_page_label(const char *type);
/* Append an entry for each view to VIEWS, the array "profiles" of a page's data (docs/formats.md). */
void gs_reader_page_views(const struct gs_page_tree *tree, struct gs_json *views);
/* Append HTML to OUT: the heaviest functions and stacks of view VIEW (an index) as tables, for screen readers and without script. */
void gs_reader_page_text(const struct gs_page_tree *tree, size_t view, struct gs_text *out);
/* Append view 0 as a picture to OUT: an SVG document, which its own script makes interactive. */
void gs_reader_flame_svg(const struct gs_page_tree *tree, const char *title, struct gs_text *out);

/* An HTML document: begin, then the caller adds HTML that is readable without script, then end. It loads nothing: scripts and
 * styles (agent/reader/page/) are in it, and its policy allows no others. Failure: OUT->failed. */
enum gs_page_kind { GS_PAGE_FLAME, GS_PAGE_REPORT };
void gs_reader_page_begin(struct gs_text *out, enum gs_page_kind kind, const char *title);
/* JSON: what the scripts show. NULL: no memory. */
void gs_reader_page_end(struct gs_text *out, enum gs_page_kind kind, const json_t *json);
/* Append WORDS, text of any origin, to HTML or XML, for elements and quoted attributes. Characters that are not seen, or change how
 * others are seen, are escaped visibly. */
void gs_reader_page_escape(struct gs_text *out, const char *words);
/* Append TEXT in the same way, as preformatted lines: at most GS_PAGE_PRE_MAX bytes of it. */
enum { GS_PAGE_PRE_MAX = 128 << 10 };
void gs_reader_page_pre(struct gs_text *out, const char *text, size_t length);

struct gs_page_incident {
    int folder;             // descriptor of the incident's folder; borrowed
    const char *source_dir; // where its sources are; NULL: show none
    bool symbolize;         // look for lines in debug information on this machine, where a profile has none
    int past;               // descriptor of the program's history file, borrowed; 0: gs_reader_open_past(folder); -1: none
};
/* Open the history file of the program of the incident in FOLDER, in .history beside it. -errno. The caller closes it. */
int gs_reader_open_past(int folder) GS_CHECK_RESULT;
/* Append the page of an incident to OUT (page_incident*.c). Its files are of unknown origin: one that is missing or damaged costs its
 * section alone, and the page says so. 0 or -errno, with a sentence in WHY; -EBADMSG: incident.json is no incident's. */
int gs_reader_page_incident(const struct gs_page_incident *from, struct gs_text *out, char *why, size_t why_size)
    GS_CHECK_RESULT;

/* ---- histories (history.c) ---------------------------------------------------------------------------------- */

/* Read a history of untrusted origin: LENGTH bytes of metrics.json, of packs (gs_history_pack), of a history file
 * (gs_history_file_read), of which *ERRORS gets a warning if a part of it is damaged, or of what another program wrote: CSV, JSON of
 * Prometheus, OpenMetrics and promtool's text, pidstat and sar. FILE is its name in messages. NULL: the errors are in *ERRORS; of what
 * other programs wrote, the first of each kind and the number of the others. Needs at most about twenty times LENGTH of memory; reads
 * at most 2,000,000 values of JSON. Context: CLI (requires the C locale). */
enum { GS_HISTORY_BYTES_MAX = 64 << 20 }; // a larger file is refused
struct gs_history *gs_reader_history(const char *bytes, size_t length, const char *file, struct gs_history_about *about,
                                   struct gs_errors *errors);

struct gs_import {             // how to read what another program wrote
    const char *const *column; // "rss=Value #A": that column is this metric ("time=When": the time)
    size_t column_count;
    const char *const *series; // "pid=7": only series with this label
    size_t series_count;
    unsigned cpus;             // cpu is divided by it; 0: not given
    struct gs_text notes;      // for the user, a line each: how times and columns were understood, what was left out. The caller frees it
};
enum { GS_IMPORT_COLUMNS_MAX = 64 };
/* The same, with HOW (NULL: nothing is given, and nobody wants the notes). */
struct gs_history *gs_reader_history_from(const char *bytes, size_t length, const char *file, struct gs_import *how,
                                          struct gs_history_about *about, struct gs_errors *errors);

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

/* ---- suggestions (suggest*.c, faults.c, rises.c) ------------------------------------------------------------- */

enum { GS_SUGGEST_ROWS_LEAST = 60 }; // and they must cover an hour
struct gs_suggest_constraints {
    uint64_t per_week;       // incidents per week at most, faults apart; for a history of less than a week, in all of it
    uint64_t limit_bytes;    // the memory limit; 0: unknown
};

enum { GS_SUGGESTIONS_MAX = 200, GS_FAULTS_MAX = 32, GS_FAULT_PARTS = 4, GS_USUAL_MAX = 32 };
enum gs_fault_kind { GS_FAULT_STEP, GS_FAULT_CLIMB, GS_FAULT_SPIKE };
struct gs_fault {            // a rise in the history that is not usual there
    enum gs_fault_kind kind;
    int64_t begin_ns, peak_ns; // the last usual value; when 95 % of the rise was reached
    int64_t end_ns;          // when two thirds of the rise were gone, or the last row
    bool lasts;              // it was not over at the last row
    bool to_limit;           // it came within 5 % of the memory limit
    struct { const char *metric; double from, to; } part[GS_FAULT_PARTS]; // metrics that show it; the names are the history's
    size_t part_count;       // at least one
};
enum gs_usual_cause { GS_USUAL_RECURS, GS_USUAL_AT_START, GS_USUAL_SEEN_BEFORE, GS_USUAL_DAY, GS_USUAL_LOAD, GS_USUAL_CAUSES };
struct gs_usual_rise {       // rises that are as large as a fault, and counted as usual
    enum gs_usual_cause cause;
    const char *metric;
    size_t count;
    double from, to;         // of the highest
    int64_t first_ns, last_ns; // when the first and the last of them began
};
struct gs_hit { bool fires; int64_t time_ns; double value; }; // a rule's first incident on a fault
struct gs_suggested_rule {
    char name[GS_RULE_NAME_MAX + 1];
    const char *metric;
    struct gs_hit hit[GS_FAULTS_MAX]; // by the fault's number
    uint64_t otherwise;      // incidents on no fault
    int64_t otherwise_ns;    // the first of them
};
struct gs_suggested {
    struct gs_text rules;    // a rules file
    struct gs_text notes;    // a line for each omission
    int64_t span_ns, interval_ns;
    uint64_t weeks;          // whole weeks of the history; 1 at least
    uint64_t otherwise;      // incidents of all rules together on no fault
    struct gs_fault fault[GS_FAULTS_MAX];
    size_t fault_count, faults_lost; // lost: without room
    struct gs_usual_rise usual[GS_USUAL_MAX];
    size_t usual_count;
    struct gs_suggested_rule rule[GS_SUGGESTIONS_MAX]; // those in the rules file, in its order
    size_t rule_count;
};
/* A rules file fitted to HISTORY, and what it does on it, as the judge of the watcher says. Without the faults it has no more
 * incidents than CONSTRAINTS allow, except where NOTES says so. The same input gives the same output. *OUT: the caller frees it
 * with gs_reader_suggested_free; it refers to HISTORY. 0; -ENODATA: nothing to fit to (the notes say why); else *OUT is NULL:
 * -ENOMEM, or -EINVAL if the rules reader rejects the text. Context: CLI (pure). */
int gs_reader_suggest(const struct gs_history *history, const struct gs_suggest_constraints *constraints,
                      struct gs_suggested **out) GS_CHECK_RESULT;
void gs_reader_suggested_free(struct gs_suggested *suggested);
/* "climb". */
const char *gs_reader_fault_name(enum gs_fault_kind kind);
/* "2.1 h after it began, 9.3 h before its peak". Returns OUT. */
enum { GS_HIT_TEXT = 128 };
const char *gs_reader_print_hit(const struct gs_fault *fault, const struct gs_hit *hit, char out[GS_HIT_TEXT]);
/* Does a rule fire on fault number FAULT? */
bool gs_reader_suggested_covers(const struct gs_suggested *suggested, size_t fault);

/* ---- core files (core_file.c, core_threads.c, core_crash.c) ---------------------------------------------------------------
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

struct gs_core_thread {
    int tid, call;                   // call: number of the system call that it was in; -1: none, or not known
    uint64_t argument[6];            // of the system call
};

struct gs_core {
    const char *path;
    int fd, pid, signal;             // signal 0: none is recorded
    char program[17];                // the process's name, as the kernel cuts it
    struct gs_core_segment *segment; // in address order
    size_t segment_count;
    struct gs_core_file *file; // in address order
    size_t file_count;
    bool has_siginfo;
    siginfo_t siginfo;  // of the signal
    uint64_t pc, sp;    // of the first thread; 0: not known
    struct gs_core_thread *thread; // in the core's order: the thread that received the signal is first
    size_t thread_count, threads_left_out;
    uint64_t entry;     // of the main program; 0: not known
    uint64_t exec_name; // where the kernel put the program's path, behind the environment; 0: not known
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
struct gs_identity;
/* The names of CORE's process: of its notes, its environment at the start, and what systemd-coredump wrote to the file. EXE: the
 * path of its program. What is not known is "". */
void gs_reader_core_identity(const struct gs_core *core, const char *exe, struct gs_identity *out);
/* Read LENGTH bytes of the process's memory at AT from the core or, if they were not dumped, from the file that was mapped
 * there. False: not available. */
bool gs_reader_core_read(const struct gs_core *core, uint64_t at, void *out, size_t length);
/* The start of the ELF image that contains AT; 0: none. */
uint64_t gs_reader_core_image(const struct gs_core *core, uint64_t at);
/* The mapped file that holds AT; NULL: none. */
const struct gs_core_file *gs_reader_core_file_at(const struct gs_core *core, uint64_t at);

/* Walk the stacks of all threads with libunwind, into THREAD[0..core->thread_count). NOTES says how many threads have no
 * stack. A first thread with more frames than fit: its first and its last ones, see FIRST. 0 or -errno. */
struct gs_core_stack { uint64_t depth; uint32_t inner; }; // frames in all; those before the gap
int gs_reader_core_threads(const struct gs_core *core, struct gs_given_thread *thread, struct gs_core_stack *first,
                    struct gs_text *notes) GS_CHECK_RESULT;

/* ---- lines (lines*.c, debug_*.c) ---------------------------------------------------------------------------------
 * Functions, files, lines and inlined frames for the addresses of a profile, from symbol tables and debug information that is
 * on this machine: in the mapped files, in separate debug files (.gnu_debuglink, build id, debuginfod's local cache), in
 * MiniDebugInfo, in .dwo and .dwp files, in what dwz moved out. A file of another build id is refused. No network. */

struct gs_symbolize_options {    // all zero: the defaults
    const char *const *debug_dir; // further directories: as /usr/lib/debug, or a copy of another machine's files
    size_t debug_dir_count;
    unsigned seconds;            // gs_reader_symbolize_apart gives up after this time; 0: 120
    bool only_failures;          // no notes on files without debug information
};
/* A new profile equal to PROFILE, with functions, files, lines, start lines and inlined frames filled in where they are not
 * known. NOTES gets a line for each file without lines, with the reason. Files may be hostile, and elfutils reads them: the
 * caller isolates this (gs_reader_symbolize_apart does). NULL: no memory. */
struct gs_profile *gs_reader_symbolize(const struct gs_profile *profile, const struct gs_symbolize_options *options,
                                       struct gs_text *notes) GS_CHECK_RESULT;
/* The same in a child process with limits on memory, time and output. If it dies or takes too long, NOTES says so,
 * and what it was reading is left out. NULL: nothing could be filled in; NOTES has the reason. The caller has no threads. */
struct gs_profile *gs_reader_symbolize_apart(const struct gs_profile *profile, const struct gs_symbolize_options *options,
                                             struct gs_text *notes) GS_CHECK_RESULT;
/* Has PROFILE addresses in files, for which lines were not sought yet? */
bool gs_reader_lacks_lines(const struct gs_profile *profile);
/* Fill lines into the profile NAME of directory DIRFD, with gs_reader_symbolize_apart. It is replaced atomically, and the original is
 * kept as NAME with ".orig" inserted ("heap.orig.pb.gz"); if there is such an original already, that one is read. OUT, if not
 * NULL: the result is written there (a path), and NAME stays. Returns 0; -ENODATA: nothing could be filled in, nothing was
 * written; -EBADMSG: NAME is not a profile (NOTES says why); else -errno. */
int gs_reader_symbolize_file(int dirfd, const char *name, const char *out, const struct gs_symbolize_options *options,
                             struct gs_text *notes) GS_CHECK_RESULT;
/* The file on this machine that has the symbols of the file mapped from PATH, found by BUILD_ID (hex, not empty): its separate debug
 * file, else the file itself. Into OUT, PATH_MAX bytes. False: it is not here (symbol_file.c). */
bool gs_reader_symbol_file(const char *path, const char *build_id, const struct gs_symbolize_options *options, char out[PATH_MAX]);
/* Is NAME an original that gs_reader_symbolize_file has kept? */
bool gs_reader_is_original(const char *name);

/* How the process crashed; THREAD and STACK: the first thread's. False: no signal of a crash is recorded (core_crash.c). */
bool gs_reader_core_crash(const struct gs_core *core, const struct gs_core_stack *stack,
                          const struct gs_given_thread *thread, struct gs_given_crash *out);
