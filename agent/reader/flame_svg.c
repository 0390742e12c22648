/* flame_svg.c - a view as a picture: an icicle graph in SVG, readable as it is; its own script zooms and searches.
 *
 *   title, legend, totals
 *   rows of frames, the root on top, the widest child first; <title> of each: name, values, source
 *
 * Frames narrower than LEAST_WIDTH are left out, and counted below. In a differential picture, how a frame has changed is told by
 * a sign and a pattern as well as by its colour. Context: CLI. */
#include "base/memory.h"
#include "base/numbers.h"
#include "base/sort.h"
#include "reader/page.h"
#include <stdio.h>
#include <string.h>

enum { WIDTH = 1200, MARGIN = 10, TOP = 74, BOTTOM = 34, ROW = 18 };
static const double LEAST_WIDTH = 0.5,
                    LETTER = 6.65; // in units of the picture; LETTER: of the font in svg.css

struct picture {
    const struct gs_page_tree *tree;
    int64_t *total;
    double *width, *x;          // by node; the root's width is 1
    struct ordered_node *order; // all nodes but the root, by parent, then by width
    size_t left_out;
    unsigned rows;
    struct gs_text *out;
};

/* ---- layout -------------------------------------------------------------------------------------------------------- */

/* What a node's own value adds to its width: the larger side. */
static double own_width(const struct picture *picture, size_t node)
{
    const int64_t *self = gs_reader_page_self(picture->tree, node, 0);
    return gs_larger((double)self[0], (double)self[1]);
}

struct ordered_node {
    uint32_t node, parent;
    double width;
    const char *name;
};

static int by_parent(const void *a, const void *b)
{
    const struct ordered_node *x = a, *y = b;
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    if (x->width < y->width || x->width > y->width)
        return x->width < y->width ? 1 : -1;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->node > y->node) - (x->node < y->node);
}

static void find_widths(struct picture *picture)
{
    const struct gs_page_tree *tree = picture->tree;
    for (size_t i = tree->node_count; i-- > 0;) {
        picture->width[i] += own_width(picture, i);
        if (i)
            picture->width[tree->node[i].parent] += picture->width[i];
    }
    double all = picture->width[0];
    for (size_t i = 0; i < tree->node_count; i++)
        picture->width[i] = all > 0 ? picture->width[i] / all : 0;
}

/* Place the children of each node side by side, the widest first. */
static void lay_out(struct picture *picture)
{
    const struct gs_page_tree *tree = picture->tree;
    double next = 0;
    find_widths(picture);
    for (uint32_t node = 1; node < tree->node_count; node++)
        picture->order[node - 1] = (struct ordered_node){node, tree->node[node].parent, picture->width[node],
                                                         tree->frame[tree->node[node].frame].name};
    gs_sort(picture->order, tree->node_count - 1, sizeof *picture->order, by_parent);
    for (size_t i = 0; i + 1 < tree->node_count; i++) {
        const struct ordered_node *at = &picture->order[i];
        if (i == 0 || at->parent != at[-1].parent)
            next = picture->x[at->parent];
        picture->x[at->node] = next;
        next += at->width;
    }
}

static bool is_shown(const struct picture *picture, uint32_t node)
{
    return picture->width[node] * (WIDTH - 2 * MARGIN) >= LEAST_WIDTH;
}

/* Count the rows that are shown, and the frames that are not. */
static void count_rows(struct picture *picture)
{
    unsigned depth = 0;
    uint32_t node = 0;
    do {
        bool shown = is_shown(picture, node);
        picture->left_out += !shown;
        if (shown && depth + 1 > picture->rows)
            picture->rows = depth + 1;
        node = gs_reader_page_next(picture->tree, node, &depth, false);
    } while (node);
}

/* ---- frames -------------------------------------------------------------------------------------------------------- */

enum change { SAME, GREW, SHRANK, NEW, GONE };
static const char *const change_class[] = {"same", "grew", "shrank", "new", "gone"};
static const char *const change_word[] = {"unchanged", "grew", "shrank", "new", "gone"};
static const char *const change_sign[] = {"=", "▲", "▼", "+", "×"};

static enum change change_of(const int64_t value[2])
{
    if (value[0] == value[1])
        return SAME;
    if (!value[1])
        return NEW;
    return !value[0] ? GONE : value[0] > value[1] ? GREW : SHRANK;
}

static const char *class_of(const struct picture *picture, uint32_t node)
{
    static const char *const of_code[] = {"program", "library", "runtime", "runtime", "runtime"};
    if (!node)
        return "all";
    if (picture->tree->differs[0])
        return change_class[change_of(&picture->total[2 * node])];
    return of_code[picture->tree->frame[picture->tree->node[node].frame].code];
}

static const char *print_value(const struct picture *picture, int64_t value, char out[64])
{
    return gs_reader_print_label(value, picture->tree->column[0].unit, out, 64);
}

/* "+1.5MB, from 1MB to 2.5MB" or "1.5MB". */
static void add_values(const struct picture *picture, const int64_t value[2], struct gs_text *out)
{
    char change[64], from[64], to[64];
    int64_t grown = gs_sum(value[0], -value[1]);
    if (!picture->tree->differs[0]) {
        gs_text_add(out, "%s", print_value(picture, value[0], to));
        return;
    }
    gs_text_add(out, "%s%s, from %s to %s", grown > 0 ? "+" : "", print_value(picture, grown, change),
                print_value(picture, value[1], from), print_value(picture, value[0], to));
}

/* What a pointer at the frame shows, and a screen reader reads. */
static void add_title(const struct picture *picture, uint32_t node)
{
    const struct gs_page_tree *tree = picture->tree;
    const struct gs_page_frame *frame = &tree->frame[tree->node[node].frame];
    const int64_t *value = &picture->total[2 * node];
    struct gs_text words = {0};
    char share[32];
    if (tree->differs[0])
        gs_text_add(&words, "%s: ", change_word[change_of(value)]);
    add_values(picture, value, &words);
    if (!tree->differs[0])
        gs_text_add(&words, ", %s of all",
                    gs_reader_print_share(value[0], picture->total[0], share, sizeof share));
    gs_text_add(picture->out, "<title>");
    gs_reader_page_escape(picture->out, frame->name);
    gs_text_add(picture->out, "\n");
    gs_reader_page_escape(picture->out, words.bytes ? words.bytes : "");
    if (*frame->file || *frame->module) {
        gs_text_add(picture->out, "\n");
        gs_reader_page_escape(picture->out, *frame->file ? frame->file : frame->module);
        if (*frame->file && frame->line > 0)
            gs_text_add(picture->out, ":%lld", (long long)frame->line);
    }
    gs_text_add(picture->out, "</title>");
    gs_text_fini(&words);
}

/* The label of a frame of WIDTH. The script makes a new one when the width changes, from data-n and data-o. */
static void add_label(const struct picture *picture, uint32_t node, double x, double y, double width)
{
    const struct gs_page_tree *tree = picture->tree;
    bool differs = tree->differs[0];
    size_t room = width > 3 * LETTER ? (size_t)((width - 6) / LETTER) : 0;
    struct gs_text plain = {0}, label = {0};
    if (room < 3)
        return;
    if (differs)
        gs_text_add(&label, "%s ", change_sign[change_of(&picture->total[2 * node])]);
    gs_reader_page_plain(&plain, tree->frame[tree->node[node].frame].name);
    gs_reader_fit_name(plain.bytes ? plain.bytes : "", room - (differs ? 2 : 0), &label);
    gs_text_add(picture->out, "<text x=\"%.2f\" y=\"%.1f\">", x + 3, y + 13);
    gs_reader_page_escape(picture->out, label.bytes ? label.bytes : "");
    gs_text_add(picture->out, "</text>");
    gs_text_fini(&plain);
    gs_text_fini(&label);
}

static void add_frame(const struct picture *picture, uint32_t node, unsigned depth)
{
    double span = WIDTH - 2 * MARGIN, x = MARGIN + picture->x[node] * span,
           width = picture->width[node] * span, y = TOP + (double)depth * ROW;
    struct gs_text plain = {0}, compact = {0};
    gs_text_add(picture->out, "<g class=\"f %s\" data-d=\"%u\"", class_of(picture, node), depth);
    if (node) {
        gs_reader_page_plain(&plain, picture->tree->frame[picture->tree->node[node].frame].name);
        size_t own = gs_reader_compact_name(plain.bytes ? plain.bytes : "", &compact);
        gs_text_add(picture->out, " data-o=\"%u\" data-n=\"",
                    gs_reader_script_length(compact.bytes ? compact.bytes : "", own));
        gs_reader_page_escape(picture->out, compact.bytes ? compact.bytes : "");
        gs_text_add(picture->out, "\"");
    }
    gs_text_add(picture->out, ">");
    if (node)
        add_title(picture, node);
    gs_text_add(picture->out, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%d\"/>", x, y, width,
                ROW - 1);
    if (node)
        add_label(picture, node, x, y, width);
    else
        gs_text_add(picture->out, "<text x=\"%.2f\" y=\"%.1f\">all</text>", x + 3, y + 13);
    gs_text_add(picture->out, "</g>\n");
    gs_text_fini(&plain);
    gs_text_fini(&compact);
}

static void add_frames(const struct picture *picture)
{
    unsigned depth = 0;
    uint32_t node = 0;
    gs_text_add(picture->out, "<g id=\"frames\">\n");
    do {
        if (is_shown(picture, node))
            add_frame(picture, node, depth);
        node = gs_reader_page_next(picture->tree, node, &depth, !is_shown(picture, node));
    } while (node);
    gs_text_add(picture->out, "</g>\n");
}

/* ---- the document -------------------------------------------------------------------------------------------------- */

static void add_file(struct gs_text *out, const char *name)
{
    const struct gs_page_file *file = gs_reader_page_file(name);
    if (file)
        gs_text_add_bytes(out, file->bytes, (size_t)(file->end - file->bytes));
}

static void add_legend(const struct picture *picture)
{
    static const char *const code[][2] = {{"program", "the program's own code"},
                                          {"library", "libraries"},
                                          {"runtime", "runtime, allocator wrappers"}};
    bool differs = picture->tree->differs[0];
    double x = MARGIN;
    for (size_t i = 0; i < (differs ? 5 : 3); i++) {
        const char *name = differs ? change_class[i] : code[i][0],
                   *words = differs ? change_word[i] : code[i][1];
        gs_text_add(picture->out,
                    "<g class=\"f %s\"><rect x=\"%.1f\" y=\"50\" width=\"16\" height=\"14\"/></g>"
                    "<text class=\"soft\" x=\"%.1f\" y=\"61\">%s%s%s</text>\n",
                    name, x, x + 22, differs ? change_sign[i] : "", differs ? " " : "", words);
        x += 22 + 6.5 * (double)(strlen(words) + 5);
    }
}

static void add_head(const struct picture *picture, const char *title, unsigned height)
{
    struct gs_text *out = picture->out;
    gs_text_add(out,
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
                "viewBox=\"0 0 %d %u\" preserveAspectRatio=\"xMidYMin meet\" "
                "role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">",
                WIDTH, height);
    gs_reader_page_escape(out, title);
    gs_text_add(out, "</title>\n<style>");
    add_file(out, "svg.css");
    gs_text_add(out,
                "</style>\n<defs>"
                "<pattern id=\"new\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
                "patternTransform=\"rotate(45)\">"
                "<rect class=\"new-1\" width=\"6\" height=\"6\"/><rect class=\"new-2\" width=\"3\" "
                "height=\"6\"/></pattern>"
                "<pattern id=\"gone\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
                "patternTransform=\"rotate(-45)\">"
                "<rect class=\"gone-1\" width=\"6\" height=\"6\"/><rect class=\"gone-2\" width=\"3\" "
                "height=\"6\"/></pattern>"
                "</defs>\n<rect class=\"paper\" width=\"%d\" height=\"%u\"/>\n<text class=\"title\" x=\"%d\" "
                "y=\"24\">",
                WIDTH, height, MARGIN);
    gs_reader_page_escape(out, title);
    gs_text_add(out, "</text>\n<text class=\"soft\" x=\"%d\" y=\"42\">", MARGIN);
    gs_reader_page_escape(out, picture->tree->view[0].label);
    gs_text_add(out, ": ");
    struct gs_text values = {0};
    add_values(picture, picture->total, &values);
    gs_reader_page_escape(out, values.bytes ? values.bytes : "");
    gs_text_fini(&values);
    gs_text_add(out, "</text>\n");
    add_legend(picture);
}

static void draw(struct picture *picture, const char *title)
{
    struct gs_text *out = picture->out;
    count_rows(picture);
    unsigned height = TOP + picture->rows * ROW + BOTTOM;
    add_head(picture, title, height);
    add_frames(picture);
    gs_text_add(out, "<text id=\"detail\" class=\"soft\" x=\"%d\" y=\"%u\">", MARGIN, height - 12);
    if (picture->left_out)
        gs_text_add(out, "%zu frames are too narrow to be drawn", picture->left_out);
    gs_text_add(out, "</text>\n<script><![CDATA[\n");
    add_file(out, "fit.js");
    add_file(out, "svg.js");
    gs_text_add(out, "]]></script>\n</svg>\n");
}

void gs_reader_flame_svg(const struct gs_page_tree *tree, const char *title, struct gs_text *out)
{
    struct picture picture = {.tree = tree, .out = out};
    picture.total = gs_reader_page_totals(tree, 0);
    picture.width = gs_alloc(tree->node_count * sizeof *picture.width);
    picture.x = gs_alloc(tree->node_count * sizeof *picture.x);
    picture.order = gs_alloc(tree->node_count * sizeof *picture.order);
    if (picture.total && picture.width && picture.x && picture.order) {
        lay_out(&picture);
        draw(&picture, title);
    } else {
        out->failed = true;
    }
    gs_free(picture.total);
    gs_free(picture.width);
    gs_free(picture.x);
    gs_free(picture.order);
}
