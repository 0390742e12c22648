/* settings.c - makes, renews and frees what the watcher works with.
 *
 *   rules ──▶ store ──▶ sampling ──▶ baselines ──▶ judge, metrics, history ──▶ context of incidents
 *
 * Who: the watcher. */
#include "watch/settings.h"
#include "account/account.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "host/children.h"
#include "host/command_line.h"
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

int gs_watch_refuse_start(struct gumshoe_error *error, int code, const char *file, const char *message)
{
    if (error) {
        error->code = code;
        snprintf(error->file, sizeof error->file, "%s", file);
        snprintf(error->message, sizeof error->message, "%s", message);
    }
    gs_log(GS_LOG_ERROR, "not watching: %s%s%s", file, *file ? ": " : "", message);
    return code;
}

/* Refuse to start because of a rules file: log all its errors, and give the first to the caller. */
static int refuse_rules(struct gumshoe_error *error, const char *file, const struct gs_errors *errors)
{
    gs_watch_log_errors(errors);
    const struct gs_error *first = errors->count ? &errors->item[0] : NULL;
    if (error && first) {
        error->line = first->line;
        error->column = first->col;
    }
    return gs_watch_refuse_start(error, -EINVAL, file, first ? first->text : "the rules could not be read");
}

/* ---- the steps of a start ------------------------------------------------------------------------------------------- */

const char *gs_watch_setting(const char *variable, const char *option)
{
    const char *value = secure_getenv(variable);
    return value && *value ? value : option;
}

static int read_rules(struct gs_settings *settings, const struct gumshoe_options *options)
{
    const char *file = gs_watch_setting("GUMSHOE_RULES", options->rules_file),
               *name = file ? file : "(built-in rules)";
    const char *text = gs_default_rules_text;
    char *file_text = NULL;
    size_t length = gs_default_rules_length;
    if (file) {
        int error = gs_watch_rules_file_begin(&settings->file, file, &file_text, &length);
        if (error)
            return gs_watch_refuse_start(options->error, error, file, strerrordesc_np(-error));
        text = file_text;
    } else if (options->rules_json) {
        name = "(rules_json)";
        text = options->rules_json;
        length = strlen(text);
    }
    struct gs_errors errors = {0};
    settings->rules = gs_rules_read(text, length, name, &errors);
    int error = settings->rules ? 0 : refuse_rules(options->error, name, &errors);
    gs_errors_fini(&errors);
    gs_free(file_text);
    return error;
}

static int open_store(struct gs_settings *settings, const struct gumshoe_options *options)
{
    const char *dir = gs_watch_setting("GUMSHOE_DIR", options->dir);
    char why[256];
    struct gs_store_limits limits = gs_store_limits_of(settings->rules);
    if (!dir)
        dir = settings->rules_dir = gs_strdup(settings->rules->incidents.dir);
    if (!dir)
        return gs_watch_refuse_start(options->error, -ENOMEM, "",
                                     "no memory for the incident directory's name");
    settings->store = gs_store_open(dir, &limits, why, sizeof why);
    if (!settings->store)
        return gs_watch_refuse_start(options->error, errno ? -errno : -EIO, dir, why);
    gs_store_sweep(settings->store);
    return 0;
}

/* Do not watch: "only" does not name this program. Logged, except with "children": "all", which reaches many programs. */
static int refuse_other_program(const struct gs_rules *rules, const struct gumshoe_options *options)
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

void gs_watch_settings_try_hooks(void)
{
    void *volatile block = malloc(1);
    free(block);
}

/* Make what the rules determine: judge, metrics, history, context and their arrays. False: out of memory. */
static bool make_tables(struct gs_settings *settings)
{
    const struct gs_rules *rules = settings->rules;
    uint64_t limit = gs_metrics_memory_limit("", settings->limit_from, sizeof settings->limit_from);
    settings->judge = gs_rules_judge_new(rules, limit);
    settings->verdicts = gs_alloc((rules->rule_count + 1) * sizeof *settings->verdicts);
    settings->context = gs_alloc(sizeof *settings->context);
    if (!gs_watch_record_make(settings) || !settings->judge || !settings->verdicts || !settings->context)
        return false;
    *settings->context = (struct gs_incident_context){
        .rules = rules,
        .history = settings->history,
        .baselines = settings->baselines,
        .unavailable = (const char *const *)settings->unavailable,
        .limit_bytes = limit,
        .limit_from = settings->limit_from,
        .start_ns = settings->start_ns,
        .started_ns = gs_process_started_ns(0),
    };
    return true;
}

static void report_unavailable(struct gs_settings *settings)
{
    gs_watch_record_find_unavailable(settings);
    gs_watch_record_log_unavailable(settings);
}

/* Log warnings about rules that can never fire on this machine, and about a program that cannot be run. Unavailable
 * metrics are logged by report_unavailable. */
static void log_advice(const struct gs_settings *settings)
{
    const struct gs_machine machine = {.limit_bytes = settings->context->limit_bytes,
                                       .limit_from = settings->limit_from,
                                       .cannot_run = gs_command_line_cannot_run(settings->rules)};
    struct gs_errors warnings = {0};
    gs_rules_advise(settings->rules, &machine, &warnings);
    gs_watch_log_errors(&warnings);
    gs_errors_fini(&warnings);
}

int gs_watch_settings_make(struct gs_settings *settings, const struct gumshoe_options *options)
{
    int error = read_rules(settings, options);
    if (!error && !gs_children_selected_by(settings->rules))
        error = refuse_other_program(settings->rules, options);
    if (!error)
        error = open_store(settings, options);
    if (error)
        return error;
    gs_probe_widen(0);
    gs_watch_focus_apply(settings);
    settings->start_ns = gs_clock_monotonic_ns();
    gs_gather_peak_forget();
    settings->baselines = gs_gather_baselines_new(&gs_account_attachment);
    if (!settings->baselines || !make_tables(settings))
        return gs_watch_refuse_start(options->error, -ENOMEM, "", "no memory for the watcher's own tables");
    log_advice(settings);
    report_unavailable(settings);
    return 0;
}

/* Free what make_tables made, and the rules. */
static void drop_tables(struct gs_settings *settings)
{
    gs_rules_judge_free(settings->judge);
    gs_watch_record_drop(settings);
    gs_free(settings->verdicts);
    gs_free(settings->context);
    gs_rules_free(settings->rules);
}

void gs_watch_settings_drop(struct gs_settings *settings)
{
    drop_tables(settings);
    gs_gather_baselines_free(settings->baselines);
    gs_store_close(settings->store);
    gs_free(settings->rules_dir);
    *settings = (struct gs_settings){0};
}

/* ---- in the child of a fork ----------------------------------------------------------------------------------------- */

/* The parent's judge and history are leaked, not freed: its watcher may have been changing them during the fork. */
int gs_watch_settings_inherit(struct gs_settings *settings)
{
    char why[256];
    size_t parents_count = settings->unavailable_of_rules;
    gs_metrics_set_free(settings->metrics);
    settings->metrics = NULL;
    settings->unavailable_count = settings->unavailable_of_rules = 0;
    int error = gs_store_open_again(settings->store, why, sizeof why);
    if (error)
        return gs_watch_refuse_start(NULL, error, gs_store_path(settings->store), why);
    if (gs_store_is_of_user(settings->store)) // else the parent has done that
        gs_store_sweep(settings->store);
    gs_probe_widen(0);
    settings->start_ns = gs_clock_monotonic_ns();
    settings->baselines = gs_gather_baselines_new(&gs_account_attachment);
    if (!settings->baselines || !make_tables(settings))
        return gs_watch_refuse_start(NULL, -ENOMEM, "", "no memory for the watcher's own tables");
    gs_watch_record_find_unavailable(settings);
    if (settings->unavailable_of_rules > parents_count) // otherwise the parent has logged them
        gs_watch_record_log_unavailable(settings);
    return 0;
}

/* ---- new rules ------------------------------------------------------------------------------------------------------ */

static void move_tables(const struct gs_settings *from, struct gs_settings *to)
{
    to->rules = from->rules;
    to->judge = from->judge;
    to->verdicts = from->verdicts;
    to->context = from->context;
    gs_watch_record_move(from, to);
}

int gs_watch_settings_renew(struct gs_settings *settings, struct gs_rules *rules, struct gs_settings *old)
{
    struct gs_settings fresh = {
        .rules = rules, .baselines = settings->baselines, .start_ns = settings->start_ns};
    if (!make_tables(&fresh)) {
        fresh.rules = NULL;
        drop_tables(&fresh);
        return -ENOMEM;
    }
    struct gs_now now = {gs_clock_monotonic_ns(), gs_clock_realtime_ns()};
    (void)gs_store_ledger_recall(settings->store, fresh.judge,
                                 now); // for rules that an earlier file also had
    gs_rules_judge_adopt(fresh.judge, settings->judge);
    gs_history_adopt(fresh.history, settings->history);
    gs_metrics_set_adopt(fresh.metrics, settings->metrics);
    move_tables(settings, old);
    move_tables(&fresh, settings);
    memcpy(settings->limit_from, fresh.limit_from, sizeof settings->limit_from);
    settings->context->limit_from = settings->limit_from;
    struct gs_store_limits limits = gs_store_limits_of(rules);
    gs_store_limit(settings->store, &limits);
    gs_watch_focus_apply(settings);
    log_advice(settings);
    report_unavailable(settings);
    return 0;
}
