/* commands.c - the table of the sub-commands of `gumshoe`. A new one is a row here and a file with its options. */
#include "cli/cli.h"
#include "cli/view.h"

// clang-format off
const struct gs_command gs_commands[] = {
    {"run", "[--rules FILE] [--dir DIR] [--log WHERE] [-v] [--] COMMAND [ARGUMENT …]",
     "run an unmodified program under watch; the exit status is the program's", gs_cli_run_run},
    {"check", "[--json] FILE …",
     "check rules files, and warn of rules that can never fire on this machine; status 1 if any has errors", gs_cli_run_check},
    {"replay", "--rules FILE [--rules FILE …] [--limit SIZE] [--json] [--plot] [--expect RULE[=N] …] [--expect-none] HISTORY",
     "test rules on a recorded history: when each would have fired, or what kept it from firing", gs_cli_run_replay},
    {"suggest", "[--per-week N] [--limit SIZE] HISTORY",
     "print a rules file fitted to a recorded history, with the reason for each figure", gs_cli_run_suggest},
    {"ls", "[--json] [DIR]", "list incidents; repeats of one cause share a line", gs_cli_run_ls},
    {"show", "[--json] [--dir DIR] [INCIDENT]", "print an incident's summary (the latest by default)", gs_cli_run_show},
    {"top", "[-n N] [--cum] [--lines] [--json] " GS_VIEW_ARGUMENTS " PROFILE|INCIDENT",
     "print the heaviest functions, as pprof's -top does", gs_cli_run_top},
    {"peek", "[--cum] [--lines] " GS_VIEW_ARGUMENTS " REGEX PROFILE|INCIDENT",
     "print the callers and callees of the functions that match, as pprof's -peek does", gs_cli_run_peek},
    {"tree", "[-n N] [--cum] [--lines] " GS_VIEW_ARGUMENTS " PROFILE|INCIDENT",
     "print each function between its callers and callees, as pprof's -tree does", gs_cli_run_tree},
    {"list", "[--source DIR] " GS_VIEW_ARGUMENTS " REGEX PROFILE|INCIDENT",
     "print the source of the functions that match, each line with its values, as pprof's -list does", gs_cli_run_list},
    {"traces", "[--lines] " GS_VIEW_ARGUMENTS " PROFILE|INCIDENT",
     "print every stack with its value and labels, as pprof's -traces does", gs_cli_run_traces},
    {"diff", "[-n N] [--sample TYPE] [--focus REGEX] … [--json] PROFILE|INCIDENT PROFILE|INCIDENT",
     "print what grew from the first to the second, by function and by whole stack", gs_cli_run_diff},
    {"merge", "-o FILE PROFILE …", "add up profiles", gs_cli_run_merge},
    {"export", "--collapsed|--speedscope " GS_VIEW_ARGUMENTS " PROFILE|INCIDENT",
     "print a profile in the format of another tool", gs_cli_run_export},
    {"symbolize", "[-o OUT] [--debug-dir DIR …] [--seconds N] PROFILE|INCIDENT",
     "fill files, lines and inlined frames into profiles, from debug information on this machine", gs_cli_run_symbolize},
    {"status", "[--json] PID",
     "print what a running agent sees: every metric, and why each rule has or has not fired", gs_cli_run_status},
    {"capture", "[--kinds KIND,…] [--seconds N] [--dir DIR] [--plumbing PATTERN …] PID",
     "capture an incident of a running process now; prints its folder", gs_cli_run_capture},
    {"recover", "[--exe FILE] [--dir DIR] [--plumbing PATTERN …] BOX|CORE",
     "make an incident of the black box or core file of a dead process; prints its folder", gs_cli_run_recover},
    {NULL, NULL, NULL, NULL},
};
// clang-format on
