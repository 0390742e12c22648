/* replay_json.c - prints the result of `gumshoe replay --json`; the man page lists the keys. */
#include "cli/replay.h"
#include <math.h>
#include <string.h>

json_t *gs_cli_moment_json(const struct gs_session *session, int64_t time_ns)
{
    char text[GS_TIME_TEXT];
    if (!session->about.plain_seconds)
        return json_string(gs_clock_print(time_ns, GS_TIME_ISO, text));
    if (time_ns % GS_NS_PER_S == 0)
        return json_integer(time_ns / GS_NS_PER_S);
    return json_real((double)time_ns / GS_NS_PER_S);
}

static json_t *number_or_null(double value)
{
    if (!isfinite(value))
        return json_null();
    bool whole = fabs(value) < 1e15 && value == (double)(long long)value;
    return whole ? json_integer((json_int_t)value) : json_real(value);
}

static json_t *firings_json(const struct gs_session *session, const struct gs_replayed *replayed)
{
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < replayed->firing_count; i++) {
        const struct gs_firing *firing = &replayed->firing[i];
        gs_json_add(&list, json_pack("{s:o, s:s, s:o, s:o, s:s}", "time",
                                     gs_cli_moment_json(session, firing->time_ns), "condition",
                                     firing->condition, "value", number_or_null(firing->value), "line",
                                     number_or_null(firing->line), "reason", firing->reason));
    }
    return gs_json_take(&list);
}

static json_t *closest_json(const struct gs_session *session, const struct gs_replayed *replayed)
{
    if (replayed->fired || replayed->obstacle == GS_NO_METRIC)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "time", gs_cli_moment_json(session, replayed->time_ns), "value",
                     number_or_null(replayed->value), "line", number_or_null(replayed->line));
}

static json_t *missed_json(const struct gs_replayed *replayed)
{
    struct gs_json json = gs_json_object();
    for (int i = 0; i < GS_OBSTACLES; i++)
        if (replayed->missed[i])
            gs_json_set(&json, gs_rules_obstacle_name((enum gs_obstacle)i),
                        json_integer((json_int_t)replayed->missed[i]));
    return gs_json_take(&json);
}

static json_t *rule_json(const struct gs_session *session, const struct gs_candidate *candidate, size_t rule)
{
    const struct gs_rule *the_rule = &candidate->rules->rule[rule];
    const struct gs_replayed *replayed = &candidate->replay->rule[rule];
    char text[GS_HELD_BACK_TEXT];
    return json_pack(
        "{s:o, s:s, s:s?, s:o, s:I, s:o, s:o, s:s?, s:s?}", "file", gs_json_printable(candidate->rules->file),
        "rule", the_rule->name, "metric", the_rule->metric, "fired", firings_json(session, replayed),
        "fired_count", (json_int_t)replayed->fired, "closest", closest_json(session, replayed), "missed",
        missed_json(replayed), "held_back", replayed->fired ? NULL : gs_cli_print_held_back(replayed, text),
        "held_back_by", replayed->fired ? NULL : gs_rules_obstacle_name(replayed->obstacle));
}

static json_t *notes_json(const struct gs_session *session)
{
    struct gs_json list = gs_json_array();
    for (size_t i = 0; i < session->count; i++) {
        struct gs_notes notes = gs_cli_replay_notes(session, &session->candidate[i]);
        for (size_t k = 0; k < notes.count; k++)
            gs_json_add(&list, json_sprintf("%s: %s", session->candidate[i].rules->file, notes.text[k]));
    }
    return gs_json_take(&list);
}

int gs_cli_replay_print_json(const struct gs_session *session)
{
    const struct gs_history *history = session->history;
    size_t last = gs_history_length(history) - 1;
    struct gs_json rules = gs_json_array();
    for (size_t i = 0; i < session->count; i++)
        for (size_t k = 0; k < session->candidate[i].rules->rule_count; k++)
            gs_json_add(&rules, rule_json(session, &session->candidate[i], k));
    json_t *about =
        json_pack("{s:I, s:I, s:I, s:o, s:o, s:f, s:o}", "rows", (json_int_t)last + 1, "processes",
                  (json_int_t)(session->about.processes ? session->about.processes : 1), "gaps",
                  (json_int_t)session->candidate[0].replay->gaps, "from",
                  gs_cli_moment_json(session, gs_history_time(history, 0)), "to",
                  gs_cli_moment_json(session, gs_history_time(history, last)), "interval_ms",
                  (double)gs_history_interval_ns(history) / GS_NS_PER_MS, "limit",
                  session->limit_bytes ? json_integer((json_int_t)session->limit_bytes) : json_null());
    json_t *json = json_pack("{s:o, s:o, s:o}", "rules", gs_json_take(&rules), "history", about, "notes",
                             notes_json(session));
    int status = gs_cli_print_json(json);
    json_decref(json);
    return status;
}
