/* replay.c - `gumshoe replay`: rules tried on what was recorded. When would each have fired, and what held back those that
 * would not? The judge is the watcher's own (reader/replay.c); here are its options and its files. */
#include "cli/replay.h"
#include <getopt.h>
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

enum {
    OPTION_RULES = 256,
    OPTION_LIMIT,
    OPTION_JSON,
    OPTION_PLOT,
    OPTION_NO_PLOT,
    OPTION_EXPECT,
    OPTION_EXPECT_NONE
};

static int take_option(struct gs_session *session, int option)
{
    struct gs_unit_error error;
    switch (option) {
    case OPTION_RULES:
        if (session->count == GS_RULES_FILES_MAX)
            return gs_usage("replay", "at most %d rules files", GS_RULES_FILES_MAX);
        session->tried[session->count++].file = optarg;
        return GS_FINE;
    case OPTION_LIMIT:
        if (gs_read_size(optarg, &session->limit_bytes, &error) || session->limit_bytes == 0)
            return gs_usage("replay", "--limit: a size such as 512MiB is wanted, not \"%s\"", optarg);
        return GS_FINE;
    case OPTION_EXPECT:
        if (session->expected_count == GS_EXPECTATIONS_MAX ||
            !gs_read_expectation(optarg, &session->expected[session->expected_count]))
            return gs_usage("replay", "--expect: RULE or RULE=N is wanted, not \"%s\" (%d at most)", optarg,
                            GS_EXPECTATIONS_MAX);
        session->expected_count++;
        return GS_FINE;
    case OPTION_JSON: session->json = true; return GS_FINE;
    case OPTION_PLOT: session->columns = plot_columns(); return GS_FINE;
    case OPTION_NO_PLOT: session->columns = 0; return GS_FINE;
    case OPTION_EXPECT_NONE: session->expect_none = true; return GS_FINE;
    default: return gs_usage("replay", "see gumshoe replay --help");
    }
}

/* Every file is read, so that all the errors are told. */
static int load(struct gs_session *session)
{
    int status = GS_FINE, one = GS_FINE;
    session->count = session->count ? session->count : 1; // the built-in rules
    for (size_t i = 0; i < session->count; i++, status = gs_worse(status, one)) {
        one = GS_FINE;
        session->tried[i].rules = gs_load_rules(session->tried[i].file, &one);
    }
    session->history = gs_load_history(session->path, &session->about, &one);
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
        tried->replay = gs_replay_run(tried->rules, session->history, session->limit_bytes, session->columns);
        if (!tried->replay)
            return gs_complain(GS_IO, "there is no memory for this history");
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
        status = gs_replay_print_json(session);
    else
        gs_replay_print(session);
    return gs_worse(status, gs_check_expectations(session));
}

int gs_cmd_replay(int argc, char **argv)
{
    static const struct option known[] = {{"rules", required_argument, NULL, OPTION_RULES},
                                          {"limit", required_argument, NULL, OPTION_LIMIT},
                                          {"json", no_argument, NULL, OPTION_JSON},
                                          {"plot", no_argument, NULL, OPTION_PLOT},
                                          {"no-plot", no_argument, NULL, OPTION_NO_PLOT},
                                          {"expect", required_argument, NULL, OPTION_EXPECT},
                                          {"expect-none", no_argument, NULL, OPTION_EXPECT_NONE},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct gs_session session = {.columns = isatty(STDOUT_FILENO) ? plot_columns() : 0};
    int status = GS_FINE;
    for (int option; status == GS_FINE && (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        if (option == 'h') {
            gs_command_help("replay");
            return GS_FINE;
        }
        status = take_option(&session, option);
    }
    if (status == GS_FINE && optind + 1 != argc)
        status = gs_usage("replay", "one history is wanted");
    if (status != GS_FINE)
        return status;
    session.path = argv[optind];
    status = replay(&session);
    for (size_t i = 0; i < session.count; i++) {
        gs_replay_free(session.tried[i].replay);
        gs_rules_free(session.tried[i].rules);
    }
    gs_history_free(session.history);
    return status;
}
