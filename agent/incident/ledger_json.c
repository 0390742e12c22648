/* ledger_json.c - the ledger as JSON (docs/formats.md), and back.
 * Read as a stranger's: names, times and numbers are checked, what is not right is passed over. Context: watcher, CLI. */
#include "base/clock.h"
#include "base/memory.h"
#include "incident/inside.h"
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
    return text && gs_time_read(text, out);
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

static void read_due(json_t *object, struct gs_ledger *out)
{
    const char *rule;
    json_t *time;
    json_object_foreach(object, rule, time)
    {
        struct gs_ledger_due due = {.due_ns = 0};
        if (out->due_count == GS_LEDGER_MAX || !is_name(rule) || !read_time(time, &due.due_ns) ||
            gs_grow(&out->due, &out->due_capacity, out->due_count + 1, sizeof *out->due))
            continue;
        strcpy(due.rule, rule);
        out->due[out->due_count++] = due;
    }
}

bool gs_ledger_parse(const char *text, size_t length, struct gs_ledger *out)
{
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    const json_t *item;
    size_t i;
    *out = (struct gs_ledger){0};
    bool good = json_integer_value(json_object_get(json, "version")) == 1;
    json_array_foreach(good ? json_object_get(json, "incidents") : NULL, i, item)
    {
        struct gs_ledger_incident incident;
        if (read_incident(item, &incident) && gs_ledger_add(out, &incident))
            break; // no memory: those that were read will do
    }
    if (good)
        read_due(json_object_get(json, "due"), out);
    json_decref(json);
    return good;
}

static json_t *time_or_null(int64_t realtime_ns)
{
    char text[GS_TIME_TEXT];
    return realtime_ns ? json_string(gs_print_time(realtime_ns, GS_TIME_ISO, text)) : json_null();
}

static json_t *incident_json(const struct gs_ledger_incident *incident)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "rule", incident->rule, "process", incident->owner, "began",
                     time_or_null(incident->began_ns), "ended", time_or_null(incident->ended_ns), "value",
                     isfinite(incident->value) ? json_real(incident->value) : json_null());
}

void gs_ledger_print(const struct gs_ledger *ledger, const char *program, struct gs_text *out)
{
    json_t *incidents = json_array(), *due = json_object();
    for (size_t i = 0; i < ledger->count; i++)
        json_array_append_new(incidents, incident_json(&ledger->incident[i]));
    for (size_t i = 0; i < ledger->due_count; i++)
        json_object_set_new(due, ledger->due[i].rule, time_or_null(ledger->due[i].due_ns));
    json_t *path = json_string(program), // NULL: it is not UTF-8
        *json = json_pack("{s:i, s:o, s:o, s:o}", "version", 1, "program", path ? path : json_null(),
                          "incidents", incidents, "due", due);
    char *text = json_dumps(json, JSON_INDENT(1));
    if (text)
        gs_text_add(out, "%s\n", text);
    else
        out->failed = true;
    gs_free(text);
    json_decref(json);
}
