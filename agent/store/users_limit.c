/* users_limit.c - holds the store's limits in the directories of its users (users.c), whatever these have put there.
 *
 *   names ▶ more incidents than `keep`? ▶ entries and bytes of each tree ▶ a limit exceeded? ▶ remove, the oldest first
 *
 * An agent that runs as such a user keeps the limits itself (rotate.c); this is for what another program of that user writes.
 * So no file is read here: an incident is what is named like one, the newest of its rule is known by its name, and the one
 * with the highest value is not. All that is in such a directory counts, and all of it may be removed.
 * Hostile: only directories that belong to the user, on the directory's own file system, are entered, through descriptors
 * and no link; wherever their owner moves them meanwhile, only what he could remove himself is removed. A tree that is too
 * deep is brought up first. Work and memory are bounded: what is left is for the next look.
 * Who: the watcher and the CLI, under the lock of rotate.c. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/sort.h"
#include "store/inside.h"
#include "sys/file.h"
#include "sys/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NAMES_MAX = 4096,         // incidents that one look lists
    FOLDER_ENTRIES_MAX = 256, // an agent never writes so many files into an incident
    REST_ENTRIES_MAX = 16384, // besides incidents
    LOOK_ENTRIES = 50000,     // counted, and removed, at one look at one directory
    DEPTH_MAX = 12
};
#define REST_BYTES_MIN (256ULL << 20) // besides incidents: boxes, histories
#define DEEP           ".gone-deep-"  // what was too deep to be removed where it was

struct user_incident {
    char name[GS_FOLDER_NAME_MAX], rule[GS_RULE_NAME_MAX + 1];
    int64_t time_ns;
    uint64_t bytes;
    bool is_newest; // of its rule
    bool gone;
};

/* One look at one directory. */
struct look {
    const struct gs_store_limits *limits;
    int fd;
    uid_t uid;
    dev_t device;
    struct user_incident *incident; // oldest first
    size_t count, capacity, left;   // left: not gone
    uint64_t bytes, rest_bytes;     // of the incidents; of everything else
    unsigned counting, removing;    // entries that may still be counted, and removed
    unsigned removed;               // incidents
    bool rest_removed, unfinished;
};
struct tree {
    uint64_t entries, bytes;
};

/* ---- trees ------------------------------------------------------------------------------------------------------------ */

/* Open the directory NAME of DIRFD, if it is the user's. The descriptor, or -1. */
static int open_theirs(const struct look *look, int dirfd, const char *name)
{
    struct stat status;
    int fd = gs_file_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_uid == look->uid && status.st_dev == look->device)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* What a file takes: its length, as in rotate.c, unless its blocks are far more than that. */
static uint64_t bytes_of(const struct stat *status)
{
    enum { SLACK = 1 << 20 }; // some file systems allocate ahead
    uint64_t length = (uint64_t)status->st_size, blocks = 512 * (uint64_t)status->st_blocks;
    return !S_ISREG(status->st_mode) || blocks > 2 * length + SLACK ? blocks : length;
}

/* Add NAME in DIRFD, and what is below it, to TREE, until that has more than MAX entries. */
static void count_tree(struct look *look, int dirfd, const char *name, uint64_t max, int depth,
                       struct tree *tree)
{
    struct stat status;
    struct gs_dir dir;
    tree->entries += depth <= DEPTH_MAX ? 1 : max + 1;
    if (!look->counting || tree->entries > max || fstatat(dirfd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    look->counting--;
    tree->bytes += bytes_of(&status);
    int fd = S_ISDIR(status.st_mode) ? open_theirs(look, dirfd, name) : -1;
    if (fd < 0)
        return;
    gs_file_dir_start(&dir, fd);
    for (const char *inner; tree->entries <= max && look->counting && (inner = gs_file_dir_next(&dir));)
        count_tree(look, fd, inner, max, depth + 1, tree);
    close(fd);
}

static void bring_up(struct look *look, int dirfd, const char *name)
{
    char up[64];
    struct stat status;
    if (fstatat(dirfd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    snprintf(up, sizeof up, DEEP "%ju", (uintmax_t)status.st_ino);
    (void)!renameat(dirfd, name, look->fd, up);
    look->unfinished = true;
}

/* Remove NAME in DIRFD, and what is below it. */
static void remove_tree(struct look *look, int dirfd, const char *name, int depth)
{
    struct gs_dir dir;
    if (!look->removing) {
        look->unfinished = true;
        return;
    }
    look->removing--;
    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT || unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
        return;
    if (depth > DEPTH_MAX) {
        bring_up(look, dirfd, name);
        return;
    }
    int fd = open_theirs(look, dirfd, name);
    if (fd < 0)
        return;
    gs_file_dir_start(&dir, fd);
    for (const char *inner; look->removing && (inner = gs_file_dir_next(&dir));)
        remove_tree(look, fd, inner, depth + 1);
    close(fd);
    if (unlinkat(dirfd, name, AT_REMOVEDIR) != 0 && errno == ENOTEMPTY)
        look->unfinished = true; // the walk missed entries, or new ones have appeared
}

/* ---- incidents -------------------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    const struct user_incident *x = a, *y = b;
    return strcmp(x->name, y->name); // names begin with the time
}

static int by_rule(const void *a, const void *b)
{
    const struct user_incident *x = a, *y = b;
    int order = strcmp(x->rule, y->rule);
    return order ? order : by_time(a, b);
}

/* When INCIDENT was made, by its name; by its last change if the name is in the future of that. */
static int64_t made_ns(const struct look *look, const struct user_incident *incident)
{
    struct stat status;
    int64_t changed_ns = fstatat(look->fd, incident->name, &status, AT_SYMLINK_NOFOLLOW) == 0
                             ? status.st_ctim.tv_sec * GS_NS_PER_S
                             : INT64_MAX;
    return changed_ns < incident->time_ns ? changed_ns : incident->time_ns;
}

static int list_incidents(struct look *look)
{
    struct gs_folder_name parts;
    struct gs_dir dir;
    gs_file_dir_start(&dir, look->fd);
    for (const char *name; look->count < NAMES_MAX && (name = gs_file_dir_next(&dir));) {
        if (!gs_store_folder_name_read(name, &parts) || strlen(name) >= GS_FOLDER_NAME_MAX)
            continue;
        if (gs_grow(&look->incident, &look->capacity, look->count + 1, sizeof *look->incident))
            return -ENOMEM;
        struct user_incident *incident = &look->incident[look->count++];
        *incident = (struct user_incident){.time_ns = parts.time_ns};
        strcpy(incident->name, name);
        strcpy(incident->rule, parts.rule);
    }
    look->left = look->count;
    look->unfinished = look->count == NAMES_MAX;
    gs_sort(look->incident, look->count, sizeof *look->incident, by_rule);
    for (size_t i = 0; i < look->count; i++)
        look->incident[i].is_newest =
            i + 1 == look->count || strcmp(look->incident[i].rule, look->incident[i + 1].rule) != 0;
    gs_sort(look->incident, look->count, sizeof *look->incident, by_time);
    return 0;
}

/* Remove INCIDENT. From the first moment on no reader takes it for one. */
static void remove_incident(struct look *look, struct user_incident *incident)
{
    char gone[GS_FOLDER_NAME_MAX + 8];
    snprintf(gone, sizeof gone, ".gone-%s", incident->name);
    bool renamed = renameat(look->fd, incident->name, look->fd, gone) == 0;
    remove_tree(look, look->fd, renamed ? gone : incident->name, 1);
    incident->gone = true;
    look->left--;
    look->bytes -= incident->bytes;
    look->removed++;
}

/* Count what each incident takes, the newest first. One that is none of an agent's, or for which no count is left, goes. */
static void count_incidents(struct look *look)
{
    for (size_t i = look->count; i-- > 0;) {
        struct user_incident *incident = &look->incident[i];
        struct tree tree = {0};
        if (incident->gone)
            continue;
        count_tree(look, look->fd, incident->name, FOLDER_ENTRIES_MAX, 1, &tree);
        incident->bytes = tree.bytes;
        look->bytes += tree.bytes;
        if (tree.entries > FOLDER_ENTRIES_MAX || !look->counting)
            remove_incident(look, incident);
    }
}

static uint64_t most_incidents(const struct look *look)
{
    uint64_t keep = look->limits->keep;
    return keep && keep < GS_STORE_USER_INCIDENTS_MAX ? keep : GS_STORE_USER_INCIDENTS_MAX;
}

/* Remove incidents, the oldest first, while there are too many, or too many bytes; and all that are too old. NEWEST: also the
 * newest of each rule, but not for their age. */
static void remove_oldest(struct look *look, bool newest)
{
    const struct gs_store_limits *limits = look->limits;
    int64_t now_ns = gs_clock_realtime_ns();
    for (size_t i = 0; i < look->count; i++) {
        struct user_incident *incident = &look->incident[i];
        if (incident->gone || (incident->is_newest && !newest))
            continue;
        bool old = limits->max_age_ns && !newest && now_ns - made_ns(look, incident) > limits->max_age_ns;
        if (old || look->left > most_incidents(look) ||
            (limits->max_bytes && look->bytes > limits->max_bytes))
            remove_incident(look, incident);
    }
}

static void hold_limits(struct look *look)
{
    remove_oldest(look, false);
    remove_oldest(look, true);
}

/* ---- everything else -------------------------------------------------------------------------------------------------- */

static bool is_rest(const char *name)
{
    struct gs_folder_name parts;
    return !gs_store_folder_name_read(name, &parts) || strlen(name) >= GS_FOLDER_NAME_MAX;
}

/* Remove what is no incident, or of that only what was too deep. */
static void remove_rest(struct look *look, bool deep_only)
{
    struct gs_dir dir;
    gs_file_dir_start(&dir, look->fd);
    for (const char *name; look->removing && (name = gs_file_dir_next(&dir));)
        if (deep_only ? strncmp(name, DEEP, sizeof DEEP - 1) == 0 : is_rest(name))
            remove_tree(look, look->fd, name, 1);
}

static void limit_rest(struct look *look)
{
    struct tree rest = {0};
    struct gs_dir dir;
    uint64_t most = look->limits->max_bytes > REST_BYTES_MIN ? look->limits->max_bytes : REST_BYTES_MIN;
    look->counting = LOOK_ENTRIES;
    gs_file_dir_start(&dir, look->fd);
    for (const char *name; rest.entries <= REST_ENTRIES_MAX && (name = gs_file_dir_next(&dir));)
        if (is_rest(name))
            count_tree(look, look->fd, name, REST_ENTRIES_MAX, 1, &rest);
    look->rest_bytes = rest.bytes;
    look->rest_removed = rest.entries > REST_ENTRIES_MAX || (look->limits->max_bytes && rest.bytes > most);
    remove_rest(look, !look->rest_removed);
}

/* ---- all users ---------------------------------------------------------------------------------------------------------- */

static void report(const struct gs_store *store, const struct gs_store_user *user, const struct look *look)
{
    if (look->removed)
        gs_log(GS_LOG_WARNING, "%s/" GS_STORE_USERS "/%s exceeded the limits of the store: %u %s removed",
               store->path, user->name, look->removed, look->removed == 1 ? "incident" : "incidents");
    if (look->rest_removed)
        gs_log(GS_LOG_WARNING,
               "%s/" GS_STORE_USERS
               "/%s had more other files than agents write, in number or size: all of these are removed",
               store->path, user->name);
}

/* Hold the limits in FD, the directory of USER. True: there is more to do. */
static bool limit_user(const struct gs_store *store, int fd, const struct gs_store_user *user)
{
    struct stat status;
    struct look look = {.limits = &store->limits,
                        .fd = fd,
                        .uid = user->uid,
                        .counting = LOOK_ENTRIES,
                        .removing = LOOK_ENTRIES};
    if (fstat(fd, &status) != 0)
        return false;
    look.device = status.st_dev;
    if (list_incidents(&look) == 0) {
        hold_limits(&look); // no size is known yet
        count_incidents(&look);
        hold_limits(&look);
        limit_rest(&look);
        report(store, user, &look);
    }
    gs_free(look.incident);
    return look.unfinished;
}

bool gs_store_users_limit(const struct gs_store *store)
{
    const struct gs_store_limits *limits = &store->limits;
    const struct gs_store_user *user;
    struct gs_store_users users;
    bool unfinished = false;
    if (store->of_user || (!limits->keep && !limits->max_bytes && !limits->max_age_ns))
        return false;
    gs_store_users_find(store->directory.fd, &users);
    for (int fd; (fd = gs_store_users_open_next(store->directory.fd, &users, &user)) >= 0; close(fd))
        unfinished |= limit_user(store, fd, user);
    return unfinished;
}
