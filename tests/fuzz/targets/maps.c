/* The text of a /proc/PID/maps, which may come out of a box or an incident. */
#include "base/memory.h"
#include "fuzz.h"
#include "symbol/symbol.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char hex[2 * GS_BUILD_ID_MAX + 1], *text = gs_fuzz_copy(bytes, length, 0);
    struct gs_maps *maps = gs_symbol_maps_parse(text, length, "/usr/bin/server");
    gs_must(maps != NULL && maps->text_length == length);
    gs_must(maps->main == SIZE_MAX || maps->main < maps->count);
    for (size_t i = 0; i < maps->count; i++) {
        const struct gs_mapping *mapping = &maps->mapping[i];
        gs_must(mapping->path != NULL);
        (void)gs_symbol_build_id_hex(mapping, hex);
        const struct gs_mapping *found = gs_symbol_maps_find(maps, mapping->start);
        gs_must(!found || (found->start <= mapping->start && mapping->start < found->end));
    }
    (void)gs_symbol_maps_find(maps, 0);
    (void)gs_symbol_maps_find(maps, UINT64_MAX);
    gs_symbol_maps_free(maps);
    free(text);
    return 0;
}
