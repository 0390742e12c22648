/* replay.c - tests rules on a recorded history: when would each rule have fired, and if it never fired, what prevented
 * it?
 *
 *   row ──▶ tick ──gs_rules_judge_tick──▶ fired? ──yes──▶ a firing; its incident is over at once
 *                                      └────no───▶ the obstacle: metric · over · limit · every · line · for · again ·
 *                                                  cooldown · unless … It is recorded when it is nearer to an incident than
 *                                                  the recorded one, or equally near with the value nearer to its line
 *
 * Where a process begins (gs_history_starts_process), the judge is a new one, as in the process itself: windows are empty, and
 * cooldowns, "again", "every" and max_per_hour are those of a ledger, as store/ledger.c has it. If the process ran beside the one
 * before, the ledger is empty too.
 *
 * The judge's clock starts at 0 and advances with the rows' times; where those go back (the clock was set), it advances by
 * the row's step.
 * Who:    gumshoe replay, suggest. Pure.
 * Bounds: GS_FIRINGS_MAX firings of each rule are kept, all are counted. */
#include "base/memory.h"
#include "history/history.h"
#include "reader/inside.h"
#include "rules/rules.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define CLOCK_MAX    (INT64_MAX / 4) // far enough from the end for every cooldown to be added
#define LEDGER_START GS_NS_PER_S     // the judge's clock 0 on the ledger's, where 0 is no time

struct replay_run { // the state of a running replay
    const struct gs_rules *rules;
    const struct gs_history *history;
    struct gs_judge *judge;
    struct gs_ledger ledger; // the incidents so far
    uint64_t limit_bytes;
    struct gs_replay *replay;
    struct gs_verdict *verdict;
    double *value;
    size_t *column_of;              // for each of the rules' metrics its index in the history; SIZE_MAX: none
    struct rule_progress *progress; // one for each rule
    int64_t clock_ns, total_ns;
};

struct rule_progress {         // the state of a rule from row to row
    enum gs_obstacle obstacle; // at the last row with a value
    bool fired;                // at this row
    double nearness;           // of the recorded obstruction (struct gs_obstruction)
};

/* ---- recording -------------------------------------------------------------------------------------------------- */

static void record_closest(struct replay_run *run, size_t rule, const struct gs_obstruction *now, size_t row)
{
    struct gs_replayed *replayed = &run->replay->rule[rule];
    struct rule_progress *progress = &run->progress[rule];
    struct gs_rule_state state;
    bool closer = now->obstacle > replayed->obstacle ||
                  (now->obstacle == replayed->obstacle && now->nearness > progress->nearness);
    if (replayed->fired || !closer)
        return;
    gs_rules_judge_state(run->judge, rule, run->clock_ns, &state);
    progress->nearness = now->nearness;
    replayed->obstacle = now->obstacle;
    replayed->time_ns = gs_history_time(run->history, row);
    replayed->value = now->value;
    replayed->line = now->line;
    snprintf(replayed->held_back, sizeof replayed->held_back, "%s", state.reason);
}

/* Count an obstacle each time when it becomes the only one for a condition that was false before. */
static void count_missed(struct replay_run *run, size_t rule, const struct gs_obstruction *now)
{
    struct rule_progress *progress = &run->progress[rule];
    if (now->obstacle > GS_NO_QUIET && now->obstacle != progress->obstacle && now->was_quiet)
        run->replay->rule[rule].missed[now->obstacle]++;
    progress->obstacle = now->obstacle;
}

static bool add_firing(struct replay_run *run, const struct gs_verdict *verdict, size_t row)
{
    struct gs_replayed *replayed = &run->replay->rule[verdict->rule];
    replayed->fired++;
    if (replayed->firing_count == GS_FIRINGS_MAX)
        return true;
    size_t capacity =
        replayed->firing_count; // capacities are powers of two, so it is full when the count is one
    if ((capacity & (capacity - 1)) == 0) {
        struct gs_firing *more = gs_realloc(replayed->firing, (capacity ? 2 * capacity : 1) * sizeof *more);
        if (!more)
            return false;
        replayed->firing = more;
    }
    struct gs_firing *firing = &replayed->firing[replayed->firing_count++];
    *firing = (struct gs_firing){.time_ns = gs_history_time(run->history, row),
                                 .condition = verdict->condition,
                                 .value = verdict->value,
                                 .line = verdict->line};
    snprintf(firing->reason, sizeof firing->reason, "%s", verdict->reason);
    return true;
}

/* Add this row to the rule's plot: its value, the line of the condition that gs_rules_judge_state reports, and a firing. */
static void plot(struct replay_run *run, size_t rule, double value)
{
    struct gs_replay *replay = run->replay;
    if (!replay->column_count)
        return;
    double share = run->total_ns ? (double)run->clock_ns / (double)run->total_ns : 0;
    size_t at = (size_t)(share * (double)replay->column_count);
    struct gs_column *column =
        &replay->rule[rule].column[at < replay->column_count ? at : replay->column_count - 1];
    struct gs_rule_state state;
    gs_rules_judge_state(run->judge, rule, run->clock_ns, &state);
    double line = state.line;
    if (isfinite(value) && !(value >= column->low))
        column->low = value;
    if (isfinite(value) && !(value <= column->high))
        column->high = value;
    if (isfinite(line))
        column->line = line;
    column->fired |= run->progress[rule].fired;
}

static void review_rule(struct replay_run *run, size_t rule, size_t row)
{
    const struct gs_rule *the_rule = &run->rules->rule[rule];
    double value = the_rule->metric ? run->value[the_rule->metric_index] : NAN;
    bool missing = the_rule->metric && !isfinite(value);
    plot(run, rule, value);
    if (run->progress[rule].fired) {
        run->progress[rule].obstacle = GS_NO_OBSTACLE;
        return;
    }
    struct gs_obstruction now = gs_rules_judge_obstruction(run->judge, rule, missing, run->clock_ns,
                                                           gs_history_step_ns(run->history, row));
    if (now.obstacle == GS_NO_METRIC)
        return;
    count_missed(run, rule, &now);
    record_closest(run, rule, &now, row);
}

/* ---- row by row ------------------------------------------------------------------------------------------------- */

/* The time from the row before to ROW; if the clock was set back, ROW's step. */
static int64_t since_row_before(const struct gs_history *history, size_t row)
{
    int64_t since_ns;
    bool absurd =
        __builtin_sub_overflow(gs_history_time(history, row), gs_history_time(history, row - 1), &since_ns);
    return absurd || since_ns <= 0 ? gs_history_step_ns(history, row) : since_ns;
}

static int64_t advance_clock(int64_t clock_ns, int64_t since_ns)
{
    return since_ns > CLOCK_MAX - clock_ns ? CLOCK_MAX : clock_ns + since_ns;
}

/* Note the incident of VERDICT for the processes that come later. */
static bool note_incident(struct replay_run *run, const struct gs_verdict *verdict)
{
    int64_t now_ns = run->clock_ns + LEDGER_START;
    struct gs_ledger_incident incident = {.began_ns = now_ns, .ended_ns = now_ns, .value = verdict->value};
    snprintf(incident.rule, sizeof incident.rule, "%s", run->rules->rule[verdict->rule].name);
    gs_rules_ledger_tidy(&run->ledger, now_ns);
    return gs_rules_ledger_add(&run->ledger, &incident) == 0;
}

/* A process begins: a new judge, with what the ledger has of those before. */
static bool begin_process(struct replay_run *run, size_t row)
{
    const struct gs_now now = {run->clock_ns, run->clock_ns + LEDGER_START};
    struct gs_judge *judge = gs_rules_judge_new(run->rules, run->limit_bytes);
    if (!judge)
        return false;
    if (gs_history_time(run->history, row) <
        gs_history_time(run->history, row - 1)) // it ran beside the one before
        gs_rules_ledger_fini(&run->ledger);
    else
        (void)gs_rules_judge_record_due(run->judge, now, &run->ledger);
    (void)gs_rules_judge_recall(judge, &run->ledger, now);
    gs_rules_judge_free(run->judge);
    run->judge = judge;
    return true;
}

static bool judge_row(struct replay_run *run, size_t row)
{
    int64_t step_ns = gs_history_step_ns(run->history, row);
    for (size_t i = 0; i < run->rules->metric_count; i++)
        run->value[i] =
            run->column_of[i] == SIZE_MAX ? NAN : gs_history_value(run->history, row, run->column_of[i]);
    for (size_t i = 0; i < run->rules->rule_count; i++)
        run->progress[i].fired = false;
    const struct gs_tick tick = {.time_ns = run->clock_ns, .value = run->value, .step_ns = step_ns};
    size_t fired = gs_rules_judge_tick(run->judge, &tick, run->verdict);
    for (size_t i = 0; i < fired; i++) {
        run->progress[run->verdict[i].rule].fired = true;
        gs_rules_judge_incident_over(run->judge, run->verdict[i].rule, run->clock_ns);
        if (!add_firing(run, &run->verdict[i], row) || !note_incident(run, &run->verdict[i]))
            return false;
    }
    for (size_t i = 0; i < run->rules->rule_count; i++)
        review_rule(run, i, row);
    return true;
}

/* Explain a rule whose metric never had a value: nothing was recorded for it. */
static void explain_missing_metric(const struct gs_rule *rule, const struct gs_history *history,
                                   struct gs_replayed *replayed)
{
    bool known = rule->metric && gs_history_find(history, rule->metric) != SIZE_MAX;
    if (replayed->fired || replayed->obstacle != GS_NO_METRIC)
        return;
    snprintf(replayed->held_back, sizeof replayed->held_back,
             known ? "%s has no value in this history" : "%s is not in this history", rule->metric);
}

static bool judge_rows(struct replay_run *run)
{
    size_t rows = run->replay->rows;
    for (size_t row = 1; row < rows; row++) {
        int64_t since_ns = since_row_before(run->history, row),
                step_ns = gs_history_step_ns(run->history, row);
        run->total_ns = advance_clock(run->total_ns, since_ns);
        run->replay->gaps += !gs_history_starts_process(run->history, row) &&
                             gs_rules_tick_stands_for(since_ns, step_ns) < since_ns;
    }
    for (size_t row = 0; row < rows; row++) {
        run->clock_ns = row ? advance_clock(run->clock_ns, since_row_before(run->history, row)) : 0;
        if (row && gs_history_starts_process(run->history, row) && !begin_process(run, row))
            return false;
        if (!judge_row(run, row))
            return false;
    }
    for (size_t i = 0; i < run->rules->rule_count; i++)
        explain_missing_metric(&run->rules->rule[i], run->history, &run->replay->rule[i]);
    return true;
}

/* ---- new and free -------------------------------------------------------------------------------------- */

static bool make_replay(struct replay_run *run, size_t columns)
{
    size_t rules = run->rules->rule_count;
    run->replay = gs_alloc(sizeof *run->replay + rules * sizeof *run->replay->rule);
    if (!run->replay)
        return false;
    run->replay->rows = gs_history_length(run->history);
    run->replay->rule_count = rules;
    run->replay->column_count = columns;
    run->replay->counts_ticks = gs_rules_count_ticks(run->rules);
    for (size_t i = 0; i < rules; i++) {
        struct gs_replayed *replayed = &run->replay->rule[i];
        replayed->value = replayed->line = NAN;
        replayed->column = gs_alloc(columns * sizeof *replayed->column + 1);
        if (!replayed->column)
            return false;
        for (size_t k = 0; k < columns; k++)
            replayed->column[k] = (struct gs_column){NAN, NAN, NAN, false};
    }
    return true;
}

static bool make_run(struct replay_run *run)
{
    size_t rules = run->rules->rule_count, metrics = run->rules->metric_count;
    run->judge = gs_rules_judge_new(run->rules, run->limit_bytes);
    run->verdict = gs_alloc(rules * sizeof *run->verdict + 1);
    run->value = gs_alloc(metrics * sizeof *run->value + 1);
    run->column_of = gs_alloc(metrics * sizeof *run->column_of + 1);
    run->progress = gs_alloc(rules * sizeof *run->progress + 1);
    if (!run->judge || !run->verdict || !run->value || !run->column_of || !run->progress)
        return false;
    for (size_t i = 0; i < metrics; i++)
        run->column_of[i] = gs_history_find(run->history, run->rules->metric[i]);
    return true;
}

struct gs_replay *gs_reader_replay_run(const struct gs_rules *rules, const struct gs_history *history,
                                       uint64_t limit_bytes, size_t columns)
{
    struct replay_run run = {.rules = rules, .history = history, .limit_bytes = limit_bytes};
    bool ok = make_replay(&run, columns) && make_run(&run) && judge_rows(&run);
    gs_rules_judge_free(run.judge);
    gs_rules_ledger_fini(&run.ledger);
    gs_free(run.verdict);
    gs_free(run.value);
    gs_free(run.column_of);
    gs_free(run.progress);
    if (ok)
        return run.replay;
    gs_reader_replay_free(run.replay);
    return NULL;
}

void gs_reader_replay_free(struct gs_replay *replay)
{
    if (!replay)
        return;
    for (size_t i = 0; i < replay->rule_count; i++) {
        gs_free(replay->rule[i].firing);
        gs_free(replay->rule[i].column);
    }
    gs_free(replay);
}
