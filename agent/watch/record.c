/* record.c - what is read at each tick and recorded: the metrics of the rules, all others, and the program's gauges.
 *
 *   rules->metric, gs_metrics, gauges ──▶ recorded ──▶ metrics (readers), history, values (of the last tick), unavailable
 *
 * The metrics of the rules come first, so that the index of a rule's metric is valid in all of these.
 * Who: the watcher. */
#include "base/memory.h"
#include "base/text.h"
#include "probe/probe.h"
#include "sys/log.h"
#include "watch/settings.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_recorded(const struct gs_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->recorded_count; i++)
        if (strcmp(settings->recorded[i], name) == 0)
            return true;
    return false;
}

static void record(struct gs_settings *settings, const char *name)
{
    if (!is_recorded(settings, name))
        settings->recorded[settings->recorded_count++] = name;
}

/* The gauges' names as metrics, as long as the process: the probe never forgets a gauge. NULL past the last. */
static const char *gauge_metric(unsigned index)
{
    static char name[GS_GAUGES_MAX][sizeof "gauge:" + GS_GAUGE_NAME];
    const char *gauge = gs_probe_gauge_name(index);
    if (!gauge)
        return NULL;
    snprintf(name[index], sizeof name[index], "gauge:%s", gauge);
    return name[index];
}

/* List the metrics of the rules, all others, and all gauges that the program has set. */
static bool list_recorded(struct gs_settings *settings)
{
    const struct gs_rules *rules = settings->rules;
    size_t most = rules->metric_count + gs_metrics_count() + GS_GAUGES_MAX;
    const char *name;
    settings->recorded = gs_alloc(most * sizeof *settings->recorded);
    settings->recorded_count = 0;
    if (!settings->recorded)
        return false;
    for (size_t i = 0; i < rules->metric_count; i++)
        settings->recorded[settings->recorded_count++] = rules->metric[i];
    for (size_t i = 0; i < gs_metrics_count(); i++)
        record(settings, gs_metrics[i].name);
    for (settings->gauges_seen = 0; (name = gauge_metric(settings->gauges_seen)); settings->gauges_seen++)
        record(settings, name);
    return true;
}

bool gs_watch_record_make(struct gs_settings *settings)
{
    if (!list_recorded(settings))
        return false;
    size_t count = settings->recorded_count;
    settings->metrics = gs_metrics_set_new(settings->recorded, count, "");
    if (settings->metrics)
        gs_metrics_set_rest(settings->metrics, settings->rules->metric_count);
    settings->history = gs_history_new(settings->recorded, count, settings->rules->interval_ns);
    settings->values = gs_alloc((count + 1) * sizeof *settings->values);
    settings->unavailable = gs_alloc((count + 1) * sizeof *settings->unavailable);
    for (size_t i = 0; settings->values && i < count; i++)
        settings->values[i] = NAN; // until the first tick
    return settings->metrics && settings->history && settings->values && settings->unavailable;
}

static void free_unavailable(struct gs_settings *settings)
{
    for (size_t i = 0; i < settings->unavailable_count; i++)
        gs_free(settings->unavailable[i]);
    settings->unavailable_count = settings->unavailable_of_rules = 0;
}

void gs_watch_record_drop(struct gs_settings *settings)
{
    gs_metrics_set_free(settings->metrics);
    gs_history_free(settings->history);
    free_unavailable(settings);
    gs_free(settings->unavailable);
    gs_free(settings->values);
    gs_free(settings->recorded);
}

void gs_watch_record_move(const struct gs_settings *from, struct gs_settings *to)
{
    to->recorded = from->recorded;
    to->recorded_count = from->recorded_count;
    to->gauges_seen = from->gauges_seen;
    to->metrics = from->metrics;
    to->history = from->history;
    to->values = from->values;
    to->unavailable = from->unavailable;
    to->unavailable_count = from->unavailable_count;
    to->unavailable_of_rules = from->unavailable_of_rules;
}

bool gs_watch_record_renew(struct gs_settings *settings)
{
    struct gs_settings fresh = {.rules = settings->rules};
    if (!gs_watch_record_make(&fresh)) {
        gs_watch_record_drop(&fresh);
        return false;
    }
    gs_history_adopt(fresh.history, settings->history);
    gs_metrics_set_adopt(fresh.metrics, settings->metrics);
    gs_watch_record_drop(settings);
    gs_watch_record_move(&fresh, settings);
    settings->context->history = settings->history;
    gs_watch_record_find_unavailable(settings);
    settings->context->unavailable = (const char *const *)settings->unavailable;
    return true;
}

bool gs_watch_record_add_gauges(struct gs_settings *settings)
{
    // the probe only ever adds gauges, at the end
    return gs_probe_gauge_name(settings->gauges_seen) && gs_watch_record_renew(settings);
}

void gs_watch_record_find_unavailable(struct gs_settings *settings)
{
    free_unavailable(settings);
    for (size_t i = 0; i < gs_metrics_set_count(settings->metrics); i++) {
        const char *why = gs_metrics_set_unavailable(settings->metrics, i);
        struct gs_text line = {0};
        if (!why)
            continue;
        gs_text_add(&line, "%s: %s", gs_metrics_set_name(settings->metrics, i), why);
        if (!line.bytes)
            continue;
        settings->unavailable[settings->unavailable_count++] = line.bytes; // now owned by settings
        settings->unavailable_of_rules += i < settings->rules->metric_count;
    }
    settings->context->unavailable_count = settings->unavailable_count;
    settings->context->unavailable_of_rules = settings->unavailable_of_rules;
}

void gs_watch_record_log_unavailable(const struct gs_settings *settings)
{
    for (size_t i = 0; i < settings->unavailable_of_rules; i++)
        gs_log(GS_LOG_WARNING, "metric not available: %s", settings->unavailable[i]);
}
