/* replay.c - `gumshoe replay`: tests rules on a recorded history: when each would have fired, or what kept it from firing.
 * Here are the options and the reading of files; reader/replay.c judges, with the code that the watcher uses. */
#include "cli/replay.h"
#include "cli/options.h"
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_MIN = 50, WIDTH_MAX = 160 };

/* The width of a plot in characters: the terminal's, between WIDTH_MIN and WIDTH_MAX, without the margin. */
static size_t plot_columns(void)
{
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    int width = columns ? atoi(columns) : 0;
    if (width <= 0)
        width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    width = width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : width;
    return (size_t)width - GS_PLOT_MARGIN - 1;
}

/* Read the rules files and the history. All are read even if one fails, so that all errors are printed. */
static int load(struct gs_session *session)
{
    int status = GS_EXIT_OK, file_status = GS_EXIT_OK;
    session->count = session->count ? session->count : 1; // the built-in rules
    for (size_t i = 0; i < session->count; i++, status = gs_cli_worse_status(status, file_status)) {
        file_status = GS_EXIT_OK;
        session->candidate[i].rules = gs_cli_load_rules(session->candidate[i].file, &file_status);
    }
    session->history = gs_cli_load_history(session->path, &session->how, &session->about, &file_status);
    if (!session->limit_bytes)
        session->limit_bytes = session->about.limit_bytes;
    return gs_cli_worse_status(status, file_status);
}

static int judge(struct gs_session *session)
{
    size_t rows = gs_history_length(session->history);
    if (session->columns > rows) // a column without a row would leave a gap in the plot
        session->columns = rows;
    for (size_t i = 0; i < session->count; i++) {
        struct gs_candidate *candidate = &session->candidate[i];
        candidate->replay =
            gs_reader_replay_run(candidate->rules, session->history, session->limit_bytes, session->columns);
        if (!candidate->replay)
            return gs_cli_complain(GS_EXIT_IO, "not enough memory for this history");
    }
    return GS_EXIT_OK;
}

static int replay(struct gs_session *session)
{
    int status = load(session);
    if (status == GS_EXIT_OK)
        status = judge(session);
    if (status != GS_EXIT_OK)
        return status;
    if (session->json)
        status = gs_cli_replay_print_json(session);
    else
        gs_cli_replay_print(session);
    return gs_cli_worse_status(status, gs_cli_check_expectations(session));
}

static int check_expectation(const struct gs_arguments *arguments, const struct gs_option *option,
                             const char *text)
{
    struct gs_expectation expectation;
    if (option->list->count == option->list->max || !gs_cli_read_expectation(text, &expectation))
        return gs_cli_usage(arguments->command, "--expect takes RULE or RULE=N, not \"%s\" (%zu at most)",
                            text, option->list->max);
    return GS_EXIT_OK;
}

/* Read ARGUMENTS into SESSION. Returns false if the command is to end with *STATUS. */
static bool read_arguments(struct gs_arguments *arguments, struct gs_session *session, int *status)
{
    const char *file[GS_RULES_FILES_MAX], *expected[GS_EXPECTATIONS_MAX];
    struct gs_option_list files = {file, 0, GS_RULES_FILES_MAX, "rules files"},
                          expectations = {expected, 0, GS_EXPECTATIONS_MAX, "expectations"};
    bool plot = isatty(STDOUT_FILENO);
    const struct gs_option options[] = {
        {"rules", .argument = "FILE", .list = &files,
         .help = "the rules (default: the built-in ones); several files are judged side by side"},
        {"limit", .argument = "SIZE", .size = &session->limit_bytes,
         .help = "the memory limit, for rules with a share of it (default: the history's)"},
        {"json", .set = &session->json,
         .help = "{\"rules\": [{\"file\", \"rule\", \"fired\": [{\"time\", \"condition\", \"value\", "
                 "\"line\"}], \"closest\", \"held_back\"}]}"},
        {"plot", .set = &plot,
         .help = "draw each rule's metric, its line and its firings (default: on a terminal)"},
        {"no-plot", .clear = &plot, .help = "do not draw, even on a terminal"},
        {"expect", .argument = "RULE", .list = &expectations, .check = check_expectation,
         .help = "status 1 unless it fires; RULE=N: unless it fires N times"},
        {"expect-none", .set = &session->expect_none, .help = "status 1 if any rule fires"},
        GS_OPTIONS_IMPORT(&session->import),
        {.argument = "HISTORY", .help = GS_HISTORY_HELP},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, status))
        return false;
    if (arguments->operand_count != 1) {
        *status = gs_cli_usage(arguments->command, "give one history");
        return false;
    }
    session->path = arguments->operand[0];
    session->how = gs_cli_import_how(&session->import);
    session->columns = plot ? plot_columns() : 0;
    for (; session->count < files.count; session->count++)
        session->candidate[session->count].file = file[session->count];
    for (size_t i = 0; i < expectations.count; i++)
        session->expected_count += gs_cli_read_expectation(expected[i], &session->expected[i]);
    return true;
}

int gs_cli_run_replay(struct gs_arguments *arguments)
{
    struct gs_session session = {.command = arguments->command};
    int status;
    gs_cli_import_init(&session.import);
    if (!read_arguments(arguments, &session, &status))
        return status;
    status = replay(&session);
    for (size_t i = 0; i < session.count; i++) {
        gs_reader_replay_free(session.candidate[i].replay);
        gs_rules_free(session.candidate[i].rules);
    }
    gs_history_free(session.history);
    return status;
}
