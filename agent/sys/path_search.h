/* path_search.h - the file that a program's name stands for, as execvp(3) and shells find it. Context: watcher, CLI. */
#pragma once
#include "base/attributes.h"
#include <limits.h>
#include <stdbool.h>

/* The first file called NAME, which has no slash, in the directories of PATH ("/usr/bin:/bin") that may be executed, into OUT. An
 * empty directory of PATH stands for EMPTY; NULL: for none. False, and OUT is of no use: there is none. */
bool gs_path_search_find(const char *path, const char *name, const char *empty, char out[PATH_MAX]) GS_CHECK_RESULT;
