/* graph.c - the call graph of a profile, with pprof's figures.
 *
 *   location, line ──▶ node (one for each name)      flat: the node is the leaf      cum: it is in the stack, counted once
 *   each stack, from the root ──▶ edge caller → callee, counted once for a stack
 *
 * When nodes are left out because they are small, the stacks are counted again: an edge then leads from the closest caller that
 * is shown to the closest callee that is shown.
 * Context: CLI. Bounds: memory grows with the profile's locations and distinct edges. */
#include "base/hash.h"
#include "base/index.h"
#include "base/memory.h"
#include "base/numbers.h"
#include "base/text.h"
#include "profile/profile.h"
#include "reader/reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HIDDEN = UINT32_MAX };

struct gs_graph_state {
    struct gs_profile *profile;
    int type;
    enum gs_granularity by;
    bool no_edges;
    uint32_t *first_line; // of each location: the number of its first line; a location without lines has one
    uint32_t *node_of;    // the node of each line
    bool *hidden;         // of each node
    size_t *last_sample;  // of each node: number of the last sample that was counted in cum, plus 1
    size_t *edge_last;    // the same for each edge
    struct gs_index names, edges;
    size_t node_capacity, edge_capacity, hidden_capacity, last_capacity, edge_last_capacity;
    bool failed;
};

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of_name(const char *name)
{
    return gs_hash_bytes(name, strlen(name));
}

static uint64_t hash_of_node(const void *context, uint32_t number)
{
    return hash_of_name(((const struct gs_graph *)context)->node[number].name);
}

/* The number of the node called NEW->name; added if it is new. */
static uint32_t find_or_add_node(struct gs_graph *graph, const struct gs_graph_node *new)
{
    struct gs_graph_state *state = graph->state;
    uint64_t hash = hash_of_name(new->name);
    size_t at = SIZE_MAX;
    for (uint32_t candidate; (candidate = gs_index_next(&state->names, hash, &at)) != UINT32_MAX;)
        if (strcmp(graph->node[candidate].name, new->name) == 0)
            return candidate;
    size_t count = graph->node_count + 1;
    if (gs_grow(&graph->node, &state->node_capacity, count, sizeof *graph->node) ||
        gs_grow(&state->hidden, &state->hidden_capacity, count, sizeof *state->hidden) ||
        gs_grow(&state->last_sample, &state->last_capacity, count, sizeof *state->last_sample)) {
        state->failed = true;
        return 0;
    }
    uint32_t number = (uint32_t)graph->node_count++;
    graph->node[number] = *new;
    state->hidden[number] = false;
    state->failed |= gs_index_add(&state->names, hash, number, hash_of_node, graph) != 0;
    return number;
}

/* The node of a frame whose function is known. */
static struct gs_graph_node node_of_line(struct gs_profile *profile, const struct gs_line *line,
                                         enum gs_granularity by)
{
    const struct gs_function *function = &profile->function[line->function];
    struct gs_graph_node node = {.name = function->name, .function = function->name, .file = function->file};
    if (!*node.name)
        node.name = *node.file ? node.file : "<unknown>";
    if (by == GS_BY_FUNCTION || !*node.file)
        return node;
    struct gs_text text = {0};
    node.file = gs_reader_clean_path(profile, node.file);
    gs_text_add(&text, "%s%s%s", function->name, *function->name ? " " : "", node.file);
    if (line->line)
        gs_text_add(&text, ":%lld", (long long)line->line);
    node.name = gs_profile_string(profile, text.bytes ? text.bytes : "");
    node.line = line->line;
    node.start_line = function->start_line;
    profile->failed |= text.failed;
    gs_text_fini(&text);
    return node;
}

/* The node of a frame without a function: its mapped file. */
static struct gs_graph_node node_of_mapping(struct gs_profile *profile, uint32_t mapping)
{
    const char *path = mapping ? profile->mapping[mapping - 1].path : "";
    char name[300] = "<unknown>";
    if (*path)
        snprintf(name, sizeof name, "[%s]", gs_text_base_name(path));
    return (struct gs_graph_node){.name = gs_profile_string(profile, name), .function = "", .file = ""};
}

/* Give each line of each location its node. */
static void make_nodes(struct gs_graph *graph)
{
    struct gs_graph_state *state = graph->state;
    struct gs_profile *profile = state->profile;
    size_t lines = 0;
    for (size_t i = 0; i < profile->location_count; i++)
        lines += profile->location[i].line_count ? profile->location[i].line_count : 1;
    state->first_line = gs_alloc((profile->location_count + 1) * sizeof *state->first_line);
    state->node_of = gs_alloc((lines + 1) * sizeof *state->node_of);
    state->failed |= !state->first_line || !state->node_of;
    lines = 0;
    for (size_t i = 0; !state->failed && i < profile->location_count; i++) {
        const struct gs_location *location = &profile->location[i];
        state->first_line[i] = (uint32_t)lines;
        for (uint32_t line = 0; line < location->line_count || line == 0; line++) {
            struct gs_graph_node node = location->line_count
                                            ? node_of_line(profile, &location->line[line], state->by)
                                            : node_of_mapping(profile, location->mapping);
            state->node_of[lines++] = find_or_add_node(graph, &node);
        }
    }
    state->failed |= profile->failed;
}

/* ---- edges ------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of_edge(uint32_t caller, uint32_t callee)
{
    return gs_hash_mix((uint64_t)caller << 32 | callee);
}

static uint64_t hash_of_existing_edge(const void *context, uint32_t number)
{
    const struct gs_graph_edge *edge = &((const struct gs_graph *)context)->edge[number];
    return hash_of_edge(edge->caller, edge->callee);
}

static uint32_t find_or_add_edge(struct gs_graph *graph, uint32_t caller, uint32_t callee)
{
    struct gs_graph_state *state = graph->state;
    uint64_t hash = hash_of_edge(caller, callee);
    size_t at = SIZE_MAX;
    for (uint32_t candidate; (candidate = gs_index_next(&state->edges, hash, &at)) != UINT32_MAX;)
        if (graph->edge[candidate].caller == caller && graph->edge[candidate].callee == callee)
            return candidate;
    if (gs_grow(&graph->edge, &state->edge_capacity, graph->edge_count + 1, sizeof *graph->edge) ||
        gs_grow(&state->edge_last, &state->edge_last_capacity, graph->edge_count + 1,
                sizeof *state->edge_last)) {
        state->failed = true;
        return UINT32_MAX;
    }
    uint32_t number = (uint32_t)graph->edge_count++;
    graph->edge[number] = (struct gs_graph_edge){.caller = caller, .callee = callee, .inlined = true};
    state->edge_last[number] = 0;
    state->failed |= gs_index_add(&state->edges, hash, number, hash_of_existing_edge, graph) != 0;
    return number;
}

static void count_edge(struct gs_graph *graph, uint32_t caller, uint32_t callee, int64_t value, size_t sample,
                       bool inlined)
{
    uint32_t number = find_or_add_edge(graph, caller, callee);
    if (number == UINT32_MAX || graph->state->edge_last[number] == sample + 1)
        return;
    graph->state->edge_last[number] = sample + 1;
    graph->edge[number].weight = gs_sum(graph->edge[number].weight, value);
    graph->edge[number].inlined &= inlined;
}

/* ---- counting ---------------------------------------------------------------------------------------------------- */

/* Count sample NUMBER from its root to its leaf. */
static void count_sample(struct gs_graph *graph, size_t number, int64_t value)
{
    struct gs_graph_state *state = graph->state;
    const struct gs_sample *sample = &state->profile->sample[number];
    uint32_t caller = HIDDEN;
    bool leaf_hidden = false;
    for (uint32_t i = sample->depth; i-- > 0;) {
        uint32_t location = sample->location[i], lines = state->profile->location[location].line_count;
        for (uint32_t line = lines ? lines : 1; line-- > 0;) {
            uint32_t node = state->node_of[state->first_line[location] + line];
            leaf_hidden = state->hidden[node];
            if (leaf_hidden)
                continue;
            if (state->last_sample[node] != number + 1) {
                state->last_sample[node] = number + 1;
                graph->node[node].cum = gs_sum(graph->node[node].cum, value);
            }
            if (caller != HIDDEN && caller != node && !state->no_edges)
                count_edge(graph, caller, node, value, number, line + 1 < lines);
            caller = node;
        }
    }
    if (caller != HIDDEN && !leaf_hidden)
        graph->node[caller].flat = gs_sum(graph->node[caller].flat, value);
}

/* Count all samples, over the nodes that are not hidden. */
static void count_all(struct gs_graph *graph)
{
    struct gs_graph_state *state = graph->state;
    gs_index_fini(&state->edges);
    graph->edge_count = 0;
    for (size_t i = 0; i < graph->node_count; i++) {
        graph->node[i].flat = graph->node[i].cum = 0;
        state->last_sample[i] = 0;
    }
    for (size_t i = 0; !state->failed && i < state->profile->sample_count; i++) {
        int64_t value = state->profile->sample[i].value[state->type];
        if (value)
            count_sample(graph, i, value);
    }
}

/* ---- limits and order -------------------------------------------------------------------------------------------- */

static int compare(uint64_t left, uint64_t right)
{
    return (left < right) - (left > right); // larger first
}

static int by_flat(const void *a, const void *b, void *context)
{
    const struct gs_graph *graph = context;
    const struct gs_graph_node *left = &graph->node[*(const uint32_t *)a],
                               *right = &graph->node[*(const uint32_t *)b];
    int order = compare(gs_magnitude(left->flat), gs_magnitude(right->flat));
    order = order ? order : strcmp(left->name, right->name);
    return order ? order : compare(gs_magnitude(left->cum), gs_magnitude(right->cum));
}

static int by_cum(const void *a, const void *b, void *context)
{
    const struct gs_graph *graph = context;
    const struct gs_graph_node *left = &graph->node[*(const uint32_t *)a],
                               *right = &graph->node[*(const uint32_t *)b];
    int order = compare(gs_magnitude(left->cum), gs_magnitude(right->cum));
    order = order ? order : strcmp(left->name, right->name);
    return order ? order : compare(gs_magnitude(left->flat), gs_magnitude(right->flat));
}

/* Put the shown nodes in their order. Returns the sum of their flat values. */
static int64_t order_nodes(struct gs_graph *graph, bool cum)
{
    int64_t sum = 0;
    graph->order_count = 0;
    for (uint32_t i = 0; i < graph->node_count; i++) {
        const struct gs_graph_node *node = &graph->node[i];
        if (graph->state->hidden[i] || (node->flat == 0 && node->cum == 0))
            continue;
        graph->order[graph->order_count++] = i;
        sum = gs_sum(sum, node->flat);
    }
    qsort_r(graph->order, graph->order_count, sizeof *graph->order, cum ? by_cum : by_flat, graph);
    return sum;
}

/* Hide every node that is not among the first COUNT of the order. */
static void keep_first(struct gs_graph *graph, size_t count)
{
    memset(graph->state->hidden, true, graph->node_count * sizeof *graph->state->hidden);
    for (size_t i = 0; i < count; i++)
        graph->state->hidden[graph->order[i]] = false;
}

static void drop_light_nodes(struct gs_graph *graph, uint64_t cutoff)
{
    size_t shown = graph->order_count;
    for (size_t i = 0; i < shown; i++)
        if (gs_magnitude(graph->node[graph->order[i]].cum) < cutoff) {
            graph->state->hidden[graph->order[i]] = true;
            graph->dropped++;
        }
    if (graph->dropped)
        count_all(graph);
}

static void drop_light_edges(struct gs_graph *graph, uint64_t cutoff)
{
    size_t kept = 0;
    for (size_t i = 0; i < graph->edge_count; i++)
        if (gs_magnitude(graph->edge[i].weight) >= cutoff)
            graph->edge[kept++] = graph->edge[i];
    graph->edge_count = kept;
}

static void limit(struct gs_graph *graph, const struct gs_graph_limits *limits)
{
    int64_t total = order_nodes(graph, limits->by_cum);
    uint64_t node_cutoff = gs_magnitude((int64_t)((double)total * limits->node_fraction)),
             edge_cutoff = gs_magnitude((int64_t)((double)total * limits->edge_fraction));
    if (node_cutoff > 0)
        drop_light_nodes(graph, node_cutoff);
    order_nodes(graph, limits->by_cum);
    graph->candidates = graph->order_count;
    if (limits->nodes && graph->order_count > limits->nodes) {
        keep_first(graph, limits->nodes);
        count_all(graph);
        order_nodes(graph, limits->by_cum);
    }
    drop_light_edges(graph, edge_cutoff);
}

struct gs_graph *gs_reader_graph(struct gs_profile *profile, int sample_type, enum gs_granularity by,
                                 const struct gs_graph_limits *limits)
{
    struct gs_graph *graph = gs_alloc(sizeof *graph);
    if (graph)
        graph->state = gs_alloc(sizeof *graph->state);
    if (!graph || !graph->state) {
        gs_free(graph);
        return NULL;
    }
    *graph->state = (struct gs_graph_state){
        .profile = profile, .type = sample_type, .by = by, .no_edges = limits->no_edges};
    make_nodes(graph);
    graph->order = gs_alloc((graph->node_count + 1) * sizeof *graph->order);
    graph->state->failed |= !graph->order;
    if (!graph->state->failed) {
        count_all(graph);
        limit(graph, limits);
    }
    if (!graph->state->failed)
        return graph;
    gs_reader_graph_free(graph);
    return NULL;
}

void gs_reader_graph_free(struct gs_graph *graph)
{
    if (!graph)
        return;
    struct gs_graph_state *state = graph->state;
    gs_index_fini(&state->names);
    gs_index_fini(&state->edges);
    gs_free(state->first_line);
    gs_free(state->node_of);
    gs_free(state->hidden);
    gs_free(state->last_sample);
    gs_free(state->edge_last);
    gs_free(state);
    gs_free(graph->node);
    gs_free(graph->order);
    gs_free(graph->edge);
    gs_free(graph);
}
