/* reaches.c - "reaches": at the slope of the window (slope.c), the value will have crossed the line within some time.
 *
 *   value ≥ line   or   slope > 0 and value + slope × within ≥ line */
#include "base/text.h"
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>

struct reaches_fields { // as in the file
    const char *why;
    struct gs_threshold line;
    int64_t within_ns;
    struct gs_span over;
};

void gs_rules_reaches_read(struct gs_rules_reader *reader, const json_t *value,
                           const struct gs_json_path *path, const struct gs_subject *subject,
                           struct gs_condition *condition)
{
    // clang-format off
    const struct gs_field fields[] = {
        {"line",   gs_field_threshold, offsetof(struct reaches_fields, line), 0, 0, false, subject},
        {"within", gs_field_duration,  offsetof(struct reaches_fields, within_ns), 1e9, 30 * 86400e9, false, NULL},
        {"over",   gs_field_span,      offsetof(struct reaches_fields, over), 3, GS_WINDOW_POINTS_MAX, false, NULL},
        GS_FIELD_WHY(struct reaches_fields),
    };
    // clang-format on
    struct reaches_fields written = {0};
    gs_rules_read_defaults(reader, "reaches", value, path, GS_FIELDS(fields), &written);
    if (!gs_rules_read_fields(reader, value, path, GS_FIELDS(fields), &written))
        return;
    if (!json_object_get(value, "line"))
        gs_rules_refuse(reader, path, GS_THE_VALUE, "add \"line\": \"95%\"", "\"reaches\" needs \"line\"");
    if (!json_object_get(value, "within"))
        gs_rules_refuse(reader, path, GS_THE_VALUE, "add \"within\": \"10m\"",
                        "\"reaches\" needs \"within\"");
    condition->over = written.over;
    condition->reaches.line = written.line;
    condition->reaches.within_ns = written.within_ns;
}

/* Of the evaluation, `usual` is the line that the value will cross, and `spread` is in how many seconds: infinite if it does
 * not move towards the line. `line` is the value from which the condition holds at this slope. */
struct gs_evaluation gs_rules_reaches_judge(const struct gs_condition *condition,
                                            const struct gs_condition_inputs *inputs)
{
    struct gs_evaluation evaluation = {.answer = GS_CANNOT_TELL, .line = NAN};
    double line = gs_rules_threshold_line(&condition->reaches.line, inputs->limit);
    if (isnan(line) || !gs_rules_window_ready(inputs->window, inputs->now_ns))
        return evaluation;
    evaluation.measured = gs_rules_slope(inputs->window, inputs->scratch);
    if (isnan(evaluation.measured))
        return evaluation;
    double within_s = (double)condition->reaches.within_ns / 1e9, slope = evaluation.measured;
    evaluation.usual = line;
    evaluation.spread = inputs->value >= line ? 0 : slope > 0 ? (line - inputs->value) / slope : INFINITY;
    evaluation.window_ns = gs_rules_window_reach(inputs->window, inputs->now_ns);
    // 1e-9: rounding must not decide about a ramp that crosses the line at exactly that time
    evaluation.answer = evaluation.spread <= within_s * (1 + 1e-9) ? GS_YES : GS_NO;
    evaluation.line = line - (slope > 0 ? slope * within_s : 0);
    return evaluation;
}

void gs_rules_reaches_explain(const struct gs_condition *condition, const struct gs_condition_inputs *inputs,
                              const struct gs_evaluation *evaluation, char *out, size_t size)
{
    char value[GS_UNIT_TEXT], line[GS_LINE_TEXT], held[GS_UNIT_TEXT], over[GS_UNIT_TEXT],
        slope[2 * GS_UNIT_TEXT];
    char left[GS_UNIT_TEXT], within[GS_UNIT_TEXT];
    if (evaluation->answer == GS_CANNOT_TELL) {
        gs_rules_window_explain(inputs->window, inputs->now_ns, out, size);
        return;
    }
    gs_rules_print_apart(inputs->value, &condition->reaches.line, inputs->unit, inputs->limit, value, line);
    gs_rules_print_slope(evaluation->measured, inputs->unit, slope);
    gs_rules_print_span(condition->over, over);
    gs_units_print_duration(condition->reaches.within_ns, within);
    if (evaluation->spread < 1e9)
        gs_units_print_duration((int64_t)(evaluation->spread * 1e9), left);
    else
        snprintf(left, sizeof left, "%s", "years");
    if (evaluation->answer == GS_YES && evaluation->spread <= 0)
        snprintf(out, size, "%s %s has reached %s%s", inputs->metric, value, line,
                 gs_rules_print_held(inputs, held));
    else if (evaluation->answer == GS_YES)
        snprintf(out, size, "%s %s will reach %s in %s: it has grown by %s over the %s before%s",
                 inputs->metric, value, line, left, slope, over, gs_rules_print_held(inputs, held));
    else if (isinf(evaluation->spread))
        snprintf(out, size, "value %s does not grow over %s, fires %s before %s", value, over, within, line);
    else
        snprintf(out, size, "value %s grows by %s over %s and reaches %s in %s, fires %s before", value,
                 slope, over, line, left, within);
}

void gs_rules_reaches_describe(const struct gs_condition *condition, const struct gs_rule *rule,
                               uint64_t limit, struct gs_text *out)
{
    char line[GS_LINE_TEXT], within[GS_UNIT_TEXT], over[GS_UNIT_TEXT];
    gs_text_add(out, "is at %s, or will be there within %s at the growth of the last %s",
                gs_rules_name_line(&condition->reaches.line, rule, limit, line),
                gs_units_print_duration(condition->reaches.within_ns, within),
                gs_rules_print_span(condition->over, over));
}

/* Warn of a line that the metric cannot reach, or that is a share of an unknown limit. */
void gs_rules_reaches_advise(const struct gs_advisor *advisor, const struct gs_condition *condition,
                             const struct gs_json_path *path)
{
    const struct gs_rule *rule = advisor->rule;
    uint64_t limit = gs_rules_limit_of(advisor, rule->share);
    struct gs_range reach = gs_rules_reachable_values(advisor, gs_metrics_find(rule->metric));
    struct gs_json_path line_path = {.up = path, .key = "line"};
    char most[GS_UNIT_TEXT];
    if (gs_rules_threshold_unknown(&condition->reaches.line, limit))
        gs_rules_warn_unknown(advisor, rule->share, &line_path);
    if (gs_rules_threshold_line(&condition->reaches.line, limit) > reach.to)
        gs_rules_warn_at(advisor, &line_path, NULL, "\"line\" cannot be reached: %s is at most %s",
                         rule->metric, gs_units_print_value(reach.to, rule->unit, most));
}
