/* incident/incident.h - the door of incident/: the store, one incident in it, and reading them back.
 *
 *   gs_store_open ──▶ gs_incident_begin, _end: .dot-folder ▶ each file fsync'ed ▶ incident.json ▶ rename ▶ rotate
 *                                                        gs_incident_list, gs_incident_load ◀── cli
 *
 * Opened by: the watcher, cli, tests.  Opens: base, metrics, rules, profile, symbol. */
#pragma once
#include "base/attributes.h"
#include "base/json.h"
#include "base/text.h"
#include "metrics/metrics.h"
#include "profile/profile.h"
#include "rules/rules.h"
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the store ---------------------------------------------------------------------------------------------- */

struct gs_store;               // a directory, opened once; everything goes through its descriptor

struct gs_store_limits { uint64_t keep, max_bytes; int64_t max_age_ns; }; // 0: no limit

/* Open DIR, made (0700, parents too) if missing. Refused, with a sentence in WHY: not a directory, a symbolic
 * link in its last part, somebody else's, writable by others without the sticky bit, not writable.
 * Dot-folders that nobody works in are completed as "complete": false, or removed when empty.
 * NULL with errno. Context: watcher. */
struct gs_store *gs_store_open(const char *dir, const struct gs_store_limits *limits, char *why, size_t why_size);
void gs_store_limit(struct gs_store *store, const struct gs_store_limits *limits); // others, from now on
void gs_store_close(struct gs_store *store);
/* Open the directory again: in the child of a fork, whose STORE is its parent's and has nothing open, or for other credentials.
 * What is open is kept, if it can be trusted. -errno, with a sentence in WHY. */
int gs_store_open_again(struct gs_store *store, char *why, size_t why_size) GS_CHECK_RESULT;
/* The process has other credentials now: say so in the log, once, if it may not write in the directory any more. */
void gs_store_say_if_closed(struct gs_store *store);
const char *gs_store_path(const struct gs_store *store);       // absolute
/* Remove what the limits no longer allow. Never: for each rule its newest incident and the one with the highest
 * value; anything that is not an incident of ours. Safe against other processes doing the same. Returns how
 * many were removed. */
size_t gs_store_rotate(struct gs_store *store);

/* ---- DIR/.live: how a running agent is found (live.c) ----------------------------------------------------------- */

enum { GS_LIVE_NAME = 64 };
/* A listening socket in STORE's .live, by the name of this process, which is put into NAME. -errno. Context: watcher. */
int gs_live_listen(struct gs_store *store, char name[GS_LIVE_NAME]) GS_CHECK_RESULT;
void gs_live_remove(struct gs_store *store, const char *name);
/* Connect to the agent in process PID. -ENOENT: it has none, or none that runs; -ETIMEDOUT: it takes nobody's call for seconds, as
 * when it is stopped; another -errno: it may not be asked. Context: CLI. */
int gs_live_connect(int pid) GS_CHECK_RESULT;

/* ---- the ledger: which incidents there were, across restarts (ledger.c) ------------------------------------------- */

/* May an incident of RULE (any name) begin at NOW_NS, CLOCK_REALTIME? GS_HOUR_HAS_ROOM: yes, and it is written down before
 * anything is captured, so that a process that dies of the capture does not do so again and again; with VALUE (NAN: none), and
 * when JUDGE's "every" rules are due (NULL: no judge). Else the hour is full by what all processes of this program in STORE have
 * done, until *UNTIL_NS. When the ledger cannot be used, which is logged once, there is room. Context: watcher. */
struct gs_ledger_entry {
    const char *rule;
    double value;
    struct gs_hour_limits limits;
    const struct gs_judge *judge;
    struct gs_now now;
};
enum gs_hour_room gs_ledger_begin(struct gs_store *store, const struct gs_ledger_entry *entry, int64_t *until_ns);
/* The incident of RULE that began last in this process is over; KEPT: it is on disk, and its value counts. */
void gs_ledger_end(struct gs_store *store, const char *rule, bool kept, int64_t now_ns);
/* Let JUDGE, before its first tick, remember what the ledger says; this process's control socket is in place. Returns how many
 * rules cool down by it. */
size_t gs_ledger_recall(struct gs_store *store, struct gs_judge *judge, struct gs_now now);
/* Write down when JUDGE's "every" rules are due, if that is news. */
void gs_ledger_note_due(struct gs_store *store, const struct gs_judge *judge, struct gs_now now);

/* ---- capturing ----------------------------------------------------------------------------------------------- */

struct gs_incident_facts {     // what is known when it fires; borrowed
    const char *rule;          // its name, or the reason of a call
    const char *why;           // the rule owner's words; NULL: none
    const char *metric;        // NULL: none
    const char *condition;     // "above", …, "call"
    const char *reason;        // one sentence with the numbers
    double value, line;        // NAN: none
    enum gs_unit unit;
    int64_t window_ns;         // of the condition
    unsigned capture;          // an or of enum gs_kind
    int64_t cpu_ns;            // how long CPU time is sampled; 0: as the rules say
    int64_t triggered_ns;      // CLOCK_REALTIME
    const struct gs_given_threads *given; // the threads of another process, which the incident is of; NULL: of this one
    const struct gs_remains *remains;     // what is left of the process that the incident is of; NULL: it lives
};
struct gs_incident_scene {     // what does not change from one incident to the next; borrowed
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
/* One incident, in two halves, because CPU time takes its time: begin captures all that is to be had at once; then
 * gs_cpu_poll is to be called until the incident is ready; end captures the rest and gives the folder its name. Ended before
 * it is ready, it holds what there is by then. Several may be under way at once. FACTS are copied, SCENE is not.
 * begin gives NULL in *OUT and -errno when there is no folder; end 0, with the folder in PATH (PATH_MAX), or -errno: then what
 * could be saved is in a dot-folder, and the log says why. A part that fails (one profile, say) does not fail the incident:
 * it is not complete, and its "errors" say what it lacks. Context: watcher. */
struct gs_incident;
int gs_incident_begin(struct gs_store *store, const struct gs_incident_facts *facts,
                      const struct gs_incident_scene *scene, struct gs_incident **out) GS_CHECK_RESULT;
bool gs_incident_is_ready(const struct gs_incident *incident, int64_t now_ns);
int gs_incident_end(struct gs_incident *incident, char path[PATH_MAX]) GS_CHECK_RESULT; // frees it

/* Add TEXT to "notes", or to "errors", of the complete incident in folder PATH: what came of it afterwards. 0 or -errno: it
 * stays as it was. Context: watcher. */
enum gs_remark { GS_NOTE, GS_FAILURE };
int gs_incident_amend(const char *path, enum gs_remark kind, const char *text) GS_CHECK_RESULT;

/* ---- the black box: DIR/.live/<pid>-<start time>-<namespace>.box (box.h) ------------------------------------------------ */

struct gs_box;                 // what this process's incident will be made of should it die; never NULL trouble: NULL is no box
/* Begin the box of this process in STORE, which is borrowed. NULL when memory is out. Nothing is written before the first
 * gs_box_write. Context: watcher, like all of these. */
struct gs_box *gs_box_open(struct gs_store *store) GS_CHECK_RESULT;
enum gs_box_when { GS_BOX_TICK, GS_BOX_EARLY }; // early: between two ticks, because the heap has grown
/* Write what has changed since the last write, in one piece: killed at whatever moment, it is there or the write before is.
 * HEAP_IN_USE: bytes, as of just before. What cannot be written is logged once; the last box that was stays. */
void gs_box_write(struct gs_box *box, const struct gs_incident_scene *scene, uint64_t heap_in_use, enum gs_box_when when);
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

/* Incidents of those who died in STORE and have left a box there: one at each call, its folder in PATH. 1: it was made, there
 * may be more; 0: there are none left; -EWOULDBLOCK: another process is at it, ask again later; another -errno: it could
 * not be written, the box stays for another start. At most MAX_PER_HOUR (0: no limit) within one hour of deaths: the
 * boxes of more are removed, with a line in the log. */
int gs_recover_next(struct gs_store *store, uint64_t max_per_hour, char path[PATH_MAX]) GS_CHECK_RESULT;
/* How a child of ours ended that may have left a box in STORE: STATUS as waitpid gave it, NAME as gs_live_name did while it lived.
 * A signal makes an incident at once: 1, and its folder in PATH. An exit removes the box: 0. -EWOULDBLOCK: another process is at
 * it, ask again later; or another -errno: the box stays. Context: CLI. */
int gs_recover_child(struct gs_store *store, const char *name, int status, char path[PATH_MAX]) GS_CHECK_RESULT;
/* The process that makes incidents of the dead in STORE just now; 0: none, or its number cannot be seen from here. Not by a
 * process that may be at it itself: closing the lock's file would unlock it. Context: CLI. */
int gs_recovering_pid(struct gs_store *store);
/* "<pid>-<start time>-<namespace>" of process PID into NAME; false: there is none. */
bool gs_live_name(int pid, char name[GS_LIVE_NAME]);
/* BYTES are a black box, by their beginning. */
bool gs_box_is(const void *bytes, size_t length);
/* Another process holds the lock of the box that is open as FD: it is its writer, wherever that runs. Context: CLI. */
bool gs_box_is_locked(int fd);
/* What a box holds, which may come from anywhere; NULL with a sentence in WHY. Takes some ten times LENGTH of memory at most. */
struct gs_box_contents;
struct gs_box_contents *gs_box_read(const void *bytes, size_t length, char *why, size_t why_size) GS_CHECK_RESULT;
/* Borrowed from it. How the process died is told as far as it can be found out now; NULL: it runs. */
const struct gs_remains *gs_box_remains(struct gs_box_contents *contents);
struct gs_history *gs_box_take_history(struct gs_box_contents *contents); // the caller's from then on; NULL: none
void gs_box_contents_free(struct gs_box_contents *contents);

/* ---- the incident of a process that died --------------------------------------------------------------------------- */

#define GS_DIED_RULE "previous-run-died"
struct gs_remains {            // what is left of it; borrowed. Texts may be "", everything else NULL or 0 where it is not known
    int pid;
    const char *process;       // gs_live_name, as of when it lived; NULL: not known
    const char *exe, *host;
    int64_t started_ns, last_seen_ns; // CLOCK_REALTIME
    const char *how;           // it died: "killed by signal 9 (SIGKILL)"
    int signal;
    uint64_t limit_bytes;
    const char *limit_from;
    const struct gs_maps *maps;       // never NULL: gs_maps_parse of "" where nothing is known
    const struct gs_given_heap *heap;
    const struct gs_given_threads *threads;
    const struct gs_history *history;
    const char *rules;         // the text of the rules in force, of any version
    size_t rules_length;
    const char *const *note;   // what is missing, and the like
    size_t note_count;
};
/* A complete incident out of REMAINS; its folder into PATH. 0 or -errno. Symbols come from the files that its maps name, where
 * they are still what was mapped. -EWOULDBLOCK: another process does the same in STORE, ask again later. Context: CLI. */
int gs_incident_of_remains(struct gs_store *store, const struct gs_remains *remains, char path[PATH_MAX]) GS_CHECK_RESULT;

/* ---- reading back ----------------------------------------------------------------------------------------------- */

struct gs_incident_entry {
    char *name;                // of the folder in DIR
    json_t *json;              // incident.json; never NULL
    int64_t triggered_ns;
};
struct gs_incident_list { struct gs_incident_entry *entry; size_t count, unreadable; };
/* The incidents of DIR, oldest first. Folders that are no incidents are passed over; damaged ones are counted.
 * 0 or -errno. */
int gs_incident_list(const char *dir, struct gs_incident_list *out) GS_CHECK_RESULT;
void gs_incident_list_fini(struct gs_incident_list *list);
/* incident.json of the folder PATH, checked to be one of ours (version, types of the keys that DESIGN fixes);
 * NULL with a sentence in WHY. The caller json_decref's it. */
json_t *gs_incident_load(const char *path, char *why, size_t why_size) GS_CHECK_RESULT;
/* All of file NAME of the incident in folder PATH, at most MAX bytes, as gs_read_file. Neither may be a link: a folder may
 * come from anyone. 0 or -errno. */
int gs_incident_read_file(const char *path, const char *name, size_t max, char **bytes, size_t *length) GS_CHECK_RESULT;
