/* growth.c - "growth": a slope that is robust against outliers.
 *
 *   Theil-Sen: the median of the slopes of all pairs of ticks in the window      fires when it is ≥ rate
 *   a rate such as "1%/h" is a share of the window's median, so one rule fits small and large servers
 *
 * A single spike, or a quarter of wrong ticks, does not change the slope. A step does if it is as high as rate × over.
 * n points have n²/2 pairs, so at most GS_SLOPE_POINTS_MAX points are used. A window of time has no more points: each is the
 * mean of consecutive ticks. From a longer window of ticks, evenly spaced ones are chosen, with the first and the last. */
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
    slope->share = strchr(text, '%') != NULL;
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
    struct growth_fields written = {.over.ns = 600 * 1000000000LL};
    if (!gs_rules_read_fields(reader, value, path, GS_FIELDS(fields), &written))
        return;
    if (!json_object_get(value, "rate"))
        gs_rules_refuse(reader, path, GS_THE_VALUE, "add \"rate\": \"1MiB/min\"",
                        "\"growth\" needs \"rate\"");
    condition->over = written.over;
    condition->growth = written.slope;
}

/* The point number I of COUNT points that are evenly spaced in the window. */
static const struct gs_point *chosen_point(const struct gs_window *window, size_t i, size_t count)
{
    return gs_rules_window_at(window, count > 1 ? i * (window->count - 1) / (count - 1) : 0);
}

static double middle_ns(const struct gs_point *point)
{
    return (double)(point->first_ns + (point->last_ns - point->first_ns) / 2);
}

/* The median slope per second, and the median value in *MEDIAN. NAN: all points have the same time. */
static double compute_slope(const struct gs_window *window, double *scratch, double *median)
{
    double at_ns[GS_SLOPE_POINTS_MAX], value[GS_SLOPE_POINTS_MAX];
    size_t count = window->count < GS_SLOPE_POINTS_MAX ? window->count : GS_SLOPE_POINTS_MAX, slopes = 0;
    for (size_t i = 0; i < count; i++) {
        at_ns[i] = middle_ns(chosen_point(window, i, count));
        value[i] = gs_rules_point_value(chosen_point(window, i, count));
    }
    for (size_t i = 0; i + 1 < count; i++)
        for (size_t j = i + 1; j < count; j++)
            if (at_ns[j] > at_ns[i])
                scratch[slopes++] = (value[j] - value[i]) / (at_ns[j] - at_ns[i]);
    *median = gs_median(value, count);
    return slopes ? gs_median(scratch, slopes) * 1e9 : NAN;
}

/* The slope, computed once for each new point: it hardly changes within a point's few ticks, and all pairs of 120 points
 * take about 40 µs, too much for every tick. */
static double current_slope(struct gs_window *window, double *scratch)
{
    if (window->slope.at != window->pushed)
        window->slope.per_second = compute_slope(window, scratch, &window->slope.median);
    window->slope.at = window->pushed;
    return window->slope.per_second;
}

struct gs_evaluation gs_rules_growth_judge(const struct gs_condition *condition,
                                           const struct gs_condition_inputs *inputs)
{
    struct gs_evaluation evaluation = {.answer = GS_CANNOT_TELL, .line = NAN};
    if (!gs_rules_window_ready(inputs->window, inputs->now_ns))
        return evaluation;
    evaluation.measured = current_slope(inputs->window, inputs->scratch);
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

/* "1.2 MiB/min"; per hour when the slope per minute is below 1. */
static const char *print_slope(double per_second, enum gs_unit unit, char out[2 * GS_UNIT_TEXT])
{
    char amount[GS_UNIT_TEXT];
    bool slow = per_second * 60 < 1 && per_second * 60 > -1;
    snprintf(out, 2 * GS_UNIT_TEXT, "%s/%s",
             gs_units_print_value(per_second * (slow ? 3600 : 60), unit, amount), slow ? "h" : "min");
    return out;
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
    print_slope(evaluation->measured, inputs->unit, found);
    print_slope(evaluation->spread, inputs->unit, wanted);
    if (condition->growth.share)
        snprintf(of_usual, sizeof of_usual, " (%s/h of the median %s)",
                 gs_units_print_percent(condition->growth.per_second * 3600, share),
                 gs_units_print_value(evaluation->usual, inputs->unit, usual));
    gs_rules_print_span(condition->over, over);
    if (evaluation->answer == GS_YES)
        snprintf(out, size, "%s %s has grown by %s over the %s before%s; the rule fires from %s%s",
                 inputs->metric, value, found, over, gs_rules_print_held(inputs, held), wanted, of_usual);
    else
        snprintf(out, size, "grows by %s over %s, fires from %s%s", found, over, wanted, of_usual);
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
