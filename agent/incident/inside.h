/* incident/inside.h - what the files of incident/ share. */
#pragma once
#include "base/held.h"
#include "base/json.h"
#include "incident/incident.h"
#include <sys/types.h>

/* ---- the store -------------------------------------------------------------------------------------------------- */

struct gs_store {
    struct gs_held held;       // the directory
    bool closed;               // it was said that nothing can be written there any more
    char home[PATH_MAX];       // where it was opened
    char path[PATH_MAX];       // where it is now
    bool adrift;               // the log knows that the two differ
    struct gs_store_limits limits;
};
/* The store's descriptor. Opened anew if the host closed it, if it was removed, or if another directory that can be trusted
 * stands in its place; where it was moved away, or its place was taken by something else, what we hold stays in use.
 * -errno when there is none to be had. */
int gs_store_fd(struct gs_store *store);

/* An incident folder's name taken apart: <time>-<rule>-<pid>, perhaps -<n>. */
struct gs_folder_name { int64_t time_ns; char rule[GS_RULE_NAME_MAX + 1]; int pid; };
bool gs_folder_name_read(const char *name, struct gs_folder_name *out); // false: not one of ours
/* "2026-11-24T03:05:09.123Z" (or the folder's style) as CLOCK_REALTIME; false when it is none. */
bool gs_time_read(const char *text, int64_t *realtime_ns);

/* Is NAME a file that an incident of ours may hold? */
bool gs_is_incident_file(const char *name);
/* Remove folder NAME of DIRFD if it holds nothing but files of ours; 0 or -errno (-ENOTEMPTY: there is more in it). */
int gs_folder_remove(int dirfd, const char *name);
/* Complete or remove what dead processes left behind. */
void gs_store_sweep(struct gs_store *store);

/* Folder NAME of DIRFD, opened if it is this user's own, and others may not write in it: -EPERM. No link is followed. */
int gs_open_own_folder(int dirfd, const char *name);
/* A file of folder FOLDERFD, opened to be read: no link is followed, only a regular file will do. -errno. */
int gs_open_regular(int folderfd, const char *name);
/* incident.json of the open folder, checked; NULL with a sentence in WHY, and errno: ENOMEM when that is all that is wrong. */
json_t *gs_incident_read(int folderfd, char *why, size_t why_size) GS_CHECK_RESULT;
/* Append TEXT to the array KEY of an incident.json, made if there is none. 0 or -ENOMEM. */
int gs_incident_append(json_t *json, const char *key, const char *text) GS_CHECK_RESULT;

/* ---- processes that died (remains.c) ------------------------------------------------------------------------------------- */

/* One process at a time makes incidents of the dead in STORE: their folders bear the dead's numbers, so that nobody could tell
 * else whether somebody is at it still. A descriptor, whose close unlocks; -EWOULDBLOCK when another process is at it, or another
 * -errno. Never waits; a forked child does not hold it. */
int gs_died_lock(struct gs_store *store) GS_CHECK_RESULT;
/* As gs_incident_of_remains, by a caller that holds the lock. */
int gs_remains_write(struct gs_store *store, const struct gs_remains *remains, char path[PATH_MAX]) GS_CHECK_RESULT;
/* When process PID was started, in clock ticks since boot; 0: there is none. */
unsigned long long gs_start_ticks(int pid);
/* What tells a process from all others that may share a store (live.c): <pid>-<start time>-<namespace> in names. */
struct gs_live_id {
    int pid;                        // in its own container
    uint32_t namespace;             // of pids, and of which machine's start; 0: not known
    unsigned long long start_ticks; // since boot; 0: not known
};
/* Process PID's. False: there is none, or there is no /proc. */
bool gs_live_id(int pid, struct gs_live_id *out);
void gs_live_id_print(const struct gs_live_id *id, char out[GS_LIVE_NAME]);
/* NAME is an id and TAIL (".box"). */
bool gs_live_id_read(const char *name, const char *tail, struct gs_live_id *out);
/* Is it a process that runs and that we see? One of another container may run all the same: its box is locked. */
bool gs_live_is_running(const struct gs_live_id *id);
/* What tells this start of the machine from others; "" when it is not known. */
enum { GS_BOOT_ID = 40 };
void gs_boot_id(char out[GS_BOOT_ID]);
/* DIR/.live, made if it is missing, and found to be ours alone; -errno. The caller closes it. */
int gs_live_open(struct gs_store *store) GS_CHECK_RESULT;

/* Is there a control socket of the process called KEY in the open .live? Those of the dead are swept away at each start. */
bool gs_live_lives(int live, const char *key);

/* The ledger as text, and back. Reading takes what makes sense and passes over the rest; -EBADMSG: it is no ledger at all;
 * -ENOMEM. */
int gs_ledger_parse(const char *text, size_t length, struct gs_ledger *out) GS_CHECK_RESULT;
void gs_ledger_print(const struct gs_ledger *ledger, const char *program, struct gs_text *out);

/* ---- one folder while it is made (folder.c) ------------------------------------------------------------------------ */

enum { GS_FOLDER_NAME_MAX = 160 };
struct gs_folder {
    struct gs_held held;           // locked (flock): the maker is at work, whatever its pid may mean to others
    char name[GS_FOLDER_NAME_MAX]; // final; the folder stands under "." name until it is published
    bool published;
    json_t *files;                 // [{"name","size","crc32"}] of those that are safe on disk
};
/* Make the dot-folder of an incident of process PID that RULE fired at TRIGGERED_NS. */
int gs_folder_make(struct gs_store *store, const char *rule, int pid, int64_t triggered_ns, struct gs_folder *out)
    GS_CHECK_RESULT;
/* A new file in it, to be written; -errno. */
int gs_folder_create(struct gs_folder *folder, const char *name);
/* FD was written: fsync it, take its size and crc32 down, close it. */
int gs_folder_keep(struct gs_folder *folder, const char *name, int fd) GS_CHECK_RESULT;
/* FD could not be written: close and remove it. */
void gs_folder_discard(struct gs_folder *folder, const char *name, int fd);
/* The three in one, for bytes. */
int gs_folder_put(struct gs_folder *folder, const char *name, const void *bytes, size_t length) GS_CHECK_RESULT;
/* Put incident.json, in place of one that may be there; whole or not at all. */
int gs_folder_put_json(struct gs_folder *folder, const json_t *json) GS_CHECK_RESULT;
/* The same for a folder that has its name already: what comes of it afterwards. */
int gs_incident_replace_json(const struct gs_held *folder, const json_t *json) GS_CHECK_RESULT;
/* Give it its final name. 0 or -errno: then it stays a dot-folder. */
int gs_folder_publish(struct gs_folder *folder) GS_CHECK_RESULT;
/* An empty folder that was not published goes. */
void gs_folder_close(struct gs_folder *folder);
/* Where it is, as a path, in place of what OUT held; that stays when it cannot be told. */
void gs_folder_path(const struct gs_folder *folder, char out[PATH_MAX]);
/* {"name","size","crc32"} of a file of FOLDERFD, as incident.json has it. 0 or -errno. */
int gs_file_entry(int folderfd, const char *name, json_t **out) GS_CHECK_RESULT;

/* ---- what an incident says -------------------------------------------------------------------------------------------- */

enum { GS_CULPRIT_STACK_MAX = 64 };
struct gs_culprit {            // all zero: none found
    const char *kind;          // "growth", "in_use", "threads", "cpu", "deadlock"
    const char *function;      // borrowed from the profile, like all below
    const char *file, *module; // "" when unknown
    int64_t line;
    int64_t value;             // bytes, nanoseconds or count
    double share;              // of all growth, all in use, all threads, all CPU time
    const char *stack[GS_CULPRIT_STACK_MAX];
    uint32_t depth;
    char fingerprint[17];
    bool mapped;               // of memory that was mapped outside malloc
};
/* Who is to blame, by SAMPLE_TYPE of PROFILE: stacks are charged to their first frame that belongs to the program, and
 * the heaviest function is taken, with its heaviest stack. False when nothing is positive. KIND is borrowed. When memory runs out,
 * here and below, the profile has failed, and what was found may be wrong. */
bool gs_culprit_find(struct gs_profile *profile, int sample_type, const char *kind, struct gs_culprit *out);

/* The deadlock's first thread: the function of the program's that waits, and its stack. */
void gs_culprit_of_deadlock(struct gs_profile *threads, const struct gs_deadlock *deadlock, struct gs_culprit *out);

/* Thread TID of THREADS, from which the process's end came. False: it is not among them, or has no stack. */
bool gs_culprit_of_thread(struct gs_profile *threads, int tid, struct gs_culprit *out);

/* memory.json, and the summary's two lines. */
void gs_account_write(const struct gs_account *account, struct gs_text *out);
void gs_account_words(const struct gs_account *account, struct gs_text *out);
/* Who mapped memory outside malloc, if that gained more than the live heap since the baseline; where neither grew, if it holds more. */
bool gs_culprit_of_mappings(const struct gs_account *account, struct gs_culprit *out);

/* fds.txt: how many descriptors of each kind, and to where; no contents. */
void gs_descriptors_write(struct gs_text *out);

struct gs_findings {           // what the profiles of one incident say; borrowed
    struct gs_profile *heap;   // NULL: not captured
    struct gs_profile *growth; // heap less base; NULL: no baseline
    struct gs_profile *threads;
    struct gs_profile *creators; // of threads
    struct gs_profile *cpu;
    const struct gs_deadlock *deadlock; // NULL: threads were not captured
    int64_t base_age_ns;
    const struct gs_account *account; // NULL: not taken
    struct gs_culprit culprit;
};
struct gs_report {             // one incident while it is made: for summary.txt and incident.json
    const struct gs_incident_facts *facts;
    const struct gs_incident_scene *scene;
    struct gs_findings findings;
    const char *exe, *build_id, *host, *folder;
    int pid;
    struct gs_json steps, notes, errors; // lists
};
void gs_summary_write(const struct gs_report *report, struct gs_text *out);
/* NULL: no memory. */
json_t *gs_incident_json(const struct gs_report *report, const json_t *files, bool complete) GS_CHECK_RESULT;
