/* bundle_copy.c - a copy of an incident's folder in a temporary directory. The folder is not trusted: links and other things than
 * regular files are left out, and sizes are bounded. */
#include "base/memory.h"
#include "base/sort.h"
#include "cli/bundle.h"
#include "cli/cli.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 256, FILE_BYTES_MAX = GS_PROFILE_BYTES_MAX, ALL_BYTES_MAX = 1 << 30 };

void gs_cli_bundle_leave_out(struct gs_bundle_copy *copy, const char *name, const char *why)
{
    struct gs_text text = {0};
    gs_text_add_printable(&text, name);
    gs_text_add(&text, ": %s", why);
    gs_cli_complain(GS_EXIT_OK, "left out: %s", text.bytes ? text.bytes : "");
    gs_json_add(&copy->left_out, gs_json_printable(text.bytes));
    gs_text_fini(&text);
}

/* ---- names ------------------------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void gs_cli_bundle_files_fini(struct gs_bundle_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        gs_free(files->name[i]);
    gs_free(files->name);
    *files = (struct gs_bundle_files){0};
}

/* The names in folder FD that do not begin with a dot. -E2BIG: too many. */
static int names_of(int fd, struct gs_bundle_files *out)
{
    struct gs_dir dir;
    int error = 0;
    *out = (struct gs_bundle_files){.name = gs_alloc(FILES_MAX * sizeof(*out->name))};
    if (!out->name)
        return -ENOMEM;
    gs_file_dir_start(&dir, fd);
    for (const char *name; !error && (name = gs_file_dir_next(&dir)) != NULL;) {
        if (*name == '.')
            continue;
        char *copy = out->count < FILES_MAX ? gs_strdup(name) : NULL;
        if (copy)
            out->name[out->count++] = copy;
        else
            error = out->count < FILES_MAX ? -ENOMEM : -E2BIG;
    }
    gs_sort(out->name, out->count, sizeof *out->name, by_name);
    if (error)
        gs_cli_bundle_files_fini(out);
    return error;
}

int gs_cli_bundle_files(const struct gs_bundle_copy *copy, struct gs_bundle_files *out)
{
    return names_of(copy->fd, out);
}

/* ---- copying ---------------------------------------------------------------------------------------------------- */

/* Copy FROM to TO, at most *ROOM bytes, which it takes off. -EFBIG: there are more. */
static int copy_bytes(int from, int to, uint64_t *room)
{
    enum { BLOCK = 65536 };
    char block[BLOCK];
    uint64_t length = 0;
    for (;;) {
        ssize_t count = read(from, block, sizeof block);
        if (count <= 0)
            return count == 0 ? 0 : -errno;
        length += (uint64_t)count;
        if (length > FILE_BYTES_MAX || (uint64_t)count > *room)
            return -EFBIG;
        *room -= (uint64_t)count;
        int error = gs_file_write_all(to, block, (size_t)count);
        if (error)
            return error;
    }
}

static int copy_file(int folder, const char *name, struct gs_bundle_copy *copy, uint64_t *room)
{
    int from = gs_store_open_regular(folder, name);
    if (from < 0) {
        gs_cli_bundle_leave_out(
            copy, name, from == -EINVAL || from == -ELOOP ? "it is not a file" : strerrordesc_np(-from));
        return 0;
    }
    int to = gs_file_openat(copy->fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    int error = to < 0 ? to : copy_bytes(from, to, room);
    if (to >= 0 && close(to) != 0 && !error)
        error = -errno;
    close(from);
    return error;
}

static int copy_files(const char *path, struct gs_bundle_copy *copy)
{
    uint64_t room = ALL_BYTES_MAX;
    struct gs_bundle_files files = {0};
    int folder = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    int error = folder < 0 ? folder : names_of(folder, &files);
    if (error == -E2BIG)
        gs_cli_complain(GS_EXIT_IO, "%s: it has more than %d files", path, FILES_MAX);
    else if (error)
        gs_cli_complain(GS_EXIT_IO, "%s: %s", path, strerrordesc_np(-error));
    for (size_t i = 0; !error && i < files.count; i++) {
        error = copy_file(folder, files.name[i], copy, &room);
        if (error)
            gs_cli_complain(GS_EXIT_IO, "%s/%s: %s", path, files.name[i],
                            error == -EFBIG ? "it is larger than 512 MiB, or all files together than 1 GiB"
                                            : strerrordesc_np(-error));
    }
    gs_cli_bundle_files_fini(&files);
    if (folder >= 0)
        close(folder);
    return error ? GS_EXIT_IO : GS_EXIT_OK;
}

/* The name of the incident's folder PATH, without what a bundle's folder must not have. */
static void name_folder(const char *path, char out[NAME_MAX + 1])
{
    char real[PATH_MAX];
    const char *name = realpath(path, real) ? gs_text_base_name(real) : "";
    snprintf(out, NAME_MAX + 1, "%s", *name && *name != '.' ? name : "incident");
}

static int make_folder(struct gs_bundle_copy *copy)
{
    const char *dir = getenv("TMPDIR");
    char path[PATH_MAX + NAME_MAX + 2];
    snprintf(copy->base, sizeof copy->base, "%s/gumshoe-bundle-XXXXXX", dir && *dir ? dir : "/tmp");
    if (!mkdtemp(copy->base)) {
        int error = errno;
        gs_cli_complain(GS_EXIT_IO, "%s: %s", copy->base, strerrordesc_np(error));
        copy->base[0] = 0;
        return GS_EXIT_IO;
    }
    snprintf(path, sizeof path, "%s/%s", copy->base, copy->name);
    if (mkdir(path, 0700) != 0)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", path, strerrordesc_np(errno));
    copy->fd = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    return copy->fd < 0 ? gs_cli_complain(GS_EXIT_IO, "%s: %s", path, strerrordesc_np(-copy->fd))
                        : GS_EXIT_OK;
}

int gs_cli_bundle_copy(const char *path, struct gs_bundle_copy *out)
{
    *out = (struct gs_bundle_copy){.fd = -1, .left_out = gs_json_array()};
    name_folder(path, out->name);
    int status = make_folder(out);
    return status == GS_EXIT_OK ? copy_files(path, out) : status;
}

/* ---- the copy --------------------------------------------------------------------------------------------------- */

int gs_cli_bundle_rename(struct gs_bundle_copy *copy, const char *name)
{
    char from[PATH_MAX + NAME_MAX + 2], to[PATH_MAX + NAME_MAX + 2];
    snprintf(from, sizeof from, "%s/%s", copy->base, copy->name);
    snprintf(to, sizeof to, "%s/%s", copy->base, name);
    if (rename(from, to) != 0)
        return -errno;
    snprintf(copy->name, sizeof copy->name, "%s", name);
    return 0;
}

int gs_cli_bundle_write(const struct gs_bundle_copy *copy, const char *name, const char *bytes, size_t length)
{
    if (unlinkat(copy->fd, name, 0) != 0 && errno != ENOENT)
        return -errno;
    int fd = gs_file_openat(copy->fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    int error = fd < 0 ? fd : gs_file_write_all(fd, bytes, length);
    if (fd >= 0 && close(fd) != 0 && !error)
        error = -errno;
    return error;
}

int gs_cli_bundle_list(const struct gs_bundle_copy *copy, json_t *json)
{
    struct gs_bundle_files files = {0};
    struct gs_json list = gs_json_array(), incident = {.json = json};
    struct gs_text text = {0};
    int error = gs_cli_bundle_files(copy, &files);
    for (size_t i = 0; !error && i < files.count; i++) {
        json_t *entry = NULL;
        if (strcmp(files.name[i], "incident.json") == 0)
            continue;
        error = gs_store_file_entry(copy->fd, files.name[i], &entry);
        gs_json_add(&list, entry);
    }
    gs_json_set(&incident, "files", gs_json_take(&list));
    gs_cli_bundle_files_fini(&files);
    gs_json_print(json, JSON_INDENT(2), &text);
    if (!error)
        error = incident.failed || text.failed
                    ? -ENOMEM
                    : gs_cli_bundle_write(copy, "incident.json", text.bytes, text.length);
    gs_text_fini(&text);
    return error;
}

void gs_cli_bundle_remove(struct gs_bundle_copy *copy)
{
    char path[PATH_MAX + NAME_MAX + 2];
    struct gs_dir dir;
    if (copy->fd >= 0) {
        gs_file_dir_start(&dir, copy->fd);
        for (const char *name; (name = gs_file_dir_next(&dir)) != NULL;)
            unlinkat(copy->fd, name, 0);
        close(copy->fd);
    }
    if (*copy->base) {
        snprintf(path, sizeof path, "%s/%s", copy->base, copy->name);
        rmdir(path);
        rmdir(copy->base);
    }
    json_decref(copy->left_out.json);
    *copy = (struct gs_bundle_copy){.fd = -1};
}
