/* unusual.c - "unusual": the distance from the recent median, in units of the usual spread.
 *
 *   score = (value − median) / (1.4826 × MAD)      MAD: the median of |tick − median| over the window before
 *   fires when value ≥ min and the score is reached
 *
 * 1.4826 × MAD of a normal distribution is its standard deviation. A constant window has a MAD of 0, so the MAD is taken
 * to be at least 1 % of the median, and at least floor_of the metric's unit. */
#include "base/text.h"
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>

struct unusual_fields {
    const char *why;
    double score;
    struct gs_span over;
    struct gs_threshold min;
};

void gs_rules_unusual_read(struct gs_rules_reader *reader, const json_t *value,
                           const struct gs_json_path *path, const struct gs_subject *subject,
                           struct gs_condition *condition)
{
    // clang-format off
    const struct gs_field fields[] = {
        {"score", gs_field_number,    offsetof(struct unusual_fields, score), 1, 1000, false, NULL},
        {"over",  gs_field_span,      offsetof(struct unusual_fields, over), 3, GS_WINDOW_POINTS_MAX, false, NULL},
        {"min",   gs_field_threshold, offsetof(struct unusual_fields, min), 0, 0, false, subject},
        GS_FIELD_WHY(struct unusual_fields),
    };
    // clang-format on
    struct unusual_fields written = {0};
    gs_rules_read_defaults(reader, "unusual", value, path, GS_FIELDS(fields), &written);
    if (!gs_rules_read_fields(reader, value, path, GS_FIELDS(fields), &written))
        return;
    condition->over = written.over;
    condition->unusual.score = written.score;
    condition->unusual.min = written.min;
}

static double floor_of(enum gs_unit unit)
{
    switch (unit) {
    case GS_BYTES:
    case GS_BYTES_PER_SECOND: return 4096; // a page
    case GS_PERCENT: return 0.1;
    case GS_COUNT:
    case GS_PER_SECOND: break;
    }
    return 0.5; // for whole numbers
}

static double median_and_spread(const struct gs_window *window, enum gs_unit unit, double *scratch,
                                double *spread)
{
    for (size_t i = 0; i < window->count; i++)
        scratch[i] = gs_rules_point_value(gs_rules_window_at(window, i));
    double median = gs_median(scratch, window->count);
    for (size_t i = 0; i < window->count; i++)
        scratch[i] = fabs(scratch[i] - median); // gs_median changed the order, which does not matter
    double mad = gs_median(scratch, window->count);
    *spread = 1.4826 * gs_larger(mad, gs_larger(0.01 * fabs(median), floor_of(unit)));
    return median;
}

struct gs_evaluation gs_rules_unusual_judge(const struct gs_condition *condition,
                                            const struct gs_condition_inputs *inputs)
{
    struct gs_evaluation evaluation = {.answer = GS_CANNOT_TELL, .line = NAN};
    const struct gs_threshold *min = &condition->unusual.min;
    if (!gs_rules_window_ready(inputs->window, inputs->now_ns) ||
        gs_rules_threshold_unknown(min, inputs->limit))
        return evaluation;
    double least = min->given ? gs_rules_threshold_line(min, inputs->limit) : -INFINITY;
    evaluation.usual = median_and_spread(inputs->window, inputs->unit, inputs->scratch, &evaluation.spread);
    evaluation.measured = (inputs->value - evaluation.usual) / evaluation.spread;
    evaluation.line = gs_larger(evaluation.usual + condition->unusual.score * evaluation.spread, least);
    bool unusual = evaluation.measured >= condition->unusual.score && inputs->value >= least;
    evaluation.answer = unusual ? GS_YES : GS_NO;
    evaluation.window_ns = gs_rules_window_reach(inputs->window, inputs->now_ns);
    return evaluation;
}

void gs_rules_unusual_explain(const struct gs_condition *condition, const struct gs_condition_inputs *inputs,
                              const struct gs_evaluation *evaluation, char *out, size_t size)
{
    char value[GS_UNIT_TEXT], line[GS_UNIT_TEXT], over[GS_UNIT_TEXT], median[GS_UNIT_TEXT],
        spread[GS_UNIT_TEXT];
    char score[GS_UNIT_TEXT], wanted[GS_UNIT_TEXT], held[GS_UNIT_TEXT];
    gs_units_print_apart(inputs->value, evaluation->line, inputs->unit, value, line);
    if (evaluation->answer == GS_CANNOT_TELL &&
        gs_rules_threshold_unknown(&condition->unusual.min, inputs->limit))
        snprintf(out, size, "\"min\" is a share of a limit that is unknown");
    else if (evaluation->answer == GS_CANNOT_TELL)
        gs_rules_window_explain(inputs->window, inputs->now_ns, out, size);
    else if (evaluation->answer == GS_NO)
        snprintf(out, size, "value %s, fires from %s", value, line);
    else
        snprintf(out, size,
                 "%s %s is unusual: score %s against the %s before (median %s, spread %s)%s; the rule fires "
                 "from %s",
                 inputs->metric, value, gs_units_print_count(evaluation->measured, score),
                 gs_rules_print_span(condition->over, over),
                 gs_units_print_value(evaluation->usual, inputs->unit, median),
                 gs_units_print_value(evaluation->spread, inputs->unit, spread),
                 gs_rules_print_held(inputs, held), gs_units_print_count(condition->unusual.score, wanted));
}

void gs_rules_unusual_describe(const struct gs_condition *condition, const struct gs_rule *rule,
                               uint64_t limit, struct gs_text *out)
{
    char score[GS_UNIT_TEXT], over[GS_UNIT_TEXT], line[GS_LINE_TEXT];
    gs_text_add(out, "is at least %s times its usual deviation above the median of the %s before",
                gs_units_print_count(condition->unusual.score, score),
                gs_rules_print_span(condition->over, over));
    if (condition->unusual.min.given)
        gs_text_add(out, ", and at least %s", gs_rules_name_line(&condition->unusual.min, rule, limit, line));
}

struct gs_range gs_rules_unusual_range(const struct gs_condition *condition, uint64_t limit, const char **key)
{
    const struct gs_threshold *min = &condition->unusual.min;
    *key = "min";
    return gs_rules_range_from(min->given ? gs_rules_threshold_line(min, limit) : -INFINITY);
}

/* Warn of a window with too few ticks, and of a window whose median moves before the rule's "for" is over. */
void gs_rules_unusual_advise(const struct gs_advisor *advisor, const struct gs_condition *condition,
                             const struct gs_json_path *path)
{
    enum { FEW = 10 };
    const struct gs_rule *rule = advisor->rule;
    struct gs_json_path over = {.up = path, .key = "over"}, for_path = {.up = advisor->path, .key = "for"};
    int64_t window_ns = gs_rules_span_ns(advisor, condition->over);
    char time[GS_UNIT_TEXT];
    if (window_ns < FEW * advisor->rules->interval_ns)
        gs_rules_warn_at(advisor, &over, NULL, "fewer than %d ticks do not show what is usual", FEW);
    if (rule->for_ns >= window_ns / 2 && rule->for_ns > 0)
        gs_rules_warn_at(
            advisor, &for_path, NULL,
            "\"for\" is half the window of \"unusual\" (%s) or more: by then the new value is the median",
            gs_rules_print_span(condition->over, time));
}
