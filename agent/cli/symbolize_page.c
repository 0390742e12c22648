/* symbolize_page.c - the page of an incident, in its own folder: `gumshoe symbolize INCIDENT` writes it if the incident's rules say
 * "report": true. */
#include "cli/cli.h"
#include "reader/reader.h"
#include "store/store.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int gs_cli_list_incident_file(const struct gs_owned_fd *folder, json_t *files, const char *name)
{
    size_t i;
    json_t *entry = NULL, *listed;
    int error = gs_store_file_entry(folder->fd, name, &entry);
    if (error)
        return error == -ENOENT ? 0 : error;
    json_array_foreach(files, i, listed)
    {
        if (strcmp(gs_cli_json_text(listed, "name", ""), name) != 0)
            continue;
        error = json_object_update(listed, entry) == 0 ? 0 : -ENOMEM;
        json_decref(entry);
        return error;
    }
    return json_array_append_new(files, entry) == 0 ? 0 : -ENOMEM;
}

static const char page_name[] = "report.html";

/* Add the page to "files" of incident.json, which may have changed meanwhile. 0 or -errno. */
static int list_page(const struct gs_owned_fd *folder)
{
    char why[160];
    int lock = gs_store_lock_incident_json(folder);
    if (lock < 0)
        return lock;
    json_t *json = gs_store_read_incident(folder->fd, why, sizeof why),
           *files = json_object_get(json, "files");
    int error = json ? 0 : -EINVAL;
    if (json_is_array(files))
        error = gs_cli_list_incident_file(folder, files, page_name);
    if (!error)
        error = gs_store_replace_incident_json(folder, json);
    json_decref(json);
    gs_store_unlock_incident_json(lock);
    return error ? error : fsync(folder->fd) != 0 ? -errno : 0;
}

int gs_cli_write_incident_page(const char *path, const struct gs_owned_fd *folder)
{
    const struct gs_page_incident from = {.folder = folder->fd};
    struct gs_text page = {0};
    char why[200];
    int error = gs_reader_page_incident(&from, &page, why, sizeof why);
    if (!error) {
        error = gs_store_replace_file(folder, page_name, &page);
        error = error ? error : list_page(folder);
        snprintf(why, sizeof why, "%s", error ? strerrordesc_np(-error) : "");
    }
    gs_text_fini(&page);
    return error ? gs_cli_complain(GS_EXIT_IO, "%s/%s: %s", path, page_name, why) : GS_EXIT_OK;
}
