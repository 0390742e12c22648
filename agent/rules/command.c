/* command.c - "on_incident": the program to run after an incident, and the words in braces that its arguments may hold.
 *
 *   ["/usr/local/bin/page-someone", "{dir}", "{label:service}: {reason}"]
 *
 * A word in braces is always one of the table's: a brace before anything else (JSON, say) is a brace.
 * Who: read.c; the watcher, to fill the words in. Bounds: ARGUMENTS_MAX of GS_TEXT_MAX bytes each. */
#include "base/text.h"
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <stdio.h>
#include <string.h>

enum { ARGUMENTS_MAX = 64, WORD_MAX = 300 };

static const char *const words[] = {"dir",   "rule", "reason", "metric", "condition",
                                    "value", "line", "pid",    "host"};
enum { WORDS = sizeof words / sizeof *words };
static const char label[] = "label:";

/* The length of the word in braces at AT, braces included, and the word in WORD; 0: this is no word. */
static size_t word_at(const char *at, char word[WORD_MAX])
{
    size_t length = *at == '{' ? strspn(at + 1, "abcdefghijklmnopqrstuvwxyz_") : 0;
    bool labelled = length == sizeof label - 2 && strncmp(at + 1, label, sizeof label - 1) == 0;
    if (labelled)
        length += 1 + strcspn(at + 1 + sizeof label - 1, "{}");
    if (length == 0 || length >= WORD_MAX || at[1 + length] != '}')
        return 0;
    memcpy(word, at + 1, length);
    word[length] = 0;
    return length + 2;
}

/* ---- read ------------------------------------------------------------------------------------------------------------ */

static bool is_label(const struct gs_rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->label_count; i++)
        if (rules->label[i].key && strcmp(rules->label[i].key, name) == 0)
            return true;
    return false;
}

static void check_word(struct gs_rules_reader *reader, const char *word, const struct gs_json_path *path)
{
    char hint[96] = "the words are dir, rule, reason, metric, condition, value, line, pid, host, label:NAME";
    if (strncmp(word, label, sizeof label - 1) == 0) {
        if (!is_label(reader->rules, word + sizeof label - 1))
            gs_rules_refuse(reader, path, GS_THE_VALUE, "labels stand in \"labels\"",
                            "unknown label \"%.60s\"", word + sizeof label - 1);
        return;
    }
    for (size_t i = 0; i < WORDS; i++)
        if (strcmp(word, words[i]) == 0)
            return;
    const char *meant = gs_errors_nearest(word, words, WORDS, sizeof *words);
    if (meant)
        snprintf(hint, sizeof hint, "did you mean \"{%s}\"?", meant);
    gs_rules_refuse(reader, path, GS_THE_VALUE, hint, "unknown word \"{%.60s}\"", word);
}

static const char *read_argument(struct gs_rules_reader *reader, const json_t *value,
                                 const struct gs_json_path *path, bool first)
{
    const struct gs_field row = {.key = "on_incident", .least = first, .most = GS_TEXT_MAX};
    const char *text = NULL;
    char word[WORD_MAX];
    gs_field_text(reader, value, path, &row, &text);
    for (const char *at = text ? strchr(text, '{') : NULL; at && *at; at = strchr(at + 1, '{'))
        if (word_at(at, word))
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

/* ---- filled in --------------------------------------------------------------------------------------------------------- */

static const char *meaning_of(const struct gs_command_word *word, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word[i].name, name) == 0)
            return word[i].means;
    return NULL;
}

void gs_rules_fill_command(const char *argument, const struct gs_command_word *word, size_t count,
                           struct gs_text *out)
{
    char name[WORD_MAX];
    while (*argument) {
        size_t length = word_at(argument, name);
        const char *means = length ? meaning_of(word, count, name) : NULL;
        if (means)
            gs_text_add(out, "%s", means);
        else
            gs_text_add_bytes(out, argument, length ? length : 1);
        argument += length ? length : 1;
    }
}
