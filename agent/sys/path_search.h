/* path_search.h - finds a program in PATH, as execvp(3) and shells do. Context: watcher, CLI. */
#pragma once
#include "base/attributes.h"
#include <limits.h>
#include <stdbool.h>

/* Find the first executable file NAME (no slash) in the directories of PATH ("/usr/bin:/bin"), and write its path to OUT. An
 * empty entry of PATH means the directory EMPTY; if EMPTY is NULL, it is skipped. False: not found; OUT is undefined. */
bool gs_path_search_find(const char *path, const char *name, const char *empty, char out[PATH_MAX]) GS_CHECK_RESULT;
