/* path_search.h - finds a program in PATH, as execvp(3) and shells do. Context: watcher, CLI. */
#pragma once
#include "base/attributes.h"
#include <limits.h>
#include <stdbool.h>

/* Find the first executable file NAME (no slash) in the directories of PATH ("/usr/bin:/bin"), and write its path to OUT. An
 * empty entry of PATH means the directory EMPTY; if EMPTY is NULL, it is skipped. False: not found; OUT is undefined. */
bool gs_path_search_find(const char *path, const char *name, const char *empty, char out[PATH_MAX]) GS_CHECK_RESULT;

/* Find the program that the agent runs for NAME: NAME itself if it has a slash, else what is found in PATH (NULL:
 * GS_PATH_DEFAULT), never in the current directory. False: not found; OUT is "". */
#define GS_PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"
bool gs_path_search_program(const char *path, const char *name, char out[PATH_MAX]) GS_CHECK_RESULT;
/* Why the agent cannot run NAME, found as above, as far as can be told without running it: no such file, not executable,
 * a script whose interpreter is missing or not named. NULL: it can, or NAME is NULL. */
const char *gs_path_search_cannot_run(const char *path, const char *name);
