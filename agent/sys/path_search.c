/* path_search.c - searches the directories of PATH in order. */
#include "sys/path_search.h"
#include "sys/file.h"
#include <errno.h>
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

bool gs_path_search_program(const char *path, const char *name, char out[PATH_MAX])
{
    bool found = strchr(name, '/') ? snprintf(out, PATH_MAX, "%s", name) < PATH_MAX
                                   : gs_path_search_find(path ? path : GS_PATH_DEFAULT, name, NULL, out);
    if (!found)
        out[0] = 0;
    return found;
}

/* The start of FILE, with a NUL. False: it cannot be read, which is no reason not to run it. */
static bool read_start(const char *file, char *out, size_t size)
{
    int fd = gs_file_open_regular(file);
    ssize_t length = fd < 0 ? -1 : pread(fd, out, size - 1, 0);
    if (fd >= 0)
        close(fd);
    out[length > 0 ? length : 0] = 0;
    return length >= 0;
}

/* The same of START, the first bytes of a file. Text without #! can be run by a shell alone; the kernel may know other
 * formats. */
static const char *cannot_interpret(char *start)
{
    bool is_text =
        start[0] == 0 || start[0] == '\n' || (start[0] >= ' ' && start[0] < 0x7f && start[1] >= ' ');
    if (strncmp(start, "#!", 2) != 0)
        return is_text ? "it is neither a program nor a script that begins with #!" : NULL;
    char *interpreter = start + 2 + strspn(start + 2, " \t");
    interpreter[strcspn(interpreter, " \t\n")] = 0;
    return access(interpreter, X_OK) != 0 ? "the interpreter in its first line cannot be run" : NULL;
}

const char *gs_path_search_cannot_run(const char *path, const char *name)
{
    struct stat status;
    char file[PATH_MAX], start[256]; // the kernel looks at as many bytes
    if (!name)
        return NULL;
    if (!gs_path_search_program(path, name, file))
        return "it is in no directory of PATH";
    if (stat(file, &status) != 0)
        return strerrordesc_np(errno);
    if (!S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? "it is a directory" : "it is not a file";
    if (access(file, X_OK) != 0)
        return errno == EACCES ? "it is not executable" : strerrordesc_np(errno);
    return read_start(file, start, sizeof start) ? cannot_interpret(start) : NULL;
}
