/* recover.c - the boxes of those who died in a store become incidents, once each.
 *
 *   .live/<pid>-<start time>-<namespace>.box ──▶ does its writer live? ──▶ read ──▶ how it died ──▶ incident ──▶ box removed
 *                                                 the name, the lock         └ damaged ──▶ .bad, kept aside
 *
 * A pid says little: two containers that share the store may both be 1, and a machine that was started anew counts from
 * the beginning. So a box is a dead process's only if no process has its number, start time and namespace, and nobody holds the
 * lock on the file, which goes with its process. One process at a time makes incidents of the dead (gs_incident_lock_recovery);
 * a box is removed after its incident is safe on disk, and one that was killed between the two is found to be made already.
 * Who: the watcher, as it starts; gumshoe run, as its child ends. Bounds: AT_ONCE boxes at a time; BAD_KEPT kept aside. */
#include "base/clock.h"
#include "base/memory.h"
#include "box/box.h"
#include "incident/inside.h"
#include "store/store.h"
#include "sys/file.h"
#include "sys/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_ONCE = 64, BAD_KEPT = 8 };
#define HOUR_NS (3600 * GS_NS_PER_S)
#define ELSEWHERE_NS \
    (300 * GS_NS_PER_S) // a box of another machine's start that was not written for so long is a dead one

/* ---- whose a box is ----------------------------------------------------------------------------------------------------- */

/* Could NAME in .live be a dead process's? Cheap: nothing is opened. */
static bool is_candidate(const char *name, const char *tail)
{
    struct gs_store_live_id id;
    return strlen(name) < GS_LIVE_NAME && gs_store_live_id_read(name, tail, &id) &&
           !gs_store_live_is_running(&id);
}

/* Is NAME the file that FD was opened as? Its writer lets go of the old one when a new one has taken the name. */
static bool still_has_name(int live, const char *name, int fd)
{
    struct stat named, opened;
    return fstatat(live, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &opened) == 0 &&
           named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

/* A box is opened to be written, for its lock; only a regular file of our own will do. */
static int open_box(int live, const char *name)
{
    struct stat status;
    int fd = gs_file_openat(live, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0)
        return fd;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
        status.st_nlink == 1)
        return fd;
    close(fd);
    return -EPERM;
}

/* Of another start of a machine: this one's earlier, or another machine's, which may be at it still where locks do not reach. */
static bool may_be_elsewhere(const struct gs_box_contents *contents, int fd)
{
    struct stat status;
    char boot[GS_BOOT_ID], host[HOST_NAME_MAX + 1] = "";
    gs_store_boot_id(boot);
    (void)gethostname(host, sizeof host - 1);
    if (strcmp(boot, contents->boot_id) == 0 || strcmp(host, contents->post_mortem.host) == 0)
        return false;
    return fstat(fd, &status) != 0 || gs_clock_realtime_ns() - status.st_mtime * GS_NS_PER_S < ELSEWHERE_NS;
}

/* ---- one box ----------------------------------------------------------------------------------------------------------------
 * */

struct box {
    struct gs_store *store;
    int live; // the folder
    const char *name;
};

static struct gs_box_contents *read_box(int fd, char *why, size_t why_size)
{
    char *bytes;
    size_t length;
    int error = gs_file_read_all(fd, GS_BOX_BYTES_MAX + (1 << 20), &bytes, &length);
    if (error) {
        snprintf(why, why_size, "%s", strerrordesc_np(-error));
        return NULL;
    }
    struct gs_box_contents *contents = gs_box_read(bytes, length, why, why_size);
    gs_free(bytes);
    return contents;
}

static size_t count_bad(int live)
{
    struct gs_dir dir;
    struct gs_store_live_id id;
    size_t count = 0;
    gs_file_dir_start(&dir, live);
    for (const char *name; (name = gs_file_dir_next(&dir));)
        count += gs_store_live_id_read(name, ".bad", &id);
    return count;
}

/* Out of the way, so that nobody tries again; for whoever wants to know what it was. */
static void keep_aside(const struct box *box, const char *why)
{
    char bad[GS_LIVE_NAME + 8];
    snprintf(bad, sizeof bad, "%.*s.bad", (int)(strlen(box->name) - strlen(".box")), box->name);
    bool kept = count_bad(box->live) < BAD_KEPT && renameat(box->live, box->name, box->live, bad) == 0;
    if (!kept)
        unlinkat(box->live, box->name, 0);
    gs_log(GS_LOG_WARNING, "%s/.live/%s was left by a process that died, and cannot be used: %s; it was %s%s",
           gs_store_path(box->store), box->name, why, kept ? "kept as " : "removed", kept ? bad : "");
}

/* How many incidents of deaths within the hour before UNTIL_NS there are. */
static uint64_t deaths_within_hour(struct gs_store *store, int64_t until_ns)
{
    struct gs_dir dir;
    struct gs_folder_name parts;
    uint64_t count = 0;
    int fd = gs_store_fd(store);
    if (fd < 0)
        return 0;
    gs_file_dir_start(&dir, fd);
    for (const char *name; (name = gs_file_dir_next(&dir));)
        count += gs_store_folder_name_read(name, &parts) && strcmp(parts.rule, GS_DIED_RULE) == 0 &&
                 parts.time_ns <= until_ns && parts.time_ns > until_ns - HOUR_NS;
    return count;
}

/* Is JSON, an incident of a death, that of POST_MORTEM? Those of an earlier version do not name the process. */
static bool is_of(const json_t *json, const struct gs_post_mortem *post_mortem)
{
    char started[GS_TIME_TEXT];
    const char *process = json_string_value(json_object_get(json_object_get(json, "died"), "process")),
               *seen = json_string_value(json_object_get(json, "started"));
    gs_clock_print(post_mortem->started_ns, GS_TIME_ISO, started);
    if (process && post_mortem->process)
        return strcmp(process, post_mortem->process) == 0;
    return post_mortem->started_ns == 0 || (seen && strcmp(seen, started) == 0);
}

static bool folder_is_of(int store, const char *name, const struct gs_post_mortem *post_mortem)
{
    char why[160];
    int folder = gs_store_open_own_folder(store, name);
    if (folder < 0)
        return false;
    json_t *json = gs_store_read_incident(folder, why, sizeof why);
    bool is = json && is_of(json, post_mortem);
    json_decref(json);
    close(folder);
    return is;
}

/* Was the incident of POST_MORTEM made already, by one who was killed before it could remove the box? Several processes may have the
 * same number and have died in the same millisecond. */
static bool is_made(struct gs_store *store, const struct gs_post_mortem *post_mortem)
{
    char time[GS_TIME_TEXT], begins[GS_FOLDER_NAME_MAX];
    struct gs_dir dir;
    int fd = gs_store_fd(store);
    bool made = false;
    if (fd < 0)
        return false;
    gs_clock_print(post_mortem->last_seen_ns, GS_TIME_FOLDER, time);
    snprintf(begins, sizeof begins, "%s-%s-%d", time, GS_DIED_RULE, post_mortem->pid);
    gs_file_dir_start(&dir, fd);
    for (const char *name; !made && (name = gs_file_dir_next(&dir));) {
        size_t length = strlen(begins);
        if (strncmp(name, begins, length) == 0 && (name[length] == 0 || name[length] == '-'))
            made = folder_is_of(fd, name, post_mortem);
    }
    return made;
}

/* The incident of CONTENTS: 1, 0 when there is to be none, or -errno, which leaves the box. */
static int write_incident(const struct box *box, struct gs_box_contents *contents, int number,
                          uint64_t max_per_hour, char path[PATH_MAX])
{
    struct gs_post_mortem post_mortem = contents->post_mortem;
    char how[GS_DEATH_TEXT];
    if (is_made(box->store, &post_mortem))
        return 0;
    if (max_per_hour && deaths_within_hour(box->store, post_mortem.last_seen_ns) >= max_per_hour) {
        gs_log(GS_LOG_WARNING,
               "%s/.live/%s: another process that died; no incident: there are %llu of the same hour already",
               gs_store_path(box->store), box->name, (unsigned long long)max_per_hour);
        return 0;
    }
    gs_box_describe_death(contents, number, how);
    post_mortem.how = how;
    post_mortem.signal = number;
    int error = gs_incident_write_post_mortem(box->store, &post_mortem, path);
    if (error)
        gs_log(GS_LOG_ERROR, "%s/.live/%s: the incident of its process's death could not be written: %s",
               gs_store_path(box->store), box->name, strerrordesc_np(-error));
    return error ? error : 1;
}

/* Its writer ended as it should, and could not remove it. */
static bool is_emptied(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_size == 0;
}

/* Turn BOX, which is locked by us and open as FD, into an incident. As write_incident. */
static int turn(const struct box *box, int fd, int number, uint64_t max_per_hour, char path[PATH_MAX])
{
    char why[200];
    if (is_emptied(fd)) {
        unlinkat(box->live, box->name, 0);
        return 0;
    }
    size_t failures = gs_memory_failures();
    struct gs_box_contents *contents = read_box(fd, why, sizeof why);
    if (gs_memory_failures() != failures) { // that says nothing of the box
        gs_box_contents_free(contents);
        return -ENOMEM;
    }
    if (!contents) {
        keep_aside(box, why);
        return 0;
    }
    if (may_be_elsewhere(contents, fd)) {
        gs_box_contents_free(contents);
        return 0;
    }
    int made = write_incident(box, contents, number, max_per_hour, path);
    if (made >= 0)
        unlinkat(box->live, box->name, 0);
    gs_box_contents_free(contents);
    return made;
}

static int try_box(const struct box *box, int number, uint64_t max_per_hour, char path[PATH_MAX])
{
    int fd = open_box(box->live, box->name);
    if (fd < 0)
        return 0;
    bool dead = gs_box_lock(fd) && still_has_name(box->live, box->name, fd);
    int made = dead ? turn(box, fd, number, max_per_hour, path) : 0;
    close(fd);
    return made;
}

/* ---- all of them
 * --------------------------------------------------------------------------------------------------------------- */

/* The names in LIVE that may be dead processes' boxes, and what was not finished is removed. */
static size_t gather_names(int live, char names[AT_ONCE][GS_LIVE_NAME])
{
    struct gs_dir dir;
    size_t count = 0;
    gs_file_dir_start(&dir, live);
    for (const char *name; count < AT_ONCE && (name = gs_file_dir_next(&dir));) {
        if (is_candidate(name, ".box"))
            strcpy(names[count++], name);
        else if (is_candidate(name, ".new"))
            unlinkat(live, name, 0);
    }
    return count;
}

int gs_incident_recover_next(struct gs_store *store, uint64_t max_per_hour, char path[PATH_MAX])
{
    char names[AT_ONCE][GS_LIVE_NAME];
    int lock = gs_incident_lock_recovery(store), made = 0;
    if (lock < 0)
        return lock;
    int live = gs_store_live_open(store);
    size_t count = live < 0 ? 0 : gather_names(live, names);
    for (size_t i = 0; i < count && made == 0; i++)
        made = try_box(&(struct box){store, live, names[i]}, 0, max_per_hour, path);
    if (live >= 0)
        close(live);
    close(lock);
    return live < 0 ? live : made;
}

/* The incident of the box FILE, whose process signal NUMBER ended. */
static int recover_child_box(struct gs_store *store, int live, const char *file, int number,
                             char path[PATH_MAX])
{
    int lock = gs_incident_lock_recovery(store);
    if (lock < 0)
        return lock;
    int made = try_box(&(struct box){store, live, file}, number, 0, path);
    close(lock);
    return made;
}

int gs_incident_recover_child(struct gs_store *store, const char *name, int status, char path[PATH_MAX])
{
    char file[GS_LIVE_NAME];
    int live = gs_store_live_open(store), made = 0;
    if (live < 0)
        return live;
    snprintf(file, sizeof file, "%.48s.box", name);
    if (WIFSIGNALED(status))
        made = recover_child_box(store, live, file, WTERMSIG(status), path);
    else
        unlinkat(live, file, 0);
    close(live);
    gs_store_live_remove(store, strcat(strcpy(file, name), ".sock")); // nobody answers it any more
    return made;
}
