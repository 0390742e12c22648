/* own.c - whose code the frames of a stack are, and which of them is the program's own: the one to blame for what the stack holds.
 *
 *   leaf                                                                              root
 *   malloc ← CRYPTO_malloc ← [libssl.so.3] ← zmalloc ← session_open ← accept_one ← main ← [libc.so.6]
 *   runtime    library         library       plumbing    OWN            own         own     runtime
 *
 * The own frame is the first one that is own code. A stack without any has the first of a library, else of plumbing, else of
 * the runtime. Context: watcher, CLI. */
#include "profile/inside.h"
#include <string.h>

const char *gs_profile_path_of(const struct gs_profile *profile, uint32_t location)
{
    uint32_t mapping = profile->location[location].mapping;
    return mapping ? profile->mapping[mapping - 1].path : "";
}

static bool is_learned(const struct gs_plumbing *plumbing, const char *path, const char *function)
{
    for (size_t i = 0; i < plumbing->learned_count; i++)
        if (strcmp(plumbing->learned[i].path, path) == 0 &&
            strcmp(plumbing->learned[i].function, function) == 0)
            return true;
    return false;
}

static bool is_plumbing(const struct gs_plumbing *plumbing, const char *path, const char *function)
{
    for (size_t list = 0; plumbing && list < GS_PLUMBING_LISTS; list++)
        for (size_t i = 0; i < plumbing->user[list].count; i++)
            if (gs_symbol_matches(plumbing->user[list].pattern[i], function))
                return true;
    return gs_symbol_function_is_plumbing(function) || (plumbing && is_learned(plumbing, path, function));
}

/* The main program is mapping 1: wherever it lies, it is not a library. FILE: the function's source; "" if it is not known. */
static enum gs_code code_of_function(const struct gs_profile *profile, uint32_t location,
                                     const char *function, const char *file)
{
    const char *path = gs_profile_path_of(profile, location);
    if (gs_symbol_function_is_runtime(function))
        return GS_CODE_START;
    if (gs_symbol_path_is_runtime(path) || gs_symbol_source_is_runtime(file))
        return GS_CODE_RUNTIME;
    if (is_plumbing(profile->plumbing, path, function))
        return GS_CODE_PLUMBING;
    return profile->location[location].mapping != 1 && gs_symbol_path_is_distribution(path) ? GS_CODE_LIBRARY
                                                                                            : GS_CODE_OWN;
}

/* The name of line LINE of the frame at LOCATION, like gs_profile_frame_name. */
static const char *line_name(const struct gs_profile *profile, uint32_t location, uint32_t line,
                             char room[300])
{
    const struct gs_location *at = &profile->location[location];
    const char *name = line < at->line_count ? profile->function[at->line[line].function].name : "";
    return *name ? name : gs_profile_frame_name(profile, location, room, 300);
}

enum gs_code gs_profile_code_of(const struct gs_profile *profile, uint32_t location, uint32_t *line)
{
    char room[300];
    enum gs_code best = GS_CODE_START;
    const struct gs_location *at = &profile->location[location];
    *line = 0;
    for (uint32_t i = 0; i == 0 || i < at->line_count; i++) {
        const char *file = i < at->line_count ? profile->function[at->line[i].function].file : "";
        enum gs_code code = code_of_function(profile, location, line_name(profile, location, i, room), file);
        if (i == 0 || code < best) {
            best = code;
            *line = i;
        }
    }
    return best;
}

const char *gs_profile_own_name(const struct gs_profile *profile, uint32_t location, char *out, size_t size)
{
    uint32_t line;
    (void)gs_profile_code_of(profile, location, &line);
    const struct gs_location *at = &profile->location[location];
    const char *name = line < at->line_count ? profile->function[at->line[line].function].name : "";
    return *name ? name : gs_profile_frame_name(profile, location, out, size);
}

/* Does the frame have the name of a function, not only FILE+0xADDRESS? */
static bool has_function(const struct gs_profile *profile, uint32_t location)
{
    const struct gs_location *at = &profile->location[location];
    return at->line_count && !strstr(profile->function[at->line[0].function].name, "+0x");
}

/* Has plumbing called frame AT? In a stripped file the helpers of a wrapper have no names ("nginx+0x278c4", which is
 * ngx_palloc_large), but the wrapper has one, because it is exported: such a helper is plumbing, too. */
static bool helps_plumbing(const struct gs_profile *profile, const uint32_t *location, uint32_t depth,
                           uint32_t at)
{
    uint32_t line, mapping = profile->location[location[at]].mapping;
    while (at < depth && profile->location[location[at]].mapping == mapping &&
           !has_function(profile, location[at]))
        at++;
    return at < depth && profile->location[location[at]].mapping == mapping &&
           gs_profile_code_of(profile, location[at], &line) == GS_CODE_PLUMBING;
}

/* Has an allocator called frame AT, which is in the same file: one that is linked into the program? Its helpers have names of any
 * kind (jemalloc's os_pages_map); its entries are known. */
static bool is_inside_allocator(const struct gs_profile *profile, const uint32_t *location, uint32_t depth,
                                uint32_t at)
{
    enum { NEAR = 24 }; // frames of an allocator, at most
    uint32_t mapping = profile->location[location[at]].mapping;
    for (uint32_t i = at + 1; i < depth && i <= at + NEAR; i++) {
        const struct gs_location *caller = &profile->location[location[i]];
        if (caller->mapping == mapping && caller->line_count &&
            gs_symbol_function_is_allocator(profile->function[caller->line[0].function].name))
            return true;
    }
    return false;
}

enum gs_code gs_profile_code_in_stack(const struct gs_profile *profile, const uint32_t *location,
                                      uint32_t depth, uint32_t at)
{
    uint32_t line;
    enum gs_code code = gs_profile_code_of(profile, location[at], &line);
    bool helps = code == GS_CODE_OWN && (helps_plumbing(profile, location, depth, at) ||
                                         is_inside_allocator(profile, location, depth, at));
    return helps ? GS_CODE_PLUMBING : code;
}

/* The first frame of a library (of an INTERPRETER); one with a name, if there is one. DEPTH: there is none. */
static uint32_t first_of_library(const struct gs_profile *profile, const uint32_t *location, uint32_t depth,
                                 bool interpreter)
{
    uint32_t found = depth;
    for (uint32_t i = 0; i < depth; i++) {
        if (gs_profile_code_in_stack(profile, location, depth, i) != GS_CODE_LIBRARY ||
            (interpreter && !gs_symbol_path_is_interpreter(gs_profile_path_of(profile, location[i]))))
            continue;
        if (has_function(profile, location[i]))
            return i;
        if (found == depth)
            found = i;
    }
    return found;
}

/* Is frame AT, which is own code, only the program's entry, behind which all is runtime? */
static bool is_entry(const struct gs_profile *profile, const uint32_t *location, uint32_t depth, uint32_t at)
{
    for (uint32_t i = at + 1; i < depth; i++)
        if (gs_profile_code_in_stack(profile, location, depth, i) < GS_CODE_RUNTIME)
            return false;
    return true;
}

/* `ruby`, and `python3` of some distributions, are a `main` that calls the interpreter's library: then the library is the
 * program. A stack in which an extension module stands as well is charged to the module, as any plug-in. */
uint32_t gs_profile_own_frame(const struct gs_profile *profile, const uint32_t *location, uint32_t depth)
{
    uint32_t first[GS_CODES];
    for (unsigned code = 0; code < GS_CODES; code++)
        first[code] = depth;
    for (uint32_t i = 0; i < depth && first[GS_CODE_OWN] == depth; i++) {
        enum gs_code code = gs_profile_code_in_stack(profile, location, depth, i);
        if (first[code] == depth)
            first[code] = i;
    }
    uint32_t own = first[GS_CODE_OWN];
    if (first[GS_CODE_LIBRARY] < depth && (own == depth || is_entry(profile, location, depth, own))) {
        uint32_t library = first_of_library(profile, location, depth, own < depth);
        if (library < depth)
            return library;
    }
    for (unsigned code = 0; code < GS_CODES; code++)
        if (first[code] < depth)
            return first[code];
    return 0;
}

uint32_t gs_profile_caller_frame(const struct gs_profile *profile, const uint32_t *location, uint32_t depth,
                                 uint32_t own)
{
    char own_room[300], room[300];
    const char *function = gs_profile_own_name(profile, location[own], own_room, sizeof own_room);
    for (uint32_t i = own + 1; i < depth; i++)
        if (gs_profile_code_in_stack(profile, location, depth, i) == GS_CODE_OWN &&
            strcmp(gs_profile_own_name(profile, location[i], room, sizeof room), function) != 0)
            return i;
    return depth;
}
