/* completion_zsh.c - the completion for zsh: a function of its completion system, to be installed as _gumshoe. */
#include "cli/completion.h"
#include <stdio.h>
#include <string.h>

/* Print the first line of TEXT in a word in single quotes, with SPECIAL characters of _arguments escaped. */
static void print_quoted(const char *text, const char *special)
{
    for (; *text && *text != '\n'; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            printf(strchr(special, *text) ? "\\%c" : "%c", *text);
}

static void print_begin(void)
{
    puts("#compdef gumshoe\n"
         "# zsh completion for gumshoe, made by `gumshoe completion zsh`.\n"
         "local -a subcommands=(");
    for (const struct gs_command *command = gs_commands; command->name; command++) {
        printf("  '%s:", command->name);
        print_quoted(command->help, ":\\");
        puts("'");
    }
    puts(")\n"
         "if (( CURRENT == 2 )); then\n"
         "  _describe -t commands 'command of gumshoe' subcommands\n"
         "  [[ $words[2] != -* ]] || _arguments '--help[list the commands]' '--version[print the version]'\n"
         "  return\n"
         "fi\n"
         "local name=$words[2]\n"
         "words=(\"${(@)words[2,-1]}\")\n"
         "(( CURRENT-- ))\n"
         "case $name in");
}

static void print_action(enum gs_completed what)
{
    switch (what) {
    case GS_COMPLETED_FILE: fputs("_files", stdout); break;
    case GS_COMPLETED_DIRECTORY: fputs("_files -/", stdout); break;
    case GS_COMPLETED_KINDS: printf("_values -s , kind %s", gs_cli_completion_words(what)); break;
    case GS_COMPLETED_TYPES: printf("(%s)", gs_cli_completion_words(what)); break;
    case GS_COMPLETED_PROCESS: fputs("{compadd -- $(cd /proc && echo [0-9]*)}", stdout); break;
    case GS_COMPLETED_PROGRAM: // print_program
    case GS_COMPLETED_NOT:
    case GS_COMPLETED_TEXT: break;
    }
}

static void print_option(const struct gs_option *row, const char *dashes, const char *name)
{
    printf(" \\\n    '*%s%s[", dashes, name);
    print_quoted(row->help, "[]\\");
    putchar(']');
    if (row->argument) {
        putchar(':');
        print_quoted(row->argument, ":\\");
        putchar(':');
        print_action(gs_cli_completion_of_option(row));
    }
    putchar('\'');
}

/* The first word that is no option, and what belongs to it. */
static void print_program(void)
{
    puts("  local i=2\n"
         "  while (( i < CURRENT )); do\n"
         "    case $words[i] in --) (( i++ )); break ;; -v | --*=*) (( i++ )) ;; --*) (( i += 2 )) ;; *) "
         "break ;; esac\n"
         "  done\n"
         "  if (( i < CURRENT )); then\n"
         "    words=(\"${(@)words[i,-1]}\")\n"
         "    (( CURRENT -= i - 1 ))\n"
         "    _normal\n"
         "    return\n"
         "  elif (( i == CURRENT )) && [[ $words[CURRENT] != -* ]]; then\n"
         "    compadd -- ${(k)commands}\n"
         "    return\n"
         "  fi");
}

static void print_command(const struct gs_arguments *arguments, const struct gs_option *options)
{
    enum gs_completed operand = gs_cli_completion_of_operand(arguments->command);
    printf("%s)\n", arguments->command->name);
    if (operand == GS_COMPLETED_PROGRAM)
        print_program();
    fputs("  _arguments -S '--help[list the options]'", stdout);
    for (const struct gs_option *row = options; gs_cli_is_option_row(row); row++) {
        const char letter[2] = {row->letter, 0};
        if (row->name)
            print_option(row, "--", row->name);
        if (row->letter)
            print_option(row, "-", letter);
    }
    if (operand != GS_COMPLETED_PROGRAM) {
        fputs(" \\\n    '*:argument:", stdout);
        print_action(operand);
        putchar('\'');
    }
    puts("\n  ;;");
}

static void print_end(void)
{
    puts("esac");
}

const struct gs_completion_shell gs_cli_completion_zsh = {"zsh", print_begin, print_command, print_end};
