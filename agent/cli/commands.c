/* commands.c - every command of `gumshoe`: a new one is a row here and a file of its own, which has its options. */
#include "cli/cli.h"

// clang-format off
const struct gs_command gs_commands[] = {
    {"run", "[--rules FILE] [--dir DIR] [--log WHERE] [-v] [--] COMMAND [ARGUMENT …]",
     "run an unmodified program under watch; its exit status is the program's", gs_cli_run_run},
    {"check", "[--json] FILE …",
     "check rules files, and warn of rules that are in vain here; status 1 if any has errors", gs_cli_run_check},
    {"replay", "--rules FILE [--rules FILE …] [--limit SIZE] [--json] [--plot] [--expect RULE[=N] …] [--expect-none] HISTORY",
     "when rules would have fired over a recorded history, and what held back those that would not", gs_cli_run_replay},
    {"suggest", "[--per-week N] [--limit SIZE] HISTORY",
     "print a rules file fitted to a recorded history, each figure explained", gs_cli_run_suggest},
    {"ls", "[--json] [DIR]", "list incidents, repeats of one cause together", gs_cli_run_ls},
    {"show", "[--json] [--dir DIR] [INCIDENT]", "print an incident's summary (the latest by default)", gs_cli_run_show},
    {"top", "[-n N] [--sample TYPE] [--base FILE] [--cum] [--json] PROFILE|INCIDENT",
     "the heaviest functions, as pprof's -top has them", gs_cli_run_top},
    {"status", "[--json] PID",
     "what a running agent sees: every metric, and why each rule has or has not fired", gs_cli_run_status},
    {"capture", "[--kinds KIND,…] [--seconds N] [--dir DIR] PID",
     "an incident of a running process, now; prints its folder", gs_cli_run_capture},
    {"recover", "[--exe FILE] [--dir DIR] BOX|CORE",
     "make an incident of what is left of a process that died; prints its folder", gs_cli_run_recover},
    {NULL, NULL, NULL, NULL},
};
// clang-format on
