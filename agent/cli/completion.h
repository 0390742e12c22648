/* completion.h - what the files of `gumshoe completion` share. */
#pragma once
#include "cli/options.h"
#include <stdbool.h>

enum gs_completed {             // what an option's argument, or an operand, is completed with
    GS_COMPLETED_NOT,           // there is no argument
    GS_COMPLETED_TEXT,          // nothing: a number, a size, an expression
    GS_COMPLETED_FILE,
    GS_COMPLETED_DIRECTORY,
    GS_COMPLETED_KINDS,         // kinds of evidence, with commas between them
    GS_COMPLETED_TYPES,         // sample types
    GS_COMPLETED_PROCESS,
    GS_COMPLETED_PROGRAM,       // a program and its own arguments
};
enum gs_completed gs_cli_completion_of_option(const struct gs_option *option);
enum gs_completed gs_cli_completion_of_operand(const struct gs_command *command);
/* The words of GS_COMPLETED_KINDS or GS_COMPLETED_TYPES, with spaces between them. */
const char *gs_cli_completion_words(enum gs_completed what);

struct gs_completion_shell {
    const char *name;
    void (*print_begin)(void);
    void (*print_command)(const struct gs_arguments *arguments, const struct gs_option *options);
    void (*print_end)(void);
};
extern const struct gs_completion_shell gs_cli_completion_bash, gs_cli_completion_zsh, gs_cli_completion_fish;
