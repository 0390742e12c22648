/* replay.h - what the files of `gumshoe replay` share.
 *
 *   replay.c  options, files ──▶ gs_session ──reader/replay.c──▶ one gs_replay per rules file ──▶ replay_text.c, replay_json.c
 *                                                                          └──▶ replay_expect.c ──▶ exit status
 */
#pragma once
#include "base/clock.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/import.h"
#include "history/history.h"
#include "reader/reader.h"
#include "rules/rules.h"

enum { GS_RULES_FILES_MAX = 16, GS_EXPECTATIONS_MAX = 64, GS_HELD_BACK_TEXT = 256 };

struct gs_expectation {        // one --expect RULE or RULE=N
    const char *rule;          // points into the argument, not terminated
    size_t length;             // of the rule's name
    long long times;           // -1: at least once
};

struct gs_candidate {          // one rules file under test
    const char *file;          // NULL: the built-in rules
    struct gs_rules *rules;
    struct gs_replay *replay;
};

struct gs_session {
    const struct gs_command *command; // gumshoe replay
    const char *path;          // the history's file or folder
    struct gs_cli_import import;
    struct gs_import how;      // to read the history; borrows from IMPORT
    struct gs_history *history;
    struct gs_history_about about;
    uint64_t limit_bytes;
    size_t columns;            // width of plots; 0: no plots
    struct gs_candidate candidate[GS_RULES_FILES_MAX];
    size_t count;
    struct gs_expectation expected[GS_EXPECTATIONS_MAX];
    size_t expected_count;
    bool expect_none;
    bool json;
};

/* The worse of two exit statuses: the higher one. */
static inline int gs_cli_worse_status(int a, int b)
{
    return a > b ? a : b;
}

/* The index of the rule in CANDIDATE whose name is the LENGTH bytes at NAME; SIZE_MAX if there is none. */
size_t gs_cli_find_rule(const struct gs_candidate *candidate, const char *name, size_t length);

/* Print TIME_NS for people: an ISO 8601 time or, where the history has no date, seconds as in the history. */
const char *gs_cli_print_moment(const struct gs_session *session, int64_t time_ns, char out[GS_TIME_TEXT]);
/* The same as JSON: a number, or a text. */
json_t *gs_cli_moment_json(const struct gs_session *session, int64_t time_ns) GS_CHECK_RESULT;
/* "1 time", "2 times". */
const char *gs_cli_print_times(uint64_t times, char out[GS_UNIT_TEXT]);
/* Print what kept a rule from firing, and the option of this command that would help, if there is one. */
const char *gs_cli_print_held_back(const struct gs_replayed *replayed, char out[GS_HELD_BACK_TEXT]);

struct gs_notes { char text[2][200]; size_t count; };
/* Notes on how the replay differs from a live run: the step of the rows, heap_in_use judged between ticks. */
struct gs_notes gs_cli_replay_notes(const struct gs_session *session, const struct gs_candidate *candidate);

void gs_cli_replay_print(const struct gs_session *session);
int gs_cli_replay_print_json(const struct gs_session *session);

/* Read "RULE" or "RULE=N"; false if TEXT is neither. */
bool gs_cli_read_expectation(const char *text, struct gs_expectation *out);
/* Print each expectation that is not met. Returns GS_EXIT_OK, GS_EXIT_NEGATIVE, or GS_EXIT_USAGE if no file has the rule. */
int gs_cli_check_expectations(const struct gs_session *session);
