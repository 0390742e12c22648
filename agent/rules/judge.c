/* judge.c - one tick against all rules.
 *
 *   value ─▶ each condition: yes / no / cannot tell ─▶ held for long enough? ─▶ false since the last incident,
 *            (then add it to the window)                                       or a new high?  ─▶ not busy, not
 *   cooling? ─▶ not suppressed (unless, max_per_hour)? ─▶ a verdict
 *
 *   states of a rule:  watching ──fires──▶ busy ──incident over──▶ cooling ──▶ watching
 *
 * A missing value is a gap: hold times neither grow nor reset, and it is not added to windows.
 * Who: the watcher once a tick, replay. Nothing is allocated here after gs_rules_judge_new. */
#include "base/memory.h"
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- new and free ----------------------------------------------------------------------------------------------------- */

static bool make_record(const struct gs_rules *rules, const struct gs_rule *rule,
                        struct gs_rule_record *record)
{
    record->value = record->unless_value = record->incident_value = record->value_before = NAN;
    record->cool_until_ns = INT64_MIN;
    record->state = gs_alloc(rule->condition_count * sizeof *record->state);
    if (!record->state || gs_rules_hour_init(&record->hour, rule->suppression->max_per_hour))
        return false;
    for (size_t i = 0; i < rule->condition_count; i++) {
        record->state[i].evaluation.line = NAN;
        record->state[i].due_ns = INT64_MIN;
        const struct gs_condition *condition = &rule->condition[i];
        if (gs_rules_window_init(&record->state[i].window, condition->over, condition->kind->points,
                                 rules->interval_ns))
            return false;
    }
    return true;
}

static bool make_records(struct gs_judge *judge)
{
    const struct gs_rules *rules = judge->rules;
    judge->record = gs_alloc(rules->rule_count * sizeof *judge->record);
    judge->scratch = gs_alloc(GS_SCRATCH * sizeof *judge->scratch);
    if (!judge->record || !judge->scratch || gs_rules_hour_init(&judge->hour, rules->incidents.max_per_hour))
        return false;
    for (size_t i = 0; i < rules->rule_count; i++)
        if (!make_record(rules, &rules->rule[i], &judge->record[i]))
            return false;
    return true;
}

struct gs_judge *gs_rules_judge_new(const struct gs_rules *rules, uint64_t limit_bytes)
{
    struct gs_judge *judge = gs_alloc(sizeof *judge);
    if (!judge)
        return NULL;
    judge->rules = rules;
    judge->limit[GS_OF_MEMORY_LIMIT] = limit_bytes;
    if (make_records(judge))
        return judge;
    gs_rules_judge_free(judge);
    return NULL;
}

void gs_rules_judge_set_limit(struct gs_judge *judge, enum gs_share share, uint64_t limit)
{
    judge->limit[share] = limit;
}

static void free_record(const struct gs_rule *rule, struct gs_rule_record *record)
{
    for (size_t i = 0; record->state && i < rule->condition_count; i++)
        gs_rules_window_fini(&record->state[i].window);
    gs_free(record->state);
    gs_rules_hour_fini(&record->hour);
}

void gs_rules_judge_free(struct gs_judge *judge)
{
    if (!judge)
        return;
    for (size_t i = 0; judge->record && i < judge->rules->rule_count; i++)
        free_record(&judge->rules->rule[i], &judge->record[i]);
    gs_rules_hour_fini(&judge->hour);
    gs_free(judge->record);
    gs_free(judge->scratch);
    gs_free(judge);
}

/* ---- one condition ---------------------------------------------------------------------------------------------------- */

struct gs_condition_inputs gs_rules_judge_inputs(const struct gs_judge *judge, size_t rule, size_t condition,
                                                 int64_t now_ns)
{
    const struct gs_rule *the_rule = &judge->rules->rule[rule];
    struct gs_condition_state *state = &judge->record[rule].state[condition];
    return (struct gs_condition_inputs){.now_ns = now_ns,
                                        .value = judge->record[rule].value,
                                        .metric = the_rule->metric,
                                        .unit = the_rule->unit,
                                        .limit = judge->limit[the_rule->share],
                                        .window = &state->window,
                                        .due_ns = state->due_ns,
                                        .held_ns = the_rule->for_ns ? state->held_ns : 0,
                                        .scratch = judge->scratch};
}

/* Record the EVALUATION at NOW_NS, and for how long the condition has held. */
static void record_evaluation(struct gs_condition_state *state, struct gs_evaluation evaluation,
                              int64_t now_ns, int64_t step_ns)
{
    state->judged = true;
    state->evaluation = evaluation;
    if (evaluation.answer == GS_CANNOT_TELL)
        return;
    bool held_before = state->holds;
    state->holds = evaluation.answer == GS_YES;
    if (!state->holds || !held_before)
        state->held_ns = 0;
    else
        state->held_ns += gs_rules_tick_stands_for(now_ns - state->answered_ns, step_ns);
    if (!state->holds)
        state->quiet = true;
    state->answered_ns = now_ns;
}

/* The time that TICK covers at most. */
static int64_t step_of(const struct gs_judge *judge, const struct gs_tick *tick)
{
    return tick->step_ns ? tick->step_ns : judge->rules->interval_ns;
}

static void judge_condition(struct gs_judge *judge, size_t rule, size_t at, const struct gs_tick *tick)
{
    int64_t now_ns = tick->time_ns;
    const struct gs_condition *condition = &judge->rules->rule[rule].condition[at];
    struct gs_condition_state *state = &judge->record[rule].state[at];
    if (state->due_ns == INT64_MIN && condition->kind->without_metric)
        state->due_ns = now_ns + condition->every.ns;
    struct gs_condition_inputs inputs = gs_rules_judge_inputs(judge, rule, at, now_ns);
    record_evaluation(state, condition->kind->judge(condition, &inputs), now_ns, step_of(judge, tick));
}

/* Judge the rule's conditions, then add VALUE to their windows. VALUE NAN (missing): only "every" is judged. */
static void judge_conditions(struct gs_judge *judge, size_t rule, const struct gs_tick *tick, double value)
{
    const struct gs_rule *the_rule = &judge->rules->rule[rule];
    struct gs_rule_record *record = &judge->record[rule];
    if (!isnan(value))
        record->value = value;
    for (size_t i = 0; i < the_rule->condition_count; i++) {
        if (!isnan(value) || the_rule->condition[i].kind->without_metric)
            judge_condition(judge, rule, i, tick);
        if (!isnan(value) && !tick->capturing && !record->busy && !tick->early)
            gs_rules_window_add(&record->state[i].window, tick->time_ns, value, step_of(judge, tick));
    }
}

/* ---- whether it may fire ---------------------------------------------------------------------------------------------- */

bool gs_rules_judge_may_again(const struct gs_rule *rule, const struct gs_rule_record *record,
                              size_t condition, double *line)
{
    const struct gs_condition_kind *kind = rule->condition[condition].kind;
    double last = record->incident_value, again = rule->suppression->again;
    *line = NAN;
    if (isnan(last) || isnan(again) || kind->without_metric || record->state[condition].quiet)
        return true;
    double step = again * fabs(last), further = kind->downward ? last - record->value : record->value - last;
    *line = kind->downward ? last - step : last + step;
    return further >= step && further > 0;
}

bool gs_rules_judge_held(const struct gs_rule *rule, const struct gs_rule_record *record, size_t condition,
                         int64_t step_ns)
{
    int64_t early_ns = step_ns / 20; // tolerance: ticks are not punctual
    return rule->condition[condition].kind->without_metric ||
           record->state[condition].held_ns + early_ns >= rule->for_ns;
}

static bool is_ready(const struct gs_judge *judge, size_t rule, size_t at, const struct gs_tick *tick,
                     double value)
{
    const struct gs_rule *the_rule = &judge->rules->rule[rule];
    const struct gs_rule_record *record = &judge->record[rule];
    bool by_the_clock = the_rule->condition[at].kind->without_metric;
    double line;
    if (record->state[at].evaluation.answer != GS_YES || (isnan(value) && !by_the_clock))
        return false;
    return gs_rules_judge_held(the_rule, record, at, step_of(judge, tick)) &&
           gs_rules_judge_may_again(the_rule, record, at, &line);
}

/* The first condition that can fire the rule now; SIZE_MAX: none. */
static size_t find_ready(const struct gs_judge *judge, size_t rule, const struct gs_tick *tick, double value)
{
    const struct gs_rule_record *record = &judge->record[rule];
    if (record->busy || tick->time_ns < record->cool_until_ns)
        return SIZE_MAX;
    for (size_t i = 0; i < judge->rules->rule[rule].condition_count; i++)
        if (is_ready(judge, rule, i, tick, value))
            return i;
    return SIZE_MAX;
}

/* What suppresses the rule now. Comparisons with NAN (no value or no line) are false. */
static enum gs_held_back what_holds_back(const struct gs_judge *judge, size_t rule,
                                         const struct gs_tick *tick, double value)
{
    const struct gs_suppression *suppression = judge->rules->rule[rule].suppression;
    struct gs_rule_record *record = &judge->record[rule];
    uint64_t limit = judge->limit[judge->rules->rule[rule].share],
             unless_limit = judge->limit[suppression->unless.share];
    if (value > gs_rules_threshold_line(&suppression->unless_above, limit))
        return GS_BY_UNLESS_ABOVE;
    if (suppression->unless.metric) {
        double other = record->unless_value = tick->value[suppression->unless.metric_index];
        if (other > gs_rules_threshold_line(&suppression->unless.above, unless_limit) ||
            other < gs_rules_threshold_line(&suppression->unless.below, unless_limit))
            return GS_BY_UNLESS;
    }
    if (!gs_rules_hour_has_room(&record->hour, tick->time_ns))
        return GS_BY_RULES_HOUR;
    if (!gs_rules_hour_has_room(&judge->hour, tick->time_ns))
        return GS_BY_ALL_HOUR;
    return GS_NOT_HELD_BACK;
}

/* True: the rule is suppressed. However long that lasts, it counts as one suppression, because it prevents one incident. */
static bool is_held_back(struct gs_judge *judge, size_t rule, const struct gs_tick *tick, double value)
{
    struct gs_rule_record *record = &judge->record[rule];
    enum gs_held_back before = record->held_back;
    record->held_back = what_holds_back(judge, rule, tick, value);
    record->suppressed += record->held_back != GS_NOT_HELD_BACK && before == GS_NOT_HELD_BACK;
    return record->held_back != GS_NOT_HELD_BACK;
}

/* ---- firing ----------------------------------------------------------------------------------------------------------- */

static void write_verdict(const struct gs_judge *judge, size_t rule, size_t at, int64_t now_ns, double value,
                          struct gs_verdict *out)
{
    const struct gs_condition *condition = &judge->rules->rule[rule].condition[at];
    const struct gs_evaluation *evaluation = &judge->record[rule].state[at].evaluation;
    struct gs_condition_inputs inputs = gs_rules_judge_inputs(judge, rule, at, now_ns);
    *out = (struct gs_verdict){.rule = rule,
                               .condition = condition->kind->name,
                               .value = value,
                               .line = evaluation->line,
                               .window_ns = evaluation->window_ns};
    condition->kind->explain(condition, &inputs, evaluation, out->reason, sizeof out->reason);
}

/* Set the next due time after NOW_NS, a whole number of periods after the first. */
static void set_next_due(const struct gs_condition *condition, struct gs_condition_state *state,
                         int64_t now_ns)
{
    if (condition->kind->without_metric && now_ns >= state->due_ns)
        state->due_ns += ((now_ns - state->due_ns) / condition->every.ns + 1) * condition->every.ns;
}

static void fire(struct gs_judge *judge, size_t rule, int64_t now_ns, double value)
{
    const struct gs_rule *the_rule = &judge->rules->rule[rule];
    struct gs_rule_record *record = &judge->record[rule];
    record->busy = true;
    record->fired++;
    record->value_before = record->incident_value;
    if (!isnan(value))
        record->incident_value = value;
    gs_rules_hour_add(&record->hour, now_ns);
    gs_rules_hour_add(&judge->hour, now_ns);
    for (size_t i = 0; i < the_rule->condition_count; i++) {
        record->state[i].quiet_before = record->state[i].quiet;
        record->state[i].quiet = false;
        record->state[i].due_before_ns = record->state[i].due_ns;
        set_next_due(&the_rule->condition[i], &record->state[i], now_ns);
    }
}

static bool judge_rule(struct gs_judge *judge, size_t rule, const struct gs_tick *tick,
                       struct gs_verdict *verdict)
{
    const struct gs_rule *the_rule = &judge->rules->rule[rule];
    double value = the_rule->metric ? tick->value[the_rule->metric_index] : NAN;
    if (!isfinite(value)) // a gauge may be infinite
        value = NAN;
    judge_conditions(judge, rule, tick, value);
    size_t condition = find_ready(judge, rule, tick, value);
    if (condition == SIZE_MAX) {
        if (!isnan(value))
            judge->record[rule].held_back = GS_NOT_HELD_BACK;
        return false;
    }
    if (is_held_back(judge, rule, tick, value))
        return false;
    write_verdict(judge, rule, condition, tick->time_ns, value, verdict);
    fire(judge, rule, tick->time_ns, value);
    return true;
}

size_t gs_rules_judge_tick(struct gs_judge *judge, const struct gs_tick *tick, struct gs_verdict *verdicts)
{
    size_t fired = 0;
    for (size_t i = 0; i < judge->rules->rule_count; i++)
        fired += judge_rule(judge, i, tick, &verdicts[fired]);
    return fired;
}

void gs_rules_judge_incident_over(struct gs_judge *judge, size_t rule, int64_t end_ns)
{
    judge->record[rule].busy = false;
    judge->record[rule].cool_until_ns = end_ns + judge->rules->rule[rule].cooldown_ns;
}

void gs_rules_judge_incident_failed(struct gs_judge *judge, size_t rule, int64_t end_ns)
{
    gs_rules_judge_incident_over(judge, rule, end_ns);
    judge->record[rule].incident_value = NAN;
}

void gs_rules_judge_incident_denied(struct gs_judge *judge, size_t rule, enum gs_hour_room room,
                                    int64_t until_ns)
{
    struct gs_rule_record *record = &judge->record[rule];
    record->busy = false;
    record->fired--;
    record->incident_value = record->value_before;
    record->suppressed++;
    record->held_back = room == GS_HOUR_OF_RULE_FULL ? GS_BY_RULES_HOUR : GS_BY_ALL_HOUR;
    gs_rules_hour_take_back(&record->hour);
    gs_rules_hour_take_back(&judge->hour);
    (room == GS_HOUR_OF_RULE_FULL ? &record->hour : &judge->hour)->full_until_ns = until_ns;
    for (size_t i = 0; i < judge->rules->rule[rule].condition_count; i++) {
        record->state[i].quiet = record->state[i].quiet_before;
        record->state[i].due_ns = record->state[i].due_before_ns;
    }
}

/* ---- the alarm -------------------------------------------------------------------------------------------------------- */

/* The line of the rule's "above" on METRIC, if the rule is armed; else NAN. AT_ONCE: only rules without "for". */
static double armed_line(const struct gs_judge *judge, size_t rule, const char *metric, bool at_once,
                         int64_t now_ns)
{
    const struct gs_rule *the_rule = &judge->rules->rule[rule];
    const struct gs_rule_record *record = &judge->record[rule];
    if (!the_rule->metric || strcmp(the_rule->metric, metric) != 0 || record->busy ||
        (at_once && the_rule->for_ns) || now_ns < record->cool_until_ns ||
        !gs_rules_hour_has_room(&record->hour, now_ns))
        return NAN;
    for (size_t i = 0; i < the_rule->condition_count; i++)
        if (!strcmp(the_rule->condition[i].kind->name, "above") && !record->state[i].holds)
            return gs_rules_threshold_line(&the_rule->condition[i].threshold, judge->limit[the_rule->share]);
    return NAN;
}

static double lowest_line(const struct gs_judge *judge, const char *metric, bool at_once, int64_t now_ns)
{
    double lowest = INFINITY;
    for (size_t i = 0; i < judge->rules->rule_count && gs_rules_hour_has_room(&judge->hour, now_ns); i++) {
        double line = armed_line(judge, i, metric, at_once, now_ns);
        if (line < lowest)
            lowest = line;
    }
    return lowest;
}

uint64_t gs_rules_judge_alarm_line(const struct gs_judge *judge, int64_t now_ns)
{
    double lowest = lowest_line(judge, "heap_in_use", false, now_ns);
    return isfinite(lowest) ? (uint64_t)lowest + 1 : UINT64_MAX; // a value equal to the line does not fire
}

double gs_rules_judge_line_above(const struct gs_judge *judge, const char *metric, int64_t now_ns)
{
    return lowest_line(judge, metric, true, now_ns);
}

double gs_rules_line_above(const struct gs_rules *rules, const char *metric, uint64_t limit_bytes)
{
    double lowest = INFINITY;
    for (size_t i = 0; i < rules->rule_count; i++) {
        const struct gs_rule *rule = &rules->rule[i];
        bool counts = rule->metric && strcmp(rule->metric, metric) == 0 && !rule->for_ns;
        uint64_t limit = rule->share == GS_OF_MEMORY_LIMIT ? limit_bytes : 0;
        for (size_t c = 0; c < rule->condition_count && counts; c++) {
            if (strcmp(rule->condition[c].kind->name, "above") != 0)
                continue;
            double line = gs_rules_threshold_line(&rule->condition[c].threshold, limit);
            if (line < lowest) // false for NAN
                lowest = line;
        }
    }
    return lowest;
}
