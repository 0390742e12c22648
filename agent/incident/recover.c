/* recover.c - makes one incident from each box that a dead process left in the store.
 *
 *   .live/<pid>-<start time>-<namespace>.box ──▶ is its writer dead? ──▶ read ──▶ how it died ──▶ incident ──▶ box removed
 *                                                 name and lock            └ damaged ──▶ renamed to .bad
 *
 * A pid does not identify a process: containers that share the store may each have a pid 1, and pids start again after a
 * reboot. So a box belongs to a dead process only if no process has its pid, start time and namespace, and nobody holds the
 * lock on the file, which the kernel releases when the writer dies. One process at a time recovers
 * (gs_incident_lock_recovery). A box is removed after its incident is on disk; if the recovering process was killed between
 * the two, the next one finds the incident (is_made).
 * Who: the watcher, when it starts; gumshoe run, when its child ends; gumshoe collect and serve. Bounds: BOXES_MAX boxes at a
 * time; BAD_MAX bad ones. */
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

enum { BOXES_MAX = 64, BAD_MAX = 8 };
#define HOUR_NS (3600 * GS_NS_PER_S)
#define ELSEWHERE_NS \
    (300 *           \
     GS_NS_PER_S) // a box of another host and boot that was not written for this time is of a dead process

/* ---- is the writer dead? -------------------------------------------------------------------------------------------- */

/* Can NAME in .live be of a dead process? Cheap: nothing is opened. */
static bool is_candidate(const char *name, const char *tail)
{
    struct gs_store_live_id id;
    return strlen(name) < GS_LIVE_NAME && gs_store_live_id_read(name, tail, &id) &&
           !gs_store_live_is_running(&id);
}

/* Is FD still the file called NAME? A writer that rewrites its box renames a new file over it and closes the old one. */
static bool still_has_name(int live, const char *name, int fd)
{
    struct stat named, opened;
    return fstatat(live, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &opened) == 0 &&
           named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

/* Open a box; for writing, because the lock needs that. -errno, -EPERM: not a regular file of this user. */
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

/* May the writer run on another machine? True if the box has another boot id and another host name and was written recently:
 * locks may not work across machines. */
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

/* ---- one box -------------------------------------------------------------------------------------------------------- */

struct box {
    struct gs_store *store;
    int live; // descriptor of .live
    const char *name;
    int64_t quiet_ns; // leave it if it was written within this time
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

/* Rename a damaged box to .bad, so that it is not tried again but can be inspected; removed if there are BAD_MAX already. */
static void set_aside(const struct box *box, const char *why)
{
    char bad[GS_LIVE_NAME + 8];
    snprintf(bad, sizeof bad, "%.*s.bad", (int)(strlen(box->name) - strlen(".box")), box->name);
    bool renamed = count_bad(box->live) < BAD_MAX && renameat(box->live, box->name, box->live, bad) == 0;
    if (!renamed)
        unlinkat(box->live, box->name, 0);
    gs_log(GS_LOG_WARNING, "%s/.live/%s was left by a process that died, and cannot be used: %s; it was %s%s",
           gs_store_path(box->store), box->name, why, renamed ? "kept as " : "removed", renamed ? bad : "");
}

/* The number of incidents of deaths in the hour before UNTIL_NS. */
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

/* Is JSON the incident of POST_MORTEM? Incidents of earlier versions do not name the process; then compare start times. */
static bool is_incident_of(const json_t *json, const struct gs_post_mortem *post_mortem)
{
    char started[GS_TIME_TEXT];
    const char *process = json_string_value(json_object_get(json_object_get(json, "died"), "process")),
               *seen = json_string_value(json_object_get(json, "started"));
    gs_clock_print(post_mortem->started_ns, GS_TIME_ISO, started);
    if (process && post_mortem->process)
        return strcmp(process, post_mortem->process) == 0;
    return post_mortem->started_ns == 0 || (seen && strcmp(seen, started) == 0);
}

static bool is_folder_of(int store, const char *name, const struct gs_post_mortem *post_mortem)
{
    char why[160];
    int folder = gs_store_open_own_folder(store, name);
    if (folder < 0)
        return false;
    json_t *json = gs_store_read_incident(folder, why, sizeof why);
    bool is_same = json && is_incident_of(json, post_mortem);
    json_decref(json);
    close(folder);
    return is_same;
}

/* Does the incident of POST_MORTEM exist, made by a process that was killed before it removed the box? The name is not
 * enough: several processes may have the same pid and have died in the same millisecond. */
static bool is_made(struct gs_store *store, const struct gs_post_mortem *post_mortem)
{
    char time[GS_TIME_TEXT], prefix[GS_FOLDER_NAME_MAX];
    struct gs_dir dir;
    int fd = gs_store_fd(store);
    bool made = false;
    if (fd < 0)
        return false;
    gs_clock_print(post_mortem->last_seen_ns, GS_TIME_FOLDER, time);
    snprintf(prefix, sizeof prefix, "%s-%s-%d", time, GS_DIED_RULE, post_mortem->pid);
    gs_file_dir_start(&dir, fd);
    for (const char *name; !made && (name = gs_file_dir_next(&dir));) {
        size_t length = strlen(prefix);
        if (strncmp(name, prefix, length) == 0 && (name[length] == 0 || name[length] == '-'))
            made = is_folder_of(fd, name, post_mortem);
    }
    return made;
}

/* Make the incident of CONTENTS; NUMBER: the signal, 0: not known. 1: made; 0: not needed, or over the limit; -errno: the
 * box must stay. */
static int write_incident(const struct box *box, struct gs_box_contents *contents, int number,
                          uint64_t max_per_hour, char path[PATH_MAX])
{
    struct gs_post_mortem post_mortem = contents->post_mortem;
    char how[GS_DEATH_TEXT];
    if (is_made(box->store, &post_mortem))
        return 0;
    if (max_per_hour && deaths_within_hour(box->store, post_mortem.last_seen_ns) >= max_per_hour) {
        gs_log(GS_LOG_WARNING,
               "%s/.live/%s: another process died; no incident is made: the limit of %llu an hour is reached",
               gs_store_path(box->store), box->name, (unsigned long long)max_per_hour);
        return 0;
    }
    if (number && post_mortem.crash && post_mortem.crash->signal != number) { // killed while it crashed
        post_mortem.crash = NULL;
        post_mortem.threads = NULL;
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

/* Did the writer end normally without being able to remove its box? Then it truncated it, or left a mark. */
static bool has_ended_normally(int fd)
{
    struct stat status;
    return (fstat(fd, &status) == 0 && status.st_size == 0) || gs_box_was_left(fd);
}

/* Make an incident from BOX, which is open as FD and locked by us. Returns like write_incident. */
static int recover_locked_box(const struct box *box, int fd, int number, uint64_t max_per_hour,
                              char path[PATH_MAX])
{
    char why[200];
    if (has_ended_normally(fd)) {
        unlinkat(box->live, box->name, 0);
        return 0;
    }
    size_t failures = gs_memory_failures();
    struct gs_box_contents *contents = read_box(fd, why, sizeof why);
    if (gs_memory_failures() != failures) { // the failure is ours, not the box's
        gs_box_contents_free(contents);
        return -ENOMEM;
    }
    if (!contents) {
        set_aside(box, why);
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

/* Was the box written so long ago that nobody who knows more of the death will still take it? */
static bool is_quiet(int fd, int64_t quiet_ns)
{
    struct stat status;
    if (quiet_ns == 0 || fstat(fd, &status) != 0)
        return true;
    int64_t written_ns = status.st_mtim.tv_sec * GS_NS_PER_S + status.st_mtim.tv_nsec,
            age_ns = gs_clock_realtime_ns() - written_ns;
    return age_ns < 0 || age_ns >= quiet_ns; // in the future: the clock was set back
}

static int try_box(const struct box *box, int number, uint64_t max_per_hour, char path[PATH_MAX])
{
    int fd = open_box(box->live, box->name);
    if (fd < 0)
        return 0;
    bool dead = is_quiet(fd, box->quiet_ns) && gs_box_lock(fd) && still_has_name(box->live, box->name, fd);
    int made = dead ? recover_locked_box(box, fd, number, max_per_hour, path) : 0;
    close(fd);
    return made;
}

/* ---- all boxes ------------------------------------------------------------------------------------------------------ */

/* List the boxes in LIVE that may be of dead processes, after the first SKIP of them; their unfinished .new files are
 * removed. */
static size_t list_candidates(int live, size_t skip, char names[BOXES_MAX][GS_LIVE_NAME])
{
    struct gs_dir dir;
    size_t count = 0;
    gs_file_dir_start(&dir, live);
    for (const char *name; count < BOXES_MAX && (name = gs_file_dir_next(&dir));) {
        if (is_candidate(name, ".box")) {
            if (skip > 0)
                skip--;
            else
                strcpy(names[count++], name);
        } else if (is_candidate(name, ".new"))
            unlinkat(live, name, 0);
    }
    return count;
}

/* Try the boxes in LIVE until an incident is made. Boxes of other containers, whose processes run, are candidates too: so
 * there may be more than BOXES_MAX. */
static int recover_from(const struct box *any, uint64_t max_per_hour, char path[PATH_MAX])
{
    char names[BOXES_MAX][GS_LIVE_NAME];
    size_t kept = 0, count = BOXES_MAX;
    int made = 0;
    while (made == 0 && count == BOXES_MAX) {
        count = list_candidates(any->live, kept, names);
        for (size_t i = 0; i < count && made == 0; i++) {
            struct box box = *any;
            box.name = names[i];
            made = try_box(&box, 0, max_per_hour, path);
            kept += faccessat(any->live, names[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0;
        }
    }
    return made;
}

int gs_incident_recover_quiet(struct gs_store *store, int64_t quiet_ns, uint64_t max_per_hour,
                              char path[PATH_MAX])
{
    int lock = gs_incident_lock_recovery(store);
    if (lock < 0)
        return lock;
    int live = gs_store_live_open(store),
        made = live < 0 ? live
                        : recover_from(&(struct box){.store = store, .live = live, .quiet_ns = quiet_ns},
                                       max_per_hour, path);
    if (live >= 0)
        close(live);
    close(lock);
    return made;
}

int gs_incident_recover_next(struct gs_store *store, uint64_t max_per_hour, char path[PATH_MAX])
{
    return gs_incident_recover_quiet(store, 0, max_per_hour, path);
}

/* Make the incident of box FILE, whose process was killed by signal NUMBER. */
static int recover_child_box(struct gs_store *store, int live, const char *file, int number,
                             char path[PATH_MAX])
{
    int lock = gs_incident_lock_recovery(store);
    if (lock < 0)
        return lock;
    int made = try_box(&(struct box){store, live, file, 0}, number, 0, path);
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
    gs_store_live_remove(store, strcat(strcpy(file, name), ".sock")); // its listener is dead
    return made;
}
