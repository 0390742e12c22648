/* debug_files.c - opens a program's file and the files that hold its debug information.
 *
 *   mapping's path ──same build id?──▶ program ──.gnu_debuglink, build id──▶ debug ──.gnu_debugaltlink──▶ supplement (dwz)
 *                                         └──.gnu_debugdata──▶ mini
 *
 * Nothing is taken from a file of another build. Nothing is fetched from the network.
 * Who: the CLI. Bounds: files are mapped, and one module's at a time. */
#include "base/text.h"
#include "reader/lines.h"
#include <stdio.h>
#include <string.h>

static bool has_dwarf(Elf *elf)
{
    return gs_reader_elf_has(elf, ".debug_info") || gs_reader_elf_has(elf, ".zdebug_info");
}

/* Open FILE at PATH if it is MODULE's build; if it is another, MODULE->wrong_build is set. */
static bool open_program(struct gs_module *module, const char *path)
{
    char id[GS_ELF_ID_HEX];
    if (!gs_reader_open_elf(path, &module->program))
        return false;
    gs_reader_elf_build_id(module->program.elf, id);
    if (strcmp(id, module->build_id) == 0)
        return true;
    module->wrong_build = true;
    gs_reader_close_elf(&module->program);
    return false;
}

/* The program under a directory that --debug-dir names: a copy of the other machine's files. */
static bool open_copy(struct gs_module *module)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < module->options->debug_dir_count; i++) {
        const char *dir = module->options->debug_dir[i];
        if (snprintf(path, sizeof path, "%s%s", dir, module->path) < PATH_MAX && open_program(module, path))
            return true;
        if (snprintf(path, sizeof path, "%s/%s", dir, gs_text_base_name(module->path)) < PATH_MAX &&
            open_program(module, path))
            return true;
    }
    return gs_reader_find_by_id(module, module->build_id, false, &module->program);
}

void gs_reader_open_module(struct gs_module *module)
{
    bool found = open_program(module, module->path) || open_copy(module);
    if (found && has_dwarf(module->program.elf))
        return;
    if (!gs_reader_find_debug(module))
        gs_reader_close_elf(&module->debug);
}

struct gs_debug_elf *gs_reader_module_dwarf(struct gs_module *module)
{
    if (module->debug.elf && has_dwarf(module->debug.elf))
        return &module->debug;
    return module->program.elf && has_dwarf(module->program.elf) ? &module->program : NULL;
}

void gs_reader_close_module(struct gs_module *module)
{
    gs_reader_close_elf(&module->package);
    gs_reader_close_elf(&module->mini);
    gs_reader_close_elf(&module->supplement);
    gs_reader_close_elf(&module->debug);
    gs_reader_close_elf(&module->program);
}
