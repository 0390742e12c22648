/* symbol_file.c - which file on this machine has the symbols of a mapped file, for `gumshoe bundle --with-symbols`. */
#include "base/memory.h"
#include "reader/lines.h"
#include <stdio.h>

bool gs_reader_symbol_file(const char *path, const char *build_id, const struct gs_symbolize_options *options,
                           char out[PATH_MAX])
{
    struct gs_module *module = gs_alloc(sizeof *module);
    bool found = false;
    if (!module || !*build_id) {
        gs_free(module);
        return false;
    }
    module->path = path;
    module->build_id = build_id;
    module->options = options;
    gs_reader_open_module(module);
    const struct gs_debug_elf *file = gs_reader_module_dwarf(module);
    if (!file)
        file = module->debug.elf ? &module->debug : &module->program;
    if (file->elf && !file->bytes) {
        snprintf(out, PATH_MAX, "%s", file->path);
        found = true;
    }
    gs_reader_close_module(module);
    gs_free(module);
    return found;
}
