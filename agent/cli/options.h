/* options.h - a command's options as a table. getopt_long's table, --help and the reader are all made from it.
 *
 *   {"limit", .argument = "SIZE", .size = &limit_bytes, .help = "the memory limit (default: the history's)"}
 *       │                  │             │                     │
 *   --limit 512MiB ────────┴─▶ 536870912 ┘                     ▼
 *                                            "  --limit SIZE   the memory limit (default: the history's)"
 *
 * Every command also has --help and -h. A table ends with a row of zeros. --help and getopt's messages use the table's order. */
#pragma once
#include "cli/cli.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_option_list {         // the arguments of an option that may be given several times
    const char **item;          // has room for MAX
    size_t count, max;
    const char *what;           // for the message "at most 16 WHAT", if there are too many
};

struct gs_option {
    const char *name;           // "json": --json; NULL: -LETTER alone, or an operand
    char letter;                // 'v': -v; 0: none
    const char *argument;       // the name of the option's argument, or of the operand, in --help; NULL: no argument
    const char *help;           // one or more lines of --help
    /* Where the argument is stored: exactly one of these. None for an operand: its row is only for --help. */
    bool *set, *clear;          // becomes true, or false
    const char **text;          // unchanged; if the option is repeated, the last one counts
    char *file;                 // PATH_MAX bytes: the absolute path of a file that exists
    long long *number;          // a whole number from MIN to MAX (LLONG_MAX: no upper bound)
    double *seconds;            // above 0, at most MAX
    uint64_t *size;             // bytes, as base/units.h reads them; above 0
    struct gs_option_list *list;
    long long min, max;         // bounds of NUMBER; MAX also of SECONDS
    /* A further check of the argument, made before it is stored (NULL: none). Returns GS_EXIT_OK, or prints an error and
     * returns the exit status. */
    int (*check)(const struct gs_arguments *arguments, const struct gs_option *option, const char *argument);
};

enum { GS_CLI_PLUMBING_MAX = 256 };
/* The row of --plumbing, which stores patterns in LIST; its help ends with WHEN. */
#define GS_OPTION_PLUMBING(stored_in, when) \
    {"plumbing", .argument = "PATTERN", .list = (stored_in), \
     .help = "a function that works for its callers, such as \"pool_*\": the culprit is its caller" when}

bool gs_cli_is_option_row(const struct gs_option *row); // false: the row of zeros
/* Read the options of ARGUMENTS by the table OPTIONS, and set its operands. Returns false if the command is to end with
 * *STATUS: GS_EXIT_OK after --help was printed, another status after an error was printed. */
bool gs_cli_read_options(struct gs_arguments *arguments, const struct gs_option *options, int *status) GS_CHECK_RESULT;
/* Read all of TEXT as a whole number from MIN to MAX into *NUMBER. Returns false, and leaves *NUMBER, if TEXT is not one. */
bool gs_cli_read_number(const char *text, long long min, long long max, long long *number) GS_CHECK_RESULT;
