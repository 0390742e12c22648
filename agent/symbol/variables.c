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
#include "sys/file.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Open PATH if it is MAPPING's file: the same build id. -1: it is not. */
static int open_file(const char *path, const struct gs_mapping *mapping, struct gs_image *image)
{
    struct stat status;
    unsigned char id[GS_BUILD_ID_MAX];
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return -1; // the path may come from an untrusted core file: opening some devices has effects
    *image = (struct gs_image){.fd = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0)};
    if (image->fd < 0)
        return -1;
    if (fstat(image->fd, &status) == 0 && S_ISREG(status.st_mode)) {
        image->size = (uint64_t)status.st_size;
        unsigned length = gs_symbol_elf_build_id(image, id);
        if (length == mapping->build_id_length && memcmp(id, mapping->build_id, length) == 0 &&
            !(length == 0 && mapping->deleted))
            return image->fd;
    }
    close(image->fd);
    return image->fd = -1;
}

/* Set the addresses in the file of all that MAPPING's file holds. False: its bias is not known. */
static bool translate(const struct gs_maps *maps, const struct gs_mapping *mapping,
                      const struct gs_image *image, const Elf64_Ehdr *header,
                      const struct gs_symbol_variable *variable, struct sought *sought, size_t count)
{
    size_t segments;
    uint64_t bias = mapping->bias;
    Elf64_Phdr *segment = gs_symbol_elf_segments(image, header, &segments);
    bool known =
        segment && (mapping->has_bias || gs_symbol_elf_bias(segment, segments, maps, mapping, &bias));
    for (size_t i = 0; known && i < count; i++) {
        bool loaded = false;
        if (sought[i].mapping != mapping)
            continue;
        sought[i].vaddr = variable[i].address - bias;
        for (size_t s = 0; s < segments; s++)
            loaded |=
                segment[s].p_type == PT_LOAD && sought[i].vaddr - segment[s].p_vaddr < segment[s].p_memsz;
        if (!loaded)
            sought[i].mapping = NULL; // an anonymous mapping that lies above the file's
    }
    gs_free(segment);
    return known;
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

/* Give a name to each variable of MAPPING's file that was found, from STRINGS. */
static void take_names(const struct gs_mapping *mapping, const char *strings, size_t length,
                       struct gs_symbol_variable *variable, struct sought *sought, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (sought[i].mapping != mapping || !sought[i].size)
            continue;
        sought[i].mapping = NULL;
        if (sought[i].name >= length || !strings[sought[i].name])
            continue;
        const char *name = strings + sought[i].name;
        char *symbol = gs_strndup(name, strnlen(name, length - sought[i].name));
        if (symbol)
            symbol[strcspn(symbol, "@")] = 0; // versioned names of .symtab: "v@VERSION"
        variable[i].name = symbol ? gs_symbol_plain_name(symbol) : NULL;
        variable[i].offset = sought[i].vaddr - sought[i].start;
        gs_free(symbol);
    }
}

/* Look at the first table of TYPE in IMAGE. */
static void read_table(const struct gs_image *image, const Elf64_Ehdr *header, uint32_t type,
                       const struct gs_mapping *mapping, struct gs_symbol_variable *variable,
                       struct sought *sought, size_t count)
{
    Elf64_Shdr *section =
        header->e_shentsize == sizeof *section
            ? gs_symbol_image_table(image, header->e_shoff, header->e_shnum, sizeof *section)
            : NULL;
    for (size_t i = 0; section && i < header->e_shnum; i++) {
        if (section[i].sh_type != type || section[i].sh_link >= header->e_shnum)
            continue;
        uint64_t symbols = section[i].sh_size / sizeof(Elf64_Sym);
        uint64_t length = section[section[i].sh_link].sh_size;
        Elf64_Sym *symbol = gs_symbol_image_table(image, section[i].sh_offset, symbols, sizeof *symbol);
        char *strings = gs_symbol_image_table(image, section[section[i].sh_link].sh_offset, length, 1);
        for (uint64_t at = 0; symbol && strings && at < symbols; at++)
            match(&symbol[at], mapping, sought, count);
        if (symbol && strings)
            take_names(mapping, strings, length, variable, sought, count);
        gs_free(strings);
        gs_free(symbol);
        break;
    }
    gs_free(section);
}

/* The file that has the symbols that a distribution removed from MAPPING's file. */
static void read_debug_file(const struct gs_mapping *mapping, struct gs_symbol_variable *variable,
                            struct sought *sought, size_t count)
{
    char hex[2 * GS_BUILD_ID_MAX + 1], path[128];
    struct gs_image image;
    Elf64_Ehdr header;
    if (mapping->build_id_length < 2)
        return;
    gs_symbol_build_id_hex(mapping, hex);
    snprintf(path, sizeof path, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
    if (open_file(path, mapping, &image) < 0)
        return;
    if (gs_symbol_elf_header(&image, &header))
        read_table(&image, &header, SHT_SYMTAB, mapping, variable, sought, count);
    close(image.fd);
}

static void name_variables_of(const struct gs_maps *maps, const struct gs_mapping *mapping,
                              struct gs_symbol_variable *variable, struct sought *sought, size_t count)
{
    struct gs_image image;
    Elf64_Ehdr header;
    if (mapping->path[0] != '/' || open_file(mapping->path, mapping, &image) < 0)
        return;
    if (gs_symbol_elf_header(&image, &header) &&
        translate(maps, mapping, &image, &header, variable, sought, count)) {
        read_table(&image, &header, SHT_SYMTAB, mapping, variable, sought, count);
        read_debug_file(mapping, variable, sought, count);
        read_table(&image, &header, SHT_DYNSYM, mapping, variable, sought, count);
    }
    close(image.fd);
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
