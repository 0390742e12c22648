/* completion_fish.c - the completion for fish: a line for each command and option. */
#include "cli/completion.h"
#include <stdio.h>

/* Print the first line of TEXT in single quotes. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text && *text != '\n'; text++)
        printf(*text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
    putchar('\'');
}

static void print_begin(void)
{
    puts("# fish completion for gumshoe, made by `gumshoe completion fish`.\n"
         "complete -c gumshoe -n __fish_use_subcommand -f\n"
         "complete -c gumshoe -n __fish_use_subcommand -l help -d 'list the commands'\n"
         "complete -c gumshoe -n __fish_use_subcommand -l version -d 'print the version'");
}

static void print_condition(const struct gs_command *command)
{
    printf("complete -c gumshoe -n '__fish_seen_subcommand_from %s'", command->name);
}

static void print_action(enum gs_completed what)
{
    switch (what) {
    case GS_COMPLETED_FILE: fputs(" -r -F", stdout); break;
    case GS_COMPLETED_DIRECTORY: fputs(" -x -a '(__fish_complete_directories)'", stdout); break;
    case GS_COMPLETED_KINDS: printf(" -x -a '(__fish_append , %s)'", gs_cli_completion_words(what)); break;
    case GS_COMPLETED_TYPES: printf(" -x -a '%s'", gs_cli_completion_words(what)); break;
    case GS_COMPLETED_PROCESS: fputs(" -x -a '(__fish_complete_pids)'", stdout); break;
    case GS_COMPLETED_PROGRAM: fputs(" -x -a '(__fish_complete_subcommand --fcs-skip=2)'", stdout); break;
    case GS_COMPLETED_NOT: break;
    case GS_COMPLETED_TEXT: fputs(" -x", stdout); break;
    }
}

static void print_command(const struct gs_arguments *arguments, const struct gs_option *options)
{
    enum gs_completed operand = gs_cli_completion_of_operand(arguments->command);
    printf("complete -c gumshoe -n __fish_use_subcommand -a %s -d ", arguments->command->name);
    print_quoted(arguments->command->help);
    putchar('\n');
    for (const struct gs_option *row = options; gs_cli_is_option_row(row); row++) {
        if (!row->name && !row->letter)
            continue;
        print_condition(arguments->command);
        if (row->name)
            printf(" -l %s", row->name);
        if (row->letter)
            printf(" -s %c", row->letter);
        print_action(gs_cli_completion_of_option(row));
        fputs(" -d ", stdout);
        print_quoted(row->help);
        putchar('\n');
    }
    print_condition(arguments->command);
    puts(" -l help -d 'list the options'");
    if (operand == GS_COMPLETED_FILE)
        return;
    print_condition(arguments->command);
    print_action(operand);
    putchar('\n');
}

static void print_end(void)
{
}

const struct gs_completion_shell gs_cli_completion_fish = {"fish", print_begin, print_command, print_end};
