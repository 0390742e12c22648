/* amend.c - adds a note or an error to an incident.json that exists: a sweep does, and the program that runs after an
 * incident. The file is replaced as a whole or stays as it was. Who: the watcher. */
#include "store/inside.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int gs_store_append_to_incident(json_t *json, const char *key, const char *text)
{
    if (!json_is_array(json_object_get(json, key)) && json_object_set_new(json, key, json_array()) != 0)
        return -ENOMEM;
    return json_array_append_new(json_object_get(json, key), gs_json_text(text)) != 0 ? -ENOMEM : 0;
}

static int amend(const struct gs_owned_fd *folder, enum gs_remark kind, const char *text)
{
    char why[160];
    json_t *json = gs_store_read_incident(folder->fd, why, sizeof why);
    if (!json)
        return -EINVAL;
    int error = gs_store_append_to_incident(json, kind == GS_NOTE ? "notes" : "errors", text);
    if (!error)
        error = gs_store_replace_incident_json(folder, json);
    json_decref(json);
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
