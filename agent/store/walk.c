/* walk.c - the names of all incidents of a store: those in the directory itself, then those of its users (users.c).
 * Of a user's directory at most GS_STORE_USER_INCIDENTS_MAX, whatever that user has put there.
 * Who: the CLI. */
#include "store/inside.h"
#include "sys/file.h"
#include <unistd.h>

void gs_store_walk_begin(struct gs_store_walk *walk, int dirfd)
{
    *walk = (struct gs_store_walk){.dirfd = dirfd, .fd = dirfd};
    gs_file_dir_start(&walk->dir, dirfd);
}

static void leave_directory(struct gs_store_walk *walk)
{
    if (walk->user)
        close(walk->fd);
    else
        gs_store_users_find(walk->dirfd, &walk->users);
    walk->seen = 0;
}

static bool enter_next(struct gs_store_walk *walk)
{
    leave_directory(walk);
    walk->fd = gs_store_users_open_next(walk->dirfd, &walk->users, &walk->user);
    if (walk->fd >= 0)
        gs_file_dir_start(&walk->dir, walk->fd);
    return walk->fd >= 0;
}

bool gs_store_walk_next(struct gs_store_walk *walk)
{
    while (walk->fd >= 0) {
        while ((walk->name = gs_file_dir_next(&walk->dir)))
            if (gs_store_folder_name_read(walk->name, &walk->parts)) {
                if (!walk->user || ++walk->seen <= GS_STORE_USER_INCIDENTS_MAX)
                    return true;
                walk->left_out++;
            }
        if (!enter_next(walk))
            return false;
    }
    return false;
}

void gs_store_walk_end(struct gs_store_walk *walk)
{
    if (walk->user && walk->fd >= 0)
        close(walk->fd);
    walk->fd = -1;
}
