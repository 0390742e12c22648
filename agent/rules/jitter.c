/* jitter.c - "jitter": a sudden rise over the mean of the ticks before.
 *
 *   value ≥ min   and   value − mean > rise × |mean|   and   value − mean > by
 *
 * The mean does not include the value itself, so "25%" means 25 %, whatever the window's length. */
#include "base/text.h"
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>

struct jitter_fields { // as in the file
    const char *why;
    double rise;
    struct gs_span over;
    struct gs_threshold min, by;
};

void gs_rules_jitter_read(struct gs_rules_reader *reader, const json_t *value,
                          const struct gs_json_path *path, const struct gs_subject *subject,
                          struct gs_condition *condition)
{
    // clang-format off
    const struct gs_field fields[] = {
        {"rise", gs_field_share,     offsetof(struct jitter_fields, rise), 0.001, 100, false, NULL}, // 0.1 % to 10000 %
        {"over", gs_field_span,      offsetof(struct jitter_fields, over), 1, GS_WINDOW_POINTS_MAX, false, NULL},
        {"min",  gs_field_threshold, offsetof(struct jitter_fields, min),  0, 0, false, subject},
        {"by",   gs_field_threshold, offsetof(struct jitter_fields, by),   0, 0, false, subject},
        GS_FIELD_WHY(struct jitter_fields),
    };
    // clang-format on
    struct jitter_fields written = {0};
    gs_rules_read_defaults(reader, "jitter", value, path, GS_FIELDS(fields), &written);
    if (!gs_rules_read_fields(reader, value, path, GS_FIELDS(fields), &written))
        return;
    bool has_rise = json_object_get(value, "rise") != NULL;
    if (!has_rise && !json_object_get(value, "by"))
        gs_rules_refuse(reader, path, GS_THE_VALUE, "add \"rise\": \"25%\"",
                        "\"jitter\" needs \"rise\" or \"by\"");
    condition->over = written.over;
    condition->jitter.rise = written.rise;
    condition->jitter.has_rise = has_rise;
    condition->jitter.min = written.min;
    condition->jitter.by = written.by;
}

static double magnitude(double value)
{
    return value < 0 ? -value : value;
}

struct gs_evaluation gs_rules_jitter_judge(const struct gs_condition *condition,
                                           const struct gs_condition_inputs *inputs)
{
    struct gs_evaluation evaluation = {.answer = GS_CANNOT_TELL, .line = NAN};
    const struct gs_threshold *min = &condition->jitter.min, *by = &condition->jitter.by;
    if (!gs_rules_window_ready(inputs->window, inputs->now_ns) ||
        gs_rules_threshold_unknown(min, inputs->limit) || gs_rules_threshold_unknown(by, inputs->limit))
        return evaluation;
    double mean = gs_rules_window_mean(inputs->window);
    double rise = condition->jitter.has_rise ? condition->jitter.rise * magnitude(mean) : 0;
    double allowed = by->given ? gs_larger(rise, gs_rules_threshold_line(by, inputs->limit)) : rise;
    double least = min->given ? gs_rules_threshold_line(min, inputs->limit) : -INFINITY;
    bool jumped = inputs->value - mean > allowed && inputs->value >= least;
    evaluation.answer = jumped ? GS_YES : GS_NO;
    evaluation.line = gs_larger(mean + allowed, least);
    evaluation.usual = mean;
    evaluation.measured = inputs->value - mean;
    evaluation.window_ns = gs_rules_window_reach(inputs->window, inputs->now_ns);
    return evaluation;
}

/* "25 %", "10 MiB", or "25 % or 10 MiB, whichever is more". */
static void print_allowed(const struct gs_condition *condition, const struct gs_condition_inputs *inputs,
                          char *out, size_t size)
{
    char rise[GS_UNIT_TEXT], by[GS_LINE_TEXT];
    gs_units_print_percent(condition->jitter.rise, rise);
    gs_rules_print_threshold(&condition->jitter.by, inputs->unit, inputs->limit, by);
    if (!condition->jitter.has_rise)
        snprintf(out, size, "%s", by);
    else if (!condition->jitter.by.given)
        snprintf(out, size, "%s", rise);
    else
        snprintf(out, size, "%s or %s, whichever is more", rise, by);
}

void gs_rules_jitter_explain(const struct gs_condition *condition, const struct gs_condition_inputs *inputs,
                             const struct gs_evaluation *evaluation, char *out, size_t size)
{
    char value[GS_UNIT_TEXT], line[GS_UNIT_TEXT], rise[GS_UNIT_TEXT], over[GS_UNIT_TEXT], mean[GS_UNIT_TEXT];
    char held[GS_UNIT_TEXT], allowed[2 * GS_LINE_TEXT];
    gs_units_print_apart(inputs->value, evaluation->line, inputs->unit, value, line);
    if (evaluation->answer == GS_CANNOT_TELL &&
        gs_rules_threshold_unknown(&condition->jitter.min, inputs->limit)) {
        snprintf(out, size, "\"min\" is a share of a limit that is unknown");
        return;
    }
    if (evaluation->answer == GS_CANNOT_TELL) {
        gs_rules_window_explain(inputs->window, inputs->now_ns, out, size);
        return;
    }
    if (evaluation->answer == GS_NO) {
        snprintf(out, size, "value %s, fires above %s", value, line);
        return;
    }
    if (condition->jitter.has_rise && evaluation->usual != 0) // no percentage of 0
        gs_units_print_measured_percent(evaluation->measured / magnitude(evaluation->usual), rise);
    else
        gs_units_print_value(evaluation->measured, inputs->unit, rise);
    print_allowed(condition, inputs, allowed, sizeof allowed);
    snprintf(out, size, "%s %s is %s above the mean of the %s before (%s)%s; the rule allows %s",
             inputs->metric, value, rise, gs_rules_print_span(condition->over, over),
             gs_units_print_value(evaluation->usual, inputs->unit, mean), gs_rules_print_held(inputs, held),
             allowed);
}

void gs_rules_jitter_describe(const struct gs_condition *condition, const struct gs_rule *rule,
                              uint64_t limit, struct gs_text *out)
{
    char rise[GS_UNIT_TEXT], over[GS_UNIT_TEXT], line[GS_LINE_TEXT];
    gs_text_add(out, "is more than ");
    if (condition->jitter.has_rise)
        gs_text_add(out, "%s", gs_units_print_percent(condition->jitter.rise, rise));
    if (condition->jitter.by.given)
        gs_text_add(out, "%s%s", condition->jitter.has_rise ? " and more than " : "",
                    gs_rules_name_line(&condition->jitter.by, rule, limit, line));
    gs_text_add(out, " above the mean of the %s before", gs_rules_print_span(condition->over, over));
    if (condition->jitter.min.given)
        gs_text_add(out, ", and at least %s", gs_rules_name_line(&condition->jitter.min, rule, limit, line));
}

struct gs_range gs_rules_jitter_range(const struct gs_condition *condition, uint64_t limit, const char **key)
{
    const struct gs_threshold *min = &condition->jitter.min;
    *key = "min";
    return gs_rules_range_from(min->given ? gs_rules_threshold_line(min, limit) : -INFINITY);
}

/* Warn of a rise that exceeds the metric's range, and of a "for" as long as the window: by then the jump is in the mean. */
void gs_rules_jitter_advise(const struct gs_advisor *advisor, const struct gs_condition *condition,
                            const struct gs_json_path *path)
{
    const struct gs_rule *rule = advisor->rule;
    struct gs_range reach = gs_rules_reachable_values(advisor, gs_metrics_find(rule->metric));
    struct gs_json_path by_path = {.up = path, .key = "by"}, for_path = {.up = advisor->path, .key = "for"};
    double by = gs_rules_threshold_line(&condition->jitter.by, gs_rules_limit_of(advisor, rule->share));
    char most[GS_UNIT_TEXT], over[GS_UNIT_TEXT];
    if (gs_rules_threshold_unknown(&condition->jitter.by, gs_rules_limit_of(advisor, rule->share)))
        gs_rules_warn_unknown(advisor, rule->share, &by_path);
    if (by >= reach.to - reach.from)
        gs_rules_warn_at(advisor, &by_path, NULL, "\"by\" cannot be reached: %s is at most %s", rule->metric,
                         gs_units_print_value(reach.to, rule->unit, most));
    if (rule->for_ns >= gs_rules_span_ns(advisor, condition->over))
        gs_rules_warn_at(
            advisor, &for_path, NULL,
            "\"for\" is as long as the window of \"jitter\" (%s): by then a jump is in the mean itself",
            gs_rules_print_span(condition->over, over));
}
