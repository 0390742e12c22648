/* rotate.c - remove what the limits no longer allow, oldest first.
 *
 *   look: names, ages, bytes ▶ beyond a limit? ▶ read rules and values ▶ protect, for each rule, its newest and its highest
 *   ▶ remove (own_folder.c)
 *
 * A crash in the middle never leaves half an incident under a complete name.
 * Several processes may share the store: one at a time rotates, under a lock on `.lock`, and none waits long for it. That
 * lock is a process's own (fcntl): one of flock would live on in a child that the host forks meanwhile.
 * Folders of other users, in a directory that is shared, are neither counted nor touched.
 * Who: the watcher. Bounds: struct standing for each incident; one incident.json at a time. */
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

/* ---- what there is --------------------------------------------------------------------------------------------------- */

struct standing { // one incident
    char name[GS_FOLDER_NAME_MAX];
    char rule[GS_RULE_NAME_MAX + 1];
    double value;
    int64_t triggered_ns;
    uint64_t bytes;
    bool stays; // protected, or not to be read
};
struct stock {
    struct standing *at;
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

static int add(struct stock *stock, int dirfd, const char *name, const struct gs_folder_name *parts)
{
    int folder = gs_store_open_own_folder(dirfd, name);
    if (folder < 0)
        return 0; // another user's, or gone meanwhile
    uint64_t bytes = bytes_in(folder);
    close(folder);
    if (gs_grow(&stock->at, &stock->capacity, stock->count + 1, sizeof *stock->at))
        return -ENOMEM;
    struct standing *standing = &stock->at[stock->count++];
    *standing = (struct standing){.triggered_ns = parts->time_ns, .bytes = bytes};
    strcpy(standing->name, name); // its parts are bounded
    stock->bytes += bytes;
    return 0;
}

static int take_stock(struct stock *stock, int dirfd)
{
    struct gs_folder_name parts;
    struct gs_dir dir;
    int error = 0;
    gs_file_dir_start(&dir, dirfd);
    for (const char *name; !error && (name = gs_file_dir_next(&dir));)
        if (gs_store_folder_name_read(name, &parts))
            error = add(stock, dirfd, name, &parts);
    return error;
}

/* A folder whose index cannot be read is no incident: it is not ours to count. */
static void read_index(struct standing *standing, struct stock *stock, int dirfd)
{
    char why[160];
    int folder = gs_store_open_own_folder(dirfd, standing->name);
    json_t *json = folder < 0 ? NULL : gs_store_read_incident(folder, why, sizeof why);
    if (folder >= 0)
        close(folder);
    standing->stays = json == NULL;
    if (!json) {
        stock->bytes -= standing->bytes;
        return;
    }
    snprintf(standing->rule, sizeof standing->rule, "%s", json_string_value(json_object_get(json, "rule")));
    standing->value = json_number_value(json_object_get(json, "value")); // 0 when there is none
    json_decref(json);
}

/* ---- which may go -------------------------------------------------------------------------------------------------- */

static int by_rule_then_age(const void *a, const void *b)
{
    const struct standing *x = a, *y = b;
    int order = strcmp(x->rule, y->rule);
    return order ? order : strcmp(x->name, y->name); // names begin with the time
}

static int by_age(const void *a, const void *b)
{
    const struct standing *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Of each rule the newest and the highest (of equals the first) stay. */
static void protect(struct stock *stock)
{
    gs_sort(stock->at, stock->count, sizeof *stock->at, by_rule_then_age);
    for (size_t first = 0, end; first < stock->count; first = end) {
        struct standing *highest = NULL, *newest = NULL;
        for (end = first; end < stock->count && strcmp(stock->at[end].rule, stock->at[first].rule) == 0;
             end++) {
            struct standing *one = &stock->at[end];
            if (one->stays)
                continue; // unreadable
            newest = one;
            if (!highest || one->value > highest->value)
                highest = one;
        }
        if (newest)
            newest->stays = highest->stays = true;
    }
    gs_sort(stock->at, stock->count, sizeof *stock->at, by_age);
}

static bool beyond(const struct gs_store_limits *limits, uint64_t count, uint64_t bytes, int64_t age_ns)
{
    return (limits->keep && count > limits->keep) || (limits->max_bytes && bytes > limits->max_bytes) ||
           (limits->max_age_ns && age_ns > limits->max_age_ns);
}

static int64_t oldest_ns(const struct stock *stock)
{
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < stock->count; i++)
        if (stock->at[i].triggered_ns < oldest)
            oldest = stock->at[i].triggered_ns;
    return oldest;
}

static size_t remove_oldest(const struct gs_store *store, struct stock *stock, size_t readable)
{
    int64_t now_ns = gs_clock_realtime_ns();
    size_t removed = 0;
    for (size_t i = 0; i < stock->count; i++) {
        const struct standing *one = &stock->at[i];
        if (one->stays ||
            !beyond(&store->limits, readable - removed, stock->bytes, now_ns - one->triggered_ns))
            continue;
        int error = gs_store_folder_remove(store->held.fd, one->name);
        if (error && error != -ENOENT) {
            gs_log(GS_LOG_WARNING, "%s/%s stays, though the limits would remove it: %s", store->path,
                   one->name, strerrordesc_np(-error));
            continue;
        }
        stock->bytes -= one->bytes;
        removed++;
    }
    return removed;
}

static size_t rotate(const struct gs_store *store)
{
    struct stock stock = {0};
    size_t removed = 0, readable = 0;
    int error = take_stock(&stock, store->held.fd);
    if (!error && stock.count &&
        beyond(&store->limits, stock.count, stock.bytes, gs_clock_realtime_ns() - oldest_ns(&stock))) {
        for (size_t i = 0; i < stock.count; i++) {
            read_index(&stock.at[i], &stock, store->held.fd);
            readable += !stock.at[i].stays;
        }
        protect(&stock);
        removed = remove_oldest(store, &stock, readable);
    }
    if (error)
        gs_log(GS_LOG_WARNING, "%s: old incidents stay for now: %s", store->path, strerrordesc_np(-error));
    gs_free(stock.at);
    return removed;
}

/* ---- one process at a time --------------------------------------------------------------------------------------------- */

/* The lock, held; -errno. In a directory that others may write, too, somebody may have put a `.lock` of his own there, to hold
 * it for ever: that one is not waited for. Two that rotate at once remove the same. */
static int take_lock(int fd)
{
    enum { TRIES = 50 };
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
    for (int i = 0; lock >= 0 && i < TRIES; i++) {
        if (fcntl(lock, F_SETLK, &whole) == 0)
            return lock;
        nanosleep(&pause, NULL);
    }
    if (lock < 0)
        return lock;
    close(lock);
    return -EBUSY;
}

size_t gs_store_rotate(struct gs_store *store)
{
    int fd = gs_store_fd(store), lock = fd < 0 ? fd : take_lock(fd);
    if (lock < 0)
        return 0; // somebody else is at it, or the store is gone: the next incident tries again
    size_t removed = rotate(store);
    close(lock);
    return removed;
}
