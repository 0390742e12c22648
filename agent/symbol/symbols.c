/* symbols.c - names for addresses, from the symbol tables of the files that are mapped.
 *
 *   addresses, sorted ──▶ per file: open ▶ build id as mapped? ▶ .symtab (else a debug file's, else .dynsym)
 *                         ──▶ one pass over its symbols: each looks which of our addresses it covers
 *
 * Symbols are never sorted: there may be a million of them for a hundred addresses.
 * Who: the watcher, the CLI. Bounds: one file's tables at a time. Names are kept as long as the gs_symbols. */
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/sort.h"
#include "base/text.h"
#include "symbol/inside.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct found {
    uint64_t address;
    uint64_t vaddr; // the address as its file counts
    struct gs_symbol symbol;
    uint64_t size; // of the best symbol so far; 0 when it has none
    int rank;      // and how good it is; 0: none yet
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

/* ---- opening a file that is what is mapped ------------------------------------------------------------------------ */

static void close_file(struct file *file)
{
    if (file->image.fd >= 0)
        gs_close(file->image.fd);
    gs_free(file->segment);
    *file = (struct file){.image.fd = -1};
}

/* Open PATH as an ELF file with MAPPING's build id. NULL, or why not. */
static const char *open_file(const char *path, const struct gs_mapping *mapping, struct file *out)
{
    struct stat status;
    unsigned char id[GS_BUILD_ID_MAX];
    *out = (struct file){.image.fd = -1};
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return "not a regular file"; // the path may come out of anybody's box: some devices act when they are opened
    out->image.fd = gs_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (out->image.fd < 0)
        return strerrordesc_np(-out->image.fd);
    if (fstat(out->image.fd, &status) != 0 || !S_ISREG(status.st_mode))
        return "not a regular file";
    out->image.size = (uint64_t)status.st_size;
    if (!gs_elf_header(&out->image, &out->header))
        return "not an ELF file of this machine";
    out->segment = gs_elf_segments(&out->image, &out->header, &out->segment_count);
    if (!out->segment)
        return "damaged: no program headers";
    unsigned length = gs_elf_build_id(&out->image, false, id);
    if (length != mapping->build_id_length || memcmp(id, mapping->build_id, length) != 0)
        return "rebuilt since it was mapped (build id differs): its names are not used";
    return NULL;
}

/* The vDSO has no file: its image is in the memory of process PID. */
static const char *open_vdso(const struct gs_mapping *mapping, int pid, struct file *out)
{
    *out = (struct file){.image = {.fd = -1, .pid = pid, .base = mapping->start, .size = UINT64_MAX}};
    if (!gs_elf_header(&out->image, &out->header))
        return "not readable";
    out->segment = gs_elf_segments(&out->image, &out->header, &out->segment_count);
    return out->segment ? NULL : "not readable";
}

/* ---- addresses as the file counts ------------------------------------------------------------------------------------ */

/* The address in FILE of file offset OFFSET; false when no segment holds it. */
static bool vaddr_of(const struct file *file, uint64_t offset, uint64_t *vaddr)
{
    for (size_t i = 0; i < file->segment_count; i++) {
        const Elf64_Phdr *s = &file->segment[i];
        if (s->p_type == PT_LOAD && offset >= s->p_offset && offset - s->p_offset < s->p_filesz) {
            *vaddr = offset - s->p_offset + s->p_vaddr;
            return true;
        }
    }
    return false;
}

/* ---- one pass over a symbol table -------------------------------------------------------------------------------------- */

/* How good a name SYMBOL gives; 0: none. Functions before labels of assembler, global before weak before local. */
static int rank_of(const Elf64_Sym *symbol)
{
    int type = ELF64_ST_TYPE(symbol->st_info), bind = ELF64_ST_BIND(symbol->st_info);
    if (symbol->st_shndx == SHN_UNDEF || (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE))
        return 0;
    int rank = bind == STB_GLOBAL ? 3 : bind == STB_WEAK ? 2 : 1;
    return type == STT_NOTYPE ? rank : rank + (symbol->st_size ? 6 : 3);
}

/* Is SYMBOL, of rank RANK, a better name for F than what it has? The closest start wins, then the rank. */
static bool better(const struct found *f, const Elf64_Sym *symbol, int rank)
{
    bool covers = symbol->st_size ? f->vaddr - symbol->st_value < symbol->st_size : true;
    if (!covers)
        return false;
    if (f->rank == 0)
        return true;
    bool had_size = f->size != 0, has_size = symbol->st_size != 0;
    if (had_size != has_size)
        return has_size; // one that is known to reach here beats one that only begins before
    if (symbol->st_value != f->symbol.start)
        return symbol->st_value > f->symbol.start;
    return rank > f->rank;
}

static size_t first_at(const struct found *found, size_t count, uint64_t vaddr)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (found[middle].vaddr < vaddr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Offer SYMBOL to those of FOUND (sorted by vaddr) that it may cover. One without a size reaches to the next; without
 * knowing the next it is held against the closest alone, and only within NEAR. */
static void offer(struct found *found, size_t count, const Elf64_Sym *symbol, uint32_t *names)
{
    enum { NEAR = 4096 };
    int rank = rank_of(symbol);
    uint64_t reach = symbol->st_size ? symbol->st_size : NEAR;
    if (rank == 0)
        return;
    for (size_t i = first_at(found, count, symbol->st_value);
         i < count && found[i].vaddr - symbol->st_value < reach; i++)
        if (better(&found[i], symbol, rank)) {
            found[i].rank = rank;
            found[i].size = symbol->st_size;
            found[i].symbol.start = symbol->st_value;
            names[i] = symbol->st_name;
        }
}

static char *name_at(const char *strings, size_t length, size_t at)
{
    if (at >= length || !strings[at])
        return NULL;
    const char *name = strings + at;
    size_t full = strnlen(name, length - at);
    const char *version = memchr(name, '@', full); // of .symtab's versioned names
    return gs_strndup(name, version && version != name ? (size_t)(version - name) : full);
}

/* Symbols of section TABLE of FILE for FOUND[0..COUNT). */
static bool read_table(const struct file *file, const Elf64_Shdr *table, const Elf64_Shdr *strings_section,
                       struct found *found, size_t count)
{
    Elf64_Sym *symbol =
        gs_image_table(&file->image, table->sh_offset, table->sh_size / sizeof *symbol, sizeof *symbol);
    char *strings = gs_image_table(&file->image, strings_section->sh_offset, strings_section->sh_size, 1);
    uint32_t *names = gs_alloc(count * sizeof *names); // where in the strings each one's name stands
    bool read = symbol && strings && names;
    for (size_t i = 0; read && i < table->sh_size / sizeof *symbol; i++)
        offer(found, count, &symbol[i], names);
    for (size_t i = 0; read && i < count; i++)
        if (found[i].rank) {
            found[i].symbol.system_name = name_at(strings, strings_section->sh_size, names[i]);
            if (!found[i].symbol.system_name)
                found[i].rank = 0;
        }
    gs_free(names);
    gs_free(strings);
    gs_free(symbol);
    return read;
}

/* The first section of TYPE with symbols, and its strings. */
static bool find_table(const Elf64_Shdr *section, size_t count, uint32_t type, const Elf64_Shdr **table,
                       const Elf64_Shdr **strings)
{
    for (size_t i = 0; i < count; i++)
        if (section[i].sh_type == type && section[i].sh_entsize == sizeof(Elf64_Sym) &&
            section[i].sh_link < count) {
            *table = &section[i];
            *strings = &section[section[i].sh_link];
            return true;
        }
    return false;
}

/* Take names from FILE's section of TYPE; false when it has none. */
static bool read_names(const struct file *file, uint32_t type, struct found *found, size_t count)
{
    const Elf64_Shdr *table, *strings;
    if (file->header.e_shentsize != sizeof(Elf64_Shdr))
        return false;
    Elf64_Shdr *section =
        gs_image_table(&file->image, file->header.e_shoff, file->header.e_shnum, sizeof *section);
    bool read = section && find_table(section, file->header.e_shnum, type, &table, &strings) &&
                read_table(file, table, strings, found, count);
    gs_free(section);
    return read;
}

/* /usr/lib/debug/.build-id/xx/yyyy.debug: the symbol table that a distribution stripped off. */
static bool read_debug_file(const struct gs_mapping *mapping, struct found *found, size_t count)
{
    char hex[2 * GS_BUILD_ID_MAX + 1], path[128];
    struct file file;
    if (mapping->build_id_length < 2)
        return false;
    gs_build_id_hex(mapping, hex);
    snprintf(path, sizeof path, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
    bool read = open_file(path, mapping, &file) == NULL && read_names(&file, SHT_SYMTAB, found, count);
    close_file(&file);
    return read;
}

/* ---- all addresses of one mapping ------------------------------------------------------------------------------------------ */

static void finish(struct found *f, uint64_t bias)
{
    if (!f->rank)
        return;
    f->symbol.start += bias;
    f->symbol.name = gs_plain_name(f->symbol.system_name);
}

static void name_mapping(struct gs_symbols *symbols, const struct gs_mapping *mapping, int pid,
                         struct found *found, size_t count)
{
    struct file file;
    uint64_t first;
    bool vdso = strcmp(mapping->path, "[vdso]") == 0;
    if (mapping->path[0] != '/' && !(vdso && pid))
        return;
    const char *why = vdso ? open_vdso(mapping, pid, &file) : open_file(mapping->path, mapping, &file);
    if (why && mapping->deleted)
        why = "removed or replaced since it was mapped: its names are not used";
    if (why || !vaddr_of(&file, mapping->offset, &first)) {
        add_note(symbols, mapping->path, why ? why : "damaged: the mapping is in no segment");
        close_file(&file);
        return;
    }
    for (size_t i = 0; i < count; i++)
        found[i].vaddr = found[i].address - mapping->start + first;
    if (!read_names(&file, SHT_SYMTAB, found, count) && !read_debug_file(mapping, found, count))
        read_names(&file, SHT_DYNSYM, found, count);
    for (size_t i = 0; i < count; i++)
        finish(&found[i], mapping->start - first);
    close_file(&file);
}

static int by_address(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return (x->address > y->address) - (x->address < y->address);
}

struct gs_symbols *gs_symbols_new(const struct gs_maps *maps, const uint64_t *address, size_t count)
{
    struct gs_symbols *symbols = gs_alloc(sizeof *symbols);
    if (symbols)
        symbols->found = gs_alloc((count + 1) * sizeof *symbols->found);
    if (!symbols || !symbols->found) {
        gs_symbols_free(symbols);
        return NULL;
    }
    symbols->count = count;
    for (size_t i = 0; i < count; i++)
        symbols->found[i].address = address[i];
    gs_sort(symbols->found, count, sizeof *symbols->found, by_address);
    for (size_t at = 0; at < count;) {
        const struct gs_mapping *mapping = gs_maps_find(maps, symbols->found[at].address);
        size_t end = at + 1;
        while (mapping && end < count && symbols->found[end].address < mapping->end)
            end++;
        if (mapping)
            name_mapping(symbols, mapping, maps->pid, &symbols->found[at], end - at);
        at = end;
    }
    return symbols;
}

void gs_symbols_free(struct gs_symbols *symbols)
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

struct gs_symbol gs_symbols_find(const struct gs_symbols *symbols, uint64_t address)
{
    size_t low = 0, high = symbols->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (symbols->found[middle].address < address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < symbols->count && symbols->found[low].address == address && symbols->found[low].rank)
        return symbols->found[low].symbol;
    return (struct gs_symbol){0};
}

size_t gs_symbols_note_count(const struct gs_symbols *symbols)
{
    return symbols->note_count;
}

const char *gs_symbols_note(const struct gs_symbols *symbols, size_t index)
{
    return symbols->note[index];
}
