/* main.c - the command `gumshoe`: finds the sub-command and runs it. */
#include "base/errors.h"
#include "base/json.h"
#include "cli/cli.h"
#include "gumshoe/gumshoe.h"
#include "sys/log.h"
#include <stdio.h>
#include <string.h>

static void help(FILE *out)
{
    fprintf(out,
            "gumshoe - a process that watches itself and keeps the evidence\n\nusage: gumshoe COMMAND …\n\n");
    for (const struct gs_command *command = gs_commands; command->name; command++)
        fprintf(out, "  %-8s %s\n", command->name, command->help);
    fprintf(out,
            "\n  gumshoe COMMAND --help lists its options; man gumshoe has all the details.\n"
            "exit status: 0 success, 1 nothing found, or the check failed, 2 wrong usage, 3 input or output "
            "failed\n");
}

static int unknown_command(const char *name)
{
    size_t count = 0;
    while (gs_commands[count].name)
        count++;
    const char *nearest = gs_errors_nearest(name, &gs_commands[0].name, count, sizeof gs_commands[0]);
    if (nearest)
        gs_cli_complain(GS_EXIT_USAGE, "there is no command \"%s\"; did you mean \"%s\"?", name, nearest);
    else
        gs_cli_complain(GS_EXIT_USAGE, "there is no command \"%s\"", name);
    help(stderr);
    return GS_EXIT_USAGE;
}

static const struct gs_command *find(const char *name)
{
    static const struct gs_command completion = {
        "completion", "bash|zsh|fish", "print a shell's completion of this command", gs_cli_run_completion};
    if (strcmp(name, completion.name) == 0)
        return &completion;
    for (const struct gs_command *command = gs_commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

/* Is --version among the options of ARGUMENTS? Only options before the first operand count: the rest may be another program's. */
static bool asks_version(const struct gs_arguments *arguments)
{
    for (int i = 1; i < arguments->count; i++) {
        const char *value = arguments->value[i];
        if (value[0] != '-' || strcmp(value, "--") == 0)
            return false;
        if (strcmp(value, "--version") == 0)
            return true;
    }
    return false;
}

static int print_version(void)
{
    printf("gumshoe %s\n", GUMSHOE_VERSION);
    return GS_EXIT_OK;
}

int main(int argc, char **argv)
{
    gs_json_use_our_memory();
    gs_log_to(NULL);
    if (argc < 2) {
        help(stderr);
        return GS_EXIT_USAGE;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return GS_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0)
        return print_version();
    struct gs_arguments arguments = {.command = find(argv[1]), .count = argc - 1, .value = argv + 1};
    if (!arguments.command)
        return unknown_command(argv[1]);
    if (asks_version(&arguments))
        return print_version();
    int status = arguments.command->run(&arguments);
    if (fflush(stdout) == EOF && status == GS_EXIT_OK)
        status = gs_cli_complain(GS_EXIT_IO, "standard output: cannot be written");
    return status;
}
