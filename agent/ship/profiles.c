/* profiles.c - sends the profiles of an incident one by one, to destinations that take profiles. After a failure the same process
 * goes on with the profile that failed: those before it are not sent again. */
#include "base/memory.h"
#include "reader/reader.h"
#include "ship/inside.h"
#include "store/store.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Read profile NAME of INCIDENT, without the frames that pprof drops as well. NULL: OUT says why. *BYTES are the file's, for
 * gs_free. */
static struct gs_profile *read_profile(const struct gs_ship_incident *incident, const char *name,
                                       char **bytes, size_t *length, struct gs_ship_result *out)
{
    char why[160] = "";
    int error = gs_store_read_incident_file(incident->path, name, GS_SHIP_PROFILE_BYTES_MAX, bytes, length);
    struct gs_profile *profile = error ? NULL : gs_reader_profile(*bytes, *length, why, sizeof why);
    if (!profile)
        gs_ship_fail(out, error == -ENOMEM ? GS_SHIP_LATER : GS_SHIP_UNFIT, "%s: %s", name,
                     error ? strerrordesc_np(-error) : why);
    if (!profile && !error)
        gs_free(*bytes);
    if (profile && gs_profile_apply_drop_frames(profile)) {
        gs_ship_fail(out, GS_SHIP_LATER, "there is not enough memory");
        gs_profile_free(profile);
        gs_free(*bytes);
        profile = NULL;
    }
    return profile;
}

/* Send profile NAME. */
static void send_one(struct gs_ship_destination *destination, const struct gs_ship_incident *incident,
                     const char *name, struct gs_ship_progress *progress, struct gs_ship_result *out)
{
    struct gs_ship_profile one = {.name = name};
    char *bytes = NULL;
    struct gs_profile *profile = read_profile(incident, name, &bytes, &one.length, out);
    if (!profile)
        return;
    one.profile = profile;
    one.bytes = bytes;
    if (destination->kind == GS_SHIP_PYROSCOPE)
        gs_ship_to_pyroscope(destination, incident, &one, progress, out);
    else
        gs_ship_to_otlp(destination, incident, &one, progress, out);
    gs_profile_free(profile);
    gs_free(bytes);
}

void gs_ship_profiles(struct gs_ship_destination *destination, const struct gs_ship_incident *incident,
                      struct gs_ship_progress *progress, struct gs_ship_result *out)
{
    const char *name[GS_SHIP_PROFILES_MAX];
    size_t count = gs_ship_incident_profiles(incident, name);
    struct gs_ship_result unfit = {0};
    if (strcmp(destination->resume_id, incident->id) != 0)
        destination->resume_at = 0;
    snprintf(destination->resume_id, sizeof destination->resume_id, "%s", incident->id);
    for (size_t i = destination->resume_at; i < count; i++) {
        send_one(destination, incident, name[i], progress, out);
        if (out->end == GS_SHIP_UNFIT)
            unfit = *out; // the others may fit
        else if (out->end != GS_SHIP_SENT)
            return;
        destination->resume_at = i + 1;
        out->end = GS_SHIP_SENT;
    }
    destination->resume_id[0] = 0;
    if (unfit.end == GS_SHIP_UNFIT)
        *out = unfit;
}
