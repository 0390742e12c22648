/* locate.c - the position of a value in the text. jansson reports positions of syntax errors, but not of values.
 *
 *   rules[2].jitter.rise  =  path { up ─▶ { up ─▶ { up ─▶ { up ─▶ document, "rules" }, 2 }, "jitter" }, "rise" }
 *
 * It scans the text again from its start. That happens only for errors, whose number base/errors.c limits.
 * Who: reader.c and advice.c. Never reads outside the text, whatever it contains. */
#include "rules/inside.h"

static struct gs_document_entry find_entry(const char *container, const char *end,
                                           const struct gs_json_path *path, struct gs_document_entry fallback)
{
    struct gs_document_entry found = fallback, entry;
    bool is_object = *container == '{';
    if (is_object != (path->key != NULL))
        return fallback;
    const char *at = container + 1;
    for (size_t i = 0; gs_rules_next_entry(&at, end, is_object, &entry); i++)
        if (is_object ? gs_rules_spells(entry.key, path->key) : i == path->index)
            found = entry;
    return found;
}

static struct gs_document_entry find_path(const char *text, const char *end, const struct gs_json_path *path)
{
    if (!path->up) {
        const char *document = gs_rules_skip_separators(text, end);
        return (struct gs_document_entry){document, document};
    }
    struct gs_document_entry parent = find_path(text, end, path->up);
    if (parent.value == end || (*parent.value != '{' && *parent.value != '['))
        return parent;
    return find_entry(parent.value, end, path, parent);
}

size_t gs_rules_locate(const char *text, size_t length, const struct gs_json_path *path,
                       enum gs_document_part part)
{
    struct gs_document_entry entry = find_path(text, text + length, path);
    return (size_t)((part == GS_THE_KEY ? entry.key : entry.value) - text);
}

struct gs_text_position gs_rules_position_at(const char *text, size_t offset)
{
    struct gs_text_position position = {1, 1};
    for (size_t i = 0; i < offset; i++) {
        position.col++;
        if (text[i] == '\n')
            position = (struct gs_text_position){position.line + 1, 1};
    }
    return position;
}
