/* serve_profile_text.c - a profile as text, for ?debug=1: whole stacks, the heaviest first, in the form of Go's count profiles.
 *
 *   heap profile: 3 stacks, inuse_space 4194304 bytes
 *   2097152 @ 0x55d0c1 0x55d2aa
 *   #  0x55d0c1  cache_put   /src/cache.c:42
 */
#include "cli/serve.h"
#include "profile/profile.h"
#include "reader/reader.h"
#include <stdio.h>

enum { STACKS_SHOWN = 2000 };

static void add_frame(const struct gs_profile *profile, uint32_t at, struct gs_text *out)
{
    char name[512];
    const struct gs_location *location = &profile->location[at];
    gs_text_add(out, "#\t%#llx\t", (unsigned long long)location->address);
    gs_text_add_printable(out, gs_profile_frame_name(profile, at, name, sizeof name));
    const struct gs_function *function =
        location->line_count ? &profile->function[location->line[0].function] : NULL;
    if (function && function->file && *function->file) {
        gs_text_add(out, "\t");
        gs_text_add_printable(out, function->file);
        gs_text_add(out, ":%lld", (long long)location->line[0].line);
    }
    gs_text_add(out, "\n");
}

static void add_stack(const struct gs_profile *profile, const struct gs_stack_row *row, struct gs_text *out)
{
    gs_text_add(out, "%lld @", (long long)row->value);
    for (uint32_t i = 0; i < row->depth; i++)
        gs_text_add(out, " %#llx", (unsigned long long)profile->location[row->location[i]].address);
    gs_text_add(out, "\n");
    for (uint32_t i = 0; i < row->depth; i++)
        add_frame(profile, row->location[i], out);
    gs_text_add(out, "\n");
}

bool gs_cli_profile_text(const char *kind, const struct gs_text *bytes, struct gs_text *out, char *why,
                         size_t why_size)
{
    struct gs_profile *profile = gs_reader_profile(bytes->bytes, bytes->length, why, why_size);
    struct gs_stacks stacks;
    int type = profile ? gs_profile_sample_type(profile, NULL) : -1;
    if (profile && (type < 0 || gs_profile_stacks(profile, type, &stacks))) {
        snprintf(why, why_size, "it has no sample types, or there is not enough memory");
        gs_profile_free(profile);
        return false;
    }
    if (!profile)
        return false;
    gs_text_add(out, "%s profile: %zu stack%s, ", kind, stacks.count, gs_text_plural((double)stacks.count));
    gs_text_add_printable(out, profile->sample_type[type].type);
    gs_text_add(out, " %lld ", (long long)stacks.total);
    gs_text_add_printable(out, profile->sample_type[type].unit);
    gs_text_add(out, "\n");
    for (size_t i = 0; i < stacks.count && i < STACKS_SHOWN; i++)
        add_stack(profile, &stacks.row[i], out);
    if (stacks.count > STACKS_SHOWN)
        gs_text_add(out, "and %zu more stacks\n", stacks.count - STACKS_SHOWN);
    gs_profile_stacks_fini(&stacks);
    gs_profile_free(profile);
    return true;
}
