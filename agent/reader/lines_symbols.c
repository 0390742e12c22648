/* lines_symbols.c - finds names in the symbol tables of a file that elfutils has opened: for addresses that had no name when the
 * profile was written, because the table is in a debug file or in MiniDebugInfo.
 *
 * The rules are those of symbol/symbols.c: an address belongs to a symbol that covers it; a symbol without a size extends to
 * the next symbol in its section.  Who: the CLI. */
#include "base/memory.h"
#include "base/search.h"
#include "base/text.h"
#include "reader/lines.h"
#include <string.h>

struct possible_symbol { // a symbol that may be the function of an address
    uint64_t start, size;
    uint64_t end; // of its section
    size_t name;  // offset in the string table
    int rank;     // 0: no candidate
};

struct covering {                  // for one address
    struct possible_symbol covers; // the closest start among symbols whose size includes it
    struct possible_symbol below;  // the closest start below, of any size
};

struct symbol_table {
    Elf *elf;
    Elf_Data *symbols;
    size_t strings, count; // the index of the string section; the number of symbols
};

static size_t first_at(const struct gs_wanted *wanted, size_t count, uint64_t address)
{
    struct gs_search search = {.high = count};
    while (gs_search_next(&search))
        gs_search_step(&search, wanted[search.middle].address < address);
    return search.low;
}

/* Quality of SYMBOL's name: functions above labels, global above weak above local. 0: it is no code. SECTION: its section. */
static int rank_of(Elf *elf, const GElf_Sym *symbol, GElf_Shdr *section)
{
    int type = GELF_ST_TYPE(symbol->st_info), bind = GELF_ST_BIND(symbol->st_info);
    if (symbol->st_shndx == SHN_UNDEF || (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE))
        return 0;
    Elf_Scn *of = symbol->st_shndx < SHN_LORESERVE ? elf_getscn(elf, symbol->st_shndx) : NULL;
    if (!of || !gelf_getshdr(of, section) || !(section->sh_flags & SHF_EXECINSTR))
        return 0;
    int rank = bind == STB_GLOBAL ? 3 : bind == STB_WEAK ? 2 : 1;
    return type == STT_NOTYPE ? rank : rank + 3;
}

/* The higher start is better; at equal starts a symbol with a size, then a higher rank. */
static void keep_better(struct possible_symbol *best, const struct possible_symbol *new)
{
    bool sized = new->size != 0;
    bool better = new->rank && (!best->rank                  ? true
                                : new->start != best->start  ? new->start > best->start
                                : sized != (best->size != 0) ? sized
                                                             : new->rank > best->rank);
    if (better)
        *best = *new;
}

static void add_symbol(Elf *elf, const GElf_Sym *symbol, const struct gs_wanted *wanted, size_t count,
                       struct covering *found)
{
    GElf_Shdr section;
    struct possible_symbol new = {.start = symbol->st_value,
                                  .size = symbol->st_size,
                                  .name = symbol->st_name,
                                  .rank = rank_of(elf, symbol, &section)};
    if (!new.rank)
        return;
    new.end = section.sh_addr + section.sh_size;
    size_t first = first_at(wanted, count, new.start);
    if (first < count)
        keep_better(&found[first].below, &new);
    for (size_t i = first; i < count && wanted[i].address - new.start < new.size; i++)
        keep_better(&found[i].covers, &new);
}

/* For addresses that no sized symbol covers: the closest symbol below if it has no size (assembler), within its section. */
static void use_unsized(const struct gs_wanted *wanted, size_t count, struct covering *found)
{
    for (size_t i = 0; i < count; i++) {
        struct possible_symbol *below = &found[i].below;
        if (i > 0)
            keep_better(below, &found[i - 1].below);
        if (!found[i].covers.rank && below->rank && below->size == 0 && wanted[i].address < below->end)
            found[i].covers = *below;
    }
}

static bool find_table(Elf *elf, uint32_t type, struct symbol_table *out)
{
    GElf_Shdr header;
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section)) != NULL;)
        if (gelf_getshdr(section, &header) && header.sh_type == type && header.sh_entsize) {
            *out = (struct symbol_table){elf, elf_getdata(section, NULL), header.sh_link,
                                         header.sh_size / header.sh_entsize};
            return out->symbols && out->count <= INT32_MAX;
        }
    return false;
}

static const char *name_of(struct gs_resolver *resolver, const struct symbol_table *table,
                           const struct possible_symbol *best)
{
    const char *text = best->rank ? elf_strptr(table->elf, table->strings, best->name) : NULL;
    if (!text || !*text)
        return NULL;
    const char *version = strchr(text, '@'); // versioned names of .symtab: "f@VERSION"
    char *name = gs_strndup(text, version && version != text ? (size_t)(version - text) : strlen(text));
    const char *kept = name ? gs_profile_string(resolver->to, name) : NULL;
    gs_free(name);
    return kept && *kept ? kept : NULL;
}

void gs_reader_symbol_names(struct gs_resolver *resolver, Elf *elf, uint32_t type, struct gs_wanted *wanted,
                            size_t count)
{
    struct symbol_table table;
    GElf_Sym symbol;
    if (!count || !find_table(elf, type, &table))
        return;
    struct covering *found = gs_alloc(count * sizeof *found);
    if (!found) {
        resolver->failed = true;
        return;
    }
    for (size_t n = 0; n < table.count; n++)
        if (gelf_getsym(table.symbols, (int)n, &symbol))
            add_symbol(elf, &symbol, wanted, count, found);
    use_unsized(wanted, count, found);
    for (size_t i = 0; i < count; i++)
        if (!wanted[i].symbol)
            wanted[i].symbol = name_of(resolver, &table, &found[i].covers);
    gs_free(found);
}
