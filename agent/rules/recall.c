/* recall.c - sets the state of a new judge from the ledger, so that a restarted program continues where the last one ended:
 * cooldowns, the value of the last incident (for "again"), the incidents of the last hour, and when "every" is due.
 * Times are converted from the ledger's clock to the judge's by their distance from now. Who: the watcher at its start. */
#include "base/clock.h"
#include "base/memory.h"
#include "rules/inside.h"
#include <stdio.h>
#include <string.h>

static int64_t end_of(const struct gs_ledger_incident *incident)
{
    return incident->ended_ns ? incident->ended_ns : incident->began_ns;
}

/* The last incident of RULE by this process or by one that has ended. */
static const struct gs_ledger_incident *last_of(const struct gs_ledger *ledger, const char *rule)
{
    const struct gs_ledger_incident *last = NULL;
    for (size_t i = 0; i < ledger->count; i++) {
        const struct gs_ledger_incident *incident = &ledger->incident[i];
        if (!incident->of_other_process && strcmp(incident->rule, rule) == 0 &&
            (!last || end_of(incident) >= end_of(last)))
            last = incident;
    }
    return last;
}

static struct gs_ledger_due *due_of(const struct gs_ledger *ledger, const char *rule)
{
    for (size_t i = 0; i < ledger->due_count; i++)
        if (strcmp(ledger->due[i].rule, rule) == 0)
            return &ledger->due[i];
    return NULL;
}

/* The state of RULE's "every"; NULL: it has none. */
static struct gs_condition_state *every_of(const struct gs_judge *judge, size_t rule, int64_t *period_ns)
{
    const struct gs_rule *the_rule = &judge->rules->rule[rule];
    for (size_t i = 0; i < the_rule->condition_count; i++)
        if (the_rule->condition[i].kind->without_metric) {
            *period_ns = the_rule->condition[i].every.ns;
            return &judge->record[rule].state[i];
        }
    return NULL;
}

/* A past time on the judge's clock. A time in the future (the clock was set back) becomes now. */
static int64_t to_judge_clock(struct gs_now now, int64_t real_ns)
{
    return real_ns < now.real_ns ? now.judge_ns - (now.real_ns - real_ns) : now.judge_ns;
}

static bool recall_cooldown(struct gs_judge *judge, size_t rule, const struct gs_ledger *ledger,
                            struct gs_now now)
{
    const struct gs_ledger_incident *last = last_of(ledger, judge->rules->rule[rule].name);
    struct gs_rule_record *record = &judge->record[rule];
    if (!last)
        return false;
    record->cool_until_ns = to_judge_clock(now, end_of(last)) + judge->rules->rule[rule].cooldown_ns;
    record->incident_value = last->value;
    return record->cool_until_ns > now.judge_ns;
}

/* Set when "every" is due: at most one period from now, in case the clock was changed. */
static void recall_due(struct gs_judge *judge, size_t rule, const struct gs_ledger *ledger, struct gs_now now)
{
    int64_t period_ns;
    struct gs_condition_state *every = every_of(judge, rule, &period_ns);
    const struct gs_ledger_due *due = due_of(ledger, judge->rules->rule[rule].name);
    if (!every || !due)
        return;
    int64_t left_ns = due->due_ns - now.real_ns;
    every->due_ns = now.judge_ns + (left_ns < period_ns ? left_ns : period_ns);
}

size_t gs_rules_judge_recall(struct gs_judge *judge, const struct gs_ledger *ledger, struct gs_now now)
{
    size_t cooling = 0;
    for (size_t i = 0; i < ledger->count; i++)
        gs_rules_hour_add(&judge->hour, to_judge_clock(now, ledger->incident[i].began_ns));
    for (size_t rule = 0; rule < judge->rules->rule_count; rule++) {
        for (size_t i = 0; i < ledger->count; i++)
            if (strcmp(ledger->incident[i].rule, judge->rules->rule[rule].name) == 0)
                gs_rules_hour_add(&judge->record[rule].hour,
                                  to_judge_clock(now, ledger->incident[i].began_ns));
        cooling += recall_cooldown(judge, rule, ledger, now);
        recall_due(judge, rule, ledger, now);
    }
    return cooling;
}

static bool record_due(struct gs_ledger *ledger, const char *rule, int64_t due_ns)
{
    struct gs_ledger_due *due = due_of(ledger, rule);
    if (due && due->due_ns - due_ns < GS_NS_PER_S && due_ns - due->due_ns < GS_NS_PER_S)
        return false;
    if (!due) {
        if (ledger->due_count == GS_LEDGER_MAX) // full of rules that no longer exist: drop the oldest
            memmove(ledger->due, ledger->due + 1, --ledger->due_count * sizeof *ledger->due);
        if (gs_grow(&ledger->due, &ledger->due_capacity, ledger->due_count + 1, sizeof *ledger->due))
            return false;
        due = &ledger->due[ledger->due_count++];
        snprintf(due->rule, sizeof due->rule, "%s", rule);
    }
    due->due_ns = due_ns;
    return true;
}

bool gs_rules_judge_record_due(const struct gs_judge *judge, struct gs_now now, struct gs_ledger *ledger)
{
    bool changed = false;
    for (size_t rule = 0; rule < judge->rules->rule_count; rule++) {
        int64_t period_ns;
        const struct gs_condition_state *every = every_of(judge, rule, &period_ns);
        if (every && every->due_ns != INT64_MIN)
            changed |= record_due(ledger, judge->rules->rule[rule].name,
                                  now.real_ns + (every->due_ns - now.judge_ns));
    }
    return changed;
}

struct gs_hour_limits gs_rules_judge_hour_limits(const struct gs_judge *judge, size_t rule)
{
    return (struct gs_hour_limits){judge->rules->rule[rule].suppression->max_per_hour,
                                   judge->rules->incidents.max_per_hour};
}
