/* libraries.c - which library was at an address when a frame was recorded there, and is it still the one that is mapped?
 *
 *   a recorded frame: number of a library │ address      (probe.h)
 *     the mapping at the address is this library  ──▶ address: named like any other
 *     it is another one, or there is none         ──▶ number │ address: in gs_maps.library, which lies at such addresses
 *
 * So the name never comes from what lies there now. Context: any (pure). */
#include "symbol/inside.h"
#include <string.h>

void gs_symbol_library_place(struct gs_mapping *library, uint32_t number)
{
    uint64_t shift = (uint64_t)number << GS_LIBRARY_SHIFT;
    library->start += shift;
    library->end += shift;
    library->bias += shift;
}

static bool contains(const struct gs_mapping *library, uint64_t at)
{
    uint64_t start = library->start & GS_ADDRESS_MASK;
    return library->path && at - start < library->end - library->start;
}

/* Does MAPPING, NULL if there is none, show LIBRARY, which is number NUMBER? If one has no build id, it does unless LIBRARY was
 * unloaded. */
static bool is_shown(const struct gs_mapping *library, uint64_t number, const struct gs_mapping *mapping)
{
    if (!mapping || (mapping->has_bias && mapping->bias != library->bias - (number << GS_LIBRARY_SHIFT)))
        return false;
    return library->build_id_length && library->build_id_length == mapping->build_id_length
               ? memcmp(mapping->build_id, library->build_id, library->build_id_length) == 0
               : !library->unloaded;
}

uint64_t gs_symbol_maps_resolve(const struct gs_maps *maps, uint64_t frame)
{
    uint64_t number = frame >> GS_LIBRARY_SHIFT, at = frame & GS_ADDRESS_MASK;
    if (number == GS_NO_LIBRARY)
        return at;
    if (number > maps->library_count || (number && !contains(&maps->library[number - 1], at)))
        return frame;
    for (size_t i = 0; !number && i < maps->library_count; i++)
        if (contains(&maps->library[i], at))
            number = i + 1;
    if (!number || is_shown(&maps->library[number - 1], number, gs_symbol_maps_find(maps, at)))
        return at;
    return number << GS_LIBRARY_SHIFT | at;
}
