/* users.c - directories for processes that have become another user, below the store's own.
 *
 *   DIR/  0700, root's ── .users/  0700, root's ── 33-33/  0770, root's, of group 33: a store of its own
 *
 * A server starts as root, and its workers become user 33, who may not enter DIR. The watcher's thread of a worker
 * follows: it has the new group already, and still the old user, when it makes the directory and opens it. Then it
 * closes DIR, and takes over the new user. From then on it reaches its directory through the descriptor alone.
 * What that user can reach: its own directory, in those processes that have the descriptor. "..", opened from there,
 * leads to .users, which it may neither read nor enter. What it leaves there is its own work: readers trust it no more
 * than that user.
 * The user has rights by the group, because a chown(2) could end a process under a filter of system calls.
 * Who: the watcher, the CLI. Bounds: GS_STORE_USERS_MAX directories. */
#include "base/clock.h"
#include "store/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { UNUSED_S = 60 }; // an empty directory that nobody has opened for so long is removed

/* ---- names ---------------------------------------------------------------------------------------------------------- */

static bool read_id(const char *text, char end, unsigned *out, const char **after)
{
    char *stop;
    if (*text < '0' || *text > '9' || strspn(text, "0123456789") > 10)
        return false;
    unsigned long long number = strtoull(text, &stop, 10);
    *out = (unsigned)number;
    *after = stop + 1;
    return number < UINT32_MAX && *stop == end; // the last number means "no user" to the kernel
}

static void set_user(unsigned uid, unsigned gid, struct gs_store_user *out)
{
    *out = (struct gs_store_user){.uid = uid, .gid = gid};
    snprintf(out->name, sizeof out->name, "%u-%u", uid, gid);
}

bool gs_store_user_read(const char *name, struct gs_store_user *out)
{
    unsigned uid, gid;
    const char *at;
    if (!read_id(name, '-', &uid, &at) || !read_id(at, 0, &gid, &at))
        return false;
    set_user(uid, gid, out);
    return strcmp(out->name, name) == 0; // one name for each: not "033-33"
}

bool gs_store_user_of_path(const char *path, struct gs_store_user *out)
{
    static const char below[] = GS_STORE_USERS "/";
    char name[GS_STORE_USER_NAME];
    const char *last = strrchr(path, '/'), *user = last ? last : path;
    while (user > path && user[-1] != '/')
        user--;
    if (!last || (size_t)(user - path) < strlen(below) || (size_t)(last - user) >= sizeof name ||
        strncmp(user - strlen(below), below, strlen(below)) != 0)
        return false;
    snprintf(name, sizeof name, "%.*s", (int)(last - user), user);
    return gs_store_user_read(name, out);
}

void gs_store_key_print(const struct gs_store_user *user, const char *folder, char out[GS_FOLDER_NAME_MAX])
{
    snprintf(out, GS_FOLDER_NAME_MAX, "%s%s%s", user ? user->name : "", user ? "@" : "", folder);
}

const char *gs_store_key_split(const char *key, struct gs_store_user *user)
{
    char name[GS_STORE_USER_NAME];
    size_t length = strcspn(key, "@");
    if (!key[length] || length >= sizeof name)
        return NULL;
    memcpy(name, key, length);
    name[length] = 0;
    return gs_store_user_read(name, user) ? key + length + 1 : NULL;
}

void gs_store_key_path(const char *key, char out[GS_STORE_KEY_PATH])
{
    struct gs_store_user user;
    const char *folder = gs_store_key_split(key, &user);
    if (folder)
        snprintf(out, GS_STORE_KEY_PATH, GS_STORE_USERS "/%s/%s", user.name, folder);
    else
        snprintf(out, GS_STORE_KEY_PATH, "%s", key);
}

/* ---- finding and opening -------------------------------------------------------------------------------------------- */

/* Open the directory NAME in IN. -EPERM: it is not of the owner of IN, or others have one of the rights FORBIDDEN there. */
static int open_owned(int in, const char *name, mode_t forbidden)
{
    struct stat status, of_in;
    int fd = gs_file_openat(in, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0), error = 0;
    if (fd < 0)
        return fd;
    if (fstat(fd, &status) != 0 || fstat(in, &of_in) != 0)
        error = -errno;
    else if (status.st_uid != of_in.st_uid || status.st_mode & forbidden)
        error = -EPERM;
    if (!error)
        return fd;
    close(fd);
    return error;
}

/* Open DIRFD's .users, where others than its owner have no rights. */
static int open_users(int dirfd)
{
    return open_owned(dirfd, GS_STORE_USERS, 077);
}

/* Open the directory of USER in .users, USERS. Its group is the user's, so only the others may not write there. */
static int open_in(int users, const struct gs_store_user *user)
{
    return open_owned(users, user->name, 02);
}

int gs_store_user_open(int dirfd, const struct gs_store_user *user)
{
    int users = open_users(dirfd), fd = users < 0 ? users : open_in(users, user);
    if (users >= 0)
        close(users);
    return fd;
}

static void list_users(int users, struct gs_store_users *out)
{
    struct gs_dir dir;
    out->count = 0;
    gs_file_dir_start(&dir, users);
    for (const char *name; out->count < GS_STORE_USERS_MAX && (name = gs_file_dir_next(&dir));)
        out->count += gs_store_user_read(name, &out->user[out->count]);
}

void gs_store_users_find(int dirfd, struct gs_store_users *out)
{
    int users = open_users(dirfd);
    out->count = out->next = 0;
    if (users < 0)
        return;
    list_users(users, out);
    close(users);
}

int gs_store_users_open_next(int dirfd, struct gs_store_users *users, const struct gs_store_user **user)
{
    int fd = -1;
    while (fd < 0 && users->next < users->count) {
        *user = &users->user[users->next++];
        fd = gs_store_user_open(dirfd, *user);
    }
    return fd < 0 ? -1 : fd;
}

/* ---- making and removing -------------------------------------------------------------------------------------------- */

/* Was the directory NAME of USERS opened long ago? */
static bool is_unused(int users, const char *name)
{
    struct stat status;
    return fstatat(users, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           gs_clock_realtime_ns() / GS_NS_PER_S - status.st_ctim.tv_sec > UNUSED_S;
}

/* Remove the empty directories in .users, USERS, that nobody uses. */
static void sweep(int users)
{
    struct gs_store_users all;
    list_users(users, &all);
    for (size_t i = 0; i < all.count; i++)
        if (is_unused(users, all.user[i].name))
            unlinkat(users, all.user[i].name, AT_REMOVEDIR); // succeeds only if it is empty
}

void gs_store_users_sweep(int dirfd)
{
    int users = open_users(dirfd);
    if (users < 0)
        return;
    sweep(users);
    close(users);
}

/* Make the directory of USER in .users, USERS. -EDQUOT: there are enough. */
static int make_in(int users, const struct gs_store_user *user)
{
    struct gs_store_users all;
    list_users(users, &all);
    if (all.count == GS_STORE_USERS_MAX) {
        sweep(users);
        list_users(users, &all);
    }
    if (all.count == GS_STORE_USERS_MAX)
        return -EDQUOT;
    return mkdirat(users, user->name, 0700) != 0 && errno != EEXIST ? -errno : 0;
}

/* Give the group of FD, a directory that we made, rights in it. Changes its ctime, which tells a sweep that it is in use.
 * -EPERM: it is of another group than GID: the directory above hands down its own. -ENOENT: a sweep removed it first. */
static int give_to_group(int fd, gid_t gid)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    if (status.st_gid != gid)
        return -EPERM;
    if (fchmod(fd, 0770) != 0 || fstat(fd, &status) != 0)
        return -errno;
    return status.st_nlink ? 0 : -ENOENT;
}

/* Open the directory of USER in .users, USERS; it is made if missing. */
static int make_and_open(int users, const struct gs_store_user *user)
{
    int fd = open_in(users, user);
    if (fd == -ENOENT) {
        int error = make_in(users, user);
        fd = error ? error : open_in(users, user);
    }
    int error = fd < 0 ? fd : give_to_group(fd, user->gid);
    if (error && fd >= 0)
        close(fd);
    return error ? error : fd;
}

int gs_store_user_make(struct gs_store *store, uid_t uid, gid_t gid)
{
    struct gs_store_user user;
    int dirfd = store->of_user ? -EPERM : gs_store_fd(store);
    if (dirfd < 0)
        return dirfd;
    set_user(uid, gid, &user);
    if (mkdirat(dirfd, GS_STORE_USERS, 0700) != 0 && errno != EEXIST)
        return -errno;
    int users = open_users(dirfd), fd = users < 0 ? users : make_and_open(users, &user);
    if (users >= 0 && fd == -ENOENT)
        fd = make_and_open(users, &user);
    if (users >= 0)
        close(users);
    return fd;
}
