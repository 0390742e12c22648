/* short_name.c - the name of a function without its arguments, for places where all of it has no room.
 *
 *   std::map<std::string, std::vector<int>>::insert(std::pair<…> const&)  ──▶  std::map<…>::insert(…)
 *
 * What is left out stands between brackets; the function's own name never is. Context: any (pure). */
#include "base/text.h"
#include "reader/page.h"
#include "symbol/symbol.h"
#include <ctype.h>
#include <string.h>

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || c == '~' || (c & 0x80);
}

/* Is what stands between the brackets at AT and END a part of the name, not arguments: "(anonymous namespace)", "(*Builder)" of Go,
 * "<T as Trait>" at the beginning of a name of Rust's, "{lambda}"? */
static bool is_part_of_name(const char *name, const char *at, const char *end)
{
    bool goes_on = end[1] == '.' || (end[1] == ':' && end[2] == ':');
    return *at == '{' || *at == '[' || (*at == '<' && at == name) || (*at == '(' && goes_on);
}

/* Add what stands from AT to END, brackets included; what is longer than a word is left out. Returns whether it was arguments of
 * a call. */
static bool add_brackets(const char *name, const char *at, const char *end, struct gs_text *out)
{
    enum { KEPT = 24 };
    size_t inside = (size_t)(end - at) - 1;
    bool kept = is_part_of_name(name, at, end) ? inside <= 2 * KEPT : inside == 0;
    if (kept)
        gs_text_add_bytes(out, at, inside + 2);
    else
        gs_text_add(out, "%c…%c", *at, *end);
    return *at == '(' && !is_part_of_name(name, at, end);
}

/* Does a part of NAME end at AT, so that the function's own name may begin behind it: a colon, a dot, or the blank behind a return
 * type (not that of "operator new")? */
static bool separates(const char *name, const char *at)
{
    static const char word[] = "operator";
    size_t length = sizeof word - 1;
    if (*at == ' ')
        return (size_t)(at - name) < length || memcmp(at - length, word, length) != 0;
    return *at == '.' || (*at == ':' && at[1] != ':');
}

size_t gs_reader_compact_name(const char *name, struct gs_text *out)
{
    size_t own = 0, start = out->length;
    bool called = false; // behind the arguments of the call: "const", "[clone …]"
    for (const char *at = name; *at;) {
        size_t whole = gs_symbol_operator_length(name, at);
        const char *end = !whole && strchr("<([{", *at) ? gs_symbol_closing_bracket(name, at) : NULL;
        if (end) {
            called |= add_brackets(name, at, end, out);
            at = end + 1;
            continue;
        }
        gs_text_add_bytes(out, at, whole ? whole : 1);
        if (!whole && !called && separates(name, at) && is_word(at[1]))
            own = out->length - start;
        at += whole ? whole : 1;
    }
    return own;
}

unsigned gs_reader_script_length(const char *text, size_t length)
{
    unsigned count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xc0) == 0x80 ? 0 : (unsigned char)text[i] >= 0xf0 ? 2 : 1;
    return count;
}

/* Characters of UTF-8 TEXT. */
static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += (*text & 0xc0) != 0x80;
    return count;
}

/* The first COUNT characters of TEXT, to OUT. */
static void add_characters(struct gs_text *out, const char *text, size_t count)
{
    const char *end = text;
    for (size_t seen = 0; *end; end++)
        if ((*end & 0xc0) != 0x80 && seen++ == count)
            break;
    gs_text_add_bytes(out, text, (size_t)(end - text));
}

/* The part of COMPACT, which has LENGTH characters, from a "::" on that has at most ROOM - 1; OWN: where the function's own name begins.
 * NULL: there is none. */
static const char *last_parts(const char *compact, size_t length, size_t own, size_t room)
{
    for (const char *at = compact; (at = strstr(at, "::")) != NULL && at + 2 <= compact + own; at++) {
        size_t passed = 0;
        for (const char *each = compact; each < at + 2; each++)
            passed += (*each & 0xc0) != 0x80;
        if (length - passed + 1 <= room)
            return at + 2;
    }
    return NULL;
}

void gs_reader_fit_name(const char *name, size_t room, struct gs_text *out)
{
    struct gs_text compact = {0};
    size_t own = gs_reader_compact_name(name, &compact),
           length = compact.bytes ? count_characters(compact.bytes) : 0;
    const char *text = compact.bytes ? compact.bytes : "", *own_text = text + own,
               *last = last_parts(text, length, own, room), *call = strstr(own_text, "(…)");
    size_t bare = call ? (size_t)(call - own_text) : 0;
    if (count_characters(name) <= room)
        gs_text_add(out, "%s", name);
    else if (length <= room)
        gs_text_add(out, "%s", text);
    else if (last)
        gs_text_add(out, "…%s", last);
    else if (bare && count_characters(own_text) - count_characters(own_text + bare) <= room)
        gs_text_add_bytes(out, own_text, bare);
    else if (room >= 3) {
        add_characters(out, own_text, room - 1);
        gs_text_add(out, "…");
    }
    out->failed |= compact.failed;
    gs_text_fini(&compact);
}
