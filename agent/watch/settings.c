/* settings.c - a watcher's parts, from the rules file to the first reading.
 *
 *   rules ──▶ store ──▶ sampling ──▶ judge, watch, history, baselines ──▶ scene
 *
 * Who: the watcher. */
#include "watch/settings.h"
#include "account/account.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "host/children.h"
#include "probe/probe.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/process.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors of gumshoe_start ------------------------------------------------------------------------------------ */

int gs_refuse_start(struct gumshoe_error *error, int code, const char *file, const char *message)
{
    if (error) {
        error->code = code;
        snprintf(error->file, sizeof error->file, "%s", file);
        snprintf(error->message, sizeof error->message, "%s", message);
    }
    gs_log(GS_LOG_ERROR, "not watching: %s%s%s", file, *file ? ": " : "", message);
    return code;
}

/* All errors of a rules file go to the log, the first to the caller. */
static int refuse_rules(struct gumshoe_error *error, const char *file, const struct gs_errors *errors)
{
    gs_log_errors(errors);
    const struct gs_error *first = errors->count ? &errors->item[0] : NULL;
    if (error && first) {
        error->line = first->line;
        error->column = first->col;
    }
    return gs_refuse_start(error, -EINVAL, file, first ? first->text : "the rules could not be read");
}

/* ---- one after the other ------------------------------------------------------------------------------------------- */

const char *gs_setting(const char *variable, const char *option)
{
    const char *value = secure_getenv(variable);
    return value && *value ? value : option;
}

static int read_rules(struct gs_parts *parts, const struct gumshoe_options *options)
{
    const char *file = gs_setting("GUMSHOE_RULES", options->rules_file),
               *name = file ? file : "(built-in rules)";
    const char *text = gs_default_rules_text;
    char *read = NULL;
    size_t length = gs_default_rules_length;
    if (file) {
        int error = gs_rules_file_begin(&parts->file, file, &read, &length);
        if (error)
            return gs_refuse_start(options->error, error, file, strerrordesc_np(-error));
        text = read;
    } else if (options->rules_json) {
        name = "(rules_json)";
        text = options->rules_json;
        length = strlen(text);
    }
    struct gs_errors errors = {0};
    parts->rules = gs_rules_read(text, length, name, &errors);
    int error = parts->rules ? 0 : refuse_rules(options->error, name, &errors);
    gs_errors_fini(&errors);
    gs_free(read);
    return error;
}

static struct gs_store_limits limits_of(const struct gs_rules *rules)
{
    return (struct gs_store_limits){rules->incidents.keep, rules->incidents.max_bytes,
                                    rules->incidents.max_age_ns};
}

static int open_store(struct gs_parts *parts, const struct gumshoe_options *options)
{
    const char *dir = gs_setting("GUMSHOE_DIR", options->dir);
    char why[256];
    struct gs_store_limits limits = limits_of(parts->rules);
    if (!dir)
        dir = parts->rules_dir = gs_strdup(parts->rules->incidents.dir);
    if (!dir)
        return gs_refuse_start(options->error, -ENOMEM, "", "no memory for the incident directory's name");
    parts->store = gs_store_open(dir, &limits, why, sizeof why);
    if (!parts->store)
        return gs_refuse_start(options->error, errno ? -errno : -EIO, dir, why);
    gs_store_sweep(parts->store);
    return 0;
}

/* This program is not one of "only". That is worth a word, but not for each of the many that "all" reaches. */
static int step_back(const struct gs_rules *rules, const struct gumshoe_options *options)
{
    static const char message[] = "\"only\" in the rules names other programs";
    gs_probe_stop();
    if (options->error) {
        options->error->code = -ECANCELED;
        snprintf(options->error->message, sizeof options->error->message, "%s", message);
    }
    if (rules->children != GS_CHILDREN_ALL)
        gs_log(GS_LOG_INFO, "not watching %s: %s", program_invocation_short_name, message);
    return -ECANCELED;
}

void gs_parts_try_hooks(void)
{
    void *volatile block = malloc(1);
    free(block);
}

static void sample_as(const struct gs_rules *rules)
{
    struct gs_probe_settings settings = {rules->heap.sample_bytes, rules->heap.depth};
    gs_probe_start(&settings);
}

static void begin_to_sample(const struct gs_rules *rules)
{
    gs_probe_widen(0);
    sample_as(rules);
}

/* What the rules determine. */
static bool make_tables(struct gs_parts *parts)
{
    const struct gs_rules *rules = parts->rules;
    uint64_t limit = gs_memory_limit("", parts->limit_from, sizeof parts->limit_from);
    parts->judge = gs_judge_new(rules, limit);
    parts->watch = gs_watch_new(rules->metric, rules->metric_count, "");
    parts->history = gs_history_new(rules->metric, rules->metric_count, rules->interval_ns);
    parts->values = gs_alloc((rules->metric_count + 1) * sizeof *parts->values);
    parts->verdicts = gs_alloc((rules->rule_count + 1) * sizeof *parts->verdicts);
    parts->unavailable = gs_alloc((rules->metric_count + 1) * sizeof *parts->unavailable);
    parts->scene = gs_alloc(sizeof *parts->scene);
    if (!parts->judge || !parts->watch || !parts->history || !parts->values || !parts->verdicts ||
        !parts->unavailable || !parts->scene)
        return false;
    for (size_t i = 0; i < rules->metric_count; i++)
        parts->values[i] = NAN; // until the first tick
    *parts->scene = (struct gs_incident_scene){
        .rules = rules,
        .history = parts->history,
        .baselines = parts->baselines,
        .unavailable = (const char *const *)parts->unavailable,
        .limit_bytes = limit,
        .limit_from = parts->limit_from,
        .start_ns = parts->start_ns,
        .started_ns = gs_process_started_ns(0),
    };
    return true;
}

static void forget_unavailable(struct gs_parts *parts)
{
    for (size_t i = 0; i < parts->unavailable_count; i++)
        gs_free(parts->unavailable[i]);
    parts->unavailable_count = 0;
}

void gs_parts_find_unavailable(struct gs_parts *parts)
{
    forget_unavailable(parts);
    for (size_t i = 0; i < gs_watch_count(parts->watch); i++) {
        const char *why = gs_watch_unavailable(parts->watch, i);
        struct gs_text line = {0};
        if (!why)
            continue;
        gs_text_add(&line, "%s: %s", gs_watch_name(parts->watch, i), why);
        if (line.bytes)
            parts->unavailable[parts->unavailable_count++] = line.bytes; // ours from here on
    }
    parts->scene->unavailable_count = parts->unavailable_count;
}

static void log_unavailable(const struct gs_parts *parts)
{
    for (size_t i = 0; i < parts->unavailable_count; i++)
        gs_log(GS_LOG_WARNING, "metric not available: %s", parts->unavailable[i]);
}

static void tell_unavailable(struct gs_parts *parts)
{
    gs_parts_find_unavailable(parts);
    log_unavailable(parts);
}

/* What the rules say in vain on this machine, into the log. What cannot be had is said apart, and in every incident. */
static void log_advice(const struct gs_parts *parts)
{
    const struct gs_machine machine = {.limit_bytes = parts->scene->limit_bytes,
                                       .limit_from = parts->limit_from};
    struct gs_errors warnings = {0};
    gs_rules_advise(parts->rules, &machine, &warnings);
    gs_log_errors(&warnings);
    gs_errors_fini(&warnings);
}

int gs_parts_make(struct gs_parts *parts, const struct gumshoe_options *options)
{
    int error = read_rules(parts, options);
    if (!error && !gs_children_meant(parts->rules))
        error = step_back(parts->rules, options);
    if (!error)
        error = open_store(parts, options);
    if (error)
        return error;
    begin_to_sample(parts->rules);
    parts->start_ns = gs_monotonic_ns();
    parts->baselines = gs_baselines_new(&gs_account_attachment);
    if (!parts->baselines || !make_tables(parts))
        return gs_refuse_start(options->error, -ENOMEM, "", "no memory for the watcher's own tables");
    log_advice(parts);
    tell_unavailable(parts);
    return 0;
}

/* Give back what make_tables made, and the rules. */
static void drop_tables(struct gs_parts *parts)
{
    gs_judge_free(parts->judge);
    gs_watch_free(parts->watch);
    gs_history_free(parts->history);
    forget_unavailable(parts);
    gs_free(parts->unavailable);
    gs_free(parts->values);
    gs_free(parts->verdicts);
    gs_free(parts->scene);
    gs_rules_free(parts->rules);
}

void gs_parts_drop(struct gs_parts *parts)
{
    drop_tables(parts);
    gs_baselines_free(parts->baselines);
    gs_store_close(parts->store);
    gs_free(parts->rules_dir);
    *parts = (struct gs_parts){0};
}

/* ---- in the child of a fork ----------------------------------------------------------------------------------------- */

/* The parent's judge and history, which its watcher may have been at work on, are left as they are: nobody asks for them. */
int gs_parts_inherit(struct gs_parts *parts)
{
    char why[256];
    size_t known = parts->unavailable_count;
    gs_watch_free(parts->watch);
    parts->watch = NULL;
    parts->unavailable_count = 0;
    int error = gs_store_open_again(parts->store, why, sizeof why);
    if (error)
        return gs_refuse_start(NULL, error, gs_store_path(parts->store), why);
    gs_probe_widen(0);
    parts->start_ns = gs_monotonic_ns();
    parts->baselines = gs_baselines_new(&gs_account_attachment);
    if (!parts->baselines || !make_tables(parts))
        return gs_refuse_start(NULL, -ENOMEM, "", "no memory for the watcher's own tables");
    gs_parts_find_unavailable(parts);
    if (parts->unavailable_count > known) // else its parent has logged them
        log_unavailable(parts);
    return 0;
}

/* ---- new rules ------------------------------------------------------------------------------------------------------ */

static void move_tables(const struct gs_parts *from, struct gs_parts *to)
{
    to->rules = from->rules;
    to->judge = from->judge;
    to->watch = from->watch;
    to->history = from->history;
    to->values = from->values;
    to->verdicts = from->verdicts;
    to->unavailable = from->unavailable;
    to->unavailable_count = from->unavailable_count;
    to->scene = from->scene;
}

int gs_parts_renew(struct gs_parts *parts, struct gs_rules *rules, struct gs_parts *old)
{
    struct gs_parts fresh = {.rules = rules, .baselines = parts->baselines, .start_ns = parts->start_ns};
    if (!make_tables(&fresh)) {
        fresh.rules = NULL;
        drop_tables(&fresh);
        return -ENOMEM;
    }
    struct gs_now now = {gs_monotonic_ns(), gs_realtime_ns()};
    (void)gs_ledger_recall(parts->store, fresh.judge, now); // of rules that are back after a while
    gs_judge_adopt(fresh.judge, parts->judge);
    gs_history_adopt(fresh.history, parts->history);
    move_tables(parts, old);
    move_tables(&fresh, parts);
    memcpy(parts->limit_from, fresh.limit_from, sizeof parts->limit_from);
    parts->scene->limit_from = parts->limit_from;
    struct gs_store_limits limits = limits_of(rules);
    gs_store_limit(parts->store, &limits);
    sample_as(rules);
    log_advice(parts);
    tell_unavailable(parts);
    return 0;
}
