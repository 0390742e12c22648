/* bundle_anonymous.c - makes the copy of an incident anonymous, file by file. Files that are not listed here are removed. */
#include "base/memory.h"
#include "cli/bundle.h"
#include "cli/cli.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_BYTES_MAX = 64 << 20, KEY_FILE_MAX = 4096 };

/* ---- the key ---------------------------------------------------------------------------------------------------- */

/* Fold the text of a key file, of any length, into KEY: the stand-in function itself, twice. */
static void fold_key(const char *text, size_t length, unsigned char key[GS_ANONYMOUS_KEY])
{
    memset(key, 0, GS_ANONYMOUS_KEY);
    for (size_t at = 0; at < length; at += GS_ANONYMOUS_KEY) {
        struct gs_anonymizer fold = {0};
        char digits[GS_STAND_IN], name[4 * GS_ANONYMOUS_KEY];
        memcpy(fold.key, key, sizeof fold.key);
        for (size_t half = 0; half < 2; half++) {
            snprintf(name, sizeof name, "%zu %.16s", half, text + at);
            gs_reader_stand_in(&fold, GS_NAMED_ID, name, digits);
            for (size_t i = 0; i < 8; i++)
                sscanf(digits + 2 * i, "%2hhx", &key[8 * half + i]);
        }
        gs_reader_anonymizer_fini(&fold);
    }
}

static int read_key(const char *file, unsigned char key[GS_ANONYMOUS_KEY])
{
    char *text = NULL;
    size_t length;
    if (!file)
        return getrandom(key, GS_ANONYMOUS_KEY, 0) == GS_ANONYMOUS_KEY
                   ? GS_EXIT_OK
                   : gs_cli_complain(GS_EXIT_IO, "the system gives no random bytes for a key");
    int error = gs_cli_read_text(file, KEY_FILE_MAX, &text, &length);
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", gs_cli_file_name(file), strerrordesc_np(-error));
    int status = length >= GS_ANONYMOUS_KEY && strlen(text) == length
                     ? GS_EXIT_OK
                     : gs_cli_complain(GS_EXIT_USAGE, "%s: a key is a text of 16 or more characters",
                                       gs_cli_file_name(file));
    if (status == GS_EXIT_OK)
        fold_key(text, length, key);
    gs_free(text);
    return status;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static int write_text(const struct gs_bundle_copy *copy, const char *name, struct gs_text *text)
{
    int error = text->failed ? -ENOMEM
                             : gs_cli_bundle_write(copy, name, text->bytes ? text->bytes : "", text->length);
    gs_text_fini(text);
    return error;
}

static int anonymize_profile(struct gs_anonymizer *anonymizer, const struct gs_bundle_copy *copy,
                             const char *name, const char *bytes, size_t length)
{
    char why[160];
    struct gs_profile *profile = gs_reader_profile(bytes, length, why, sizeof why);
    if (!profile)
        return -EBADMSG;
    struct gs_profile *anonymous = gs_reader_anonymize_profile(anonymizer, profile);
    int error = anonymous ? gs_cli_bundle_write(copy, name, "", 0) : -ENOMEM;
    int fd = error ? error : gs_file_openat(copy->fd, name, O_WRONLY, 0);
    error = fd < 0 ? fd : gs_profile_write(anonymous, fd);
    if (fd >= 0)
        close(fd);
    gs_profile_free(anonymous);
    gs_profile_free(profile);
    return error;
}

static int anonymize_json(struct gs_anonymizer *anonymizer, const struct gs_bundle_copy *copy,
                          const char *name, const char *bytes, size_t length)
{
    json_error_t wrong;
    struct gs_text text = {0};
    json_t *json = gs_json_read(bytes, length, JSON_REJECT_DUPLICATES, &wrong);
    if (!json)
        return -EBADMSG;
    json_t *anonymous = gs_reader_anonymize_json(anonymizer, json);
    json_decref(json);
    gs_json_print(anonymous, (strcmp(name, "metrics.json") ? JSON_INDENT(2) : 0) | JSON_REAL_PRECISION(15),
                  &text);
    json_decref(anonymous);
    return write_text(copy, name, &text);
}

static int anonymize_maps(struct gs_anonymizer *anonymizer, const struct gs_bundle_copy *copy,
                          const char *name, const char *bytes, size_t length)
{
    struct gs_text text = {0};
    (void)length; // a NUL ends it
    gs_reader_anonymize_maps(anonymizer, bytes, &text);
    return write_text(copy, name, &text);
}

typedef int anonymize_file(struct gs_anonymizer *, const struct gs_bundle_copy *, const char *, const char *,
                           size_t);

static anonymize_file *way_of(const char *name)
{
    static const char *const documents[] = {"incident.json", "memory.json", "metrics.json", "rules.json"};
    size_t length = strlen(name);
    if (length > 6 && strcmp(name + length - 6, ".pb.gz") == 0 && !gs_reader_is_original(name))
        return anonymize_profile;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
        if (strcmp(name, documents[i]) == 0)
            return anonymize_json;
    return strcmp(name, "maps.txt") == 0 ? anonymize_maps : NULL;
}

/* Replace or remove file NAME. One that cannot be read is removed, and noted without its contents. */
static int anonymize(struct gs_anonymizer *anonymizer, struct gs_bundle_copy *copy, const char *name)
{
    char *bytes = NULL;
    size_t length;
    anonymize_file *way = way_of(name);
    int error = -EBADMSG;
    if (way && gs_file_read(copy->fd, name, TEXT_BYTES_MAX, &bytes, &length) == 0)
        error = way(anonymizer, copy, name, bytes, length);
    gs_free(bytes);
    if (error != -EBADMSG)
        return error;
    if (way)
        gs_cli_bundle_leave_out(copy, name, "it is damaged or too large");
    return unlinkat(copy->fd, name, 0) == 0 ? 0 : -errno;
}

/* ---- the incident ----------------------------------------------------------------------------------------------- */

/* Name the folder as the store would: its time, the stand-in of its rule, and no process. */
static int rename_folder(struct gs_bundle_copy *copy, const json_t *json)
{
    enum { TIME = 20 }; // "20261124T030509.123Z"
    char name[NAME_MAX + 1];
    struct gs_folder_name parts;
    bool has_time = gs_store_folder_name_read(copy->name, &parts);
    snprintf(name, sizeof name, "%.*s%s%s", has_time ? TIME : 0, copy->name, has_time ? "-" : "",
             gs_cli_json_text(json, "rule", "incident"));
    strncat(name, "-0", sizeof name - strlen(name) - 1);
    return gs_cli_bundle_rename(copy, name);
}

/* Write summary.txt, and incident.json with its new files. */
static int describe(struct gs_bundle_copy *copy)
{
    char why[160];
    struct gs_text summary = {0};
    json_t *json = gs_store_read_incident(copy->fd, why, sizeof why);
    if (!json)
        return -EBADMSG;
    gs_reader_anonymous_summary(json, &summary);
    int error = write_text(copy, "summary.txt", &summary);
    if (!error)
        error = gs_cli_bundle_list(copy, json);
    if (!error)
        error = rename_folder(copy, json);
    json_decref(json);
    return error;
}

static int write_names(const struct gs_anonymizer *anonymizer, const char *file)
{
    struct gs_text text = {0};
    gs_reader_anonymizer_print(anonymizer, &text);
    int fd = gs_file_openat(AT_FDCWD, file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int error = text.failed ? -ENOMEM
                : fd < 0    ? fd
                            : gs_file_write_all(fd, text.bytes ? text.bytes : "", text.length);
    if (fd >= 0)
        close(fd);
    gs_text_fini(&text);
    return error ? gs_cli_complain(GS_EXIT_IO, "%s: %s", file, strerrordesc_np(-error)) : GS_EXIT_OK;
}

int gs_cli_bundle_anonymize(struct gs_bundle_copy *copy, const char *key_file, const char *names)
{
    struct gs_anonymizer anonymizer = {.count = 0};
    struct gs_bundle_files files = {0};
    int status = read_key(key_file, anonymizer.key);
    if (status != GS_EXIT_OK)
        return status;
    int error = gs_cli_bundle_files(copy, &files);
    for (size_t i = 0; !error && i < files.count; i++)
        error = anonymize(&anonymizer, copy, files.name[i]);
    if (!error)
        error = describe(copy);
    if (error)
        status =
            gs_cli_complain(GS_EXIT_IO, "the incident cannot be made anonymous: %s",
                            error == -EBADMSG ? "its incident.json is damaged" : strerrordesc_np(-error));
    else if (names)
        status = write_names(&anonymizer, names);
    gs_cli_bundle_files_fini(&files);
    gs_reader_anonymizer_fini(&anonymizer);
    return status;
}
