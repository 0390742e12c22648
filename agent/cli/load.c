/* load.c - input of the commands: reads rules and histories from files, and finds the incident directory. */
#include "base/memory.h"
#include "box/box.h"
#include "cli/cli.h"
#include "history/history.h"
#include "reader/reader.h"
#include "rules/rules.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *gs_cli_default_dir(void)
{
    const char *dir = getenv("GUMSHOE_DIR");
    return dir && *dir ? dir : "incidents";
}

int gs_cli_read_text(const char *file, size_t max, char **text, size_t *length)
{
    if (strcmp(file, "-") == 0)
        return gs_file_read_all(STDIN_FILENO, max, text, length);
    return gs_file_read(AT_FDCWD, file, max, text, length);
}

const char *gs_cli_file_name(const char *file)
{
    return strcmp(file, "-") ? file : "(standard input)";
}

static void print_read_error(const char *file, int error, size_t max)
{
    if (error == -EFBIG)
        gs_cli_complain(GS_EXIT_IO, "%s: it is larger than %zu MiB", gs_cli_file_name(file), max >> 20);
    else
        gs_cli_complain(GS_EXIT_IO, "%s: %s", gs_cli_file_name(file),
                        error == -EINVAL ? "it is not a file" : strerrordesc_np(-error));
}

/* Print ERRORS on standard error. They may quote file names and text from files: control characters are escaped. */
static void print_errors(const struct gs_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++) {
        char line[1024];
        struct gs_text escaped = {0};
        gs_errors_format(&errors->item[i], line, sizeof line);
        gs_text_add_printable(&escaped, line);
        fprintf(stderr, "%s\n", escaped.bytes ? escaped.bytes : "");
        gs_text_fini(&escaped);
    }
    if (errors->lost)
        fprintf(stderr, "and %zu more\n", errors->lost);
}

struct gs_rules *gs_cli_load_rules(const char *file, int *status)
{
    struct gs_errors errors = {0};
    char *text = NULL;
    size_t length = 0;
    int error = file ? gs_cli_read_text(file, GS_RULES_TEXT_MAX, &text, &length) : 0;
    if (error) {
        print_read_error(file, error, GS_RULES_TEXT_MAX);
        *status = GS_EXIT_IO;
        return NULL;
    }
    struct gs_rules *rules =
        file ? gs_rules_read(text, length, gs_cli_file_name(file), &errors)
             : gs_rules_read(gs_default_rules_text, gs_default_rules_length, "(built-in rules)", &errors);
    if (!rules)
        *status = GS_EXIT_NEGATIVE;
    print_errors(&errors);
    gs_errors_fini(&errors);
    gs_free(text);
    return rules;
}

/* The memory limit in bytes that the incident in folder PATH recorded; 0 if it has none. */
static uint64_t recorded_limit(const char *path)
{
    char why[200];
    json_t *json = gs_store_load_incident(path, why, sizeof why);
    json_int_t limit = json_integer_value(json_object_get(json, "limit"));
    json_decref(json);
    return limit > 0 ? (uint64_t)limit : 0;
}

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Read metrics.json of the incident folder PATH, or the file PATH itself. Stores the name for messages in FILE. */
static int read_history(const char *path, bool folder, char file[PATH_MAX], char **text, size_t *length)
{
    snprintf(file, PATH_MAX, "%s%s", gs_cli_file_name(path), folder ? "/metrics.json" : "");
    if (folder)
        return gs_store_read_incident_file(path, "metrics.json", GS_HISTORY_BYTES_MAX, text, length);
    return gs_cli_read_text(path, GS_HISTORY_BYTES_MAX, text, length);
}

/* Read the history in a black box; the process's memory limit goes into ABOUT. */
static struct gs_history *read_box(const char *text, size_t length, const char *file,
                                   struct gs_history_about *about, struct gs_errors *errors)
{
    char why[200] = "there is no history in this black box";
    *about = (struct gs_history_about){.triggered_ns = INT64_MIN};
    struct gs_box_contents *contents = gs_box_read(text, length, why, sizeof why);
    struct gs_history *history = contents ? gs_box_take_history(contents) : NULL;
    const struct gs_post_mortem *post_mortem = history ? gs_box_post_mortem(contents) : NULL;
    if (post_mortem)
        about->limit_bytes = post_mortem->limit_bytes;
    gs_box_contents_free(contents);
    if (!history)
        gs_errors_add(errors, GS_ERROR, file, 0, 0, NULL, "%s", why);
    return history;
}

/* Print the notes of HOW, and how it was not used, on standard error. */
static void print_notes(const char *file, const struct gs_import *how, bool foreign)
{
    const char *line = how->notes.bytes ? how->notes.bytes : "";
    for (const char *end; (end = strchr(line, '\n')); line = end + 1)
        gs_cli_complain(GS_EXIT_OK, "%s: %.*s", gs_cli_file_name(file), (int)(end - line), line);
    if (!foreign && (how->column_count || how->series_count || how->cpus))
        gs_cli_complain(GS_EXIT_OK, "%s is a history of gumshoe: --column, --series and --cpus are not used",
                        gs_cli_file_name(file));
}

static struct gs_history *load_history(const char *path, struct gs_import *how, struct gs_history_about *about,
                                       int *status)
{
    char file[PATH_MAX], *text = NULL;
    size_t length = 0;
    struct gs_errors errors = {0};
    bool folder = is_folder(path), packed = gs_reader_is_bundle(path);
    snprintf(file, sizeof file, "%s", path);
    *status = packed ? gs_cli_read_bundle_file(path, "metrics.json", GS_HISTORY_BYTES_MAX, &text, &length)
                     : GS_EXIT_IO;
    if (packed && *status != GS_EXIT_OK)
        return NULL;
    int error = packed ? 0 : read_history(path, folder, file, &text, &length);
    if (error) {
        print_read_error(file, error, GS_HISTORY_BYTES_MAX);
        return NULL;
    }
    struct gs_history *history = gs_box_is(text, length)
                                     ? read_box(text, length, file, about, &errors)
                                     : gs_reader_history_from(text, length, file, how, about, &errors);
    if (history && folder && about->limit_bytes == 0)
        about->limit_bytes = recorded_limit(path);
    if (history)
        *status = GS_EXIT_OK;
    if (history)
        print_notes(path, how, about->foreign);
    gs_text_fini(&how->notes);
    print_errors(&errors);
    gs_errors_fini(&errors);
    gs_free(text);
    return history;
}

struct gs_history *gs_cli_load_history(const char *path, struct gs_import *how,
                                       struct gs_history_about *about, int *status)
{
    char *found;
    *status = gs_cli_find_history_file(path, &found);
    struct gs_history *history =
        *status == GS_EXIT_OK ? load_history(found ? found : path, how, about, status) : NULL;
    gs_free(found);
    return history;
}
