/* capture.c - `gumshoe capture`: an incident of a running process, by its agent; or by us, if it has none. */
#include "base/kinds.h"
#include "cli/cli.h"
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECONDS_MAX = 3600, MARGIN_SECONDS = 60 };

static bool is_kind(const char *name)
{
    for (const struct gs_kind_entry *kind = gs_kinds; kind->name; kind++)
        if (strcmp(kind->name, name) == 0)
            return true;
    return false;
}

/* "heap,cpu" as an array; NULL when one is unknown, with its name in *WRONG. */
static json_t *read_kinds(char *list, const char **wrong)
{
    struct gs_json kinds = gs_json_array();
    for (char *rest = list, *name; (name = strsep(&rest, ","));) {
        if (!is_kind(name)) {
            *wrong = name;
            json_decref(kinds.json);
            return NULL;
        }
        gs_json_add(&kinds, json_string(name));
    }
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
    int status;
    json_t *answer = gs_ask_agent(pid, request, SECONDS_MAX + MARGIN_SECONDS, &status);
    if (answer) {
        puts(json_string_value(json_object_get(answer, "incident")) ? json_string_value(json_object_get(answer, "incident"))
                                                                    : "");
        json_decref(answer);
        return GS_FINE;
    }
    if (status != GS_NO || (kill(pid, 0) != 0 && errno == ESRCH))
        return status == GS_NO ? gs_complain(GS_NO, "there is no process %d", pid) : status;
    if (wanted->kinds && !(json_array_size(wanted->kinds) == 1 &&
                           strcmp(json_string_value(json_array_get(wanted->kinds, 0)), "threads") == 0))
        return gs_complain(GS_NO, "process %d has no agent: of it, only --kinds threads can be captured", pid);
    status = gs_capture_foreign(pid, wanted->dir, path);
    if (status == GS_FINE)
        puts(path);
    return status;
}

int gs_cmd_capture(int argc, char **argv)
{
    static const struct option known[] = {{"kinds", required_argument, NULL, 'k'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"dir", required_argument, NULL, 'd'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct wanted wanted = {.dir = gs_default_dir()};
    const char *wrong = NULL;
    char *end = NULL;
    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;)
        switch (option) {
        case 'k':
            wanted.kinds = read_kinds(optarg, &wrong);
            if (!wanted.kinds)
                return gs_usage("capture", "\"%s\" cannot be captured", wrong);
            break;
        case 's':
            wanted.seconds = strtod(optarg, &end);
            if (*end || end == optarg || !(wanted.seconds > 0 && wanted.seconds <= SECONDS_MAX))
                return gs_usage("capture", "--seconds may be up to %d", SECONDS_MAX);
            break;
        case 'd': wanted.dir = optarg; break;
        case 'h': gs_command_help("capture"); return GS_FINE;
        default: return gs_usage("capture", "see gumshoe capture --help");
        }
    int pid = optind + 1 == argc ? gs_read_pid(argv[optind]) : 0;
    int status = pid ? capture(pid, &wanted) : gs_usage("capture", "one process's number is wanted");
    json_decref(wanted.kinds);
    return status;
}
