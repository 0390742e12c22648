/* top.c - `gumshoe top`: prints flat and cum by function or line, in the layout of `go tool pprof -top`. */
#include "cli/top.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>

static void print_rows(const struct gs_view *view, const struct gs_graph *graph, const struct gs_scale *scale)
{
    char flat[64], cum[64], flat_share[32], sum_share[32], cum_share[32];
    int64_t sum = 0;
    printf("%10s %5s%% %5s%% %10s %5s%%\n", "flat", "flat", "sum", "cum", "cum");
    for (size_t i = 0; i < graph->order_count; i++) {
        const struct gs_graph_node *node = &graph->node[graph->order[i]];
        sum += node->flat;
        printf("%10s %s %s %10s %s  ", gs_reader_print_scaled(node->flat, scale, flat, sizeof flat),
               gs_reader_print_share(node->flat, view->total, flat_share, sizeof flat_share),
               gs_reader_print_share(sum, view->total, sum_share, sizeof sum_share),
               gs_reader_print_scaled(node->cum, scale, cum, sizeof cum),
               gs_reader_print_share(node->cum, view->total, cum_share, sizeof cum_share));
        gs_cli_print_line(node->name);
    }
}

static json_t *row_json(const struct gs_graph_node *node)
{
    struct gs_text name = {0}, file = {0}; // JSON is UTF-8; a symbol need not be
    gs_text_add_printable(&name, *node->function ? node->function : node->name);
    gs_text_add_printable(&file, node->file);
    json_t *row =
        json_pack("{s:s, s:s, s:I, s:I}", "function", name.bytes ? name.bytes : "", "file",
                  file.bytes ? file.bytes : "", "flat", (json_int_t)node->flat, "cum", (json_int_t)node->cum);
    if (row && node->line && json_object_set_new(row, "line", json_integer((json_int_t)node->line)) != 0) {
        json_decref(row);
        row = NULL;
    }
    gs_text_fini(&name);
    gs_text_fini(&file);
    return row;
}

/* Print all rows as JSON: no node is too light here, only -n leaves rows out. */
static int print_as_json(const struct gs_view *view, const struct gs_graph *graph)
{
    struct gs_json rows = gs_json_array();
    const struct gs_value_type *type = &view->profile->sample_type[view->type];
    size_t max = view->options->max_rows > 0 ? (size_t)view->options->max_rows : SIZE_MAX;
    for (size_t i = 0; i < graph->order_count && i < max; i++)
        gs_json_add(&rows, row_json(&graph->node[graph->order[i]]));
    json_t *json = json_pack("{s:s, s:s, s:I, s:o}", "sample_type", type->type, "unit", type->unit, "total",
                             (json_int_t)view->total, "rows", gs_json_take(&rows));
    int status = json ? gs_cli_print_json(json)
                      : gs_cli_complain(GS_EXIT_IO, "the profile's sample types are not text");
    json_decref(json);
    return status;
}

static int show(const struct gs_view *view)
{
    const struct gs_view_options *options = view->options;
    struct gs_graph_limits limits = {.by_cum = options->cum, .no_edges = true};
    if (!options->json) {
        limits.node_fraction = GS_CUTOFF_PER_MILLE / 1000.0;
        limits.nodes = (size_t)options->max_rows;
    }
    struct gs_graph *graph =
        gs_reader_graph(view->profile, view->type, options->lines ? GS_BY_LINE : GS_BY_FUNCTION, &limits);
    int status = GS_EXIT_OK;
    if (!graph)
        return gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    if (options->json) {
        status = print_as_json(view, graph);
    } else {
        struct gs_scale scale = gs_cli_view_scale(view, graph);
        gs_cli_view_print_head(view, &scale);
        gs_cli_view_print_filters(view);
        gs_cli_view_print_totals(view, graph, &scale);
        print_rows(view, graph, &scale);
    }
    gs_reader_graph_free(graph);
    return status;
}

int gs_cli_run_top(struct gs_arguments *arguments)
{
    struct gs_view_options view_options = GS_VIEW_INIT(view_options);
    bool lifetime = false;
    int status;
    const struct gs_option options[] = {
        {NULL, 'n', .argument = "N", .number = &view_options.max_rows, .min = 1, .max = LLONG_MAX,
         .help = "at most N functions"},
        GS_VIEW_OPTIONS(view_options),
        GS_VIEW_LINES(view_options),
        {"lifetime", .set = &lifetime,
         .help = "how long blocks live, by function: those freed at once, and those that stay"},
        {"cum", .set = &view_options.cum, .help = "sort by cum"},
        {"json", .set = &view_options.json,
         .help = "{\"sample_type\", \"unit\", \"total\", \"rows\": [{\"function\", \"file\", \"flat\", "
                 "\"cum\"}]}"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (!lifetime)
        return gs_cli_view_run(arguments, &view_options, show);
    const char *path = gs_cli_view_operand(arguments);
    return path ? gs_cli_top_lifetime(path, &view_options) : GS_EXIT_USAGE;
}
