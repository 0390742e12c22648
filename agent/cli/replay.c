/* replay.c - `gumshoe replay`: rules tried on what was recorded. When would each have fired, and what held back those that
 * would not? The judge is the watcher's own (reader/replay.c); here are its options and its files. */
#include "cli/replay.h"
#include "cli/options.h"
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH_LEAST = 50, WIDTH_MOST = 160 };

/* How many columns a plot may have: the terminal's, within reason. */
static size_t plot_columns(void)
{
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    int width = columns ? atoi(columns) : 0;
    if (width <= 0)
        width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    width = width < WIDTH_LEAST ? WIDTH_LEAST : width > WIDTH_MOST ? WIDTH_MOST : width;
    return (size_t)width - GS_PLOT_MARGIN - 1;
}

/* Every file is read, so that all the errors are told. */
static int load(struct gs_session *session)
{
    int status = GS_FINE, one = GS_FINE;
    session->count = session->count ? session->count : 1; // the built-in rules
    for (size_t i = 0; i < session->count; i++, status = gs_worse(status, one)) {
        one = GS_FINE;
        session->tried[i].rules = gs_cli_load_rules(session->tried[i].file, &one);
    }
    session->history = gs_cli_load_history(session->path, &session->about, &one);
    if (!session->limit_bytes)
        session->limit_bytes = session->about.limit_bytes;
    return gs_worse(status, one);
}

static int judge(struct gs_session *session)
{
    size_t rows = gs_history_length(session->history);
    if (session->columns > rows) // a column without a row would be a hole in the plot
        session->columns = rows;
    for (size_t i = 0; i < session->count; i++) {
        struct gs_tried *tried = &session->tried[i];
        tried->replay =
            gs_reader_replay_run(tried->rules, session->history, session->limit_bytes, session->columns);
        if (!tried->replay)
            return gs_cli_complain(GS_IO, "there is no memory for this history");
    }
    return GS_FINE;
}

static int replay(struct gs_session *session)
{
    int status = load(session);
    if (status == GS_FINE)
        status = judge(session);
    if (status != GS_FINE)
        return status;
    if (session->json)
        status = gs_cli_replay_print_json(session);
    else
        gs_cli_replay_print(session);
    return gs_worse(status, gs_cli_check_expectations(session));
}

static int check_expectation(const struct gs_arguments *arguments, const struct gs_option *option,
                             const char *text)
{
    struct gs_expectation expectation;
    if (option->list->count == option->list->most || !gs_cli_read_expectation(text, &expectation))
        return gs_cli_usage(arguments->command,
                            "--expect: RULE or RULE=N is wanted, not \"%s\" (%zu at most)", text,
                            option->list->most);
    return GS_FINE;
}

/* What ARGUMENTS ask for, into SESSION. False: the command is to end with *STATUS. */
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
         .help = "the memory limit that shares are shares of (default: the history's)"},
        {"json", .set = &session->json,
         .help = "{\"rules\": [{\"file\", \"rule\", \"fired\": [{\"time\", \"condition\", \"value\", "
                 "\"line\"}], \"closest\", \"held_back\"}]}"},
        {"plot", .set = &plot,
         .help = "draw each rule's metric, its line and its firings, also when not on a terminal"},
        {"no-plot", .clear = &plot, .help = "not on a terminal either"},
        {"expect", .argument = "RULE", .list = &expectations, .check = check_expectation,
         .help = "status 1 unless it fires; RULE=N: unless it fires N times"},
        {"expect-none", .set = &session->expect_none, .help = "status 1 if any rule fires"},
        {.argument = "HISTORY",
         .help = "an incident's folder, its metrics.json, a black box, or CSV: time,rss,gauge:queue …; - is\n"
                 "standard input"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, status))
        return false;
    if (arguments->operand_count != 1) {
        *status = gs_cli_usage(arguments->command, "one history is wanted");
        return false;
    }
    session->path = arguments->operand[0];
    session->columns = plot ? plot_columns() : 0;
    for (; session->count < files.count; session->count++)
        session->tried[session->count].file = file[session->count];
    for (size_t i = 0; i < expectations.count; i++)
        session->expected_count += gs_cli_read_expectation(expected[i], &session->expected[i]);
    return true;
}

int gs_cli_run_replay(struct gs_arguments *arguments)
{
    struct gs_session session = {.command = arguments->command};
    int status;
    if (!read_arguments(arguments, &session, &status))
        return status;
    status = replay(&session);
    for (size_t i = 0; i < session.count; i++) {
        gs_reader_replay_free(session.tried[i].replay);
        gs_rules_free(session.tried[i].rules);
    }
    gs_history_free(session.history);
    return status;
}
