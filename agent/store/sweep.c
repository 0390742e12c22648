/* sweep.c - what was left behind in the store: a dot-folder of a capture that was cut short becomes an
 * incident that says it is not complete; an empty one, and one that rotation was removing, go.
 * An incident of a process that died, half made, goes as well: what it was made of (a box, a core file) is still there, and
 * will be made into one again.
 * Who: the watcher and the CLI, when they have opened the store and after each incident (a disk that was full may have room
 * again). */
#include "store/inside.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/process.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Is somebody at work in FOLDER? Its maker holds a lock on it, which is ours now if there is none. Where the file system has
 * no such locks: is the process that made it still the one with its pid? One that was started after is another. */
static bool maker_lives(int folder, const struct gs_folder_name *name)
{
    if (flock(folder, LOCK_EX | LOCK_NB) == 0)
        return false;
    if (errno == EWOULDBLOCK)
        return true;
    int64_t started_ns = gs_process_started_ns(name->pid);
    return started_ns && started_ns <= name->time_ns;
}

/* All that is in the folder, as incident.json lists it; NULL: no memory. What cannot be read is left out. */
static json_t *files_of(int folderfd)
{
    struct gs_dir dir;
    struct gs_json files = gs_json_array();
    gs_file_dir_start(&dir, folderfd);
    for (const char *name; (name = gs_file_dir_next(&dir));)
        if (gs_store_is_incident_file(name) && strncmp(name, "incident.json", 13) != 0) {
            json_t *entry;
            int error = gs_store_file_entry(folderfd, name, &entry);
            if (!error || error == -ENOMEM)
                gs_json_add(&files, error ? NULL : entry);
        }
    return gs_json_take(&files);
}

/* What the folder's own incident.json says, or what its name does; NULL: no memory. */
static json_t *facts_of(int folderfd, const char *name, const struct gs_folder_name *parts)
{
    char why[160], time[GS_FOLDER_NAME_MAX];
    json_t *json = gs_store_read_incident(folderfd, why, sizeof why);
    if (json || errno == ENOMEM)
        return json;
    snprintf(time, sizeof time, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s.%.3sZ", name, name + 4, name + 6, name + 9,
             name + 11, name + 13, name + 16);
    return json_pack("{s:i, s:b, s:s, s:s, s:s, s:i}", "version", 1, "complete", 0, "rule", parts->rule,
                     "reason", "unknown: the process ended before the reason was on disk", "triggered", time,
                     "pid", parts->pid);
}

static int complete(struct gs_folder *folder, const struct gs_folder_name *parts)
{
    json_t *json = facts_of(folder->held.fd, folder->name, parts);
    int error = -ENOMEM;
    if (json && json_object_set_new(json, "complete", json_false()) == 0 &&
        json_object_set_new(json, "files", files_of(folder->held.fd)) == 0)
        error = gs_store_append_to_incident(
            json, "errors", "the capture was cut short: what is here was safe on disk by then");
    if (!error)
        error = gs_store_folder_put_json(folder, json);
    if (!error)
        error = gs_store_folder_publish(folder);
    json_decref(json);
    return error;
}

static bool is_empty(int folderfd)
{
    struct gs_dir dir;
    gs_file_dir_start(&dir, folderfd);
    return gs_file_dir_next(&dir) == NULL;
}

static void sweep_one(struct gs_store *store, const char *dot)
{
    struct gs_folder_name parts;
    struct gs_folder folder = {.held = GS_HELD_NONE};
    if (!gs_store_folder_name_read(dot + 1, &parts))
        return;
    snprintf(folder.name, sizeof folder.name, "%s", dot + 1);
    int fd = gs_store_open_own_folder(store->held.fd, dot),
        error = fd < 0 ? fd : gs_owned_fd_take(&folder.held, fd);
    if (error == -ENOENT || error == -EPERM || error == -ENOTDIR || error == -ELOOP)
        return; // another sweeper had it, or it is not of our making
    bool left = !error && !maker_lives(folder.held.fd, &parts);
    if (left) {
        if (strcmp(parts.rule, GS_DIED_RULE) == 0)
            error = gs_store_folder_remove(store->held.fd, dot);
        else if (!is_empty(folder.held.fd))
            error = complete(&folder, &parts);
        else if (unlinkat(store->held.fd, dot, AT_REMOVEDIR) != 0)
            error = -errno;
    }
    if (error)
        gs_log(GS_LOG_WARNING,
               "%s/%s was left by a capture that was cut short, and could not be completed: %s", store->path,
               dot, strerrordesc_np(-error));
    if (left)
        flock(folder.held.fd, LOCK_UN); // a child that was forked meanwhile has it open as well
    gs_owned_fd_close(&folder.held);
}

void gs_store_sweep(struct gs_store *store)
{
    enum { AT_ONCE = 64 }; // names are gathered first: the directory changes under the walk
    char names[AT_ONCE][GS_FOLDER_NAME_MAX + 8];
    size_t count = 0;
    struct gs_folder_name parts;
    struct gs_dir dir;
    gs_file_dir_start(&dir, store->held.fd);
    for (const char *name; count < AT_ONCE && (name = gs_file_dir_next(&dir));)
        if (strlen(name) < sizeof names[0] &&
            (strncmp(name, ".gone-", 6) == 0 ||
             (name[0] == '.' && gs_store_folder_name_read(name + 1, &parts))))
            strcpy(names[count++], name);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(names[i], ".gone-", 6) == 0)
            (void)gs_store_folder_remove(store->held.fd, names[i]);
        else
            sweep_one(store, names[i]);
    }
}
