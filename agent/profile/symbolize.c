/* symbolize.c - finds mappings and function names for the addresses of a profile that was just gathered.
 *
 *   location.address ──gs_symbol_maps_find──▶ mapping       main program first, then those with a location
 *                    ──gs_symbols────▶ function      from symbol tables only: no DWARF is loaded into the host;
 *                                                    without a symbol "memcached+0x1a2b";
 *                                                    in generated code without a name "[jit java]";
 *                                                    in a library that was unloaded "libA.so+0x1a2b (unloaded)"
 */
#include "base/memory.h"
#include "profile/inside.h"
#include "symbol/symbol.h"
#include <limits.h>
#include <stdio.h>

/* The number of FROM, a mapping or library of MAPS, in the profile; added at its first use. NUMBERS: index + 1 for each of
 * MAPS' mappings, then for each of its libraries, or 0. */
static uint32_t use_mapping(struct gs_profile *profile, const struct gs_maps *maps,
                            const struct gs_mapping *from, uint32_t *numbers)
{
    bool is_library = from >= maps->library && from < maps->library + maps->library_count;
    size_t at = is_library ? maps->count + (size_t)(from - maps->library) : (size_t)(from - maps->mapping);
    char hex[2 * GS_BUILD_ID_MAX + 1];
    if (numbers[at] == 0) {
        struct gs_profile_mapping mapping = {.start = from->start,
                                             .end = from->end,
                                             .offset = from->offset,
                                             .path = from->path,
                                             .build_id = gs_symbol_build_id_hex(from, hex)};
        numbers[at] = gs_profile_add_mapping(profile, &mapping) + 1;
    }
    return numbers[at];
}

/* The function that SYMBOL names; where it has no name, one called "FILE+0xADDRESS", by which `addr2line -e FILE` finds it
 * once there are symbols (with " (unloaded)" if the library is gone); in generated code "[jit PROGRAM]". */
static uint32_t add_function(struct gs_profile *profile, const struct gs_maps *maps,
                             const struct gs_symbol *symbol, const char *path)
{
    char name[NAME_MAX + 48];
    if (symbol->name)
        return gs_profile_add_function(profile, symbol->name, symbol->system_name, "", 0);
    if (symbol->generated && maps->main != SIZE_MAX)
        snprintf(name, sizeof name, "[jit %.*s]", NAME_MAX,
                 gs_text_base_name(maps->mapping[maps->main].path));
    else if (symbol->generated)
        snprintf(name, sizeof name, "[jit]");
    else
        snprintf(name, sizeof name, "%.*s+%#llx%s", NAME_MAX, gs_text_base_name(path),
                 (unsigned long long)symbol->file_address, symbol->unloaded ? " (unloaded)" : "");
    return gs_profile_add_function(profile, name, name, "", 0);
}

/* has_functions is set only if a real name was found: otherwise a reader that has the symbols fills them in. */
static void name_location(struct gs_profile *profile, struct gs_location *location,
                          const struct gs_maps *maps, const struct gs_symbols *symbols)
{
    struct gs_symbol symbol = gs_symbol_table_find(symbols, location->address);
    if (!location->mapping || (!symbol.name && !symbol.in_file && !symbol.generated))
        return;
    struct gs_profile_mapping *mapping = &profile->mapping[location->mapping - 1];
    struct gs_line *line = gs_profile_room(profile, sizeof *line);
    if (!line)
        return;
    line->function = add_function(profile, maps, &symbol, mapping->path);
    if (line->function == UINT32_MAX)
        return;
    location->line = line;
    location->line_count = 1;
    mapping->has_functions |= symbol.name != NULL;
}

static void resolve(struct gs_profile *profile, const struct gs_maps *maps, uint32_t *numbers,
                    uint64_t *addresses)
{
    if (maps->main != SIZE_MAX)
        use_mapping(profile, maps, &maps->mapping[maps->main], numbers);
    for (size_t i = 0; i < profile->location_count; i++) {
        struct gs_location *location = &profile->location[i];
        location->address = gs_symbol_maps_resolve(maps, location->address);
        const struct gs_mapping *mapping = gs_symbol_maps_find(maps, location->address);
        addresses[i] = location->address;
        if (mapping)
            location->mapping = use_mapping(profile, maps, mapping, numbers);
    }
    struct gs_symbols *symbols = gs_symbol_table_new(maps, addresses, profile->location_count);
    for (size_t i = 0; symbols && i < profile->location_count; i++)
        if (profile->location[i].line_count == 0)
            name_location(profile, &profile->location[i], maps, symbols);
    for (size_t i = 0; symbols && i < gs_symbol_table_note_count(symbols); i++)
        gs_profile_add_comment(profile, "no names from %s", gs_symbol_table_note(symbols, i));
    profile->failed |= !symbols;
    gs_symbol_table_free(symbols);
}

void gs_profile_symbolize(struct gs_profile *profile, const struct gs_maps *maps)
{
    uint32_t *numbers = gs_alloc((maps->count + maps->library_count + 1) * sizeof *numbers);
    uint64_t *addresses = gs_alloc((profile->location_count + 1) * sizeof *addresses);
    if (numbers && addresses)
        resolve(profile, maps, numbers, addresses);
    else
        profile->failed = true;
    gs_free(numbers);
    gs_free(addresses);
}
