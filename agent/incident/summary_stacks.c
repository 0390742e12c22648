/* summary_stacks.c - the parts of summary.txt that show a profile: its heaviest stacks, its heaviest functions.
 * Context: watcher. */
#include "incident/inside.h"
#include "profile/profile.h"
#include "symbol/symbol.h"

enum { STACKS = 3, FRAMES = 6, FUNCTIONS = 5 };

void gs_incident_add_share(struct gs_text *out, int64_t part, int64_t whole)
{
    char share[GS_UNIT_TEXT];
    gs_text_add(out, "%7s",
                whole ? gs_units_print_percent((double)(int64_t)((__int128)part * 1000 / whole) / 1000, share)
                      : "");
}

/* Is the frame of no use to the reader, such as the C library's start-up or an allocation wrapper? */
static bool is_noise(const struct gs_profile *profile, uint32_t location, const char *name)
{
    uint32_t mapping = profile->location[location].mapping;
    return gs_symbol_function_is_runtime(name) ||
           (mapping && gs_symbol_path_is_runtime(profile->mapping[mapping - 1].path));
}

static void add_frame(struct gs_text *out, const struct gs_profile *profile, uint32_t location,
                      const char *name)
{
    const struct gs_location *at = &profile->location[location];
    gs_text_add_printable(out, name);
    if (at->line_count && *profile->function[at->line[0].function].file) {
        gs_text_add(out, " (");
        gs_text_add_printable(out, gs_text_base_name(profile->function[at->line[0].function].file));
        gs_text_add(out, ":%lld)", (long long)at->line[0].line);
    }
}

void gs_incident_add_stack(struct gs_text *out, const struct gs_profile *profile,
                           const struct gs_stack_row *row)
{
    char room[300];
    uint32_t shown = 0, first = 0;
    while (first + 1 < row->depth &&
           is_noise(profile, row->location[first],
                    gs_profile_frame_name(profile, row->location[first], room, sizeof room)))
        first++;
    for (uint32_t i = first; i < row->depth; i++) {
        const char *name = gs_profile_frame_name(profile, row->location[i], room, sizeof room);
        if (i > first && is_noise(profile, row->location[i], name))
            continue;
        if (shown == FRAMES) {
            gs_text_add(out, " ← …");
            break;
        }
        gs_text_add(out, shown++ ? " ← " : "");
        add_frame(out, profile, row->location[i], name);
    }
    gs_text_add(out, "\n");
}

bool gs_incident_stacks_of(const struct gs_profile *profile, int type, struct gs_stacks *stacks,
                           struct gs_text *out)
{
    bool taken = gs_profile_stacks(profile, type, stacks) == 0;
    out->failed |= !taken;
    return taken;
}

void gs_incident_add_heap_stacks(struct gs_text *out, const struct gs_profile *profile, const char *title)
{
    struct gs_stacks stacks;
    char size[GS_UNIT_TEXT];
    int type = gs_profile_sample_type(profile, "inuse_space");
    if (type < 0 || !gs_incident_stacks_of(profile, type, &stacks, out))
        return;
    int64_t positive = 0;
    for (size_t i = 0; i < stacks.count; i++)
        positive += stacks.row[i].value > 0 ? stacks.row[i].value : 0;
    gs_text_add(out, "\n%s\n", title);
    for (size_t i = 0, shown = 0; i < stacks.count && shown < STACKS; i++) {
        if (stacks.row[i].value <= 0)
            continue;
        gs_text_add(out, "  %10s", gs_units_print_size((double)stacks.row[i].value, size));
        gs_incident_add_share(out, stacks.row[i].value, positive);
        gs_text_add(out, "  ");
        gs_incident_add_stack(out, profile, &stacks.row[i]);
        shown++;
    }
    gs_profile_stacks_fini(&stacks);
}

void gs_incident_add_functions(struct gs_text *out, const struct gs_profile *profile, const char *type_name,
                               const char *title, const char *print(int64_t value, char *out))
{
    struct gs_top top;
    char flat[GS_UNIT_TEXT], cum[GS_UNIT_TEXT];
    int type = gs_profile_sample_type(profile, type_name);
    if (type < 0)
        return;
    if (gs_profile_top(profile, type, &top)) {
        out->failed = true;
        return;
    }
    gs_text_add(out, "\n%s, %s in all\n        flat  flat%%         cum   cum%%\n", title,
                print(top.total, flat));
    for (size_t i = 0; i < top.count && i < FUNCTIONS && top.row[i].flat; i++) {
        gs_text_add(out, "  %10s", print(top.row[i].flat, flat));
        gs_incident_add_share(out, top.row[i].flat, top.total);
        gs_text_add(out, "  %10s", print(top.row[i].cum, cum));
        gs_incident_add_share(out, top.row[i].cum, top.total);
        gs_text_add(out, "  ");
        gs_text_add_printable(out, top.row[i].function);
        gs_text_add(out, "\n");
    }
    gs_profile_top_fini(&top);
}
