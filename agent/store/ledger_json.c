/* ledger_json.c - prints the ledger as JSON (docs/formats.md), and reads it.
 * The file is not trusted: names, times and numbers are checked, and invalid entries are skipped. Context: watcher, CLI. */
#include "base/clock.h"
#include "base/memory.h"
#include "rules/rules.h"
#include "store/inside.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_name(const char *text)
{
    size_t length = text ? strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-") : 0;
    return length >= 1 && length <= GS_RULE_NAME_MAX && text[length] == 0;
}

static bool read_time(const json_t *json, int64_t *out)
{
    const char *text = json_string_value(json);
    return text && gs_store_time_read(text, out);
}

static bool read_incident(const json_t *json, struct gs_ledger_incident *out)
{
    const char *rule = json_string_value(json_object_get(json, "rule")),
               *owner = json_string_value(json_object_get(json, "process"));
    const json_t *value = json_object_get(json, "value");
    *out = (struct gs_ledger_incident){.value = json_is_number(value) ? json_number_value(value) : NAN};
    if (!is_name(rule) || !owner || strlen(owner) >= sizeof out->owner ||
        owner[strspn(owner, "0123456789-")] || !read_time(json_object_get(json, "began"), &out->began_ns))
        return false;
    strcpy(out->rule, rule);
    strcpy(out->owner, owner);
    (void)read_time(json_object_get(json, "ended"), &out->ended_ns);
    return true;
}

/* 0 or -ENOMEM. */
static int read_incidents(const json_t *list, struct gs_ledger *out)
{
    const json_t *item;
    size_t i;
    json_array_foreach(list, i, item)
    {
        struct gs_ledger_incident incident;
        if (read_incident(item, &incident) && gs_rules_ledger_add(out, &incident))
            return -ENOMEM;
    }
    return 0;
}

static int read_due(json_t *object, struct gs_ledger *out)
{
    const char *rule;
    json_t *time;
    json_object_foreach(object, rule, time)
    {
        struct gs_ledger_due due = {.due_ns = 0};
        if (out->due_count == GS_LEDGER_MAX || !is_name(rule) || !read_time(time, &due.due_ns))
            continue;
        if (gs_grow(&out->due, &out->due_capacity, out->due_count + 1, sizeof *out->due))
            return -ENOMEM;
        strcpy(due.rule, rule);
        out->due[out->due_count++] = due;
    }
    return 0;
}

int gs_store_ledger_parse(const char *text, size_t length, struct gs_ledger *out)
{
    json_error_t why;
    json_t *json = gs_json_read(text, length, JSON_REJECT_DUPLICATES, &why);
    *out = (struct gs_ledger){0};
    if (!json)
        return json_error_code(&why) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
    int error = json_integer_value(json_object_get(json, "version")) == 1 ? 0 : -EBADMSG;
    if (!error)
        error = read_incidents(json_object_get(json, "incidents"), out);
    if (!error)
        error = read_due(json_object_get(json, "due"), out);
    json_decref(json);
    return error;
}

static json_t *incident_json(const struct gs_ledger_incident *incident)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "rule", incident->rule, "process", incident->owner, "began",
                     gs_json_time(incident->began_ns), "ended", gs_json_time(incident->ended_ns), "value",
                     gs_json_real(incident->value));
}

void gs_store_ledger_print(const struct gs_ledger *ledger, const char *program, struct gs_text *out)
{
    struct gs_json incidents = gs_json_array(), due = gs_json_object();
    for (size_t i = 0; i < ledger->count; i++)
        gs_json_add(&incidents, incident_json(&ledger->incident[i]));
    for (size_t i = 0; i < ledger->due_count; i++)
        gs_json_set(&due, ledger->due[i].rule, gs_json_time(ledger->due[i].due_ns));
    json_t *json = json_pack("{s:i, s:o, s:o, s:o}", "version", 1, "program", gs_json_text(program),
                             "incidents", gs_json_take(&incidents), "due", gs_json_take(&due));
    gs_json_print(json, JSON_INDENT(1), out);
    json_decref(json);
}
