/* command.c - "on_incident": the program to run after an incident, and the placeholders in its arguments.
 *
 *   ["/usr/local/bin/page-someone", "{dir}", "{label:service}: {reason}"]
 *
 * A placeholder is a name in braces. A brace before anything else (JSON, for example) is an ordinary character.
 * Who: read.c; the watcher, which fills the placeholders in. Bounds: ARGUMENTS_MAX of GS_TEXT_MAX bytes each. */
#include "base/text.h"
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <stdio.h>
#include <string.h>

enum { ARGUMENTS_MAX = 64, WORD_MAX = 300 };

static const char *const placeholders[] = {"dir",   "rule", "reason", "metric", "condition",
                                           "value", "line", "pid",    "host"};
enum { PLACEHOLDERS = sizeof placeholders / sizeof *placeholders };
static const char label_prefix[] = "label:";

/* The length of the placeholder at AT, with its braces; its name goes into WORD. 0: no placeholder. */
static size_t placeholder_at(const char *at, char word[WORD_MAX])
{
    size_t length = *at == '{' ? strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_") : 0;
    bool labelled =
        length == sizeof label_prefix - 2 && strncmp(at + 1, label_prefix, sizeof label_prefix - 1) == 0;
    if (labelled)
        length += 1 + strcspn(at + 1 + sizeof label_prefix - 1, "{}");
    if (length == 0 || length >= WORD_MAX || at[1 + length] != '}')
        return 0;
    memcpy(word, at + 1, length);
    word[length] = 0;
    return length + 2;
}

/* ---- read ------------------------------------------------------------------------------------------------------------ */

static bool is_known_label(const struct gs_rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->label_count; i++)
        if (rules->label[i].key && strcmp(rules->label[i].key, name) == 0)
            return true;
    return false;
}

static void check_word(struct gs_rules_reader *reader, const char *word, const struct gs_json_path *path)
{
    char hint[96] =
        "the placeholders are dir, rule, reason, metric, condition, value, line, pid, host, label:NAME";
    if (strncmp(word, label_prefix, sizeof label_prefix - 1) == 0) {
        if (!is_known_label(reader->rules, word + sizeof label_prefix - 1))
            gs_rules_refuse(reader, path, GS_THE_VALUE, "labels are defined in \"labels\"",
                            "unknown label \"%.60s\"", word + sizeof label_prefix - 1);
        return;
    }
    for (size_t i = 0; i < PLACEHOLDERS; i++)
        if (strcmp(word, placeholders[i]) == 0)
            return;
    const char *nearest = gs_errors_nearest(word, placeholders, PLACEHOLDERS, sizeof *placeholders);
    if (nearest)
        snprintf(hint, sizeof hint, "did you mean \"{%s}\"?", nearest);
    gs_rules_refuse(reader, path, GS_THE_VALUE, hint, "unknown placeholder \"{%.60s}\"", word);
}

static const char *read_argument(struct gs_rules_reader *reader, const json_t *value,
                                 const struct gs_json_path *path, bool first)
{
    const struct gs_field row = {.key = "on_incident", .least = first, .most = GS_TEXT_MAX};
    const char *text = NULL;
    char word[WORD_MAX];
    gs_field_text(reader, value, path, &row, &text);
    for (const char *at = text ? strchr(text, '{') : NULL; at && *at; at = strchr(at + 1, '{'))
        if (placeholder_at(at, word))
            check_word(reader, word, path);
    return text;
}

void gs_rules_read_command(struct gs_rules_reader *reader, const json_t *value,
                           const struct gs_json_path *path, struct gs_rules *rules)
{
    size_t count = json_array_size(value);
    if (json_is_string(value)) {
        gs_rules_refuse(reader, path, GS_THE_VALUE,
                        "write [\"/path/to/program\", \"{dir}\"]; there is no shell",
                        "expected an array, found a string");
        return;
    }
    if (!json_is_array(value)) {
        gs_rules_refuse_type(reader, value, path, "an array: a program and its arguments");
        return;
    }
    if (count == 0 || count > ARGUMENTS_MAX) {
        gs_rules_refuse(reader, path, GS_THE_VALUE, NULL, "a program and its arguments: 1 to %d texts",
                        ARGUMENTS_MAX);
        return;
    }
    const char **argument = gs_rules_allocate(reader, (count + 1) * sizeof *argument);
    for (size_t i = 0; argument && i < count; i++) {
        struct gs_json_path element = {.up = path, .index = i};
        argument[i] = read_argument(reader, json_array_get(value, i), &element, i == 0);
    }
    rules->on_incident = argument;
}

const char *gs_rules_program(const struct gs_rules *rules)
{
    char word[WORD_MAX];
    const char *name = rules->on_incident ? rules->on_incident[0] : NULL;
    for (const char *at = name ? strchr(name, '{') : NULL; at; at = strchr(at + 1, '{'))
        if (placeholder_at(at, word))
            return NULL;
    return name;
}

/* ---- filled in -------------------------------------------------------------------------------------------------------- */

static const char *value_of(const struct gs_command_word *word, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word[i].name, name) == 0)
            return word[i].value;
    return NULL;
}

void gs_rules_fill_command(const char *argument, const struct gs_command_word *word, size_t count,
                           struct gs_text *out)
{
    char name[WORD_MAX];
    while (*argument) {
        size_t length = placeholder_at(argument, name);
        const char *value = length ? value_of(word, count, name) : NULL;
        if (value)
            gs_text_add(out, "%s", value);
        else
            gs_text_add_bytes(out, argument, length ? length : 1);
        argument += length ? length : 1;
    }
}
