/* suggest.c - `gumshoe suggest`: prints rules fitted to a history (reader/suggest.c) on standard output, as a file ready for use.
 * Standard error gets what was left out, and why. */
#include "cli/cli.h"
#include "cli/import.h"
#include "cli/options.h"
#include "history/history.h"
#include "reader/reader.h"
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

static int print(const struct gs_history *history, const struct gs_suggest_constraints *constraints)
{
    struct gs_text out = {0}, notes = {0};
    int error = gs_reader_suggest(history, constraints, &out, &notes), status = GS_EXIT_OK;
    print_notes(&notes);
    if (error == -ENODATA)
        status = GS_EXIT_NEGATIVE;
    else if (error)
        status = gs_cli_complain(GS_EXIT_IO, "no rules could be fitted: %s", strerrordesc_np(-error));
    else if (fwrite(out.bytes, 1, out.length, stdout) != out.length || fflush(stdout))
        status = gs_cli_complain(GS_EXIT_IO, "standard output: %s", strerrordesc_np(errno));
    gs_text_fini(&out);
    gs_text_fini(&notes);
    return status;
}

static int suggest(const char *path, struct gs_import *how, struct gs_suggest_constraints *constraints)
{
    struct gs_history_about about = {0};
    int status = GS_EXIT_OK;
    struct gs_history *history = gs_cli_load_history(path, how, &about, &status);
    if (!history)
        return status;
    if (!constraints->limit_bytes)
        constraints->limit_bytes = about.limit_bytes;
    status = print(history, constraints);
    gs_history_free(history);
    return status;
}

int gs_cli_run_suggest(struct gs_arguments *arguments)
{
    struct gs_suggest_constraints constraints = {0};
    struct gs_cli_import import;
    long long per_week = 1;
    int status;
    gs_cli_import_init(&import);
    const struct gs_option options[] = {
        {"per-week", .argument = "N", .number = &per_week, .min = 0, .max = PER_WEEK_MAX,
         .help = "how many incidents a week the rules may make on this history (default: 1)"},
        {"limit", .argument = "SIZE", .size = &constraints.limit_bytes,
         .help = "the memory limit (default: what the history says)"},
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
    return suggest(arguments->operand[0], &how, &constraints);
}
