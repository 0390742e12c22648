/* capture.c - `gumshoe capture`: asks the agent of a running process for an incident. If the process has no agent, this
 * command captures its threads itself (foreign.c). */
#include "base/errors.h"
#include "base/kinds.h"
#include "cli/cli.h"
#include "cli/options.h"
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { SECONDS_MAX = 3600, MARGIN_SECONDS = 60 };

/* The next name in the comma-separated list *REST, and its LENGTH; *REST moves behind the comma. NULL at the list's end. */
static const char *next_kind(const char **rest, size_t *length)
{
    const char *name = *rest;
    if (!name)
        return NULL;
    *length = strcspn(name, ",");
    *rest = name[*length] ? name + *length + 1 : NULL;
    return name;
}

static bool is_kind(const char *name, size_t length)
{
    for (const struct gs_kind_entry *kind = gs_kinds; kind->name; kind++)
        if (strlen(kind->name) == length && strncmp(kind->name, name, length) == 0)
            return true;
    return false;
}

static int check_kinds(const struct gs_arguments *arguments, const struct gs_option *option, const char *list)
{
    (void)option;
    size_t length;
    char word[64], hint[GS_HINT_TEXT];
    for (const char *rest = list, *name; (name = next_kind(&rest, &length));) {
        if (is_kind(name, length))
            continue;
        snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), name);
        gs_errors_suggest(word, &gs_kinds[0].name, gs_kinds_count(), sizeof gs_kinds[0], NULL, hint);
        return gs_cli_usage(arguments->command, "\"%s\" cannot be captured; %s", word, hint);
    }
    return GS_EXIT_OK;
}

/* Turn "heap,cpu" into a JSON array. */
static json_t *kinds_json(const char *list)
{
    struct gs_json kinds = gs_json_array();
    size_t length;
    for (const char *rest = list, *name; (name = next_kind(&rest, &length));)
        gs_json_add(&kinds, json_stringn(name, length));
    return gs_json_take(&kinds);
}

struct capture_settings {
    json_t *kinds; // NULL: the agent's default
    double seconds;
    const char *dir;
    struct gs_option_list plumbing;
};

static int capture(int pid, const struct capture_settings *settings)
{
    json_t *request = json_pack("{s:s, s:f, s:O*}", "command", "capture", "seconds", settings->seconds,
                                "kinds", settings->kinds);
    char path[PATH_MAX];
    bool has_agent;
    int status;
    const struct gs_cli_wait wait = {.what = "capturing", .expected_s = settings->seconds};
    json_t *answer =
        gs_cli_ask_agent_and_wait(pid, request, SECONDS_MAX + MARGIN_SECONDS, &wait, &has_agent, &status);
    if (answer) {
        puts(gs_cli_json_text(answer, "incident", ""));
        json_decref(answer);
        return GS_EXIT_OK;
    }
    if (has_agent)
        return status;
    if (kill(pid, 0) != 0 && errno == ESRCH)
        return gs_cli_complain(GS_EXIT_NEGATIVE, "there is no process %d", pid);
    if (settings->kinds && !(json_array_size(settings->kinds) == 1 &&
                             strcmp(json_string_value(json_array_get(settings->kinds, 0)), "threads") == 0))
        return gs_cli_complain(GS_EXIT_NEGATIVE,
                               "process %d has no agent: only --kinds threads can be captured", pid);
    status = gs_cli_capture_foreign(pid, settings->dir, &settings->plumbing, path);
    if (status == GS_EXIT_OK)
        puts(path);
    return status;
}

int gs_cli_run_capture(struct gs_arguments *arguments)
{
    const char *kinds = NULL, *patterns[GS_CLI_PLUMBING_MAX];
    struct capture_settings settings = {
        .dir = gs_cli_default_dir(),
        .plumbing = {.item = patterns, .max = GS_CLI_PLUMBING_MAX, .what = "patterns of --plumbing"}};
    int status;
    const struct gs_option options[] = {
        {"kinds", .argument = "LIST", .text = &kinds, .check = check_kinds,
         .help =
             "one or more of heap, peak, pages, waste, lifetimes, threads, threadcreate, fds, cpu (default: "
             "heap,threads)"},
        {"seconds", .argument = "N", .seconds = &settings.seconds, .max = SECONDS_MAX,
         .help = "how long CPU time is sampled (default: the rules' cpu duration, 10)"},
        {"dir", .argument = "DIR", .text = &settings.dir,
         .help = "the incident directory if the process has no agent (default: $GUMSHOE_DIR, else\n"
                 "./incidents); such a process is stopped while its threads' stacks are read"},
        GS_OPTION_PLUMBING(&settings.plumbing, ",\nif the process has no agent"),
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    int pid = gs_cli_read_pid(arguments);
    if (!pid)
        return GS_EXIT_USAGE;
    settings.kinds = kinds ? kinds_json(kinds) : NULL;
    status = capture(pid, &settings);
    json_decref(settings.kinds);
    return status;
}
