/* options.h - a command's options as a table, which is all that is said of them: getopt_long, --help and the reader go by it.
 *
 *   {"limit", .argument = "SIZE", .size = &limit_bytes, .help = "the memory limit (default: the history's)"}
 *       │                  │             │                     │
 *   --limit 512MiB ────────┴─▶ 536870912 ┘                     ▼
 *                                            "  --limit SIZE   the memory limit (default: the history's)"
 *
 * Every command has --help and -h as well. A table ends with a row of zeros. Order: of --help, and of getopt's own messages. */
#pragma once
#include "cli/cli.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gs_option_list {         // the arguments of an option that may stand several times
    const char **item;          // room for MOST
    size_t count, most;
    const char *what;           // "at most 16 WHAT", said of one too many
};

struct gs_option {
    const char *name;           // "json": --json; NULL: -LETTER alone, or an operand
    char letter;                // 'v': -v; 0: none
    const char *argument;       // what --help calls the option's argument, or the operand; NULL: it takes none
    const char *help;           // a line of --help, or several
    /* Where it goes: exactly one of these; of an operand, which stands here for --help alone, none. */
    bool *set, *clear;          // becomes true, or false
    const char **text;          // as it is; of several the last
    char *file;                 // PATH_MAX bytes: the absolute path of a file that exists
    long long *number;          // a whole number from LEAST to MOST (LLONG_MAX: no upper bound)
    double *seconds;            // above 0, at most MOST
    uint64_t *size;             // bytes, as base/units.h reads them; above 0
    struct gs_option_list *list;
    long long least, most;      // bounds of NUMBER; MOST of SECONDS
    /* What else an argument must be (NULL: nothing), asked before it goes anywhere: GS_FINE, or what the command ends with
     * after the complaint. */
    int (*check)(const struct gs_arguments *arguments, const struct gs_option *option, const char *argument);
};

/* Read the options of ARGUMENTS by the table OPTIONS; what is left are its operands. False: the command is to end with *STATUS:
 * after --help, which was printed, with GS_FINE; after an argument that is wrong, which was complained about, with another. */
bool gs_cli_read_options(struct gs_arguments *arguments, const struct gs_option *options, int *status) GS_CHECK_RESULT;
/* All of TEXT as a whole number from LEAST to MOST into *NUMBER; false, and *NUMBER as it was: it is none. */
bool gs_cli_read_number(const char *text, long long least, long long most, long long *number) GS_CHECK_RESULT;
