/* pyroscope.c - one profile to Pyroscope's /ingest: a form of the profile as it is on disk (pprof, with its labels), and how each
 * sample type adds up over time.
 *
 *   POST BASE?name=SERVICE{host=h,…}&from=S&until=S&format=pprof&spyName=gumshoe
 *   profile: heap.pb.gz        sample_type_config: {"inuse_space":{"units":"bytes","aggregation":"average",…},…} */
#include "base/clock.h"
#include "base/memory.h"
#include "profile/profile.h"
#include "ship/inside.h"
#include <stdio.h>
#include <string.h>

bool gs_ship_is_over_time(const struct gs_profile *profile)
{
    return strcmp(profile->period_type.type, "cpu") == 0;
}

/* Pyroscope's word for the unit of TYPE. */
static const char *unit_of(const struct gs_value_type *type)
{
    size_t length = strlen(type->type);
    if (strcmp(type->unit, "bytes") == 0 || strcmp(type->unit, "nanoseconds") == 0)
        return type->unit;
    return length > 8 && strcmp(type->type + length - 8, "_objects") == 0 ? "objects" : "samples";
}

/* {"inuse_space":{…},…}. CPU time adds up over profiles; all other values are a state at a time, or counts since the process's
 * start: of several incidents their mean is of use, not their sum. */
static json_t *sample_types(const struct gs_profile *profile)
{
    struct gs_json all = gs_json_object();
    bool sampled = gs_ship_is_over_time(profile);
    for (unsigned i = 0; i < profile->sample_type_count; i++) {
        const struct gs_value_type *type = &profile->sample_type[i];
        struct gs_json one = gs_json_object();
        gs_json_set(&one, "units", gs_json_text(unit_of(type)));
        gs_json_set(&one, "display-name", gs_json_text(type->type));
        gs_json_set(&one, "aggregation", gs_json_text(sampled ? "sum" : "average"));
        gs_json_set(&one, "sampled", json_boolean(sampled));
        gs_json_set(&all, type->type, gs_json_take(&one));
    }
    return gs_json_take(&all);
}

static void add_part(struct gs_text *form, const char *boundary, const char *name, const char *file,
                     const char *type)
{
    gs_text_add(
        form,
        "--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\nContent-Type: %s\r\n\r\n",
        boundary, name, file, type);
}

/* The form, with BOUNDARY, which is the profile's hash: the profile cannot hold it. */
static void make_form(const struct gs_ship_profile *profile, const char *boundary, struct gs_text *form)
{
    struct gs_text types = {0};
    json_t *json = sample_types(profile->profile);
    gs_json_print(json, JSON_COMPACT, &types);
    json_decref(json);
    add_part(form, boundary, "profile", "profile.pprof", "application/octet-stream");
    gs_text_add_bytes(form, profile->bytes, profile->length);
    gs_text_add(form, "\r\n");
    add_part(form, boundary, "sample_type_config", "sample_type_config.json", "application/json");
    gs_text_add_bytes(form, types.bytes, types.failed ? 0 : types.length);
    gs_text_add(form, "\r\n--%s--\r\n", boundary);
    form->failed = form->failed || types.failed;
    gs_text_fini(&types);
}

static void make_url(const struct gs_ship_destination *destination, const struct gs_ship_incident *incident,
                     const struct gs_profile *profile, struct gs_text *url)
{
    struct gs_text name = {0};
    int64_t from = profile->time_ns / GS_NS_PER_S,
            until = gs_ship_is_over_time(profile) ? from + profile->duration_ns / GS_NS_PER_S : from;
    gs_ship_pyroscope_name(incident, &name);
    gs_text_add(url, "%s?name=", destination->base);
    gs_ship_add_query_value(url, name.bytes ? name.bytes : "");
    gs_text_add(url, "&from=%lld&until=%lld&format=pprof&spyName=gumshoe", (long long)from,
                (long long)(until > from ? until : from + 1));
    url->failed = url->failed || name.failed;
    gs_text_fini(&name);
}

void gs_ship_to_pyroscope(struct gs_ship_destination *destination, const struct gs_ship_incident *incident,
                          const struct gs_ship_profile *profile, struct gs_ship_progress *progress,
                          struct gs_ship_result *out)
{
    struct gs_ship_sha256 hash;
    char boundary[GS_SHIP_SHA256_HEX], type[128];
    struct gs_text url = {0}, form = {0};
    gs_ship_sha256_begin(&hash);
    gs_ship_sha256_add(&hash, profile->bytes, profile->length);
    gs_ship_sha256_end(&hash, boundary);
    snprintf(type, sizeof type, "multipart/form-data; boundary=%s", boundary);
    make_form(profile, boundary, &form);
    make_url(destination, incident, profile->profile, &url);
    struct gs_ship_body body = {.bytes = form.bytes, .length = form.length, .type = type};
    if (form.failed || url.failed)
        gs_ship_fail(out, GS_SHIP_LATER, "there is not enough memory");
    else
        gs_ship_post(destination, url.bytes, &body, progress, NULL, out);
    gs_text_fini(&form);
    gs_text_fini(&url);
}
