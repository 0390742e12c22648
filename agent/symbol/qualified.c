/* qualified.c - parts of a demangled name: where the function's own name begins, and a form that is short enough for people.
 *
 *   std::pair<int, bool> cache::Store<std::string, Session>::put(Session const&)
 *                        ▲ qualified name                       template arguments: Store<std::string, …>
 *
 * Names may come from files that anybody may have written, and need not be balanced. Context: any (pure). */
#include "base/text.h"
#include "symbol/inside.h"
#include <string.h>

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}

/* What follows the word belongs to the name as well: "operator<<", "operator()", "operator bool". */
size_t gs_symbol_operator_length(const char *name, const char *at)
{
    enum { LENGTH = 8 };
    if (strncmp(at, "operator", LENGTH) != 0 || is_word(at[LENGTH]) || (at > name && is_word(at[-1])))
        return 0;
    if (strncmp(at + LENGTH, "()", 2) == 0 || strncmp(at + LENGTH, "[]", 2) == 0)
        return LENGTH + 2;
    return LENGTH + strspn(at + LENGTH, "<>=-+*/%&|^!~,");
}

/* The '>' of "->" and brackets of operators do not count. */
const char *gs_symbol_closing_bracket(const char *name, const char *at)
{
    int depth = 0;
    for (; *at; at++) {
        size_t operator_length = gs_symbol_operator_length(name, at);
        if (operator_length)
            at += operator_length - 1;
        else if (strchr("<([{", *at))
            depth++;
        else if (strchr(">)]}", *at) && !(*at == '>' && at > name && at[-1] == '-') && --depth == 0)
            return at;
    }
    return NULL;
}

const char *gs_symbol_after_brackets(const char *name, const char *at)
{
    const char *closing = gs_symbol_closing_bracket(name, at);
    return closing ? closing + 1 : at + strlen(at);
}

static const char *without_thunk(const char *name)
{
    static const char *const thunks[] = {"non-virtual thunk to ", "virtual thunk to ",
                                         "covariant return thunk to "};
    for (size_t i = 0; i < sizeof thunks / sizeof *thunks; i++)
        if (strncmp(name, thunks[i], strlen(thunks[i])) == 0)
            return name + strlen(thunks[i]);
    return name;
}

/* The '(' of the parameters in NAME, or the end of NAME. *START is set behind each space outside brackets. */
static const char *find_parameters(const char *name, const char **start)
{
    const char *at = name;
    while (*at && !gs_symbol_operator_length(name, at)) {
        if (*at == '(' &&
            (at[1] == '*' || at[1] == '&')) { // "int (*f<int>(char))(long)": f returns a function
            at += 2;
            *start = at;
        } else if (*at == '(' && strncmp(at, "(anonymous namespace)", 21) != 0) {
            return at;
        } else if (strchr("<([{", *at)) {
            at = gs_symbol_after_brackets(name, at);
        } else if (*at++ == ' ') {
            *start = at;
        }
    }
    return at + strcspn(at, "("); // an operator's; those of "operator()" end the name as well
}

/* A return type stands only before template functions, and ends with the last space outside brackets before the parameters. */
const char *gs_symbol_qualified_name(const char *function)
{
    const char *name = without_thunk(function), *start = name;
    (void)find_parameters(name, &start);
    return *start && strpbrk(name, "<(") ? start
                                         : name; // a file's name in "my server+0x12a0" may have spaces
}

size_t gs_symbol_length_without_parameters(const char *name)
{
    const char *start;
    return (size_t)(find_parameters(name, &start) - name);
}

const char *gs_symbol_own_name(const char *function)
{
    const char *name = gs_symbol_qualified_name(function), *own = name,
               *end = name + gs_symbol_length_without_parameters(name);
    for (const char *at = name; at < end && !gs_symbol_operator_length(name, at);) {
        if (strchr("<([{", *at)) {
            at = gs_symbol_after_brackets(name, at);
        } else if (at[0] == ':' && at[1] == ':') {
            at += 2;
            own = at;
        } else {
            at++;
        }
    }
    return own;
}

/* ---- for people ------------------------------------------------------------------------------------------------------- */

enum { ARGUMENTS_MAX = 40 };

/* Add the template arguments from AT, a '<', to END: whole if they are short, else the first without its own arguments. */
static void add_arguments(struct gs_text *out, const char *at, const char *end)
{
    size_t first = strcspn(at + 1, "<(,>") + 1;
    const char *after = at[first] == '<' ? gs_symbol_after_brackets(at, at + first) : at + first;
    after += strspn(after, " ");
    if (end - at <= ARGUMENTS_MAX)
        gs_text_add_bytes(out, at, (size_t)(end - at));
    else if (first > ARGUMENTS_MAX || (*after != ',' && *after != '>'))
        gs_text_add(out, "<…>");
    else
        gs_text_add(out, "%.*s%s%s>", (int)first, at, at[first] == '<' ? "<…>" : "",
                    *after == ',' ? ", …" : "");
}

/* Not an operator's name, and not the "<TYPE as TRAIT>" that a Rust name begins with. */
bool gs_symbol_begins_arguments(const char *name, const char *at)
{
    return *at == '<' && at > name && (is_word(at[-1]) || at[-1] == ':');
}

void gs_symbol_add_short_name(struct gs_text *out, const char *function)
{
    const char *name = gs_symbol_qualified_name(function);
    struct gs_text text = {0};
    for (const char *at = name; *at;) {
        size_t operator_length = gs_symbol_operator_length(name, at);
        if (operator_length) {
            gs_text_add_bytes(&text, at, operator_length);
            at += operator_length;
        } else if (gs_symbol_begins_arguments(name, at)) {
            const char *end = gs_symbol_after_brackets(name, at);
            add_arguments(&text, at, end);
            at = end;
        } else {
            gs_text_add_bytes(&text, at++, 1);
        }
    }
    gs_text_add_printable(out, text.bytes ? text.bytes : "");
    out->failed |= text.failed;
    gs_text_fini(&text);
}
