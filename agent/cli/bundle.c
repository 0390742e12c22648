/* bundle.c - `gumshoe bundle`: an incident as one file that can be read on another machine.
 *
 *   F.tar.gz: NAME/  the incident's files, profiles with names and lines
 *                    bundle.json     what the process had mapped, and what is missing here
 *                    symbols/        with --with-symbols: for --debug-dir, and for gdb's debug-file-directory */
#include "cli/bundle.h"
#include "base/clock.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEBUG_DIRS_MAX = 16, SUMMARY_BYTES_MAX = 1 << 20 };

struct bundle {
    const char *incident, *out, *key_file, *names;
    bool with_symbols, anonymize;
    char debug_dir[DEBUG_DIRS_MAX][PATH_MAX]; // absolute
    const char *dir[DEBUG_DIRS_MAX];
    struct gs_symbolize_options symbolize;
    struct gs_bundle_copy copy;
    struct gs_bundle_modules modules;
    int64_t time_s;
};

/* ---- the copy --------------------------------------------------------------------------------------------------- */

/* Fill lines into the copy's profiles. Messages shall name the incident, not where its copy is: hence the change of directory. */
static int add_lines(struct bundle *bundle)
{
    char why[160];
    json_t *json = gs_store_read_incident(bundle->copy.fd, why, sizeof why);
    if (!json)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", bundle->incident, why);
    bool complete = json_is_true(json_object_get(json, "complete"));
    const struct gs_option_list no_plumbing = {0};
    int64_t triggered_ns = 0;
    if (gs_store_time_read(gs_cli_json_text(json, "triggered", ""), &triggered_ns))
        bundle->time_s = triggered_ns / GS_NS_PER_S;
    json_decref(json);
    int here = gs_file_openat(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY, 0), status = GS_EXIT_OK;
    if (here < 0 || chdir(bundle->copy.base) != 0)
        status = gs_cli_complain(GS_EXIT_IO, "%s: %s", bundle->copy.base, strerrordesc_np(errno));
    else if (
        complete) // names that cannot be found are no failure: the bundle is made where they might not be
        (void)gs_cli_symbolize_incident(bundle->copy.name, &bundle->symbolize, &no_plumbing);
    if (here >= 0 && fchdir(here) != 0)
        status = gs_cli_complain(GS_EXIT_IO, "the current directory: %s", strerrordesc_np(errno));
    if (here >= 0)
        close(here);
    return status;
}

static int rewrite_summary(const struct gs_bundle_copy *copy, const struct gs_text *text)
{
    char why[160];
    int error = gs_cli_bundle_write(copy, "summary.txt", text->bytes, text->length);
    json_t *json = error ? NULL : gs_store_read_incident(copy->fd, why, sizeof why);
    if (json)
        error = gs_cli_bundle_list(copy, json);
    json_decref(json);
    return error;
}

/* In summary.txt, name the folder alone where the text names its place on this machine. */
static int strip_paths(const struct bundle *bundle)
{
    char real[PATH_MAX], *text = NULL;
    size_t length;
    struct gs_text out = {0};
    if (!realpath(bundle->incident, real) ||
        gs_file_read(bundle->copy.fd, "summary.txt", SUMMARY_BYTES_MAX, &text, &length) != 0)
        return GS_EXIT_OK;
    const char *at = text;
    for (const char *found; (found = strstr(at, real)) != NULL; at = found + strlen(real)) {
        gs_text_add_bytes(&out, at, (size_t)(found - at));
        gs_text_add(&out, "%s", bundle->copy.name);
    }
    gs_text_add_bytes(&out, at, strlen(at));
    int error = out.failed ? -ENOMEM : 0;
    if (!error && strlen(text) == length && at != text)
        error = rewrite_summary(&bundle->copy, &out);
    gs_text_fini(&out);
    gs_free(text);
    return error ? gs_cli_complain(GS_EXIT_IO, "summary.txt: %s", strerrordesc_np(-error)) : GS_EXIT_OK;
}

/* ---- bundle.json ------------------------------------------------------------------------------------------------ */

static json_t *module_json(struct bundle *bundle, const struct gs_bundle_module *module)
{
    char symbols[PATH_MAX];
    if (bundle->with_symbols && !module->file && *module->path == '/')
        gs_cli_bundle_leave_out(&bundle->copy, module->path, "no file with its build id is here");
    return json_pack("{s:o, s:o, s:o}", "path", gs_json_printable(module->path), "build_id",
                     gs_json_printable(module->build_id), "symbols",
                     module->file && gs_cli_bundle_symbol_name(module, symbols) ? json_string(symbols)
                                                                                : json_null());
}

static int write_index(struct bundle *bundle)
{
    struct gs_json modules = gs_json_array(), index = gs_json_object();
    struct gs_text text = {0};
    for (size_t i = 0; i < bundle->modules.count; i++)
        gs_json_add(&modules, module_json(bundle, &bundle->modules.item[i]));
    gs_json_set(&index, "version", json_integer(1));
    gs_json_set(&index, "anonymous", json_boolean(bundle->anonymize));
    gs_json_set(&index, "modules", gs_json_take(&modules));
    gs_json_set(&index, "left_out",
                bundle->anonymize ? json_array() : json_deep_copy(bundle->copy.left_out.json));
    json_t *json = gs_json_take(&index);
    gs_json_print(json, JSON_INDENT(2), &text);
    json_decref(json);
    int error =
        text.failed ? -ENOMEM : gs_cli_bundle_write(&bundle->copy, "bundle.json", text.bytes, text.length);
    gs_text_fini(&text);
    return error;
}

/* ---- the archive ------------------------------------------------------------------------------------------------ */

static int add_files(struct bundle *bundle, struct gs_bundle_writer *writer)
{
    struct gs_bundle_files files = {0};
    int error = gs_cli_bundle_files(&bundle->copy, &files);
    for (size_t i = 0; !error && i < files.count; i++) {
        int fd = gs_store_open_regular(bundle->copy.fd, files.name[i]);
        error = fd < 0 ? fd : gs_reader_bundle_add(writer, files.name[i], fd);
        if (fd >= 0)
            close(fd);
    }
    gs_cli_bundle_files_fini(&files);
    return error;
}

static int by_build_id(const void *a, const void *b)
{
    const struct gs_bundle_module *left = a, *right = b;
    int order = strcmp(left->build_id, right->build_id);
    return order ? order : strcmp(left->path, right->path);
}

static int add_symbols(struct bundle *bundle, struct gs_bundle_writer *writer)
{
    char name[PATH_MAX];
    const char *last = "";
    int error = 0;
    if (bundle->modules.count)
        qsort(bundle->modules.item, bundle->modules.count, sizeof *bundle->modules.item, by_build_id);
    for (size_t i = 0; !error && i < bundle->modules.count; i++) {
        const struct gs_bundle_module *module = &bundle->modules.item[i];
        if (!module->file || strcmp(module->build_id, last) == 0 || !gs_cli_bundle_symbol_name(module, name))
            continue;
        int fd = gs_file_open_regular(module->file);
        error = fd < 0 ? fd : gs_reader_bundle_add(writer, name, fd);
        if (fd >= 0)
            close(fd);
        last = module->build_id;
    }
    return error;
}

static int write_archive(struct bundle *bundle, int fd)
{
    struct gs_bundle_writer *writer;
    int error = gs_cli_bundle_modules(&bundle->copy, bundle->with_symbols ? &bundle->symbolize : NULL,
                                      &bundle->modules);
    if (!error)
        error = write_index(bundle);
    if (!error)
        error = gs_reader_bundle_begin(fd, bundle->copy.name, bundle->time_s, &writer);
    if (error)
        return error;
    error = add_files(bundle, writer);
    if (!error)
        error = add_symbols(bundle, writer);
    int end = gs_reader_bundle_end(writer);
    return error ? error : end;
}

/* Write the archive under a temporary name, and rename it: OUT is there as a whole or not at all. */
static int write_out(struct bundle *bundle)
{
    char temporary[PATH_MAX] = "";
    bool to_stdout = strcmp(bundle->out, "-") == 0;
    if (!to_stdout && snprintf(temporary, sizeof temporary, "%s.%d", bundle->out, (int)getpid()) >= PATH_MAX)
        return -ENAMETOOLONG;
    int fd = to_stdout ? STDOUT_FILENO
                       : gs_file_openat(AT_FDCWD, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fd;
    int error = write_archive(bundle, fd);
    if (to_stdout)
        return error;
    if (!error && fsync(fd) != 0)
        error = -errno;
    close(fd);
    if (!error && rename(temporary, bundle->out) != 0)
        error = -errno;
    if (error)
        unlink(temporary);
    return error;
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

/* The history file beside the incident, which the copy does not have; -1: none, and none for an anonymous copy. */
static int open_past(const struct bundle *bundle)
{
    int folder =
            bundle->anonymize ? -1 : gs_file_openat(AT_FDCWD, bundle->incident, O_RDONLY | O_DIRECTORY, 0),
        past = folder < 0 ? -1 : gs_reader_open_past(folder);
    if (folder >= 0)
        close(folder);
    return past < 0 ? -1 : past;
}

/* Write the page of the copy, in the names that it has now. A page that cannot be made is missing, which is said. */
static int add_page(struct bundle *bundle)
{
    const struct gs_page_incident from = {.folder = bundle->copy.fd, .past = open_past(bundle)};
    struct gs_text page = {0};
    char why[200];
    int error = gs_reader_page_incident(&from, &page, why, sizeof why);
    if (from.past >= 0)
        close(from.past);
    if (error)
        gs_cli_complain(GS_EXIT_OK, "%s: no report.html: %s", bundle->incident, why);
    else
        error = gs_cli_bundle_write(&bundle->copy, "report.html", page.bytes, page.length);
    json_t *json = error ? NULL : gs_store_read_incident(bundle->copy.fd, why, sizeof why);
    if (json)
        error = gs_cli_bundle_list(&bundle->copy, json);
    json_decref(json);
    gs_text_fini(&page);
    return error == -EBADMSG ? 0 : error;
}

static int make(struct bundle *bundle)
{
    char why[160];
    json_t *json = gs_store_load_incident(bundle->incident, why, sizeof why);
    if (!json)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", bundle->incident, why);
    json_decref(json);
    int status = gs_cli_bundle_copy(bundle->incident, &bundle->copy);
    if (status == GS_EXIT_OK)
        status = add_lines(bundle);
    if (status == GS_EXIT_OK)
        status = bundle->anonymize ? gs_cli_bundle_anonymize(&bundle->copy, bundle->key_file, bundle->names)
                                   : strip_paths(bundle);
    if (status == GS_EXIT_OK) {
        int error = add_page(bundle);
        error = error ? error : write_out(bundle);
        if (error)
            status = gs_cli_complain(GS_EXIT_IO, "%s: %s", bundle->out, strerrordesc_np(-error));
    }
    gs_cli_bundle_modules_fini(&bundle->modules);
    gs_cli_bundle_remove(&bundle->copy);
    return status;
}

/* Make the directories of --debug-dir absolute. */
static int resolve_dirs(struct bundle *bundle, const struct gs_option_list *given)
{
    for (size_t i = 0; i < given->count; i++) {
        if (!realpath(given->item[i], bundle->debug_dir[i]))
            return gs_cli_complain(GS_EXIT_IO, "%s: %s", given->item[i], strerrordesc_np(errno));
        bundle->dir[i] = bundle->debug_dir[i];
    }
    bundle->symbolize = (struct gs_symbolize_options){
        .debug_dir = bundle->dir, .debug_dir_count = given->count, .only_failures = true};
    return GS_EXIT_OK;
}

/* Can a file be made at PATH? Asked before the work, not after it. */
static int check_out(const char *path)
{
    char folder[PATH_MAX];
    struct stat status;
    if (lstat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return gs_cli_complain(GS_EXIT_IO, "%s: it is there, and not a file; -o - writes to standard output",
                               path);
    int length = snprintf(folder, sizeof folder, "./%s", path);
    if (length < 0 || length >= PATH_MAX)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", path, strerrordesc_np(ENAMETOOLONG));
    *strrchr(folder, '/') = 0;
    const char *dir = *path == '/' ? (folder[2] ? folder + 2 : "/") : folder;
    return access(dir, W_OK) == 0 ? GS_EXIT_OK
                                  : gs_cli_complain(GS_EXIT_IO, "%s: %s", path, strerrordesc_np(errno));
}

/* Check what the options of BUNDLE ask for together. */
static int check(const struct gs_arguments *arguments, const struct bundle *bundle)
{
    struct stat status;
    const struct gs_command *command = arguments->command;
    if (arguments->operand_count != 1)
        return gs_cli_usage(command, arguments->operand_count ? "one incident at a time" : "which incident?");
    if (!bundle->out)
        return gs_cli_usage(command, "-o FILE is missing: it says where the archive is written");
    if (bundle->anonymize && bundle->with_symbols)
        return gs_cli_usage(command, "symbols are names: --with-symbols and --anonymize exclude each other");
    if (!bundle->anonymize && (bundle->key_file || bundle->names))
        return gs_cli_usage(command, "--key and --names are for --anonymize");
    if (strcmp(bundle->out, "-") == 0 && isatty(STDOUT_FILENO))
        return gs_cli_usage(command, "the archive is not written to a terminal: -o FILE names a file");
    if (strcmp(bundle->out, "-") != 0 && check_out(bundle->out) != GS_EXIT_OK)
        return GS_EXIT_IO;
    if (stat(arguments->operand[0], &status) != 0)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", arguments->operand[0], strerrordesc_np(errno));
    if (!S_ISDIR(status.st_mode))
        return gs_cli_complain(GS_EXIT_IO, "%s: it is not an incident's folder", arguments->operand[0]);
    return GS_EXIT_OK;
}

int gs_cli_run_bundle(struct gs_arguments *arguments)
{
    const char *dir[DEBUG_DIRS_MAX];
    struct gs_option_list dirs = {dir, 0, DEBUG_DIRS_MAX, "directories"};
    int status;
    struct bundle *bundle = gs_alloc(sizeof *bundle);
    if (!bundle)
        return gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    const struct gs_option options[] = {
        {NULL, 'o', .argument = "FILE", .text = &bundle->out,
         .help = "the archive, a .tar.gz; -: standard output"},
        {"with-symbols", .set = &bundle->with_symbols,
         .help = "add the symbols of the program and its libraries, as far as they are on this machine"},
        {"anonymize", .set = &bundle->anonymize,
         .help =
             "replace every name (functions, files, hosts, threads, labels, rules) by a stand-in,\nand leave "
             "texts and paths out"},
        {"key", .argument = "FILE", .text = &bundle->key_file,
         .help =
             "with this secret key: the same names get the same stand-ins in several bundles\n(default: a "
             "random key, which is not kept)"},
        {"names", .argument = "FILE", .text = &bundle->names,
         .help = "write the stand-ins with their names to FILE, which stays with you"},
        {"debug-dir", .argument = "DIR", .list = &dirs, .help = "look for debug files here, too"},
        {.argument = "INCIDENT", .help = "an incident's folder"},
        {0},
    };
    if (gs_cli_read_options(arguments, options, &status)) {
        status = check(arguments, bundle);
        bundle->incident = arguments->operand[0];
        if (status == GS_EXIT_OK)
            status = resolve_dirs(bundle, &dirs);
        if (status == GS_EXIT_OK)
            status = make(bundle);
    }
    gs_free(bundle);
    return status;
}
