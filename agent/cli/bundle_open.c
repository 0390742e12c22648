/* bundle_open.c - reads incidents that are still packed: `gumshoe top F.tar.gz`, `gumshoe top F.tar.gz/cpu.pb.gz`,
 * `gumshoe show F.tar.gz`. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/view.h"
#include "store/store.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { JSON_BYTES_MAX = 4 << 20, SUMMARY_BYTES_MAX = 1 << 20 };

int gs_cli_read_bundle_file(const char *path, const char *name, size_t max, char **bytes, size_t *length)
{
    char why[160] = "";
    int error = gs_reader_bundle_file(path, name, max, bytes, length, why, sizeof why);
    if (error == -ENOENT)
        return gs_cli_complain(GS_EXIT_IO, "%s: there is no %s in this bundle", path, name);
    return error ? gs_cli_complain(GS_EXIT_IO, "%s: %s: %s", path, name,
                                   error == -EFBIG ? "it is too large" : why)
                 : GS_EXIT_OK;
}

/* Find the first of the profiles that commands show by default. Stores its name in NAME. */
static bool find_profile(const char *path, const char **name)
{
    char why[160], *bytes = NULL;
    size_t length;
    for (size_t i = 0; gs_cli_profile_names[i]; i++) {
        *name = gs_cli_profile_names[i];
        int error =
            gs_reader_bundle_file(path, *name, GS_PROFILE_BYTES_MAX, &bytes, &length, why, sizeof why);
        gs_free(bytes);
        if (error != -ENOENT) // one that cannot be read is reported when it is read
            return true;
    }
    return false;
}

/* Split GIVEN, "F.tar.gz" or "F.tar.gz/NAME", into the bundle's PATH and NAME ("": none). False: there is no bundle. */
static bool split(const char *given, char path[PATH_MAX], const char **name)
{
    const char *slash = strrchr(given, '/');
    *name = "";
    if (snprintf(path, PATH_MAX, "%s", given) < PATH_MAX && gs_reader_is_bundle(path))
        return true;
    if (!slash || slash == given || snprintf(path, PATH_MAX, "%.*s", (int)(slash - given), given) >= PATH_MAX)
        return false;
    *name = slash + 1;
    return gs_reader_is_bundle(path);
}

bool gs_cli_read_bundle_profile(const char *given, struct gs_profile **profile)
{
    char path[PATH_MAX], why[160], *bytes = NULL;
    const char *name;
    size_t length;
    *profile = NULL;
    if (!split(given, path, &name))
        return false;
    if (!*name && !find_profile(path, &name)) {
        gs_cli_complain(GS_EXIT_IO, "%s: there is no profile in this bundle", path);
        return true;
    }
    if (gs_cli_read_bundle_file(path, name, GS_PROFILE_BYTES_MAX, &bytes, &length) != GS_EXIT_OK)
        return true;
    *profile = gs_reader_profile(bytes, length, why, sizeof why);
    gs_free(bytes);
    if (!*profile)
        gs_cli_complain(GS_EXIT_IO, "%s/%s: %s", path, name, why);
    return true;
}

int gs_cli_show_bundle(const char *path, bool as_json)
{
    char why[200], *bytes = NULL;
    size_t length;
    int status = gs_cli_read_bundle_file(path, "incident.json", JSON_BYTES_MAX, &bytes, &length);
    if (status != GS_EXIT_OK)
        return status;
    json_t *json = gs_store_parse_incident(bytes, length, why, sizeof why);
    gs_free(bytes);
    if (!json)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", path, why);
    if (as_json) {
        bool added = json_object_set_new(json, "dir", gs_json_text(path)) == 0;
        status = gs_cli_print_json(added ? json : NULL);
    } else if ((status = gs_cli_read_bundle_file(path, "summary.txt", SUMMARY_BYTES_MAX, &bytes, &length)) ==
               GS_EXIT_OK) {
        if (!json_is_true(json_object_get(json, "complete")))
            puts("This incident is not complete; gumshoe show --json has the reasons.\n");
        gs_cli_print_escaped(bytes, length);
        gs_free(bytes);
    }
    json_decref(json);
    return status;
}
