/* growth.c - "growth": the slope of the window (slope.c) is at least the rate.
 *
 *   a rate such as "1%/h" is a share of the window's median, so one rule fits small and large servers */
#include "base/text.h"
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

struct growth_fields {
    const char *why;
    struct gs_slope slope;
    struct gs_span over;
};

/* Read TEXT as a rate of METRIC, or as a share of the median per time. */
static int read_slope(const char *text, const struct gs_metric *metric, struct gs_slope *slope,
                      struct gs_unit_error *error)
{
    const char *slash = strchr(text, '/');
    slope->share = strchr(text, '%') != NULL;
    slope->per_s = !slash || slash[1] == 'h' ? 3600 : slash[1] == 'm' ? 60 : 1;
    if (slope->share)
        return gs_units_read_share_rate(text, &slope->per_second, error);
    if (metric->unit == GS_BYTES)
        return gs_units_read_rate(text, &slope->per_second, error);
    return gs_units_read_count_rate(text, &slope->per_second, error);
}

GS_FIELD_READER(gs_field_slope)
{
    const struct gs_metric *metric = field->subject->metric;
    struct gs_unit_error error;
    struct gs_slope slope;
    if (!metric)
        return;
    if (!json_is_string(value)) {
        gs_rules_refuse_type(reader, value, path,
                             metric->unit == GS_BYTES ? "a rate such as \"1MiB/min\""
                                                      : "a rate such as \"10/min\"");
        return;
    }
    if (read_slope(json_string_value(value), metric, &slope, &error))
        gs_rules_refuse(reader, path, GS_THE_VALUE, error.hint, "%s", error.why);
    else if (slope.per_second <= 0)
        gs_rules_refuse(reader, path, GS_THE_VALUE, NULL, "\"%s\" must be more than 0", field->key);
    else
        *(struct gs_slope *)into = slope;
}

void gs_rules_growth_read(struct gs_rules_reader *reader, const json_t *value,
                          const struct gs_json_path *path, const struct gs_subject *subject,
                          struct gs_condition *condition)
{
    // clang-format off
    const struct gs_field fields[] = {
        {"rate", gs_field_slope, offsetof(struct growth_fields, slope), 0, 0, false, subject},
        {"over", gs_field_span,  offsetof(struct growth_fields, over), 3, GS_WINDOW_POINTS_MAX, false, NULL},
        GS_FIELD_WHY(struct growth_fields),
    };
    // clang-format on
    struct growth_fields written = {0};
    gs_rules_read_defaults(reader, "growth", value, path, GS_FIELDS(fields), &written);
    if (!gs_rules_read_fields(reader, value, path, GS_FIELDS(fields), &written))
        return;
    if (!json_object_get(value, "rate"))
        gs_rules_refuse(reader, path, GS_THE_VALUE, "add \"rate\": \"1MiB/min\"",
                        "\"growth\" needs \"rate\"");
    condition->over = written.over;
    condition->growth = written.slope;
}

struct gs_evaluation gs_rules_growth_judge(const struct gs_condition *condition,
                                           const struct gs_condition_inputs *inputs)
{
    struct gs_evaluation evaluation = {.answer = GS_CANNOT_TELL, .line = NAN};
    if (!gs_rules_window_ready(inputs->window, inputs->now_ns))
        return evaluation;
    evaluation.measured = gs_rules_slope(inputs->window, inputs->scratch);
    if (isnan(evaluation.measured))
        return evaluation;
    evaluation.usual = inputs->window->slope.median;
    evaluation.spread = condition->growth.per_second * (condition->growth.share ? fabs(evaluation.usual) : 1);
    evaluation.window_ns = gs_rules_window_reach(inputs->window, inputs->now_ns);
    // 1e-9: rounding must not decide about a ramp that grows at exactly the rate. A constant value does not grow
    bool grows = evaluation.measured > 0 && evaluation.measured >= evaluation.spread * (1 - 1e-9);
    evaluation.answer = grows ? GS_YES : GS_NO;
    evaluation.line =
        inputs->value - (evaluation.measured - evaluation.spread) * (double)evaluation.window_ns / 1e9;
    return evaluation;
}

void gs_rules_growth_explain(const struct gs_condition *condition, const struct gs_condition_inputs *inputs,
                             const struct gs_evaluation *evaluation, char *out, size_t size)
{
    char value[GS_UNIT_TEXT], over[GS_UNIT_TEXT], held[GS_UNIT_TEXT];
    char found[2 * GS_UNIT_TEXT], wanted[2 * GS_UNIT_TEXT], usual[GS_UNIT_TEXT], share[GS_UNIT_TEXT];
    char of_usual[3 * GS_UNIT_TEXT] = "";
    if (evaluation->answer == GS_CANNOT_TELL) {
        gs_rules_window_explain(inputs->window, inputs->now_ns, out, size);
        return;
    }
    gs_units_print_value(inputs->value, inputs->unit, value);
    const struct gs_slope *rate = &condition->growth;
    gs_rules_print_slopes(evaluation->measured, evaluation->spread, inputs->unit, rate->per_s, found, wanted);
    if (rate->share)
        snprintf(of_usual, sizeof of_usual, " (%s/%s of the median %s)",
                 gs_units_print_percent(rate->per_second * rate->per_s, share),
                 rate->per_s == 1    ? "s"
                 : rate->per_s == 60 ? "min"
                                     : "h",
                 gs_units_print_value(evaluation->usual, inputs->unit, usual));
    gs_rules_print_span(condition->over, over);
    if (evaluation->answer == GS_YES)
        snprintf(out, size, "%s %s has grown by %s over the %s before%s; the rule fires from %s%s",
                 inputs->metric, value, found, over, gs_rules_print_held(inputs, held), wanted, of_usual);
    else
        snprintf(out, size, "grows by %s over %s, fires from %s%s", found, over, wanted, of_usual);
}

void gs_rules_growth_describe(const struct gs_condition *condition, const struct gs_rule *rule,
                              uint64_t limit, struct gs_text *out)
{
    char rate[2 * GS_UNIT_TEXT], share[GS_UNIT_TEXT], over[GS_UNIT_TEXT];
    (void)limit;
    gs_rules_print_span(condition->over, over);
    if (condition->growth.share)
        gs_text_add(out, "grows by at least %s of its median an hour over %s",
                    gs_units_print_percent(condition->growth.per_second * 3600, share), over);
    else
        gs_text_add(out, "grows by at least %s over %s",
                    gs_rules_print_slope(condition->growth.per_second, rule->unit, rate), over);
}

/* Warn of a rate that would exceed the metric's range within the window. */
void gs_rules_growth_advise(const struct gs_advisor *advisor, const struct gs_condition *condition,
                            const struct gs_json_path *path)
{
    const struct gs_rule *rule = advisor->rule;
    struct gs_range reach = gs_rules_reachable_values(advisor, gs_metrics_find(rule->metric));
    struct gs_json_path rate = {.up = path, .key = "rate"};
    double grown = condition->growth.per_second * (double)gs_rules_span_ns(advisor, condition->over) / 1e9;
    char over[GS_UNIT_TEXT], amount[GS_UNIT_TEXT], most[GS_UNIT_TEXT];
    if (!condition->growth.share && grown > reach.to - reach.from)
        gs_rules_warn_at(
            advisor, &rate, NULL, "\"rate\" cannot go on over %s: that makes %s, and %s is at most %s",
            gs_rules_print_span(condition->over, over), gs_units_print_value(grown, rule->unit, amount),
            rule->metric, gs_units_print_value(reach.to, rule->unit, most));
}
