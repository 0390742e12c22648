/* page_text.c - a view as tables: the text alternative of its graph, for screen readers and without script. Context: CLI. */
#include "base/memory.h"
#include "base/numbers.h"
#include "base/sort.h"
#include "reader/page.h"
#include <stdio.h>
#include <string.h>

enum { FUNCTIONS = 20, STACKS = 10, STACK_FRAMES = 12 };

struct function_row {
    uint32_t frame;
    int64_t self[2], total[2];
};
struct stack_row {
    uint32_t node;
    uint64_t weight;
};

/* ---- rows ---------------------------------------------------------------------------------------------------------- */

static int by_total(const void *a, const void *b)
{
    const struct function_row *x = a, *y = b;
    uint64_t left = gs_magnitude(gs_sum(x->total[0], -x->total[1])),
             right = gs_magnitude(gs_sum(y->total[0], -y->total[1]));
    if (left == right) {
        left = gs_magnitude(x->self[0]);
        right = gs_magnitude(y->self[0]);
    }
    return left != right ? (left < right ? 1 : -1) : (x->frame > y->frame) - (x->frame < y->frame);
}

static int by_weight(const void *a, const void *b)
{
    const struct stack_row *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return (x->node > y->node) - (x->node < y->node);
}

/* Count NODE in the row of its function. COUNTED: its total is counted already, by a call of the same function further out. */
static void count_node(const struct gs_page_tree *tree, size_t view, const int64_t *total, uint32_t node,
                       bool counted, struct function_row *row)
{
    for (unsigned side = 0; side < 2; side++) {
        row->self[side] = gs_sum(row->self[side], gs_reader_page_self(tree, node, view)[side]);
        row->total[side] = gs_sum(row->total[side], counted ? 0 : total[2 * node + side]);
    }
}

/* Walk the tree in preorder. CALLS, all 0: of each frame, how many of its calls are on the path to the node. */
static void count_nodes(const struct gs_page_tree *tree, size_t view, const int64_t *total,
                        struct function_row *row, uint32_t *calls)
{
    unsigned depth = 0;
    for (uint32_t node = gs_reader_page_next(tree, 0, &depth, false), next; node; node = next) {
        uint32_t frame = tree->node[node].frame, leave = node;
        unsigned from = depth;
        count_node(tree, view, total, node, calls[frame]++ > 0, &row[frame]);
        next = gs_reader_page_next(tree, node, &depth, false);
        for (; next && from >= depth; from--, leave = tree->node[leave].parent)
            calls[tree->node[leave].frame]--;
    }
}

/* The rows of all functions; a recursive one counts once in a stack. NULL: no memory. */
static struct function_row *function_rows(const struct gs_page_tree *tree, size_t view, const int64_t *total)
{
    struct function_row *row = gs_alloc((tree->frame_count + 1) * sizeof *row);
    uint32_t *calls = gs_alloc((tree->frame_count + 1) * sizeof *calls);
    if (!row || !calls) {
        gs_free(row);
        row = NULL;
    }
    for (uint32_t i = 0; row && i < tree->frame_count; i++)
        row[i].frame = i;
    if (row) {
        count_nodes(tree, view, total, row, calls);
        gs_sort(row, tree->frame_count, sizeof *row, by_total);
    }
    gs_free(calls);
    return row;
}

/* ---- tables -------------------------------------------------------------------------------------------------------- */

/* The value that a view is about: the change, if it has two sides. */
static const char *print_value(const struct gs_page_tree *tree, size_t view, const int64_t value[2],
                               char out[80])
{
    char text[64];
    int64_t change = gs_sum(value[0], -value[1]);
    snprintf(out, 80, "%s%s", tree->differs[view] && change > 0 ? "+" : "",
             gs_reader_print_label(change, tree->column[view].unit, text, sizeof text));
    return out;
}

static void add_cell(struct gs_text *out, const char *class, const char *text)
{
    gs_text_add(out, "<td%s>", class);
    gs_reader_page_escape(out, text);
    gs_text_add(out, "</td>");
}

static void add_place(struct gs_text *out, const struct gs_page_frame *frame)
{
    gs_text_add(out, "<td>");
    gs_reader_page_escape(out, *frame->file ? frame->file : frame->module);
    if (*frame->file && frame->line > 0)
        gs_text_add(out, ":%lld", (long long)frame->line);
    gs_text_add(out, "</td>");
}

static void add_functions(const struct gs_page_tree *tree, size_t view, const int64_t *total,
                          struct gs_text *out)
{
    char self_text[80], total_text[80];
    struct function_row *row = function_rows(tree, view, total);
    out->failed |= !row;
    gs_text_add(
        out,
        "<table>\n<caption>Functions, by total</caption>\n<tr><th scope=\"col\">Self</th>"
        "<th scope=\"col\">Total</th><th scope=\"col\">Function</th><th scope=\"col\">Source</th></tr>\n");
    for (size_t i = 0; row && i < tree->frame_count && i < FUNCTIONS; i++) {
        if (!row[i].total[0] && !row[i].total[1])
            continue;
        gs_text_add(out, "<tr>");
        add_cell(out, " class=\"number\"", print_value(tree, view, row[i].self, self_text));
        add_cell(out, " class=\"number\"", print_value(tree, view, row[i].total, total_text));
        add_cell(out, "", tree->frame[row[i].frame].name);
        add_place(out, &tree->frame[row[i].frame]);
        gs_text_add(out, "</tr>\n");
    }
    gs_text_add(out, "</table>\n");
    gs_free(row);
}

/* A name without arguments: a stack has many, and the table of functions has them whole. */
static void add_compact_name(const char *name, struct gs_text *out)
{
    struct gs_text compact = {0};
    (void)gs_reader_compact_name(name, &compact);
    gs_reader_page_escape(out, compact.bytes ? compact.bytes : "");
    out->failed |= compact.failed;
    gs_text_fini(&compact);
}

/* "leaf ← caller ← … ← root" */
static void add_stack(const struct gs_page_tree *tree, uint32_t node, struct gs_text *out)
{
    unsigned frames = 0;
    for (uint32_t at = node; at; at = tree->node[at].parent) {
        if (frames++ == STACK_FRAMES) {
            gs_text_add(out, " ← …");
            return;
        }
        gs_text_add(out, "%s", at == node ? "" : " ← ");
        add_compact_name(tree->frame[tree->node[at].frame].name, out);
    }
}

static void add_stacks(const struct gs_page_tree *tree, size_t view, struct gs_text *out)
{
    char text[80];
    struct stack_row *row = gs_alloc(tree->node_count * sizeof *row);
    out->failed |= !row;
    for (uint32_t node = 0; row && node < tree->node_count; node++) {
        const int64_t *self = gs_reader_page_self(tree, node, view);
        row[node] = (struct stack_row){.node = node, .weight = gs_magnitude(gs_sum(self[0], -self[1]))};
    }
    if (row)
        gs_sort(row, tree->node_count, sizeof *row, by_weight);
    gs_text_add(out, "<table>\n<caption>Heaviest stacks</caption>\n<tr><th scope=\"col\">Value</th>"
                     "<th scope=\"col\">Stack, innermost function first</th></tr>\n");
    for (size_t i = 0; row && i < tree->node_count && i < STACKS && row[i].weight; i++) {
        gs_text_add(out, "<tr>");
        add_cell(out, " class=\"number\"",
                 print_value(tree, view, gs_reader_page_self(tree, row[i].node, view), text));
        gs_text_add(out, "<td>");
        add_stack(tree, row[i].node, out);
        gs_text_add(out, "</td></tr>\n");
    }
    gs_text_add(out, "</table>\n");
    gs_free(row);
}

/* "Held now: 3.2MB", or "Held now: +1.1MB, from 2.1MB to 3.2MB". */
static void add_sum(const struct gs_page_tree *tree, size_t view, const int64_t *total, struct gs_text *out)
{
    char text[80], from[64], to[64];
    const char *unit = tree->column[view].unit;
    gs_reader_page_escape(out, tree->view[view].label);
    gs_text_add(out, ": %s", print_value(tree, view, total, text));
    if (tree->differs[view])
        gs_text_add(out, ", from %s to %s", gs_reader_print_label(total[1], unit, from, sizeof from),
                    gs_reader_print_label(total[0], unit, to, sizeof to));
}

void gs_reader_page_text(const struct gs_page_tree *tree, size_t view, struct gs_text *out)
{
    int64_t *total = gs_reader_page_totals(tree, view);
    out->failed |= !total;
    if (!total)
        return;
    gs_text_add(out, "<section class=\"text\">\n<h2>");
    add_sum(tree, view, total, out);
    gs_text_add(out, "</h2>\n");
    add_functions(tree, view, total, out);
    add_stacks(tree, view, out);
    gs_text_add(out, "</section>\n");
    gs_free(total);
}
