/* suggest.c - `gumshoe suggest` on every server of the corpus: of a history with a fault come rules that fire on the fault before
 * the last tenth of its climb; on a well one they fire no oftener than was allowed. Prints one line a server.
 *
 * The rules are judged by what is known of the story, not by what the suggestion says of itself.
 * usage: suggest [SEEDS [FIRST [HISTORY]]] */
#include "base/json.h"
#include "base/text.h"
#include "histories.h"
#include "history/history.h"
#include "reader/reader.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PER_WEEK = 1, INCIDENTS_A_DAY = 24, RIGHT_OF_20 = 18 };

struct outcome { // of one shape over all seeds
    unsigned seen, late, loud, seeds;
    double earliest, latest; // of the first right firing, as a share of the climb
    uint64_t otherwise;      // most incidents of one seed on no fault
    char first[48];          // the rule that fired first, of the last seed
    char example[128];       // of what went wrong
};

static struct gs_history *recorded(const struct history *from)
{
    const struct gs_history_shape shape = {.part = {{from->ticks, from->step_ns}}};
    struct gs_history *history = gs_history_shaped(metric_names, METRICS, &shape);
    if (!history)
        exit(1);
    for (size_t i = 0; i < from->ticks; i++)
        gs_history_put(history, (int64_t)i * from->step_ns, from->step_ns, &from->value[i * METRICS]);
    return history;
}

/* What a rule has to fire before: the last tenth of the climb or, if the fault is there at once, of its time. */
static size_t last_useful_tick(const struct history *history)
{
    static const enum metric shows[] = {
        [MEMORY] = RSS,   [THREADS] = THREAD_COUNT,   [DESCRIPTORS] = FDS,   [CPU] = CPU_PERCENT,
        [SWAPPED] = SWAP, [REFUSED] = ALLOC_FAILURES, [STARVED] = RUN_DELAY, [DISK] = IO_WAIT};
    enum metric metric = shows[history->story.shape->fault];
    size_t from = (size_t)(history->story.from_s / history->story.shape->step_s), peak = from, end = from;
    double low = NAN, high = -INFINITY;
    for (size_t i = from; i < history->ticks; i++) {
        double value = history_value(history, i, metric);
        low = isnan(low) ? value : low;
        high = value > high ? value : high;
    }
    while (!(history_value(history, peak, metric) >= low + 0.95 * (high - low)))
        peak++;
    for (size_t i = peak; i < history->ticks; i++)
        if (history_value(history, i, metric) >= low + 0.5 * (high - low))
            end = i;
    bool climbs = peak - from >= 10 && (double)(peak - from) * history->story.shape->step_s >= 60;
    return from + (climbs ? peak - from : end - from) * 9 / 10;
}

static void complain(struct outcome *outcome, uint64_t seed, const char *what)
{
    if (!outcome->example[0])
        snprintf(outcome->example, sizeof outcome->example, "seed %llu: %s", (unsigned long long)seed, what);
}

/* Hold the rules against the history, as the agent does. */
static void judge(const struct history *history, const struct gs_rules *rules, uint64_t seed,
                  struct outcome *outcome)
{
    static struct trial trial;
    const struct story *story = &history->story;
    bool well = story->shape->fault == WELL;
    size_t from = (size_t)(story->from_s / story->shape->step_s), last = well ? 0 : last_useful_tick(history),
           right = SIZE_MAX;
    uint64_t otherwise = 0, weeks = (uint64_t)(story->shape->hours / 168);
    history_judge(history, rules, &trial);
    for (size_t i = 0; i < trial.count && i < FIRINGS_MAX; i++) {
        const struct firing *firing = &trial.firing[i];
        otherwise += well || firing->tick < from;
        if (!well && right == SIZE_MAX && firing->tick >= from &&
            fault_of(rules->rule[firing->rule].metric) == story->shape->fault)
            right = i;
    }
    outcome->otherwise = otherwise > outcome->otherwise ? otherwise : outcome->otherwise;
    if (otherwise > PER_WEEK * (weeks ? weeks : 1) ||
        (double)trial.count > INCIDENTS_A_DAY * (story->shape->hours / 24 + 1)) {
        char said[80];
        outcome->loud++;
        snprintf(said, sizeof said, "fires too often, %zu times, %llu on no fault", trial.count,
                 (unsigned long long)otherwise);
        complain(outcome, seed, said);
    }
    if (well)
        return;
    if (right == SIZE_MAX || trial.firing[right].tick > last) {
        outcome->late++;
        complain(outcome, seed, right == SIZE_MAX ? "no rule fires" : "fires too late");
        return;
    }
    double when = last > from ? 0.9 * (double)(trial.firing[right].tick - from) / (double)(last - from) : 0;
    outcome->earliest = when < outcome->earliest ? when : outcome->earliest;
    outcome->latest = when > outcome->latest ? when : outcome->latest;
    snprintf(outcome->first, sizeof outcome->first, "%s", rules->rule[trial.firing[right].rule].name);
}

static void try_one(const struct shape *shape, uint64_t seed, struct outcome *outcome)
{
    struct history history;
    struct gs_suggested *suggested;
    struct gs_errors errors = {0};
    history_make(&history, shape, seed);
    struct gs_history *record = recorded(&history);
    const struct gs_suggest_constraints constraints = {PER_WEEK, (uint64_t)history.story.limit};
    outcome->seeds++;
    if (gs_reader_suggest(record, &constraints, &suggested) == 0) {
        struct gs_rules *rules =
            gs_rules_read(suggested->rules.bytes, suggested->rules.length, "suggested", &errors);
        if (!rules)
            exit(1);
        outcome->seen += suggested->fault_count > 0;
        judge(&history, rules, seed, outcome);
        gs_rules_free(rules);
    } else {
        outcome->late++;
        complain(outcome, seed, "no rules");
    }
    gs_reader_suggested_free(suggested);
    gs_history_free(record);
    history_free(&history);
}

static void print_outcome(const struct shape *shape, const struct outcome *outcome)
{
    char when[32] = "", seen[16] = "-";
    if (shape->fault != WELL && outcome->late < outcome->seeds)
        snprintf(when, sizeof when, "%.0f to %.0f %%", 100 * outcome->earliest, 100 * outcome->latest);
    if (outcome->seen)
        snprintf(seen, sizeof seen, "%u of %u", outcome->seen, outcome->seeds);
    printf("%-17s %-12s %-9s %-13s %-22s %-10llu %s\n", shape->name, fault_names[shape->fault], seen, when,
           *outcome->first ? outcome->first : "-", (unsigned long long)outcome->otherwise,
           *outcome->example ? outcome->example : "right");
}

static unsigned faulty, caught, well, silent;

static void try_all(const struct shape *shape, uint64_t first, uint64_t seeds, const char *only)
{
    for (; shape->name; shape++) {
        if (only && strcmp(shape->name, only) != 0)
            continue;
        struct outcome outcome = {.earliest = 1};
        for (uint64_t seed = first; seed < first + seeds; seed++)
            try_one(shape, seed, &outcome);
        print_outcome(shape, &outcome);
        bool right = !outcome.late && !outcome.loud;
        faulty += shape->fault != WELL;
        caught += shape->fault != WELL && right;
        well += shape->fault == WELL;
        silent += shape->fault == WELL && right;
    }
}

int main(int argc, char **argv)
{
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 1,
             first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    const char *only = argc > 3 ? argv[3] : NULL;
    gs_json_use_our_memory();
    printf("suggested rules over %llu seed(s), %d incident a week allowed\n", (unsigned long long)seeds,
           PER_WEEK);
    printf("%-17s %-12s %-9s %-13s %-22s %-10s %s\n", "HISTORY", "FAULT", "SEEN", "FIRES AFTER", "FIRST RULE",
           "OTHERWISE", "VERDICT");
    try_all(shapes, first, seeds, only);
    try_all(further_shapes, first, seeds, only);
    printf("%u of %u faults: rules fire before their last tenth; %u of %u well histories: no more incidents "
           "than allowed\n",
           caught, faulty, silent, well);
    return caught * 20 < faulty * RIGHT_OF_20 || silent < well;
}
