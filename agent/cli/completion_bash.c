/* completion_bash.c - the completion for bash: a function that looks at the words before the cursor. It needs no other package;
 * with bash-completion, `gumshoe run COMMAND …` also completes that command's own arguments. */
#include "cli/completion.h"
#include <stdio.h>

static void print_begin(void)
{
    puts("# bash completion for gumshoe, made by `gumshoe completion bash`.\n"
         "_gumshoe_files() { compopt -o filenames 2> /dev/null; mapfile -t COMPREPLY < <(compgen \"$@\" -- "
         "\"$cur\"); }\n"
         "_gumshoe_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }\n"
         "_gumshoe_list() { # words with commas between them\n"
         "    local before=\n"
         "    case $cur in *,*) before=${cur%,*},; cur=${cur##*,} ;; esac\n"
         "    _gumshoe_words \"$1\"; COMPREPLY=(\"${COMPREPLY[@]/#/$before}\")\n"
         "}\n"
         "_gumshoe_program() { # the first word that is no option, and what belongs to it\n"
         "    local i\n"
         "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
         "        case ${COMP_WORDS[i]} in --) ((i++)); break ;; -v | --*=*) ;; --*) ((i++)) ;; *) break ;; esac\n"
         "    done\n"
         "    if ((i < COMP_CWORD)); then\n"
         "        if declare -F _command_offset > /dev/null; then _command_offset $i; else _gumshoe_files "
         "-f; fi\n"
         "    else\n"
         "        case $cur in -*) return 1 ;; *) mapfile -t COMPREPLY < <(compgen -c -- \"$cur\") ;; esac\n"
         "    fi\n"
         "}\n"
         "_gumshoe() {\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} options "
         "operand=_gumshoe_files\\ -f\n"
         "    [ \"$cur\" != = ] || cur=\n"
         "    [ \"$prev\" != = ] || prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
         "    COMPREPLY=()");
    fputs("    if ((COMP_CWORD == 1)); then\n        _gumshoe_words \"", stdout);
    for (const struct gs_command *command = gs_commands; command->name; command++)
        printf("%s ", command->name);
    puts("--help --version\"\n        return\n    fi\n    case ${COMP_WORDS[1]} in");
}

static void print_action(enum gs_completed what)
{
    switch (what) {
    case GS_COMPLETED_FILE: fputs("_gumshoe_files -f", stdout); break;
    case GS_COMPLETED_DIRECTORY: fputs("_gumshoe_files -d", stdout); break;
    case GS_COMPLETED_KINDS: printf("_gumshoe_list \"%s\"", gs_cli_completion_words(what)); break;
    case GS_COMPLETED_TYPES: printf("_gumshoe_words \"%s\"", gs_cli_completion_words(what)); break;
    case GS_COMPLETED_PROCESS: fputs("_gumshoe_words \"$(cd /proc && echo [0-9]*)\"", stdout); break;
    case GS_COMPLETED_PROGRAM: fputs("_gumshoe_program", stdout); break;
    case GS_COMPLETED_NOT:
    case GS_COMPLETED_TEXT: fputs(":", stdout); break;
    }
}

static void print_command(const struct gs_arguments *arguments, const struct gs_option *options)
{
    printf("    %s)\n        options=\"", arguments->command->name);
    for (const struct gs_option *row = options; gs_cli_is_option_row(row); row++) {
        if (row->name)
            printf("--%s ", row->name);
        if (row->letter)
            printf("-%c ", row->letter);
    }
    fputs("--help\"\n        operand='", stdout);
    enum gs_completed operand = gs_cli_completion_of_operand(arguments->command);
    fputs(operand == GS_COMPLETED_PROGRAM   ? "_gumshoe_program"
          : operand == GS_COMPLETED_PROCESS ? "_gumshoe_words \"$(cd /proc && echo [0-9]*)\""
                                            : "_gumshoe_files -f",
          stdout);
    puts("'\n        case $prev in");
    for (const struct gs_option *row = options; gs_cli_is_option_row(row); row++) {
        if (!row->argument || (!row->name && !row->letter))
            continue;
        fputs("        ", stdout);
        if (row->name)
            printf("--%s", row->name);
        if (row->letter)
            printf("%s-%c", row->name ? " | " : "", row->letter);
        fputs(") ", stdout);
        print_action(gs_cli_completion_of_option(row));
        puts("; return ;;");
    }
    puts("        esac\n        ;;");
}

static void print_end(void)
{
    puts("    esac\n"
         "    case $operand$cur in\n"
         "    _gumshoe_program*) _gumshoe_program || _gumshoe_words \"$options\" ;;\n"
         "    *) case $cur in -*) _gumshoe_words \"$options\" ;; *) eval \"$operand\" ;; esac ;;\n"
         "    esac\n"
         "}\n"
         "complete -F _gumshoe gumshoe");
}

const struct gs_completion_shell gs_cli_completion_bash = {"bash", print_begin, print_command, print_end};
