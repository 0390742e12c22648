/* capture.c - `gumshoe capture`: an incident of a running process, by its agent; or by us, if it has none. */
#include "base/kinds.h"
#include "cli/cli.h"
#include "cli/options.h"
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { SECONDS_MAX = 3600, MARGIN_SECONDS = 60 };

/* The name that *REST begins with, of "heap,cpu", its LENGTH; *REST moves behind its comma. NULL: there is none left. */
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
    for (const char *rest = list, *name; (name = next_kind(&rest, &length));)
        if (!is_kind(name, length))
            return gs_cli_usage(arguments->command, "\"%.*s\" cannot be captured", (int)length, name);
    return GS_FINE;
}

/* "heap,cpu" as an array. */
static json_t *kinds_json(const char *list)
{
    struct gs_json kinds = gs_json_array();
    size_t length;
    for (const char *rest = list, *name; (name = next_kind(&rest, &length));)
        gs_json_add(&kinds, json_stringn(name, length));
    return gs_json_take(&kinds);
}

struct wanted {
    json_t *kinds; // NULL: what the agent thinks best
    double seconds;
    const char *dir;
};

static int capture(int pid, const struct wanted *wanted)
{
    json_t *request = json_pack("{s:s, s:f, s:O*}", "command", "capture", "seconds", wanted->seconds, "kinds",
                                wanted->kinds);
    char path[PATH_MAX];
    bool has_agent;
    int status;
    json_t *answer = gs_cli_ask_agent(pid, request, SECONDS_MAX + MARGIN_SECONDS, &has_agent, &status);
    if (answer) {
        puts(gs_cli_text_of(answer, "incident", ""));
        json_decref(answer);
        return GS_FINE;
    }
    if (has_agent)
        return status;
    if (kill(pid, 0) != 0 && errno == ESRCH)
        return gs_cli_complain(GS_NO, "there is no process %d", pid);
    if (wanted->kinds && !(json_array_size(wanted->kinds) == 1 &&
                           strcmp(json_string_value(json_array_get(wanted->kinds, 0)), "threads") == 0))
        return gs_cli_complain(GS_NO, "process %d has no agent: of it, only --kinds threads can be captured",
                               pid);
    status = gs_cli_capture_foreign(pid, wanted->dir, path);
    if (status == GS_FINE)
        puts(path);
    return status;
}

int gs_cli_run_capture(struct gs_arguments *arguments)
{
    struct wanted wanted = {.dir = gs_cli_default_dir()};
    const char *kinds = NULL;
    int status;
    const struct gs_option options[] = {
        {"kinds", .argument = "LIST", .text = &kinds, .check = check_kinds,
         .help = "of heap, threads, threadcreate, cpu (default: heap,threads)"},
        {"seconds", .argument = "N", .seconds = &wanted.seconds, .most = SECONDS_MAX,
         .help = "how long CPU time is sampled (default: what the rules say, 10)"},
        {"dir", .argument = "DIR", .text = &wanted.dir,
         .help = "where it goes if the process has no agent (default: $GUMSHOE_DIR, else ./incidents);\n"
                 "such a process is stopped for the time that it takes to read its threads' stacks"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    int pid = gs_cli_read_pid(arguments);
    if (!pid)
        return GS_USAGE;
    wanted.kinds = kinds ? kinds_json(kinds) : NULL;
    status = capture(pid, &wanted);
    json_decref(wanted.kinds);
    return status;
}
