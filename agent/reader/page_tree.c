/* page_tree.c - the stacks of a profile as a prefix tree of functions, for pages and pictures.
 *
 *   main ─┬─ handle ─┬─ parse       each node: its own value now, and before, for each view (sample type)
 *         │          └─ store
 *         └─ log
 *
 * Frames are equal if their names are, so profiles of two builds can be compared. Context: CLI. Bounds: at most NODES_MAX nodes;
 * then stacks that need more are cut, and counted. */
#include "base/memory.h"
#include "base/numbers.h"
#include "base/sort.h"
#include "reader/page.h"
#include <string.h>

enum { NODES_MAX = 1 << 21, FRAMES_MAX = 1 << 20 };

/* ---- frames -------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of_name(const char *name)
{
    return gs_hash_bytes(name, strlen(name));
}

static uint64_t hash_of_frame(const void *of, uint32_t number)
{
    return hash_of_name(((const struct gs_page_tree *)of)->frame[number].name);
}

/* The number of the frame called NEW->name; added if it is new. */
static uint32_t find_or_add_frame(struct gs_page_tree *tree, const struct gs_page_frame *new)
{
    uint64_t hash = hash_of_name(new->name);
    size_t at = SIZE_MAX;
    for (uint32_t candidate; (candidate = gs_index_next(&tree->names, hash, &at)) != UINT32_MAX;)
        if (strcmp(tree->frame[candidate].name, new->name) == 0)
            return candidate;
    uint32_t number = (uint32_t)tree->frame_count;
    if (gs_grow(&tree->frame, &tree->frame_capacity, tree->frame_count + 1, sizeof *tree->frame)) {
        tree->failed = true;
        return 0;
    }
    tree->frame[tree->frame_count++] = *new;
    tree->failed |= gs_index_add(&tree->names, hash, number, hash_of_frame, tree) != 0;
    return number;
}

/* The frame of LOCATION, which has one function at most. */
static struct gs_page_frame frame_of(struct gs_profile *profile, uint32_t location)
{
    uint32_t unused;
    const struct gs_location *at = &profile->location[location];
    const struct gs_function *function = at->line_count ? &profile->function[at->line[0].function] : NULL;
    const char *path = at->mapping ? profile->mapping[at->mapping - 1].path : "";
    struct gs_page_frame frame = {.name = gs_profile_frame_string(profile, location),
                                  .file = "",
                                  .module = gs_text_base_name(path),
                                  .code = gs_profile_code_of(profile, location, &unused)};
    if (function && *function->file)
        frame.file = gs_reader_clean_path(profile, function->file);
    frame.line = function ? function->start_line : 0;
    return frame;
}

struct line_weight {
    uint32_t frame;
    int64_t line;
    double weight;
};

static int by_line(const void *a, const void *b)
{
    const struct line_weight *left = a, *right = b;
    if (left->frame != right->frame)
        return left->frame < right->frame ? -1 : 1;
    return (left->line > right->line) - (left->line < right->line);
}

/* Give each frame the line that holds most, of LINE[0..COUNT) in the order of frames and lines. */
static void choose_lines(struct gs_page_tree *tree, const struct line_weight *line, size_t count)
{
    for (size_t i = 0, next; i < count;) {
        uint32_t frame = line[i].frame;
        double most = 0;
        for (; i < count && line[i].frame == frame; i = next) {
            double weight = 0;
            for (next = i; next < count && line[next].frame == frame && line[next].line == line[i].line;
                 next++)
                weight += line[next].weight;
            if (line[i].line > 0 && weight > most) {
                most = weight;
                tree->frame[frame].line = line[i].line;
            }
        }
    }
}

/* FRAME_OF: the frame of each location of PROFILE. A location's weight is what the stacks hold that it is in. */
static void find_lines(struct gs_page_tree *tree, const struct gs_profile *profile,
                       const uint32_t *frame_of_location)
{
    struct line_weight *line = gs_alloc((profile->location_count + 1) * sizeof *line);
    if (!line) {
        tree->failed = true;
        return;
    }
    for (size_t i = 0; i < profile->location_count; i++) {
        const struct gs_location *at = &profile->location[i];
        line[i] = (struct line_weight){.frame = frame_of_location[i],
                                       .line = at->line_count ? at->line[0].line : 0};
    }
    for (size_t i = 0; i < profile->sample_count; i++) {
        const struct gs_sample *sample = &profile->sample[i];
        for (uint32_t at = 0; at < sample->depth; at++)
            line[sample->location[at]].weight += (double)gs_magnitude(sample->value[tree->column[0].number]);
    }
    gs_sort(line, profile->location_count, sizeof *line, by_line);
    choose_lines(tree, line, profile->location_count);
    gs_free(line);
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of_edge(uint32_t parent, uint32_t frame)
{
    return gs_hash_mix((uint64_t)parent << 32 | frame);
}

static uint64_t hash_of_node(const void *of, uint32_t number)
{
    const struct gs_page_node *node = &((const struct gs_page_tree *)of)->node[number];
    return hash_of_edge(node->parent, node->frame);
}

/* Add a node; UINT32_MAX: there is no room. */
static uint32_t add_node(struct gs_page_tree *tree, uint32_t parent, uint32_t frame)
{
    uint32_t number = (uint32_t)tree->node_count;
    size_t values = tree->view_count * 2;
    if (number >= NODES_MAX)
        return UINT32_MAX;
    if (gs_grow(&tree->node, &tree->node_capacity, number + 1u, sizeof *tree->node) ||
        gs_grow(&tree->self, &tree->self_capacity, (number + 1u) * values, sizeof *tree->self)) {
        tree->failed = true;
        return UINT32_MAX;
    }
    memset(&tree->self[number * values], 0, values * sizeof *tree->self);
    tree->node[number] = (struct gs_page_node){.parent = parent, .frame = frame};
    tree->node_count++;
    if (number == 0)
        return 0;
    tree->node[number].next = tree->node[parent].first;
    tree->node[parent].first = number;
    tree->failed |=
        gs_index_add(&tree->children, hash_of_edge(parent, frame), number, hash_of_node, tree) != 0;
    return number;
}

static uint32_t find_or_add_node(struct gs_page_tree *tree, uint32_t parent, uint32_t frame)
{
    size_t at = SIZE_MAX;
    for (uint32_t candidate;
         (candidate = gs_index_next(&tree->children, hash_of_edge(parent, frame), &at)) != UINT32_MAX;)
        if (tree->node[candidate].parent == parent && tree->node[candidate].frame == frame)
            return candidate;
    return add_node(tree, parent, frame);
}

/* Add the values of SAMPLE to node NODE. Those of the base, and negative ones, are on the other side. */
static void add_values(struct gs_page_tree *tree, uint32_t node, const struct gs_sample *sample, bool is_base)
{
    for (size_t view = 0; view < tree->view_count; view++) {
        int64_t value = tree->column[view].number >= 0 ? sample->value[tree->column[view].number] : 0;
        bool before = is_base != (value < 0);
        int64_t *self = &gs_reader_page_self(tree, node, view)[before];
        *self = gs_sum(*self, (int64_t)(gs_magnitude(value) & INT64_MAX));
        tree->differs[view] |= value && before;
    }
}

static bool is_zero(const struct gs_page_tree *tree, const struct gs_sample *sample)
{
    for (size_t view = 0; view < tree->view_count; view++)
        if (tree->column[view].number >= 0 && sample->value[tree->column[view].number])
            return false;
    return true;
}

static void add_sample(struct gs_page_tree *tree, const struct gs_sample *sample,
                       const uint32_t *frame_of_location, bool is_base)
{
    uint32_t node = 0;
    for (uint32_t i = sample->depth; i-- > 0;) {
        uint32_t next = find_or_add_node(tree, node, frame_of_location[sample->location[i]]);
        if (next == UINT32_MAX) {
            tree->shortened++;
            break;
        }
        node = next;
    }
    add_values(tree, node, sample, is_base);
}

/* ---- the tree ------------------------------------------------------------------------------------------------------ */

/* Add the stacks of PROFILE, in which every inlined frame is a location of its own. */
static void add_stacks(struct gs_page_tree *tree, struct gs_profile *profile, bool is_base)
{
    uint32_t *frame_of_location = gs_alloc((profile->location_count + 1) * sizeof *frame_of_location);
    tree->failed |= !frame_of_location;
    for (uint32_t i = 0; !tree->failed && i < profile->location_count; i++) {
        struct gs_page_frame frame = frame_of(profile, i);
        frame_of_location[i] = find_or_add_frame(tree, &frame);
    }
    if (!tree->failed && !is_base)
        find_lines(tree, profile, frame_of_location);
    for (size_t i = 0; !tree->failed && i < profile->sample_count; i++)
        if (!is_zero(tree, &profile->sample[i]))
            add_sample(tree, &profile->sample[i], frame_of_location, is_base);
    tree->failed |= profile->failed;
    gs_free(frame_of_location);
}

/* The sample type of each view in BASE; none of those that are shown alone. */
static void find_columns(struct gs_page_tree *tree, const struct gs_profile *base)
{
    for (size_t i = 0; i < tree->view_count; i++)
        tree->column[i].number = tree->view[i].alone ? -1 : gs_profile_sample_type(base, tree->column[i].type);
}

static void describe(struct gs_page_tree *tree, const struct gs_profile *profile,
                     const struct gs_page_view *view, size_t count)
{
    tree->view = gs_alloc(count * sizeof *tree->view);
    tree->column = gs_alloc(count * sizeof *tree->column);
    tree->differs = gs_alloc(count * sizeof *tree->differs);
    tree->failed |= !tree->view || !tree->column || !tree->differs;
    for (size_t i = 0; !tree->failed && i < count; i++) {
        const struct gs_value_type *type = &profile->sample_type[view[i].type];
        tree->view[i] = view[i];
        tree->column[i] =
            (struct gs_page_column){.type = type->type, .unit = type->unit, .number = view[i].type};
    }
    tree->view_count = count;
    tree->comment = profile->comment;
    tree->comment_count = profile->comment_count;
}

/* Copies of the profiles in which every inlined frame is a location of its own. Plumbing is learned from the first. */
static void split_profiles(struct gs_page_tree *tree, const struct gs_profile *profile,
                           const struct gs_profile *base)
{
    tree->split[0] = gs_profile_split_inlined(profile);
    tree->split[1] = base ? gs_profile_split_inlined(base) : NULL;
    tree->failed |= !tree->split[0] || !tree->split[1] != !base;
    if (tree->failed)
        return;
    tree->split[0]->period = profile->period;
    tree->failed |= gs_profile_learn_plumbing(tree->split[0], &tree->plumbing) != 0;
    if (base)
        tree->split[1]->plumbing = &tree->plumbing;
}

struct gs_page_tree *gs_reader_page_tree(const struct gs_profile *profile, const struct gs_profile *base,
                                         const struct gs_page_view *view, size_t count)
{
    struct gs_page_tree *tree = gs_alloc(sizeof *tree);
    if (!tree)
        return NULL;
    describe(tree, profile, view, count);
    split_profiles(tree, profile, base);
    if (!tree->failed && add_node(tree, 0, UINT32_MAX) == 0)
        add_stacks(tree, tree->split[0], false);
    if (!tree->failed && base) {
        find_columns(tree, base);
        add_stacks(tree, tree->split[1], true);
    }
    for (size_t i = 0; base && !tree->failed && i < count; i++)
        tree->differs[i] |= !view[i].alone;
    if (!tree->failed)
        return tree;
    gs_reader_page_tree_free(tree);
    return NULL;
}

size_t gs_reader_page_same_values(const struct gs_page_tree *tree, size_t view)
{
    for (size_t i = 0; i < view && !tree->differs[view]; i++)
        if (tree->view[i].type == tree->view[view].type)
            return i;
    return view;
}

void gs_reader_page_tree_free(struct gs_page_tree *tree)
{
    if (!tree)
        return;
    for (size_t i = 0; i < 2; i++)
        if (tree->split[i])
            gs_profile_free(tree->split[i]);
    gs_index_fini(&tree->names);
    gs_index_fini(&tree->children);
    gs_free(tree->view);
    gs_free(tree->column);
    gs_free(tree->differs);
    gs_free(tree->frame);
    gs_free(tree->node);
    gs_free(tree->self);
    gs_free(tree);
}

int64_t *gs_reader_page_totals(const struct gs_page_tree *tree, size_t view)
{
    int64_t *total = gs_alloc(tree->node_count * 2 * sizeof *total);
    for (size_t i = tree->node_count; total && i-- > 0;) {
        const int64_t *self = gs_reader_page_self(tree, i, view);
        for (size_t side = 0; side < 2; side++) {
            total[2 * i + side] = gs_sum(total[2 * i + side], self[side]);
            if (i)
                total[2 * tree->node[i].parent + side] =
                    gs_sum(total[2 * tree->node[i].parent + side], total[2 * i + side]);
        }
    }
    return total;
}

uint32_t gs_reader_page_next(const struct gs_page_tree *tree, uint32_t node, unsigned *depth, bool skip)
{
    if (tree->node[node].first && !skip) {
        ++*depth;
        return tree->node[node].first;
    }
    while (node && !tree->node[node].next) {
        node = tree->node[node].parent;
        --*depth;
    }
    return tree->node[node].next;
}
