/* flame.c - `gumshoe flame`: a profile as a flame graph, in a page (HTML) or a picture (SVG).
 *
 *   PROFILE ──options──▶ view ─┐
 *   --base  ──options──▶ view ─┴▶ prefix tree ─▶ page: a switch between the sample types, or picture: one of them */
#include "base/memory.h"
#include "cli/view.h"
#include <errno.h>
#include <string.h>
#include <strings.h>

struct flame {
    struct gs_view_options options;
    const char *base, *out, *title;
    struct gs_view now, before; // before: only if there is a base
};

/* ---- documents ----------------------------------------------------------------------------------------------------------- */

/* The views of the page's switch: the sample type that is shown first, then the others, the profile's default before the rest. */
static size_t list_views(const struct flame *flame, struct gs_page_view *view)
{
    const struct gs_profile *profile = flame->now.profile;
    size_t count = 0;
    for (unsigned i = 0; i < profile->sample_type_count; i++) {
        unsigned number =
            ((unsigned)flame->now.type + profile->sample_type_count - i) % profile->sample_type_count;
        const char *type = profile->sample_type[number].type;
        view[count++] =
            (struct gs_page_view){.id = type, .label = gs_reader_page_label(type), .type = (int)number};
    }
    return count;
}

static void write_page(const struct gs_page_tree *tree, const char *title, struct gs_text *out)
{
    struct gs_json views = gs_json_array(), page = gs_json_object();
    gs_reader_page_views(tree, &views);
    gs_json_set(&page, "version", json_integer(1));
    gs_json_set(&page, "kind", json_string("flame"));
    gs_json_set(&page, "title", gs_json_printable(title));
    gs_json_set(&page, "profiles", gs_json_take(&views));
    json_t *json = gs_json_take(&page);
    gs_reader_page_begin(out, GS_PAGE_FLAME, title);
    gs_text_add(out, "<h1>");
    gs_reader_page_escape(out, title);
    gs_text_add(out, "</h1>\n");
    gs_reader_page_text(tree, 0, out);
    gs_reader_page_end(out, GS_PAGE_FLAME, json);
    out->failed |= !json;
    json_decref(json);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcasecmp(text + length - tail, end) == 0;
}

static int write_document(const struct flame *flame, const char *title)
{
    struct gs_page_view view[GS_SAMPLE_TYPES_MAX];
    struct gs_text text = {0};
    bool picture = ends_with(flame->out, ".svg");
    size_t count = list_views(flame, view);
    struct gs_page_tree *tree =
        gs_reader_page_tree(flame->now.profile, flame->before.profile, view, picture ? 1 : count);
    if (tree && picture)
        gs_reader_flame_svg(tree, title, &text);
    else if (tree)
        write_page(tree, title, &text);
    int error = tree && !text.failed ? gs_reader_write_text(&text, flame->out) : -ENOMEM;
    gs_reader_page_tree_free(tree);
    gs_text_fini(&text);
    return error ? gs_cli_complain(GS_EXIT_IO, "%s: %s", flame->out, strerrordesc_np(-error)) : GS_EXIT_OK;
}

/* ---- the command --------------------------------------------------------------------------------------------------------- */

/* "checkout: inuse_space", or the base's name as well. */
static void make_title(const struct flame *flame, const char *path, struct gs_text *out)
{
    const struct gs_profile *profile = flame->now.profile;
    const char *program = profile->mapping_count ? gs_text_base_name(profile->mapping[0].path) : "";
    if (flame->title) {
        gs_text_add(out, "%s", flame->title);
        return;
    }
    gs_text_add(out, "%s%s%s", *program ? program : "", *program ? ": " : "", gs_text_base_name(path));
    if (flame->base)
        gs_text_add(out, " since %s", gs_text_base_name(flame->base));
}

static int show(struct flame *flame, const char *path)
{
    int status = GS_EXIT_OK;
    struct gs_text title = {0};
    if (!gs_cli_view_open(path, &flame->options, &flame->now, &status))
        return status;
    struct gs_view_options base_options = flame->options;
    base_options.sample = flame->now.profile->sample_type[flame->now.type].type;
    if (!flame->base || gs_cli_view_open(flame->base, &base_options, &flame->before, &status)) {
        make_title(flame, path, &title);
        status = write_document(flame, title.bytes ? title.bytes : "");
    }
    gs_text_fini(&title);
    gs_cli_view_close(&flame->before);
    gs_cli_view_close(&flame->now);
    return status;
}

static int check_out(const struct gs_arguments *arguments, const struct gs_option *option,
                     const char *argument)
{
    (void)option;
    if (ends_with(argument, ".svg") || ends_with(argument, ".html"))
        return GS_EXIT_OK;
    return gs_cli_usage(arguments->command,
                        "-o takes a file that ends in .html (a page) or .svg (a picture)");
}

int gs_cli_run_flame(struct gs_arguments *arguments)
{
    struct flame flame = {0};
    int status;
    const struct gs_option options[] = {
        {NULL, 'o', .argument = "FILE", .text = &flame.out, .check = check_out,
         .help = "what is written: a page (.html) or a picture (.svg)"},
        {"base", .argument = "FILE", .text = &flame.base,
         .help = "show what grew, shrank, is new or gone since this profile"},
        {"title", .argument = "TEXT", .text = &flame.title,
         .help = "its title (default: the names of program and profile)"},
        GS_VIEW_FILTERS(flame.options),
        {.argument = "PROFILE|INCIDENT", .help = "a profile, or an incident's folder"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    const char *path = gs_cli_view_operand(arguments);
    if (path && !flame.out)
        return gs_cli_usage(arguments->command, "-o FILE is missing: it says where the graph is written");
    return path ? show(&flame, path) : GS_EXIT_USAGE;
}
