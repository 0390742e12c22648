/* list.c - `gumshoe list`: the source of the functions that match, each line with its flat and cum, in the layout of
 * `go tool pprof -list`. */
#include "base/memory.h"
#include "cli/view.h"
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARGIN = 5 }; // lines before the first and after the last line with samples, as pprof

struct listing {
    const struct gs_view *view;
    const char *dir;                   // where sources are looked for
    const struct gs_graph_node **node; // the lines of functions that match, by function, file, line
    size_t count;
};

static int by_place(const void *a, const void *b)
{
    const struct gs_graph_node *left = *(const struct gs_graph_node *const *)a,
                               *right = *(const struct gs_graph_node *const *)b;
    int order = strcmp(left->function, right->function);
    order = order ? order : strcmp(left->file, right->file);
    return order ? order : (left->line > right->line) - (left->line < right->line);
}

/* Collect the nodes of GRAPH whose function matches EXPRESSION. False: no memory. */
static bool select_nodes(const struct gs_graph *graph, const regex_t *expression, struct listing *out)
{
    out->node = gs_alloc((graph->order_count + 1) * sizeof(*out->node));
    for (size_t i = 0; out->node && i < graph->order_count; i++) {
        const struct gs_graph_node *node = &graph->node[graph->order[i]];
        if (regexec(expression, node->function, 0, NULL, 0) == 0)
            out->node[out->count++] = node;
    }
    if (out->count)
        qsort(out->node, out->count, sizeof(*out->node), by_place);
    return out->node != NULL;
}

static const char *print_value(const struct listing *listing, int64_t value, char *out, size_t size)
{
    return gs_reader_print_label(value, listing->view->profile->sample_type[listing->view->type].unit, out,
                                 size);
}

static const char *print_value_or_dot(const struct listing *listing, int64_t value, char *out, size_t size)
{
    return value ? print_value(listing, value, out, size) : ".";
}

/* Print the lines of SOURCE around the nodes FIRST to END, which are of one function and file. */
static void print_lines(const struct listing *listing, size_t first, size_t end,
                        const struct gs_source_text *source)
{
    const struct gs_graph_node *const *node = listing->node;
    int64_t from = node[first]->start_line ? node[first]->start_line : node[first]->line - MARGIN,
            to = node[end - 1]->line + MARGIN;
    for (size_t i = first; i < end; i++) {
        int64_t start = node[i]->start_line ? node[i]->start_line : node[i]->line - MARGIN;
        from = start < from ? start : from;
    }
    if (from < 1)
        from = 1;
    for (int64_t line = from; line <= to && (uint64_t)line <= source->count; line++) {
        char flat_text[64], cum_text[64];
        int64_t flat = 0, cum = 0;
        for (; first < end && node[first]->line <= line; first++)
            if (node[first]->line == line) {
                flat += node[first]->flat;
                cum += node[first]->cum;
            }
        printf("%10s %10s %6lld:", print_value_or_dot(listing, flat, flat_text, sizeof flat_text),
               print_value_or_dot(listing, cum, cum_text, sizeof cum_text), (long long)line);
        gs_cli_print_line(source->line[line - 1]);
    }
}

static void add_up(const struct listing *listing, size_t first, size_t end, int64_t *flat, int64_t *cum)
{
    *flat = *cum = 0;
    for (size_t i = first; i < end; i++) {
        *flat += listing->node[i]->flat;
        *cum += listing->node[i]->cum;
    }
}

/* Print the nodes FIRST to END, which are of one function and file. */
static void print_routine(const struct listing *listing, size_t first, size_t end)
{
    char flat_text[64], cum_text[64], share[32];
    const struct gs_graph_node *node = listing->node[first];
    struct gs_source_text source;
    int64_t flat, cum;
    add_up(listing, first, end, &flat, &cum);
    struct gs_text title = {0};
    gs_text_add(&title, "%s in %s", node->function, node->file);
    fputs("ROUTINE ======================== ", stdout);
    gs_cli_print_line(title.bytes ? title.bytes : "");
    gs_text_fini(&title);
    printf("%10s %10s (flat, cum) %s of Total\n", print_value(listing, flat, flat_text, sizeof flat_text),
           print_value(listing, cum, cum_text, sizeof cum_text),
           gs_reader_print_share(cum, listing->view->total, share, sizeof share));
    int error = gs_reader_source(node->file, listing->dir, &source);
    if (error) {
        printf(" %s; --source DIR says where the sources are\n", strerrordesc_np(-error));
        return;
    }
    print_lines(listing, first, end, &source);
    gs_reader_source_fini(&source);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

/* The lines of the nodes FIRST to END, which are of one function and file, with their text if the SOURCE is here. */
static json_t *lines_json(const struct listing *listing, size_t first, size_t end,
                          const struct gs_source_text *source)
{
    struct gs_json lines = gs_json_array();
    for (size_t i = first; i < end; i++) {
        const struct gs_graph_node *node = listing->node[i];
        struct gs_json line = gs_json_object();
        gs_json_set(&line, "line", json_integer((json_int_t)node->line));
        gs_json_set(&line, "flat", json_integer((json_int_t)node->flat));
        gs_json_set(&line, "cum", json_integer((json_int_t)node->cum));
        bool known = source && node->line > 0 && (uint64_t)node->line <= source->count;
        gs_json_set(&line, "text", known ? gs_json_printable(source->line[node->line - 1]) : json_null());
        gs_json_add(&lines, gs_json_take(&line));
    }
    return gs_json_take(&lines);
}

static json_t *routine_json(const struct listing *listing, size_t first, size_t end)
{
    const struct gs_graph_node *node = listing->node[first];
    struct gs_source_text source;
    int64_t flat, cum;
    add_up(listing, first, end, &flat, &cum);
    bool known = *node->file && gs_reader_source(node->file, listing->dir, &source) == 0;
    struct gs_json json = {.json = gs_cli_view_frame_json(node->function, node->file, 0)};
    json.failed = !json.json;
    gs_json_set(&json, "flat", json_integer((json_int_t)flat));
    gs_json_set(&json, "cum", json_integer((json_int_t)cum));
    gs_json_set(&json, "lines", lines_json(listing, first, end, known ? &source : NULL));
    if (known)
        gs_reader_source_fini(&source);
    return gs_json_take(&json);
}

static size_t end_of_routine(const struct listing *listing, size_t first)
{
    const struct gs_graph_node *node = listing->node[first];
    size_t end = first;
    while (end < listing->count && strcmp(listing->node[end]->function, node->function) == 0 &&
           strcmp(listing->node[end]->file, node->file) == 0)
        end++;
    return end;
}

static int print_as_json(const struct listing *listing)
{
    struct gs_json functions = gs_json_array();
    for (size_t first = 0, end; first < listing->count; first = end) {
        end = end_of_routine(listing, first);
        gs_json_add(&functions, routine_json(listing, first, end));
    }
    return gs_cli_view_print_json(listing->view, "functions", gs_json_take(&functions));
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static void print_listing(const struct listing *listing)
{
    char total[64];
    printf("Total: %s\n", print_value(listing, listing->view->total, total, sizeof total));
    for (size_t first = 0, end; first < listing->count; first = end) {
        const struct gs_graph_node *node = listing->node[first];
        end = end_of_routine(listing, first);
        if (*node->file) {
            print_routine(listing, first, end);
            continue;
        }
        if (end == listing->count || strcmp(listing->node[end]->function, node->function) != 0) {
            fputs("No source information for ", stdout);
            gs_cli_print_line(node->function);
        }
    }
}

static int show(const struct gs_view *view, const char *dir, const regex_t *expression, const char *text)
{
    const struct gs_graph_limits limits = {.no_edges = true};
    struct listing listing = {.view = view, .dir = dir};
    struct gs_graph *graph = gs_reader_graph(view->profile, view->type, GS_BY_LINE, &limits);
    int status = GS_EXIT_OK;
    if (!graph || !select_nodes(graph, expression, &listing))
        status = gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    else if (!listing.count)
        status = gs_cli_complain(GS_EXIT_NEGATIVE, "no function matches \"%s\"", text);
    else if (view->options->json)
        status = print_as_json(&listing);
    else
        print_listing(&listing);
    gs_free(listing.node);
    gs_reader_graph_free(graph);
    return status;
}

int gs_cli_run_list(struct gs_arguments *arguments)
{
    struct gs_view_options view_options = GS_VIEW_INIT(view_options);
    struct gs_view view;
    const char *dir = ".";
    regex_t expression;
    int status;
    const struct gs_option options[] = {
        GS_VIEW_OPTIONS(view_options),
        GS_VIEW_JSON(view_options,
                     "{\"functions\": [{\"function\", \"file\", \"flat\", \"cum\", \"lines\"}]}"),
        {"source", .argument = "DIR", .text = &dir, .help = "where the sources are (default: here)"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    const char *path = gs_cli_view_function_operand(arguments, &expression);
    if (!path)
        return GS_EXIT_USAGE;
    if (gs_cli_view_open(path, &view_options, &view, &status)) {
        status = show(&view, dir, &expression, arguments->operand[0]);
        gs_cli_view_close(&view);
    }
    regfree(&expression);
    return status;
}
