/* path_search.c - searches the directories of PATH in order. */
#include "sys/path_search.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_program(const char *file)
{
    struct stat status;
    return stat(file, &status) == 0 && S_ISREG(status.st_mode) && access(file, X_OK) == 0;
}

bool gs_path_search_find(const char *path, const char *name, const char *empty, char out[PATH_MAX])
{
    while (*path) {
        size_t length = strcspn(path, ":");
        const char *dir = length ? path : empty;
        int dir_length = length ? (int)length : PATH_MAX; // no limit: all of EMPTY
        if (dir && snprintf(out, PATH_MAX, "%.*s/%s", dir_length, dir, name) < PATH_MAX && is_program(out))
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}
