/* rules_file.h - the rules file, while the watch goes on: has it changed, and may its rules be taken?
 *
 *   stat, once a second ──▶ another file, or changed ──▶ the same for SETTLE ──▶ read ──▶ rules, or a refusal
 *                                                          ▲        │
 *                                                          └────────┘ still being written
 * Context: at the start a host thread, then the watcher. */
#pragma once
#include "base/attributes.h"
#include "rules/rules.h"
#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

struct gs_stamp {         // what tells one state of a file from the next
    int error;            // of stat; 0: the rest holds
    mode_t mode;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct gs_rules_file {    // all zero: the rules came from no file
    char path[PATH_MAX];  // absolute, for the host may go elsewhere; "": none
    struct gs_stamp known; // when it was last read, for good or bad
    struct gs_stamp seen; // at the last look
    int64_t seen_ns;      // when it was first seen like that
    int64_t look_ns;      // when to look again

    /* for status and incidents; CLOCK_REALTIME */
    int64_t taken_ns;     // when the rules in force were taken
    unsigned taken_again; // how often others took their place
    int64_t refused_ns;   // when the file was found to be no good; 0: it is as in force
    size_t refused_errors;
    char refused[420];    // the first error, as logged
};

/* Read the rules file at PATH, and follow it from here on. 0 or -errno; only a regular file of at most GS_RULES_TEXT_MAX
 * bytes will do. The caller frees *TEXT with gs_free. */
int gs_watch_rules_file_begin(struct gs_rules_file *file, const char *path, char **text, size_t *length) GS_CHECK_RESULT;

/* Time to look? Then look. True: it has changed, and has been left alone since: gs_watch_rules_file_take. */
bool gs_watch_rules_file_look(struct gs_rules_file *file, int64_t now_ns);
/* How long until the next look; INT64_MAX: never. */
int64_t gs_watch_rules_file_pause_ns(const struct gs_rules_file *file, int64_t now_ns);
/* New rules to take the place of IN_FORCE, for the caller to free. NULL: the text is the same, or it is refused, which is
 * logged with every error and kept in FILE; or it just changed again, which the next look sees. */
struct gs_rules *gs_watch_rules_file_take(struct gs_rules_file *file, const struct gs_rules *in_force) GS_CHECK_RESULT;

/* The rules that were taken are in force from now on. */
void gs_watch_rules_file_taken(struct gs_rules_file *file);

/* All of ERRORS, warnings among them, to the log. */
void gs_watch_log_errors(const struct gs_errors *errors);
