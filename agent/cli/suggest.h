/* suggest.h - what the files of `gumshoe suggest` share.
 *
 *   suggest.c  options, history ──reader/suggest.c──▶ gs_suggested ──▶ suggest_report.c: standard error; the rules: standard output
 *                                                             └──▶ suggest_json.c: all of it, standard output
 */
#pragma once
#include "cli/cli.h"
#include "history/history.h"
#include "reader/reader.h"

struct gs_suggest_session {
    const struct gs_history *history;
    struct gs_history_about about;
    struct gs_suggest_constraints constraints;
    const struct gs_suggested *suggested;
};

/* Append what was found to OUT: first the faults on which no rule fires. */
void gs_cli_suggest_report(const struct gs_suggest_session *session, struct gs_text *out);
/* The same facts and the rules as JSON; the man page lists the keys. Returns an exit status. */
int gs_cli_suggest_print_json(const struct gs_suggest_session *session);
/* "recurs": why such rises are usual. */
const char *gs_cli_usual_name(enum gs_usual_cause cause);
