/* diff.c - `gumshoe diff`: what grew from one profile to a later one, by function and by whole stack. */
#include "base/memory.h"
#include "cli/view.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 10 };

struct difference {
    struct gs_view view;     // B minus A
    int64_t before, after;   // totals of A and B
    struct gs_graph *graph;  // of the difference
    struct gs_stacks stacks; // of the difference
    long long max_rows;
};

/* ---- rows --------------------------------------------------------------------------------------------------------------- */

/* Stacks by the size of their change; gs_profile_stacks has the largest value first. */
static int by_change(const void *a, const void *b)
{
    long long left = llabs(((const struct gs_stack_row *)a)->value),
              right = llabs(((const struct gs_stack_row *)b)->value);
    return (left < right) - (left > right);
}

static const char *print_change(const struct difference *difference, int64_t value, char *out, size_t size)
{
    const char *unit = difference->view.profile->sample_type[difference->view.type].unit;
    char text[64];
    snprintf(out, size, "%s%s", value > 0 ? "+" : "", gs_reader_print_label(value, unit, text, sizeof text));
    return out;
}

/* "cache_put < handle_request < main": from the leaf to the root. */
static void add_stack(const struct gs_profile *profile, const struct gs_stack_row *row, struct gs_text *out)
{
    char room[300];
    for (uint32_t i = 0; i < row->depth; i++)
        gs_text_add(out, "%s%s", i ? " < " : "",
                    gs_profile_frame_name(profile, row->location[i], room, sizeof room));
}

/* ---- for people --------------------------------------------------------------------------------------------------------- */

static void print_functions(const struct difference *difference)
{
    char flat[64], cum[64];
    const struct gs_graph *graph = difference->graph;
    printf("\n%12s %12s  by function\n", "flat", "cum");
    for (size_t i = 0; i < graph->order_count && i < (size_t)difference->max_rows; i++) {
        const struct gs_graph_node *node = &graph->node[graph->order[i]];
        printf("%12s %12s  ", print_change(difference, node->flat, flat, sizeof flat),
               print_change(difference, node->cum, cum, sizeof cum));
        gs_cli_print_line(node->name);
    }
}

static void print_stacks(const struct difference *difference)
{
    char change[64];
    printf("\n%12s  by whole stack\n", "");
    for (size_t i = 0; i < difference->stacks.count && i < (size_t)difference->max_rows; i++) {
        struct gs_text stack = {0};
        add_stack(difference->view.profile, &difference->stacks.row[i], &stack);
        printf("%12s  ", print_change(difference, difference->stacks.row[i].value, change, sizeof change));
        gs_cli_print_line(stack.bytes ? stack.bytes : "");
        gs_text_fini(&stack);
    }
}

static void print(const struct difference *difference)
{
    char before[64], after[64], change[64];
    const struct gs_value_type *type = &difference->view.profile->sample_type[difference->view.type];
    printf("%s: from %s to %s, %s\n", type->type,
           gs_reader_print_label(difference->before, type->unit, before, sizeof before),
           gs_reader_print_label(difference->after, type->unit, after, sizeof after),
           print_change(difference, difference->after - difference->before, change, sizeof change));
    if (!difference->stacks.count) {
        puts("no difference");
        return;
    }
    print_functions(difference);
    print_stacks(difference);
}

/* ---- for machines ------------------------------------------------------------------------------------------------------- */

static json_t *functions_json(const struct gs_graph *graph)
{
    struct gs_json rows = gs_json_array();
    for (size_t i = 0; i < graph->order_count; i++) {
        const struct gs_graph_node *node = &graph->node[graph->order[i]];
        gs_json_add(&rows, json_pack("{s:o, s:o, s:I, s:I}", "function", gs_json_printable(node->name),
                                     "file", gs_json_printable(node->file), "flat", (json_int_t)node->flat,
                                     "cum", (json_int_t)node->cum));
    }
    return gs_json_take(&rows);
}

static json_t *stacks_json(const struct difference *difference)
{
    struct gs_json rows = gs_json_array();
    for (size_t i = 0; i < difference->stacks.count; i++) {
        const struct gs_stack_row *row = &difference->stacks.row[i];
        struct gs_json frames = gs_json_array();
        char room[300];
        for (uint32_t at = 0; at < row->depth; at++)
            gs_json_add(&frames, gs_json_printable(gs_profile_frame_name(
                                     difference->view.profile, row->location[at], room, sizeof room)));
        gs_json_add(
            &rows, json_pack("{s:I, s:o}", "change", (json_int_t)row->value, "stack", gs_json_take(&frames)));
    }
    return gs_json_take(&rows);
}

static int print_as_json(const struct difference *difference)
{
    const struct gs_value_type *type = &difference->view.profile->sample_type[difference->view.type];
    json_t *json =
        json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "sample_type", type->type, "unit", type->unit, "before",
                  (json_int_t)difference->before, "after", (json_int_t)difference->after, "functions",
                  functions_json(difference->graph), "stacks", stacks_json(difference));
    int status = json ? gs_cli_print_json(json) : gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    json_decref(json);
    return status;
}

/* ---- the command -------------------------------------------------------------------------------------------------------- */

/* The total of sample type NAME in the profile that PATH means, after the filters of OPTIONS. False: *STATUS is set. */
static bool read_total(const char *path, const struct gs_view_options *options, int64_t *total, int *status)
{
    struct gs_view_options alone = *options;
    const struct gs_filter *filter = &options->filter;
    struct gs_view view;
    alone.base = NULL;
    if (!filter->focus && !filter->ignore && !filter->hide && !filter->show && !options->plumbing_list.count)
        alone.no_symbolize = true; // no name decides about a sample: lines change no total
    if (!gs_cli_view_open(path, &alone, &view, status))
        return false;
    *total = gs_cli_view_total(view.profile, view.type);
    gs_cli_view_close(&view);
    return true;
}

static int show(struct difference *difference, bool json)
{
    const struct gs_graph_limits limits = {.no_edges = true};
    struct gs_view *view = &difference->view;
    difference->graph = gs_reader_graph(view->profile, view->type, GS_BY_FUNCTION, &limits);
    int status = GS_EXIT_IO;
    if (!difference->graph || gs_profile_stacks(view->profile, view->type, &difference->stacks)) {
        gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    } else {
        qsort(difference->stacks.row, difference->stacks.count, sizeof *difference->stacks.row, by_change);
        status = GS_EXIT_OK;
        if (json)
            status = print_as_json(difference);
        else
            print(difference);
    }
    gs_profile_stacks_fini(&difference->stacks);
    gs_reader_graph_free(difference->graph);
    return status;
}

int gs_cli_run_diff(struct gs_arguments *arguments)
{
    struct gs_view_options view_options = GS_VIEW_INIT(view_options);
    struct difference difference = {.max_rows = ROWS};
    int status;
    const struct gs_option options[] = {
        {NULL, 'n', .argument = "N", .number = &difference.max_rows, .min = 1, .max = LLONG_MAX,
         .help = "at most N functions and N stacks (default: 10)"},
        GS_VIEW_FILTERS(view_options),
        {"json", .set = &view_options.json,
         .help = "{\"sample_type\", \"unit\", \"before\", \"after\", \"functions\": [{\"function\", "
                 "\"file\", \"flat\", "
                 "\"cum\"}],\n\"stacks\": [{\"change\", \"stack\"}]}"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count != 2)
        return gs_cli_usage(arguments->command, "which two profiles?");
    view_options.base = arguments->operand[0];
    if (!read_total(arguments->operand[0], &view_options, &difference.before, &status) ||
        !read_total(arguments->operand[1], &view_options, &difference.after, &status) ||
        !gs_cli_view_open(arguments->operand[1], &view_options, &difference.view, &status))
        return status;
    status = show(&difference, view_options.json);
    gs_cli_view_close(&difference.view);
    return status;
}
