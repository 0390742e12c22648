/* completion.c - `gumshoe completion bash|zsh|fish`: prints that shell's completion of this command, made from the table of
 * commands and their tables of options. The build runs it, so that the installed files have what the command has. It is not in --help.
 *
 *   gs_commands ──▶ each command's run, with `visit` set ──▶ gs_cli_read_options ──▶ visit(its options) ──▶ a shell's text
 */
#include "cli/completion.h"
#include "base/kinds.h"
#include "cli/cli.h"
#include "cli/options.h"
#include <stdio.h>
#include <string.h>

/* ---- what an argument is ------------------------------------------------------------------------------------------------ */

static bool is_one_of(const char *name, const char *const list[])
{
    for (; *list; list++)
        if (strcmp(name, *list) == 0)
            return true;
    return false;
}

enum gs_completed gs_cli_completion_of_option(const struct gs_option *option)
{
    static const char *const files[] = {"FILE", "OUT", "WHERE", "PROFILE", NULL},
                             *const directories[] = {"DIR", NULL}, *const types[] = {"TYPE", NULL};
    const char *argument = option->argument;
    if (!argument)
        return GS_COMPLETED_NOT;
    if (option->name && strcmp(option->name, "kinds") == 0)
        return GS_COMPLETED_KINDS;
    return is_one_of(argument, files)         ? GS_COMPLETED_FILE
           : is_one_of(argument, directories) ? GS_COMPLETED_DIRECTORY
           : is_one_of(argument, types)       ? GS_COMPLETED_TYPES
                                              : GS_COMPLETED_TEXT;
}

enum gs_completed gs_cli_completion_of_operand(const struct gs_command *command)
{
    const char *last = strrchr(command->arguments, ' ');
    last = last ? last + 1 : command->arguments;
    return strstr(command->arguments, " COMMAND ") ? GS_COMPLETED_PROGRAM
           : strcmp(last, "PID") == 0              ? GS_COMPLETED_PROCESS
                                                   : GS_COMPLETED_FILE;
}

const char *gs_cli_completion_words(enum gs_completed what)
{
    static char kinds[128];
    if (what == GS_COMPLETED_TYPES)
        return "inuse_space inuse_objects inuse_old alloc_space alloc_objects cpu samples threads "
               "threadcreate "
               "live_threads freed_space freed_objects alive_space alive_objects";
    size_t length = 0;
    for (const struct gs_kind_entry *kind = gs_kinds; kind->name && length < sizeof kinds; kind++)
        length +=
            (size_t)snprintf(kinds + length, sizeof kinds - length, "%s%s", length ? " " : "", kind->name);
    return kinds;
}

/* ---- the command --------------------------------------------------------------------------------------------------------- */

/* Print what SHELL needs for each command. */
static void print_commands(const struct gs_completion_shell *shell)
{
    for (const struct gs_command *command = gs_commands; command->name; command++) {
        char *value[] = {(char *)command->name, NULL};
        struct gs_arguments arguments = {
            .command = command, .count = 1, .value = value, .visit = shell->print_command};
        (void)command->run(&arguments);
    }
}

int gs_cli_run_completion(struct gs_arguments *arguments)
{
    static const struct gs_completion_shell *const shells[] = {
        &gs_cli_completion_bash, &gs_cli_completion_zsh, &gs_cli_completion_fish};
    const struct gs_option options[] = {
        {.argument = "SHELL", .help = "bash, zsh or fish"},
        {0},
    };
    int status;
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    for (size_t i = 0; i < sizeof shells / sizeof *shells && arguments->operand_count == 1; i++)
        if (strcmp(arguments->operand[0], shells[i]->name) == 0) {
            shells[i]->print_begin();
            print_commands(shells[i]);
            shells[i]->print_end();
            return GS_EXIT_OK;
        }
    return gs_cli_usage(arguments->command, "name one shell: bash, zsh or fish");
}
