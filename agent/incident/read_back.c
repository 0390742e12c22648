/* read_back.c - names a published incident anew, after its profiles have got better names.
 *
 *   incident.json, profiles ──▶ report ──▶ findings ──▶ summary.txt, culprit, deadlock     in the old names: "before"
 *   incident.json, profiles with lines ──▶ the same                                        in the new names: "after"
 *   stored summary.txt, incident.json: whatever equals a part of "before" becomes that part of "after"
 *
 * What cannot be read back (the memory account, notes) is not in "before" and "after", and therefore
 * stays as it was stored. So does a part that an earlier version wrote in other words. Context: CLI. */
#include "base/clock.h"
#include "base/memory.h"
#include "box/box.h"
#include "gather/gather.h"
#include "incident/inside.h"
#include "metrics/metrics.h"
#include "rules/rules.h"
#include "store/store.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the report, from incident.json ---------------------------------------------------------------------------------- */

struct read_back {
    struct gs_incident_trigger trigger;
    struct gs_incident_context context;
    struct gs_incident_process process;
    struct gs_report report;
    struct gs_gathered gathered[GS_INCIDENT_KINDS_MAX];
    struct gs_post_mortem death;
    struct gs_given_crash crash; // without the thread's frames: they are in the profile
};

static const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static int64_t time_of(const json_t *json, const char *key)
{
    int64_t time_ns;
    const char *text = text_of(json, key);
    return text && gs_store_time_read(text, &time_ns) ? time_ns : 0;
}

static double number_of(const json_t *json, const char *key)
{
    const json_t *number = json_object_get(json, key);
    return json_is_number(number) ? json_number_value(number) : NAN;
}

static void read_trigger(const json_t *json, struct gs_incident_trigger *out)
{
    const char *rule = text_of(json, "rule"), *reason = text_of(json, "reason");
    *out = (struct gs_incident_trigger){
        .rule = rule ? rule : "",
        .why = text_of(json, "why"),
        .metric = text_of(json, "metric"),
        .condition = text_of(json, "condition"),
        .reason = reason ? reason : "",
        .value = number_of(json, "value"),
        .line = number_of(json, "line"),
        .triggered_ns = time_of(json, "triggered"),
    };
    const struct gs_metric *metric = out->metric ? gs_metrics_find(out->metric) : NULL;
    out->unit = metric ? metric->unit : GS_COUNT;
}

static void read_process(const json_t *json, struct gs_incident_process *out)
{
    const char *exe = text_of(json, "exe"), *host = text_of(json, "host");
    out->pid = (int)json_integer_value(json_object_get(json, "pid"));
    snprintf(out->exe, sizeof out->exe, "%s", exe ? exe : "");
    snprintf(out->host, sizeof out->host, "%s", host ? host : "");
}

static void read_crash(const json_t *died, struct gs_given_crash *out)
{
    const char *address = text_of(died, "address"), *message = text_of(died, "message");
    *out = (struct gs_given_crash){
        .signal = (int)json_integer_value(json_object_get(died, "signal")),
        .code = (int)json_integer_value(json_object_get(died, "code")),
        .sender = (int)json_integer_value(json_object_get(died, "sender")),
        .has_address = address != NULL,
        .address = address ? strtoull(address, NULL, 16) : 0,
        .overflow = json_is_true(json_object_get(died, "stack_overflow")),
        .depth = (uint64_t)json_integer_value(json_object_get(died, "frames")),
        .thread.tid = (int)json_integer_value(json_object_get(died, "tid")),
    };
    snprintf(out->message, sizeof out->message, "%s", message ? message : "");
    const char *thread = text_of(died, "thread");
    snprintf(out->thread.name, sizeof out->thread.name, "%s", thread ? thread : "");
}

/* How the process died. A box has the thread that crashed alone; it names the process. */
static void read_death(const json_t *json, struct read_back *out)
{
    const json_t *died = json_object_get(json, "died");
    if (!json_is_object(died))
        return;
    read_crash(died, &out->crash);
    out->death = (struct gs_post_mortem){
        .pid = out->process.pid,
        .process = text_of(died, "process"),
        .exe = out->process.exe,
        .host = out->process.host,
        .how = text_of(died, "how") ? text_of(died, "how") : "",
        .signal = out->crash.signal,
        .last_seen_ns = time_of(died, "last_seen"),
        .crash = out->crash.thread.tid ? &out->crash : NULL,
        .threads_are_all = text_of(died, "process") == NULL,
    };
    out->process.death = &out->death;
}

static void read_context(const struct gs_incident_evidence *evidence, struct gs_incident_context *out)
{
    json_int_t limit = json_integer_value(json_object_get(evidence->json, "limit"));
    out->rules = evidence->rules;
    out->limit_bytes = limit > 0 ? (uint64_t)limit : 0;
    out->limit_from = text_of(evidence->json, "limit_from");
    out->started_ns = time_of(evidence->json, "started");
}

/* ---- the findings, from the profiles --------------------------------------------------------------------------------- */

/* The thread's name, of SAMPLE's labels; "": none. */
static const char *thread_name(const struct gs_sample *sample)
{
    for (uint32_t i = 0; i < sample->label_count; i++)
        if (strcmp(sample->label[i].key, "name") == 0 && sample->label[i].text)
            return sample->label[i].text;
    return "";
}

static void read_deadlocked(struct gs_profile *threads, const json_t *json, struct gs_deadlock *out)
{
    const char *mutex = text_of(json, "mutex"), *what = text_of(json, "what");
    struct gs_deadlocked *thread = &out->thread[out->count];
    *thread = (struct gs_deadlocked){
        .tid = (int)json_integer_value(json_object_get(json, "tid")),
        .what = what ? what : "mutex", // of incidents of earlier versions
        .holder = (int)json_integer_value(json_object_get(json, "held_by")),
    };
    const struct gs_sample *sample = gs_incident_thread_sample(threads, thread->tid);
    if (!sample)
        return;
    thread->sample = (size_t)(sample - threads->sample);
    thread->name = thread_name(sample);
    thread->lock = mutex ? strtoull(mutex, NULL, 16) : 0;
    uint32_t own = gs_profile_own_frame(threads, sample->location, sample->depth);
    thread->function = gs_profile_frame_string(threads, sample->location[own]);
    out->count++;
}

/* Read "deadlock" of incident.json. A thread that is not in the profile leaves none: then "before" differs from what is
 * stored, which stays. */
static void read_deadlock(struct gs_profile *threads, const json_t *list, struct gs_deadlock *out)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) if (out->count < GS_DEADLOCK_MAX) read_deadlocked(threads, item, out);
    if (out->count != json_array_size(list))
        out->count = 0;
}

static enum gs_wait_kind kind_of_key(const char *key)
{
    for (enum gs_wait_kind kind = GS_WAIT_MUTEX; key && kind <= GS_WAIT_CALL; kind++)
        if (strcmp(gs_gather_wait_key(kind), key) == 0)
            return kind;
    return GS_WAIT_NONE;
}

/* Whether a lock changed hands while it was read is not in incident.json: such a wait, which has no holder, is read as one whose
 * holder is not known. */
static void read_wait(const struct gs_profile *threads, const json_t *json, struct gs_waited *out)
{
    const char *name = text_of(json, "name"), *address = text_of(json, "address");
    const json_t *holder = json_object_get(json, "held_by"), *readers = json_object_get(json, "readers");
    json_int_t count = json_integer_value(json_object_get(json, "threads"));
    *out = (struct gs_waited){.kind = kind_of_key(text_of(json, "what")),
                              .name = name ? name : "",
                              .address = address ? strtoull(address, NULL, 16) : 0,
                              .threads = count > 0 ? (size_t)count : 0,
                              .holder_name = "",
                              .holder_sample = SIZE_MAX};
    if (json_is_integer(readers)) {
        out->held = GS_HOLDER_READERS;
        out->readers = (uint32_t)json_integer_value(readers);
    }
    if (!json_is_object(holder))
        return;
    out->held = json_is_true(json_object_get(holder, "exists")) ? GS_HOLDER_THREAD : GS_HOLDER_GONE;
    out->holder = (int)json_integer_value(json_object_get(holder, "tid"));
    out->holder_name = text_of(holder, "name") ? text_of(holder, "name") : "";
    const struct gs_sample *sample = json_array_size(json_object_get(holder, "stack"))
                                         ? gs_incident_thread_sample(threads, out->holder)
                                         : NULL;
    if (sample)
        out->holder_sample = (size_t)(sample - threads->sample);
}

/* Read "waits" of incident.json. */
static void read_waits(const struct gs_profile *threads, const json_t *json, struct gs_waits *out)
{
    size_t i;
    const json_t *item, *list = json_object_get(json, "waits");
    json_array_foreach(list, i, item) if (out->count < GS_WAITS_MAX)
        read_wait(threads, item, &out->wait[out->count++]);
    out->nobody_runs = json_is_true(json_object_get(json, "nobody_runs"));
}

/* Does PROFILE, which anybody may have written, have the sample types that the findings of KIND are made of? */
static bool has_types(const struct gs_profile *profile, enum gs_kind kind)
{
    switch (kind) {
    case GS_HEAP:
    case GS_PEAK: return gs_profile_sample_type(profile, "inuse_space") >= 0;
    case GS_PAGES: return gs_incident_pages_are_known(profile);
    case GS_WASTE: return gs_profile_sample_type(profile, "waste_space") >= 0;
    case GS_LIFETIMES: return gs_profile_sample_type(profile, "freed_space") >= 0;
    case GS_CPU: return gs_profile_sample_type(profile, "cpu") == 1; // findings.c takes the second
    case GS_THREADS: return gs_profile_sample_type(profile, "threads") == 0;
    case GS_THREADCREATE:
        return gs_profile_sample_type(profile, "threadcreate") >= 0 &&
               gs_profile_sample_type(profile, "live_threads") >= 0;
    case GS_FDS: return gs_profile_sample_type(profile, "descriptors") == 0;
    default: return false;
    }
}

static bool same_types(const struct gs_profile *a, const struct gs_profile *b)
{
    bool same = a->sample_type_count == b->sample_type_count;
    for (unsigned i = 0; same && i < a->sample_type_count; i++)
        same = strcmp(a->sample_type[i].type, b->sample_type[i].type) == 0 &&
               strcmp(a->sample_type[i].unit, b->sample_type[i].unit) == 0;
    return same;
}

/* Fill GATHERED with what the findings of KIND are made of. False: no memory. */
static bool read_kind(const struct gs_profile *profile, const struct gs_profile *base, enum gs_kind kind,
                      struct gs_gathered *gathered)
{
    if (!profile || !has_types(profile, kind))
        return true;
    gathered->profile = gs_profile_split_inlined(profile);
    if (base && same_types(profile, base))
        gathered->base = gs_profile_split_inlined(base);
    return gathered->profile && (gathered->base || !base || !same_types(profile, base));
}

/* Fill BACK's gathered. False: no memory. */
static bool read_profiles(const struct gs_incident_evidence *evidence, struct read_back *back)
{
    double base_age_s = number_of(evidence->json, "baseline_age_s");
    for (size_t i = 0; gs_kinds[i].name && i < GS_INCIDENT_KINDS_MAX; i++) {
        struct gs_gathered *gathered = &back->gathered[i];
        if (!read_kind(evidence->profile[i], evidence->base[i], gs_kinds[i].kind, gathered))
            return false;
        gathered->base_age_ns = isnan(base_age_s) ? 0 : (int64_t)(base_age_s * (double)GS_NS_PER_S + 0.5);
        gathered->peak = gs_incident_read_peak(json_object_get(evidence->json, "peak"));
        gathered->waste = gs_incident_read_waste(json_object_get(evidence->json, "waste"));
        gathered->ages = gs_incident_read_ages(json_object_get(evidence->json, "ages"));
        if (gs_kinds[i].kind != GS_THREADS || !gathered->profile)
            continue;
        read_deadlock(gathered->profile, json_object_get(evidence->json, "deadlock"), &gathered->deadlock);
        read_waits(gathered->profile, evidence->json, &gathered->waits);
    }
    return true;
}

struct gs_plumbing gs_incident_plumbing_of_evidence(const struct gs_incident_evidence *evidence)
{
    struct gs_plumbing plumbing = gs_incident_plumbing_of(evidence->rules);
    plumbing.user[GS_PLUMBING_OPTIONS].pattern = evidence->plumbing;
    plumbing.user[GS_PLUMBING_OPTIONS].count = evidence->plumbing_count;
    return plumbing;
}

static void make_report(const struct gs_incident_evidence *evidence, struct read_back *out)
{
    read_trigger(evidence->json, &out->trigger);
    read_process(evidence->json, &out->process);
    read_death(evidence->json, out);
    read_context(evidence, &out->context);
    out->report = (struct gs_report){
        .trigger = &out->trigger,
        .context = &out->context,
        .process = &out->process,
        .folder = evidence->path,
        .findings = {.plumbing = gs_incident_plumbing_of_evidence(evidence)},
        .steps = gs_json_array(),
        .notes = gs_json_array(),
        .errors = gs_json_array(),
    };
}

static void read_back_free(struct read_back *back)
{
    for (size_t i = 0; i < GS_INCIDENT_KINDS_MAX; i++)
        gs_gather_fini(&back->gathered[i]);
    json_decref(back->report.steps.json);
    json_decref(back->report.notes.json);
    json_decref(back->report.errors.json);
    gs_free(back);
}

int gs_incident_read_back(const struct gs_incident_evidence *evidence, struct gs_incident_words *out)
{
    struct read_back *back = gs_alloc(sizeof *back);
    *out = (struct gs_incident_words){.json = NULL};
    if (!back)
        return -ENOMEM;
    make_report(evidence, back);
    if (read_profiles(evidence, back)) {
        json_t *no_files = json_array();
        gs_incident_find(&back->report, back->gathered);
        gs_incident_write_summary(&back->report, &out->summary);
        if (back->report.findings.threads)
            gs_gather_threads_head(back->report.findings.threads, back->report.findings.deadlock,
                                   back->report.findings.waits, &out->threads_head);
        out->json = gs_incident_json(&back->report, no_files, true);
        json_decref(no_files);
    }
    bool failed = !out->json || out->summary.failed || out->threads_head.failed ||
                  json_array_size(back->report.errors.json) > 0;
    read_back_free(back);
    if (!failed)
        return 0;
    gs_incident_words_fini(out);
    return -ENOMEM;
}

void gs_incident_words_fini(struct gs_incident_words *words)
{
    gs_text_fini(&words->summary);
    gs_text_fini(&words->threads_head);
    json_decref(words->json);
    words->json = NULL;
}
