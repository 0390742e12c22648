/* show.c - `gumshoe show`: prints one incident's summary, which was written when it was captured. With --plumbing it is written
 * anew, in memory: the incident stays as it is. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/renaming.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SUMMARY_BYTES_MAX = 1 << 20 };

/* Store the path of the newest incident of DIR whose name begins with PREFIX in OUT. Returns GS_EXIT_NEGATIVE if there is
 * none. */
static int find_incident(const char *dir, const char *prefix, char out[PATH_MAX])
{
    struct gs_store_list list;
    int error = gs_store_list(dir, &list), status = GS_EXIT_NEGATIVE;
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", dir, strerrordesc_np(-error));
    for (size_t i = list.count; i-- > 0 && status == GS_EXIT_NEGATIVE;)
        if (strncmp(list.entry[i].name, prefix, strlen(prefix)) == 0) {
            snprintf(out, PATH_MAX, "%s/%s", dir, list.entry[i].name);
            status = GS_EXIT_OK;
        }
    if (status == GS_EXIT_NEGATIVE && *prefix)
        gs_cli_complain(GS_EXIT_NEGATIVE, "%s: no incident's name begins with \"%s\"", dir, prefix);
    else if (status == GS_EXIT_NEGATIVE)
        gs_cli_complain(GS_EXIT_NEGATIVE, "no incidents in %s", dir);
    gs_store_list_fini(&list);
    return status;
}

/* Find the incident that NAME means: a folder, or the beginning of a folder's name in DIR; NULL: the newest. */
static int find_folder(const char *name, const char *dir, char out[PATH_MAX])
{
    struct stat status;
    if (name && stat(name, &status) == 0 && S_ISDIR(status.st_mode)) {
        snprintf(out, PATH_MAX, "%s", name);
        return GS_EXIT_OK;
    }
    if (name && strchr(name, '/'))
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", name, strerrordesc_np(errno ? errno : ENOENT));
    return find_incident(dir, name ? name : "", out);
}

/* Remove trailing slashes: the store refuses a folder that is a link, and "link/" would hide that. */
static void remove_trailing_slashes(char *path)
{
    for (size_t length = strlen(path); length > 1 && path[length - 1] == '/';)
        path[--length] = 0;
}

/* Read the incident PATH and describe it without culprits that match PLUMBING. Returns an exit status. */
static int read_anew(struct gs_renaming *renaming, const char *path, const struct gs_option_list *plumbing)
{
    int fd = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0),
        error = fd < 0 ? fd : gs_owned_fd_take(&renaming->folder, fd);
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", path, strerrordesc_np(-error));
    renaming->path = path;
    int status = gs_cli_renaming_read(renaming);
    if (status == GS_EXIT_OK)
        status = gs_cli_renaming_add_plumbing(renaming, plumbing);
    if (status == GS_EXIT_OK &&
        (gs_cli_renaming_words(renaming) || gs_cli_renaming_json(renaming, renaming->json)))
        status = gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    return status;
}

static int show_anew(const char *path, const struct gs_option_list *plumbing, bool as_json)
{
    struct gs_renaming *renaming = gs_alloc(sizeof *renaming);
    if (!renaming)
        return gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    int status = read_anew(renaming, path, plumbing);
    if (status == GS_EXIT_OK && as_json) {
        bool added = json_object_set_new(renaming->json, "dir", gs_json_text(path)) == 0;
        status = gs_cli_print_json(added ? renaming->json : NULL);
    } else if (status == GS_EXIT_OK) {
        gs_cli_print_escaped(renaming->summary.bytes, renaming->summary.length);
    }
    gs_cli_renaming_fini(renaming);
    gs_owned_fd_close(&renaming->folder);
    gs_free(renaming);
    return status;
}

static int print_summary(const char *path)
{
    char *text = NULL;
    size_t length;
    int error = gs_store_read_incident_file(path, "summary.txt", SUMMARY_BYTES_MAX, &text, &length);
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s/summary.txt: %s", path, strerrordesc_np(-error));
    gs_cli_print_escaped(text, length);
    gs_free(text);
    return GS_EXIT_OK;
}

static void print_failures(const json_t *errors)
{
    size_t i;
    const json_t *error;
    puts("This incident is not complete:");
    json_array_foreach(errors, i, error)
    {
        fputs("  ", stdout);
        gs_cli_print_line(json_string_value(error) ? json_string_value(error) : "");
    }
    putchar('\n');
}

static int show(const char *path, bool as_json)
{
    char why[200];
    json_t *json = gs_store_load_incident(path, why, sizeof why);
    if (!json)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", path, why);
    int status = GS_EXIT_OK;
    if (as_json) {
        bool added = json_object_set_new(json, "dir", gs_json_text(path)) == 0;
        status = gs_cli_print_json(added ? json : NULL);
    } else {
        if (!json_boolean_value(json_object_get(json, "complete")))
            print_failures(json_object_get(json, "errors"));
        status = print_summary(path);
    }
    json_decref(json);
    return status;
}

int gs_cli_run_show(struct gs_arguments *arguments)
{
    const char *dir = gs_cli_default_dir(), *pattern[GS_CLI_PLUMBING_MAX];
    struct gs_option_list plumbing = {pattern, 0, GS_CLI_PLUMBING_MAX, "patterns of --plumbing"};
    char path[PATH_MAX];
    bool json = false;
    int status;
    const struct gs_option options[] = {
        {"json", .set = &json, .help = "incident.json instead of the summary"},
        {"dir", .argument = "DIR", .text = &dir,
         .help = "where to look (default: $GUMSHOE_DIR, else ./incidents)"},
        GS_OPTION_PLUMBING(&plumbing, ";\nthe incident stays as it is"),
        {.argument = "INCIDENT", .help = "a folder, or the beginning of a folder's name in DIR"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count > 1)
        return gs_cli_usage(arguments->command, "one incident at a time");
    status = find_folder(arguments->operand[0], dir, path);
    if (status != GS_EXIT_OK)
        return status;
    remove_trailing_slashes(path);
    return plumbing.count ? show_anew(path, &plumbing, json) : show(path, json);
}
