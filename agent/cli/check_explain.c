/* check_explain.c - `gumshoe check --explain`: a rules file in sentences, with all defaults filled in: one for each rule,
 * then one for each other setting. The sentences are those of rules/describe.c. */
#include "cli/check.h"
#include "cli/terminal.h"
#include <stdio.h>
#include <string.h>

static struct gs_text sentence_of(const struct gs_rules *rules, size_t rule, const struct gs_machine *machine)
{
    struct gs_text sentence = {0};
    gs_rules_describe_rule(rules, rule, machine, &sentence);
    return sentence;
}

static void print_sentence(const char *sentence)
{
    enum { INDENT = 4 };
    struct gs_text text = {0};
    gs_text_add(&text, "  %s", sentence);
    gs_cli_print_wrapped(text.bytes ? text.bytes : "", INDENT, GS_STYLE_PLAIN);
    gs_text_fini(&text);
}

void gs_cli_print_explanation(const struct gs_rules *rules, const struct gs_machine *machine)
{
    struct gs_text settings = {0};
    for (size_t i = 0; i < rules->rule_count; i++) {
        struct gs_text sentence = sentence_of(rules, i, machine);
        print_sentence(sentence.bytes ? sentence.bytes : "");
        gs_text_fini(&sentence);
    }
    puts("");
    gs_rules_describe_settings(rules, &settings);
    char *rest = settings.bytes;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line)
            print_sentence(line);
    gs_text_fini(&settings);
}

static json_t *rules_json(const struct gs_rules *rules, const struct gs_machine *machine)
{
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < rules->rule_count; i++) {
        struct gs_text sentence = sentence_of(rules, i, machine);
        gs_json_add(&list, json_pack("{s:s, s:o}", "rule", rules->rule[i].name, "sentence",
                                     gs_json_text(sentence.bytes)));
        gs_text_fini(&sentence);
    }
    return gs_json_take(&list);
}

static json_t *settings_json(const struct gs_rules *rules)
{
    struct gs_json list = gs_json_array();
    struct gs_text settings = {0};
    gs_rules_describe_settings(rules, &settings);
    char *rest = settings.bytes;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line)
            gs_json_add(&list, gs_json_text(line));
    gs_text_fini(&settings);
    return gs_json_take(&list);
}

json_t *gs_cli_explanation_json(const char *file, const struct gs_rules *rules,
                                const struct gs_machine *machine, json_t *messages)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "file", gs_json_printable(file), "rules",
                     rules ? rules_json(rules, machine) : json_null(), "settings",
                     rules ? settings_json(rules) : json_null(), "messages", messages);
}
