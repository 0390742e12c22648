/* json.c - incident.json: what a machine reads of an incident. The keys are fixed (docs/formats.md). */
#include "base/clock.h"
#include "incident/inside.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static json_t *text_or_null(const char *text)
{
    return text && *text ? json_string(text) : json_null();
}

static json_t *number_or_null(double value)
{
    if (isnan(value) || isinf(value))
        return json_null();
    return value == (double)(int64_t)value ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *time_of(int64_t realtime_ns)
{
    char text[GS_TIME_TEXT];
    return json_string(gs_print_time(realtime_ns, GS_TIME_ISO, text));
}

json_t *gs_printable_json(const char *name)
{
    struct gs_text text = {0};
    gs_text_add_printable(&text, name);
    json_t *json = text_or_null(text.bytes);
    gs_text_fini(&text);
    return json;
}

static json_t *culprit_json(const struct gs_culprit *culprit)
{
    if (!culprit->function)
        return json_null();
    json_t *stack = json_array();
    for (uint32_t i = 0; i < culprit->depth; i++)
        json_array_append_new(stack, gs_printable_json(culprit->stack[i]));
    bool counted = !strcmp(culprit->kind, "threads") || !strcmp(culprit->kind, "deadlock"),
         timed = !strcmp(culprit->kind, "cpu");
    json_t *json = json_pack("{s:s, s:I, s:o, s:o}", "kind", culprit->kind,
                             counted ? "count"
                             : timed ? "nanoseconds"
                                     : "bytes",
                             (json_int_t)culprit->value, "share", json_real(culprit->share), "stack", stack);
    json_object_set_new(json, "function", gs_printable_json(culprit->function));
    json_object_set_new(json, "module", gs_printable_json(culprit->module));
    json_object_set_new(json, "file",
                        culprit->file && *culprit->file ? gs_printable_json(culprit->file) : json_null());
    json_object_set_new(json, "line_number", culprit->line ? json_integer(culprit->line) : json_null());
    return json;
}

static json_t *deadlock_json(const struct gs_deadlock *deadlock)
{
    if (!deadlock || !deadlock->count)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < deadlock->count; i++) {
        const struct gs_deadlocked *thread = &deadlock->thread[i];
        char lock[24];
        snprintf(lock, sizeof lock, "%#llx", (unsigned long long)thread->lock);
        json_array_append_new(list, json_pack("{s:i, s:o, s:o, s:o, s:i}", "tid", thread->tid, "name",
                                              gs_printable_json(thread->name), "function", gs_printable_json(thread->function),
                                              "mutex", thread->lock ? json_string(lock) : json_null(), "held_by",
                                              thread->holder));
    }
    return list;
}

static json_t *died_json(const struct gs_remains *remains)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "how", gs_printable_json(remains->how), "signal",
                     remains->signal ? json_integer(remains->signal) : json_null(), "last_seen",
                     remains->last_seen_ns ? time_of(remains->last_seen_ns) : json_null(), "process",
                     text_or_null(remains->process));
}

static json_t *labels_json(const struct gs_rules *rules)
{
    json_t *labels = json_object();
    for (size_t i = 0; rules && i < rules->label_count; i++)
        json_object_set_new(labels, rules->label[i].key, json_string(rules->label[i].value));
    return labels;
}

json_t *gs_incident_json(const struct gs_report *report, const json_t *files, bool complete)
{
    const struct gs_incident_facts *facts = report->facts;
    const struct gs_incident_scene *scene = report->scene;
    const struct gs_culprit *culprit = &report->findings.culprit;
    const struct {
        const char *key;
        json_t *value;
    } pairs[] = {
        {"version", json_integer(1)},
        {"complete", json_boolean(complete)},
        {"rule", json_string(facts->rule)},
        {"why", text_or_null(facts->why)},
        {"metric", text_or_null(facts->metric)},
        {"condition", text_or_null(facts->condition)},
        {"value", number_or_null(facts->value)},
        {"line", number_or_null(facts->line)},
        {"reason", gs_printable_json(facts->reason)},
        {"triggered", time_of(facts->triggered_ns)},
        {"pid", json_integer(report->pid)},
        {"exe", gs_printable_json(report->exe)},
        {"build_id", text_or_null(report->build_id)},
        {"host", gs_printable_json(report->host)},
        {"started", scene->started_ns ? time_of(scene->started_ns) : json_null()},
        {"limit", scene->limit_bytes ? json_integer((json_int_t)scene->limit_bytes) : json_null()},
        {"limit_from", scene->limit_from ? gs_printable_json(scene->limit_from) : json_null()},
        {"labels", labels_json(scene->rules)},
        {"culprit", culprit_json(culprit)},
        {"deadlock", deadlock_json(report->findings.deadlock)},
        {"fingerprint", text_or_null(culprit->fingerprint)},
        {"baseline_age_s", report->findings.growth
                               ? json_real((double)report->findings.base_age_ns / (double)GS_NS_PER_S)
                               : json_null()},
        {"files", json_deep_copy(files)},
        {"steps", json_deep_copy(report->steps)},
        {"notes", json_deep_copy(report->notes)},
        {"errors", json_deep_copy(report->errors)},
    };
    json_t *json = json_object();
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        json_object_set_new(json, pairs[i].key, pairs[i].value);
    if (facts->remains)
        json_object_set_new(json, "died", died_json(facts->remains));
    return json;
}
