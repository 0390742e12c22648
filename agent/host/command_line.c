/* command_line.c - makes the command line of "on_incident".
 *
 *   rules: ["mail", "-s", "{rule} on {host}"] ─┐
 *   incident.json: { "rule": "leak", … } ──────┴▶ argv: mail, -s, "leak on web1"      program: /usr/bin/mail, found by PATH
 *
 * Who: the watcher makes command lines; the thread of on_incident.c reads the environment, which never changes once
 * copied. */
#include "host/command_line.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/units.h"
#include "metrics/metrics.h"
#include "store/store.h"
#include "sys/path_search.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 9 + 64 };

static char **environment; // never changes once copied

/* ---- the environment and the program --------------------------------------------------------------------------------- */

static bool is_inherited(const char *variable)
{
    return strncmp(variable, "LD_PRELOAD=", 11) != 0 && strncmp(variable, "GUMSHOE_", 8) != 0;
}

void gs_command_line_prepare(void)
{
    size_t count = 0, copied = 0;
    while (environ && environ[count])
        count++;
    if (environment || !(environment = gs_alloc((count + 1) * sizeof *environment)))
        return;
    for (size_t i = 0; i < count && environ[i]; i++)
        if (is_inherited(environ[i]) && (environment[copied] = gs_strdup(environ[i])))
            copied++;
    environment[copied] = NULL;
}

static const char *search_path(void)
{
    for (char **variable = environment; variable && *variable; variable++)
        if (strncmp(*variable, "PATH=", 5) == 0)
            return *variable + 5;
    return NULL;
}

const char *gs_command_line_cannot_run(const struct gs_rules *rules)
{
    return gs_path_search_cannot_run(search_path(), gs_rules_program(rules));
}

char *const *gs_command_line_environment(void)
{
    return environment;
}

/* ---- the arguments ---------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

struct words {
    struct gs_command_word word[WORDS_MAX];
    size_t count;
    char value[GS_UNIT_TEXT], line[GS_UNIT_TEXT], pid[16], label[64][280];
};

static void add_word(struct words *words, const char *name, const char *means)
{
    if (words->count < WORDS_MAX)
        words->word[words->count++] = (struct gs_command_word){name, means};
}

/* The number KEY of the incident as text with its unit; "" if it has none. */
static const char *number_of(const json_t *json, const char *key, char out[GS_UNIT_TEXT])
{
    const struct gs_metric *metric = gs_metrics_find(text_of(json, "metric"));
    const json_t *number = json_object_get(json, key);
    out[0] = 0;
    if (json_is_number(number))
        gs_units_print_value(json_number_value(number), metric ? metric->unit : GS_COUNT, out);
    return out;
}

/* Collect the values of all words in braces for the incident JSON in folder PATH. */
static void collect_words(const json_t *json, const char *path, struct words *out)
{
    static const char *const keys[] = {"rule", "reason", "metric", "condition", "host"};
    const char *key;
    json_t *value;
    size_t labels = 0;
    add_word(out, "dir", path);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        add_word(out, keys[i], text_of(json, keys[i]));
    add_word(out, "value", number_of(json, "value", out->value));
    add_word(out, "line", number_of(json, "line", out->line));
    snprintf(out->pid, sizeof out->pid, "%d", (int)json_integer_value(json_object_get(json, "pid")));
    add_word(out, "pid", out->pid);
    json_object_foreach(json_object_get(json, "labels"), key, value)
    {
        if (labels == sizeof out->label / sizeof *out->label)
            break;
        snprintf(out->label[labels], sizeof *out->label, "label:%s", key);
        add_word(out, out->label[labels++], json_string_value(value) ? json_string_value(value) : "");
    }
}

static bool fill_arguments(struct gs_command_line *line, const struct gs_rules *rules,
                           const struct words *words)
{
    for (size_t i = 0; rules->on_incident[i]; i++) {
        struct gs_text text = {0};
        gs_rules_fill_command(rules->on_incident[i], words->word, words->count, &text);
        if (text.failed) {
            gs_text_fini(&text);
            return false;
        }
        line->argv[i] = text.bytes ? text.bytes : gs_strdup("");
        if (!line->argv[i])
            return false;
    }
    return true;
}

bool gs_command_line_make(const struct gs_rules *rules, const char *path, struct gs_command_line *out)
{
    char why[160];
    struct words *words = gs_alloc(sizeof *words);
    json_t *json = gs_store_load_incident(path, why, sizeof why);
    bool made = words && json;
    if (made) {
        collect_words(json, path, words);
        made = fill_arguments(out, rules, words);
    }
    if (made) // if it is not found, the program is "", and exec reports that there is no such file
        (void)!gs_path_search_program(search_path(), out->argv[0], out->program);
    json_decref(json);
    gs_free(words);
    return made;
}

void gs_command_line_fini(struct gs_command_line *line)
{
    for (size_t i = 0; line->argv[i]; i++)
        gs_free(line->argv[i]);
}
