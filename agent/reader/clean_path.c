/* clean_path.c - paths of source files as pprof shows them. Context: any (pure). */
#include "profile/profile.h"
#include "reader/reader.h"
#include <limits.h>
#include <string.h>

/* Add the component AT[0..PART) of a path to OUT, "/a/b" of LENGTH bytes; "." adds nothing, ".." removes the last one. Returns the
 * new length. */
static size_t add_component(char *out, size_t length, const char *at, size_t part, bool relative)
{
    bool up = part == 2 && memcmp(at, "..", 2) == 0,
         follows_up = length >= 3 && memcmp(out + length - 3, "/..", 3) == 0; // "../..": nothing to remove
    if (part == 1 && *at == '.')
        return length;
    if (up && length && !follows_up)
        return (size_t)((char *)memrchr(out, '/', length) - out);
    if (up && !relative)
        return length;
    out[length] = '/';
    memcpy(out + length + 1, at, part);
    return length + part + 1;
}

const char *gs_reader_clean_path(struct gs_profile *profile, const char *path)
{
    char out[PATH_MAX + 2];
    size_t length = 0;
    bool relative = *path != '/';
    if (strlen(path) >= PATH_MAX)
        return path;
    for (const char *at = path + strspn(path, "/"), *end; *at; at = end + strspn(end, "/")) {
        end = at + strcspn(at, "/");
        length = add_component(out, length, at, (size_t)(end - at), relative);
    }
    out[length] = 0;
    return gs_profile_string(profile, length ? out + relative : relative ? "." : "/");
}
