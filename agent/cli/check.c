/* check.c - `gumshoe check`: prints every error of every rules file, with its place, the line and a caret. For files without
 * errors it warns of rules that can never fire on this machine. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "metrics/metrics.h"
#include "rules/rules.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_source_line(const struct gs_error *error, const char *text, size_t length)
{
    const char *line = text, *end = text + length;
    for (int i = 1; i < error->line && line < end; i++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        line = newline ? newline + 1 : end;
    }
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    size_t line_length = newline ? (size_t)(newline - line) : (size_t)(end - line);
    if (error->line == 0 || line_length > 200) // a whole file in one line would fill the screen
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
    char line[640];
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

/* Report FILE as unreadable: an error without a line. The other files are still checked. */
static int unreadable(const char *file, int error, struct gs_json *list)
{
    struct gs_error file_error = {.file = file};
    snprintf(file_error.text, sizeof file_error.text, "%s", read_failure(error));
    if (list)
        gs_json_add(list, error_json(&file_error));
    else
        printf("%s: error: %s\n", file, file_error.text);
    return GS_EXIT_IO;
}

/* Add warnings for rules that can never fire, or do nothing, on this machine. Metrics that are counted inside the watched
 * program are never available in this command, so they get no warning. */
static void add_warnings(const struct gs_rules *rules, struct gs_errors *warnings)
{
    char from[256];
    const char *why[rules->metric_count + 1];
    struct gs_machine machine = {.limit_bytes = gs_metrics_memory_limit("", from, sizeof from),
                                 .limit_from = from};
    struct gs_metric_set *watch = gs_metrics_set_new(rules->metric, rules->metric_count, "");
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

/* Check FILE. Its errors and warnings are added to LIST, or printed if LIST is NULL. Returns an exit status. */
static int check(const char *file, struct gs_json *list)
{
    char *text;
    size_t length;
    struct gs_errors errors = {0};
    const char *name = gs_cli_file_name(file);
    int failed = gs_cli_read_text(file, GS_RULES_TEXT_MAX, &text, &length);
    if (failed)
        return unreadable(name, failed, list);
    if (is_schema(file, text, length)) {
        if (!list)
            printf("%s: skipped: a JSON Schema, for editors\n", name);
        gs_free(text);
        return GS_EXIT_OK;
    }
    struct gs_rules *rules = gs_rules_read(text, length, name, &errors);
    if (rules)
        add_warnings(rules, &errors);
    for (size_t i = 0; i < errors.count; i++) {
        if (list)
            gs_json_add(list, error_json(&errors.item[i]));
        else
            print_error(&errors.item[i], text, length);
    }
    if (!list)
        print_verdict(name, rules, &errors);
    int status = rules ? GS_EXIT_OK : GS_EXIT_NEGATIVE;
    gs_rules_free(rules);
    gs_errors_fini(&errors);
    gs_free(text);
    return status;
}

int gs_cli_run_check(struct gs_arguments *arguments)
{
    bool as_json = false;
    int status;
    const struct gs_option options[] = {
        {"json", .set = &as_json,
         .help =
             "[{\"file\", \"line\", \"column\", \"severity\", \"message\", \"hint\"}], [] if there are none"},
        {.argument = "FILE", .help = "- is standard input"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count == 0)
        return gs_cli_usage(arguments->command, "which file?");
    struct gs_json list = gs_json_array();
    for (char **file = arguments->operand; *file; file++) {
        int file_status = check(*file, as_json ? &list : NULL);
        status = file_status > status ? file_status : status; // GS_EXIT_IO wins over GS_EXIT_NEGATIVE
    }
    json_t *json = gs_json_take(&list);
    if (as_json && gs_cli_print_json(json) != GS_EXIT_OK)
        status = GS_EXIT_IO;
    json_decref(json);
    return status;
}
