/* commands.c - every command of `gumshoe`: a new one is a row here and a file of its own. */
#include "cli/cli.h"
#include <string.h>

// clang-format off
const struct gs_command gs_commands[] = {
    {"run", "[--rules FILE] [--dir DIR] [--log WHERE] [-v] [--] COMMAND [ARGUMENT …]",
     "run an unmodified program under watch; its exit status is the program's",
     "  --rules FILE   the rules (default: the built-in ones)\n"
     "  --dir DIR      where incidents go (default: what the rules say, else ./incidents)\n"
     "  --log WHERE    stderr, a file, or off (default: stderr)\n"
     "  -v             say afterwards which incidents there were, also when not on a terminal\n",
     gs_cmd_run},
    {"check", "[--json] FILE …", "check rules files, and warn of rules that are in vain here; status 1 if any has errors",
     "  --json         [{\"file\", \"line\", \"column\", \"severity\", \"message\", \"hint\"}], [] when all is well\n"
     "  FILE           - is standard input\n",
     gs_cmd_check},
    {"replay", "--rules FILE [--rules FILE …] [--limit SIZE] [--json] [--plot] [--expect RULE[=N] …] [--expect-none] HISTORY",
     "when rules would have fired over a recorded history, and what held back those that would not",
     "  --rules FILE   the rules (default: the built-in ones); several files are judged side by side\n"
     "  --limit SIZE   the memory limit that shares are shares of (default: the history's)\n"
     "  --json         {\"rules\": [{\"file\", \"rule\", \"fired\": [{\"time\", \"condition\", \"value\", \"line\"}], \"closest\", \"held_back\"}]}\n"
     "  --plot         draw each rule's metric, its line and its firings, also when not on a terminal\n"
     "  --no-plot      not on a terminal either\n"
     "  --expect RULE  status 1 unless it fires; RULE=N: unless it fires N times\n"
     "  --expect-none  status 1 if any rule fires\n"
     "  HISTORY        an incident's folder, its metrics.json, a black box, or CSV: time,rss,gauge:queue …; - is\n"
     "                 standard input\n",
     gs_cmd_replay},
    {"suggest", "[--per-week N] [--limit SIZE] HISTORY", "print a rules file fitted to a recorded history, each figure explained",
     "  --per-week N   incidents that the history may have in a week by these rules (default: 1)\n"
     "  --limit SIZE   the memory limit (default: what the history says)\n"
     "  HISTORY        an incident's folder, a metrics.json, or CSV (time,rss,gauge:queue,…); - is standard input\n",
     gs_cmd_suggest},
    {"ls", "[--json] [DIR]", "list incidents, repeats of one cause together",
     "  --json         every incident's incident.json, with its \"dir\"\n"
     "  DIR            default: $GUMSHOE_DIR, else ./incidents\n",
     gs_cmd_ls},
    {"show", "[--json] [--dir DIR] [INCIDENT]", "print an incident's summary (the latest by default)",
     "  --json         incident.json instead of the summary\n"
     "  --dir DIR      where to look (default: $GUMSHOE_DIR, else ./incidents)\n"
     "  INCIDENT       a folder, or the beginning of a folder's name in DIR\n",
     gs_cmd_show},
    {"top", "[-n N] [--sample TYPE] [--base FILE] [--cum] [--json] PROFILE|INCIDENT",
     "the heaviest functions, as pprof's -top has them",
     "  -n N           at most N functions\n"
     "  --sample TYPE  inuse_space, alloc_objects, … (default: the profile's own)\n"
     "  --base FILE    the growth since this profile\n"
     "  --cum          sort by cum\n"
     "  --json         {\"sample_type\", \"unit\", \"total\", \"rows\": [{\"function\", \"file\", \"flat\", \"cum\"}]}\n",
     gs_cmd_top},
    {"status", "[--json] PID", "what a running agent sees: every metric, and why each rule has or has not fired",
     "  --json         as the agent says it\n",
     gs_cmd_status},
    {"capture", "[--kinds KIND,…] [--seconds N] [--dir DIR] PID",
     "an incident of a running process, now; prints its folder",
     "  --kinds LIST   of heap, threads, threadcreate, cpu (default: heap,threads)\n"
     "  --seconds N    how long CPU time is sampled (default: what the rules say, 10)\n"
     "  --dir DIR      where it goes if the process has no agent (default: $GUMSHOE_DIR, else ./incidents);\n"
     "                 such a process is stopped for the time that it takes to read its threads' stacks\n",
     gs_cmd_capture},
    {"recover", "[--exe FILE] [--dir DIR] BOX|CORE",
     "make an incident of what is left of a process that died; prints its folder",
     "  --exe FILE     of a core file: the program, if it is no longer where it was\n"
     "  --dir DIR      where it goes (default: of a box, the directory it stands in; $GUMSHOE_DIR, else ./incidents)\n"
     "  BOX            a black box: DIR/.live/PID-START-NAMESPACE.box\n"
     "  CORE           a core file\n",
     gs_cmd_recover},
    {NULL, NULL, NULL, NULL, NULL},
};
// clang-format on

const struct gs_command *gs_command_find(const char *name)
{
    for (const struct gs_command *command = gs_commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}
