/* send.c - one attempt to send one incident. */
#include "ship/inside.h"
#include <stdio.h>
#include <string.h>

void gs_ship_send(struct gs_ship_destination *destination, const char *path,
                  struct gs_ship_progress *progress, struct gs_ship_result *out)
{
    struct gs_ship_incident incident;
    char why[200] = "";
    memset(out, 0, sizeof *out);
    snprintf(out->where, sizeof out->where, "%s", destination->name);
    if (gs_ship_incident_open(path, &incident, why, sizeof why)) {
        gs_ship_fail(out, GS_SHIP_UNFIT, "%s", why);
        return;
    }
    switch (destination->kind) {
    case GS_SHIP_S3:
    case GS_SHIP_HTTP: gs_ship_to_storage(destination, &incident, progress, out); break;
    case GS_SHIP_PYROSCOPE:
    case GS_SHIP_OTLP: gs_ship_profiles(destination, &incident, progress, out); break;
    }
    gs_ship_incident_close(&incident);
}
