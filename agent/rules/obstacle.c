/* obstacle.c - why a rule does not fire: the obstacle of its condition that is nearest to firing. Pure. */
#include "rules/inside.h"
#include <math.h>

static const char *const obstacle_names[] = {
    [GS_NO_METRIC] = "metric",
    [GS_NO_WINDOW] = "over",
    [GS_NO_LIMIT] = "limit",
    [GS_NOT_DUE] = "every",
    [GS_NO_LINE] = "line",
    [GS_NO_HOLD] = "for",
    [GS_NO_QUIET] = "again",
    [GS_NO_COOLDOWN] = "cooldown",
    [GS_HELD_BY_UNLESS_ABOVE] = "unless_above",
    [GS_HELD_BY_UNLESS] = "unless",
    [GS_HELD_BY_RULES_HOUR] = "max_per_hour",
    [GS_HELD_BY_ALL_HOUR] = "incidents.max_per_hour",
};

const char *gs_rules_obstacle_name(enum gs_obstacle obstacle)
{
    return obstacle_names[obstacle];
}

static enum gs_obstacle obstacle_without_answer(const struct gs_judge *judge, size_t rule, size_t at,
                                                int64_t now_ns)
{
    const struct gs_rule *the_rule = &judge->rules->rule[rule];
    const struct gs_condition *condition = &the_rule->condition[at];
    bool looks_back = condition->over.ns || condition->over.ticks;
    bool ready = !looks_back || gs_rules_window_ready(&judge->record[rule].state[at].window, now_ns);
    return ready && judge->limit[the_rule->share] == 0 ? GS_NO_LIMIT : GS_NO_WINDOW;
}

static enum gs_obstacle obstacle_of_suppression(const struct gs_rule_record *record)
{
    switch (record->held_back) {
    case GS_BY_UNLESS_ABOVE: return GS_HELD_BY_UNLESS_ABOVE;
    case GS_BY_UNLESS: return GS_HELD_BY_UNLESS;
    case GS_BY_RULES_HOUR: return GS_HELD_BY_RULES_HOUR;
    case GS_BY_ALL_HOUR: return GS_HELD_BY_ALL_HOUR;
    case GS_NOT_HELD_BACK: break;
    }
    return GS_NO_OBSTACLE;
}

static enum gs_obstacle obstacle_of(const struct gs_judge *judge, size_t rule, size_t at, int64_t now_ns,
                                    int64_t step_ns)
{
    const struct gs_rule *the_rule = &judge->rules->rule[rule];
    const struct gs_rule_record *record = &judge->record[rule];
    const struct gs_condition_state *state = &record->state[at];
    double line;
    if (state->evaluation.answer == GS_CANNOT_TELL)
        return obstacle_without_answer(judge, rule, at, now_ns);
    if (state->evaluation.answer == GS_NO)
        return the_rule->condition[at].kind->without_metric ? GS_NOT_DUE : GS_NO_LINE;
    if (!gs_rules_judge_held(the_rule, record, at, step_ns))
        return GS_NO_HOLD;
    if (!gs_rules_judge_may_again(the_rule, record, at, &line))
        return GS_NO_QUIET;
    if (now_ns < record->cool_until_ns)
        return GS_NO_COOLDOWN;
    return obstacle_of_suppression(record);
}

static double nearness(const struct gs_judge *judge, size_t rule, size_t at, enum gs_obstacle obstacle,
                       int64_t now_ns)
{
    const struct gs_condition *condition = &judge->rules->rule[rule].condition[at];
    const struct gs_rule_record *record = &judge->record[rule];
    const struct gs_condition_state *state = &record->state[at];
    double beyond = record->value - state->evaluation.line, size = fabs(state->evaluation.line);
    if (obstacle == GS_NO_HOLD)
        return (double)state->held_ns;
    if (obstacle == GS_NO_WINDOW || obstacle == GS_NOT_DUE)
        return (double)now_ns; // both come nearer with time
    if (isnan(beyond))         // no line: rank by the value alone
        beyond = record->value;
    if (condition->kind->downward)
        beyond = -beyond;
    return size > 0 ? beyond / size : beyond;
}

struct gs_obstruction gs_rules_judge_obstruction(const struct gs_judge *judge, size_t rule, bool missing,
                                                 int64_t now_ns, int64_t step_ns)
{
    const struct gs_rule *the_rule = &judge->rules->rule[rule];
    const struct gs_rule_record *record = &judge->record[rule];
    size_t nearest = gs_rules_judge_nearest(the_rule, record), at = nearest;
    enum gs_obstacle found = GS_NO_METRIC;
    for (size_t i = 0; i < the_rule->condition_count; i++) {
        if (missing && !the_rule->condition[i].kind->without_metric)
            continue;
        enum gs_obstacle obstacle = obstacle_of(judge, rule, i, now_ns, step_ns);
        if (obstacle > found || (obstacle == found && i == nearest)) {
            found = obstacle;
            at = i;
        }
    }
    bool by_the_clock = the_rule->condition[at].kind->without_metric;
    return (struct gs_obstruction){
        .obstacle = found,
        .nearness = nearness(judge, rule, at, found, now_ns),
        .value = by_the_clock ? NAN : record->value,
        .line = record->state[at].evaluation.line,
        .was_quiet = record->state[at].quiet || by_the_clock,
    };
}

bool gs_rules_count_ticks(const struct gs_rules *rules)
{
    for (size_t i = 0; i < rules->rule_count; i++)
        for (size_t k = 0; k < rules->rule[i].condition_count; k++)
            if (rules->rule[i].condition[k].over.ticks > 0)
                return true;
    return false;
}
