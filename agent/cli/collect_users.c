/* collect_users.c - makes incidents of black boxes in the directories of users (store/users.c). What a user wrote there
 * is read and replaced with that user's rights alone, so root becomes that user first.
 *
 *   DIR/.users/33-33/.live/….box, its process is dead ──▶ fork ──▶ child: becomes user 33 ──▶ collect_boxes.c
 *
 * Bounds: LIMIT_S for each user. */
#include "cli/cli.h"
#include "cli/collect.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_S = 60, NAMES_MAX = 4096 };

/* Is there a black box in FD, a user's directory, whose process has ended? */
static bool has_box_of_dead(int fd)
{
    struct gs_dir dir;
    struct gs_store_live_id id;
    int live = gs_file_openat(fd, ".live", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0), seen = 0;
    bool found = false;
    if (live < 0)
        return false;
    gs_file_dir_start(&dir, live);
    for (const char *name; !found && seen < NAMES_MAX && (name = gs_file_dir_next(&dir)); seen++)
        found = gs_store_live_id_read(name, ".box", &id) && !gs_store_live_is_running(&id);
    close(live);
    return found;
}

/* ---- the child -------------------------------------------------------------------------------------------------------- */

/* Become USER for good, with no descriptor but FD, its directory, and the standard ones. */
static bool become(const struct gs_store_user *user, int fd, int *kept)
{
    *kept = fd == 3 ? fd : dup3(fd, 3, O_CLOEXEC);
    return *kept == 3 && close_range(4, ~0U, 0) == 0 && setgroups(0, NULL) == 0 &&
           setresgid(user->gid, user->gid, user->gid) == 0 &&
           setresuid(user->uid, user->uid, user->uid) == 0 && setuid(0) != 0;
}

static int collect_as(const struct gs_store_user *user, const char *dir, int fd, int64_t quiet_ns)
{
    char name[PATH_MAX], path[PATH_MAX];
    struct gs_collector collector = {.dir = name};
    snprintf(name, sizeof name, "%s/" GS_STORE_USERS "/%s", dir, user->name);
    if (!become(user, fd, &fd))
        return gs_cli_complain(GS_EXIT_IO, "%s: this process cannot become its user", name);
    alarm(LIMIT_S);
    struct gs_store *store = gs_store_open_user(fd, &(struct gs_store_limits){0});
    if (!store)
        return gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    gs_cli_collect_in(&collector, store);
    (void)gs_cli_collect(&collector, quiet_ns, false, path);
    gs_cli_collect_close(&collector);
    return collector.failed ? GS_EXIT_IO : GS_EXIT_OK;
}

/* ---- the parent ------------------------------------------------------------------------------------------------------- */

/* False: it failed, which was printed. */
static bool collect_of(const struct gs_store_user *user, const char *dir, int fd, int64_t quiet_ns)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        status = collect_as(user, dir, fd, quiet_ns);
        fflush(NULL);
        _exit(status);
    }
    if (child < 0)
        return gs_cli_complain(GS_EXIT_IO, "fork: %s", strerrordesc_np(errno)) == GS_EXIT_OK;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        gs_cli_complain(GS_EXIT_IO,
                        "%s/" GS_STORE_USERS "/%s: the process that reads it was ended by signal %d", dir,
                        user->name, WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == GS_EXIT_OK;
}

bool gs_cli_collect_users(const char *dir, int64_t quiet_ns)
{
    struct gs_store_users users = {.count = 0};
    const struct gs_store_user *user;
    bool succeeded = true;
    int dirfd = geteuid() == 0 ? gs_file_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0) : -1;
    if (dirfd >= 0)
        gs_store_users_find(dirfd, &users);
    for (int fd; (fd = gs_store_users_open_next(dirfd, &users, &user)) >= 0; close(fd))
        if (has_box_of_dead(fd))
            succeeded &= collect_of(user, dir, fd, quiet_ns);
    if (dirfd >= 0)
        close(dirfd);
    return succeeded;
}
