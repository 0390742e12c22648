/* check.c - `gumshoe check`: prints every error of every rules file, with its place, the line and a caret. For files without
 * errors it warns of rules that can never fire on this machine, and says in sentences what they mean (--explain). */
#include "cli/check.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "metrics/metrics.h"
#include "rules/rules.h"
#include "sys/path_search.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_source_line(const struct gs_error *error, const char *text, size_t length)
{
    if (error->line == 0)
        return;
    const char *line = text, *end = text + length;
    for (int i = 1; i < error->line && line < end; i++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        line = newline ? newline + 1 : end;
    }
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    size_t line_length = newline ? (size_t)(newline - line) : (size_t)(end - line);
    if (line_length > 200) // a whole file in one line would fill the screen
        return;
    fputs("    ", stdout);
    gs_cli_print_escaped(line, line_length);
    fputs("\n    ", stdout);
    for (int i = 1; i < error->col && i <= (int)line_length; i++)
        if ((line[i - 1] & 0xc0) != 0x80) // UTF-8: one column for each character, not for each byte
            putchar(line[i - 1] == '\t' ? '\t' : ' ');
    puts("^");
}

static void print_error(const struct gs_error *error, const char *text, size_t length)
{
    char line[1024];
    bool colour = gs_cli_may_colour(STDOUT_FILENO);
    gs_errors_format(error, line, sizeof line);
    fputs(!colour ? "" : error->severity == GS_WARNING ? "\033[33m" : "\033[31m", stdout);
    gs_cli_print_escaped(line, strlen(line));
    puts(colour ? "\033[0m" : "");
    print_source_line(error, text, length);
}

static json_t *escaped_json(const char *text)
{
    return *text ? gs_json_printable(text) : json_string("");
}

static json_t *error_json(const struct gs_error *error)
{
    return json_pack("{s:i, s:i, s:s, s:o, s:o, s:o}", "line", error->line, "column", error->col, "severity",
                     gs_errors_severity_name(error->severity), "file", escaped_json(error->file), "message",
                     escaped_json(error->text), "hint", escaped_json(error->hint));
}

static const char *read_failure(int error)
{
    return error == -EFBIG    ? "it is larger than 1 MiB, the limit for rules files"
           : error == -EINVAL ? "it is not a file"
                              : strerrordesc_np(-error);
}

/* Describe this machine for rules/ in *OUT; FROM: room for the name of the memory limit. */
static void inspect_machine(const struct gs_rules *rules, char from[256], struct gs_machine *out)
{
    *out =
        (struct gs_machine){.limit_bytes = gs_metrics_memory_limit("", from, 256),
                            .limit_from = from,
                            .cannot_run = gs_path_search_cannot_run(getenv("PATH"), gs_rules_program(rules))};
}

/* Add warnings for rules that can never fire, or do nothing, on this machine. Metrics that are counted inside the watched
 * program are never available in this command, so they get no warning. */
static void add_warnings(const struct gs_rules *rules, struct gs_errors *warnings)
{
    char from[256];
    const char *why[rules->metric_count + 1];
    struct gs_machine machine;
    struct gs_metric_set *watch = gs_metrics_set_new(rules->metric, rules->metric_count, "");
    inspect_machine(rules, from, &machine);
    for (size_t i = 0; watch && i < rules->metric_count; i++)
        why[i] = gs_metrics_find(rules->metric[i])->of_program ? NULL : gs_metrics_set_unavailable(watch, i);
    machine.unavailable = watch ? why : NULL;
    gs_rules_advise(rules, &machine, warnings);
    gs_metrics_set_free(watch);
}

/* Is FILE a JSON Schema? rules.schema.json lies beside the rules, so it is named when a whole folder is checked. */
static bool is_schema(const char *file, const char *text, size_t length)
{
    static const char tail[] = ".schema.json", home[] = "json-schema.org/";
    size_t name = strlen(file);
    if (name < sizeof tail - 1 || strcmp(file + name - (sizeof tail - 1), tail) != 0)
        return false;
    json_error_t why;
    json_t *document = gs_json_read(text, length, 0, &why);
    const char *schema = json_string_value(json_object_get(document, "$schema"));
    bool found = schema && strstr(schema, home);
    json_decref(document);
    return found;
}

static void print_verdict(const char *file, const struct gs_rules *rules, const struct gs_errors *errors)
{
    if (errors->lost)
        printf("%s: and %zu more\n", file, errors->lost);
    if (!rules)
        return;
    printf("%s: ok (%zu rule%s", file, rules->rule_count, rules->rule_count == 1 ? "" : "s");
    if (errors->count)
        printf(", %zu warning%s", errors->count + errors->lost, errors->count == 1 ? "" : "s");
    puts(")");
}

struct output {
    bool as_json, explain;
    struct gs_json list; // for as_json
};

/* Print or list what was found in FILE with its TEXT. RULES NULL: it has errors. */
static void report(const char *file, const struct gs_text *text, const struct gs_rules *rules,
                   const struct gs_errors *errors, struct output *out)
{
    struct gs_json messages = gs_json_array(), *list = out->explain ? &messages : &out->list;
    for (size_t i = 0; i < errors->count; i++) {
        if (out->as_json)
            gs_json_add(list, error_json(&errors->item[i]));
        else
            print_error(&errors->item[i], text->bytes, text->length);
    }
    struct gs_machine machine = {0};
    char from[256];
    if (rules)
        inspect_machine(rules, from, &machine);
    if (!out->as_json)
        print_verdict(file, rules, errors);
    if (out->as_json && out->explain)
        gs_json_add(&out->list, gs_cli_explanation_json(file, rules, &machine, gs_json_take(&messages)));
    else if (out->explain && rules)
        gs_cli_print_explanation(rules, &machine);
    json_decref(gs_json_take(&messages));
}

/* Check FILE, and print or list what is found. Returns an exit status. */
static int check(const char *file, struct output *out)
{
    struct gs_text text = {0};
    struct gs_errors errors = {0};
    const char *name = gs_cli_file_name(file);
    int failed = gs_cli_read_text(file, GS_RULES_TEXT_MAX, &text.bytes, &text.length);
    if (failed) {
        gs_errors_add(&errors, GS_ERROR, name, 0, 0, NULL, "%s", read_failure(failed));
        report(name, &text, NULL, &errors, out);
        gs_errors_fini(&errors);
        return GS_EXIT_IO;
    }
    if (is_schema(file, text.bytes, text.length)) {
        if (!out->as_json)
            printf("%s: skipped: a JSON Schema, for editors\n", name);
        gs_text_fini(&text);
        return GS_EXIT_OK;
    }
    struct gs_rules *rules = gs_rules_read(text.bytes, text.length, name, &errors);
    if (rules)
        add_warnings(rules, &errors);
    report(name, &text, rules, &errors, out);
    int status = rules ? GS_EXIT_OK : GS_EXIT_NEGATIVE;
    gs_rules_free(rules);
    gs_errors_fini(&errors);
    gs_text_fini(&text);
    return status;
}

int gs_cli_run_check(struct gs_arguments *arguments)
{
    struct output out = {.list = gs_json_array()};
    int status;
    const struct gs_option options[] = {
        {"explain", .set = &out.explain, .help = "what each rule means, in a sentence, with all defaults"},
        {"json", .set = &out.as_json,
         .help =
             "[{\"file\", \"line\", \"column\", \"severity\", \"message\", \"hint\"}], [] if there are none"},
        {.argument = "FILE", .help = "- is standard input"},
        {0},
    };
    bool read = gs_cli_read_options(arguments, options, &status);
    if (read && arguments->operand_count == 0)
        status = gs_cli_usage(arguments->command, "which file?");
    for (char **file = arguments->operand; read && *file; file++) {
        int file_status = check(*file, &out);
        status = file_status > status ? file_status : status; // GS_EXIT_IO wins over GS_EXIT_NEGATIVE
    }
    json_t *json = gs_json_take(&out.list);
    if (read && arguments->operand_count && out.as_json && gs_cli_print_json(json) != GS_EXIT_OK)
        status = GS_EXIT_IO;
    json_decref(json);
    return status;
}
