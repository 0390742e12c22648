/* status.c - `gumshoe status`: asks a running agent what it sees, and prints its metrics and rules as tables. */
#include "cli/cli.h"
#include "cli/options.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_SECONDS = 10 };

/* Print reloads and refusals of the rules file, if there were any. */
static void print_file(const json_t *file)
{
    const json_t *refused = json_object_get(file, "refused");
    long long reloads = json_integer_value(json_object_get(file, "reloads")),
              more = json_integer_value(json_object_get(refused, "errors")) - 1;
    if (reloads)
        printf("the rules file was reloaded %lld time%s, last at %s\n", reloads, reloads == 1 ? "" : "s",
               gs_cli_json_text(file, "taken", "?"));
    if (json_is_object(refused)) {
        printf("REFUSED at %s, the rules of %s stay in force:\n  %s\n",
               gs_cli_json_text(refused, "time", "?"), gs_cli_json_text(file, "taken", "?"),
               gs_cli_json_text(refused, "error", "?"));
        if (more > 0)
            printf("  and %lld more: see the log, or gumshoe check\n", more);
    }
    if (gs_cli_json_text(file, "other_dir", NULL))
        printf("the rules file now names the incident directory %s: this needs a restart\n",
               gs_cli_json_text(file, "other_dir", ""));
}

static void print_metrics(const json_t *list)
{
    size_t i;
    const json_t *metric;
    printf("%-24s %12s\n", "METRIC", "VALUE");
    json_array_foreach(list, i, metric)
    {
        const char *unavailable = gs_cli_json_text(metric, "unavailable", NULL);
        printf("%-24s %12s%s%s\n", gs_cli_json_text(metric, "metric", "?"),
               gs_cli_json_text(metric, "shown", "-"), unavailable ? "  not available: " : "",
               unavailable ? unavailable : "");
    }
}

static void print_rules(const json_t *list)
{
    size_t i;
    const json_t *rule;
    printf("\n%-20s %-16s %12s %12s %6s  %s\n", "RULE", "METRIC", "VALUE", "LINE", "FIRED", "STATE");
    json_array_foreach(list, i, rule)
    {
        printf("%-20s %-16s %12s %12s %6lld  %s\n", gs_cli_json_text(rule, "rule", "?"),
               gs_cli_json_text(rule, "metric", "-"), gs_cli_json_text(rule, "shown", "-"),
               gs_cli_json_text(rule, "line_shown", "-"), json_integer_value(json_object_get(rule, "fired")),
               gs_cli_json_text(rule, "state", ""));
    }
}

static void print_status(const json_t *status)
{
    printf("process %lld, started %s; rules from %s; incidents in %s\n",
           json_integer_value(json_object_get(status, "pid")), gs_cli_json_text(status, "started", "?"),
           gs_cli_json_text(status, "rules_file", "?"), gs_cli_json_text(status, "dir", "?"));
    print_file(json_object_get(status, "file"));
    printf("\n");
    print_metrics(json_object_get(status, "metrics"));
    print_rules(json_object_get(status, "rules"));
    long long under_way = json_integer_value(json_object_get(status, "under_way"));
    if (under_way)
        printf("\n%lld %s being captured now\n", under_way, under_way == 1 ? "incident is" : "incidents are");
}

int gs_cli_run_status(struct gs_arguments *arguments)
{
    bool as_json = false;
    int status;
    const struct gs_option options[] = {
        {"json", .set = &as_json, .help = "the agent's answer as JSON"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    int pid = gs_cli_read_pid(arguments);
    if (!pid)
        return GS_EXIT_USAGE;
    bool has_agent;
    json_t *answer =
        gs_cli_ask_agent(pid, json_pack("{s:s}", "command", "status"), ANSWER_SECONDS, &has_agent, &status);
    if (!has_agent)
        return kill(pid, 0) != 0 && errno == ESRCH
                   ? gs_cli_complain(GS_EXIT_NEGATIVE, "there is no process %d", pid)
                   : gs_cli_complain(GS_EXIT_NEGATIVE, "process %d has no agent that answers", pid);
    if (!answer)
        return status;
    if (as_json)
        status = gs_cli_print_json(answer);
    else
        print_status(answer);
    json_decref(answer);
    return status;
}
