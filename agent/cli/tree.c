/* tree.c - `gumshoe tree` and `gumshoe peek`: each function between its callers and its callees, in the layout of
 * `go tool pprof -tree` and `-peek`. */
#include "base/memory.h"
#include "base/numbers.h"
#include "cli/view.h"
#include <limits.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TREE_NODES = 80 }; // as pprof
static const char separator[] = "----------------------------------------------------------+-------------";

/* ---- the edges of a node ----------------------------------------------------------------------------------------- */

/* Heaviest first, then by the callers' and the callees' names. */
static int by_weight(const void *a, const void *b, void *context)
{
    const struct gs_graph *graph = context;
    const struct gs_graph_edge *left = *(const struct gs_graph_edge *const *)a,
                               *right = *(const struct gs_graph_edge *const *)b;
    uint64_t x = gs_magnitude(left->weight), y = gs_magnitude(right->weight);
    if (x != y)
        return x > y ? -1 : 1;
    int order = strcmp(graph->node[left->caller].name, graph->node[right->caller].name);
    return order ? order : strcmp(graph->node[left->callee].name, graph->node[right->callee].name);
}

/* Every edge, those of one node together: `start[node]` to `start[node + 1]` of `edge`. */
struct edges {
    const struct gs_graph_edge **edge;
    size_t *start;
};

static uint32_t end_of(const struct gs_graph_edge *edge, bool callers)
{
    return callers ? edge->callee : edge->caller; // the callers of a node are the edges that lead to it
}

/* Sort the edges of GRAPH by the node that they lead to (CALLERS), or come from. False: no memory. */
static bool group_edges(const struct gs_graph *graph, bool callers, struct edges *out)
{
    out->edge = gs_alloc((graph->edge_count + 1) * sizeof(*out->edge));
    out->start = gs_alloc((graph->node_count + 2) * sizeof *out->start);
    if (!out->edge || !out->start)
        return false;
    for (size_t i = 0; i < graph->edge_count; i++)
        out->start[end_of(&graph->edge[i], callers) + 2]++;
    for (size_t i = 2; i < graph->node_count + 2; i++)
        out->start[i] += out->start[i - 1];
    for (size_t i = 0; i < graph->edge_count; i++)
        out->edge[out->start[end_of(&graph->edge[i], callers) + 1]++] = &graph->edge[i];
    for (size_t i = 0; i < graph->node_count; i++)
        qsort_r(out->edge + out->start[i], out->start[i + 1] - out->start[i], sizeof(*out->edge), by_weight,
                (void *)graph);
    return true;
}

static void edges_fini(struct edges *edges)
{
    gs_free(edges->edge);
    gs_free(edges->start);
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

struct tree_page {
    const struct gs_view *view;
    const struct gs_graph *graph;
    struct gs_scale scale;
    struct edges callers, callees;
    int64_t flat_sum;
};

static void print_edges(const struct tree_page *page, const struct edges *edges, uint32_t node, bool callers)
{
    char weight[64], share[32];
    for (size_t i = edges->start[node]; i < edges->start[node + 1]; i++) {
        const struct gs_graph_edge *edge = edges->edge[i];
        struct gs_text name = {0};
        gs_text_add(&name, "%s%s", page->graph->node[callers ? edge->caller : edge->callee].name,
                    edge->inlined ? " (inline)" : "");
        printf("%50s %s |   ", gs_reader_print_scaled(edge->weight, &page->scale, weight, sizeof weight),
               gs_reader_print_share(edge->weight, page->graph->node[node].cum, share, sizeof share));
        gs_cli_print_line(name.bytes ? name.bytes : "");
        gs_text_fini(&name);
    }
}

static void print_node(struct tree_page *page, uint32_t number)
{
    char flat[64], cum[64], flat_share[32], sum_share[32], cum_share[32];
    const struct gs_graph_node *node = &page->graph->node[number];
    int64_t total = page->view->total;
    puts(separator);
    print_edges(page, &page->callers, number, true);
    page->flat_sum += node->flat;
    printf("%10s %s %s %10s %s                | ",
           gs_reader_print_scaled(node->flat, &page->scale, flat, sizeof flat),
           gs_reader_print_share(node->flat, total, flat_share, sizeof flat_share),
           gs_reader_print_share(page->flat_sum, total, sum_share, sizeof sum_share),
           gs_reader_print_scaled(node->cum, &page->scale, cum, sizeof cum),
           gs_reader_print_share(node->cum, total, cum_share, sizeof cum_share));
    gs_cli_print_line(node->name);
    print_edges(page, &page->callees, number, false);
}

/* Print the nodes of PAGE's graph whose name matches EXPRESSION (NULL: all of them). Returns an exit status. */
static int print_page(struct tree_page *page, const regex_t *expression, const char *text)
{
    size_t matched = 0;
    gs_cli_view_print_head(page->view, &page->scale);
    gs_cli_view_print_filters(page->view);
    gs_cli_view_print_totals(page->view, page->graph, &page->scale);
    puts(separator);
    puts("      flat  flat%   sum%        cum   cum%   calls calls% + context \t \t ");
    for (size_t i = 0; i < page->graph->order_count; i++) {
        uint32_t node = page->graph->order[i];
        if (expression && regexec(expression, page->graph->node[node].name, 0, NULL, 0) != 0)
            continue;
        matched++;
        print_node(page, node);
    }
    if (page->graph->order_count)
        puts(separator);
    return expression && !matched ? gs_cli_complain(GS_EXIT_NEGATIVE, "no function matches \"%s\"", text)
                                  : GS_EXIT_OK;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *edges_json(const struct tree_page *page, const struct edges *edges, uint32_t node,
                          bool callers)
{
    struct gs_json list = gs_json_array();
    for (size_t i = edges->start[node]; i < edges->start[node + 1]; i++) {
        const struct gs_graph_edge *edge = edges->edge[i];
        const struct gs_graph_node *other = &page->graph->node[callers ? edge->caller : edge->callee];
        struct gs_json json = {.json =
                                   gs_cli_view_frame_json(*other->function ? other->function : other->name,
                                                          other->file, other->line)};
        json.failed = !json.json;
        gs_json_set(&json, "weight", json_integer((json_int_t)edge->weight));
        gs_json_set(&json, "inlined", json_boolean(edge->inlined));
        gs_json_add(&list, gs_json_take(&json));
    }
    return gs_json_take(&list);
}

/* The same nodes as print_page. */
static int print_as_json(const struct tree_page *page, const regex_t *expression, const char *text)
{
    struct gs_json nodes = gs_json_array();
    size_t matched = 0;
    for (size_t i = 0; i < page->graph->order_count; i++) {
        uint32_t number = page->graph->order[i];
        const struct gs_graph_node *node = &page->graph->node[number];
        if (expression && regexec(expression, node->name, 0, NULL, 0) != 0)
            continue;
        matched++;
        struct gs_json json = {.json = gs_cli_view_node_json(node)};
        json.failed = !json.json;
        gs_json_set(&json, "callers", edges_json(page, &page->callers, number, true));
        gs_json_set(&json, "callees", edges_json(page, &page->callees, number, false));
        gs_json_add(&nodes, gs_json_take(&json));
    }
    int status = gs_cli_view_print_json(page->view, "nodes", gs_json_take(&nodes));
    return status == GS_EXIT_OK && expression && !matched
               ? gs_cli_complain(GS_EXIT_NEGATIVE, "no function matches \"%s\"", text)
               : status;
}

/* ---- the commands ------------------------------------------------------------------------------------------------ */

static int show(const struct gs_view *view, const struct gs_graph_limits *limits, const regex_t *expression,
                const char *text)
{
    struct tree_page page = {.view = view};
    struct gs_graph *graph = gs_reader_graph(view->profile, view->type,
                                             view->options->lines ? GS_BY_LINE : GS_BY_FUNCTION, limits);
    int status = GS_EXIT_IO;
    page.graph = graph;
    if (graph && group_edges(graph, true, &page.callers) && group_edges(graph, false, &page.callees)) {
        page.scale = gs_cli_view_scale(view, graph);
        status = view->options->json ? print_as_json(&page, expression, text)
                                     : print_page(&page, expression, text);
    } else {
        gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    }
    edges_fini(&page.callers);
    edges_fini(&page.callees);
    gs_reader_graph_free(graph);
    return status;
}

static int open_and_show(const char *path, const struct gs_view_options *options,
                         const struct gs_graph_limits *limits, const regex_t *expression, const char *text)
{
    struct gs_view view;
    int status;
    if (!gs_cli_view_open(path, options, &view, &status))
        return status;
    status = show(&view, limits, expression, text);
    gs_cli_view_close(&view);
    return status;
}

int gs_cli_run_tree(struct gs_arguments *arguments)
{
    struct gs_view_options view_options = GS_VIEW_INIT(view_options);
    int status;
    view_options.max_rows = TREE_NODES;
    const struct gs_option options[] = {
        {NULL, 'n', .argument = "N", .number = &view_options.max_rows, .min = 1, .max = LLONG_MAX,
         .help = "at most N functions (default: 80)"},
        GS_VIEW_OPTIONS(view_options),
        GS_VIEW_LINES(view_options),
        {"cum", .set = &view_options.cum, .help = "sort by cum"},
        GS_VIEW_JSON(view_options,
                     "{\"nodes\": [{\"function\", \"flat\", \"cum\", \"callers\", \"callees\"}]}"),
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    const char *path = gs_cli_view_operand(arguments);
    const struct gs_graph_limits limits = {.node_fraction = GS_CUTOFF_PER_MILLE / 1000.0,
                                           .edge_fraction = GS_EDGE_CUTOFF_PER_MILLE / 1000.0,
                                           .nodes = (size_t)view_options.max_rows,
                                           .by_cum = view_options.cum};
    return path ? open_and_show(path, &view_options, &limits, NULL, NULL) : GS_EXIT_USAGE;
}

int gs_cli_run_peek(struct gs_arguments *arguments)
{
    struct gs_view_options view_options = GS_VIEW_INIT(view_options);
    struct gs_graph_limits limits = {0};
    regex_t expression;
    int status;
    const struct gs_option options[] = {
        GS_VIEW_OPTIONS(view_options),
        GS_VIEW_LINES(view_options),
        {"cum", .set = &view_options.cum, .help = "sort by cum"},
        GS_VIEW_JSON(view_options,
                     "{\"nodes\": [{\"function\", \"flat\", \"cum\", \"callers\", \"callees\"}]}"),
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    const char *path = gs_cli_view_function_operand(arguments, &expression);
    if (!path)
        return GS_EXIT_USAGE;
    limits.by_cum = view_options.cum;
    status = open_and_show(path, &view_options, &limits, &expression, arguments->operand[0]);
    regfree(&expression);
    return status;
}
