/* check.c - `gumshoe check`: every error of every rules file, with its place, the line, and a caret; of files without
 * errors, what they say in vain on this machine. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "metrics/metrics.h"
#include "rules/rules.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_place(const struct gs_error *error, const char *text, size_t length)
{
    const char *line = text, *end = text + length;
    for (int i = 1; i < error->line && line < end; i++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        line = newline ? newline + 1 : end;
    }
    const char *newline = memchr(line, '\n', (size_t)(end - line));
    size_t line_length = newline ? (size_t)(newline - line) : (size_t)(end - line);
    if (error->line == 0 || line_length > 200) // a file all in one line is not worth a caret
        return;
    fputs("    ", stdout);
    gs_cli_print_harmless(line, line_length);
    fputs("\n    ", stdout);
    for (int i = 1; i < error->col && i <= (int)line_length; i++)
        if ((line[i - 1] & 0xc0) != 0x80) // one column for a character, not for each of its bytes
            putchar(line[i - 1] == '\t' ? '\t' : ' ');
    puts("^");
}

static void print_error(const struct gs_error *error, const char *text, size_t length)
{
    char line[640];
    bool colour = gs_cli_may_colour(STDOUT_FILENO);
    gs_errors_format(error, line, sizeof line);
    fputs(!colour ? "" : error->severity == GS_WARNING ? "\033[33m" : "\033[31m", stdout);
    gs_cli_print_harmless(line, strlen(line));
    puts(colour ? "\033[0m" : "");
    print_place(error, text, length);
}

static json_t *harmless(const char *text)
{
    return *text ? gs_json_printable(text) : json_string("");
}

static json_t *error_json(const struct gs_error *error)
{
    return json_pack("{s:i, s:i, s:s, s:o, s:o, s:o}", "line", error->line, "column", error->col, "severity",
                     gs_errors_severity_name(error->severity), "file", harmless(error->file), "message",
                     harmless(error->text), "hint", harmless(error->hint));
}

static const char *why_unread(int error)
{
    return error == -EFBIG    ? "it is larger than 1 MiB: no rules file is"
           : error == -EINVAL ? "it is not a file"
                              : strerrordesc_np(-error);
}

/* A file that cannot be read is an error of the whole file: the others are checked all the same. */
static int unreadable(const char *file, int error, struct gs_json *list)
{
    struct gs_error whole = {.file = file};
    snprintf(whole.text, sizeof whole.text, "%s", why_unread(error));
    if (list)
        gs_json_add(list, error_json(&whole));
    else
        printf("%s: error: %s\n", file, whole.text);
    return GS_IO;
}

/* What RULES say in vain on this machine. The figures that are counted inside a program are not to be had here in any
 * case, which says nothing about a program under watch. */
static void advise(const struct gs_rules *rules, struct gs_errors *warnings)
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

/* The schema that lies beside the rules, as when all of a folder is checked: it is for editors, and no rules file. */
static bool is_schema(const char *file, const char *text, size_t length)
{
    static const char tail[] = ".schema.json", home[] = "json-schema.org/";
    size_t name = strlen(file);
    if (name < sizeof tail - 1 || strcmp(file + name - (sizeof tail - 1), tail) != 0)
        return false;
    json_error_t why;
    json_t *document = gs_json_read(text, length, 0, &why);
    const char *of = json_string_value(json_object_get(document, "$schema"));
    bool is = of && strstr(of, home);
    json_decref(document);
    return is;
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

/* Check FILE; its errors and warnings go to JSON if there is one, else to standard output. */
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
            printf("%s: passed over: a JSON Schema, for editors\n", name);
        gs_free(text);
        return GS_FINE;
    }
    struct gs_rules *rules = gs_rules_read(text, length, name, &errors);
    if (rules)
        advise(rules, &errors);
    for (size_t i = 0; i < errors.count; i++) {
        if (list)
            gs_json_add(list, error_json(&errors.item[i]));
        else
            print_error(&errors.item[i], text, length);
    }
    if (!list)
        print_verdict(name, rules, &errors);
    int status = rules ? GS_FINE : GS_NO;
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
             "[{\"file\", \"line\", \"column\", \"severity\", \"message\", \"hint\"}], [] when all is well"},
        {.argument = "FILE", .help = "- is standard input"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count == 0)
        return gs_cli_usage(arguments->command, "which file?");
    struct gs_json list = gs_json_array();
    for (char **file = arguments->operand; *file; file++) {
        int one = check(*file, as_json ? &list : NULL);
        status = one > status ? one : status; // unreadable is worse than wrong
    }
    json_t *json = gs_json_take(&list);
    if (as_json && gs_cli_print_json(json) != GS_FINE)
        status = GS_IO;
    json_decref(json);
    return status;
}
