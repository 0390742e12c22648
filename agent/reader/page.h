/* page.h - what the files share that make pages and pictures of profiles.
 *
 *   profile, base ──page_tree.c──▶ prefix tree ──page_pack.c──▶ JSON for the page's script
 *                                             ──page_text.c──▶ HTML for readers without script
 *                                             ──flame_svg.c──▶ SVG */
#pragma once
#include "base/hash.h"
#include "base/index.h"
#include "reader/reader.h"

struct gs_page_frame {           // a function, or what is known of it
    const char *name;            // borrowed from a profile
    const char *file, *module;   // "" when not known
    int64_t line;                // the line in it that holds most; else its first; 0: not known
    enum gs_code code;
};
struct gs_page_node {
    uint32_t parent, frame;      // indexes; a parent comes before its children. Node 0 is the root, and has no frame.
    uint32_t first, next;        // child and sibling; 0: none
};
struct gs_page_column { const char *type, *unit; int number; }; // the sample type of a view; number: in the profile that is added

struct gs_page_tree {
    struct gs_page_frame *frame;
    size_t frame_count, frame_capacity;
    struct gs_page_node *node;
    size_t node_count, node_capacity, self_capacity;
    int64_t *self;               // by node, then by view: positive part (now), negative part (before, or negative values)
    size_t view_count;
    struct gs_page_view *view;
    struct gs_page_column *column; // of each view
    bool *differs;               // of each view: some sample is of the base, or negative
    struct gs_profile *split[2]; // the profile and its base; every inlined frame is a location of its own. Own the frames' names.
    struct gs_plumbing plumbing;
    size_t shortened;            // stacks cut because the tree was full
    const char **comment;        // of the profile; borrowed
    size_t comment_count;
    struct gs_index names, children;
    bool failed;
};

/* The values of NODE itself in VIEW: [0] now, [1] before. */
static inline int64_t *gs_reader_page_self(const struct gs_page_tree *tree, size_t node, size_t view)
{
    return &tree->self[(node * tree->view_count + view) * 2];
}
/* The same with all nodes below, for one VIEW; by node, two values each. NULL: no memory. Free with gs_free. */
int64_t *gs_reader_page_totals(const struct gs_page_tree *tree, size_t view) GS_CHECK_RESULT;
/* An earlier view whose values now are those of VIEW, which has no values before: of the same sample type. VIEW: there is none. */
size_t gs_reader_page_same_values(const struct gs_page_tree *tree, size_t view);
/* The node after NODE in preorder; 0: none. *DEPTH is that of NODE, and becomes the other's. SKIP: not into NODE's children. */
uint32_t gs_reader_page_next(const struct gs_page_tree *tree, uint32_t node, unsigned *depth, bool skip);

/* Add WORDS to OUT as text that does no harm: UTF-8, control characters, marks that change the direction of writing and
 * invisible characters as \xNN or \u{NNNN} (page_escape.c). */
void gs_reader_page_plain(struct gs_text *out, const char *words);
/* Append TREE to OUT, packed (page_pack.c). */
void gs_reader_page_pack(const struct gs_page_tree *tree, struct gs_text *out);
/* Append BYTES in base64. */
void gs_reader_page_base64(struct gs_text *out, const void *bytes, size_t length);

/* A part of the page, embedded at the build (page_files.c). */
struct gs_page_file { const char *name, *bytes, *end, *sha256; }; // the hash in hex
const struct gs_page_file *gs_reader_page_file(const char *name); // NULL: there is none

/* Add NAME, with the arguments of templates and calls replaced by "…", to OUT (short_name.c). Returns where in it the function's
 * own name begins, in bytes. */
size_t gs_reader_compact_name(const char *name, struct gs_text *out);
/* Characters of the first LENGTH bytes of TEXT as a script counts them (UTF-16). */
unsigned gs_reader_script_length(const char *text, size_t length);
/* Add NAME to OUT in at most ROOM characters: arguments are left out first, then the namespaces, and the end of the function's own name
 * only if nothing else is left. */
void gs_reader_fit_name(const char *name, size_t room, struct gs_text *out);
