/* elf_names.c - finds names for addresses in one symbol table of one file.
 *
 *   addresses of the file, sorted ──▶ one pass over its symbols: which of the addresses does each cover?
 *
 * An address outside every symbol gets no name, never the name of the closest symbol below it.
 * Symbols are never sorted: there may be a million of them for a hundred addresses.
 * Who: symbols.c. Bounds: one table and its strings at a time (image.c). */
#include "base/search.h"
#include "symbol/inside.h"

static bool holds_code(const struct gs_elf_table *table, size_t section)
{
    return section < table->section_count
               ? (table->section[section].sh_flags & SHF_EXECINSTR) != 0
               : section == SHN_XINDEX; // the file has over 65,000 sections: assume code
}

/* Quality of SYMBOL's name; 0: not usable. Functions rank above assembler labels; global above weak above local. */
static int rank_of(const struct gs_elf_table *table, const Elf64_Sym *symbol)
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
static bool is_better(const struct gs_symbol_candidate *new, const struct gs_symbol_candidate *best)
{
    if (new->rank == 0 || best->rank == 0)
        return new->rank != 0;
    if (new->start != best->start)
        return new->start > best->start;
    bool sized = new->size != 0;
    return sized != (best->size != 0) ? sized : new->rank > best->rank;
}

static void keep_better(struct gs_symbol_candidate *best, const struct gs_symbol_candidate *new)
{
    if (is_better(new, best))
        *best = *new;
}

static size_t first_at(const struct gs_symbol_wanted *found, size_t count, uint64_t vaddr)
{
    struct gs_search search = {.high = count};
    while (gs_search_next(&search))
        gs_search_step(&search, found[search.middle].vaddr < vaddr);
    return search.low;
}

/* Make SYMBOL a candidate of the addresses in FOUND (sorted by vaddr) that it covers, and of the first one above its start. */
static void add_candidate(struct gs_symbol_wanted *found, size_t count, const struct gs_elf_table *table,
                          const Elf64_Sym *symbol)
{
    struct gs_symbol_candidate new = {symbol->st_value, symbol->st_size, symbol->st_name, symbol->st_shndx,
                                      rank_of(table, symbol)};
    if (new.rank == 0)
        return;
    size_t first = first_at(found, count, new.start);
    if (first < count)
        keep_better(&found[first].below, &new);
    for (size_t i = first; i < count && found[i].vaddr - new.start < new.size; i++)
        keep_better(&found[i].covers, &new);
}

static bool is_in_section(const struct gs_elf_table *table, size_t section, uint64_t vaddr)
{
    return section < table->section_count &&
           vaddr - table->section[section].sh_addr < table->section[section].sh_size;
}

/* For addresses that no sized symbol covers: use the closest symbol below if it has no size (assembler) and the address is
 * in its section. An address after the end of a sized symbol gets no name. */
static void use_unsized_symbols(struct gs_symbol_wanted *found, size_t count,
                                const struct gs_elf_table *table)
{
    for (size_t i = 0; i < count; i++) {
        struct gs_symbol_candidate *below = &found[i].below;
        if (i > 0)
            keep_better(below, &found[i - 1].below);
        if (!found[i].covers.rank && below->rank && below->size == 0 &&
            is_in_section(table, below->section, found[i].vaddr))
            found[i].covers = *below;
    }
}

bool gs_symbol_elf_names(const struct gs_elf_file *file, uint32_t type, struct gs_symbol_wanted *found,
                         size_t count)
{
    struct gs_elf_table table;
    if (!gs_symbol_elf_table_read(file, type, &table))
        return false;
    for (size_t i = 0; i < table.symbol_count; i++)
        add_candidate(found, count, &table, &table.symbol[i]);
    use_unsized_symbols(found, count, &table);
    for (size_t i = 0; i < count; i++)
        if (found[i].covers.rank)
            found[i].symbol.system_name = gs_symbol_elf_table_name(&table, found[i].covers.name);
    gs_symbol_elf_table_free(&table);
    return true;
}
