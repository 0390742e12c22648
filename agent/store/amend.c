/* amend.c - changes an incident that is published: adds a note or an error to its incident.json, or replaces its files.
 *
 *   a file:          NAME.new ──▶ fsync ──▶ rename to NAME
 *   incident.json:   lock ──▶ read ──▶ change ──▶ replace, as above
 *
 * Each file is replaced as a whole or stays as it was. incident.json is locked (flock) while it is changed, because the
 * agent and `gumshoe symbolize` may change the same one. Who: the watcher, the CLI. */
#include "base/clock.h"
#include "base/memory.h"
#include "store/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- replacing a file ----------------------------------------------------------------------------------------------- */

static void new_name(const char *name, char out[GS_STORE_FILE_NAME])
{
    snprintf(out, GS_STORE_FILE_NAME, "%.*s.new", GS_STORE_FILE_NAME - 5, name);
}

int gs_store_replace_begin(const struct gs_owned_fd *folder, const char *name)
{
    char new[GS_STORE_FILE_NAME];
    if (!gs_owned_fd_is_open(folder, NULL))
        return -EBADF;
    new_name(name, new);
    unlinkat(folder->fd, new, 0); // left by a failed attempt
    return gs_file_openat(folder->fd, new, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
}

int gs_store_replace_end(const struct gs_owned_fd *folder, const char *name, int fd, int error)
{
    char new[GS_STORE_FILE_NAME];
    new_name(name, new);
    if (!error && (fsync(fd) != 0 || renameat(folder->fd, new, folder->fd, name) != 0))
        error = -errno;
    if (fd >= 0)
        close(fd);
    if (error)
        unlinkat(folder->fd, new, 0);
    return error;
}

int gs_store_replace_file(const struct gs_owned_fd *folder, const char *name, const struct gs_text *text)
{
    if (text->failed)
        return -ENOMEM;
    int fd = gs_store_replace_begin(folder, name);
    if (fd < 0)
        return fd;
    return gs_store_replace_end(folder, name, fd, gs_file_write_all(fd, text->bytes, text->length));
}

int gs_store_replace_incident_json(const struct gs_owned_fd *folder, const json_t *json)
{
    struct gs_text text = {0};
    gs_json_print(json, JSON_INDENT(2), &text);
    int error = gs_store_replace_file(folder, "incident.json", &text);
    gs_text_fini(&text);
    return error;
}

/* Copy the file behind FROM to a new file NAME. */
static int copy_to(const struct gs_owned_fd *folder, int from, const char *name)
{
    enum { ORIGINAL_MAX = 512 << 20 };
    char *bytes = NULL;
    size_t length = 0;
    int error = gs_file_read_all(from, ORIGINAL_MAX, &bytes, &length),
        fd = error ? error : gs_store_replace_begin(folder, name);
    error = fd < 0 ? fd : gs_store_replace_end(folder, name, fd, gs_file_write_all(fd, bytes, length));
    gs_free(bytes);
    return error;
}

int gs_store_keep_original(const struct gs_owned_fd *folder, const char *name)
{
    char original[GS_STORE_FILE_NAME];
    struct stat status;
    if (!gs_owned_fd_is_open(folder, NULL) || !gs_store_original_name(name, original))
        return -EINVAL;
    if (fstatat(folder->fd, original, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return S_ISREG(status.st_mode) ? 0 : -EINVAL;
    int fd = gs_store_open_regular(folder->fd, name);
    if (fd < 0)
        return fd;
    int error = copy_to(folder, fd, original);
    close(fd);
    return error;
}

/* ---- incident.json -------------------------------------------------------------------------------------------------- */

/* Open and lock incident.json. -EAGAIN: another process has just replaced it, or holds the lock. */
static int try_to_lock(const struct gs_owned_fd *folder)
{
    struct stat locked, named;
    int fd = gs_store_open_regular(folder->fd, "incident.json");
    if (fd < 0)
        return fd;
    bool mine = flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &locked) == 0 &&
                fstatat(folder->fd, "incident.json", &named, AT_SYMLINK_NOFOLLOW) == 0 &&
                locked.st_ino == named.st_ino && locked.st_dev == named.st_dev;
    if (mine)
        return fd;
    close(fd);
    return -EAGAIN;
}

int gs_store_lock_incident_json(const struct gs_owned_fd *folder)
{
    enum { TRIES = 40 }; // the lock is held for as long as it takes to write a small file
    const struct timespec pause = {.tv_nsec = 5 * GS_NS_PER_MS};
    int fd = try_to_lock(folder);
    for (int i = 1; i < TRIES && fd == -EAGAIN; i++) {
        nanosleep(&pause, NULL);
        fd = try_to_lock(folder);
    }
    return fd;
}

void gs_store_unlock_incident_json(int lock)
{
    flock(lock, LOCK_UN); // closing is not enough if a fork has copied the descriptor
    close(lock);
}

int gs_store_append_to_incident(json_t *json, const char *key, const char *text)
{
    if (!json_is_array(json_object_get(json, key)) && json_object_set_new(json, key, json_array()) != 0)
        return -ENOMEM;
    return json_array_append_new(json_object_get(json, key), gs_json_text(text)) != 0 ? -ENOMEM : 0;
}

static int amend(const struct gs_owned_fd *folder, enum gs_remark kind, const char *text)
{
    char why[160];
    int lock = gs_store_lock_incident_json(folder);
    if (lock < 0)
        return lock;
    json_t *json = gs_store_read_incident(folder->fd, why, sizeof why);
    int error =
        json ? gs_store_append_to_incident(json, kind == GS_NOTE ? "notes" : "errors", text) : -EINVAL;
    if (!error)
        error = gs_store_replace_incident_json(folder, json);
    json_decref(json);
    gs_store_unlock_incident_json(lock);
    return error ? error : fsync(folder->fd) != 0 ? -errno : 0;
}

int gs_store_amend_incident(const char *path, enum gs_remark kind, const char *text)
{
    struct gs_owned_fd folder;
    int fd = gs_store_open_own_folder(AT_FDCWD, path), error = fd < 0 ? fd : gs_owned_fd_take(&folder, fd);
    if (error)
        return error;
    error = amend(&folder, kind, text);
    gs_owned_fd_close(&folder);
    return error;
}

/* ---- rewriting an incident ------------------------------------------------------------------------------------------ */

/* Is the incident in FOLDER complete? Else -EINVAL, with a sentence in WHY. */
static int check_complete(const struct gs_owned_fd *folder, char *why, size_t why_size)
{
    json_t *json = gs_store_read_incident(folder->fd, why, why_size);
    bool complete = json_is_true(json_object_get(json, "complete"));
    if (json && !complete)
        snprintf(why, why_size, "the incident is not complete");
    json_decref(json);
    return complete ? 0 : -EINVAL;
}

int gs_store_rewrite_open(const char *path, struct gs_owned_fd *out, char *why, size_t why_size)
{
    int fd = gs_store_open_own_folder(AT_FDCWD, path), error = fd < 0 ? fd : gs_owned_fd_take(out, fd);
    if (error) {
        snprintf(why, why_size, "%s",
                 error == -EPERM ? "it belongs to another user, or others may write to it"
                                 : strerrordesc_np(-error));
        return error;
    }
    if (flock(out->fd, LOCK_EX | LOCK_NB) != 0) {
        error = -EBUSY;
        snprintf(why, why_size, "another process rewrites it now");
    } else {
        error = check_complete(out, why, why_size);
    }
    if (error)
        gs_store_rewrite_close(out);
    return error;
}

void gs_store_rewrite_close(struct gs_owned_fd *folder)
{
    flock(folder->fd, LOCK_UN);
    gs_owned_fd_close(folder);
}
