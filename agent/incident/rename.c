/* rename.c - puts new names into a stored summary.txt and incident.json.
 *
 *   before   [headline] [Culprit: …] [What grew …] [Heap in use by function …]     blocks: an empty line between two
 *   after    [headline] [Culprit: …] [What grew …] [Heap in use by function …]
 *   stored   [headline] [Culprit: …] [Memory: …] [What grew …] [Heap in use …]     [Memory: …] could not be read back
 *
 * A block of `stored` that equals one of `before` becomes the one of `after` at the same place. If a block differs, its lines
 * are tried one by one. All else stays.
 *
 * `before` may be what the incident says now, or what it said when it was captured. If it is neither (a run that was interrupted, a
 * profile that was symbolized by itself), the culprit is still known by its fingerprint, which stays as captured, and its amount:
 * then its members, and the blocks that begin alike, become those of `after`. Context: CLI. */
#include "base/memory.h"
#include "incident/inside.h"
#include <errno.h>
#include <string.h>

/* ---- the summary ----------------------------------------------------------------------------------------------------- */

struct passage {
    const char *at;
    size_t length;
};

/* The part of TEXT that ends before the next SEPARATOR, or at the text's end; *TEXT moves behind it. False: the text is at
 * its end. */
static bool next_passage(const char **text, const char *separator, struct passage *out)
{
    if (!**text)
        return false;
    const char *end = strstr(*text, separator);
    out->at = *text;
    out->length = end ? (size_t)(end - *text) : strlen(*text);
    *text += out->length + (end ? strlen(separator) : 0);
    return true;
}

static size_t count_passages(const char *text, const char *separator)
{
    struct passage part;
    size_t count = 0;
    while (next_passage(&text, separator, &part))
        count++;
    return count;
}

static bool same(const struct passage *a, const struct passage *b)
{
    return a->length == b->length && memcmp(a->at, b->at, a->length) == 0;
}

/* Replace the part of TEXT that equals OLD, between two SEPARATORs, by NEW. False: there is none. */
static bool replace_passage(struct gs_text *text, const char *separator, const struct passage *old,
                            const struct passage *new)
{
    struct passage part;
    const char *at = text->bytes ? text->bytes : "";
    while (next_passage(&at, separator, &part)) {
        if (!same(&part, old))
            continue;
        struct gs_text whole = {0};
        gs_text_add_bytes(&whole, text->bytes, (size_t)(part.at - text->bytes));
        gs_text_add_bytes(&whole, new->at, new->length);
        gs_text_add_bytes(&whole, part.at + part.length, strlen(part.at + part.length));
        gs_text_fini(text);
        *text = whole;
        return true;
    }
    return false;
}

/* Replace those lines of the block OLD that differ in the block NEW. */
static void replace_lines(struct gs_text *text, const struct passage *old, const struct passage *new)
{
    char *old_block = gs_strndup(old->at, old->length), *new_block = gs_strndup(new->at, new->length);
    const char *old_at = old_block, *new_at = new_block;
    struct passage old_line, new_line;
    if (old_block && new_block && count_passages(old_block, "\n") == count_passages(new_block, "\n"))
        while (next_passage(&old_at, "\n", &old_line) && next_passage(&new_at, "\n", &new_line))
            if (!same(&old_line, &new_line))
                (void)replace_passage(text, "\n", &old_line, &new_line);
    text->failed |= !old_block || !new_block;
    gs_free(old_block);
    gs_free(new_block);
}

void gs_incident_replace_lines(const struct gs_text *old, const struct gs_text *new, struct gs_text *text)
{
    if (old->bytes && new->bytes)
        replace_lines(text, &(struct passage){old->bytes, old->length},
                      &(struct passage){new->bytes, new->length});
}

void gs_incident_rename_summary(const struct gs_incident_words *before, const struct gs_incident_words *after,
                                struct gs_text *summary)
{
    const char *old_at = before->summary.bytes, *new_at = after->summary.bytes;
    struct passage old, new;
    if (!old_at || !new_at || !summary->bytes || strlen(summary->bytes) != summary->length ||
        count_passages(old_at, "\n\n") != count_passages(new_at, "\n\n"))
        return;
    while (next_passage(&old_at, "\n\n", &old) && next_passage(&new_at, "\n\n", &new))
        if (!same(&old, &new) && !replace_passage(summary, "\n\n", &old, &new))
            replace_lines(summary, &old, &new);
}

/* Do A and B begin alike: with the same first line, or with the culprit? And have they as many lines? */
static bool same_kind(const struct passage *a, const struct passage *b)
{
    static const char head[] = "Culprit: ";
    const char *a_end = memchr(a->at, '\n', a->length), *b_end = memchr(b->at, '\n', b->length);
    size_t a_line = a_end ? (size_t)(a_end - a->at) : a->length,
           b_line = b_end ? (size_t)(b_end - b->at) : b->length, a_lines = 0, b_lines = 0,
           length = sizeof head - 1;
    for (size_t i = 0; i < a->length; i++)
        a_lines += a->at[i] == '\n';
    for (size_t i = 0; i < b->length; i++)
        b_lines += b->at[i] == '\n';
    bool culprits = a_line > length && b_line > length && memcmp(a->at, head, length) == 0 &&
                    memcmp(b->at, head, length) == 0;
    return a_lines == b_lines && (culprits || (a_line == b_line && memcmp(a->at, b->at, a_line) == 0));
}

void gs_incident_rename_blocks(const struct gs_incident_words *after, struct gs_text *summary)
{
    const char *new_at = after->summary.bytes ? after->summary.bytes : "";
    struct passage old, new;
    if (!summary->bytes || strlen(summary->bytes) != summary->length)
        return;
    while (!summary->failed && next_passage(&new_at, "\n\n", &new)) {
        const char *at = summary->bytes;
        bool found = false;
        while (!found && next_passage(&at, "\n\n", &old))
            found = same_kind(&old, &new);
        if (found && !same(&old, &new))
            (void)replace_passage(summary, "\n\n", &old, &new);
    }
}

/* ---- incident.json --------------------------------------------------------------------------------------------------- */

/* Is the culprit A the same as B, as far as both say? Their other keys may be of different versions. */
static bool same_culprit(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"kind",  "function", "module",     "stack",
                                       "bytes", "count",    "nanoseconds"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *x = json_object_get(a, keys[i]), *y = json_object_get(b, keys[i]);
        if ((x || y) && !json_equal(x, y))
            return false;
    }
    return json_is_object(a) && json_is_object(b);
}

bool gs_incident_has_culprit_of(const json_t *json, const struct gs_incident_words *captured)
{
    static const char *const keys[] = {"kind", "bytes", "count", "nanoseconds"};
    const json_t *a = json_object_get(json, "culprit"), *b = json_object_get(captured->json, "culprit"),
                 *fingerprint = json_object_get(json, "fingerprint");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *x = json_object_get(a, keys[i]), *y = json_object_get(b, keys[i]);
        if ((x || y) && !json_equal(x, y))
            return false;
    }
    return json_is_object(a) && json_is_object(b) && json_string_length(fingerprint) > 0 &&
           json_equal(fingerprint, json_object_get(captured->json, "fingerprint"));
}

/* Put the members of NEW into the object STORED; its others stay. 0 or -ENOMEM. */
static int update(json_t *stored, const json_t *new)
{
    json_t *copy = json_deep_copy(new);
    int error = copy && json_object_update(stored, copy) == 0 ? 0 : -ENOMEM;
    json_decref(copy);
    return error;
}

/* Replace the items of list KEY in JSON by those of AFTER, if the list is the one of BEFORE. 0 or -ENOMEM. */
static int rename_list(const char *key, const struct gs_incident_words *before,
                       const struct gs_incident_words *after, json_t *json)
{
    json_t *list = json_object_get(json, key), *new_list = json_object_get(after->json, key);
    int error = 0;
    if (!json_is_array(new_list) || !json_equal(list, json_object_get(before->json, key)))
        return 0;
    for (size_t i = 0; !error && i < json_array_size(list) && i < json_array_size(new_list); i++)
        error = update(json_array_get(list, i), json_array_get(new_list, i));
    return error;
}

/* Rename the holders in KEY: who held most at the heap's peak, or of its pages, or pins most free memory. 0 or -ENOMEM. */
static int rename_holders(const char *key, const struct gs_incident_words *before,
                          const struct gs_incident_words *after, json_t *json)
{
    json_t *old = json_object_get(json, key), *new = json_object_get(after->json, key);
    return json_is_object(old) && json_is_object(new) && json_equal(old, json_object_get(before->json, key))
               ? update(old, new)
               : 0;
}

int gs_incident_rename_culprit(const struct gs_incident_words *after, json_t *json)
{
    const json_t *new_culprit = json_object_get(after->json, "culprit");
    return json_is_object(new_culprit) ? update(json_object_get(json, "culprit"), new_culprit) : 0;
}

int gs_incident_rename_json(const struct gs_incident_words *before, const struct gs_incident_words *after,
                            json_t *json)
{
    json_t *culprit = json_object_get(json, "culprit"),
           *new_culprit = json_object_get(after->json, "culprit");
    int error = 0;
    if (same_culprit(culprit, json_object_get(before->json, "culprit")) && json_is_object(new_culprit))
        error = update(culprit, new_culprit);
    if (!error)
        error = rename_holders("peak", before, after, json);
    if (!error)
        error = rename_holders("pages", before, after, json);
    if (!error)
        error = rename_holders("waste", before, after, json);
    if (!error)
        error = rename_list("deadlock", before, after, json);
    return error ? error : rename_list("waits", before, after, json);
}
