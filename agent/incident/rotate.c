/* rotate.c - remove what the limits no longer allow, oldest first.
 *
 *   list ▶ protect, for each rule, its newest and its highest ▶ remove: rename to .gone-<name>, unlink, rmdir
 *
 * A crash in the middle leaves a .gone- folder, never half an incident under a complete name; the next sweep ends it.
 * Several processes may share the store: one at a time rotates, under a lock on `.lock`, and none waits long for it.
 * Who: the watcher. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "incident/inside.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- one folder ------------------------------------------------------------------------------------------------- */

static bool only_ours(int folderfd)
{
    struct gs_dir dir;
    gs_dir_start(&dir, folderfd);
    for (const char *name; (name = gs_dir_next(&dir));)
        if (!gs_is_incident_file(name))
            return false;
    return true;
}

static void unlink_all(int folderfd)
{
    struct gs_dir dir;
    gs_dir_start(&dir, folderfd);
    for (const char *name; (name = gs_dir_next(&dir));)
        if (gs_is_incident_file(name))
            unlinkat(folderfd, name, 0);
}

int gs_folder_remove(int dirfd, const char *name)
{
    char gone[GS_FOLDER_NAME_MAX + 8];
    int folder = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), error = 0;
    if (folder < 0)
        return -errno;
    bool already = strncmp(name, ".gone-", 6) == 0;
    snprintf(gone, sizeof gone, already ? "%s" : ".gone-%s", name);
    if (!only_ours(folder))
        error = -ENOTEMPTY; // somebody keeps something of theirs in it
    else if (!already && renameat(dirfd, name, dirfd, gone) != 0)
        error = -errno;
    if (!error) {
        unlink_all(folder);
        error = unlinkat(dirfd, gone, AT_REMOVEDIR) != 0 ? -errno : 0;
    }
    close(folder);
    return error;
}

static uint64_t bytes_of(int dirfd, const char *name)
{
    struct gs_dir dir;
    struct stat status;
    uint64_t bytes = 0;
    int folder = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return 0;
    gs_dir_start(&dir, folder);
    for (const char *file; (file = gs_dir_next(&dir));)
        if (fstatat(folder, file, &status, AT_SYMLINK_NOFOLLOW) == 0)
            bytes += (uint64_t)status.st_size;
    close(folder);
    return bytes;
}

/* ---- which may go -------------------------------------------------------------------------------------------------- */

static const char *rule_of(const struct gs_incident_entry *entry)
{
    return json_string_value(json_object_get(entry->json, "rule"));
}

static double value_of(const struct gs_incident_entry *entry)
{
    return json_number_value(json_object_get(entry->json, "value")); // 0 when there is none
}

/* Is entry AT the newest of its rule, or the one with the highest value (the first of equals)? */
static bool is_protected(const struct gs_incident_list *list, size_t at)
{
    bool newest = true, highest = true;
    for (size_t i = 0; i < list->count; i++) {
        if (i == at || strcmp(rule_of(&list->entry[i]), rule_of(&list->entry[at])) != 0)
            continue;
        newest &= i < at;
        double other = value_of(&list->entry[i]), own = value_of(&list->entry[at]);
        highest &= own > other || (own == other && at < i);
    }
    return newest || highest;
}

struct totals {
    uint64_t count, bytes;
};

static bool beyond(const struct gs_store_limits *limits, struct totals totals, int64_t age_ns)
{
    return (limits->keep && totals.count > limits->keep) ||
           (limits->max_bytes && totals.bytes > limits->max_bytes) ||
           (limits->max_age_ns && age_ns > limits->max_age_ns);
}

static size_t rotate(const struct gs_store *store, int fd, struct gs_incident_list *list)
{
    int64_t now_ns = gs_realtime_ns();
    size_t removed = 0;
    struct totals totals = {.count = list->count};
    bool *keep = gs_alloc(list->count + 1);
    if (!keep)
        return 0;
    for (size_t i = 0; i < list->count;
         i++) { // before anything goes: what is highest does not change by removing
        keep[i] = is_protected(list, i);
        totals.bytes += bytes_of(fd, list->entry[i].name);
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct gs_incident_entry *entry = &list->entry[i];
        uint64_t bytes = bytes_of(fd, entry->name);
        if (keep[i] || !beyond(&store->limits, totals, now_ns - entry->triggered_ns))
            continue;
        int error = gs_folder_remove(fd, entry->name);
        if (error) {
            gs_log(GS_LOG_WARNING, "%s/%s stays, though the limits would remove it: %s", store->path,
                   entry->name, strerrordesc_np(-error));
            continue;
        }
        totals.count--;
        totals.bytes -= bytes;
        removed++;
    }
    gs_free(keep);
    return removed;
}

/* ---- one process at a time --------------------------------------------------------------------------------------------- */

static int take_lock(int fd)
{
    enum { TRIES = 50 };
    const struct timespec pause = {.tv_nsec = 10 * GS_NS_PER_MS};
    int lock = openat(fd, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (lock < 0)
        return -errno;
    for (int i = 0; i < TRIES; i++) {
        if (flock(lock, LOCK_EX | LOCK_NB) == 0)
            return lock;
        nanosleep(&pause, NULL);
    }
    close(lock);
    return -EBUSY;
}

size_t gs_store_rotate(struct gs_store *store)
{
    struct gs_incident_list list;
    size_t removed = 0;
    int fd = gs_store_fd(store), lock = fd < 0 ? fd : take_lock(fd);
    if (lock < 0)
        return 0; // somebody else is at it, or the store is gone: the next incident tries again
    if (gs_incident_list(store->path, &list) == 0) {
        removed = rotate(store, fd, &list);
        gs_incident_list_fini(&list);
    }
    close(lock);
    return removed;
}
