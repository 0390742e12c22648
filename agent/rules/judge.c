/* judge.c - values in, verdict out.
 *
 *   tick ─▶ each rule: conditions ─▶ holding long enough? ─▶ cooled down? ─▶ quiet since, or a new high?
 *                                    ─▶ not held back (unless, unless_above, limits an hour)? ─▶ verdict
 *
 *   a rule's life:   armed ──fires──▶ capturing ──gs_judge_incident_over──▶ cooling ──▶ armed again, once the condition
 *                    was false in between, or the value is `again` beyond its last incident's
 *
 * A missing value is a gap: it neither holds nor breaks a hold, and fills no window. Context: any (pure). */
#include "base/memory.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const int64_t HOUR_NS = 3600 * 1000000000LL;

struct times {                 // of the last incidents, for limits an hour
    int64_t *at;               // a ring
    size_t room, next, count;
};

enum held_back { GS_FREE, GS_BY_UNLESS_ABOVE, GS_BY_UNLESS, GS_BY_RULE_LIMIT, GS_BY_LIMIT };

struct memory {                // of one rule
    struct gs_window *window;  // one for each condition; no points where it looks at no past
    int64_t every_due_ns;      // of an "every"
    bool begun, holding, capturing, fired_before, quiet;
    int64_t held_since_ns, cool_until_ns;
    double value, fired_value; // last seen; of its last incident
    double line;               // of the condition that was nearest at the last look
    bool downward;             // and its direction
    size_t nearest;            // and its number
    struct gs_finding finding; // and what it found
    enum held_back held_back;
    uint64_t fired, suppressed;
    struct times hour;
};

struct gs_judge {
    const struct gs_rules *rules;
    uint64_t limit_bytes;
    struct memory *memory;     // one for each rule
    struct times hour;         // of all rules
    double *scratch;           // where slopes and medians are worked out
};

/* ---- limits an hour ------------------------------------------------------------------------------------------------ */

static bool times_init(struct times *times, uint64_t limit)
{
    times->room = (size_t)limit;
    times->at = limit ? gs_alloc(times->room * sizeof *times->at) : NULL;
    return !limit || times->at;
}

static void times_add(struct times *times, int64_t now_ns)
{
    if (times->room == 0)
        return;
    times->at[times->next] = now_ns;
    times->next = (times->next + 1) % times->room;
    times->count += times->count < times->room;
}

/* As many as are allowed lie within the last hour. */
static bool times_full(const struct times *times, int64_t now_ns)
{
    return times->room && times->count == times->room && now_ns - times->at[times->next] < HOUR_NS;
}

static void times_adopt(struct times *times, const struct times *old)
{
    for (size_t i = old->count; i > 0; i--)
        times_add(times, old->at[(old->next + old->room - i) % old->room]);
}

/* ---- making one --------------------------------------------------------------------------------------------------------- */

static bool memory_init(struct memory *memory, const struct gs_rule *rule, int64_t interval_ns)
{
    memory->window = gs_alloc((rule->condition_count + 1) * sizeof *memory->window);
    memory->value = memory->line = memory->fired_value = NAN;
    memory->quiet = true;
    if (!memory->window || !times_init(&memory->hour, rule->hold_off->max_per_hour))
        return false;
    for (size_t i = 0; i < rule->condition_count; i++)
        if (gs_window_init(&memory->window[i], rule->condition[i].over, interval_ns))
            return false;
    return true;
}

static void memory_fini(struct memory *memory, const struct gs_rule *rule)
{
    for (size_t i = 0; memory->window && i < rule->condition_count; i++)
        gs_window_fini(&memory->window[i]);
    gs_free(memory->window);
    gs_free(memory->hour.at);
}

static bool looks_back(const struct gs_rules *rules)
{
    for (size_t i = 0; i < rules->rule_count; i++)
        for (size_t c = 0; c < rules->rule[i].condition_count; c++)
            if (rules->rule[i].condition[c].over.ticks || rules->rule[i].condition[c].over.ns)
                return true;
    return false;
}

struct gs_judge *gs_judge_new(const struct gs_rules *rules, uint64_t limit_bytes)
{
    struct gs_judge *judge = gs_alloc(sizeof *judge);
    if (!judge)
        return NULL;
    judge->rules = rules;
    judge->limit_bytes = limit_bytes;
    judge->memory = gs_alloc((rules->rule_count + 1) * sizeof *judge->memory);
    judge->scratch = looks_back(rules) ? gs_alloc(GS_SCRATCH * sizeof *judge->scratch) : NULL;
    bool made = judge->memory && (judge->scratch || !looks_back(rules)) &&
                times_init(&judge->hour, rules->incidents.max_per_hour);
    for (size_t i = 0; made && i < rules->rule_count; i++)
        made = memory_init(&judge->memory[i], &rules->rule[i], rules->interval_ns);
    if (made)
        return judge;
    gs_judge_free(judge);
    return NULL;
}

void gs_judge_free(struct gs_judge *judge)
{
    if (!judge)
        return;
    for (size_t i = 0; judge->memory && i < judge->rules->rule_count; i++)
        memory_fini(&judge->memory[i], &judge->rules->rule[i]);
    gs_free(judge->memory);
    gs_free(judge->hour.at);
    gs_free(judge->scratch);
    gs_free(judge);
}

/* ---- taking over ------------------------------------------------------------------------------------------------------------ */

static bool same_metric(const struct gs_rule *a, const struct gs_rule *b)
{
    return a->metric == b->metric || (a->metric && b->metric && strcmp(a->metric, b->metric) == 0);
}

static void adopt_rule(struct memory *memory, const struct gs_rule *rule, const struct memory *old,
                       const struct gs_rule *old_rule)
{
    struct gs_window *window = memory->window;
    struct times hour = memory->hour;
    if (!same_metric(rule, old_rule)) { // another rule under the same name: only its limits are the same
        times_adopt(&memory->hour, &old->hour);
        return;
    }
    *memory = *old;
    memory->window = window;
    memory->hour = hour;
    memory->nearest = 0;
    memory->finding = (struct gs_finding){.answer = GS_CANNOT_TELL, .line = NAN};
    times_adopt(&memory->hour, &old->hour);
    for (size_t i = 0; i < rule->condition_count; i++)
        for (size_t o = 0; o < old_rule->condition_count; o++)
            if (rule->condition[i].kind == old_rule->condition[o].kind)
                gs_window_adopt(&window[i], &old->window[o]);
}

void gs_judge_adopt(struct gs_judge *judge, const struct gs_judge *old)
{
    times_adopt(&judge->hour, &old->hour);
    for (size_t i = 0; i < judge->rules->rule_count; i++)
        for (size_t o = 0; o < old->rules->rule_count; o++)
            if (strcmp(judge->rules->rule[i].name, old->rules->rule[o].name) == 0)
                adopt_rule(&judge->memory[i], &judge->rules->rule[i], &old->memory[o], &old->rules->rule[o]);
}

/* ---- looking at one rule's conditions ------------------------------------------------------------------------------------------- */

static struct gs_sight sight_of(const struct gs_judge *judge, size_t number, size_t condition, int64_t now_ns)
{
    const struct gs_rule *rule = &judge->rules->rule[number];
    struct memory *memory = &judge->memory[number];
    bool asks = rule->for_ns > 0 && memory->holding;
    return (struct gs_sight){
        .now_ns = now_ns,
        .value = memory->value,
        .metric = rule->metric,
        .unit = rule->unit,
        .limit_bytes = judge->limit_bytes,
        .window = &memory->window[condition],
        .due_ns = memory->every_due_ns,
        .held_ns = asks ? now_ns - memory->held_since_ns : 0,
        .scratch = judge->scratch,
    };
}

const char *gs_print_held(const struct gs_sight *sight, char out[GS_UNIT_TEXT])
{
    char time[GS_UNIT_TEXT];
    *out = 0;
    if (sight->held_ns > 0)
        snprintf(out, GS_UNIT_TEXT, " for %.26s", gs_print_duration(sight->held_ns, time));
    return out;
}

/* Is the line of finding A nearer to VALUE than that of B? A line beats none. */
static bool nearer(const struct gs_finding *a, const struct gs_finding *b, double value)
{
    if (isnan(a->line) || isnan(b->line))
        return !isnan(a->line) && isnan(b->line);
    return fabs(a->line - value) < fabs(b->line - value);
}

/* Judge the conditions of rule NUMBER in their order. The first that holds, or else the one that came nearest, stands in
 * the rule's memory afterwards. ON_METRIC: those on a metric, else "every". Returns whether one holds. */
static bool look(struct gs_judge *judge, size_t number, int64_t now_ns, bool on_metric)
{
    const struct gs_rule *rule = &judge->rules->rule[number];
    struct memory *memory = &judge->memory[number];
    bool first = true;
    for (size_t i = 0; i < rule->condition_count; i++) {
        const struct gs_condition *condition = &rule->condition[i];
        if (condition->kind->without_metric == on_metric)
            continue;
        struct gs_sight sight = sight_of(judge, number, i, now_ns);
        struct gs_finding finding = condition->kind->judge(condition, &sight);
        if (first || finding.answer == GS_YES || nearer(&finding, &memory->finding, memory->value)) {
            memory->nearest = i;
            memory->finding = finding;
            memory->line = finding.line;
            memory->downward = condition->kind->downward;
        }
        first = false;
        if (finding.answer == GS_YES)
            return true;
    }
    return false;
}

/* The value goes into the windows, for the ticks to come. */
static void remember(struct gs_judge *judge, size_t number, const struct gs_tick *tick)
{
    struct memory *memory = &judge->memory[number];
    if (tick->capturing || tick->early || isnan(memory->value))
        return;
    for (size_t i = 0; i < judge->rules->rule[number].condition_count; i++)
        gs_window_add(&memory->window[i], tick->time_ns, memory->value);
}

/* ---- may it fire? --------------------------------------------------------------------------------------------------------------- */

/* The value from which on a rule that has fired, and was never quiet since, fires again; NAN: any. */
static double again_line(const struct gs_rule *rule, const struct memory *memory)
{
    double share = rule->hold_off->again, fired = memory->fired_value;
    if (!memory->fired_before || memory->quiet || isnan(share) || isnan(fired))
        return NAN;
    double step = share * fabs(fired);
    return memory->downward ? fired - step : fired + step;
}

static bool beyond_again(const struct gs_rule *rule, const struct memory *memory)
{
    double line = again_line(rule, memory);
    return isnan(line) || (memory->downward ? memory->value <= line : memory->value >= line);
}

static bool unless_holds(const struct gs_judge *judge, const struct gs_hold_off *hold_off, const struct gs_tick *tick)
{
    if (!hold_off->unless.metric)
        return false;
    double value = tick->value[hold_off->unless.metric_index]; // comparisons with NAN are false
    return value > gs_threshold_line(&hold_off->unless.above, judge->limit_bytes) ||
           value < gs_threshold_line(&hold_off->unless.below, judge->limit_bytes);
}

static enum held_back what_holds_back(const struct gs_judge *judge, size_t number, const struct gs_tick *tick)
{
    const struct gs_hold_off *hold_off = judge->rules->rule[number].hold_off;
    const struct memory *memory = &judge->memory[number];
    if (memory->value > gs_threshold_line(&hold_off->unless_above, judge->limit_bytes))
        return GS_BY_UNLESS_ABOVE;
    if (unless_holds(judge, hold_off, tick))
        return GS_BY_UNLESS;
    if (times_full(&memory->hour, tick->time_ns))
        return GS_BY_RULE_LIMIT;
    return times_full(&judge->hour, tick->time_ns) ? GS_BY_LIMIT : GS_FREE;
}

/* Nothing but the suppressions stands against it. */
static bool armed(const struct gs_rule *rule, const struct memory *memory, int64_t now_ns)
{
    return !memory->capturing && now_ns >= memory->cool_until_ns && beyond_again(rule, memory);
}

static void fire(struct gs_judge *judge, size_t number, const struct gs_tick *tick, struct gs_verdict *out)
{
    const struct gs_rule *rule = &judge->rules->rule[number];
    struct memory *memory = &judge->memory[number];
    const struct gs_condition *condition = &rule->condition[memory->nearest];
    struct gs_sight sight = sight_of(judge, number, memory->nearest, tick->time_ns);
    *out = (struct gs_verdict){.rule = number, .condition = condition->kind->name, .value = memory->value,
                               .line = memory->finding.line, .window_ns = memory->finding.window_ns};
    condition->kind->explain(condition, &sight, &memory->finding, out->reason, sizeof out->reason);
    memory->capturing = memory->fired_before = true;
    memory->fired_value = memory->value;
    memory->quiet = false;
    memory->fired++;
    times_add(&memory->hour, tick->time_ns);
    times_add(&judge->hour, tick->time_ns);
}

/* The conditions hold: fire, unless something is against it. Each time that something comes in the way is counted
 * once, however many ticks it stays. */
static bool try_to_fire(struct gs_judge *judge, size_t number, const struct gs_tick *tick, struct gs_verdict *out)
{
    struct memory *memory = &judge->memory[number];
    if (!armed(&judge->rules->rule[number], memory, tick->time_ns))
        return false;
    enum held_back by = what_holds_back(judge, number, tick);
    memory->suppressed += by != GS_FREE && by != memory->held_back;
    memory->held_back = by;
    if (by != GS_FREE)
        return false;
    fire(judge, number, tick, out);
    return true;
}

/* ---- the tick --------------------------------------------------------------------------------------------------------------------- */

static int64_t every_ns(const struct gs_rule *rule)
{
    for (size_t i = 0; i < rule->condition_count; i++)
        if (rule->condition[i].kind->without_metric)
            return rule->condition[i].every.ns;
    return 0;
}

/* The clock's turn: one period after the first tick, and so on; periods that were missed are not made up for. */
static bool judge_every(struct gs_judge *judge, size_t number, const struct gs_tick *tick, struct gs_verdict *out)
{
    struct memory *memory = &judge->memory[number];
    int64_t period_ns = every_ns(&judge->rules->rule[number]);
    if (period_ns == 0)
        return false;
    if (memory->every_due_ns == 0)
        memory->every_due_ns = tick->time_ns + period_ns;
    if (!look(judge, number, tick->time_ns, false))
        return false;
    memory->quiet = true; // "again" is about values
    bool fired = try_to_fire(judge, number, tick, out);
    memory->every_due_ns += period_ns * (1 + (tick->time_ns - memory->every_due_ns) / period_ns);
    return fired;
}

static bool judge_metric(struct gs_judge *judge, size_t number, const struct gs_tick *tick, struct gs_verdict *out)
{
    const struct gs_rule *rule = &judge->rules->rule[number];
    struct memory *memory = &judge->memory[number];
    double value = rule->metric_index == SIZE_MAX ? NAN : tick->value[rule->metric_index];
    if (isnan(value) || isinf(value))
        return false; // a gap
    memory->value = value;
    bool holds = look(judge, number, tick->time_ns, true), fired = false;
    if (holds && !memory->holding)
        memory->held_since_ns = tick->time_ns;
    memory->holding = holds;
    if (!holds) {
        memory->quiet = true;
        memory->held_back = GS_FREE;
    } else if (tick->time_ns - memory->held_since_ns >= rule->for_ns) {
        fired = try_to_fire(judge, number, tick, out);
    }
    remember(judge, number, tick);
    return fired;
}

size_t gs_judge_tick(struct gs_judge *judge, const struct gs_tick *tick, struct gs_verdict *verdicts)
{
    size_t fired = 0;
    for (size_t i = 0; i < judge->rules->rule_count; i++) {
        bool on_metric = judge_metric(judge, i, tick, &verdicts[fired]);
        if (on_metric || judge_every(judge, i, tick, &verdicts[fired]))
            fired++;
    }
    return fired;
}

void gs_judge_incident_over(struct gs_judge *judge, size_t rule, int64_t end_ns)
{
    judge->memory[rule].capturing = false;
    judge->memory[rule].cool_until_ns = end_ns + judge->rules->rule[rule].cooldown_ns;
}

/* ---- the alarm between ticks ----------------------------------------------------------------------------------------------------------- */

/* The line of rule NUMBER that `heap_in_use` has yet to cross; NAN: none. */
static double line_ahead(const struct gs_judge *judge, size_t number, int64_t now_ns)
{
    const struct gs_rule *rule = &judge->rules->rule[number];
    const struct memory *memory = &judge->memory[number];
    if (!rule->metric || strcmp(rule->metric, "heap_in_use") != 0 || memory->capturing || now_ns < memory->cool_until_ns)
        return NAN;
    double again = again_line(rule, memory), line = NAN;
    for (size_t i = 0; i < rule->condition_count; i++)
        if (strcmp(rule->condition[i].kind->name, "above") == 0)
            line = gs_threshold_line(&rule->condition[i].threshold, judge->limit_bytes);
    if (again > line)
        line = again;
    return memory->value > line ? NAN : line; // crossed already: the ticks see to it
}

uint64_t gs_judge_alarm_line(const struct gs_judge *judge, int64_t now_ns)
{
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < judge->rules->rule_count; i++) {
        double line = line_ahead(judge, i, now_ns);
        if (!isnan(line) && line < 0x1p62 && (uint64_t)line < lowest)
            lowest = (uint64_t)line + 1; // "above" is more than the line
    }
    return lowest;
}

/* ---- why, and why not ------------------------------------------------------------------------------------------------------------------- */

static void explain_hold(const struct gs_rule *rule, const struct memory *memory, int64_t now_ns, char *out, size_t size)
{
    char have[GS_UNIT_TEXT], want[GS_UNIT_TEXT], value[GS_UNIT_TEXT];
    static const char *const held_back[] = {
        [GS_BY_UNLESS_ABOVE] = "held back: the value is above \"unless_above\"",
        [GS_BY_UNLESS] = "held back by \"unless\"",
        [GS_BY_RULE_LIMIT] = "the rule's hourly limit is reached",
        [GS_BY_LIMIT] = "the hourly limit of all rules is reached",
    };
    if (now_ns - memory->held_since_ns < rule->for_ns)
        snprintf(out, size, "held %s of %s", gs_print_duration(now_ns - memory->held_since_ns, have),
                 gs_print_duration(rule->for_ns, want));
    else if (!beyond_again(rule, memory))
        snprintf(out, size, "has fired; fires again at %s, or once it was quiet",
                 gs_print_value(again_line(rule, memory), rule->unit, value));
    else
        snprintf(out, size, "%s", memory->held_back ? held_back[memory->held_back] : "fires at the next tick");
}

static void explain(const struct gs_judge *judge, size_t number, int64_t now_ns, char *out, size_t size)
{
    const struct gs_rule *rule = &judge->rules->rule[number];
    const struct memory *memory = &judge->memory[number];
    char time[GS_UNIT_TEXT];
    if (memory->capturing)
        snprintf(out, size, "an incident is being captured");
    else if (now_ns < memory->cool_until_ns)
        snprintf(out, size, "cooling for %s", gs_print_duration(memory->cool_until_ns - now_ns, time));
    else if (rule->metric && isnan(memory->value))
        snprintf(out, size, "no value of %s yet", rule->metric);
    else if (memory->holding)
        explain_hold(rule, memory, now_ns, out, size);
    else if (rule->condition_count) {
        const struct gs_condition *condition = &rule->condition[memory->nearest];
        struct gs_sight sight = sight_of(judge, number, memory->nearest, now_ns);
        condition->kind->explain(condition, &sight, &memory->finding, out, size);
    }
}

void gs_judge_state(const struct gs_judge *judge, size_t rule, int64_t now_ns, struct gs_rule_state *out)
{
    const struct memory *memory = &judge->memory[rule];
    *out = (struct gs_rule_state){.value = memory->value, .line = memory->line, .fired = memory->fired,
                                  .suppressed = memory->suppressed, .holding = memory->holding};
    explain(judge, rule, now_ns, out->reason, sizeof out->reason);
}
