/* traces.c - `gumshoe traces`: prints every stack with its value and labels, in the layout of `go tool pprof -traces`. */
#include "base/memory.h"
#include "cli/view.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char separator[] = "-----------+-------------------------------------------------------";

/* ---- labels ------------------------------------------------------------------------------------------------------ */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "       key:  value": with all values of the key that are numbers (or texts). NULL: no memory, or the key was before. */
static char *label_line(const struct gs_sample *sample, uint32_t first)
{
    const struct gs_label_value *label = &sample->label[first];
    struct gs_text line = {0};
    for (uint32_t i = 0; i < first; i++)
        if (strcmp(sample->label[i].key, label->key) == 0 && !sample->label[i].text == !label->text)
            return NULL;
    gs_text_add(&line, "%10s: ", label->key);
    for (uint32_t i = first; i < sample->label_count; i++) {
        const struct gs_label_value *next = &sample->label[i];
        char number[64];
        if (strcmp(next->key, label->key) != 0 || !next->text != !label->text)
            continue;
        const char *unit =
            next->unit && *next->unit ? next->unit : next->key; // as pprof: the key is the unit
        gs_text_add(&line, " %s",
                    next->text ? next->text
                               : gs_reader_print_label(next->number, unit, number, sizeof number));
    }
    return line.bytes;
}

/* Print the labels of SAMPLE that are texts, or those that are numbers, in the order of their lines. */
static void print_labels(const struct gs_sample *sample, bool texts)
{
    char **line = gs_alloc((sample->label_count + 1) * sizeof(*line));
    size_t count = 0;
    for (uint32_t i = 0; line && i < sample->label_count; i++)
        if ((sample->label[i].text != NULL) == texts && (line[count] = label_line(sample, i)) != NULL)
            count++;
    if (count)
        qsort(line, count, sizeof(*line), by_text);
    for (size_t i = 0; i < count; i++) {
        gs_cli_print_line(line[i]);
        gs_free(line[i]);
    }
    gs_free(line);
}

/* ---- stacks ------------------------------------------------------------------------------------------------------ */

static void print_frame(const char *value, const char *name, const char *place, bool inlined)
{
    struct gs_text text = {0};
    gs_text_add(&text, "%s%s%s%s", name, *place ? " " : "", place, inlined ? " (inline)" : "");
    printf("%10s   ", value);
    gs_cli_print_line(text.bytes ? text.bytes : name);
    gs_text_fini(&text);
}

/* "file.c:12" if lines are wanted and the file is known, else "". */
static const char *place_of(const struct gs_view *view, const struct gs_line *line, char *out, size_t size)
{
    const struct gs_function *function = &view->profile->function[line->function];
    out[0] = 0;
    if (view->options->lines && *function->file)
        snprintf(out, size, line->line ? "%s:%lld" : "%s",
                 gs_reader_clean_path(view->profile, function->file), (long long)line->line);
    return out;
}

static void print_stack(const struct gs_view *view, const struct gs_sample *sample)
{
    char number[64], place[4200], room[300];
    const struct gs_profile *profile = view->profile;
    const char *value = gs_reader_print_label(sample->value[view->type],
                                              profile->sample_type[view->type].unit, number, sizeof number);
    for (uint32_t i = 0; i < sample->depth; i++) {
        const struct gs_location *location = &profile->location[sample->location[i]];
        if (!location->line_count)
            print_frame(value, gs_profile_frame_name(profile, sample->location[i], room, sizeof room), "",
                        false);
        for (uint32_t line = 0; line < location->line_count; line++) {
            const struct gs_function *function = &profile->function[location->line[line].function];
            print_frame(line ? "" : value, function->name,
                        place_of(view, &location->line[line], place, sizeof place),
                        line + 1 < location->line_count);
        }
        value = "";
    }
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

/* {key: [value, …]}: texts, and numbers as they are. */
static json_t *labels_json(const struct gs_sample *sample)
{
    struct gs_json labels = gs_json_object();
    for (uint32_t i = 0; i < sample->label_count; i++) {
        const struct gs_label_value *label = &sample->label[i];
        struct gs_text key = {0};
        gs_text_add_printable(&key, label->key);
        const char *name = key.bytes ? key.bytes : "";
        if (!json_object_get(labels.json, name))
            gs_json_set(&labels, name, json_array());
        struct gs_json values = {.json = json_object_get(labels.json, name)};
        gs_json_add(&values,
                    label->text ? gs_json_printable(label->text) : json_integer((json_int_t)label->number));
        labels.failed |= values.failed || key.failed;
        gs_text_fini(&key);
    }
    return gs_json_take(&labels);
}

/* The frames from the leaf to the root, inlined ones included. */
static json_t *frames_json(const struct gs_view *view, const struct gs_sample *sample)
{
    const struct gs_profile *profile = view->profile;
    struct gs_json frames = gs_json_array();
    char room[300];
    for (uint32_t i = 0; i < sample->depth; i++) {
        const struct gs_location *location = &profile->location[sample->location[i]];
        if (!location->line_count)
            gs_json_add(&frames,
                        gs_cli_view_frame_json(
                            gs_profile_frame_name(profile, sample->location[i], room, sizeof room), "", 0));
        for (uint32_t line = 0; line < location->line_count; line++) {
            const struct gs_function *function = &profile->function[location->line[line].function];
            struct gs_json frame = {
                .json = gs_cli_view_frame_json(function->name, function->file, location->line[line].line)};
            frame.failed = !frame.json;
            gs_json_set(&frame, "inlined", json_boolean(line + 1 < location->line_count));
            gs_json_add(&frames, gs_json_take(&frame));
        }
    }
    return gs_json_take(&frames);
}

static json_t *trace_json(const struct gs_view *view, const struct gs_sample *sample)
{
    struct gs_json trace = gs_json_object();
    gs_json_set(&trace, "value", json_integer((json_int_t)sample->value[view->type]));
    gs_json_set(&trace, "labels", labels_json(sample));
    gs_json_set(&trace, "frames", frames_json(view, sample));
    return gs_json_take(&trace);
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static bool is_zero(const struct gs_profile *profile, const struct gs_sample *sample)
{
    for (unsigned i = 0; i < profile->sample_type_count; i++)
        if (sample->value[i])
            return false;
    return true;
}

static int print_as_json(const struct gs_view *view)
{
    struct gs_json traces = gs_json_array();
    for (size_t i = 0; i < view->profile->sample_count; i++) {
        const struct gs_sample *sample = &view->profile->sample[i];
        if (sample->depth && !is_zero(view->profile, sample))
            gs_json_add(&traces, trace_json(view, sample));
    }
    return gs_cli_view_print_json(view, "traces", gs_json_take(&traces));
}

static int show(const struct gs_view *view)
{
    if (view->options->json)
        return print_as_json(view);
    gs_cli_view_print_head(view, NULL);
    for (size_t i = 0; i < view->profile->sample_count; i++) {
        const struct gs_sample *sample = &view->profile->sample[i];
        if (!sample->depth || is_zero(view->profile, sample)) // as pprof
            continue;
        puts(separator);
        print_labels(sample, true);
        print_labels(sample, false);
        print_stack(view, sample);
    }
    puts(separator);
    return GS_EXIT_OK;
}

int gs_cli_run_traces(struct gs_arguments *arguments)
{
    struct gs_view_options view_options = GS_VIEW_INIT(view_options);
    int status;
    const struct gs_option options[] = {
        GS_VIEW_OPTIONS(view_options),
        GS_VIEW_LINES(view_options),
        GS_VIEW_JSON(view_options, "{\"traces\": [{\"value\", \"labels\", \"frames\"}]}"),
        {0}};
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    return gs_cli_view_run(arguments, &view_options, show);
}
