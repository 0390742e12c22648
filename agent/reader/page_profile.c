/* page_profile.c - the views of a profile as the page's script wants them: entries of "profiles". Context: CLI. */
#include "base/json.h"
#include "base/memory.h"
#include "reader/page.h"
#include <string.h>

const char *gs_reader_page_label(const char *type)
{
    static const char *const labels[][2] = {
        {"inuse_space", "Held now"},
        {"inuse_objects", "Blocks held now"},
        {"inuse_old", "Held since before the baseline"},
        {"freed_space", "Allocated and freed again"},
        {"alloc_space", "Allocated"},
        {"alloc_objects", "Blocks allocated"},
        {"cpu", "CPU time"},
        {"samples", "CPU samples"},
        {"threads", "Threads"},
        {"threadcreate", "Threads created"},
        {"descriptors", "Open descriptors"},
        {"waste_space", "Wasted"},
        {"goroutine", "Goroutines"},
        {"contentions", "Contentions"},
        {"delay", "Delay"},
    };
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (strcmp(labels[i][0], type) == 0)
            return labels[i][1];
    return type;
}

static json_t *plain_json(const char *text)
{
    struct gs_text plain = {0};
    gs_reader_page_plain(&plain, text);
    json_t *json = plain.failed ? NULL : json_string(plain.bytes ? plain.bytes : "");
    gs_text_fini(&plain);
    return json;
}

static json_t *comments_json(const struct gs_page_tree *tree)
{
    struct gs_json comments = gs_json_array();
    for (size_t i = 0; i < tree->comment_count; i++)
        gs_json_add(&comments, plain_json(tree->comment[i]));
    if (tree->shortened)
        gs_json_add(&comments,
                    json_sprintf("%zu stacks are cut: there are too many different ones", tree->shortened));
    return gs_json_take(&comments);
}

static json_t *view_json(const struct gs_page_tree *tree, size_t number, const char *packed)
{
    const struct gs_page_view *view = &tree->view[number];
    struct gs_json entry = gs_json_object();
    int64_t *total = gs_reader_page_totals(tree, number);
    if (!total)
        return NULL;
    gs_json_set(&entry, "id", plain_json(view->id));
    gs_json_set(&entry, "label", plain_json(view->label));
    gs_json_set(&entry, "kind", plain_json(tree->column[number].type));
    gs_json_set(&entry, "unit", plain_json(tree->column[number].unit));
    gs_json_set(&entry, "total", json_integer((json_int_t)total[0]));
    gs_json_set(&entry, "before", json_integer((json_int_t)total[1]));
    gs_json_set(&entry, "diff", json_boolean(tree->differs[number]));
    gs_json_set(&entry, "column", json_integer((json_int_t)(2 * gs_reader_page_same_values(tree, number))));
    gs_json_set(&entry, "comments", comments_json(tree));
    if (number == 0)
        gs_json_set(&entry, "data", json_string(packed));
    else
        gs_json_set(&entry, "data_of", plain_json(tree->view[0].id));
    gs_free(total);
    return gs_json_take(&entry);
}

void gs_reader_page_views(const struct gs_page_tree *tree, struct gs_json *views)
{
    struct gs_text packed = {0};
    gs_reader_page_pack(tree, &packed);
    for (size_t i = 0; i < tree->view_count; i++)
        gs_json_add(views, packed.failed ? NULL : view_json(tree, i, packed.bytes));
    gs_text_fini(&packed);
}
