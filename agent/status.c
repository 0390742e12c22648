/* status.c - what a running agent sees: each metric's value, or why it has none; each rule's value and line, and why it has
 * not fired. Context: watcher. */
#include "status.h"
#include "base/clock.h"
#include "base/memory.h"
#include "probe/probe.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* As people read it: "130 MiB", "12.5 %". */
static json_t *shown(double value, enum gs_unit unit)
{
    char text[GS_UNIT_TEXT];
    return isfinite(value) ? json_string(gs_print_value(value, unit, text)) : json_null();
}

static json_t *text_or_null(const char *text)
{
    return text && *text ? json_string(text) : json_null();
}

static json_t *metrics_json(const struct gs_status *status)
{
    json_t *list = json_array();
    for (size_t i = 0; i < status->rules->metric_count; i++) {
        const char *name = status->rules->metric[i];
        const struct gs_metric *metric = gs_metric_find(name);
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:o, s:o}", "metric", name, "value",
                                        number_or_null(status->values[i]), "shown",
                                        shown(status->values[i], metric ? metric->unit : GS_COUNT),
                                        "unavailable", text_or_null(gs_watch_unavailable(status->watch, i))));
    }
    return list;
}

static json_t *time_of(int64_t realtime_ns)
{
    char time[GS_TIME_TEXT];
    return json_string(gs_print_time(realtime_ns, GS_TIME_ISO, time));
}

/* How it stands with the rules file: since when its rules are in force, and whether it has changed to something that is not. */
static json_t *file_json(const struct gs_status *status)
{
    const struct gs_rules_file *file = status->file;
    json_t *refused = file->refused_ns
                          ? json_pack("{s:o, s:s, s:I}", "time", time_of(file->refused_ns), "error",
                                      file->refused, "errors", (json_int_t)file->refused_errors)
                          : json_null();
    return json_pack("{s:o, s:o, s:i, s:o, s:o}", "path", text_or_null(file->path), "taken",
                     time_of(file->taken_ns), "reloads", (int)file->taken_again, "refused", refused,
                     "other_dir", text_or_null(status->other_dir));
}

/* Why the rule does not fire: without its metric it cannot, whatever else it waits for. */
static const char *state_of(const struct gs_status *status, size_t rule, const struct gs_rule_state *state,
                            char *out, size_t size)
{
    size_t metric = status->rules->rule[rule].metric_index;
    const char *why = metric == SIZE_MAX ? NULL : gs_watch_unavailable(status->watch, metric);
    if (!why)
        return state->reason;
    snprintf(out, size, "%s cannot be had: %s", status->rules->rule[rule].metric, why);
    return out;
}

static json_t *rules_json(const struct gs_status *status)
{
    json_t *list = json_array();
    for (size_t i = 0; i < status->rules->rule_count; i++) {
        const struct gs_rule *rule = &status->rules->rule[i];
        struct gs_rule_state state;
        char words[320];
        gs_judge_state(status->judge, i, gs_monotonic_ns(), &state);
        json_t *json = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "rule", rule->name, "metric",
                                 text_or_null(rule->metric), "value", number_or_null(state.value), "shown",
                                 shown(state.value, rule->unit), "line", number_or_null(state.line),
                                 "line_shown", shown(state.line, rule->unit));
        json_object_set_new(json, "holding", json_boolean(state.holding));
        json_object_set_new(json, "fired", json_integer((json_int_t)state.fired));
        json_object_set_new(json, "suppressed", json_integer((json_int_t)state.suppressed));
        json_object_set_new(json, "state", json_string(state_of(status, i, &state, words, sizeof words)));
        json_array_append_new(list, json);
    }
    return list;
}

void gs_status_write(const struct gs_status *status, struct gs_text *out)
{
    char started[GS_TIME_TEXT];
    struct gs_sampling sampling = gs_probe_sampling();
    json_t *json =
        json_pack("{s:i, s:i, s:s, s:s, s:s, s:f}", "version", 1, "pid", (int)getpid(), "started",
                  gs_print_time(status->started_ns, GS_TIME_ISO, started), "rules_file", status->rules->file,
                  "dir", status->dir, "interval_ms", (double)status->rules->interval_ns / 1e6);
    json_object_set_new(json, "file", file_json(status));
    json_object_set_new(json, "limit",
                        status->limit_bytes ? json_integer((json_int_t)status->limit_bytes) : json_null());
    json_object_set_new(json, "limit_from", text_or_null(status->limit_from));
    json_object_set_new(json, "heap_sample_bytes", json_integer((json_int_t)sampling.bytes));
    json_object_set_new(json, "under_way", json_integer(status->under_way));
    json_object_set_new(json, "metrics", metrics_json(status));
    json_object_set_new(json, "rules", rules_json(status));
    char *text = json_dumps(json, JSON_COMPACT);
    if (text)
        gs_text_add(out, "%s\n", text);
    else
        out->failed = true;
    gs_free(text);
    json_decref(json);
}
