/* defaults.c - the built-in rules against every server of the corpus, with many seeds: each fault is caught, by a rule that
 * speaks of it, before it is too late; and nobody is called for nothing. Prints one line a server.
 *
 * usage: defaults [SEEDS [FIRST]] */
#include "base/json.h"
#include "histories.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INCIDENTS_A_DAY = 24 }; // of one fault: more is a storm, and wears out whoever is on duty

struct outcome { // of one shape over all seeds
    unsigned missed, false_alarms, storms;
    double earliest,
        latest; // of the first right firing, as a share of the time from the fault's begin to its deadline
    unsigned fired_by[64]; // first firings of each rule
    char example[160];     // of what went wrong
};

static bool speaks_of(const struct gs_rules *rules, size_t rule, enum fault fault)
{
    return fault_of(rules->rule[rule].metric) == fault;
}

static void complain(struct outcome *outcome, uint64_t seed, const char *what, const char *rule, double hours)
{
    if (!outcome->example[0])
        snprintf(outcome->example, sizeof outcome->example, "seed %llu: %s %s at %.2f h",
                 (unsigned long long)seed, rule, what, hours);
}

/* The first firing that was right; SIZE_MAX: there was none. Wrong ones are complained about. */
static size_t look_through(const struct history *history, const struct gs_rules *rules,
                           const struct trial *trial, uint64_t seed, struct outcome *outcome)
{
    const struct story *story = &history->story;
    size_t right = SIZE_MAX;
    for (size_t i = 0; i < trial->count && i < FIRINGS_MAX; i++) {
        const struct firing *firing = &trial->firing[i];
        double at_s = (double)firing->tick * story->shape->step_s;
        bool good = story->shape->fault != WELL && at_s >= story->from_s &&
                    speaks_of(rules, firing->rule, story->shape->fault);
        if (good && right == SIZE_MAX)
            right = i;
        if (!good && !(story->shape->fault != WELL && at_s >= story->from_s)) {
            outcome->false_alarms++;
            complain(outcome, seed, "fired for nothing", rules->rule[firing->rule].name, at_s / 3600);
        }
    }
    return right;
}

static void judge_one(const struct shape *shape, const struct gs_rules *rules, uint64_t seed,
                      struct outcome *outcome)
{
    static struct trial trial;
    struct history history;
    history_make(&history, shape, seed);
    history_judge(&history, rules, &trial);
    size_t right = look_through(&history, rules, &trial, seed, outcome);
    size_t deadline = history_deadline(&history), from = (size_t)(history.story.from_s / shape->step_s);
    if (shape->fault != WELL && (right == SIZE_MAX || trial.firing[right].tick > deadline)) {
        outcome->missed++;
        complain(outcome, seed, "is too late: nothing fired before", "",
                 (double)deadline * shape->step_s / 3600);
    } else if (shape->fault != WELL) {
        const struct firing *firing = &trial.firing[right];
        double when = deadline > from ? (double)(firing->tick - from) / (double)(deadline - from) : 0;
        outcome->earliest = when < outcome->earliest ? when : outcome->earliest;
        outcome->latest = when > outcome->latest ? when : outcome->latest;
        outcome->fired_by[firing->rule]++;
    }
    if ((double)trial.count > INCIDENTS_A_DAY * (shape->hours / 24 + 1)) {
        outcome->storms++;
        complain(outcome, seed, "is one of too many", "this", 0);
    }
    history_free(&history);
}

static void print_outcome(const struct shape *shape, const struct gs_rules *rules,
                          const struct outcome *outcome)
{
    bool right = !outcome->missed && !outcome->false_alarms && !outcome->storms;
    char by[256] = "", when[32] = "";
    for (size_t i = 0; i < rules->rule_count; i++)
        if (outcome->fired_by[i])
            snprintf(by + strlen(by), sizeof by - strlen(by), "%s%s %u", *by ? ", " : "", rules->rule[i].name,
                     outcome->fired_by[i]);
    if (shape->fault != WELL && !outcome->missed)
        snprintf(when, sizeof when, "%.0f to %.0f %%", 100 * outcome->earliest, 100 * outcome->latest);
    printf("%-17s %-12s %-13s %-50s %s\n", shape->name, fault_names[shape->fault], when, *by ? by : "-",
           right ? "right" : outcome->example);
}

int main(int argc, char **argv)
{
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 50,
             first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    unsigned wrong = 0, count = 0;
    gs_json_use_our_memory();
    struct gs_rules *rules = read_rules_file("default.json");
    printf("rules/default.json over %llu seeds\n", (unsigned long long)seeds);
    printf("%-17s %-12s %-13s %-50s %s\n", "HISTORY", "FAULT", "CAUGHT AFTER", "FIRST, AND HOW OFTEN",
           "VERDICT");
    for (const struct shape *shape = shapes; shape->name; shape++, count++) {
        struct outcome outcome = {.earliest = 1};
        for (uint64_t seed = first; seed < first + seeds; seed++)
            judge_one(shape, rules, seed, &outcome);
        print_outcome(shape, rules, &outcome);
        wrong += outcome.missed || outcome.false_alarms || outcome.storms;
    }
    printf("%u histories: %u right, %u wrong\n", count, count - wrong, wrong);
    gs_rules_free(rules);
    return wrong > 0;
}
