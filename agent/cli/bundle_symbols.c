/* bundle_symbols.c - the programs and libraries of an incident's profiles, and the files on this machine that have their symbols. */
#include "base/memory.h"
#include "cli/bundle.h"
#include "cli/cli.h"
#include "cli/view.h"
#include "sys/file.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MODULES_MAX = 4096 };

static bool is_known(const struct gs_bundle_modules *modules, const struct gs_profile_mapping *mapping)
{
    for (size_t i = 0; i < modules->count; i++)
        if (strcmp(modules->item[i].path, mapping->path) == 0 &&
            strcmp(modules->item[i].build_id, mapping->build_id) == 0)
            return true;
    return false;
}

static int add(struct gs_bundle_modules *modules, const struct gs_profile_mapping *mapping,
               const struct gs_symbolize_options *options)
{
    char file[PATH_MAX];
    if (modules->count == MODULES_MAX || !*mapping->path || is_known(modules, mapping))
        return 0;
    if (gs_grow(&modules->item, &modules->capacity, modules->count + 1, sizeof *modules->item))
        return -ENOMEM;
    struct gs_bundle_module *module = &modules->item[modules->count++];
    *module = (struct gs_bundle_module){gs_strdup(mapping->path), gs_strdup(mapping->build_id), NULL};
    if (!module->path || !module->build_id) {
        modules->count--;
        gs_free(module->path);
        gs_free(module->build_id);
        return -ENOMEM;
    }
    if (options && gs_cli_bundle_symbol_name(module, file) &&
        gs_reader_symbol_file(mapping->path, mapping->build_id, options, file))
        module->file = gs_strdup(file);
    return 0;
}

bool gs_cli_bundle_symbol_name(const struct gs_bundle_module *module, char out[PATH_MAX])
{
    const char *id = module->build_id;
    size_t length = strlen(id);
    if (length < 4 || length > 128 || id[strspn(id, "0123456789abcdef")])
        return false;
    snprintf(out, PATH_MAX, "symbols/.build-id/%.2s/%s.debug", id, id + 2);
    return true;
}

static bool is_profile(const char *name)
{
    size_t length = strlen(name);
    return length > 6 && strcmp(name + length - 6, ".pb.gz") == 0;
}

int gs_cli_bundle_modules(const struct gs_bundle_copy *copy, const struct gs_symbolize_options *options,
                          struct gs_bundle_modules *out)
{
    struct gs_bundle_files files = {0};
    int error = gs_cli_bundle_files(copy, &files);
    *out = (struct gs_bundle_modules){0};
    for (size_t i = 0; !error && i < files.count; i++) {
        char why[160], *bytes = NULL;
        size_t length;
        if (!is_profile(files.name[i]) ||
            gs_file_read(copy->fd, files.name[i], GS_PROFILE_BYTES_MAX, &bytes, &length) != 0)
            continue;
        struct gs_profile *profile = gs_reader_profile(bytes, length, why, sizeof why);
        for (size_t m = 0; profile && !error && m < profile->mapping_count; m++)
            error = add(out, &profile->mapping[m], options);
        gs_profile_free(profile);
        gs_free(bytes);
    }
    gs_cli_bundle_files_fini(&files);
    return error;
}

void gs_cli_bundle_modules_fini(struct gs_bundle_modules *modules)
{
    for (size_t i = 0; i < modules->count; i++) {
        gs_free(modules->item[i].path);
        gs_free(modules->item[i].build_id);
        gs_free(modules->item[i].file);
    }
    gs_free(modules->item);
    *modules = (struct gs_bundle_modules){0};
}
