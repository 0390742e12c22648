/* prune.c - drop_frames, as pprof applies it: below a frame whose name matches, nothing is shown, nor the frame itself.
 *
 * The expression is matched by us, not by regcomp (the watcher prunes too, and regcomp's memory would be the host's):
 * alternatives of literal text with "." and ".*" and escapes. An expression with more than that drops nothing.
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

static bool dropped(const char *expression, const char *name)
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

static bool understood(const char *expression)
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
}; // for each location: how many of its lines go, from the innermost

int gs_profile_prune_new(const struct gs_profile *profile, struct gs_prune **out)
{
    struct gs_prune *prune = *out = NULL;
    if (!*profile->drop_frames || !understood(profile->drop_frames))
        return 0;
    prune = *out = gs_alloc((profile->location_count + 1) * sizeof prune->lines[0]);
    if (!prune)
        return -ENOMEM;
    for (size_t i = 0; i < profile->location_count; i++)
        for (uint32_t l = 0; l < profile->location[i].line_count; l++)
            if (dropped(profile->drop_frames, profile->function[profile->location[i].line[l].function].name))
                prune->lines[i] = l + 1;
    return 0;
}

void gs_profile_prune_sample(const struct gs_prune *prune, const struct gs_profile *profile,
                             const struct gs_sample *sample, uint32_t *first, uint32_t *line)
{
    bool found_user = false; // a stack that begins with dropped frames keeps them: better than nothing at all
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
