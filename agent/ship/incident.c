/* incident.c - one incident on its way: its identity among those of all machines, and its incident.json as one line. */
#include "base/memory.h"
#include "ship/inside.h"
#include "store/store.h"
#include <stdio.h>
#include <string.h>

const char *gs_ship_text(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

/* The hash of what identifies an incident: it stays the same when the folder is copied or symbolized, and differs between
 * machines, containers and boots that have equal pids. PATH is hashed if it is in the directory of a user (.users), who
 * may have given it the name and the contents of another incident. */
static void hash_identity(const json_t *json, const char *path, const char *folder,
                          char hex[GS_SHIP_SHA256_HEX])
{
    static const char *const keys[] = {"host",     "pod",     "namespace", "exe",
                                       "build_id", "started", "triggered", "rule"};
    struct gs_ship_sha256 hash;
    struct gs_store_user user;
    char pid[32];
    gs_ship_sha256_begin(&hash);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        gs_ship_sha256_add(&hash, gs_ship_text(json, keys[i]), strlen(gs_ship_text(json, keys[i])) + 1);
    const char *container = gs_ship_text(json_object_get(json, "container"), "id");
    gs_ship_sha256_add(&hash, container, strlen(container) + 1);
    snprintf(pid, sizeof pid, "%lld", (long long)json_integer_value(json_object_get(json, "pid")));
    gs_ship_sha256_add(&hash, pid, strlen(pid) + 1);
    gs_ship_sha256_add(&hash, folder, strlen(folder) + 1);
    if (gs_store_user_of_path(path, &user))
        gs_ship_sha256_add(&hash, user.name, strlen(user.name) + 1);
    gs_ship_sha256_end(&hash, hex);
}

int gs_ship_incident_open(const char *path, struct gs_ship_incident *out, char *why, size_t why_size)
{
    char hex[GS_SHIP_SHA256_HEX];
    *out = (struct gs_ship_incident){.path = path, .folder = gs_text_base_name(path)};
    if (!gs_ship_is_folder_name(out->folder)) {
        snprintf(why, why_size, "its folder's name is not an incident's");
        return -1;
    }
    out->json = gs_store_load_incident(path, why, why_size);
    if (!out->json)
        return -1;
    snprintf(out->date, sizeof out->date, "%.10s", gs_ship_text(out->json, "triggered"));
    hash_identity(out->json, path, out->folder, hex);
    snprintf(out->id, sizeof out->id, "%s-%.16s", out->folder, hex);
    return 0;
}

void gs_ship_incident_close(struct gs_ship_incident *incident)
{
    json_decref(incident->json);
    incident->json = NULL;
}

void gs_ship_incident_print(const struct gs_ship_incident *incident, const char *bundle, struct gs_text *out)
{
    json_t *line = json_copy(incident->json);
    if (!line || json_object_set_new(line, "id", gs_json_text(incident->id)) != 0 ||
        json_object_set_new(line, "bundle", bundle ? gs_json_text(bundle) : json_null()) != 0)
        out->failed = true;
    else
        gs_json_print(line, JSON_COMPACT, out);
    json_decref(line);
}

/* Is NAME a profile as of the trigger: "heap.pb.gz", not "heap.base.pb.gz" or "heap.orig.pb.gz"? Lifetimes are not sent: each of
 * their labels would be a series, and they are sums since the process's start. */
static bool is_profile(const char *name)
{
    size_t stem = strcspn(name, ".");
    return stem > 0 && strcmp(name + stem, ".pb.gz") == 0 && !strchr(name, '/') &&
           strcmp(name, "lifetimes.pb.gz") != 0;
}

size_t gs_ship_incident_profiles(const struct gs_ship_incident *incident,
                                 const char *out[GS_SHIP_PROFILES_MAX])
{
    const json_t *files = json_object_get(incident->json, "files");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(files) && count < GS_SHIP_PROFILES_MAX; i++)
        if (is_profile(gs_ship_text(json_array_get(files, i), "name")))
            out[count++] = gs_ship_text(json_array_get(files, i), "name");
    return count;
}
