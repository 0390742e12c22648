/* view.h - what the commands share that show a profile (top, peek, tree, traces, list): their options, reading the profile,
 * its base and its filters, and the head of their output, as pprof prints it. */
#pragma once
#include "cli/options.h"
#include "profile/profile.h"
#include "reader/reader.h"
#include <regex.h>

struct gs_view_options {
    const char *sample, *base, *diff_base;
    struct gs_filter filter;
    long long max_rows;
    bool cum, lines, json;
    bool no_symbolize; // leave the profile without lines, if it has none
    const char *plumbing[GS_CLI_PLUMBING_MAX];
    struct gs_option_list plumbing_list; // of `plumbing`; set by GS_VIEW_INIT
};
/* The options O before any is read. */
#define GS_VIEW_INIT(o) \
    { \
        .plumbing_list = {.item = (o).plumbing, .max = GS_CLI_PLUMBING_MAX, .what = "patterns of --plumbing"} \
    }

/* The rows of these options, in the command's table. O: the options' struct. */
// clang-format off
#define GS_VIEW_FILTERS(o) \
    {"sample", .argument = "TYPE", .text = &(o).sample, \
     .help = "inuse_space, alloc_objects, … (default: the profile's own)"}, \
    {"focus", .argument = "REGEX", .text = &(o).filter.focus, \
     .help = "only stacks with a frame that matches (function, file, library)"}, \
    {"ignore", .argument = "REGEX", .text = &(o).filter.ignore, .help = "no stacks with such a frame"}, \
    {"hide", .argument = "REGEX", .text = &(o).filter.hide, .help = "remove such frames"}, \
    {"show", .argument = "REGEX", .text = &(o).filter.show, .help = "keep only such frames"}, \
    {"plumbing", .argument = "PATTERN", .list = &(o).plumbing_list, \
     .help = "remove the frames of a function that works for its callers, such as \"pool_*\":\n" \
             "what it holds is theirs; a stack of such functions alone stays"}, \
    {"tagfocus", .argument = "TAG", .text = &(o).filter.tag_focus, \
     .help = "only samples with such a label: REGEX, KEY=REGEX, or a range of numbers (64kB:)"}, \
    {"tagignore", .argument = "TAG", .text = &(o).filter.tag_ignore, .help = "no samples with such a label"}, \
    {"no-symbolize", .set = &(o).no_symbolize, \
     .help = "do not look for lines and inlined functions in debug information on this machine"}
#define GS_VIEW_OPTIONS(o) \
    GS_VIEW_FILTERS(o), \
    {"base", .argument = "FILE", .text = &(o).base, .help = "the growth since this profile"}, \
    {"diff-base", .argument = "FILE", .text = &(o).diff_base, .help = "the same, with shares of this profile's total"}
#define GS_VIEW_LINES(o) {"lines", .set = &(o).lines, .help = "by source line instead of by function"}
#define GS_VIEW_JSON(o, form) {"json", .set = &(o).json, .help = form}
// clang-format on
#define GS_VIEW_ARGUMENTS "[--sample TYPE] [--base FILE] [--focus REGEX] [--ignore REGEX] …"

struct gs_view {
    struct gs_profile *profile; // after filters and drop_frames
    int type;                   // the sample type
    int64_t total;              // for shares: the sum of the absolute values before the filters
    const struct gs_view_options *options;
};

/* The profiles of an incident; the first that it has is shown by default. Ends with NULL. */
extern const char *const gs_cli_profile_names[];
/* Read the profile in PATH: a file, an incident's folder, or a bundle. NULL: the error was printed. */
struct gs_profile *gs_cli_read_profile(const char *path) GS_CHECK_RESULT;
/* Is PATH a bundle, or "BUNDLE/NAME" for a profile in one? Then it is read into *PROFILE; NULL: the error was printed
 * (bundle_open.c). */
bool gs_cli_read_bundle_profile(const char *path, struct gs_profile **profile) GS_CHECK_RESULT;
/* Read the profile in PATH as OPTIONS want it. False: the error was printed, *STATUS is the
 * exit status. */
bool gs_cli_view_open(const char *path, const struct gs_view_options *options, struct gs_view *out,
                      int *status) GS_CHECK_RESULT;
void gs_cli_view_close(struct gs_view *view);
/* Open the only operand of ARGUMENTS as OPTIONS want it, and SHOW it. Returns an exit status. */
int gs_cli_view_run(const struct gs_arguments *arguments, const struct gs_view_options *options,
                    int show(const struct gs_view *view));
/* The sum of the absolute values of sample type TYPE. */
int64_t gs_cli_view_total(const struct gs_profile *profile, int type);
/* Read the only operand of ARGUMENTS, a profile. NULL: the error was printed. */
const char *gs_cli_view_operand(const struct gs_arguments *arguments);
/* Read the two operands of ARGUMENTS: a function, which is compiled (free it with regfree), and a profile, which is returned. NULL:
 * the error was printed. */
const char *gs_cli_view_function_operand(const struct gs_arguments *arguments, regex_t *function);

/* ---- --json (view_json.c); NULL: no memory ------------------------------------------------------------------------ */

/* {"function", "file"}, and "line" unless it is 0. */
json_t *gs_cli_view_frame_json(const char *function, const char *file, int64_t line) GS_CHECK_RESULT;
/* The same of NODE, with "flat" and "cum". */
json_t *gs_cli_view_node_json(const struct gs_graph_node *node) GS_CHECK_RESULT;
/* Print {"sample_type", "unit", "total", KEY: ITEMS}; ITEMS is taken over. Returns an exit status. */
int gs_cli_view_print_json(const struct gs_view *view, const char *key, json_t *items);

/* ---- the head of the output (view_print.c) ----------------------------------------------------------------------- */

/* One scale for the values of all nodes of GRAPH. */
struct gs_scale gs_cli_view_scale(const struct gs_view *view, const struct gs_graph *graph);
/* "File: …" to "Type: …", "Duration: …". SCALE NULL: the total in the unit that suits it. */
void gs_cli_view_print_head(const struct gs_view *view, const struct gs_scale *scale);
/* "Active filters:", if there are any. */
void gs_cli_view_print_filters(const struct gs_view *view);
/* The sum of the nodes in GRAPH, and which are not shown. */
void gs_cli_view_print_totals(const struct gs_view *view, const struct gs_graph *graph, const struct gs_scale *scale);
enum { GS_CUTOFF_PER_MILLE = 5, GS_EDGE_CUTOFF_PER_MILLE = 1 }; // pprof's nodefraction and edgefraction
