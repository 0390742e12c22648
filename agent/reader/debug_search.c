/* debug_search.c - looks for debug files in the places where distributions and users put them:
 *
 *   DIR/.build-id/xx/yyyy.debug      DIR: each of --debug-dir, then /usr/lib/debug
 *   CACHE/xxyyyy/debuginfo           the local debuginfod cache; nothing is downloaded
 *   beside the program, .debug/ beside it, and DIR/path/of/program/      the name in .gnu_debuglink
 *   DIR/path/of/program.debug, DIR/program.debug                         for --debug-dir alone
 *
 * A file is taken only if its build id is the wanted one or, where there is none, if its CRC is the one in .gnu_debuglink.
 * Who: the CLI. */
#include "base/text.h"
#include "reader/lines.h"
#include <elfutils/libdwelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define SYSTEM_DEBUG_DIR "/usr/lib/debug"

/* ---- by build id ---------------------------------------------------------------------------------------------------- */

/* Open PATH if its build id is BUILD_ID. */
static bool open_build(const char *path, const char *build_id, struct gs_debug_elf *file)
{
    char id[GS_ELF_ID_HEX];
    if (!gs_reader_open_elf(path, file))
        return false;
    gs_reader_elf_build_id(file->elf, id);
    if (*id && strcmp(id, build_id) == 0)
        return true;
    gs_reader_close_elf(file);
    return false;
}

/* Directory INDEX to search: those of --debug-dir, then the system's; NULL: no more. */
static const char *debug_dir(const struct gs_module *module, size_t index)
{
    size_t count = module->options->debug_dir_count;
    return index < count ? module->options->debug_dir[index] : index == count ? SYSTEM_DEBUG_DIR : NULL;
}

/* The directory of debuginfod's cache into OUT, as its client finds it. False: there is no home directory. */
static bool cache_dir(char *out, size_t size)
{
    const char *cache = getenv("DEBUGINFOD_CACHE_PATH"), *xdg = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    int length = -1;
    if (cache && *cache)
        length = snprintf(out, size, "%s", cache);
    else if (xdg && *xdg)
        length = snprintf(out, size, "%s/debuginfod_client", xdg);
    else if (home && *home)
        length = snprintf(out, size, "%s/.cache/debuginfod_client", home);
    return length >= 0 && (size_t)length < size;
}

bool gs_reader_find_by_id(const struct gs_module *module, const char *build_id, bool debug,
                          struct gs_debug_elf *file)
{
    char path[PATH_MAX], cache[PATH_MAX];
    const char *dir;
    if (strlen(build_id) < 4)
        return false;
    for (size_t i = 0; (dir = debug_dir(module, i)) != NULL; i++)
        if (snprintf(path, sizeof path, "%s/.build-id/%.2s/%s%s", dir, build_id, build_id + 2,
                     debug ? ".debug" : "") < PATH_MAX &&
            open_build(path, build_id, file))
            return true;
    return cache_dir(cache, sizeof cache) &&
           snprintf(path, sizeof path, "%s/%s/%s", cache, build_id, debug ? "debuginfo" : "executable") <
               PATH_MAX &&
           open_build(path, build_id, file);
}

/* ---- by .gnu_debuglink ---------------------------------------------------------------------------------------------- */

static bool file_has_crc(int fd, uint32_t wanted)
{
    char bytes[64 << 10];
    uLong crc = crc32(0, NULL, 0);
    off_t at = 0;
    for (ssize_t length; (length = pread(fd, bytes, sizeof bytes, at)) > 0; at += length)
        crc = crc32(crc, (const Bytef *)bytes, (uInt)length);
    return crc == wanted;
}

/* Open PATH as the debug file of MODULE: by its build id, else by its CRC. */
static bool open_linked(struct gs_module *module, const char *path, GElf_Word crc)
{
    char id[GS_ELF_ID_HEX];
    if (*module->build_id)
        return open_build(path, module->build_id, &module->debug);
    if (!gs_reader_open_elf(path, &module->debug))
        return false;
    gs_reader_elf_build_id(module->debug.elf, id);
    if (*id == 0 && file_has_crc(module->debug.fd, crc))
        return true;
    gs_reader_close_elf(&module->debug);
    return false;
}

static bool find_linked(struct gs_module *module)
{
    GElf_Word crc = 0;
    const char *name = module->program.elf ? dwelf_elf_gnu_debuglink(module->program.elf, &crc) : NULL, *dir;
    char path[PATH_MAX], real[PATH_MAX];
    if (!name || !*name || strchr(name, '/') || !realpath(module->program.path, real))
        return false;
    int folder = (int)(gs_text_base_name(real) - real);
    if (snprintf(path, sizeof path, "%.*s%s", folder, real, name) < PATH_MAX && strcmp(path, real) != 0 &&
        open_linked(module, path, crc))
        return true;
    if (snprintf(path, sizeof path, "%.*s.debug/%s", folder, real, name) < PATH_MAX &&
        open_linked(module, path, crc))
        return true;
    for (size_t i = 0; (dir = debug_dir(module, i)) != NULL; i++)
        if ((snprintf(path, sizeof path, "%s%.*s%s", dir, folder, real, name) < PATH_MAX &&
             open_linked(module, path, crc)) ||
            (snprintf(path, sizeof path, "%s/%s", dir, name) < PATH_MAX && open_linked(module, path, crc)))
            return true;
    return false;
}

/* ---- in the directories of --debug-dir ------------------------------------------------------------------------------ */

static bool find_in_debug_dirs(struct gs_module *module)
{
    static const char *const suffixes[] = {".debug", ""};
    char path[PATH_MAX];
    if (!*module->build_id)
        return false;
    for (size_t i = 0; i < 2 * module->options->debug_dir_count; i++) {
        const char *dir = module->options->debug_dir[i / 2], *suffix = suffixes[i % 2];
        if ((snprintf(path, sizeof path, "%s%s%s", dir, module->path, suffix) < PATH_MAX &&
             open_build(path, module->build_id, &module->debug)) ||
            (snprintf(path, sizeof path, "%s/%s%s", dir, gs_text_base_name(module->path), suffix) <
                 PATH_MAX &&
             open_build(path, module->build_id, &module->debug)))
            return true;
    }
    return false;
}

bool gs_reader_find_debug(struct gs_module *module)
{
    return gs_reader_find_by_id(module, module->build_id, true, &module->debug) || find_linked(module) ||
           find_in_debug_dirs(module);
}

/* ---- what dwz moved out ------------------------------------------------------------------------------------------- */

/* Open the supplementary file NAME (as in .gnu_debugaltlink of FROM) with BUILD_ID. */
static bool find_supplement(struct gs_module *module, const struct gs_debug_elf *from, const char *name,
                            const char *build_id)
{
    char path[PATH_MAX], real[PATH_MAX];
    const char *dir;
    if (*name == '/' && open_build(name, build_id, &module->supplement))
        return true;
    if (*name != '/' && realpath(from->path, real) &&
        snprintf(path, sizeof path, "%.*s%s", (int)(gs_text_base_name(real) - real), real, name) < PATH_MAX &&
        open_build(path, build_id, &module->supplement))
        return true;
    for (size_t i = 0; (dir = debug_dir(module, i)) != NULL; i++)
        if (snprintf(path, sizeof path, "%s/.dwz/%s", dir, gs_text_base_name(name)) < PATH_MAX &&
            open_build(path, build_id, &module->supplement))
            return true;
    return gs_reader_find_by_id(module, build_id, true, &module->supplement);
}

/* Is DWARF itself the main part of another supplementary file? dwz does not make such chains, and libdw would open the file
 * that it names without a check. */
static bool names_another(Dwarf *dwarf)
{
    const char *name;
    const void *id;
    return dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id) != 0;
}

/* libdw looks for the file by itself where none is set, opens whatever lies there (also a FIFO), and does not compare build
 * ids. Therefore nothing is read of DWARF unless the file was found here, or DWARF names none. */
bool gs_reader_open_supplement(struct gs_module *module, const struct gs_debug_elf *from, Dwarf *dwarf,
                               Dwarf **supplement)
{
    const char *name = NULL;
    const void *bytes = NULL;
    char id[GS_ELF_ID_HEX] = "";
    ssize_t length = dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &bytes);
    *supplement = NULL;
    if (length == 0)
        return true;
    if (length < 0 || length > (GS_ELF_ID_HEX - 1) / 2)
        return false;
    for (ssize_t i = 0; i < length; i++)
        sprintf(id + 2 * i, "%02x", ((const unsigned char *)bytes)[i]);
    if (!module->supplement.elf && !find_supplement(module, from, name, id))
        return false;
    *supplement = dwarf_begin_elf(module->supplement.elf, DWARF_C_READ, NULL);
    if (*supplement && !names_another(*supplement)) {
        dwarf_setalt(dwarf, *supplement);
        return true;
    }
    if (*supplement)
        dwarf_end(*supplement);
    *supplement = NULL;
    return false;
}
