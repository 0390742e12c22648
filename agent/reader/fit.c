/* fit.c - names that fit into so many columns of a terminal.
 *
 *   std::pair<int, bool> net::pool::Cache<std::string, Session>::put(std::string const&, Session*)
 *     net::pool::Cache<std::string, Session>::put(std::string const&, Session*)       gs_symbol_add_short_name
 *     net::pool::Cache<std::string, Session>::put(…)
 *     net::pool::Cache<…>::put(…)                 each step is taken only if the one before is too long
 *     …::Cache<…>::put(…)
 *     put                                         the function's own name is never cut
 *
 * Names may come from files that anybody may have written, and need not be balanced. Context: any (pure). */
#include "base/text.h"
#include "reader/reader.h"
#include "symbol/symbol.h"
#include <stdbool.h>
#include <string.h>

static const char scopes_left_out[] = "…::";

/* Add a part of a name, from FROM to END, with ARGUMENTS in place of each list of template arguments. PATTERN: it is to be part of
 * a regular expression that matches itself. */
static void add_part(struct gs_text *out, const char *from, const char *end, const char *arguments,
                     bool pattern)
{
    bool is_operator = end - from >= 8 && strncmp(from, "operator", 8) == 0;
    for (const char *at = from; at < end;) {
        if (!is_operator && gs_symbol_begins_arguments(from, at)) {
            const char *after = gs_symbol_after_brackets(from, at);
            gs_text_add(out, "%s", arguments);
            at = after < end ? after : end;
            continue;
        }
        if (pattern && strchr("\\.[]()*+?{}|^$", *at))
            gs_text_add(out, "\\");
        gs_text_add_bytes(out, at++, 1);
    }
}

/* The length of NAME up to its parameters: "operator()" has brackets of its own. */
static size_t length_of_name(const char *name)
{
    size_t length = gs_symbol_length_without_parameters(name);
    bool is_call = length >= 8 && strncmp(name + length - 8, "operator()", 10) == 0;
    return is_call ? length + 2 : length;
}

/* Does NAME, of which the first LENGTH bytes come before its parameters, end with these, apart from "const" and the like? A lambda's
 * goes on: "run(int)::{lambda()#1}::operator()() const". */
static bool ends_with_parameters(const char *name, size_t length)
{
    const char *end = gs_symbol_after_brackets(name, name + length);
    return name[length] == '(' && !strstr(end, "::");
}

/* Add what follows the name: "()", or "(…)" for parameters. */
static void add_parameters(struct gs_text *out, const char *name, size_t length)
{
    if (!ends_with_parameters(name, length))
        gs_text_add(out, "%s", name + length);
    else
        gs_text_add(out, name[length + 1] == ')' ? "()" : "(…)");
}

struct name_form {
    bool arguments, parameters; // template arguments; "()" or "(…)"
    unsigned scopes_out;        // of the outermost namespaces and classes
};

/* Where in NAME, which ends at END, the scope after the first COUNT begins; END: there are fewer. */
static const char *skip_scopes(const char *name, const char *end, unsigned count)
{
    const char *at = name;
    while (count && at < end) {
        if (strchr("<([{", *at)) {
            at = gs_symbol_after_brackets(name, at);
        } else if (at[0] == ':' && at[1] == ':') {
            at += 2;
            count--;
        } else {
            at++;
        }
    }
    return at;
}

/* Make *OUT the NAME in FORM. False: no scope is left but the function's own name. */
static bool print_form(struct gs_text *out, const char *name, struct name_form form)
{
    size_t length = length_of_name(name);
    const char *own = gs_symbol_own_name(name),
               *from = form.scopes_out ? skip_scopes(name, own, form.scopes_out) : name;
    gs_text_fini(out);
    if (from >= own && form.scopes_out)
        from = own;
    if (form.scopes_out)
        gs_text_add(out, "%s", scopes_left_out);
    if (form.arguments) {
        gs_text_add_bytes(out, from, (size_t)(name + length - from));
    } else {
        add_part(out, from, own, "<…>", false);
        add_part(out, own, name + length, "<…>", false);
    }
    if (form.parameters)
        add_parameters(out, name, length);
    return from < own;
}

/* The shortest form: the function's own name, with what belongs to it. */
static void add_own_name(struct gs_text *out, const char *name)
{
    size_t length = length_of_name(name);
    add_part(out, gs_symbol_own_name(name), name + length, "<…>", false);
    if (!ends_with_parameters(name, length))
        gs_text_add(out, "%s", name + length);
}

void gs_reader_add_fitted_function(struct gs_text *out, const char *function, size_t columns)
{
    struct gs_text name = {0}, form = {0};
    gs_symbol_add_short_name(&name, function);
    const char *shortest = name.bytes ? name.bytes : "";
    if (columns && gs_text_columns(shortest) > columns) {
        bool more = print_form(&form, shortest, (struct name_form){true, true, 0});
        if (gs_text_columns(form.bytes ? form.bytes : "") > columns)
            more = print_form(&form, shortest, (struct name_form){false, true, 0});
        for (unsigned out_of = 1; more && gs_text_columns(form.bytes ? form.bytes : "") > columns; out_of++)
            more = print_form(&form, shortest, (struct name_form){false, true, out_of});
        if (gs_text_columns(form.bytes ? form.bytes : "") > columns) {
            gs_text_fini(&form);
            add_own_name(&form, shortest);
        }
        shortest = form.bytes ? form.bytes : shortest;
    }
    gs_text_add(out, "%s", shortest);
    out->failed |= name.failed || form.failed;
    gs_text_fini(&name);
    gs_text_fini(&form);
}

void gs_reader_add_function_pattern(struct gs_text *out, const char *function)
{
    const char *name = gs_symbol_qualified_name(function), *own = gs_symbol_own_name(function);
    add_part(out, name, own, "<.*>", true);
    add_part(out, own, name + length_of_name(name), "<.*>", true);
}
