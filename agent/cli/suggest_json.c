/* suggest_json.c - prints the result of `gumshoe suggest --json`; the man page lists the keys. */
#include "cli/replay.h"
#include "cli/suggest.h"
#include <string.h>

static json_t *seconds(int64_t ns)
{
    return json_real((double)ns / GS_NS_PER_S);
}

static json_t *moment_json(const struct gs_suggest_session *session, int64_t time_ns)
{
    return gs_cli_moment_json(&(const struct gs_session){.about = session->about}, time_ns);
}

static json_t *metrics_json(const struct gs_fault *fault)
{
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < fault->part_count; i++)
        gs_json_add(&list, json_pack("{s:s, s:f, s:f}", "metric", fault->part[i].metric, "from",
                                     fault->part[i].from, "to", fault->part[i].to));
    return gs_json_take(&list);
}

/* The incidents of all rules on fault number AT, in the order of the rules. */
static json_t *fires_json(const struct gs_suggest_session *session, size_t at)
{
    const struct gs_suggested *suggested = session->suggested;
    const struct gs_fault *fault = &suggested->fault[at];
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < suggested->rule_count; i++) {
        const struct gs_hit *hit = &suggested->rule[i].hit[at];
        if (!hit->fires)
            continue;
        gs_json_add(&list, json_pack("{s:s, s:o, s:f, s:o, s:o, s:o}", "rule", suggested->rule[i].name,
                                     "time", moment_json(session, hit->time_ns), "value", hit->value,
                                     "seconds_after_begin", seconds(hit->time_ns - fault->begin_ns),
                                     "seconds_before_peak", seconds(fault->peak_ns - hit->time_ns),
                                     "seconds_before_end", seconds(fault->end_ns - hit->time_ns)));
    }
    return gs_json_take(&list);
}

static json_t *faults_json(const struct gs_suggest_session *session)
{
    const struct gs_suggested *suggested = session->suggested;
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < suggested->fault_count; i++) {
        const struct gs_fault *fault = &suggested->fault[i];
        gs_json_add(&list, json_pack("{s:s, s:o, s:o, s:o, s:b, s:b, s:o, s:o}", "kind",
                                     gs_reader_fault_name(fault->kind), "begin",
                                     moment_json(session, fault->begin_ns), "peak",
                                     moment_json(session, fault->peak_ns), "end",
                                     moment_json(session, fault->end_ns), "lasts", fault->lasts, "at_limit",
                                     fault->to_limit, "metrics", metrics_json(fault), "fires",
                                     fires_json(session, i)));
    }
    return gs_json_take(&list);
}

static json_t *usual_json(const struct gs_suggest_session *session)
{
    const struct gs_suggested *suggested = session->suggested;
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < suggested->usual_count; i++) {
        const struct gs_usual_rise *usual = &suggested->usual[i];
        gs_json_add(&list,
                    json_pack("{s:s, s:s, s:I, s:f, s:f, s:o, s:o}", "metric", usual->metric, "because",
                              gs_cli_usual_name(usual->cause), "count", (json_int_t)usual->count, "from",
                              usual->from, "to", usual->to, "first", moment_json(session, usual->first_ns),
                              "last", moment_json(session, usual->last_ns)));
    }
    return gs_json_take(&list);
}

static json_t *counts_json(const struct gs_suggested *suggested)
{
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < suggested->rule_count; i++) {
        const struct gs_suggested_rule *rule = &suggested->rule[i];
        struct gs_json faults = gs_json_array();
        for (size_t k = 0; k < suggested->fault_count; k++)
            if (rule->hit[k].fires)
                gs_json_add(&faults, json_integer((json_int_t)k + 1));
        gs_json_add(&list,
                    json_pack("{s:s, s:s, s:o, s:I}", "rule", rule->name, "metric", rule->metric, "fires_on",
                              gs_json_take(&faults), "otherwise", (json_int_t)rule->otherwise));
    }
    return gs_json_take(&list);
}

static json_t *notes_json(const struct gs_text *notes)
{
    struct gs_json list = gs_json_array();
    const char *line = notes->bytes ? notes->bytes : "";
    for (const char *end; (end = strchr(line, '\n')); line = end + 1)
        gs_json_add(&list, json_stringn(line, (size_t)(end - line)));
    return gs_json_take(&list);
}

/* The numbers of the faults on which no rule fires; the first is 1. */
static json_t *missed_json(const struct gs_suggested *suggested)
{
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < suggested->fault_count; i++)
        if (!gs_reader_suggested_covers(suggested, i))
            gs_json_add(&list, json_integer((json_int_t)i + 1));
    return gs_json_take(&list);
}

int gs_cli_suggest_print_json(const struct gs_suggest_session *session)
{
    const struct gs_suggested *suggested = session->suggested;
    size_t last = gs_history_length(session->history) - 1;
    json_error_t error;
    json_t *history = json_pack("{s:I, s:o, s:o, s:f, s:o}", "rows", (json_int_t)last + 1, "from",
                                moment_json(session, gs_history_time(session->history, 0)), "to",
                                moment_json(session, gs_history_time(session->history, last)), "interval_ms",
                                (double)gs_history_interval_ns(session->history) / GS_NS_PER_MS, "limit",
                                session->constraints.limit_bytes
                                    ? json_integer((json_int_t)session->constraints.limit_bytes)
                                    : json_null());
    json_t *json =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o}", "missed", missed_json(suggested), "faults",
                  faults_json(session), "usual", usual_json(session), "fires", counts_json(suggested),
                  "history", history, "per_week", (json_int_t)session->constraints.per_week, "otherwise",
                  (json_int_t)suggested->otherwise, "notes", notes_json(&suggested->notes), "rules",
                  gs_json_read(suggested->rules.bytes, suggested->rules.length, 0, &error));
    int status = gs_cli_print_json(json);
    json_decref(json);
    return status;
}
