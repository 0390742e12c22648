/* view_json.c - what the commands that show a profile print with --json (docs/formats.md). */
#include "cli/view.h"
#include <stdio.h>

json_t *gs_cli_view_frame_json(const char *function, const char *file, int64_t line)
{
    struct gs_json frame = gs_json_object();
    struct gs_text name = {0}, path = {0}; // JSON is UTF-8; a symbol need not be
    gs_text_add_printable(&name, function);
    gs_text_add_printable(&path, file);
    gs_json_set(&frame, "function", name.failed ? NULL : json_string(name.bytes ? name.bytes : ""));
    gs_json_set(&frame, "file", path.failed ? NULL : json_string(path.bytes ? path.bytes : ""));
    if (line)
        gs_json_set(&frame, "line", json_integer((json_int_t)line));
    gs_text_fini(&name);
    gs_text_fini(&path);
    return gs_json_take(&frame);
}

json_t *gs_cli_view_node_json(const struct gs_graph_node *node)
{
    struct gs_json json = {.json = gs_cli_view_frame_json(*node->function ? node->function : node->name,
                                                          node->file, node->line)};
    json.failed = !json.json;
    gs_json_set(&json, "flat", json_integer((json_int_t)node->flat));
    gs_json_set(&json, "cum", json_integer((json_int_t)node->cum));
    return gs_json_take(&json);
}

int gs_cli_view_print_json(const struct gs_view *view, const char *key, json_t *items)
{
    const struct gs_value_type *type = &view->profile->sample_type[view->type];
    struct gs_json json = gs_json_object();
    gs_json_set(&json, "sample_type", gs_json_printable(type->type));
    gs_json_set(&json, "unit", gs_json_printable(type->unit));
    gs_json_set(&json, "total", json_integer((json_int_t)view->total));
    gs_json_set(&json, key, items);
    json_t *document = gs_json_take(&json);
    int status =
        document ? gs_cli_print_json(document) : gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    json_decref(document);
    return status;
}
