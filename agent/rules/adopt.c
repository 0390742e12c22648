/* adopt.c - after a reload, a judge takes over the state of the old judge, so that no cooldown and no window is lost.
 * Rules are matched by name. Conditions are matched by kind, and must be on the same metric.
 * Who: the watcher, after it has loaded a changed rules file. */
#include "rules/inside.h"
#include <math.h>
#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static void adopt_condition(const struct gs_condition *condition, struct gs_condition_state *state,
                            const struct gs_condition *old_condition, const struct gs_condition_state *old)
{
    struct gs_window window = state->window;
    gs_rules_window_adopt(&window, &old->window);
    bool other_period = condition->kind->without_metric && condition->every.ns != old_condition->every.ns;
    if (!other_period) // a new period starts at the reload
        *state = *old;
    state->window = window;
    if (!condition->kind->without_metric)
        state->evaluation =
            (struct gs_evaluation){.line = NAN}; // it refers to the old line; the next tick sets it
}

static void adopt_record(const struct gs_rule *rule, struct gs_rule_record *record,
                         const struct gs_rule *old_rule, const struct gs_rule_record *old)
{
    bool same_metric = same_text(rule->metric, old_rule->metric);
    record->fired = old->fired;
    record->suppressed = old->suppressed;
    record->busy = old->busy;
    record->cool_until_ns = old->cool_until_ns;
    gs_rules_hour_adopt(&record->hour, &old->hour);
    if (same_metric) {
        record->value = old->value;
        record->incident_value = old->incident_value;
        record->held_back = old->held_back;
        record->unless_value = old->unless_value;
    }
    for (size_t i = 0; i < rule->condition_count; i++)
        for (size_t k = 0; k < old_rule->condition_count; k++)
            if (rule->condition[i].kind == old_rule->condition[k].kind &&
                (same_metric || rule->condition[i].kind->without_metric))
                adopt_condition(&rule->condition[i], &record->state[i], &old_rule->condition[k],
                                &old->state[k]);
}

void gs_rules_judge_adopt(struct gs_judge *judge, const struct gs_judge *old)
{
    gs_rules_hour_adopt(&judge->hour, &old->hour);
    for (size_t i = 0; i < judge->rules->rule_count; i++)
        for (size_t k = 0; k < old->rules->rule_count; k++)
            if (same_text(judge->rules->rule[i].name, old->rules->rule[k].name))
                adopt_record(&judge->rules->rule[i], &judge->record[i], &old->rules->rule[k],
                             &old->record[k]);
}
