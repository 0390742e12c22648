/* suggest.c - `gumshoe suggest`: prints rules fitted to a history (reader/suggest.c) on standard output, as a file ready for use.
 * Standard error gets the faults that the history shows, what each rule does on them, and what was left out, and why. */
#include "cli/suggest.h"
#include "cli/import.h"
#include "cli/options.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PER_WEEK_MAX = 1000 };

/* Print each line of NOTES on standard error, after "gumshoe: ". */
static void print_notes(const struct gs_text *notes)
{
    const char *line = notes->bytes ? notes->bytes : "";
    for (const char *end; (end = strchr(line, '\n')); line = end + 1)
        (void)gs_cli_complain(GS_EXIT_OK, "%.*s", (int)(end - line), line);
}

static int print_text(const struct gs_suggest_session *session)
{
    const struct gs_text *rules = &session->suggested->rules;
    struct gs_text report = {0};
    gs_cli_suggest_report(session, &report);
    if (!report.failed && report.bytes)
        fputs(report.bytes, stderr);
    gs_text_fini(&report);
    if (fwrite(rules->bytes, 1, rules->length, stdout) != rules->length || fflush(stdout))
        return gs_cli_complain(GS_EXIT_IO, "standard output: %s", strerrordesc_np(errno));
    return GS_EXIT_OK;
}

static int suggest(const char *path, struct gs_import *how, struct gs_suggest_constraints *constraints, bool json)
{
    struct gs_suggest_session session = {0};
    struct gs_suggested *suggested = NULL;
    int status = GS_EXIT_OK;
    struct gs_history *history = gs_cli_load_history(path, how, &session.about, &status);
    if (!history)
        return status;
    if (!constraints->limit_bytes)
        constraints->limit_bytes = session.about.limit_bytes;
    int error = gs_reader_suggest(history, constraints, &suggested);
    session.history = history;
    session.constraints = *constraints;
    session.suggested = suggested;
    if (error == -ENODATA)
        status = GS_EXIT_NEGATIVE;
    else if (error)
        status = gs_cli_complain(GS_EXIT_IO, "no rules could be fitted: %s", strerrordesc_np(-error));
    else
        status = json ? gs_cli_suggest_print_json(&session) : print_text(&session);
    if (suggested && !(json && status == GS_EXIT_OK)) // JSON has them
        print_notes(&suggested->notes);
    gs_reader_suggested_free(suggested);
    gs_history_free(history);
    return status;
}

int gs_cli_run_suggest(struct gs_arguments *arguments)
{
    struct gs_suggest_constraints constraints = {0};
    struct gs_cli_import import;
    long long per_week = 1;
    bool json = false;
    int status;
    gs_cli_import_init(&import);
    const struct gs_option options[] = {
        {"per-week", .argument = "N", .number = &per_week, .min = 0, .max = PER_WEEK_MAX,
         .help = "how many incidents a week the rules may make on this history, faults apart (default: 1)"},
        {"limit", .argument = "SIZE", .size = &constraints.limit_bytes,
         .help = "the memory limit (default: what the history says)"},
        {"json", .set = &json, .help = "print the rules and all that is known of them as JSON"},
        GS_OPTIONS_IMPORT(&import),
        {.argument = "HISTORY", .help = GS_HISTORY_HELP},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count != 1)
        return gs_cli_usage(arguments->command,
                            arguments->operand_count ? "one history at a time" : "which history?");
    constraints.per_week = (uint64_t)per_week;
    struct gs_import how = gs_cli_import_how(&import);
    return suggest(arguments->operand[0], &how, &constraints, json);
}
