/* history.c - reads a history from a file. Its first bytes tell the format.
 * Who: replay, suggest. */
#include "history/history.h"
#include "reader/import.h"
#include <string.h>

static size_t count_blanks(const char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length && strchr(" \t\r\n", bytes[at]) && bytes[at])
        at++;
    return at;
}

static struct gs_history *read_packed(const char *bytes, size_t length, const char *file,
                                      struct gs_errors *errors)
{
    char why[160];
    struct gs_history *history = gs_history_unpack(bytes, length, why, sizeof why);
    if (!history)
        gs_errors_add(errors, GS_ERROR, file, 0, 0, NULL, "%s", why);
    return history;
}

/* What was left out of a damaged file is a warning. */
static struct gs_history *read_file(const char *bytes, size_t length, const char *file,
                                    struct gs_history_about *about, struct gs_errors *errors)
{
    char note[160], why[160];
    struct gs_history *history =
        gs_history_file_read(bytes, length, NULL, about, note, sizeof note, why, sizeof why);
    if (*note)
        gs_errors_add(errors, GS_WARNING, file, 0, 0, NULL, "%s", note);
    if (!history)
        gs_errors_add(errors, GS_ERROR, file, 0, 0, NULL, "%s", why);
    return history;
}

/* Is JSON an answer of Prometheus, or a part of one, and not a metrics.json? */
static bool is_foreign(const json_t *json)
{
    return json_is_array(json) || (!json_object_get(json, "series") &&
                                   (json_object_get(json, "data") || json_object_get(json, "status")));
}

static struct gs_history *read_json(const char *bytes, size_t length, const char *file, struct gs_import *how,
                                    struct gs_history_about *about, struct gs_errors *errors)
{
    json_t *json = gs_reader_history_parse(bytes, length, file, errors);
    struct gs_history *history = NULL;
    if (json && is_foreign(json))
        history = gs_reader_import(bytes, length, json, file, how, about, errors);
    else if (json)
        history = gs_reader_history_json(json, file, about, errors);
    json_decref(json);
    return history;
}

struct gs_history *gs_reader_history_from(const char *bytes, size_t length, const char *file,
                                          struct gs_import *how, struct gs_history_about *about,
                                          struct gs_errors *errors)
{
    static const char magic[] = {'g', 's', 'h', 1};
    *about = (struct gs_history_about){.triggered_ns = INT64_MIN};
    size_t start = count_blanks(bytes, length);
    if (start == length) {
        gs_errors_add(errors, GS_ERROR, file, 0, 0, NULL, "the file is empty");
        return NULL;
    }
    if (length >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0)
        return read_packed(bytes, length, file, errors);
    if (gs_history_file_is(bytes, length))
        return read_file(bytes, length, file, about, errors);
    if ((bytes[start] == '{' && !gs_reader_is_openmetrics(bytes, length)) || bytes[start] == '[')
        return read_json(bytes, length, file, how, about, errors);
    return gs_reader_import(bytes, length, NULL, file, how, about, errors);
}

struct gs_history *gs_reader_history(const char *bytes, size_t length, const char *file,
                                     struct gs_history_about *about, struct gs_errors *errors)
{
    return gs_reader_history_from(bytes, length, file, NULL, about, errors);
}
