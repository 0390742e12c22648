/* lines_dwarf.c - finds the compilation units of addresses in a file's DWARF, and reads one unit after the other.
 *
 *   addresses ──.debug_aranges──▶ unit      without an entry there (clang writes none): each unit is asked for its ranges
 *   units in order ──▶ line table and tree of each ──▶ lines of its addresses (lines_scopes.c)
 *
 * libdw keeps every table that it has read until the end: after LINE_ROWS_MAX rows the DWARF is closed and opened again, and
 * the pages of the file are given back, so that memory does not grow with the program. Who: the CLI. */
#include "base/memory.h"
#include "base/search.h"
#include "base/sort.h"
#include "reader/split.h"
#include <dwarf.h>
#include <sys/mman.h>

enum { LINE_ROWS_MAX = 1 << 20, UNITS_BETWEEN_RELEASES = 32 };

struct dwarf_reader {
    struct gs_resolver *resolver;
    struct gs_module *module;
    struct gs_debug_elf *file;
    Dwarf *dwarf, *supplement;
    Dwarf_CU *unit;     // the last one that was visited; NULL: none
    size_t rows, units; // read, and visited, since the DWARF was opened
};

/* ---- opening -------------------------------------------------------------------------------------------------------- */

/* Give the pages back that were read of FILE; they are read again when they are needed. */
static void release_pages(const struct gs_debug_elf *file)
{
    size_t size = 0;
    char *bytes = file->elf ? elf_rawfile(file->elf, &size) : NULL;
    if (bytes && ((uintptr_t)bytes & 4095) == 0)
        madvise(bytes, size, MADV_DONTNEED);
}

static void close_dwarf(struct dwarf_reader *reader)
{
    if (reader->dwarf)
        dwarf_end(reader->dwarf);
    if (reader->supplement)
        dwarf_end(reader->supplement);
    reader->dwarf = reader->supplement = NULL;
    reader->unit = NULL;
    reader->rows = reader->units = 0;
    release_pages(reader->file);
    release_pages(&reader->module->supplement);
    release_pages(&reader->module->package);
}

/* A reason if it failed; NULL: it is open. */
static const char *open_dwarf(struct dwarf_reader *reader)
{
    reader->dwarf = dwarf_begin_elf(reader->file->elf, DWARF_C_READ, NULL);
    if (!reader->dwarf)
        return "its debug information is damaged";
    if (gs_reader_open_supplement(reader->module, reader->file, reader->dwarf, &reader->supplement))
        return NULL;
    close_dwarf(reader);
    return "the supplementary file that dwz made of its debug information is missing";
}

/* Go to the next unit. libdw reads the head of each, which brings a page in, or two megabytes of them: they are given back from
 * time to time. */
static bool next_unit(struct dwarf_reader *reader, uint8_t *type, Dwarf_Die *die)
{
    if (++reader->units % UNITS_BETWEEN_RELEASES == 0)
        release_pages(reader->file);
    return dwarf_get_units(reader->dwarf, reader->unit, &reader->unit, NULL, type, die, NULL) == 0;
}

/* ---- units of addresses ------------------------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
    const struct gs_wanted *left = a, *right = b;
    if (left->address != right->address)
        return left->address < right->address ? -1 : 1;
    return left->location < right->location ? -1 : left->location > right->location;
}

static int by_unit(const void *a, const void *b)
{
    const struct gs_wanted *left = a, *right = b;
    if (left->unit != right->unit)
        return left->unit < right->unit ? -1 : 1;
    return by_address(a, b);
}

/* Take the units that .debug_aranges names. Returns the number of addresses without one. */
static size_t units_by_aranges(Dwarf *dwarf, struct gs_wanted *wanted, size_t count)
{
    Dwarf_Aranges *aranges = NULL;
    Dwarf_Off unit;
    size_t missing = 0;
    bool read = dwarf_getaranges(dwarf, &aranges, NULL) == 0;
    for (size_t i = 0; i < count; i++) {
        Dwarf_Arange *range = read ? dwarf_getarange_addr(aranges, wanted[i].address) : NULL;
        if (range && dwarf_getarangeinfo(range, NULL, NULL, &unit) == 0)
            wanted[i].unit = unit;
        else
            missing++;
    }
    return missing;
}

/* Give UNIT the addresses in [BEGIN, END) that have none. */
static void take_range(struct gs_wanted *wanted, size_t count, uint64_t begin, uint64_t end, uint64_t unit)
{
    struct gs_search search = {.high = count};
    while (gs_search_next(&search))
        gs_search_step(&search, wanted[search.middle].address < begin);
    for (size_t i = search.low; i < count && wanted[i].address < end; i++)
        if (wanted[i].unit == UINT64_MAX)
            wanted[i].unit = unit;
}

/* Ask every unit for its ranges. WANTED is in order of address. */
static void units_by_ranges(struct dwarf_reader *reader, struct gs_wanted *wanted, size_t count)
{
    Dwarf_Die die;
    Dwarf_Addr base, begin, end;
    uint8_t type;
    while (next_unit(reader, &type, &die))
        for (ptrdiff_t at = 0; (type == DW_UT_compile || type == DW_UT_skeleton) &&
                               (at = dwarf_ranges(&die, at, &base, &begin, &end)) > 0;)
            take_range(wanted, count, begin, end, dwarf_dieoffset(&die));
    reader->unit = NULL;
}

/* ---- units ---------------------------------------------------------------------------------------------------------- */

/* Let UNIT's functions be those of SPLIT, its other part. */
static void use_split(struct gs_compile_unit *unit, struct gs_split_image *split)
{
    Dwarf_CU *first = NULL, *of_lines;
    Dwarf_Off next;
    Dwarf_Files *files = NULL;
    size_t count;
    if (dwarf_get_units(split->dwarf, NULL, &first, NULL, NULL, &unit->die, NULL) != 0)
        return;
    if (dwarf_next_lines(split->dwarf, 0, &next, &of_lines, &files, &count, NULL, NULL) == 0 && files)
        unit->files = files;
}

/* Go on to the unit with its first entry at OFFSET. */
static bool go_to(struct dwarf_reader *reader, uint64_t offset, Dwarf_Die *die)
{
    uint8_t type;
    while (next_unit(reader, &type, die))
        if (dwarf_dieoffset(die) >= offset)
            return dwarf_dieoffset(die) == offset;
    return false;
}

static void read_unit(struct dwarf_reader *reader, struct gs_wanted *wanted, size_t count)
{
    struct gs_compile_unit unit = {0};
    struct gs_split_image split;
    Dwarf_Attribute dir;
    if (!go_to(reader, wanted->unit, &unit.die))
        return;
    unit.dir = dwarf_formstring(dwarf_attr(&unit.die, DW_AT_comp_dir, &dir));
    if (dwarf_getsrclines(&unit.die, &unit.lines, &unit.line_count) != 0)
        unit.line_count = 0;
    if (dwarf_getsrcfiles(&unit.die, &unit.files, NULL) != 0)
        unit.files = NULL;
    if (gs_reader_open_split(reader->module, reader->file, &unit.die, &split))
        use_split(&unit, &split);
    gs_reader_unit_lines(reader->resolver, &unit, wanted, count);
    gs_reader_split_image_close(&split);
    reader->rows += unit.line_count;
}

static const char *read_units(struct dwarf_reader *reader, struct gs_wanted *wanted, size_t count)
{
    const char *why = NULL;
    for (size_t at = 0, end; !why && at < count && wanted[at].unit != UINT64_MAX; at = end) {
        for (end = at + 1; end < count && wanted[end].unit == wanted[at].unit;)
            end++;
        read_unit(reader, &wanted[at], end - at);
        if (reader->rows >= LINE_ROWS_MAX) {
            close_dwarf(reader);
            why = open_dwarf(reader);
        }
    }
    return why;
}

const char *gs_reader_dwarf_lines(struct gs_resolver *resolver, struct gs_module *module,
                                  struct gs_wanted *wanted, size_t count)
{
    struct dwarf_reader reader = {
        .resolver = resolver, .module = module, .file = gs_reader_module_dwarf(module)};
    if (!reader.file)
        return "no debug information was found";
    const char *why = open_dwarf(&reader);
    if (why)
        return why;
    for (size_t i = 0; i < count; i++)
        wanted[i].unit = UINT64_MAX;
    gs_sort(wanted, count, sizeof *wanted, by_address);
    if (units_by_aranges(reader.dwarf, wanted, count))
        units_by_ranges(&reader, wanted, count);
    gs_sort(wanted, count, sizeof *wanted, by_unit);
    why = read_units(&reader, wanted, count);
    close_dwarf(&reader);
    if (!why && module->split_missing)
        why = "some of its .dwo files are missing: there are no inlined functions from them";
    return why;
}
