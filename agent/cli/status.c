/* status.c - `gumshoe status`: what a running agent sees, as a table. */
#include "cli/cli.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_SECONDS = 10 };

static const char *text_of(const json_t *json, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text && *text ? text : otherwise;
}

/* The rules file, where there is more to say than its name. */
static void print_file(const json_t *file)
{
    const json_t *refused = json_object_get(file, "refused");
    long long reloads = json_integer_value(json_object_get(file, "reloads")),
              more = json_integer_value(json_object_get(refused, "errors")) - 1;
    if (reloads)
        printf("the rules file was taken again at %s (%lld time%s so far)\n", text_of(file, "taken", "?"), reloads,
               reloads == 1 ? "" : "s");
    if (json_is_object(refused)) {
        printf("REFUSED at %s, the rules of %s stay in force:\n  %s\n", text_of(refused, "time", "?"),
               text_of(file, "taken", "?"), text_of(refused, "error", "?"));
        if (more > 0)
            printf("  and %lld more: see the log, or gumshoe check\n", more);
    }
    if (text_of(file, "other_dir", NULL))
        printf("the rules' incidents.dir is %s by now: that needs a restart\n", text_of(file, "other_dir", ""));
}

static void print_metrics(const json_t *list)
{
    size_t i;
    const json_t *metric;
    printf("%-24s %12s\n", "METRIC", "VALUE");
    json_array_foreach(list, i, metric)
    {
        const char *unavailable = text_of(metric, "unavailable", NULL);
        printf("%-24s %12s%s%s\n", text_of(metric, "metric", "?"), text_of(metric, "shown", "-"),
               unavailable ? "  not available: " : "", unavailable ? unavailable : "");
    }
}

static void print_rules(const json_t *list)
{
    size_t i;
    const json_t *rule;
    printf("\n%-20s %-16s %12s %12s %6s  %s\n", "RULE", "METRIC", "VALUE", "LINE", "FIRED", "STATE");
    json_array_foreach(list, i, rule)
    {
        printf("%-20s %-16s %12s %12s %6lld  %s\n", text_of(rule, "rule", "?"), text_of(rule, "metric", "-"),
               text_of(rule, "shown", "-"), text_of(rule, "line_shown", "-"),
               json_integer_value(json_object_get(rule, "fired")), text_of(rule, "state", ""));
    }
}

static void print_status(const json_t *status)
{
    printf("process %lld, started %s; rules from %s; incidents in %s\n",
           json_integer_value(json_object_get(status, "pid")), text_of(status, "started", "?"),
           text_of(status, "rules_file", "?"), text_of(status, "dir", "?"));
    print_file(json_object_get(status, "file"));
    printf("\n");
    print_metrics(json_object_get(status, "metrics"));
    print_rules(json_object_get(status, "rules"));
    long long under_way = json_integer_value(json_object_get(status, "under_way"));
    if (under_way)
        printf("\n%lld %s being captured now\n", under_way, under_way == 1 ? "incident is" : "incidents are");
}

int gs_cmd_status(int argc, char **argv)
{
    static const struct option known[] = {{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    bool as_json = false;
    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;)
        switch (option) {
        case 'j': as_json = true; break;
        case 'h': gs_command_help("status"); return GS_FINE;
        default: return gs_usage("status", "see gumshoe status --help");
        }
    int pid = optind + 1 == argc ? gs_read_pid(argv[optind]) : 0, status;
    if (!pid)
        return gs_usage("status", "one process's number is wanted");
    json_t *answer = gs_ask_agent(pid, json_pack("{s:s}", "command", "status"), ANSWER_SECONDS, &status);
    if (!answer && status == GS_NO && kill(pid, 0) != 0 && errno == ESRCH)
        return gs_complain(GS_NO, "there is no process %d", pid);
    if (!answer)
        return status == GS_NO ? gs_complain(GS_NO, "process %d has no agent that can be asked", pid) : status;
    if (as_json)
        status = gs_print_json(answer);
    else
        print_status(answer);
    json_decref(answer);
    return status;
}
