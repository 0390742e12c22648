/* command_line.h - the program of "on_incident": its file, its arguments with the words in braces filled in, its environment. */
#pragma once
#include "base/attributes.h"
#include "rules/rules.h"
#include <limits.h>
#include <stdbool.h>

enum { GS_ARGUMENTS_MAX = 64 };

struct gs_command_line {                // all zero: empty
    char program[PATH_MAX];             // as a shell finds it; the name itself, if it is not found
    char *argv[GS_ARGUMENTS_MAX + 1];   // ends with NULL
};

/* Keep the environment that programs will get: the host's as it is now, without LD_PRELOAD and GUMSHOE_*. A later call does
 * nothing. Context: host thread, in gumshoe_start. */
void gs_command_line_prepare(void);
/* That environment; NULL: there was no memory for it. Context: any, once it is prepared. */
char *const *gs_command_line_environment(void);
/* What RULES' on_incident comes to for the incident in folder PATH, into OUT, which is empty. False: no memory, or the incident
 * cannot be read. Either way gs_command_line_fini is to be called. Context: watcher. */
bool gs_command_line_make(const struct gs_rules *rules, const char *path, struct gs_command_line *out) GS_CHECK_RESULT;
void gs_command_line_fini(struct gs_command_line *line);
