/* state.c - a short text on why a rule has or has not fired. Of several reasons it gives the one nearest to an incident.
 * Who: status, replay, tests. */
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>

size_t gs_rules_judge_nearest(const struct gs_rule *rule, const struct gs_rule_record *record)
{
    size_t nearest = 0;
    double nearest_distance = INFINITY;
    for (size_t i = 0; i < rule->condition_count; i++) {
        if (record->state[i].holds)
            return i;
        double distance = fabs(record->state[i].evaluation.line - record->value);
        if (distance < nearest_distance) {
            nearest = i;
            nearest_distance = distance;
        }
    }
    return nearest;
}

static bool explain_held_back(const struct gs_judge *judge, size_t rule, char *out, size_t size)
{
    const struct gs_rule *the_rule = &judge->rules->rule[rule];
    const struct gs_rule_record *record = &judge->record[rule];
    const struct gs_suppression *suppression = the_rule->suppression;
    char value[GS_UNIT_TEXT], line[GS_LINE_TEXT];
    switch (record->held_back) {
    case GS_NOT_HELD_BACK: return false;
    case GS_BY_UNLESS_ABOVE:
        gs_rules_print_apart(record->value, &suppression->unless_above, the_rule->unit,
                             judge->limit[the_rule->share], value, line);
        snprintf(out, size, "held back: value %.30s is above %.80s (unless_above)", value, line);
        break;
    case GS_BY_UNLESS:
        snprintf(out, size, "held back: %.60s is %s (unless)", suppression->unless.metric,
                 gs_units_print_value(record->unless_value, suppression->unless.unit, value));
        break;
    case GS_BY_RULES_HOUR:
        snprintf(out, size, "held back: hourly limit of %llu reached",
                 (unsigned long long)suppression->max_per_hour);
        break;
    case GS_BY_ALL_HOUR:
        snprintf(out, size, "held back: hourly limit of %llu for all rules reached",
                 (unsigned long long)judge->rules->incidents.max_per_hour);
        break;
    }
    return true;
}

/* A reason that concerns the whole rule: busy, cooldown, suppression. False: none. */
static bool explain_rule(const struct gs_judge *judge, size_t rule, int64_t now_ns, char *out, size_t size)
{
    const struct gs_rule_record *record = &judge->record[rule];
    char time[GS_UNIT_TEXT];
    if (record->busy)
        snprintf(out, size, "its incident is being captured");
    else if (now_ns < record->cool_until_ns)
        snprintf(out, size, "cooldown, %s left",
                 gs_units_print_duration(record->cool_until_ns - now_ns, time));
    else
        return explain_held_back(judge, rule, out, size);
    return true;
}

static void explain_condition(const struct gs_judge *judge, size_t rule, size_t at, int64_t now_ns, char *out,
                              size_t size)
{
    const struct gs_rule *the_rule = &judge->rules->rule[rule];
    const struct gs_rule_record *record = &judge->record[rule];
    const struct gs_condition *condition = &the_rule->condition[at];
    const struct gs_condition_state *state = &record->state[at];
    struct gs_condition_inputs inputs = gs_rules_judge_inputs(judge, rule, at, now_ns);
    char have[GS_UNIT_TEXT], want[GS_UNIT_TEXT];
    double line;
    if (!condition->kind->without_metric && isnan(record->value))
        snprintf(out, size, "no value of %.60s yet", the_rule->metric);
    else if (!state->judged)
        snprintf(out, size, "not judged yet");
    else if (state->holds && !gs_rules_judge_may_again(the_rule, record, at, &line))
        snprintf(out, size, "holds since its last incident, fires again from %s",
                 gs_units_print_value(line, the_rule->unit, want));
    else if (state->holds && !condition->kind->without_metric && state->held_ns < the_rule->for_ns)
        snprintf(out, size, "held %s of %s", gs_units_print_duration(state->held_ns, have),
                 gs_units_print_duration(the_rule->for_ns, want));
    else
        condition->kind->explain(condition, &inputs, &state->evaluation, out, size);
}

void gs_rules_judge_state(const struct gs_judge *judge, size_t rule, int64_t now_ns,
                          struct gs_rule_state *out)
{
    const struct gs_rule *the_rule = &judge->rules->rule[rule];
    const struct gs_rule_record *record = &judge->record[rule];
    size_t at = gs_rules_judge_nearest(the_rule, record);
    *out = (struct gs_rule_state){.value = record->value,
                                  .line = record->state[at].evaluation.line,
                                  .fired = record->fired,
                                  .suppressed = record->suppressed,
                                  .holding = record->state[at].holds};
    if (!explain_rule(judge, rule, now_ns, out->reason, sizeof out->reason))
        explain_condition(judge, rule, at, now_ns, out->reason, sizeof out->reason);
}
