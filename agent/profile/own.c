/* own.c - finds the first frame of a stack that is the program's own code, not the C library, an allocator or a runtime.
 * Context: watcher, CLI. */
#include "profile/inside.h"
#include "symbol/symbol.h"

static const char *path_of(const struct gs_profile *profile, uint32_t location)
{
    uint32_t mapping = profile->location[location].mapping;
    return mapping ? profile->mapping[mapping - 1].path : "";
}

uint32_t gs_profile_own_frame(struct gs_profile *profile, const uint32_t *location, uint32_t depth)
{
    char room[300];
    uint32_t fallback = UINT32_MAX;
    for (uint32_t i = 0; i < depth; i++) {
        if (gs_symbol_function_is_runtime(gs_profile_frame_name(profile, location[i], room, sizeof room)))
            continue;
        if (!gs_symbol_path_is_runtime(path_of(profile, location[i])))
            return i;
        if (fallback == UINT32_MAX)
            fallback = i;
    }
    return fallback == UINT32_MAX ? 0 : fallback;
}
