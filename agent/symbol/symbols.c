/* symbols.c - finds names for addresses in the symbol tables of the mapped files.
 *
 *   addresses, sorted ──▶ per file: open ▶ build id as mapped? ▶ .symtab (else a debug file's, else .dynsym)
 *                         ──▶ minus the bias: addresses in the file
 *                         ──▶ one pass over its symbols: which of our addresses does each cover?
 *
 * An address outside every symbol gets no name, never the name of the closest symbol below it.
 * Symbols are never sorted: there may be a million of them for a hundred addresses.
 * Who: the watcher, the CLI. Bounds: one file's tables at a time. Names are kept as long as the gs_symbols. */
#include "base/hash.h"
#include "base/memory.h"
#include "base/search.h"
#include "base/sort.h"
#include "base/text.h"
#include "symbol/inside.h"
#include "sys/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct candidate {        // a symbol that may be the function of an address
    uint64_t start, size; // addresses of the file
    uint32_t name;        // offset in the string table
    uint16_t section;
    int rank; // quality of the name; 0: no candidate
};

struct found {
    uint64_t address;
    uint64_t vaddr;          // the address in its file
    struct candidate covers; // the closest start among symbols whose size includes this address
    struct candidate below;  // the closest start below, of any size
    struct gs_symbol symbol;
};

struct gs_symbols {
    struct found *found; // by address
    size_t count;
    char **note;
    size_t note_count, note_capacity;
};

struct file { // what is read of one file
    struct gs_image image;
    Elf64_Ehdr header;
    Elf64_Phdr *segment;
    size_t segment_count;
};

static void add_note(struct gs_symbols *symbols, const char *path, const char *why)
{
    struct gs_text note = {0};
    gs_text_add_printable(&note, path);
    gs_text_add(&note, ": %s", why);
    if (!note.bytes ||
        gs_grow(&symbols->note, &symbols->note_capacity, symbols->note_count + 1, sizeof *symbols->note))
        gs_text_fini(&note);
    else
        symbols->note[symbols->note_count++] = note.bytes;
}

/* ---- opening the file that is mapped ------------------------------------------------------------------------ */

static void close_file(struct file *file)
{
    if (file->image.fd >= 0)
        close(file->image.fd);
    gs_free(file->segment);
    *file = (struct file){.image.fd = -1};
}

/* Open PATH as an ELF file with MAPPING's build id. NULL: success; else the reason of the failure. */
static const char *open_file(const char *path, const struct gs_mapping *mapping, struct file *out)
{
    struct stat status;
    unsigned char id[GS_BUILD_ID_MAX];
    *out = (struct file){.image.fd = -1};
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return "not a regular file"; // the path may come from an untrusted box: opening some devices has effects
    out->image.fd = gs_file_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (out->image.fd < 0)
        return strerrordesc_np(-out->image.fd);
    if (fstat(out->image.fd, &status) != 0 || !S_ISREG(status.st_mode))
        return "not a regular file";
    out->image.size = (uint64_t)status.st_size;
    if (!gs_symbol_elf_header(&out->image, &out->header))
        return "not an ELF file of this machine";
    out->segment = gs_symbol_elf_segments(&out->image, &out->header, &out->segment_count);
    if (!out->segment)
        return "damaged: no program headers";
    unsigned length = gs_symbol_elf_build_id(&out->image, id);
    if (length != mapping->build_id_length || memcmp(id, mapping->build_id, length) != 0)
        return "rebuilt since it was mapped (build id differs): its names are not used";
    if (length == 0 && mapping->deleted)
        return "possibly another file: it was replaced, and neither has a build id";
    return NULL;
}

/* The vDSO has no file: its image is in the memory of process PID. */
static const char *open_vdso(const struct gs_mapping *mapping, int pid, struct file *out)
{
    *out = (struct file){.image = {.fd = -1, .pid = pid, .base = mapping->start, .size = UINT64_MAX}};
    if (!gs_symbol_elf_header(&out->image, &out->header))
        return "not readable";
    out->segment = gs_symbol_elf_segments(&out->image, &out->header, &out->segment_count);
    return out->segment ? NULL : "not readable";
}

/* ---- one pass over a symbol table -------------------------------------------------------------------------------------- */

struct symbol_section { // the symbol and string sections of one file
    const Elf64_Shdr *section;
    size_t section_count;
    const Elf64_Shdr *symbols, *strings;
};

static bool holds_code(const struct symbol_section *table, size_t section)
{
    return section < table->section_count
               ? (table->section[section].sh_flags & SHF_EXECINSTR) != 0
               : section == SHN_XINDEX; // the file has over 65,000 sections: assume code
}

/* Quality of SYMBOL's name; 0: not usable. Functions rank above assembler labels; global above weak above local. */
static int rank_of(const struct symbol_section *table, const Elf64_Sym *symbol)
{
    int type = ELF64_ST_TYPE(symbol->st_info), bind = ELF64_ST_BIND(symbol->st_info);
    if (symbol->st_shndx == SHN_UNDEF || (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE) ||
        !holds_code(table, symbol->st_shndx))
        return 0;
    int rank = bind == STB_GLOBAL ? 3 : bind == STB_WEAK ? 2 : 1;
    return type == STT_NOTYPE ? rank : rank + 3;
}

/* Is NEW better than BEST for addresses above both? The higher start is; at equal starts a symbol with a size, then a higher
 * rank. */
static bool is_better(const struct candidate *new, const struct candidate *best)
{
    if (new->rank == 0 || best->rank == 0)
        return new->rank != 0;
    if (new->start != best->start)
        return new->start > best->start;
    bool sized = new->size != 0;
    return sized != (best->size != 0) ? sized : new->rank > best->rank;
}

static void keep_better(struct candidate *best, const struct candidate *new)
{
    if (is_better(new, best))
        *best = *new;
}

static size_t first_at(const struct found *found, size_t count, uint64_t vaddr)
{
    struct gs_search search = {.high = count};
    while (gs_search_next(&search))
        gs_search_step(&search, found[search.middle].vaddr < vaddr);
    return search.low;
}

/* Make SYMBOL a candidate of the addresses in FOUND (sorted by vaddr) that it covers, and of the first one above its start. */
static void add_candidate(struct found *found, size_t count, const struct symbol_section *table,
                          const Elf64_Sym *symbol)
{
    struct candidate new = {symbol->st_value, symbol->st_size, symbol->st_name, symbol->st_shndx,
                            rank_of(table, symbol)};
    if (new.rank == 0)
        return;
    size_t first = first_at(found, count, new.start);
    if (first < count)
        keep_better(&found[first].below, &new);
    for (size_t i = first; i < count && found[i].vaddr - new.start < new.size; i++)
        keep_better(&found[i].covers, &new);
}

static bool is_in_section(const struct symbol_section *table, size_t section, uint64_t vaddr)
{
    return section < table->section_count &&
           vaddr - table->section[section].sh_addr < table->section[section].sh_size;
}

/* For addresses that no sized symbol covers: use the closest symbol below if it has no size (assembler) and the address is
 * in its section. An address after the end of a sized symbol gets no name. */
static void use_unsized_symbols(struct found *found, size_t count, const struct symbol_section *table)
{
    for (size_t i = 0; i < count; i++) {
        struct candidate *below = &found[i].below;
        if (i > 0)
            keep_better(below, &found[i - 1].below);
        if (!found[i].covers.rank && below->rank && below->size == 0 &&
            is_in_section(table, below->section, found[i].vaddr))
            found[i].covers = *below;
    }
}

static char *name_at(const char *strings, size_t length, size_t at)
{
    if (at >= length || !strings[at])
        return NULL;
    const char *name = strings + at;
    size_t full = strnlen(name, length - at);
    const char *version = memchr(name, '@', full); // versioned names of .symtab: "f@VERSION"
    return gs_strndup(name, version && version != name ? (size_t)(version - name) : full);
}

/* Find names for FOUND[0..COUNT) in TABLE of FILE. False: the table cannot be read. */
static bool read_table(const struct file *file, const struct symbol_section *table, struct found *found,
                       size_t count)
{
    uint64_t symbol_count = table->symbols->sh_size / sizeof(Elf64_Sym), length = table->strings->sh_size;
    Elf64_Sym *symbol =
        gs_symbol_image_table(&file->image, table->symbols->sh_offset, symbol_count, sizeof *symbol);
    char *strings = gs_symbol_image_table(&file->image, table->strings->sh_offset, length, 1);
    bool read = symbol && strings;
    for (size_t i = 0; read && i < symbol_count; i++)
        add_candidate(found, count, table, &symbol[i]);
    if (read)
        use_unsized_symbols(found, count, table);
    for (size_t i = 0; read && i < count; i++)
        if (found[i].covers.rank)
            found[i].symbol.system_name = name_at(strings, length, found[i].covers.name);
    gs_free(strings);
    gs_free(symbol);
    return read;
}

/* The first section of TYPE with symbols, and its strings. */
static bool find_table(struct symbol_section *table, uint32_t type)
{
    const Elf64_Shdr *section = table->section;
    for (size_t i = 0; section && i < table->section_count; i++)
        if (section[i].sh_type == type && section[i].sh_entsize == sizeof(Elf64_Sym) &&
            section[i].sh_link < table->section_count) {
            table->symbols = &section[i];
            table->strings = &section[section[i].sh_link];
            return true;
        }
    return false;
}

/* Take names from FILE's section of TYPE; false when it has none. */
static bool read_names(const struct file *file, uint32_t type, struct found *found, size_t count)
{
    if (file->header.e_shentsize != sizeof(Elf64_Shdr))
        return false;
    Elf64_Shdr *section =
        gs_symbol_image_table(&file->image, file->header.e_shoff, file->header.e_shnum, sizeof *section);
    struct symbol_section table = {.section = section, .section_count = file->header.e_shnum};
    bool read = find_table(&table, type) && read_table(file, &table, found, count);
    gs_free(section);
    return read;
}

/* /usr/lib/debug/.build-id/xx/yyyy.debug has the symbol table that a distribution removed from the file. */
static bool read_debug_file(const struct gs_mapping *mapping, struct found *found, size_t count)
{
    char hex[2 * GS_BUILD_ID_MAX + 1], path[128];
    struct file file;
    if (mapping->build_id_length < 2)
        return false;
    gs_symbol_build_id_hex(mapping, hex);
    snprintf(path, sizeof path, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
    bool read = open_file(path, mapping, &file) == NULL && read_names(&file, SHT_SYMTAB, found, count);
    close_file(&file);
    return read;
}

/* ---- all addresses of one mapping ---------------------------------------------------------------------------------------- */

static void set_symbol(struct found *found, uint64_t bias)
{
    found->symbol.in_file = true;
    found->symbol.file_address = found->vaddr;
    if (!found->symbol.system_name)
        return;
    found->symbol.start = found->covers.start + bias;
    found->symbol.name = gs_symbol_plain_name(found->symbol.system_name);
}

static void name_addresses(const struct file *file, const struct gs_mapping *mapping, struct found *found,
                           size_t count)
{
    if (!read_names(file, SHT_SYMTAB, found, count) && !read_debug_file(mapping, found, count))
        read_names(file, SHT_DYNSYM, found, count);
}

static void name_mapping(struct gs_symbols *symbols, const struct gs_maps *maps,
                         const struct gs_mapping *mapping, struct found *found, size_t count)
{
    struct file file;
    uint64_t bias = mapping->bias;
    bool vdso = strcmp(mapping->path, "[vdso]") == 0;
    if (mapping->path[0] != '/' && !(vdso && maps->pid))
        return;
    const char *why = vdso ? open_vdso(mapping, maps->pid, &file) : open_file(mapping->path, mapping, &file);
    if (why && mapping->deleted)
        why = "removed or replaced since it was mapped: its names are not used";
    bool has_bias = mapping->has_bias ||
                    (!why && gs_symbol_elf_bias(file.segment, file.segment_count, maps, mapping, &bias));
    if (!why && !has_bias)
        why = "damaged: the mapping is in no segment";
    for (size_t i = 0; i < count; i++)
        found[i].vaddr = found[i].address - bias;
    if (why)
        add_note(symbols, mapping->path, why);
    else
        name_addresses(&file, mapping, found, count);
    for (size_t i = 0; has_bias && i < count; i++)
        set_symbol(&found[i], bias);
    close_file(&file);
}

static int by_address(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return (x->address > y->address) - (x->address < y->address);
}

struct gs_symbols *gs_symbol_table_new(const struct gs_maps *maps, const uint64_t *address, size_t count)
{
    struct gs_symbols *symbols = gs_alloc(sizeof *symbols);
    if (symbols)
        symbols->found = gs_alloc((count + 1) * sizeof *symbols->found);
    if (!symbols || !symbols->found) {
        gs_symbol_table_free(symbols);
        return NULL;
    }
    symbols->count = count;
    for (size_t i = 0; i < count; i++)
        symbols->found[i].address = address[i];
    gs_sort(symbols->found, count, sizeof *symbols->found, by_address);
    for (size_t at = 0; at < count;) {
        const struct gs_mapping *mapping = gs_symbol_maps_find(maps, symbols->found[at].address);
        size_t end = at + 1;
        while (mapping && end < count && symbols->found[end].address < mapping->end)
            end++;
        if (mapping)
            name_mapping(symbols, maps, mapping, &symbols->found[at], end - at);
        at = end;
    }
    return symbols;
}

void gs_symbol_table_free(struct gs_symbols *symbols)
{
    if (!symbols)
        return;
    for (size_t i = 0; symbols->found && i < symbols->count; i++) {
        gs_free((char *)symbols->found[i].symbol.name);
        gs_free((char *)symbols->found[i].symbol.system_name);
    }
    for (size_t i = 0; i < symbols->note_count; i++)
        gs_free(symbols->note[i]);
    gs_free(symbols->note);
    gs_free(symbols->found);
    gs_free(symbols);
}

struct gs_symbol gs_symbol_table_find(const struct gs_symbols *symbols, uint64_t address)
{
    struct gs_search search = {.high = symbols->count};
    while (gs_search_next(&search))
        gs_search_step(&search, symbols->found[search.middle].address < address);
    if (search.low < symbols->count && symbols->found[search.low].address == address)
        return symbols->found[search.low].symbol;
    return (struct gs_symbol){0};
}

size_t gs_symbol_table_note_count(const struct gs_symbols *symbols)
{
    return symbols->note_count;
}

const char *gs_symbol_table_note(const struct gs_symbols *symbols, size_t index)
{
    return symbols->note[index];
}
