/* replay.h - what the files of `gumshoe replay` share.
 *
 *   replay.c  options, files ──▶ gs_session ──reader/replay.c──▶ a gs_replay for each file ──▶ replay_text.c, replay_json.c
 *                                                                          └──▶ replay_expect.c ──▶ exit status
 */
#pragma once
#include "base/clock.h"
#include "base/units.h"
#include "cli/cli.h"
#include "history/history.h"
#include "reader/reader.h"
#include "rules/rules.h"

enum { GS_RULES_FILES_MAX = 16, GS_EXPECTATIONS_MAX = 64, GS_HELD_BACK_TEXT = 256 };

struct gs_expectation {        // of --expect
    const char *rule;          // as it stands in the argument
    size_t length;             // of its name
    long long times;           // -1: at least once
};

struct gs_tried {              // one rules file
    const char *file;          // NULL: the built-in rules
    struct gs_rules *rules;
    struct gs_replay *replay;
};

struct gs_session {
    const struct gs_command *command; // gumshoe replay
    const char *path;          // of the history
    struct gs_history *history;
    struct gs_history_about about;
    uint64_t limit_bytes;
    size_t columns;            // of plots; 0: none
    struct gs_tried tried[GS_RULES_FILES_MAX];
    size_t count;
    struct gs_expectation expected[GS_EXPECTATIONS_MAX];
    size_t expected_count;
    bool expect_none;
    bool json;
};

/* Of two exit statuses the one that matters more. */
static inline int gs_worse(int a, int b)
{
    return a > b ? a : b;
}

/* The rule of TRIED whose name is the LENGTH bytes at NAME; SIZE_MAX: none. */
size_t gs_cli_find_rule(const struct gs_tried *tried, const char *name, size_t length);

/* In the history's own terms: seconds, or a moment. */
const char *gs_cli_print_moment(const struct gs_session *session, int64_t time_ns, char out[GS_TIME_TEXT]);
/* "1 time", "2 times". */
const char *gs_cli_print_times(uint64_t times, char out[GS_UNIT_TEXT]);
/* What held back a rule that never fired, and what is to be done where that is the command's business. */
const char *gs_cli_print_held_back(const struct gs_replayed *replayed, char out[GS_HELD_BACK_TEXT]);

struct gs_notes { char text[2][200]; size_t count; };
/* What a replay cannot know, or takes for something else. */
struct gs_notes gs_cli_replay_notes(const struct gs_session *session, const struct gs_tried *tried);

void gs_cli_replay_print(const struct gs_session *session);
int gs_cli_replay_print_json(const struct gs_session *session);

/* "RULE" or "RULE=N". */
bool gs_cli_read_expectation(const char *text, struct gs_expectation *out);
/* Complain of each expectation that is not met. GS_FINE, GS_NO, or GS_USAGE when a rule is in no file. */
int gs_cli_check_expectations(const struct gs_session *session);
