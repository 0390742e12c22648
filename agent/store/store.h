/* store/store.h - the door of store/: the directory of incidents, its folders, its ledger, and which agents are live.
 *
 *   gs_store_open, gs_store_sweep ──▶ gs_store_folder_make: .dot-folder ▶ each file fsync'ed ▶ incident.json
 *                             ▶ gs_store_folder_publish: rename ▶ gs_store_rotate
 *                                                        gs_store_list, gs_store_load_incident ◀── cli
 *
 * Opened by: box, incident, host, watch, reader, cli, tests.  Opens: base, sys, rules. */
#pragma once
#include "base/attributes.h"
#include "base/json.h"
#include "base/text.h"
#include "rules/rules.h"
#include "sys/file.h"
#include "sys/owned_fd.h"
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- the store ---------------------------------------------------------------------------------------------- */

struct gs_store;               // a directory, opened once; everything goes through its descriptor

struct gs_store_limits { uint64_t keep, max_bytes; int64_t max_age_ns; }; // 0: no limit
/* The limits that RULES set. Context: any (pure). */
struct gs_store_limits gs_store_limits_of(const struct gs_rules *rules);

/* Open DIR; it and its parents are created (0700) if missing. Refused, with a sentence in WHY: not a directory, a symbolic
 * link as its last part, another user's, writable by others without the sticky bit, not writable for this process.
 * A caller that will write there calls gs_store_sweep next: opening does not clean up after dead processes.
 * NULL with errno. Context: watcher, CLI. */
struct gs_store *gs_store_open(const char *dir, const struct gs_store_limits *limits, char *why, size_t why_size);
void gs_store_limit(struct gs_store *store, const struct gs_store_limits *limits); // apply from now on
void gs_store_close(struct gs_store *store);
/* Open the directory again: in the child of a fork, whose descriptor is not open any more, or after a change of credentials.
 * An open descriptor is kept if it can be trusted. 0, or -errno with a sentence in WHY. */
int gs_store_open_again(struct gs_store *store, char *why, size_t why_size) GS_CHECK_RESULT;
/* Called after a change of credentials: log once if this process may not write to the directory any more. */
void gs_store_log_if_unwritable(struct gs_store *store);
const char *gs_store_path(const struct gs_store *store);       // absolute
/* Remove incidents that exceed the limits, oldest first. Never removed: each rule's newest incident and the one with its
 * highest value; anything that is not an incident of ours. Other processes may rotate at the same time. Returns how many
 * were removed. */
size_t gs_store_rotate(struct gs_store *store);
/* Hold the limits in the directories of STORE's users only; gs_store_rotate does it, too. There, all that exceeds them is
 * removed, except that the newest incident of a rule stays whatever its age. False: it is done, or another process does it;
 * true: call again soon. Context: watcher. */
bool gs_store_limit_users(struct gs_store *store);
/* The store's descriptor, or -errno. The directory is opened again if the host closed the descriptor, if the directory was
 * removed, or if its path now leads to another directory that can be trusted. If it was moved away, or its path leads to
 * anything else, the open one stays in use. The end of the next incident sweeps a directory that was opened again. */
int gs_store_fd(struct gs_store *store);
/* Clean up after dead processes: an abandoned dot-folder is published as "complete": false, or removed if it is empty or if
 * its incident can be made again (GS_DIED_RULE); folders that a rotation had begun to remove are removed. A failure is
 * logged, and the next sweep tries again. Called after gs_store_open, and after each incident. Context: watcher, CLI. */
void gs_store_sweep(struct gs_store *store);

/* ---- one folder while it is being made (folder.c) ------------------------------------------------------------------- */

enum { GS_FOLDER_NAME_MAX = 160 };
struct gs_folder {
    struct gs_owned_fd directory;  // locked (flock) while this process makes the folder
    char name[GS_FOLDER_NAME_MAX]; // the final one; until it is published the folder is named "." name
    bool published;
    json_t *files;                 // [{"name","size","crc32"}] of the files that are synced to disk
};
/* Make the dot-folder for an incident of process PID that RULE triggered at TRIGGERED_NS (CLOCK_REALTIME). 0 or -errno. */
int gs_store_folder_make(struct gs_store *store, const char *rule, int pid, int64_t triggered_ns, struct gs_folder *out)
    GS_CHECK_RESULT;
/* Create file NAME in the folder. Its descriptor, to be written; or -errno. */
int gs_store_folder_create(struct gs_folder *folder, const char *name);
/* The caller has written FD: sync it, record its size and crc32 in `files`, close it. On failure the file is removed. */
int gs_store_folder_record(struct gs_folder *folder, const char *name, int fd) GS_CHECK_RESULT;
/* The caller could not write FD: close and remove the file. */
void gs_store_folder_discard(struct gs_folder *folder, const char *name, int fd);
/* Create, write and record (on failure: discard) a file of LENGTH bytes. */
int gs_store_folder_write(struct gs_folder *folder, const char *name, const void *bytes, size_t length) GS_CHECK_RESULT;
/* Write JSON as incident.json, as a whole or not at all; an existing one is replaced. */
int gs_store_folder_write_json(struct gs_folder *folder, const json_t *json) GS_CHECK_RESULT;
/* Give the folder its final name. 0, or -errno: it stays a dot-folder. */
int gs_store_folder_publish(struct gs_folder *folder) GS_CHECK_RESULT;
/* Close the folder. If it was not published and is empty, it is removed. */
void gs_store_folder_close(struct gs_folder *folder);
/* Write the folder's current path to OUT; if it cannot be found, OUT stays as it was. */
void gs_store_folder_path(const struct gs_folder *folder, char out[PATH_MAX]);

/* ---- reading back ----------------------------------------------------------------------------------------------- */

struct gs_incident_entry {
    char *name;                // of its folder in DIR; a user's: ".users/33-33/" and the folder
    json_t *json;              // incident.json; never NULL
    int64_t triggered_ns;
};
struct gs_store_list { struct gs_incident_entry *entry; size_t count, unreadable; };
/* The incidents of DIR, oldest first, also those of its users: their names begin with ".users/<uid>-<gid>/". Folders that
 * are no incidents are skipped; damaged incidents, and those in a user's directory that are not that user's, are counted
 * as unreadable. 0 or -errno. */
int gs_store_list(const char *dir, struct gs_store_list *out) GS_CHECK_RESULT;
void gs_store_list_fini(struct gs_store_list *list);
/* incident.json of the folder PATH, after a check of its version and of the types of its required keys;
 * NULL with a sentence in WHY. The caller json_decref's it. */
json_t *gs_store_load_incident(const char *path, char *why, size_t why_size) GS_CHECK_RESULT;
/* The same for the TEXT of an incident.json. */
json_t *gs_store_parse_incident(const char *text, size_t length, char *why, size_t why_size) GS_CHECK_RESULT;
/* Read all of file NAME in incident folder PATH, at most MAX bytes, like gs_file_read. Neither may be a link, because
 * folders are not trusted. 0 or -errno. */
int gs_store_read_incident_file(const char *path, const char *name, size_t max, char **bytes, size_t *length) GS_CHECK_RESULT;
#define GS_DIED_RULE "previous-run-died" /* the rule of incidents of processes that died */
/* The parts of an incident folder's name: <time>-<rule>-<pid>, or <time>-<rule>-<pid>-<n>. */
struct gs_folder_name { int64_t time_ns; char rule[GS_RULE_NAME_MAX + 1]; int pid; };
bool gs_store_folder_name_read(const char *name, struct gs_folder_name *out); // false: not such a name
/* "2026-11-24T03:05:09.123Z" (or as in a folder's name) as CLOCK_REALTIME; false: it is not a time. */
bool gs_store_time_read(const char *text, int64_t *realtime_ns);
/* Open folder NAME of DIRFD; no link is followed. -EPERM: it belongs to another user, or others may write to it. */
int gs_store_open_own_folder(int dirfd, const char *name);
/* Open file NAME of folder FOLDERFD for reading; no link is followed. In another user's folder it must be that user's: it
 * may be a hard link. Its descriptor, or -errno (-EINVAL: not a file). */
int gs_store_open_regular(int folderfd, const char *name);
/* incident.json of the open folder, checked; NULL with a sentence in WHY and errno: ENOMEM, or EINVAL otherwise. */
json_t *gs_store_read_incident(int folderfd, char *why, size_t why_size) GS_CHECK_RESULT;

/* Add TEXT to "notes" or "errors" of the published incident in folder PATH. 0, or -errno: the incident stays as it was.
 * Context: watcher. */
enum gs_remark { GS_NOTE, GS_FAILURE };
int gs_store_amend_incident(const char *path, enum gs_remark kind, const char *text) GS_CHECK_RESULT;

/* ---- directories of other users (users.c) ----------------------------------------------------------------------------- */

#define GS_STORE_USERS ".users" /* in a store; it contains a store for each user that processes have become */
enum { GS_STORE_USER_NAME = 24, GS_STORE_USERS_MAX = 64 };
struct gs_store_user { unsigned uid, gid; char name[GS_STORE_USER_NAME]; }; // name: "<uid>-<gid>", of its directory
struct gs_store_users { struct gs_store_user user[GS_STORE_USERS_MAX]; size_t count, next; }; // next: to be opened
bool gs_store_user_read(const char *name, struct gs_store_user *out); // false: not such a name
/* The user whose directory contains the incident PATH, "DIR/.users/33-33/…"; false: it is in no such directory. */
bool gs_store_user_of_path(const char *path, struct gs_store_user *out);
/* The users that have a directory in the store DIRFD, as far as only its owner can have made them. */
void gs_store_users_find(int dirfd, struct gs_store_users *out);
/* Open the directory of USER in the store DIRFD; no link is followed. The descriptor, or -errno. */
int gs_store_user_open(int dirfd, const struct gs_store_user *user);
/* The same for the next of USERS whose directory can be opened, stored in *USER; -1: there are no more. The caller closes it. */
int gs_store_users_open_next(int dirfd, struct gs_store_users *users, const struct gs_store_user **user);
/* Walk the names of the incidents in the store DIRFD and in the directories of its users (walk.c), in no order. An incident is named
 * like one: whether it is one is not looked at. The caller drives: begin, next until it is false, end (also before that).
 * Context: CLI. */
struct gs_store_walk {
    const char *name;                 // of the folder; valid until the next call, like all of these
    struct gs_folder_name parts;      // of its name
    const struct gs_store_user *user; // whose directory contains it; NULL: it is in DIRFD
    int fd;                           // that directory; borrowed
    size_t left_out;                  // so far: more than are read of a user
    int dirfd;                        // these are the walk's own
    size_t seen;
    struct gs_dir dir;
    struct gs_store_users users;
};
void gs_store_walk_begin(struct gs_store_walk *walk, int dirfd);
bool gs_store_walk_next(struct gs_store_walk *walk);
void gs_store_walk_end(struct gs_store_walk *walk);
/* Make and open the directory in STORE of user UID with group GID. The calling thread has this group and STORE's user. The
 * descriptor, or -errno: -EDQUOT: too many users; -EPERM: STORE is such a directory itself, or cannot contain one.
 * Context: watcher. */
int gs_store_user_make(struct gs_store *store, uid_t uid, gid_t gid);
/* From now on STORE is the directory FD of gs_store_user_make; its own is closed. 0 or -errno. */
int gs_store_use_user(struct gs_store *store, int fd) GS_CHECK_RESULT;
bool gs_store_is_of_user(const struct gs_store *store);
/* In a process whose store is such a directory: a new descriptor of it, for a program that has to start there, because no
 * path leads to it. -ENOENT: the store is no such directory. */
int gs_store_dup_user(void);
/* A store of FD, of gs_store_user_open, for a process that has become this user. NULL: out of memory. Context: CLI. */
struct gs_store *gs_store_open_user(int fd, const struct gs_store_limits *limits);
/* An incident's key in its store, without a slash: the name of its folder, or "33-33@" and that name. USER NULL: in
 * none's. */
enum { GS_STORE_KEY_PATH = 256 };
void gs_store_key_print(const struct gs_store_user *user, const char *folder, char out[GS_FOLDER_NAME_MAX]);
/* The folder's name in KEY, and USER. NULL: KEY has no user, it is a folder's name. */
const char *gs_store_key_split(const char *key, struct gs_store_user *user);
/* The path of the incident KEY in its store. */
void gs_store_key_path(const char *key, char out[GS_STORE_KEY_PATH]);

/* ---- rewriting an incident that is published (amend.c) --------------------------------------------------------- */

enum { GS_STORE_FILE_NAME = 64 };  // bytes of the name of a file in an incident's folder, with its NUL
/* Open the complete incident in folder PATH and lock it (flock) against other rewriters. 0, or -errno with a sentence in WHY:
 * -EPERM: another user's, or writable by others; -EINVAL: no incident, or not complete; -EBUSY: another process rewrites it.
 * Context: CLI, like all of these. */
int gs_store_rewrite_open(const char *path, struct gs_owned_fd *out, char *why, size_t why_size) GS_CHECK_RESULT;
void gs_store_rewrite_close(struct gs_owned_fd *folder);
/* Replace file NAME as a whole or not at all. begin: a descriptor to write to, or -errno; end: takes FD, and ERROR, that of
 * the writing. */
int gs_store_replace_begin(const struct gs_owned_fd *folder, const char *name) GS_CHECK_RESULT;
int gs_store_replace_end(const struct gs_owned_fd *folder, const char *name, int fd, int error) GS_CHECK_RESULT;
int gs_store_replace_file(const struct gs_owned_fd *folder, const char *name, const struct gs_text *text) GS_CHECK_RESULT;
/* "heap.orig.pb.gz" for "heap.pb.gz", "threads.orig.txt" for "threads.txt": where the file as captured is kept. False: it is not
 * kept: NAME ends in none of .pb.gz, .txt, .json, or is too long. */
bool gs_store_original_name(const char *name, char out[GS_STORE_FILE_NAME]);
/* Copy file NAME to its original's name, unless that exists. 0 or -errno. */
int gs_store_keep_original(const struct gs_owned_fd *folder, const char *name) GS_CHECK_RESULT;
/* Lock incident.json for a change: read it again, change it, replace it, unlock. A descriptor, or -errno: -EAGAIN: another
 * process holds the lock for longer than it should. Context: also watcher. */
int gs_store_lock_incident_json(const struct gs_owned_fd *folder) GS_CHECK_RESULT;
int gs_store_replace_incident_json(const struct gs_owned_fd *folder, const json_t *json) GS_CHECK_RESULT;
void gs_store_unlock_incident_json(int lock);
/* {"name","size","crc32"} of file NAME in FOLDERFD, as incident.json lists it. 0 or -errno. */
int gs_store_file_entry(int folderfd, const char *name, json_t **out) GS_CHECK_RESULT;

/* ---- DIR/.live: how a running agent is found (live.c) ----------------------------------------------------------- */

enum { GS_LIVE_NAME = 64 };
/* Open a listening socket in STORE's .live, named after this process; its name is written to NAME. Returns the descriptor, or
 * -errno. Context: watcher. */
int gs_store_live_listen(struct gs_store *store, char name[GS_LIVE_NAME]) GS_CHECK_RESULT;
void gs_store_live_remove(struct gs_store *store, const char *name);
/* Connect to the agent in process PID. -ENOENT: the process has no running agent; -ETIMEDOUT: the agent did not accept for
 * 5 seconds, for example because it is stopped; another -errno: access is denied. Context: CLI. */
int gs_store_live_connect(int pid) GS_CHECK_RESULT;
/* "<pid>-<start time>-<namespace>" of process PID into NAME; false: no such process, or no /proc. */
bool gs_store_live_name(int pid, char name[GS_LIVE_NAME]);
/* Identifies a process among all that may share a store (live.c); in file names <pid>-<start time>-<namespace>. */
struct gs_store_live_id {
    int pid;                        // in its own pid namespace
    uint32_t namespace;             // hash of pid namespace and boot id; 0: not known
    unsigned long long start_ticks; // clock ticks since boot; 0: not known
};
/* The id of process PID. False: no such process, or no /proc. */
bool gs_store_live_id(int pid, struct gs_store_live_id *out);
void gs_store_live_id_print(const struct gs_store_live_id *id, char out[GS_LIVE_NAME]);
/* Read an id from NAME, which must end in TAIL (".box"). False: NAME is no such name. */
bool gs_store_live_id_read(const char *name, const char *tail, struct gs_store_live_id *out);
/* Does process ID run in our pid namespace? One of another container may run although this is false; it locks its box. */
bool gs_store_live_is_running(const struct gs_store_live_id *id);
/* The kernel's id of this boot of the machine; "": not known. */
enum { GS_BOOT_ID = 40 };
void gs_store_boot_id(char out[GS_BOOT_ID]);
/* Open DIR/.live, which is created if missing and must be writable for this user only. -errno. The caller closes it. */
int gs_store_live_open(struct gs_store *store) GS_CHECK_RESULT;

/* ---- the ledger: incidents of this program, across restarts (ledger.c) ------------------------------------------- */

/* May the incident ENTRY begin now? GS_HOUR_HAS_ROOM: yes, and it is recorded before anything is captured: a process that
 * dies of a capture must not repeat it after each restart. Else all processes of this program in STORE have used up the
 * hourly limit, until *UNTIL_NS (CLOCK_REALTIME). If the ledger cannot be used, which is logged once, there is room.
 * Context: watcher. */
struct gs_ledger_entry {
    const char *rule;             // any name
    double value;                 // NAN: none
    struct gs_hour_limits limits;
    const struct gs_judge *judge; // the due times of its "every" rules are recorded, too; NULL: no judge
    struct gs_now now;
};
enum gs_hour_room gs_store_ledger_begin(struct gs_store *store, const struct gs_ledger_entry *entry, int64_t *until_ns);
/* Record the end of the incident of RULE that began last in this process. PUBLISHED: it is on disk, so its value counts. */
void gs_store_ledger_end(struct gs_store *store, const char *rule, bool published, int64_t now_ns);
/* Load the ledger into JUDGE, before its first tick and after gs_store_live_listen. Returns how many rules are in cooldown
 * by it. */
size_t gs_store_ledger_recall(struct gs_store *store, struct gs_judge *judge, struct gs_now now);
/* Record when JUDGE's "every" rules are due, if that has changed. */
void gs_store_ledger_note_due(struct gs_store *store, const struct gs_judge *judge, struct gs_now now);

/* ---- DIR/.history: the history files of programs (watch/history_file.c) ------------------------------------------ */

/* The path of this program, also if its file was replaced since the start; "": not known. */
void gs_store_find_program(char out[PATH_MAX]);
/* A file's name "<SHOWN>-<hash of HASHED><ENDING>" into OUT; characters of SHOWN that a name should not have become "_". */
void gs_store_name_of_program(const char *shown, const char *hashed, const char *ending, char *out, size_t size);
/* Open DIR/.history, which is created if missing and must be writable for this user only. -errno. The caller closes it. */
int gs_store_history_open(struct gs_store *store) GS_CHECK_RESULT;
