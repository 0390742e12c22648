/* page_pack.c - a prefix tree as JSON for the page's script, deflated, in base64. docs/formats.md has the format.
 *
 *   {"names": ["main", …], "frames": [name, compact, own, file, line, module, code, …],
 *    "up": [0, 0, 1, …], "frame": [0, 1, 2, …], "self": [[zeros, value, zeros, value, …], …]}
 *
 * A tree with more than NODES_SHOWN nodes is cut: the lightest become one node "(smaller stacks)" below their caller.
 * Context: CLI. */
#include "base/json.h"
#include "base/memory.h"
#include "base/numbers.h"
#include "base/sort.h"
#include "reader/page.h"
#include <string.h>
#include <zlib.h>

enum { NODES_SHOWN = 200000, NAME_MAX_BYTES = 4000, DEFLATE_LEVEL = 9 };
static const char smaller_stacks[] = "(smaller stacks)";

struct packing {
    const struct gs_page_tree *tree;
    struct gs_json names; // strings, each once
    struct gs_index strings;
    const char **string; // of each; NULL: made here
    size_t string_count, string_capacity;
    struct gs_text frames, up, frame, *self; // lists of numbers; self: by column
    size_t columns, *zeros;                  // zeros: of each column, since its last value
    float *share;                            // of each node: the largest of its shares of the views' totals
    float least;                             // lighter nodes are cut
    size_t nodes;                            // written so far
    unsigned depth;                          // of the last one
    bool failed;
};

/* ---- strings ------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of_string(const void *of, uint32_t number)
{
    const char *text = ((const struct packing *)of)->string[number];
    return gs_hash_bytes(text, strlen(text));
}

/* The number of TEXT, which lives as long as the packing. */
static uint32_t find_or_add_string(struct packing *packing, const char *text)
{
    uint64_t hash = gs_hash_bytes(text, strlen(text));
    size_t at = SIZE_MAX;
    for (uint32_t candidate; (candidate = gs_index_next(&packing->strings, hash, &at)) != UINT32_MAX;)
        if (strcmp(packing->string[candidate], text) == 0)
            return candidate;
    if (gs_grow(&packing->string, &packing->string_capacity, packing->string_count + 1,
                sizeof *packing->string)) {
        packing->failed = true;
        return 0;
    }
    struct gs_text plain = {0};
    uint32_t number = (uint32_t)packing->string_count++;
    packing->string[number] = text;
    packing->failed |= gs_index_add(&packing->strings, hash, number, hash_of_string, packing) != 0;
    gs_reader_page_plain(&plain, text);
    gs_json_add(&packing->names, plain.failed ? NULL : json_string(plain.bytes ? plain.bytes : ""));
    gs_text_fini(&plain);
    return number;
}

/* Add a string that no other is equal to. */
static uint32_t add_string(struct packing *packing, const struct gs_text *text)
{
    gs_json_add(&packing->names, text->failed ? NULL : json_string(text->bytes ? text->bytes : ""));
    if (gs_grow(&packing->string, &packing->string_capacity, packing->string_count + 1,
                sizeof *packing->string)) {
        packing->failed = true;
        return 0;
    }
    packing->string[packing->string_count] = "";
    return (uint32_t)packing->string_count++;
}

/* Write the row of a frame. A name that is very long is there only without its arguments. */
static void add_frame(struct packing *packing, const struct gs_page_frame *frame)
{
    struct gs_text plain = {0}, compact = {0};
    gs_reader_page_plain(&plain, frame->name);
    size_t own = gs_reader_compact_name(plain.bytes ? plain.bytes : "", &compact);
    bool differs = compact.length != plain.length, is_long = plain.length > NAME_MAX_BYTES;
    uint32_t name = is_long ? add_string(packing, &compact) : find_or_add_string(packing, frame->name),
             short_name = differs && !is_long ? add_string(packing, &compact) : name,
             file = find_or_add_string(packing, frame->file),
             module = find_or_add_string(packing, frame->module);
    gs_text_add(&packing->frames, "%s%u,%u,%u,%u,%lld,%u,%u", packing->frames.length ? "," : "", name,
                short_name, gs_reader_script_length(compact.bytes ? compact.bytes : "", own), file,
                (long long)frame->line, module, (unsigned)frame->code);
    packing->failed |= plain.failed || compact.failed;
    gs_text_fini(&plain);
    gs_text_fini(&compact);
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

/* The share of each node's total in VIEW, both sides together, if it is larger than in the views before. */
static void find_shares(struct packing *packing, size_t view)
{
    const struct gs_page_tree *tree = packing->tree;
    int64_t *total = gs_reader_page_totals(tree, view);
    packing->failed |= !total;
    double all = total ? (double)total[0] + (double)total[1] : 0;
    for (size_t i = 0; total && i < tree->node_count; i++) {
        float share = (float)(all > 0 ? ((double)total[2 * i] + (double)total[2 * i + 1]) / all : 0);
        if (share > packing->share[i])
            packing->share[i] = share;
    }
    gs_free(total);
}

static int by_share(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;
    return (left < right) - (left > right);
}

/* Choose the least share such that at most NODES_SHOWN nodes have a larger one. */
static void find_least(struct packing *packing)
{
    size_t count = packing->tree->node_count;
    packing->share = gs_alloc(count * sizeof *packing->share);
    packing->failed |= !packing->share;
    for (size_t view = 0; packing->share && view < packing->tree->view_count; view++)
        find_shares(packing, view);
    packing->least = -1;
    if (count <= NODES_SHOWN || packing->failed)
        return;
    float *sorted = gs_alloc(count * sizeof *sorted);
    packing->failed |= !sorted;
    if (sorted) {
        memcpy(sorted, packing->share, count * sizeof *sorted);
        gs_sort(sorted, count, sizeof *sorted, by_share);
        packing->least = sorted[NODES_SHOWN];
    }
    gs_free(sorted);
}

/* Add the next node's VALUE to a column. Only values that are not 0 are written, each after the number of zeros before it. */
static void add_value(struct packing *packing, size_t column, int64_t value)
{
    struct gs_text *out = &packing->self[column];
    size_t *zeros = &packing->zeros[column];
    if (value == 0) {
        ++*zeros;
        return;
    }
    gs_text_add(out, "%s%zu,%lld", out->length ? "," : "", *zeros, (long long)value);
    *zeros = 0;
}

/* Write a node at DEPTH with its VALUEs, two for each view: now and before. Of the second the page gets the change: most stacks
 * hold what they held before. */
static void add_node(struct packing *packing, uint32_t frame, unsigned depth, const int64_t *value)
{
    const struct gs_page_tree *tree = packing->tree;
    const char *comma = packing->nodes++ ? "," : "";
    gs_text_add(&packing->up, "%s%u", comma, packing->depth + 1 - depth);
    gs_text_add(&packing->frame, "%s%u", comma, frame);
    for (size_t view = 0; view < tree->view_count; view++)
        if (gs_reader_page_same_values(tree, view) == view) {
            add_value(packing, 2 * view, value[2 * view]);
            if (tree->differs[view])
                add_value(packing, 2 * view + 1, value[2 * view] - value[2 * view + 1]);
        }
    packing->depth = depth;
}

/* Add the values of NODE and of all below it to SUM. */
static void add_below(const struct packing *packing, uint32_t node, int64_t *sum)
{
    const struct gs_page_tree *tree = packing->tree;
    unsigned depth = 0;
    for (uint32_t at = node; at;) {
        for (size_t i = 0; i < packing->columns; i++)
            sum[i] = gs_sum(sum[i], gs_reader_page_self(tree, at, 0)[i]);
        at = gs_reader_page_next(tree, at, &depth, false);
        if ((int)depth <= 0) // it has left NODE
            break;
    }
}

/* Write the children of NODE that are cut as one. */
static void add_smaller(struct packing *packing, uint32_t node, unsigned depth)
{
    int64_t sum[2 * GS_SAMPLE_TYPES_MAX] = {0};
    bool any = false;
    for (uint32_t child = packing->tree->node[node].first; child; child = packing->tree->node[child].next)
        if (packing->share[child] <= packing->least) {
            add_below(packing, child, sum);
            any = true;
        }
    if (any)
        add_node(packing, (uint32_t)packing->tree->frame_count, depth + 1, sum);
}

static void add_nodes(struct packing *packing)
{
    const struct gs_page_tree *tree = packing->tree;
    unsigned depth = 0;
    uint32_t node = 0;
    do {
        bool cut = node && packing->share[node] <= packing->least;
        if (!cut) {
            add_node(packing, node ? tree->node[node].frame : (uint32_t)tree->frame_count + 1, depth,
                     gs_reader_page_self(tree, node, 0));
            add_smaller(packing, node, depth);
        }
        node = gs_reader_page_next(tree, node, &depth, cut);
    } while (node);
}

/* ---- the document -------------------------------------------------------------------------------------------------- */

static void add_list(struct gs_text *out, const char *before, const struct gs_text *list, const char *after)
{
    gs_text_add(out, "%s", before);
    gs_text_add_bytes(out, list->bytes, list->length);
    gs_text_add(out, "%s", after);
    out->failed |= list->failed;
}

static void join(struct packing *packing, struct gs_text *out)
{
    json_t *names = gs_json_take(&packing->names);
    packing->failed |= !names;
    gs_text_add(out, "{\"names\":");
    gs_json_print(names, JSON_COMPACT, out);
    json_decref(names);
    add_list(out, ",\"frames\":[", &packing->frames, "]");
    add_list(out, ",\"up\":[", &packing->up, "]");
    add_list(out, ",\"frame\":[", &packing->frame, "],\"self\":[");
    for (size_t i = 0; i < packing->columns; i++)
        add_list(out, i ? ",[" : "[", &packing->self[i], "]");
    gs_text_add(out, "]}");
}

static void deflate_text(const struct gs_text *text, struct gs_text *out)
{
    z_stream zip = {.zalloc = gs_memory_zalloc, .zfree = gs_memory_zfree};
    if (deflateInit(&zip, DEFLATE_LEVEL) != Z_OK) {
        out->failed = true;
        return;
    }
    size_t room = deflateBound(&zip, text->length);
    unsigned char *packed = gs_alloc(room);
    zip.next_in = (unsigned char *)text->bytes;
    zip.avail_in = (unsigned)text->length;
    zip.next_out = packed;
    zip.avail_out = (unsigned)room;
    out->failed |= !packed || text->failed || deflate(&zip, Z_FINISH) != Z_STREAM_END;
    if (!out->failed)
        gs_reader_page_base64(out, packed, room - zip.avail_out);
    deflateEnd(&zip);
    gs_free(packed);
}

static void pack(struct packing *packing, struct gs_text *out)
{
    const struct gs_page_tree *tree = packing->tree;
    struct gs_text text = {0};
    find_least(packing);
    for (size_t i = 0; i < tree->frame_count && !packing->failed; i++)
        add_frame(packing, &tree->frame[i]);
    add_frame(packing, &(struct gs_page_frame){
                           .name = smaller_stacks, .file = "", .module = "", .code = GS_CODE_RUNTIME});
    add_frame(packing,
              &(struct gs_page_frame){.name = "(all)", .file = "", .module = "", .code = GS_CODE_RUNTIME});
    if (!packing->failed)
        add_nodes(packing);
    join(packing, &text);
    if (!packing->failed)
        deflate_text(&text, out);
    out->failed |= packing->failed;
    gs_text_fini(&text);
}

void gs_reader_page_pack(const struct gs_page_tree *tree, struct gs_text *out)
{
    struct gs_text self[2 * GS_SAMPLE_TYPES_MAX] = {{0}};
    size_t zeros[2 * GS_SAMPLE_TYPES_MAX] = {0};
    struct packing packing = {.tree = tree,
                              .names = gs_json_array(),
                              .self = self,
                              .columns = 2 * tree->view_count,
                              .zeros = zeros};
    packing.depth = (unsigned)-1; // so that the root is "0 up"
    pack(&packing, out);
    gs_index_fini(&packing.strings);
    gs_free(packing.string);
    gs_free(packing.share);
    gs_text_fini(&packing.frames);
    gs_text_fini(&packing.up);
    gs_text_fini(&packing.frame);
    for (size_t i = 0; i < packing.columns; i++)
        gs_text_fini(&self[i]);
}
