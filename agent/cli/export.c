/* export.c - `gumshoe export`: a profile in the formats of other tools.
 *
 *   --collapsed    a line for each stack, "root;…;leaf VALUE": Brendan Gregg's flamegraph.pl, and most other viewers
 *   --speedscope   JSON for https://www.speedscope.app
 *   --pprof-text   text as `go tool pprof -raw` prints it
 *   --dhat         JSON for dh_view.html of valgrind
 */
#include "cli/export.h"
#include "base/memory.h"
#include <stdio.h>
#include <string.h>

/* ---- collapsed ---------------------------------------------------------------------------------------------------------- */

/* Add NAME; ";" separates frames and a blank the value, so they and control characters are replaced. */
static void add_folded(struct gs_text *out, const char *name)
{
    struct gs_text printable = {0};
    gs_text_add_printable(&printable, name);
    for (char *at = printable.bytes; at && *at; at++)
        if (*at == ';')
            *at = ':';
    gs_text_add(out, "%s", printable.bytes ? printable.bytes : "");
    gs_text_fini(&printable);
}

/* The names of SAMPLE's frames from the root to the leaf, inlined ones included, separated by ";". */
static void add_frames(const struct gs_profile *profile, const struct gs_stack_row *row, struct gs_text *out)
{
    char room[300];
    for (uint32_t i = row->depth; i-- > 0;) {
        const struct gs_location *location = &profile->location[row->location[i]];
        if (!location->line_count)
            add_folded(out, gs_profile_frame_name(profile, row->location[i], room, sizeof room));
        for (uint32_t line = location->line_count; line-- > 0;) {
            add_folded(out, profile->function[location->line[line].function].name);
            if (line)
                gs_text_add(out, ";");
        }
        if (i)
            gs_text_add(out, ";");
    }
}

static int print_collapsed(const struct gs_view *view)
{
    struct gs_stacks stacks;
    if (gs_profile_stacks(view->profile, view->type, &stacks))
        return gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    for (size_t i = 0; i < stacks.count; i++) {
        struct gs_text line = {0};
        if (!stacks.row[i].depth)
            continue;
        add_frames(view->profile, &stacks.row[i], &line);
        printf("%s %lld\n", line.bytes ? line.bytes : "", (long long)stacks.row[i].value);
        gs_text_fini(&line);
    }
    gs_profile_stacks_fini(&stacks);
    return GS_EXIT_OK;
}

/* ---- speedscope --------------------------------------------------------------------------------------------------------- */

/* speedscope's name of a pprof unit. */
static const char *speedscope_unit(const char *unit)
{
    static const char *const known[] = {"bytes", "nanoseconds", "microseconds", "milliseconds", "seconds"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(unit, known[i]) == 0)
            return known[i];
    return "none";
}

/* A frame for each function and line of the profile; NUMBER[location] is that of its first. */
static json_t *frames_json(const struct gs_profile *profile, size_t *number)
{
    struct gs_json frames = gs_json_array();
    size_t count = 0;
    char room[300];
    for (uint32_t i = 0; i < profile->location_count; i++) {
        const struct gs_location *location = &profile->location[i];
        number[i] = count;
        for (uint32_t line = 0; line < location->line_count || line == 0; line++, count++) {
            const struct gs_line *at = location->line_count ? &location->line[line] : NULL;
            const char *name = at ? profile->function[at->function].name
                                  : gs_profile_frame_name(profile, i, room, sizeof room),
                       *file = at ? profile->function[at->function].file : "";
            struct gs_json frame = gs_json_object();
            gs_json_set(&frame, "name", gs_json_printable(name));
            if (*file)
                gs_json_set(&frame, "file", gs_json_printable(file));
            if (at && at->line)
                gs_json_set(&frame, "line", json_integer((json_int_t)at->line));
            gs_json_add(&frames, gs_json_take(&frame));
        }
    }
    return gs_json_take(&frames);
}

/* The frames of SAMPLE from the root to the leaf, as numbers. */
static json_t *stack_json(const struct gs_profile *profile, const struct gs_sample *sample,
                          const size_t *number)
{
    struct gs_json stack = gs_json_array();
    for (uint32_t i = sample->depth; i-- > 0;) {
        uint32_t lines = profile->location[sample->location[i]].line_count;
        for (uint32_t line = lines ? lines : 1; line-- > 0;)
            gs_json_add(&stack, json_integer((json_int_t)(number[sample->location[i]] + line)));
    }
    return gs_json_take(&stack);
}

static int print_speedscope(const struct gs_view *view)
{
    const struct gs_profile *profile = view->profile;
    const struct gs_value_type *type = &profile->sample_type[view->type];
    size_t *number = gs_alloc((profile->location_count + 1) * sizeof *number);
    struct gs_json samples = gs_json_array(), weights = gs_json_array();
    int64_t total = 0;
    json_t *frames = number ? frames_json(profile, number) : NULL;
    for (size_t i = 0; number && i < profile->sample_count; i++) {
        int64_t value = profile->sample[i].value[view->type];
        if (value <= 0) // a width cannot be negative
            continue;
        gs_json_add(&samples, stack_json(profile, &profile->sample[i], number));
        gs_json_add(&weights, json_integer((json_int_t)value));
        total += value;
    }
    json_t *json =
        json_pack("{s:s, s:s, s:{s:o}, s:[{s:s, s:o, s:s, s:i, s:I, s:o, s:o}]}", "$schema",
                  "https://www.speedscope.app/file-format-schema.json", "exporter", "gumshoe", "shared",
                  "frames", frames, "profiles", "type", "sampled", "name", gs_json_printable(type->type),
                  "unit", speedscope_unit(type->unit), "startValue", 0, "endValue", (json_int_t)total,
                  "samples", gs_json_take(&samples), "weights", gs_json_take(&weights));
    int status = json ? gs_cli_print_json(json) : gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    json_decref(json);
    gs_free(number);
    return status;
}

/* ---- the command -------------------------------------------------------------------------------------------------------- */

int gs_cli_run_export(struct gs_arguments *arguments)
{
    struct gs_view_options view_options = GS_VIEW_INIT(view_options);
    bool collapsed = false, speedscope = false, pprof_text = false, dhat = false;
    int status;
    const struct gs_option options[] = {
        {"collapsed", .set = &collapsed, .help = "a line for each stack: root;…;leaf VALUE"},
        {"speedscope", .set = &speedscope, .help = "JSON for speedscope"},
        {"pprof-text", .set = &pprof_text, .help = "the whole profile as text, as pprof's -raw prints it"},
        {"dhat", .set = &dhat, .help = "JSON for the viewer of valgrind's DHAT, dh_view.html"},
        GS_VIEW_OPTIONS(view_options),
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count == 1 && collapsed + speedscope + pprof_text + dhat != 1)
        return gs_cli_usage(arguments->command,
                            "which format: --collapsed, --speedscope, --pprof-text or --dhat?");
    return gs_cli_view_run(arguments, &view_options,
                           collapsed    ? print_collapsed
                           : speedscope ? print_speedscope
                           : pprof_text ? gs_cli_export_pprof_text
                                        : gs_cli_export_dhat);
}
