/* rotate.c - removes the incidents that exceed the store's limits, oldest first.
 *
 *   list: names, ages, bytes ▶ a limit exceeded? ▶ read rules and values ▶ protect each rule's newest and highest incident
 *   ▶ remove (own_folder.c)
 *
 * A crash in the middle never leaves half an incident under a final name.
 * Several processes may share the store. One at a time rotates, under a lock on `.lock`; the others wait half a second at
 * most. The lock belongs to the process (fcntl): a flock would survive in a child that the host forks meanwhile. In a shared
 * directory, folders of other users are neither counted nor touched.
 * Who: the watcher. Bounds: one struct stored_incident for each incident; one incident.json at a time. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/sort.h"
#include "rules/rules.h"
#include "store/inside.h"
#include "sys/file.h"
#include "sys/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- the incidents in the store ------------------------------------------------------------------------------------- */

struct stored_incident {
    char name[GS_FOLDER_NAME_MAX];
    char rule[GS_RULE_NAME_MAX + 1];
    double value;
    int64_t triggered_ns;
    uint64_t bytes;
    bool stays; // protected, or its incident.json cannot be read
};
struct incident_list {
    struct stored_incident *incident;
    size_t count, capacity;
    uint64_t bytes;
};

static uint64_t bytes_in(int folder)
{
    struct gs_dir dir;
    struct stat status;
    uint64_t bytes = 0;
    gs_file_dir_start(&dir, folder);
    for (const char *file; (file = gs_file_dir_next(&dir));)
        if (fstatat(folder, file, &status, AT_SYMLINK_NOFOLLOW) == 0)
            bytes += (uint64_t)status.st_size;
    return bytes;
}

static int add_incident(struct incident_list *list, int dirfd, const char *name,
                        const struct gs_folder_name *parts)
{
    int folder = gs_store_open_own_folder(dirfd, name);
    if (folder < 0)
        return 0; // another user's, or removed meanwhile
    uint64_t bytes = bytes_in(folder);
    close(folder);
    if (gs_grow(&list->incident, &list->capacity, list->count + 1, sizeof *list->incident))
        return -ENOMEM;
    struct stored_incident *incident = &list->incident[list->count++];
    *incident = (struct stored_incident){.triggered_ns = parts->time_ns, .bytes = bytes};
    strcpy(incident->name, name); // gs_store_folder_name_read bounds its length
    list->bytes += bytes;
    return 0;
}

static int list_incidents(struct incident_list *list, int dirfd)
{
    struct gs_folder_name parts;
    struct gs_dir dir;
    int error = 0;
    gs_file_dir_start(&dir, dirfd);
    for (const char *name; !error && (name = gs_file_dir_next(&dir));)
        if (gs_store_folder_name_read(name, &parts))
            error = add_incident(list, dirfd, name, &parts);
    return error;
}

/* Read the rule and the value of INCIDENT. A folder without a valid incident.json stays and does not count. */
static void read_incident(struct stored_incident *incident, struct incident_list *list, int dirfd)
{
    char why[160];
    int folder = gs_store_open_own_folder(dirfd, incident->name);
    json_t *json = folder < 0 ? NULL : gs_store_read_incident(folder, why, sizeof why);
    if (folder >= 0)
        close(folder);
    incident->stays = json == NULL;
    if (!json) {
        list->bytes -= incident->bytes;
        return;
    }
    snprintf(incident->rule, sizeof incident->rule, "%s", json_string_value(json_object_get(json, "rule")));
    incident->value = json_number_value(json_object_get(json, "value")); // 0: no value
    json_decref(json);
}

/* ---- choosing and removing ------------------------------------------------------------------------------------------ */

static int by_rule_then_age(const void *a, const void *b)
{
    const struct stored_incident *x = a, *y = b;
    int order = strcmp(x->rule, y->rule);
    return order ? order : strcmp(x->name, y->name); // names begin with the time
}

static int by_age(const void *a, const void *b)
{
    const struct stored_incident *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* For each rule, mark the newest incident and the one with the highest value (the oldest of equals) as staying. */
static void protect(struct incident_list *list)
{
    gs_sort(list->incident, list->count, sizeof *list->incident, by_rule_then_age);
    for (size_t first = 0, end; first < list->count; first = end) {
        struct stored_incident *highest = NULL, *newest = NULL;
        for (end = first;
             end < list->count && strcmp(list->incident[end].rule, list->incident[first].rule) == 0; end++) {
            struct stored_incident *incident = &list->incident[end];
            if (incident->stays)
                continue; // unreadable
            newest = incident;
            if (!highest || incident->value > highest->value)
                highest = incident;
        }
        if (newest)
            newest->stays = highest->stays = true;
    }
    gs_sort(list->incident, list->count, sizeof *list->incident, by_age);
}

struct gs_store_limits gs_store_limits_of(const struct gs_rules *rules)
{
    return (struct gs_store_limits){rules->incidents.keep, rules->incidents.max_bytes,
                                    rules->incidents.max_age_ns};
}

static bool exceeds_limits(const struct gs_store_limits *limits, uint64_t count, uint64_t bytes,
                           int64_t age_ns)
{
    return (limits->keep && count > limits->keep) || (limits->max_bytes && bytes > limits->max_bytes) ||
           (limits->max_age_ns && age_ns > limits->max_age_ns);
}

static int64_t oldest_ns(const struct incident_list *list)
{
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < list->count; i++)
        if (list->incident[i].triggered_ns < oldest)
            oldest = list->incident[i].triggered_ns;
    return oldest;
}

static size_t remove_oldest(const struct gs_store *store, struct incident_list *list, size_t readable)
{
    int64_t now_ns = gs_clock_realtime_ns();
    size_t removed = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct stored_incident *incident = &list->incident[i];
        if (incident->stays ||
            !exceeds_limits(&store->limits, readable - removed, list->bytes, now_ns - incident->triggered_ns))
            continue;
        int error = gs_store_folder_remove(store->directory.fd, incident->name);
        if (error && error != -ENOENT) {
            gs_log(GS_LOG_WARNING, "%s/%s exceeds the limits of the store, but cannot be removed: %s",
                   store->path, incident->name, strerrordesc_np(-error));
            continue;
        }
        list->bytes -= incident->bytes;
        removed++;
    }
    return removed;
}

static size_t rotate(const struct gs_store *store)
{
    struct incident_list list = {0};
    size_t removed = 0, readable = 0;
    int error = list_incidents(&list, store->directory.fd);
    if (!error && list.count &&
        exceeds_limits(&store->limits, list.count, list.bytes, gs_clock_realtime_ns() - oldest_ns(&list))) {
        for (size_t i = 0; i < list.count; i++) {
            read_incident(&list.incident[i], &list, store->directory.fd);
            readable += !list.incident[i].stays;
        }
        protect(&list);
        removed = remove_oldest(store, &list, readable);
    }
    if (error)
        gs_log(GS_LOG_WARNING, "%s: incidents cannot be listed, so old ones are not removed now: %s",
               store->path, strerrordesc_np(-error));
    gs_free(list.incident);
    return removed;
}

/* ---- one process at a time ------------------------------------------------------------------------------------------ */

/* Take the lock; its descriptor, or -errno (-EBUSY: another process rotates). In a directory that other users may write to,
 * `.lock` may be somebody else's, locked for ever: then rotate without a lock. Two processes that rotate at once remove the
 * same. */
static int take_lock(int fd, int tries)
{
    const struct timespec pause = {.tv_nsec = 10 * GS_NS_PER_MS};
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat status;
    int lock = gs_file_openat(fd, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (lock == -ELOOP || lock == -EACCES || lock == -EISDIR ||
        (lock >= 0 && fstat(lock, &status) == 0 &&
         (status.st_uid != geteuid() || !S_ISREG(status.st_mode)))) {
        if (lock >= 0)
            close(lock);
        return gs_file_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);
    }
    for (int i = 0; lock >= 0 && i < tries; i++) {
        if (fcntl(lock, F_SETLK, &whole) == 0)
            return lock;
        if (i + 1 < tries)
            nanosleep(&pause, NULL);
    }
    if (lock < 0)
        return lock;
    close(lock);
    return -EBUSY;
}

size_t gs_store_rotate(struct gs_store *store)
{
    enum { TRIES = 50 };
    int fd = gs_store_fd(store), lock = fd < 0 ? fd : take_lock(fd, TRIES);
    if (lock < 0)
        return 0; // another process rotates, or the store is gone: the next incident tries again
    size_t removed = rotate(store);
    gs_store_users_limit(store);
    close(lock);
    return removed;
}

bool gs_store_limit_users(struct gs_store *store)
{
    int fd = store->of_user ? -EPERM : gs_store_fd(store),
        users = fd < 0 ? fd : gs_file_openat(fd, GS_STORE_USERS, O_PATH | O_NOFOLLOW, 0);
    if (users < 0)
        return false; // there are none
    close(users);
    int lock = take_lock(fd, 1);
    if (lock < 0)
        return false;
    bool unfinished = gs_store_users_limit(store);
    close(lock);
    return unfinished;
}
