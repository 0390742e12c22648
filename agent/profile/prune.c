/* prune.c - applies drop_frames as pprof does: removes each frame whose name matches, and all frames that it called.
 *
 * We match the expression ourselves, because regcomp would allocate from the host's malloc on the watcher. Supported:
 * alternatives of literal text with ".", ".*" and escapes. Any other expression drops nothing.
 * Source of the rule: the comment on drop_frames in pprof's profile.proto. */
#include "base/memory.h"
#include "profile/inside.h"
#include <errno.h>
#include <string.h>

/* Does ALTERNATIVE (up to END) match the whole of NAME? */
static bool matches(const char *alternative, const char *end, const char *name)
{
    while (alternative < end) {
        if (end - alternative >= 2 && alternative[0] == '.' && alternative[1] == '*') {
            for (;; name++) {
                if (matches(alternative + 2, end, name))
                    return true;
                if (!*name)
                    return false;
            }
        }
        bool any = *alternative == '.', escaped = *alternative == '\\' && alternative + 1 < end;
        alternative += escaped;
        if (!*name || (!any && *alternative != *name))
            return false;
        alternative++;
        name++;
    }
    return !*name;
}

static bool is_dropped(const char *expression, const char *name)
{
    for (const char *at = expression;;) {
        const char *end = strchrnul(at, '|');
        if (matches(at, end, name))
            return true;
        if (!*end)
            return false;
        at = end + 1;
    }
}

static bool is_supported(const char *expression)
{
    for (const char *at = expression; *at; at++) {
        if (*at == '\\' && at[1] && !strchr("dDsSwWbBAzQE0123456789pPx", at[1]))
            at++;
        else if (strchr("[](){}^$+?\\", *at) || (*at == '*' && (at == expression || at[-1] != '.')))
            return false;
    }
    return true;
}

struct gs_prune {
    uint32_t lines[1];
}; // for each location: how many of its innermost lines are dropped

int gs_profile_prune_new(const struct gs_profile *profile, struct gs_prune **out)
{
    struct gs_prune *prune = *out = NULL;
    if (!*profile->drop_frames || !is_supported(profile->drop_frames))
        return 0;
    prune = *out = gs_alloc((profile->location_count + 1) * sizeof prune->lines[0]);
    if (!prune)
        return -ENOMEM;
    for (size_t i = 0; i < profile->location_count; i++)
        for (uint32_t l = 0; l < profile->location[i].line_count; l++)
            if (is_dropped(profile->drop_frames,
                           profile->function[profile->location[i].line[l].function].name))
                prune->lines[i] = l + 1;
    return 0;
}

void gs_profile_prune_sample(const struct gs_prune *prune, const struct gs_profile *profile,
                             const struct gs_sample *sample, uint32_t *first, uint32_t *line)
{
    bool found_user = false; // dropped frames at the root are kept: otherwise the stack would be empty
    *first = 0;
    *line = 0;
    for (uint32_t i = sample->depth; prune && i-- > 0;) {
        uint32_t location = sample->location[i], lines = prune->lines[location];
        if (lines == 0) {
            found_user = true;
        } else if (found_user) {
            bool whole = lines == profile->location[location].line_count;
            *first = whole ? i + 1 : i;
            *line = whole ? 0 : lines;
            return;
        }
    }
}

void gs_profile_prune_free(struct gs_prune *prune)
{
    gs_free(prune);
}

/* The location that is left of LOCATION without its first LINE lines. UINT32_MAX: no memory. */
static uint32_t add_rest(struct gs_profile *profile, uint32_t location, uint32_t line)
{
    struct gs_location rest = profile->location[location];
    rest.line += line;
    rest.line_count -= line;
    return gs_profile_add_location(profile, &rest);
}

int gs_profile_apply_drop_frames(struct gs_profile *profile)
{
    struct gs_prune *prune;
    if (gs_profile_prune_new(profile, &prune))
        return -ENOMEM;
    for (size_t i = 0; prune && i < profile->sample_count && !profile->failed; i++) {
        struct gs_sample *sample = &profile->sample[i];
        uint32_t first, line;
        gs_profile_prune_sample(prune, profile, sample, &first, &line);
        sample->location += first;
        sample->depth -= first;
        if (line) // memory of the profile: may be changed
            *(uint32_t *)sample->location = add_rest(profile, sample->location[0], line);
    }
    gs_profile_prune_free(prune);
    return profile->failed ? -ENOMEM : 0;
}
