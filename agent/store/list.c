/* list.c - reads incidents. The files are not trusted: folders and files are opened without following links, sizes are
 * bounded, and an incident.json without the required keys is refused.
 * Who: the CLI; rotation, on the watcher. */
#include "base/memory.h"
#include "base/sort.h"
#include "store/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JSON_BYTES_MAX = 4 << 20 };

/* Does JSON have the keys that readers need, each of its type? False: *WHY says what is wrong. */
static bool well_formed(const json_t *json, const char **why)
{
    static const struct {
        const char *key;
        bool text, or_null;
    } keys[] = {
        {"rule", true, false},     {"reason", true, false},     {"triggered", true, false},
        {"condition", true, true}, {"metric", true, true},      {"exe", true, true},
        {"host", true, true},      {"fingerprint", true, true},
    };
    int64_t time_ns;
    *why = "its incident.json is not an object of version 1";
    if (!json_is_object(json) || json_integer_value(json_object_get(json, "version")) != 1)
        return false;
    *why = "its incident.json lacks \"complete\"";
    if (!json_is_boolean(json_object_get(json, "complete")))
        return false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(json, keys[i].key);
        *why = "a key of its incident.json is missing or of the wrong type";
        if (!json_is_string(value) && !(keys[i].or_null && (!value || json_is_null(value))))
            return false;
    }
    *why = "its \"triggered\" is not a time";
    return gs_store_time_read(json_string_value(json_object_get(json, "triggered")), &time_ns);
}

static void cannot_be_read(int failed, char *why, size_t why_size)
{
    snprintf(why, why_size, "its incident.json cannot be read: %s", strerrordesc_np(-failed));
    errno = failed == -ENOMEM ? ENOMEM : EINVAL;
}

json_t *gs_store_parse_incident(const char *text, size_t length, char *why, size_t why_size)
{
    const char *wrong = NULL;
    json_error_t error;
    json_t *json = gs_json_read(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!json && json_error_code(&error) == json_error_out_of_memory) {
        cannot_be_read(-ENOMEM, why, why_size);
        return NULL;
    }
    if (!json)
        snprintf(why, why_size, "its incident.json is damaged, line %d", error.line);
    else if (!well_formed(json, &wrong)) {
        snprintf(why, why_size, "%s", wrong);
        json_decref(json);
        json = NULL;
    }
    errno = EINVAL;
    return json;
}

json_t *gs_store_read_incident(int folderfd, char *why, size_t why_size)
{
    char *text = NULL;
    size_t length = 0;
    int fd = gs_store_open_regular(folderfd, "incident.json");
    int failed = fd < 0 ? fd : gs_file_read_all(fd, JSON_BYTES_MAX, &text, &length);
    if (fd >= 0)
        close(fd);
    if (failed) {
        cannot_be_read(failed, why, why_size);
        return NULL;
    }
    json_t *json = gs_store_parse_incident(text, length, why, why_size);
    int kept = errno;
    gs_free(text);
    errno = kept;
    return json;
}

json_t *gs_store_load_incident(const char *path, char *why, size_t why_size)
{
    int fd = gs_store_open_folder(path);
    if (fd < 0) {
        snprintf(why, why_size, "%s", strerrordesc_np(-fd));
        return NULL;
    }
    json_t *json = gs_store_read_incident(fd, why, why_size);
    close(fd);
    return json;
}

int gs_store_read_incident_file(const char *path, const char *name, size_t max, char **bytes, size_t *length)
{
    int folder = gs_store_open_folder(path);
    int fd = folder < 0 ? folder : gs_store_open_regular(folder, name);
    int error = fd < 0 ? fd : gs_file_read_all(fd, max, bytes, length);
    if (fd >= 0)
        close(fd);
    if (folder >= 0)
        close(folder);
    return error;
}

static int by_name(const void *a, const void *b)
{
    const struct gs_incident_entry *x = a, *y = b;
    int order = strcmp(gs_text_base_name(x->name), gs_text_base_name(y->name)); // names begin with the time
    return order ? order : strcmp(x->name, y->name);
}

static int add_entry(struct gs_store_list *list, size_t *capacity, const char *name, json_t *json)
{
    char *copy = gs_strdup(name);
    if (!copy || gs_grow(&list->entry, capacity, list->count + 1, sizeof *list->entry)) {
        gs_free(copy);
        json_decref(json);
        return -ENOMEM;
    }
    struct gs_incident_entry *entry = &list->entry[list->count++];
    *entry = (struct gs_incident_entry){.name = copy, .json = json};
    (void)gs_store_time_read(json_string_value(json_object_get(json, "triggered")),
                             &entry->triggered_ns); // checked by well_formed
    return 0;
}

/* May the incident FOLDER be in the directory DIRFD of USER? NULL: in the store itself, where all may be. */
static bool is_of_user(int dirfd, const struct gs_store_user *user, int folder)
{
    struct stat status, directory;
    return !user || (fstat(folder, &status) == 0 && fstat(dirfd, &directory) == 0 &&
                     (status.st_uid == user->uid || status.st_uid == directory.st_uid)); // the latter: a copy
}

/* incident.json of folder NAME in DIRFD, the directory of USER; NULL: it is damaged, or not that user's. */
static json_t *read_one(int dirfd, const struct gs_store_user *user, const char *name)
{
    char why[160];
    int folder = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    json_t *json = folder >= 0 && is_of_user(dirfd, user, folder)
                       ? gs_store_read_incident(folder, why, sizeof why)
                       : NULL;
    if (folder >= 0)
        close(folder);
    return json;
}

/* Add the incident that WALK is at. */
static int add_incident(const struct gs_store_walk *walk, struct gs_store_list *out, size_t *capacity)
{
    char whole[sizeof GS_STORE_USERS + GS_STORE_USER_NAME + GS_FOLDER_NAME_MAX];
    json_t *json = read_one(walk->fd, walk->user, walk->name);
    snprintf(whole, sizeof whole, "%s%s%s%s", walk->user ? GS_STORE_USERS "/" : "",
             walk->user ? walk->user->name : "", walk->user ? "/" : "", walk->name);
    if (json)
        return add_entry(out, capacity, whole, json);
    out->unreadable++;
    return 0;
}

int gs_store_list(const char *path, struct gs_store_list *out)
{
    struct gs_store_walk walk;
    size_t capacity = 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
    *out = (struct gs_store_list){0};
    if (fd < 0)
        return -errno;
    gs_store_walk_begin(&walk, fd);
    while (!error && gs_store_walk_next(&walk))
        error = add_incident(&walk, out, &capacity);
    out->unreadable += walk.left_out;
    gs_store_walk_end(&walk);
    close(fd);
    gs_sort(out->entry, out->count, sizeof *out->entry, by_name);
    if (error)
        gs_store_list_fini(out);
    return error;
}

void gs_store_list_fini(struct gs_store_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        gs_free(list->entry[i].name);
        json_decref(list->entry[i].json);
    }
    gs_free(list->entry);
    *list = (struct gs_store_list){0};
}
