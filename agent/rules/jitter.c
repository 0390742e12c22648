/* jitter.c - "jitter": a sudden rise over the mean of the ticks before.
 *
 *   value ≥ min   and   value − mean > rise × |mean|   and   value − mean > by
 *
 * The value itself is not in the mean: who asks for 25 % gets 25 %, whatever the window's length. */
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>

struct written { // as it stands in the file
    const char *why;
    double rise;
    struct gs_span over;
    struct gs_threshold min, by;
};

void gs_jitter_read(struct gs_reader *reader, const json_t *value, const struct gs_place *place,
                    const struct gs_subject *subject, struct gs_condition *condition)
{
    // clang-format off
    const struct gs_field fields[] = {
        {"rise", gs_field_share,     offsetof(struct written, rise), 0.001, 100, false, NULL}, // 0.1 % to 10000 %
        {"over", gs_field_span,      offsetof(struct written, over), 1, GS_WINDOW_POINTS_MAX, false, NULL},
        {"min",  gs_field_threshold, offsetof(struct written, min),  0, 0, false, subject},
        {"by",   gs_field_threshold, offsetof(struct written, by),   0, 0, false, subject},
        GS_FIELD_WHY(struct written),
    };
    // clang-format on
    struct written written = {.over.ticks = 10};
    if (!gs_read_fields(reader, value, place, GS_FIELDS(fields), &written))
        return;
    bool has_rise = json_object_get(value, "rise") != NULL;
    if (!has_rise && !json_object_get(value, "by"))
        gs_refuse(reader, place, GS_THE_VALUE, "add \"rise\": \"25%\"", "\"jitter\" needs \"rise\" or \"by\"");
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

struct gs_finding gs_jitter_judge(const struct gs_condition *condition, const struct gs_sight *sight)
{
    struct gs_finding finding = {.answer = GS_CANNOT_TELL, .line = NAN};
    const struct gs_threshold *min = &condition->jitter.min, *by = &condition->jitter.by;
    if (!gs_window_ready(sight->window, sight->now_ns) || gs_threshold_unknown(min, sight->limit) ||
        gs_threshold_unknown(by, sight->limit))
        return finding;
    double mean = gs_window_mean(sight->window);
    double rise = condition->jitter.has_rise ? condition->jitter.rise * magnitude(mean) : 0;
    double allowed = by->given ? gs_larger(rise, gs_threshold_line(by, sight->limit)) : rise;
    double least = min->given ? gs_threshold_line(min, sight->limit) : -INFINITY;
    bool jumped = sight->value - mean > allowed && sight->value >= least;
    finding.answer = jumped ? GS_YES : GS_NO;
    finding.line = gs_larger(mean + allowed, least);
    finding.usual = mean;
    finding.measured = sight->value - mean;
    finding.window_ns = gs_window_reach(sight->window, sight->now_ns);
    return finding;
}

/* "25 %", "10 MiB", or "25 % or 10 MiB, whichever is more". */
static void print_allowed(const struct gs_condition *condition, const struct gs_sight *sight, char *out, size_t size)
{
    char rise[GS_UNIT_TEXT], by[GS_LINE_TEXT];
    gs_print_percent(condition->jitter.rise, rise);
    gs_print_threshold(&condition->jitter.by, sight->unit, sight->limit, by);
    if (!condition->jitter.has_rise)
        snprintf(out, size, "%s", by);
    else if (!condition->jitter.by.given)
        snprintf(out, size, "%s", rise);
    else
        snprintf(out, size, "%s or %s, whichever is more", rise, by);
}

void gs_jitter_explain(const struct gs_condition *condition, const struct gs_sight *sight,
                       const struct gs_finding *finding, char *out, size_t size)
{
    char value[GS_UNIT_TEXT], line[GS_UNIT_TEXT], rise[GS_UNIT_TEXT], over[GS_UNIT_TEXT], mean[GS_UNIT_TEXT];
    char held[GS_UNIT_TEXT], allowed[2 * GS_LINE_TEXT];
    gs_print_value(sight->value, sight->unit, value);
    if (finding->answer == GS_CANNOT_TELL && gs_threshold_unknown(&condition->jitter.min, sight->limit)) {
        snprintf(out, size, "\"min\" is a share of a limit that is unknown");
        return;
    }
    if (finding->answer == GS_CANNOT_TELL) {
        gs_window_explain(sight->window, sight->now_ns, out, size);
        return;
    }
    if (finding->answer == GS_NO) {
        snprintf(out, size, "value %s, fires above %s", value, gs_print_value(finding->line, sight->unit, line));
        return;
    }
    if (condition->jitter.has_rise && finding->usual != 0) // of nothing there is no percentage
        gs_print_measured_percent(finding->measured / magnitude(finding->usual), rise);
    else
        gs_print_value(finding->measured, sight->unit, rise);
    print_allowed(condition, sight, allowed, sizeof allowed);
    snprintf(out, size, "%s %s is %s above the mean of the %s before (%s)%s; the rule allows %s", sight->metric,
             value, rise, gs_print_span(condition->over, over), gs_print_value(finding->usual, sight->unit, mean),
             gs_print_held(sight, held), allowed);
}

struct gs_range gs_jitter_range(const struct gs_condition *condition, uint64_t limit, const char **key)
{
    const struct gs_threshold *min = &condition->jitter.min;
    *key = "min";
    return gs_range_from(min->given ? gs_threshold_line(min, limit) : -INFINITY);
}

/* A rise that is more than all that there is; a jump that is to stand for as long as the window that it moves. */
void gs_jitter_advise(const struct gs_advisor *advisor, const struct gs_condition *condition,
                      const struct gs_place *place)
{
    const struct gs_rule *rule = advisor->rule;
    struct gs_range reach = gs_reach_of(advisor, gs_metric_find(rule->metric));
    struct gs_place by_place = {.up = place, .key = "by"}, for_place = {.up = advisor->place, .key = "for"};
    double by = gs_threshold_line(&condition->jitter.by, gs_limit_of(advisor, rule->share));
    char most[GS_UNIT_TEXT], over[GS_UNIT_TEXT];
    if (gs_threshold_unknown(&condition->jitter.by, gs_limit_of(advisor, rule->share)))
        gs_advise_unknown(advisor, rule->share, &by_place);
    if (by >= reach.to - reach.from)
        gs_advise(advisor, &by_place, NULL, "\"by\" cannot be reached: %s is at most %s", rule->metric,
                  gs_print_value(reach.to, rule->unit, most));
    if (rule->for_ns >= gs_span_ns(advisor, condition->over))
        gs_advise(advisor, &for_place, NULL,
                  "\"for\" is as long as the window of \"jitter\" (%s): by then a jump is in the mean itself",
                  gs_print_span(condition->over, over));
}
