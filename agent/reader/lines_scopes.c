/* lines_scopes.c - finds the functions, with inlined ones, around the addresses of one compilation unit.
 *
 *   CU ─▶ subprogram f  ─▶ inlined g ─▶ block ─▶ inlined h      one walk over the unit's tree for all of its addresses: an
 *         [0x10, 0x90)     [0x20,0x60)           [0x30, 0x38)   entry is entered only if it covers one of them
 *
 *   address 0x34 ─▶ h at the line of 0x34, g at the line that calls h, f at the line that calls g
 *
 * Who: the CLI. Bounds: DEPTH_MAX levels, FRAMES_MAX frames of an address. */
#include "base/memory.h"
#include "base/search.h"
#include "reader/lines.h"
#include <dwarf.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 256, FRAMES_MAX = 64 };

struct scope {
    Dwarf_Die die;
    uint32_t parent; // number of the scope around it; 0: the unit
    int tag;
};

struct scopes {
    struct scope *scope; // scope[n - 1] is number n
    size_t count, capacity;
    struct gs_wanted *wanted; // in order of address
    size_t wanted_count;
    bool types_hold_functions; // the language puts code into types
    bool failed;
};

/* ---- the walk ------------------------------------------------------------------------------------------------------- */

/* Put the addresses in [BEGIN, END) that were in scope PARENT into scope NUMBER. Returns whether there are any. */
static bool claim(struct scopes *scopes, uint64_t begin, uint64_t end, uint32_t parent, uint32_t number)
{
    bool any = false;
    struct gs_search search = {.high = scopes->wanted_count};
    while (gs_search_next(&search))
        gs_search_step(&search, scopes->wanted[search.middle].address < begin);
    for (size_t i = search.low; i < scopes->wanted_count && scopes->wanted[i].address < end; i++)
        if (scopes->wanted[i].scope == parent) {
            scopes->wanted[i].scope = number;
            any = true;
        }
    return any;
}

/* Make DIE a scope if it covers an address of PARENT. Returns its number; 0: it covers none. */
static uint32_t enter(struct scopes *scopes, Dwarf_Die *die, int tag, uint32_t parent)
{
    Dwarf_Addr base, begin, end;
    uint32_t number = (uint32_t)scopes->count + 1;
    bool any = false;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &begin, &end)) > 0;)
        any |= claim(scopes, begin, end, parent, number);
    if (!any)
        return 0;
    if (gs_grow(&scopes->scope, &scopes->capacity, scopes->count + 1, sizeof *scopes->scope)) {
        scopes->failed = true;
        return 0;
    }
    scopes->scope[scopes->count++] = (struct scope){*die, parent, tag};
    return number;
}

enum entry_kind { OTHER, WITH_CODE, AROUND_CODE };

static enum entry_kind kind_of(const struct scopes *scopes, int tag)
{
    switch (tag) {
    case DW_TAG_subprogram:
    case DW_TAG_inlined_subroutine:
    case DW_TAG_lexical_block:
    case DW_TAG_entry_point:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
    case DW_TAG_with_stmt: return WITH_CODE;
    case DW_TAG_namespace:
    case DW_TAG_module: return AROUND_CODE;
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type: return scopes->types_hold_functions ? AROUND_CODE : OTHER;
    default: return OTHER;
    }
}

static void walk(struct scopes *scopes, Dwarf_Die *parent, uint32_t number, unsigned depth)
{
    Dwarf_Die child;
    if (depth == DEPTH_MAX || dwarf_child(parent, &child) != 0)
        return;
    do {
        int tag = dwarf_tag(&child);
        enum entry_kind kind = kind_of(scopes, tag);
        uint32_t inner = kind == WITH_CODE ? enter(scopes, &child, tag, number) : number;
        if (kind == AROUND_CODE || (kind == WITH_CODE && inner))
            walk(scopes, &child, inner, depth + 1);
    } while (!scopes->failed && dwarf_siblingof(&child, &child) == 0);
}

static bool language_has_code_in_types(Dwarf_Die *unit)
{
    switch (dwarf_srclang(unit)) {
    case DW_LANG_C:
    case DW_LANG_C89:
    case DW_LANG_C99:
    case DW_LANG_C11:
    case DW_LANG_Mips_Assembler: return false;
    default: return true;
    }
}

/* ---- frames --------------------------------------------------------------------------------------------------------- */

struct place {
    const struct gs_compile_unit *unit;
    const char *file; // "": unknown
    int64_t line;
};

/* The name of DIE's function as a linker knows it, else as the source has it; NULL: none. */
static const char *name_of_entry(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));
    if (!name)
        name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute));
    return name ? name : dwarf_diename(die);
}

static struct place place_of_address(const struct gs_compile_unit *unit, uint64_t address)
{
    struct place place = {unit, "", 0};
    struct gs_search search = {.high = unit->line_count};
    Dwarf_Addr start = 0;
    bool ends = true;
    int line = 0;
    while (gs_search_next(&search)) { // the first row above ADDRESS
        Dwarf_Line *row = dwarf_onesrcline(unit->lines, search.middle);
        gs_search_step(&search, dwarf_lineaddr(row, &start) == 0 && start <= address);
    }
    Dwarf_Line *row = search.low ? dwarf_onesrcline(unit->lines, search.low - 1) : NULL;
    if (!row || dwarf_lineendsequence(row, &ends) != 0 || ends)
        return place;
    const char *file = dwarf_linesrc(row, NULL, NULL);
    if (file && dwarf_lineno(row, &line) == 0)
        place = (struct place){unit, file, line};
    return place;
}

static struct place place_of_call(const struct gs_compile_unit *unit, Dwarf_Die *inlined)
{
    Dwarf_Attribute attribute;
    Dwarf_Word file = 0, line = 0;
    struct place place = {unit, "", 0};
    const char *name = NULL;
    if (unit->files && dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) == 0)
        name = dwarf_filesrc(unit->files, file, NULL, NULL);
    if (!name)
        return place;
    dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line);
    return (struct place){unit, name, line <= INT32_MAX ? (int64_t)line : 0};
}

/* FILE as an absolute path, as far as UNIT says what it is relative to; in OUT or FILE itself. */
static const char *absolute(const struct gs_compile_unit *unit, const char *file, char out[PATH_MAX])
{
    if (*file == 0 || *file == '/' || !unit->dir ||
        snprintf(out, PATH_MAX, "%s/%s", unit->dir, file) >= PATH_MAX)
        return file;
    return out;
}

static void add_line(struct gs_resolver *resolver, struct gs_wanted *wanted, const char *name,
                     const char *system_name, struct place place, int64_t start_line)
{
    char path[PATH_MAX];
    uint32_t function = gs_profile_add_function(resolver->to, name, system_name,
                                                absolute(place.unit, place.file, path), start_line);
    if (function == UINT32_MAX || gs_grow(&resolver->line, &resolver->line_capacity, resolver->line_count + 1,
                                          sizeof *resolver->line)) {
        resolver->failed = true;
        return;
    }
    resolver->line[resolver->line_count++] = (struct gs_line){function, place.line};
    wanted->line_count++;
}

/* Add a frame whose function is called SYSTEM_NAME. */
static void add_frame(struct gs_resolver *resolver, struct gs_wanted *wanted, const char *system_name,
                      struct place place, int64_t start_line)
{
    char *plain = gs_symbol_plain_name(system_name);
    if (plain)
        add_line(resolver, wanted, plain, system_name, place, start_line);
    else
        resolver->failed = true;
    gs_free(plain);
}

/* Add the frame of the function that is called, not inlined: the symbol table's name stays, because the names of a profile with
 * lines and of one without are compared. NAME: the one in the debug information, or NULL. */
static void add_outermost(struct gs_resolver *resolver, struct gs_wanted *wanted, const char *name,
                          struct place place, int64_t start_line)
{
    const struct gs_function *known = wanted->known;
    if (known)
        add_line(resolver, wanted, known->name, known->system_name, place, start_line);
    else if (wanted->symbol || name)
        add_frame(resolver, wanted, wanted->symbol ? wanted->symbol : name, place, start_line);
}

static int64_t start_line_of(Dwarf_Die *die)
{
    int line = 0;
    return dwarf_decl_line(die, &line) == 0 ? line : 0;
}

/* Add the frames of WANTED, innermost first. */
static void add_frames(struct gs_resolver *resolver, const struct gs_compile_unit *unit,
                       const struct scopes *scopes, struct gs_wanted *wanted)
{
    struct place place = place_of_address(unit, wanted->address);
    wanted->first_line = resolver->line_count;
    wanted->line_count = 0;
    for (uint32_t number = wanted->scope; number; number = scopes->scope[number - 1].parent) {
        struct scope *scope = &scopes->scope[number - 1];
        const char *name = name_of_entry(&scope->die);
        if (scope->tag == DW_TAG_inlined_subroutine) {
            if (wanted->line_count < FRAMES_MAX - 1)
                add_frame(resolver, wanted, name ? name : "(inlined)", place, start_line_of(&scope->die));
            place = place_of_call(unit, &scope->die);
        } else if (scope->tag == DW_TAG_subprogram || scope->tag == DW_TAG_entry_point) {
            add_outermost(resolver, wanted, name, place, start_line_of(&scope->die));
            return;
        }
    }
    if (*place.file) // assembler: a line, but no entry of a function
        add_outermost(resolver, wanted, NULL, place, 0);
}

void gs_reader_unit_lines(struct gs_resolver *resolver, const struct gs_compile_unit *unit,
                          struct gs_wanted *wanted, size_t count)
{
    Dwarf_Die die = unit->die;
    struct scopes scopes = {
        .wanted = wanted, .wanted_count = count, .types_hold_functions = language_has_code_in_types(&die)};
    for (size_t i = 0; i < count; i++)
        wanted[i].scope = 0;
    walk(&scopes, &die, 0, 0);
    resolver->failed |= scopes.failed;
    for (size_t i = 0; i < count && !resolver->failed; i++)
        add_frames(resolver, unit, &scopes, &wanted[i]);
    gs_free(scopes.scope);
}
