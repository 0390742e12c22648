/* split_files.c - finds the other part of a unit whose debug information was split from the program.
 *
 *   unit in the program: id, dwo_name, comp_dir, bases ──▶ PROGRAM.dwp: .debug_cu_index ──id──▶ row: offset and size in each section
 *                                                      └─▶ COMP_DIR/DWO_NAME, or beside the program: whole sections
 *
 * Who: the CLI. Bounds: those of the sections, which are mapped. */
#include "base/text.h"
#include "reader/split.h"
#include <dwarf.h>
#include <stdio.h>
#include <string.h>

enum { ADDR_BYTES_MAX = 4 << 20 }; // addresses of one unit

struct skeleton { // the unit in the program
    Dwarf_Die *die;
    const char *name, *dir;
    uint64_t id, addr_base, ranges_base, low_pc;
};

/* ---- sections -------------------------------------------------------------------------------------------------------- */

/* Bytes [OFFSET, OFFSET + SIZE) of section NAME of FILE; SIZE_MAX: to its end, at most MAX. */
static struct gs_split_part take(const struct gs_debug_elf *file, const char *name, uint64_t offset,
                                 size_t size, size_t max)
{
    struct gs_split_part part = {.fd = -1};
    const Elf_Data *all = gs_reader_elf_section(file->elf, name);
    size_t whole = 0;
    const char *image = elf_rawfile(file->elf, &whole);
    if (!all || !all->d_buf || offset > all->d_size || (size != SIZE_MAX && size > all->d_size - offset))
        return part;
    part.bytes = (const char *)all->d_buf + offset;
    part.size = size != SIZE_MAX ? size : all->d_size - offset;
    if (part.size > max)
        part.size = max;
    if (image && part.bytes >= image && part.bytes + part.size <= image + whole) {
        part.fd = file->fd;
        part.offset = (uint64_t)(part.bytes - image);
    }
    return part;
}

/* Take what lies in the program: addresses and, up to DWARF 4, ranges. */
static void take_program(const struct gs_debug_elf *program, const struct skeleton *unit,
                         struct gs_split_source *source)
{
    source->part[GS_SPLIT_ADDR] = take(program, ".debug_addr", unit->addr_base, SIZE_MAX, ADDR_BYTES_MAX);
    source->part[GS_SPLIT_RANGES] = take(program, ".debug_ranges", unit->ranges_base, SIZE_MAX, SIZE_MAX);
    source->id = unit->id;
    source->low_pc = unit->low_pc;
    const char *ident = elf_getident(program->elf, NULL);
    GElf_Ehdr header;
    if (ident && gelf_getehdr(program->elf, &header)) {
        memcpy(source->ident, ident, EI_NIDENT);
        source->machine = header.e_machine;
    }
}

/* ---- .dwo files ------------------------------------------------------------------------------------------------------ */

/* The part of INFO, .debug_info.dwo, that is the unit ID: in DWARF 5 there may be units of types before it. In DWARF 4 there is one
 * unit, which has its id inside (split_image.c checks it). False: there is none. */
static bool find_unit(struct gs_split_part *info, uint64_t id)
{
    while (info->size >= 32) {
        uint32_t length;
        uint16_t version;
        uint64_t found;
        memcpy(&length, info->bytes, sizeof length);
        memcpy(&version, info->bytes + 4, sizeof version);
        memcpy(&found, info->bytes + 12, sizeof found);
        size_t size = (size_t)length + 4;
        if (size > info->size)
            return false;
        bool wanted = version != 5 || (info->bytes[6] == DW_UT_split_compile && found == id);
        if (wanted) {
            info->size = size;
            return true;
        }
        info->bytes += size;
        info->offset += size;
        info->size -= size;
    }
    return false;
}

/* Make the image of the unit in .dwo file FILE. */
static bool read_object(const struct gs_debug_elf *file, const struct gs_debug_elf *program,
                        const struct skeleton *unit, struct gs_split_image *out)
{
    static const char *const names[GS_SPLIT_PARTS] = {
        [GS_SPLIT_INFO] = ".debug_info.dwo",
        [GS_SPLIT_ABBREV] = ".debug_abbrev.dwo",
        [GS_SPLIT_LINE] = ".debug_line.dwo",
        [GS_SPLIT_STR] = ".debug_str.dwo",
        [GS_SPLIT_STR_OFFSETS] = ".debug_str_offsets.dwo",
        [GS_SPLIT_RNGLISTS] = ".debug_rnglists.dwo",
    };
    struct gs_split_source source = {0};
    take_program(program, unit, &source);
    for (size_t i = 0; i < GS_SPLIT_PARTS; i++)
        if (names[i])
            source.part[i] = take(file, names[i], 0, SIZE_MAX, SIZE_MAX);
    uint32_t abbrev;
    if (!find_unit(&source.part[GS_SPLIT_INFO], unit->id))
        return false;
    memcpy(&abbrev, source.part[GS_SPLIT_INFO].bytes + (source.part[GS_SPLIT_INFO].bytes[4] == 5 ? 8 : 6),
           sizeof abbrev);
    source.part[GS_SPLIT_ABBREV] = take(file, names[GS_SPLIT_ABBREV], abbrev, SIZE_MAX, SIZE_MAX);
    return gs_reader_split_image(&source, out);
}

static bool try_object(const char *path, const struct gs_debug_elf *program, const struct skeleton *unit,
                       struct gs_split_image *out)
{
    struct gs_debug_elf file;
    bool read = gs_reader_open_elf(path, &file) && read_object(&file, program, unit, out);
    gs_reader_close_elf(&file); // what the image shows of it stays mapped
    return read;
}

/* Try NAME in DIR (LENGTH bytes of it). */
static bool try_in(const char *dir, int length, const char *name, const struct gs_debug_elf *program,
                   const struct skeleton *unit, struct gs_split_image *out)
{
    char path[PATH_MAX];
    return snprintf(path, sizeof path, "%.*s/%s", length, dir, name) < PATH_MAX &&
           try_object(path, program, unit, out);
}

static bool open_object(const struct gs_module *module, const struct gs_debug_elf *program,
                        const struct skeleton *unit, struct gs_split_image *out)
{
    const char *base = gs_text_base_name(unit->name), *path = program->path;
    int folder = (int)(gs_text_base_name(path) - path);
    if (*unit->name == '/'
            ? try_object(unit->name, program, unit, out)
            : unit->dir && try_in(unit->dir, (int)strlen(unit->dir), unit->name, program, unit, out))
        return true;
    if ((*unit->name != '/' && try_in(path, folder, unit->name, program, unit, out)) ||
        try_in(path, folder, base, program, unit, out))
        return true;
    for (size_t i = 0; i < module->options->debug_dir_count; i++) {
        const char *dir = module->options->debug_dir[i];
        if (try_in(dir, (int)strlen(dir), unit->name, program, unit, out) ||
            try_in(dir, (int)strlen(dir), base, program, unit, out))
            return true;
    }
    return false;
}

/* ---- .dwp files ------------------------------------------------------------------------------------------------------ */

static uint32_t word(const char *table, size_t index)
{
    uint32_t value;
    memcpy(&value, table + index * sizeof value, sizeof value);
    return value;
}

bool gs_reader_split_index(const void *bytes, size_t size, struct gs_split_index *out)
{
    const char *at = bytes;
    if (size < 16)
        return false;
    *out = (struct gs_split_index){.version = word(at, 0) & 0xffff,
                                   .columns = word(at, 1),
                                   .units = word(at, 2),
                                   .slots = word(at, 3),
                                   .signature = at + 16};
    uint64_t table = (uint64_t)out->units * out->columns * 4;
    if (out->columns > 16 || (out->version != 2 && out->version != 5) ||
        16 + (uint64_t)out->slots * 12 + out->columns * 4ULL + 2 * table > size)
        return false;
    out->row = out->signature + (size_t)out->slots * 8;
    out->column = out->row + (size_t)out->slots * 4;
    out->offset = out->column + (size_t)out->columns * 4;
    out->size = out->offset + table;
    return true;
}

uint32_t gs_reader_split_row(const struct gs_split_index *index, uint64_t id)
{
    for (size_t slot = 0; slot < index->slots; slot++) {
        uint64_t signature;
        memcpy(&signature, index->signature + slot * sizeof signature, sizeof signature);
        uint32_t row = word(index->row, slot);
        if (signature == id && row > 0 && row <= index->units)
            return row - 1;
    }
    return UINT32_MAX;
}

/* The section that a column of the index is about. */
static enum gs_split_section section_of(uint32_t version, uint32_t column)
{
    switch (column) {
    case 1: return GS_SPLIT_INFO;
    case 3: return GS_SPLIT_ABBREV;
    case 4: return GS_SPLIT_LINE;
    case 6: return GS_SPLIT_STR_OFFSETS;
    case 8: return version == 5 ? GS_SPLIT_RNGLISTS : GS_SPLIT_PARTS;
    default: return GS_SPLIT_PARTS;
    }
}

static bool read_package(const struct gs_debug_elf *package, const struct gs_debug_elf *program,
                         const struct skeleton *unit, struct gs_split_image *out)
{
    static const char *const names[] = {
        [GS_SPLIT_INFO] = ".debug_info.dwo",         [GS_SPLIT_ABBREV] = ".debug_abbrev.dwo",
        [GS_SPLIT_LINE] = ".debug_line.dwo",         [GS_SPLIT_STR_OFFSETS] = ".debug_str_offsets.dwo",
        [GS_SPLIT_RNGLISTS] = ".debug_rnglists.dwo",
    };
    struct gs_split_index index;
    struct gs_split_source source = {0};
    const Elf_Data *all = gs_reader_elf_section(package->elf, ".debug_cu_index");
    bool has_index = all && all->d_buf && gs_reader_split_index(all->d_buf, all->d_size, &index);
    uint32_t row = has_index ? gs_reader_split_row(&index, unit->id) : UINT32_MAX;
    if (row == UINT32_MAX)
        return false;
    take_program(program, unit, &source);
    for (uint32_t i = 0; i < index.columns; i++) {
        enum gs_split_section section = section_of(index.version, word(index.column, i));
        size_t cell = (size_t)row * index.columns + i;
        if (section != GS_SPLIT_PARTS)
            source.part[section] =
                take(package, names[section], word(index.offset, cell), word(index.size, cell), SIZE_MAX);
    }
    source.part[GS_SPLIT_STR] = take(package, ".debug_str.dwo", 0, SIZE_MAX, SIZE_MAX);
    return find_unit(&source.part[GS_SPLIT_INFO], unit->id) && gs_reader_split_image(&source, out);
}

/* Open the .dwp file beside the program or its debug file, or in a directory of --debug-dir. */
static void open_package(struct gs_module *module)
{
    const char *const beside[] = {module->path, module->program.path, module->debug.path};
    char path[PATH_MAX];
    bool found = false;
    module->package_sought = true;
    for (size_t i = 0; !found && i < sizeof beside / sizeof *beside; i++)
        found = *beside[i] && snprintf(path, sizeof path, "%s.dwp", beside[i]) < PATH_MAX &&
                gs_reader_open_elf(path, &module->package);
    for (size_t i = 0; !found && i < module->options->debug_dir_count; i++)
        found = snprintf(path, sizeof path, "%s/%s.dwp", module->options->debug_dir[i],
                         gs_text_base_name(module->path)) < PATH_MAX &&
                gs_reader_open_elf(path, &module->package);
}

/* ---- both ----------------------------------------------------------------------------------------------------------- */

static uint64_t number_of(Dwarf_Die *die, unsigned standard, unsigned gnu)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (dwarf_formudata(dwarf_attr(die, standard, &attribute), &value) != 0)
        (void)dwarf_formudata(dwarf_attr(die, gnu, &attribute), &value);
    return value;
}

/* Read what DIE, a unit of the program, says of its other part. False: it has none. */
static bool read_skeleton(Dwarf_Die *die, struct skeleton *out)
{
    Dwarf_Attribute attribute;
    uint8_t type = 0;
    *out = (struct skeleton){.die = die};
    if (dwarf_cu_info(die->cu, NULL, &type, NULL, NULL, &out->id, NULL, NULL) != 0 || type != DW_UT_skeleton)
        return false;
    out->name = dwarf_formstring(dwarf_attr(die, DW_AT_dwo_name, &attribute));
    if (!out->name)
        out->name = dwarf_formstring(dwarf_attr(die, DW_AT_GNU_dwo_name, &attribute));
    out->dir = dwarf_formstring(dwarf_attr(die, DW_AT_comp_dir, &attribute));
    out->addr_base = number_of(die, DW_AT_addr_base, DW_AT_GNU_addr_base);
    out->ranges_base = number_of(die, DW_AT_GNU_ranges_base, DW_AT_GNU_ranges_base);
    if (dwarf_lowpc(die, &out->low_pc) != 0)
        out->low_pc = 0;
    return out->name != NULL;
}

bool gs_reader_open_split(struct gs_module *module, const struct gs_debug_elf *program, Dwarf_Die *skeleton,
                          struct gs_split_image *out)
{
    struct skeleton unit;
    *out = (struct gs_split_image){0};
    if (!read_skeleton(skeleton, &unit))
        return false;
    if (!module->package_sought)
        open_package(module);
    bool found = (module->package.elf && read_package(&module->package, program, &unit, out)) ||
                 open_object(module, program, &unit, out);
    module->split_missing |= !found;
    return found;
}
