/* command_line.h - the program of "on_incident": its path, its arguments with the words in braces replaced, its
 * environment. */
#pragma once
#include "base/attributes.h"
#include "rules/rules.h"
#include <limits.h>
#include <stdbool.h>

enum { GS_ARGUMENTS_MAX = 64 };

struct gs_command_line {                // all zero: empty
    char program[PATH_MAX];             // path, found by PATH; "" if not found
    char *argv[GS_ARGUMENTS_MAX + 1];   // ends with NULL
};

/* Copy the environment for the programs: the host's as it is now, without LD_PRELOAD and GUMSHOE_*. A later call does
 * nothing.
 * Context: host thread, in gumshoe_start. */
void gs_command_line_prepare(void);
/* The copied environment; NULL: out of memory. Context: any, after gs_command_line_prepare. */
char *const *gs_command_line_environment(void);
/* Why the program of RULES' on_incident cannot be run now; NULL: it can, or there is none. Context: watcher. */
const char *gs_command_line_cannot_run(const struct gs_rules *rules);
/* Make the command line of RULES' on_incident for the incident in folder PATH, in OUT (all zero). False: out of memory, or
 * the incident cannot be read. The caller calls gs_command_line_fini in both cases. Context: watcher. */
bool gs_command_line_make(const struct gs_rules *rules, const char *path, struct gs_command_line *out) GS_CHECK_RESULT;
void gs_command_line_fini(struct gs_command_line *line);
