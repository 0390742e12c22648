/* rules_file.h - watches the rules file for changes, and reads changed rules.
 *
 *   stat, once a second ──▶ stamp changed ──▶ stamp stable for STABLE_NS ──▶ read ──▶ rules, or a refusal
 *                                             ▲          │
 *                                             └──────────┘ still being written
 * Context: at the start a host thread, then the watcher. */
#pragma once
#include "base/attributes.h"
#include "rules/rules.h"
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

struct gs_stamp {         // two states of a file have different stamps
    int error;            // errno of stat(2); 0: the other members are valid
    mode_t mode;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct gs_rules_file {    // all zero: the rules are not from a file
    char path[PATH_MAX];  // absolute, because the host may change its directory; "": none
    struct gs_stamp known; // when the file was last read, valid or not
    struct gs_stamp seen; // at the last check
    int64_t stable_since_ns; // when `seen` was first seen
    int64_t next_check_ns;

    /* for status and incidents; CLOCK_REALTIME */
    int64_t taken_ns;     // when the rules in force were loaded
    unsigned reload_count; // number of reloads
    int64_t refused_ns;   // when a changed file was refused; 0: the file is the rules in force
    size_t refused_errors;
    char refused[640];    // the first error, as logged
};

/* Read the rules file at PATH, and start to watch it. 0 or -errno: it must be a regular file of at most GS_RULES_TEXT_MAX
 * bytes. The caller frees *TEXT with gs_free. */
int gs_watch_rules_file_begin(struct gs_rules_file *file, const char *path, char **text, size_t *length) GS_CHECK_RESULT;

/* Check the file, if the next check is due. True: it has changed and is stable; now call gs_watch_rules_file_take. */
bool gs_watch_rules_file_look(struct gs_rules_file *file, int64_t now_ns);
/* Time until the next check; INT64_MAX: never. */
int64_t gs_watch_rules_file_pause_ns(const struct gs_rules_file *file, int64_t now_ns);
/* Read the changed file. Returns the new rules, which the caller frees. NULL: the text equals IN_FORCE; or it is refused,
 * and every error is logged and the first is kept in FILE; or it has just changed again, which the next check sees. */
struct gs_rules *gs_watch_rules_file_take(struct gs_rules_file *file, const struct gs_rules *in_force) GS_CHECK_RESULT;

/* Record that the rules of gs_watch_rules_file_take are in force from now on. */
void gs_watch_rules_file_taken(struct gs_rules_file *file);

/* Log all ERRORS and warnings. */
void gs_watch_log_errors(const struct gs_errors *errors);
