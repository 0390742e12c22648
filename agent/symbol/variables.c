/* variables.c - finds the names of global and static variables: which variable does an address lie in?
 *
 *   address ──▶ the line of the memory map at or below it that shows a file (.bss has no line of its own in core files)
 *           ──▶ the executable mapping of that file, whose bias gives the address in the file
 *           ──▶ one pass over the file's symbols of type OBJECT: the smallest that covers the address
 *
 * Memory of the heap, of stacks and of thread-local variables has no name here.
 * Who: the watcher, the CLI. Bounds: GS_VARIABLES_MAX addresses a call; one file's tables at a time. */
#include "base/memory.h"
#include "symbol/inside.h"

struct sought {
    const struct gs_mapping *mapping; // of the file; NULL: none, or looked up already
    uint64_t vaddr;                   // address in the file
    uint64_t start, size;             // the variable; size 0: none found yet
    uint32_t name;                    // offset in the string table
};

/* ---- the file that an address lies in ----------------------------------------------------------------------------- */

/* The last line at or below ADDRESS that shows a file. False: none, or ADDRESS is in the heap or another part with a name in
 * brackets. */
static bool find_line(const struct gs_maps *maps, uint64_t address, struct gs_maps_line *out)
{
    struct gs_maps_line line;
    bool found = false;
    for (size_t at = 0; gs_symbol_maps_next_line(maps->text, maps->text_length, &at, &line);) {
        if (line.start > address)
            break;
        bool in_brackets = line.path_length && line.path[0] != '/';
        if (in_brackets && address < line.end)
            return false;
        if (line.path_length == 0 || in_brackets)
            continue; // .bss has no path
        *out = line;
        found = true;
    }
    return found;
}

/* The executable mapping of the file that LINE shows: the closest below, else the first above. */
static const struct gs_mapping *find_code(const struct gs_maps *maps, const struct gs_maps_line *line)
{
    const struct gs_mapping *best = NULL;
    for (size_t i = 0; i < maps->count; i++) {
        size_t at = maps->mapping[i].line;
        struct gs_maps_line of_mapping;
        if (maps->mapping[i].start > line->start && best)
            break;
        if (gs_symbol_maps_next_line(maps->text, maps->text_length, &at, &of_mapping) &&
            gs_symbol_maps_same_file(&of_mapping, line))
            best = &maps->mapping[i];
    }
    return best;
}

/* Set the addresses in the file of all that MAPPING's file holds. False: its bias is not known. */
static bool translate(const struct gs_maps *maps, const struct gs_mapping *mapping,
                      const struct gs_elf_file *file, const struct gs_symbol_variable *variable,
                      struct sought *sought, size_t count)
{
    uint64_t bias = mapping->bias;
    if (!mapping->has_bias && !gs_symbol_elf_bias(file->segment, file->segment_count, maps, mapping, &bias))
        return false;
    for (size_t i = 0; i < count; i++) {
        bool loaded = false;
        if (sought[i].mapping != mapping)
            continue;
        sought[i].vaddr = variable[i].address - bias;
        for (size_t s = 0; s < file->segment_count; s++)
            loaded |= file->segment[s].p_type == PT_LOAD &&
                      sought[i].vaddr - file->segment[s].p_vaddr < file->segment[s].p_memsz;
        if (!loaded)
            sought[i].mapping = NULL; // an anonymous mapping that lies above the file's
    }
    return true;
}

/* ---- symbols ---------------------------------------------------------------------------------------------------------- */

static void match(const Elf64_Sym *symbol, const struct gs_mapping *mapping, struct sought *sought,
                  size_t count)
{
    if (ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT || symbol->st_shndx == SHN_UNDEF)
        return;
    for (size_t i = 0; i < count; i++)
        if (sought[i].mapping == mapping && sought[i].vaddr - symbol->st_value < symbol->st_size &&
            (!sought[i].size || symbol->st_size < sought[i].size)) {
            sought[i].start = symbol->st_value;
            sought[i].size = symbol->st_size;
            sought[i].name = symbol->st_name;
        }
}

/* Give a name to each variable of MAPPING's file that was found in TABLE. */
static void take_names(const struct gs_mapping *mapping, const struct gs_elf_table *table,
                       struct gs_symbol_variable *variable, struct sought *sought, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sought[i].mapping != mapping || !sought[i].size)
            continue;
        sought[i].mapping = NULL;
        char *symbol = gs_symbol_elf_table_name(table, sought[i].name);
        if (!symbol)
            continue;
        variable[i].name = gs_symbol_plain_name(symbol);
        variable[i].offset = sought[i].vaddr - sought[i].start;
        gs_free(symbol);
    }
}

/* Look at FILE's first table of TYPE. */
static void read_table(const struct gs_elf_file *file, uint32_t type, const struct gs_mapping *mapping,
                       struct gs_symbol_variable *variable, struct sought *sought, size_t count)
{
    struct gs_elf_table table;
    if (!gs_symbol_elf_table_read(file, type, &table))
        return;
    for (size_t i = 0; i < table.symbol_count; i++)
        match(&table.symbol[i], mapping, sought, count);
    take_names(mapping, &table, variable, sought, count);
    gs_symbol_elf_table_free(&table);
}

/* The file that has the symbols that a distribution removed from MAPPING's file. */
static void read_debug_file(const struct gs_mapping *mapping, struct gs_symbol_variable *variable,
                            struct sought *sought, size_t count)
{
    struct gs_elf_file file;
    if (!gs_symbol_debug_file_by_build_id(mapping, &file))
        return;
    read_table(&file, SHT_SYMTAB, mapping, variable, sought, count);
    gs_symbol_elf_close(&file);
}

static void name_variables_of(const struct gs_maps *maps, const struct gs_mapping *mapping,
                              struct gs_symbol_variable *variable, struct sought *sought, size_t count)
{
    struct gs_elf_file file;
    if (mapping->path[0] != '/')
        return;
    if (gs_symbol_elf_open_mapped(mapping->path, mapping, &file) == NULL &&
        translate(maps, mapping, &file, variable, sought, count)) {
        read_table(&file, SHT_SYMTAB, mapping, variable, sought, count);
        read_debug_file(mapping, variable, sought, count);
        read_table(&file, SHT_DYNSYM, mapping, variable, sought, count);
    }
    gs_symbol_elf_close(&file);
}

void gs_symbol_name_variables(const struct gs_maps *maps, struct gs_symbol_variable *variable, size_t count)
{
    struct sought sought[GS_VARIABLES_MAX] = {0};
    struct gs_maps_line line;
    if (count > GS_VARIABLES_MAX)
        count = GS_VARIABLES_MAX;
    for (size_t i = 0; i < count; i++) {
        variable[i].name = NULL;
        if (maps->text && find_line(maps, variable[i].address, &line))
            sought[i].mapping = find_code(maps, &line);
    }
    for (size_t i = 0; i < count; i++) {
        const struct gs_mapping *mapping = sought[i].mapping;
        if (!mapping)
            continue;
        name_variables_of(maps, mapping, variable, sought, count);
        for (size_t j = i; j < count; j++)
            if (sought[j].mapping == mapping)
                sought[j].mapping = NULL;
    }
}
