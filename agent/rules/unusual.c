/* unusual.c - "unusual": far from what has been usual lately, measured in how much it usually varies.
 *
 *   score = (value − median) / (1.4826 × MAD)      MAD: the median of |tick − median| over the window before
 *   fires when value ≥ min and the score is reached
 *
 * 1.4826 makes the MAD of a normal distribution its standard deviation. A window in which nothing varied has a MAD
 * of nothing, so the MAD is at least 1 % of the median, and at least FLOOR of the metric's unit. */
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>

struct written {
    const char *why;
    double score;
    struct gs_span over;
    struct gs_threshold min;
};

void gs_unusual_read(struct gs_reader *reader, const json_t *value, const struct gs_place *place,
                     const struct gs_subject *subject, struct gs_condition *condition)
{
    // clang-format off
    const struct gs_field fields[] = {
        {"score", gs_field_number,    offsetof(struct written, score), 1, 1000, false, NULL},
        {"over",  gs_field_span,      offsetof(struct written, over), 3, GS_WINDOW_POINTS_MAX, false, NULL},
        {"min",   gs_field_threshold, offsetof(struct written, min), 0, 0, false, subject},
        GS_FIELD_WHY(struct written),
    };
    // clang-format on
    struct written written = {.score = 6, .over.ns = 1800 * 1000000000LL};
    if (!gs_read_fields(reader, value, place, GS_FIELDS(fields), &written))
        return;
    condition->over = written.over;
    condition->unusual.score = written.score;
    condition->unusual.min = written.min;
}

static double floor_of(enum gs_unit unit)
{
    switch (unit) {
    case GS_BYTES:
    case GS_BYTES_PER_SECOND:
        return 4096; // a page
    case GS_PERCENT:
        return 0.1;
    case GS_COUNT:
    case GS_PER_SECOND:
        break;
    }
    return 0.5; // of things that come whole
}

static double median_and_spread(const struct gs_window *window, enum gs_unit unit, double *scratch, double *spread)
{
    for (size_t i = 0; i < window->count; i++)
        scratch[i] = gs_point_value(gs_window_at(window, i));
    double median = gs_median(scratch, window->count);
    for (size_t i = 0; i < window->count; i++)
        scratch[i] = fabs(scratch[i] - median); // in another order by now, which does not matter
    double mad = gs_median(scratch, window->count);
    *spread = 1.4826 * gs_larger(mad, gs_larger(0.01 * fabs(median), floor_of(unit)));
    return median;
}

struct gs_finding gs_unusual_judge(const struct gs_condition *condition, const struct gs_sight *sight)
{
    struct gs_finding finding = {.answer = GS_CANNOT_TELL, .line = NAN};
    const struct gs_threshold *min = &condition->unusual.min;
    if (!gs_window_ready(sight->window, sight->now_ns) || gs_threshold_unknown(min, sight->limit))
        return finding;
    double least = min->given ? gs_threshold_line(min, sight->limit) : -INFINITY;
    finding.usual = median_and_spread(sight->window, sight->unit, sight->scratch, &finding.spread);
    finding.measured = (sight->value - finding.usual) / finding.spread;
    finding.line = gs_larger(finding.usual + condition->unusual.score * finding.spread, least);
    bool unusual = finding.measured >= condition->unusual.score && sight->value >= least;
    finding.answer = unusual ? GS_YES : GS_NO;
    finding.window_ns = gs_window_reach(sight->window, sight->now_ns);
    return finding;
}

void gs_unusual_explain(const struct gs_condition *condition, const struct gs_sight *sight,
                        const struct gs_finding *finding, char *out, size_t size)
{
    char value[GS_UNIT_TEXT], line[GS_UNIT_TEXT], over[GS_UNIT_TEXT], median[GS_UNIT_TEXT], spread[GS_UNIT_TEXT];
    char score[GS_UNIT_TEXT], wanted[GS_UNIT_TEXT], held[GS_UNIT_TEXT];
    gs_print_value(sight->value, sight->unit, value);
    if (finding->answer == GS_CANNOT_TELL && gs_threshold_unknown(&condition->unusual.min, sight->limit))
        snprintf(out, size, "\"min\" is a share of a limit that is unknown");
    else if (finding->answer == GS_CANNOT_TELL)
        gs_window_explain(sight->window, sight->now_ns, out, size);
    else if (finding->answer == GS_NO)
        snprintf(out, size, "value %s, fires from %s", value, gs_print_value(finding->line, sight->unit, line));
    else
        snprintf(out, size,
                 "%s %s is unusual: score %s against the %s before (median %s, spread %s)%s; the rule fires from %s",
                 sight->metric, value, gs_print_count(finding->measured, score),
                 gs_print_span(condition->over, over), gs_print_value(finding->usual, sight->unit, median),
                 gs_print_value(finding->spread, sight->unit, spread), gs_print_held(sight, held),
                 gs_print_count(condition->unusual.score, wanted));
}

struct gs_range gs_unusual_range(const struct gs_condition *condition, uint64_t limit, const char **key)
{
    const struct gs_threshold *min = &condition->unusual.min;
    *key = "min";
    return gs_range_from(min->given ? gs_threshold_line(min, limit) : -INFINITY);
}

/* A window that shows little of what is usual; one whose median has moved before the rule's "for" is over. */
void gs_unusual_advise(const struct gs_advisor *advisor, const struct gs_condition *condition,
                       const struct gs_place *place)
{
    enum { FEW = 10 };
    const struct gs_rule *rule = advisor->rule;
    struct gs_place over = {.up = place, .key = "over"}, for_place = {.up = advisor->place, .key = "for"};
    int64_t window_ns = gs_span_ns(advisor, condition->over);
    char time[GS_UNIT_TEXT];
    if (window_ns < FEW * advisor->rules->interval_ns)
        gs_advise(advisor, &over, NULL, "fewer than %d ticks do not show what is usual", FEW);
    if (rule->for_ns >= window_ns / 2 && rule->for_ns > 0)
        gs_advise(advisor, &for_place, NULL,
                  "\"for\" is half the window of \"unusual\" (%s) or more: by then the new value is the median",
                  gs_print_span(condition->over, time));
}
