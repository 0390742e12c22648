/* storage.c - an incident into object storage (S3) or to an HTTP server that takes PUT:
 *
 *   BASE/dt=2026-11-27/ID/_bundle.tar.gz   the whole folder; first
 *   BASE/dt=2026-11-27/ID/incident.json    one line; last: an incident that has it is whole
 *
 * The address is made of the incident's identity, so what is sent again replaces what is there. Engines that read all files of a
 * place as a table (Athena, Trino, Spark) skip names that begin with "_", and take "dt" for a column. */
#include "ship/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUNDLE "_bundle.tar.gz"

/* A file without a name: beside the incidents, which are on a disk with room; where that is not possible, in $TMPDIR. */
static int open_temporary(const struct gs_ship_incident *incident)
{
    char dir[PATH_MAX];
    const char *other = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/..", incident->path);
    int fd = gs_file_openat(AT_FDCWD, dir, O_TMPFILE | O_RDWR, 0600);
    return fd >= 0 ? fd
                   : gs_file_openat(AT_FDCWD, other && *other ? other : "/tmp", O_TMPFILE | O_RDWR, 0600);
}

static void put_bundle(struct gs_ship_destination *destination, const struct gs_ship_incident *incident,
                       const char *url, struct gs_ship_progress *progress, struct gs_ship_result *out)
{
    char why[200] = "";
    struct stat status;
    int fd = open_temporary(incident);
    int error = fd < 0 ? fd : gs_ship_bundle(incident, fd, why, sizeof why);
    if (fd >= 0 && !error && fstat(fd, &status) != 0)
        error = -errno;
    if (error)
        gs_ship_fail(out, error == -ENOSPC ? GS_SHIP_LATER : GS_SHIP_UNFIT, "its bundle: %s",
                     *why ? why : strerrordesc_np(-error));
    else {
        struct gs_ship_body body = {.fd = fd, .length = (uint64_t)status.st_size, .type = "application/gzip"};
        gs_ship_put(destination, url, &body, progress, out);
    }
    if (fd >= 0)
        close(fd);
}

static void put_line(struct gs_ship_destination *destination, const struct gs_ship_incident *incident,
                     const char *url, struct gs_ship_progress *progress, struct gs_ship_result *out)
{
    struct gs_text line = {0};
    gs_ship_incident_print(incident, BUNDLE, &line);
    struct gs_ship_body body = {.bytes = line.bytes, .length = line.length, .type = "application/json"};
    if (line.failed)
        gs_ship_fail(out, GS_SHIP_LATER, "there is not enough memory");
    else
        gs_ship_put(destination, url, &body, progress, out);
    gs_text_fini(&line);
}

void gs_ship_to_storage(struct gs_ship_destination *destination, const struct gs_ship_incident *incident,
                        struct gs_ship_progress *progress, struct gs_ship_result *out)
{
    struct gs_text place = {0}, url = {0};
    gs_text_add(&place, "/dt=%s/%s/", incident->date, incident->id);
    gs_text_add(&url, "%s", destination->base);
    gs_ship_add_encoded(&url, place.bytes ? place.bytes : "");
    size_t folder = url.length;
    gs_text_add(&url, BUNDLE);
    if (place.failed || url.failed) {
        gs_ship_fail(out, GS_SHIP_LATER, "there is not enough memory");
    } else {
        put_bundle(destination, incident, url.bytes, progress, out);
        url.length = folder;
        gs_text_add(&url, "incident.json");
        size_t name = strlen(destination->name);
        while (name && destination->name[name - 1] == '/')
            name--;
        snprintf(out->where, sizeof out->where, "%.*s%sincident.json", (int)name, destination->name,
                 place.bytes);
        if (out->end == GS_SHIP_SENT && url.failed)
            gs_ship_fail(out, GS_SHIP_LATER, "there is not enough memory");
        else if (out->end == GS_SHIP_SENT)
            put_line(destination, incident, url.bytes, progress, out);
    }
    gs_text_fini(&place);
    gs_text_fini(&url);
}
