/* sweep.c - cleans up after processes that died: the dot-folder of an interrupted capture becomes an incident with
 * "complete": false; an empty dot-folder, and a folder that rotation was removing, are removed.
 * A half-made incident of a process that died is removed as well: its source (a box, a core file) still exists, and the next
 * recovery makes the incident again.
 * Who: the watcher and the CLI, after they opened the store and after each incident (a full disk may have room again). */
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

/* Is a process still making FOLDER? That process holds a lock (flock) on it; if there is none, we hold the lock after this
 * call. On file systems without such locks: does the process of this pid run, and did it start before the incident? */
static bool is_being_made(int folder, const struct gs_folder_name *name)
{
    if (flock(folder, LOCK_EX | LOCK_NB) == 0)
        return false;
    if (errno == EWOULDBLOCK)
        return true;
    int64_t started_ns = gs_process_started_ns(name->pid);
    return started_ns && started_ns <= name->time_ns;
}

/* The files of the folder, as incident.json lists them; unreadable ones are left out. NULL: no memory. */
static json_t *list_files(int folderfd)
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

/* The folder's incident.json, or one made from its name. NULL: no memory. */
static json_t *read_or_make_json(int folderfd, const char *name, const struct gs_folder_name *parts)
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

static int publish_incomplete(struct gs_folder *folder, const struct gs_folder_name *parts)
{
    json_t *json = read_or_make_json(folder->directory.fd, folder->name, parts);
    int error = -ENOMEM;
    if (json && json_object_set_new(json, "complete", json_false()) == 0 &&
        json_object_set_new(json, "files", list_files(folder->directory.fd)) == 0)
        error = gs_store_append_to_incident(
            json, "errors", "the capture was interrupted: the files here were on disk by then");
    if (!error)
        error = gs_store_folder_write_json(folder, json);
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
    struct gs_folder folder = {.directory = GS_OWNED_FD_NONE};
    if (!gs_store_folder_name_read(dot + 1, &parts))
        return;
    snprintf(folder.name, sizeof folder.name, "%s", dot + 1);
    int fd = gs_store_open_own_folder(store->directory.fd, dot),
        error = fd < 0 ? fd : gs_owned_fd_take(&folder.directory, fd);
    if (error == -ENOENT || error == -EPERM || error == -ENOTDIR || error == -ELOOP)
        return; // another sweep was first, or the folder is not ours
    bool abandoned = !error && !is_being_made(folder.directory.fd, &parts);
    if (abandoned) {
        if (strcmp(parts.rule, GS_DIED_RULE) == 0)
            error = gs_store_folder_remove(store->directory.fd, dot);
        else if (!is_empty(folder.directory.fd))
            error = publish_incomplete(&folder, &parts);
        else if (unlinkat(store->directory.fd, dot, AT_REMOVEDIR) != 0)
            error = -errno;
    }
    if (error)
        gs_log(GS_LOG_WARNING, "%s/%s was left by an interrupted capture and could not be completed: %s",
               store->path, dot, strerrordesc_np(-error));
    if (abandoned)
        flock(folder.directory.fd,
              LOCK_UN); // closing is not enough: a child forked meanwhile has it open, too
    gs_owned_fd_close(&folder.directory);
}

void gs_store_sweep(struct gs_store *store)
{
    enum { AT_ONCE = 64 }; // names are read first: sweeping changes the directory
    char names[AT_ONCE][GS_FOLDER_NAME_MAX + 8];
    size_t count = 0;
    struct gs_folder_name parts;
    struct gs_dir dir;
    if (!store->of_user)
        gs_store_users_sweep(store->directory.fd);
    gs_file_dir_start(&dir, store->directory.fd);
    for (const char *name; count < AT_ONCE && (name = gs_file_dir_next(&dir));)
        if (strlen(name) < sizeof names[0] &&
            (strncmp(name, ".gone-", 6) == 0 ||
             (name[0] == '.' && gs_store_folder_name_read(name + 1, &parts))))
            strcpy(names[count++], name);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(names[i], ".gone-", 6) == 0)
            (void)gs_store_folder_remove(store->directory.fd, names[i]);
        else
            sweep_one(store, names[i]);
    }
}
