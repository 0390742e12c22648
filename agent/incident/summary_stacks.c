/* summary_stacks.c - the parts of summary.txt that show a profile: its heaviest stacks, its heaviest functions.
 * Context: watcher. */
#include "base/memory.h"
#include "incident/inside.h"
#include "profile/profile.h"
#include "symbol/symbol.h"

enum { STACKS = 3, FUNCTIONS = 5 };
/* A stack that is too long is cut in its middle: HEAD frames, those around the own frame, the outermost one. */
enum { FRAMES_MAX = 7, HEAD = 2, AROUND_OWN = 3 };

void gs_incident_add_share(struct gs_text *out, int64_t part, int64_t whole)
{
    char share[GS_UNIT_TEXT];
    gs_text_add(out, "%7s",
                whole ? gs_units_print_percent((double)(int64_t)((__int128)part * 1000 / whole) / 1000, share)
                      : "");
}

void gs_incident_add_line_number(struct gs_text *out, const char *file, int64_t line)
{
    if (!*file)
        return;
    gs_text_add(out, " (");
    gs_text_add_printable(out, gs_text_base_name(file));
    gs_text_add(out, ":%lld)", (long long)line);
}

static void add_frame(struct gs_text *out, const struct gs_profile *profile, uint32_t location)
{
    const struct gs_location *at = &profile->location[location];
    char room[300];
    uint32_t line;
    (void)gs_profile_code_of(profile, location, &line);
    gs_symbol_add_short_name(out, gs_profile_own_name(profile, location, room, sizeof room));
    if (line < at->line_count)
        gs_incident_add_line_number(out, profile->function[at->line[line].function].file,
                                    at->line[line].line);
}

/* The frames of ROW that tell the reader something, without plumbing and runtime but always with the own frame, into SHOWN, a
 * list of row->depth indexes. Returns how many; *OWN is the place of the own frame among them. */
static uint32_t choose_frames(const struct gs_profile *profile, const struct gs_stack_row *row,
                              uint32_t *shown, uint32_t *own)
{
    uint32_t count = 0, own_frame = gs_profile_own_frame(profile, row->location, row->depth);
    for (uint32_t i = 0; i < row->depth; i++) {
        if (i == own_frame)
            *own = count;
        else if (gs_profile_code_in_stack(profile, row->location, row->depth, i) > GS_CODE_LIBRARY)
            continue;
        shown[count++] = i;
    }
    return count;
}

/* Is frame AT of COUNT, of which OWN is the program's own, shown when there are too many? */
static bool survives_cut(uint32_t at, uint32_t count, uint32_t own)
{
    return at < HEAD || (at >= own && at < own + AROUND_OWN) || (own < HEAD && at < FRAMES_MAX - 1) ||
           at + 1 == count;
}

void gs_incident_add_stack(struct gs_text *out, const struct gs_profile *profile,
                           const struct gs_stack_row *row)
{
    uint32_t *shown = gs_alloc((row->depth + 1) * sizeof *shown), own = 0;
    uint32_t count = shown ? choose_frames(profile, row, shown, &own) : 0;
    bool cut = false;
    out->failed |= !shown;
    for (uint32_t i = 0; i < count; i++) {
        if (count > FRAMES_MAX && !survives_cut(i, count, own)) {
            cut = true;
            continue;
        }
        gs_text_add(out, cut ? " ← … ← " : i ? " ← " : "");
        add_frame(out, profile, row->location[shown[i]]);
        cut = false;
    }
    gs_text_add(out, "\n");
    gs_free(shown);
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
    gs_incident_add_stacks(out, profile, "inuse_space", title);
}

void gs_incident_add_stacks(struct gs_text *out, const struct gs_profile *profile, const char *type_name,
                            const char *title)
{
    struct gs_stacks stacks;
    char size[GS_UNIT_TEXT];
    int type = gs_profile_sample_type(profile, type_name);
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
        gs_symbol_add_short_name(out, top.row[i].function);
        gs_text_add(out, "\n");
    }
    gs_profile_top_fini(&top);
}
