/* symbolize.c - `gumshoe symbolize`: fills files, lines and inlined frames into a profile, or into all profiles of an incident. */
#include "base/text.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "reader/reader.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEBUG_DIRS_MAX = 16, SECONDS_MAX = 24 * 3600 };

/* Print NOTES on standard error, a line at a time; each line once. */
static void print_notes(const struct gs_text *notes, const char *name)
{
    for (const char *at = notes->bytes; at && *at;) {
        const char *end = strchr(at, '\n');
        int length = end ? (int)(end - at) : (int)strlen(at);
        gs_cli_complain(GS_EXIT_OK, "%s: %.*s", name, length, at);
        at += length + (end != NULL);
    }
}

static int report(int error, const char *name, const struct gs_text *notes)
{
    print_notes(notes, name);
    if (error == -ENODATA)
        return gs_cli_complain(GS_EXIT_NEGATIVE, "%s: no names or lines were found", name);
    if (error == -EBADMSG)
        return GS_EXIT_IO;
    return error ? gs_cli_complain(GS_EXIT_IO, "%s: %s", name,
                                   error == -EINVAL ? "it is not a file" : strerrordesc_np(-error))
                 : GS_EXIT_OK;
}

/* Fill in the profile PATH, or write the result to OUT. */
static int symbolize_file(const char *path, const char *out, const struct gs_symbolize_options *options)
{
    char real[PATH_MAX], *slash;
    struct gs_text notes = {0};
    if (!realpath(path, real))
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", path, strerrordesc_np(errno));
    slash = strrchr(real, '/');
    *slash = 0;
    int dirfd = gs_file_openat(AT_FDCWD, *real ? real : "/", O_RDONLY | O_DIRECTORY, 0);
    int error = dirfd < 0 ? dirfd : gs_reader_symbolize_file(dirfd, slash + 1, out, options, &notes);
    int status = report(error, path, &notes);
    if (dirfd >= 0)
        close(dirfd);
    gs_text_fini(&notes);
    return status;
}

static bool is_profile(const char *name)
{
    size_t length = strlen(name);
    return name[0] != '.' && length > 6 && strcmp(name + length - 6, ".pb.gz") == 0 &&
           !gs_reader_is_original(name);
}

static bool is_incident(const char *path)
{
    char file[PATH_MAX];
    struct stat status;
    return snprintf(file, sizeof file, "%s/incident.json", path) < PATH_MAX && lstat(file, &status) == 0;
}

/* Fill in every profile of the folder PATH. The status is GS_EXIT_OK if one of them was. */
static int symbolize_folder(const char *path, const struct gs_symbolize_options *options,
                            const struct gs_option_list *plumbing)
{
    if (is_incident(path))
        return gs_cli_symbolize_incident(path, options, plumbing);
    if (plumbing->count)
        return gs_cli_complain(GS_EXIT_USAGE, "%s: --plumbing is for incidents", path);
    int dirfd = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0), status = GS_EXIT_NEGATIVE;
    if (dirfd < 0)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", path, strerrordesc_np(-dirfd));
    struct gs_dir dir;
    gs_file_dir_start(&dir, dirfd);
    for (const char *name; (name = gs_file_dir_next(&dir)) != NULL;) {
        struct gs_text notes = {0};
        if (is_profile(name) &&
            report(gs_reader_symbolize_file(dirfd, name, NULL, options, &notes), name, &notes) == GS_EXIT_OK)
            status = GS_EXIT_OK;
        gs_text_fini(&notes);
    }
    close(dirfd);
    return status;
}

int gs_cli_run_symbolize(struct gs_arguments *arguments)
{
    const char *dir[DEBUG_DIRS_MAX], *pattern[GS_CLI_PLUMBING_MAX], *out = NULL;
    struct gs_option_list dirs = {dir, 0, DEBUG_DIRS_MAX, "directories"},
                          plumbing = {pattern, 0, GS_CLI_PLUMBING_MAX, "patterns of --plumbing"};
    struct stat status;
    long long seconds = 0;
    int result;
    const struct gs_option options[] = {
        {NULL, 'o', .argument = "OUT", .text = &out,
         .help = "write the result there, and leave PROFILE as it is"},
        {"debug-dir", .argument = "DIR", .list = &dirs,
         .help =
             "look for debug files here, too: as in /usr/lib/debug, or in a copy of another machine's files"},
        {"seconds", .argument = "N", .number = &seconds, .min = 1, .max = SECONDS_MAX,
         .help = "give up on a profile after N seconds (default: 120)"},
        GS_OPTION_PLUMBING(&plumbing, ", in an\nincident"),
        {.argument = "PROFILE|INCIDENT", .help = "a profile, or an incident's folder: all of its profiles"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &result))
        return result;
    if (arguments->operand_count != 1)
        return gs_cli_usage(arguments->command,
                            arguments->operand_count ? "one profile at a time" : "which profile?");
    const char *path = arguments->operand[0];
    struct gs_symbolize_options how = {
        .debug_dir = dir, .debug_dir_count = dirs.count, .seconds = (unsigned)seconds};
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode))
        return plumbing.count ? gs_cli_usage(arguments->command, "--plumbing is for incidents")
                              : symbolize_file(path, out, &how);
    if (out)
        return gs_cli_usage(arguments->command, "-o takes the result of one profile, and %s is a folder",
                            path);
    return symbolize_folder(path, &how, &plumbing);
}
