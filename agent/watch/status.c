/* status.c - the state of a running agent: each metric's value, or why it is not available; each rule's value and line,
 * and why it has not fired. Context: watcher. */
#include "watch/status.h"
#include "base/clock.h"
#include "base/json.h"
#include "host/shell.h"
#include "host/symbolizer.h"
#include "probe/probe.h"
#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* VALUE as text with its unit: "130 MiB", "12.5 %". */
static json_t *value_text(double value, enum gs_unit unit)
{
    char text[GS_UNIT_TEXT];
    return isfinite(value) ? json_string(gs_units_print_value(value, unit, text)) : json_null();
}

static json_t *metric_json(const struct gs_status *status, size_t metric)
{
    const char *name = gs_metrics_set_name(status->metrics, metric);
    const struct gs_metric *known = gs_metrics_find(name);
    return json_pack("{s:s, s:o, s:o, s:o}", "metric", name, "value", gs_json_real(status->values[metric]),
                     "shown", value_text(status->values[metric], known ? known->unit : GS_COUNT),
                     "unavailable", gs_json_text(gs_metrics_set_unavailable(status->metrics, metric)));
}

static json_t *metrics_json(const struct gs_status *status)
{
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < gs_metrics_set_count(status->metrics); i++)
        gs_json_add(&list, metric_json(status, i));
    return gs_json_take(&list);
}

static json_t *refusal_json(const struct gs_rules_file *file)
{
    if (!file->refused_ns)
        return json_null();
    return json_pack("{s:o, s:o, s:I}", "time", gs_json_time(file->refused_ns), "error",
                     gs_json_text(file->refused), "errors", (json_int_t)file->refused_errors);
}

/* The rules file: since when its rules are in force, and whether a changed file was refused. */
static json_t *file_json(const struct gs_status *status)
{
    const struct gs_rules_file *file = status->file;
    return json_pack("{s:o, s:o, s:i, s:o, s:o}", "path", gs_json_text(file->path), "taken",
                     gs_json_time(file->taken_ns), "reloads", (int)file->reload_count, "refused",
                     refusal_json(file), "other_dir", gs_json_text(status->other_dir));
}

/* Why the rule does not fire: without its metric it cannot, whatever else it waits for. */
static const char *explain_state(const struct gs_status *status, size_t rule,
                                 const struct gs_rule_state *state, char *out, size_t size)
{
    size_t metric = status->rules->rule[rule].metric_index;
    const char *why = metric == SIZE_MAX ? NULL : gs_metrics_set_unavailable(status->metrics, metric);
    if (!why)
        return state->reason;
    snprintf(out, size, "%s is not available: %s", status->rules->rule[rule].metric, why);
    return out;
}

/* Does nothing but its metric's value, or the time for which it holds, keep the rule from firing? */
static bool is_armed(const struct gs_status *status, size_t rule)
{
    size_t metric = status->rules->rule[rule].metric_index;
    bool missing = metric != SIZE_MAX && !isfinite(status->values[metric]);
    struct gs_obstruction why = gs_rules_judge_obstruction(
        status->judge, rule, missing, gs_clock_monotonic_ns(), status->rules->interval_ns);
    return why.obstacle == GS_NO_LINE || why.obstacle == GS_NO_HOLD || why.obstacle == GS_NOT_DUE ||
           why.obstacle == GS_NO_OBSTACLE;
}

static json_t *rule_json(const struct gs_status *status, size_t number)
{
    const struct gs_rule *rule = &status->rules->rule[number];
    struct gs_rule_state state;
    char explanation[320];
    gs_rules_judge_state(status->judge, number, gs_clock_monotonic_ns(), &state);
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:I, s:I, s:o}", "rule", rule->name, "metric",
                     gs_json_text(rule->metric), "value", gs_json_real(state.value), "shown",
                     value_text(state.value, rule->unit), "line", gs_json_real(state.line), "line_shown",
                     value_text(state.line, rule->unit), "holding", (int)state.holding, "armed",
                     (int)is_armed(status, number), "fired", (json_int_t)state.fired, "suppressed",
                     (json_int_t)state.suppressed, "state",
                     gs_json_text(explain_state(status, number, &state, explanation, sizeof explanation)));
}

static json_t *rules_json(const struct gs_status *status)
{
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < status->rules->rule_count; i++)
        gs_json_add(&list, rule_json(status, i));
    return gs_json_take(&list);
}

/* A shell that runs a script, and what it has started that is not watched. Null: the program is no such shell. */
static json_t *shell_json(const struct gs_status *status)
{
    char name[GS_SHELL_NAME], note[GS_SHELL_TEXT] = "";
    if (!gs_shell_name(name))
        return json_null();
    if (status->rules->children != GS_CHILDREN_ALL)
        (void)gs_shell_explain(note);
    return json_pack("{s:o, s:o}", "name", gs_json_printable(name), "note", gs_json_text(note));
}

static json_t *limit_json(const struct gs_status *status)
{
    return status->limit_bytes ? json_integer((json_int_t)status->limit_bytes) : json_null();
}

void gs_watch_status_write(const struct gs_status *status, struct gs_text *out)
{
    char symbolizer[GS_SYMBOLIZER_TEXT];
    struct gs_json json = gs_json_object();
    gs_symbolizer_describe(status->rules, symbolizer);
    gs_json_set(&json, "version", json_integer(1));
    gs_json_set(&json, "pid", json_integer(getpid()));
    gs_json_set(&json, "started", gs_json_time(status->started_ns));
    gs_json_set(&json, "rules_file", gs_json_text(status->rules->file));
    gs_json_set(&json, "dir", gs_json_text(status->dir));
    gs_json_set(&json, "interval_ms", json_real((double)status->rules->interval_ns / 1e6));
    gs_json_set(&json, "file", file_json(status));
    gs_json_set(&json, "limit", limit_json(status));
    gs_json_set(&json, "limit_from", gs_json_text(status->limit_from));
    gs_json_set(&json, "heap_sample_bytes", json_integer((json_int_t)gs_probe_sampling().bytes));
    gs_json_set(&json, "symbolize", gs_json_text(symbolizer));
    gs_json_set(&json, "shell", shell_json(status));
    gs_json_set(&json, "under_way", json_integer(status->active_captures));
    gs_json_set(&json, "metrics", metrics_json(status));
    gs_json_set(&json, "rules", rules_json(status));
    gs_watch_status_add_figures(&json, status->rules);
    json_t *document = gs_json_take(&json);
    gs_json_print(document, JSON_COMPACT, out);
    json_decref(document);
}
