/* elf_table.c - reads one symbol table of an ELF file, with its strings. Who: elf_names.c, variables.c. Context: watcher, CLI.
 * Bounds: each of the three parts has the limit of gs_symbol_image_table. */
#include "base/memory.h"
#include "symbol/inside.h"
#include <string.h>

/* The first section of TYPE with symbols and strings; NULL: none. */
static const Elf64_Shdr *find_symbols(const struct gs_elf_table *table, uint32_t type)
{
    for (size_t i = 0; table->section && i < table->section_count; i++)
        if (table->section[i].sh_type == type && table->section[i].sh_entsize == sizeof(Elf64_Sym) &&
            table->section[i].sh_link < table->section_count)
            return &table->section[i];
    return NULL;
}

bool gs_symbol_elf_table_read(const struct gs_elf_file *file, uint32_t type, struct gs_elf_table *out)
{
    *out =
        (struct gs_elf_table){.section = gs_symbol_elf_sections(file), .section_count = file->header.e_shnum};
    const Elf64_Shdr *symbols = find_symbols(out, type);
    if (symbols) {
        const Elf64_Shdr *strings = &out->section[symbols->sh_link];
        out->symbol_count = symbols->sh_size / sizeof *out->symbol;
        out->strings_length = strings->sh_size;
        out->symbol =
            gs_symbol_image_table(&file->image, symbols->sh_offset, out->symbol_count, sizeof *out->symbol);
        out->strings = gs_symbol_image_table(&file->image, strings->sh_offset, out->strings_length, 1);
    }
    if (out->symbol && out->strings)
        return true;
    gs_symbol_elf_table_free(out);
    return false;
}

void gs_symbol_elf_table_free(struct gs_elf_table *table)
{
    gs_free(table->section);
    gs_free(table->symbol);
    gs_free(table->strings);
    *table = (struct gs_elf_table){0};
}

char *gs_symbol_elf_table_name(const struct gs_elf_table *table, size_t at)
{
    if (at >= table->strings_length || !table->strings[at])
        return NULL;
    const char *name = table->strings + at;
    size_t full = strnlen(name, table->strings_length - at);
    const char *version = memchr(name, '@', full); // versioned names of .symtab: "f@VERSION"
    return gs_strndup(name, version && version != name ? (size_t)(version - name) : full);
}
