/* json.c - builds incident.json, the machine-readable report of an incident. The keys are fixed (docs/formats.md). */
#include "base/clock.h"
#include "box/box.h"
#include "gather/gather.h"
#include "incident/inside.h"
#include "rules/rules.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static json_t *number(double value)
{
    if (isnan(value) || isinf(value))
        return json_null();
    return value == (double)(int64_t)value ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *number_unless_zero(int64_t value)
{
    return value ? json_integer((json_int_t)value) : json_null();
}

static json_t *names_json(const char *const *name, uint32_t count)
{
    struct gs_json names = gs_json_array();
    for (uint32_t i = 0; i < count; i++)
        gs_json_add(&names, gs_json_printable(name[i]));
    return gs_json_take(&names);
}

/* {"function", "share"}; null without NAME. */
static json_t *share_json(const char *name, double share)
{
    return name ? json_pack("{s:o, s:f}", "function", gs_json_printable(name), "share", share) : json_null();
}

static const char *unit_of(const struct gs_culprit *culprit)
{
    bool counted = !strcmp(culprit->kind, "threads") || !strcmp(culprit->kind, "deadlock") ||
                   !strcmp(culprit->kind, "fds") || culprit->lock,
         timed = !strcmp(culprit->kind, "cpu");
    return counted ? "count" : timed ? "nanoseconds" : "bytes";
}

static json_t *culprit_json(const struct gs_culprit *culprit)
{
    if (!culprit->function)
        return json_null();
    json_t *json = json_pack(
        "{s:s, s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "kind", culprit->kind,
        unit_of(culprit), (json_int_t)culprit->value, "share", culprit->share, "stack",
        names_json(culprit->stack, culprit->depth), "function", gs_json_printable(culprit->function),
        "module", gs_json_printable(culprit->module), "file", gs_json_printable(culprit->file), "line_number",
        number_unless_zero(culprit->line), "caller", share_json(culprit->caller, culprit->caller_share),
        "via", names_json(culprit->via, culprit->via_count), "confidence", culprit->doubts ? "low" : "high",
        "runner_up", share_json(culprit->runner_up, culprit->runner_up_share));
    if (json && !strcmp(culprit->kind, "crash")) { // there is nothing to have a share of
        json_object_del(json, unit_of(culprit));
        json_object_del(json, "share");
    }
    return json;
}

static json_t *deadlocked_json(const struct gs_deadlocked *thread)
{
    char lock[24] = "";
    if (thread->lock)
        snprintf(lock, sizeof lock, "%#llx", (unsigned long long)thread->lock);
    return json_pack("{s:i, s:o, s:o, s:o, s:s, s:i}", "tid", thread->tid, "name",
                     gs_json_printable(thread->name), "function", gs_json_printable(thread->function),
                     "mutex", gs_json_text(lock), "what", thread->lock ? thread->what : "join", "held_by",
                     thread->holder);
}

static json_t *deadlock_json(const struct gs_deadlock *deadlock)
{
    if (!deadlock || !deadlock->count)
        return json_null();
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < deadlock->count; i++)
        gs_json_add(&list, deadlocked_json(&deadlock->thread[i]));
    return gs_json_take(&list);
}

static void set_waits(struct gs_json *json, const struct gs_incident_findings *findings)
{
    const struct gs_waits *waits = findings->waits;
    struct gs_json list = gs_json_array();
    for (size_t i = 0; waits && i < waits->count; i++)
        gs_json_add(&list, gs_incident_wait_json(findings->threads, &waits->wait[i]));
    gs_json_set(json, "waits", waits ? gs_json_take(&list) : json_null());
    gs_json_set(json, "nobody_runs", waits ? json_boolean(waits->nobody_runs) : json_null());
    if (!waits)
        json_decref(list.json);
}

static json_t *died_json(const struct gs_post_mortem *post_mortem)
{
    struct gs_json died = gs_json_object();
    gs_json_set(&died, "how", gs_json_printable(post_mortem->how));
    gs_json_set(&died, "signal", number_unless_zero(post_mortem->signal));
    gs_json_set(&died, "last_seen", gs_json_time(post_mortem->last_seen_ns));
    gs_json_set(&died, "process", gs_json_text(post_mortem->process));
    if (post_mortem->crash)
        gs_incident_set_crash(&died, post_mortem->crash);
    return gs_json_take(&died);
}

static json_t *labels_json(const struct gs_rules *rules)
{
    struct gs_json labels = gs_json_object();
    for (size_t i = 0; rules && i < rules->label_count; i++)
        gs_json_set(&labels, rules->label[i].key, json_string(rules->label[i].value));
    return gs_json_take(&labels);
}

/* What was passed over beside what the rules name. */
static void add_plumbing(struct gs_json *json, const struct gs_plumbing *plumbing)
{
    const struct gs_patterns *options = &plumbing->user[GS_PLUMBING_OPTIONS];
    gs_json_set(json, "plumbing", names_json(options->pattern, (uint32_t)options->count));
}

static void add_findings(struct gs_json *json, const struct gs_incident_findings *findings)
{
    set_waits(json, findings);
    add_plumbing(json, &findings->plumbing);
    gs_json_set(json, "peak", gs_incident_peak_json(findings));
    gs_json_set(json, "pages", gs_incident_pages_json(findings));
    gs_json_set(json, "waste", gs_incident_waste_json(findings));
    gs_json_set(json, "ages", gs_incident_ages_json(&findings->ages));
}

static void add_identity(struct gs_json *json, const struct gs_identity *identity)
{
    gs_json_set(json, "program", gs_json_printable(identity->program));
    gs_json_set(json, "container",
                *identity->container ? json_pack("{s:o}", "id", gs_json_printable(identity->container))
                                     : json_null());
    gs_json_set(json, "pod", gs_json_printable(identity->pod));
    gs_json_set(json, "namespace", gs_json_printable(identity->pod_namespace));
}

static json_t *baseline_age(const struct gs_incident_findings *findings)
{
    return findings->growth ? json_real((double)findings->base_age_ns / (double)GS_NS_PER_S) : json_null();
}

struct json_pair {
    const char *key;
    json_t *value; // NULL: no memory
};

static struct gs_json object_of(const struct json_pair *pair, size_t count)
{
    struct gs_json json = gs_json_object();
    for (size_t i = 0; i < count; i++)
        gs_json_set(&json, pair[i].key, pair[i].value);
    return json;
}

/* "METRIC: WHY" for each metric that has no value. */
static json_t *unavailable_json(const struct gs_incident_context *context)
{
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < context->unavailable_count; i++)
        gs_json_add(&list, gs_json_printable(context->unavailable[i]));
    return gs_json_take(&list);
}

json_t *gs_incident_json(const struct gs_report *report, const json_t *files, bool complete)
{
    const struct gs_incident_trigger *trigger = report->trigger;
    const struct gs_incident_context *context = report->context;
    const struct json_pair pairs[] = {
        {"version", json_integer(1)},
        {"complete", json_boolean(complete)},
        {"rule", gs_json_text(trigger->rule)},
        {"why", gs_json_text(trigger->why)},
        {"metric", gs_json_text(trigger->metric)},
        {"condition", gs_json_text(trigger->condition)},
        {"value", number(trigger->value)},
        {"line", number(trigger->line)},
        {"reason", gs_json_printable(trigger->reason)},
        {"triggered", gs_json_time(trigger->triggered_ns)},
        {"pid", json_integer(report->process->pid)},
        {"exe", gs_json_printable(report->process->exe)},
        {"build_id", gs_json_text(report->build_id)},
        {"host", gs_json_printable(report->process->host)},
        {"started", gs_json_time(context->started_ns)},
        {"limit", number_unless_zero((int64_t)context->limit_bytes)},
        {"limit_from", gs_json_printable(context->limit_from)},
        {"labels", labels_json(context->rules)},
        {"culprit", culprit_json(&report->findings.culprit)},
        {"deadlock", deadlock_json(report->findings.deadlock)},
        {"fingerprint", gs_json_text(report->findings.culprit.fingerprint)},
        {"baseline_age_s", baseline_age(&report->findings)},
        {"files", json_deep_copy(files)},
        {"steps", json_deep_copy(report->steps.json)},
        {"notes", json_deep_copy(report->notes.json)},
        {"errors", json_deep_copy(report->errors.json)},
    };
    struct gs_json json = object_of(pairs, sizeof pairs / sizeof *pairs);
    add_identity(&json, &report->process->identity);
    add_findings(&json, &report->findings);
    gs_json_set(&json, "unavailable", unavailable_json(context));
    if (report->process->death)
        gs_json_set(&json, "died", died_json(report->process->death));
    return gs_json_take(&json);
}
