/* load_directory.c - finds the history file in a directory of incidents: DIR/.history/<program>-<hash>.gsh. */
#include "cli/cli.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES_SHOWN = 8 };

struct found_histories {
    size_t count;
    char first[NAME_MAX + 1];
    struct gs_text names; // the first few, for the message
};

static void list_histories(int folder, struct found_histories *out)
{
    struct gs_dir dir;
    gs_file_dir_start(&dir, folder);
    for (const char *name; (name = gs_file_dir_next(&dir));) {
        size_t length = strlen(name);
        if (length < 4 || length > NAME_MAX || strcmp(name + length - 4, ".gsh") != 0)
            continue;
        if (out->count++ == 0)
            strcpy(out->first, name);
        if (out->count <= NAMES_SHOWN)
            gs_text_add(&out->names, "%s%s", out->count > 1 ? ", " : "", name);
    }
    if (out->count > NAMES_SHOWN)
        gs_text_add(&out->names, " and %zu more", out->count - NAMES_SHOWN);
}

/* Is PATH a directory that is not an incident's folder? */
static bool may_hold_histories(const char *path)
{
    struct stat status;
    int folder = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    if (folder < 0)
        return false;
    bool incident = fstatat(folder, "metrics.json", &status, AT_SYMLINK_NOFOLLOW) == 0 ||
                    fstatat(folder, "incident.json", &status, AT_SYMLINK_NOFOLLOW) == 0;
    close(folder);
    return !incident;
}

static int choose(const char *folder, const struct found_histories *found, char **out)
{
    if (found->count == 0)
        return gs_cli_complain(
            GS_EXIT_IO,
            "%s: there is no history file of a program in it yet: one is begun a minute after the start",
            folder);
    if (found->count > 1)
        return gs_cli_complain(GS_EXIT_IO, "%s: it has the histories of %zu programs, name one of them: %s",
                               folder, found->count, found->names.bytes ? found->names.bytes : "");
    struct gs_text path = {0};
    gs_text_add(&path, "%s/%s", folder, found->first);
    *out = path.bytes;
    return path.failed ? gs_cli_complain(GS_EXIT_IO, "%s: %s", folder, strerrordesc_np(ENOMEM)) : GS_EXIT_OK;
}

int gs_cli_find_history_file(const char *path, char **out)
{
    struct found_histories found = {0};
    char inner[PATH_MAX];
    *out = NULL;
    if (!may_hold_histories(path))
        return GS_EXIT_OK;
    bool has_inner = snprintf(inner, sizeof inner, "%s/.history", path) < PATH_MAX;
    int folder = has_inner ? gs_file_openat(AT_FDCWD, inner, O_RDONLY | O_DIRECTORY, 0) : -ENAMETOOLONG;
    if (folder < 0) { // perhaps .history itself
        snprintf(inner, sizeof inner, "%s", path);
        folder = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
    }
    if (folder >= 0)
        list_histories(folder, &found);
    int status = choose(inner, &found, out);
    if (folder >= 0)
        close(folder);
    gs_text_fini(&found.names);
    return status;
}
