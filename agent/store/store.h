/* store/store.h - the door of store/: the directory of incidents, its folders, its ledger, and which agents are live.
 *
 *   gs_store_open, gs_store_sweep ──▶ gs_store_folder_make: .dot-folder ▶ each file fsync'ed ▶ incident.json ▶ gs_store_folder_publish: rename ▶ rotate
 *                                                        gs_store_list, gs_store_load_incident ◀── cli
 *
 * Opened by: box, incident, host, watch, reader, cli, tests.  Opens: base, sys, rules. */
#pragma once
#include "base/attributes.h"
#include "base/json.h"
#include "base/text.h"
#include "rules/rules.h"
#include "sys/owned_fd.h"
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- the store ---------------------------------------------------------------------------------------------- */

struct gs_store;               // a directory, opened once; everything goes through its descriptor

struct gs_store_limits { uint64_t keep, max_bytes; int64_t max_age_ns; }; // 0: no limit

/* Open DIR, made (0700, parents too) if missing. Refused, with a sentence in WHY: not a directory, a symbolic
 * link in its last part, somebody else's, writable by others without the sticky bit, not writable.
 * What dead processes left in it stays as it is: whoever will write there calls gs_store_sweep next.
 * NULL with errno. Context: watcher, CLI. */
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
/* The store's descriptor. Opened anew if the host closed it, if it was removed, or if another directory that can be trusted
 * stands in its place; where it was moved away, or its place was taken by something else, what we hold stays in use.
 * What stands in a directory that was opened anew is swept as the next incident ends, like all else.
 * -errno when there is none to be had. */
int gs_store_fd(struct gs_store *store);
/* See to what dead processes left behind: dot-folders that nobody works in are completed as "complete": false, or removed when
 * empty or of a rule that can make them again; what rotation was removing is removed. What fails is logged, and tried again by
 * the next sweep. Called after gs_store_open, and after each incident. Context: watcher, CLI. */
void gs_store_sweep(struct gs_store *store);

/* ---- one folder while it is made (folder.c) ------------------------------------------------------------------------ */

enum { GS_FOLDER_NAME_MAX = 160 };
struct gs_folder {
    struct gs_owned_fd held;           // locked (flock): the maker is at work, whatever its pid may mean to others
    char name[GS_FOLDER_NAME_MAX]; // final; the folder stands under "." name until it is published
    bool published;
    json_t *files;                 // [{"name","size","crc32"}] of those that are safe on disk
};
/* Make the dot-folder of an incident of process PID that RULE fired at TRIGGERED_NS. */
int gs_store_folder_make(struct gs_store *store, const char *rule, int pid, int64_t triggered_ns, struct gs_folder *out)
    GS_CHECK_RESULT;
/* A new file in it, to be written; -errno. */
int gs_store_folder_create(struct gs_folder *folder, const char *name);
/* FD was written: fsync it, take its size and crc32 down, close it. */
int gs_store_folder_keep(struct gs_folder *folder, const char *name, int fd) GS_CHECK_RESULT;
/* FD could not be written: close and remove it. */
void gs_store_folder_discard(struct gs_folder *folder, const char *name, int fd);
/* The three in one, for bytes. */
int gs_store_folder_put(struct gs_folder *folder, const char *name, const void *bytes, size_t length) GS_CHECK_RESULT;
/* Put incident.json, in place of one that may be there; whole or not at all. */
int gs_store_folder_put_json(struct gs_folder *folder, const json_t *json) GS_CHECK_RESULT;
/* Give it its final name. 0 or -errno: then it stays a dot-folder. */
int gs_store_folder_publish(struct gs_folder *folder) GS_CHECK_RESULT;
/* An empty folder that was not published goes. */
void gs_store_folder_close(struct gs_folder *folder);
/* Where it is, as a path, in place of what OUT held; that stays when it cannot be told. */
void gs_store_folder_path(const struct gs_folder *folder, char out[PATH_MAX]);

/* ---- reading back ----------------------------------------------------------------------------------------------- */

struct gs_incident_entry {
    char *name;                // of the folder in DIR
    json_t *json;              // incident.json; never NULL
    int64_t triggered_ns;
};
struct gs_store_list { struct gs_incident_entry *entry; size_t count, unreadable; };
/* The incidents of DIR, oldest first. Folders that are no incidents are passed over; damaged ones are counted.
 * 0 or -errno. */
int gs_store_list(const char *dir, struct gs_store_list *out) GS_CHECK_RESULT;
void gs_store_list_fini(struct gs_store_list *list);
/* incident.json of the folder PATH, checked to be one of ours (version, types of the keys that DESIGN fixes);
 * NULL with a sentence in WHY. The caller json_decref's it. */
json_t *gs_store_load_incident(const char *path, char *why, size_t why_size) GS_CHECK_RESULT;
/* All of file NAME of the incident in folder PATH, at most MAX bytes, as gs_file_read. Neither may be a link: a folder may
 * come from anyone. 0 or -errno. */
int gs_store_read_incident_file(const char *path, const char *name, size_t max, char **bytes, size_t *length) GS_CHECK_RESULT;
#define GS_DIED_RULE "previous-run-died" /* the rule of incidents of processes that died */
/* An incident folder's name taken apart: <time>-<rule>-<pid>, perhaps -<n>. */
struct gs_folder_name { int64_t time_ns; char rule[GS_RULE_NAME_MAX + 1]; int pid; };
bool gs_store_folder_name_read(const char *name, struct gs_folder_name *out); // false: not one of ours
/* "2026-11-24T03:05:09.123Z" (or the folder's style) as CLOCK_REALTIME; false when it is none. */
bool gs_store_time_read(const char *text, int64_t *realtime_ns);
/* Folder NAME of DIRFD, opened if it is this user's own, and others may not write in it: -EPERM. No link is followed. */
int gs_store_open_own_folder(int dirfd, const char *name);
/* A file of folder FOLDERFD, opened to be read: no link is followed, only a regular file will do. -errno. */
int gs_store_open_regular(int folderfd, const char *name);
/* incident.json of the open folder, checked; NULL with a sentence in WHY, and errno: ENOMEM when that is all that is wrong. */
json_t *gs_store_read_incident(int folderfd, char *why, size_t why_size) GS_CHECK_RESULT;

/* Add TEXT to "notes", or to "errors", of the complete incident in folder PATH: what came of it afterwards. 0 or -errno: it
 * stays as it was. Context: watcher. */
enum gs_remark { GS_NOTE, GS_FAILURE };
int gs_store_amend_incident(const char *path, enum gs_remark kind, const char *text) GS_CHECK_RESULT;

/* ---- DIR/.live: how a running agent is found (live.c) ----------------------------------------------------------- */

enum { GS_LIVE_NAME = 64 };
/* A listening socket in STORE's .live, by the name of this process, which is put into NAME. -errno. Context: watcher. */
int gs_store_live_listen(struct gs_store *store, char name[GS_LIVE_NAME]) GS_CHECK_RESULT;
void gs_store_live_remove(struct gs_store *store, const char *name);
/* Connect to the agent in process PID. -ENOENT: it has none, or none that runs; -ETIMEDOUT: it takes nobody's call for seconds,
 * as when it is stopped; another -errno: it may not be asked. Context: CLI. */
int gs_store_live_connect(int pid) GS_CHECK_RESULT;
/* "<pid>-<start time>-<namespace>" of process PID into NAME; false: there is none. */
bool gs_store_live_name(int pid, char name[GS_LIVE_NAME]);
/* What tells a process from all others that may share a store (live.c): <pid>-<start time>-<namespace> in names. */
struct gs_store_live_id {
    int pid;                        // in its own container
    uint32_t namespace;             // of pids, and of which machine's start; 0: not known
    unsigned long long start_ticks; // since boot; 0: not known
};
/* Process PID's. False: there is none, or there is no /proc. */
bool gs_store_live_id(int pid, struct gs_store_live_id *out);
void gs_store_live_id_print(const struct gs_store_live_id *id, char out[GS_LIVE_NAME]);
/* NAME is an id and TAIL (".box"). */
bool gs_store_live_id_read(const char *name, const char *tail, struct gs_store_live_id *out);
/* Is it a process that runs and that we see? One of another container may run all the same: its box is locked. */
bool gs_store_live_is_running(const struct gs_store_live_id *id);
/* What tells this start of the machine from others; "" when it is not known. */
enum { GS_BOOT_ID = 40 };
void gs_store_boot_id(char out[GS_BOOT_ID]);
/* DIR/.live, made if it is missing, and found to be ours alone; -errno. The caller closes it. */
int gs_store_live_open(struct gs_store *store) GS_CHECK_RESULT;

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
enum gs_hour_room gs_store_ledger_begin(struct gs_store *store, const struct gs_ledger_entry *entry, int64_t *until_ns);
/* The incident of RULE that began last in this process is over; KEPT: it is on disk, and its value counts. */
void gs_store_ledger_end(struct gs_store *store, const char *rule, bool kept, int64_t now_ns);
/* Let JUDGE, before its first tick, remember what the ledger says; this process's control socket is in place. Returns how many
 * rules cool down by it. */
size_t gs_store_ledger_recall(struct gs_store *store, struct gs_judge *judge, struct gs_now now);
/* Write down when JUDGE's "every" rules are due, if that is news. */
void gs_store_ledger_note_due(struct gs_store *store, const struct gs_judge *judge, struct gs_now now);
