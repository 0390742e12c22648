/* libraries.c - the probe's table of libraries as mappings, and names for the frames that the probe has recorded.
 * Context: watcher, CLI. */
#include "base/memory.h"
#include "gather/inside.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert((int)GS_FRAME_LIBRARY_SHIFT == (int)GS_LIBRARY_SHIFT, "both say how frames are numbered");
_Static_assert((int)GS_FRAME_NO_LIBRARY == (int)GS_NO_LIBRARY, "both say how frames are numbered");
_Static_assert((int)GS_LIBRARIES_MAX < (int)GS_FRAME_UNKNOWN_LIBRARY, "numbers of libraries are below it");

bool gs_gather_library_mapping(const struct gs_library *from, uint32_t number, struct gs_mapping *out)
{
    uint32_t length = from->build_id_length < GS_BUILD_ID_MAX ? from->build_id_length : GS_BUILD_ID_MAX;
    *out = (struct gs_mapping){
        .start = from->start,
        .end = from->end,
        .offset = from->offset,
        .has_bias = true,
        .bias = from->bias,
        .build_id_length = length,
        .unloaded = from->state == GS_LIBRARY_GONE,
        .path = from->path[0] ? gs_strndup(from->path, strnlen(from->path, sizeof from->path))
                              : gs_strdup("[unknown]"),
    };
    memcpy(out->build_id, from->build_id, length);
    gs_symbol_library_place(out, number);
    return out->path != NULL;
}

void gs_gather_libraries_free(struct gs_mapping *library, size_t count)
{
    for (size_t i = 0; library && i < count; i++)
        gs_free(library[i].path);
    gs_free(library);
}

struct gs_mapping *gs_gather_libraries(size_t *count)
{
    uint32_t all = gs_probe_library_count();
    struct gs_mapping *library = gs_alloc((all + 1) * sizeof *library);
    bool failed = !library;
    for (uint32_t number = 1; !failed && number <= all; number++) {
        const struct gs_library *from = gs_probe_library(number); // not filled yet: no stack has its number
        failed = from && !gs_gather_library_mapping(from, number, &library[number - 1]);
    }
    *count = all;
    if (!failed)
        return library;
    gs_gather_libraries_free(library, all);
    return NULL;
}

uint32_t gs_gather_library_changes(void)
{
    return gs_probe_library_changes();
}

void gs_gather_symbolize(struct gs_profile *profile, const struct gs_maps *maps)
{
    struct gs_maps with_libraries = *maps;
    with_libraries.library = gs_gather_libraries(&with_libraries.library_count);
    if (!with_libraries.library)
        profile->failed = true;
    else
        gs_profile_symbolize(profile, &with_libraries);
    gs_gather_libraries_free(with_libraries.library, with_libraries.library_count);
}
