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

/* Print the nodes FIRST to END, which are of one function and file. */
static void print_routine(const struct listing *listing, size_t first, size_t end)
{
    char flat_text[64], cum_text[64], share[32];
    const struct gs_graph_node *node = listing->node[first];
    struct gs_source_text source;
    int64_t flat = 0, cum = 0;
    for (size_t i = first; i < end; i++) {
        flat += listing->node[i]->flat;
        cum += listing->node[i]->cum;
    }
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

static void print_listing(const struct listing *listing)
{
    char total[64];
    printf("Total: %s\n", print_value(listing, listing->view->total, total, sizeof total));
    for (size_t first = 0, end; first < listing->count; first = end) {
        const struct gs_graph_node *node = listing->node[first];
        for (end = first; end < listing->count && strcmp(listing->node[end]->function, node->function) == 0 &&
                          strcmp(listing->node[end]->file, node->file) == 0;)
            end++;
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
