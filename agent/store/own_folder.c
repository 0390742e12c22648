/* own_folder.c - opens and removes folders and files of the store without trusting them: no link is followed, a folder must
 * belong to this user, a file must be a regular one, and a folder that contains other files than ours is not removed.
 *
 *   removing:   <name>/ ── rename ▶ .gone-<name>/ ── unlink each file, rmdir
 *
 * A crash in between leaves a .gone- folder, which the next sweep removes.
 * Who: the watcher, the CLI. */
#include "store/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int gs_store_open_own_folder(int dirfd, const char *name)
{
    struct stat status;
    int folder = dirfd == AT_FDCWD ? gs_store_open_folder(name)
                                   : gs_file_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (folder < 0)
        return folder;
    if (fstat(folder, &status) == 0 && status.st_uid == geteuid() && !(status.st_mode & 022))
        return folder;
    close(folder);
    return -EPERM;
}

int gs_store_open_regular(int folderfd, const char *name)
{
    struct stat status, folder;
    int fd = gs_file_openat(folderfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0)
        return fd;
    if (fstat(fd, &status) == 0 && fstat(folderfd, &folder) == 0 && S_ISREG(status.st_mode) &&
        (folder.st_uid == geteuid() || status.st_uid == folder.st_uid))
        return fd;
    close(fd);
    return -EINVAL;
}

static bool holds_only_incident_files(int folderfd)
{
    struct gs_dir dir;
    gs_file_dir_start(&dir, folderfd);
    for (const char *name; (name = gs_file_dir_next(&dir));)
        if (!gs_store_is_incident_file(name))
            return false;
    return true;
}

static void unlink_all(int folderfd)
{
    struct gs_dir dir;
    gs_file_dir_start(&dir, folderfd);
    for (const char *name; (name = gs_file_dir_next(&dir));)
        if (gs_store_is_incident_file(name))
            unlinkat(folderfd, name, 0);
}

int gs_store_folder_remove(int dirfd, const char *name)
{
    char gone[GS_FOLDER_NAME_MAX + 8];
    int folder = gs_store_open_own_folder(dirfd, name), error = 0;
    if (folder < 0)
        return folder;
    bool already = strncmp(name, ".gone-", 6) == 0;
    snprintf(gone, sizeof gone, already ? "%s" : ".gone-%s", name);
    if (!holds_only_incident_files(folder))
        error = -ENOTEMPTY; // somebody stores other files in it
    else if (!already && renameat(dirfd, name, dirfd, gone) != 0)
        error = -errno;
    if (!error) {
        unlink_all(folder);
        error = unlinkat(dirfd, gone, AT_REMOVEDIR) != 0 ? -errno : 0;
    }
    close(folder);
    return error;
}
