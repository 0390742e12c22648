/* suggest.c - rules fitted to a history, and what they do on it.
 *
 *   faults.c ──▶ the faults that the history shows, and the time without them
 *   suggest_rules.c ──▶ a tight first threshold for each rule ──▶ suggest_fit.c: loosens until few enough incidents
 *             ──▶ all rules together, replayed once more: on which faults each fires, and how often otherwise
 *             ──▶ suggest_text.c: a rules file
 *
 * Who: the CLI; pure. */
#include "reader/suggest.h"
#include "base/memory.h"
#include "base/text.h"
#include "history/history.h"
#include <errno.h>
#include <stdio.h>

/* The interval of the rows, in whole seconds, from one second to one hour. */
static int64_t interval_of(const struct gs_history *history)
{
    int64_t seconds = (gs_history_interval_ns(history) + GS_NS_PER_S / 2) / GS_NS_PER_S;
    return (seconds < 1 ? 1 : seconds > 3600 ? 3600 : seconds) * GS_NS_PER_S;
}

static void choose_windows(struct gs_suggestions *suggestions)
{
    struct gs_suggested *out = suggestions->out;
    out->interval_ns = interval_of(suggestions->history);
    suggestions->leak_window_ns = gs_reader_growth_window(out->span_ns);
    suggestions->jump_window_ns =
        10 * out->interval_ns > 10 * GS_NS_PER_MINUTE ? 10 * out->interval_ns : 10 * GS_NS_PER_MINUTE;
    int64_t weeks = out->span_ns / GS_NS_PER_WEEK;
    out->weeks = (uint64_t)(weeks < 1 ? 1 : weeks);
    suggestions->allowed = suggestions->constraints->per_week * out->weeks;
}

/* Set span_ns: the time from the first row to the last. False: the times are wrong. Else sums and differences of a few of them
 * fit into 64 bits. */
static bool measure_span(struct gs_suggestions *suggestions)
{
    size_t rows = gs_history_length(suggestions->history);
    int64_t first_ns = rows ? gs_history_time(suggestions->history, 0) : 0,
            last_ns = rows ? gs_history_time(suggestions->history, rows - 1) : 0;
    if (first_ns > -(INT64_MAX / 2) && last_ns < INT64_MAX / 2 && first_ns <= last_ns &&
        last_ns - first_ns < INT64_MAX / 4) {
        suggestions->out->span_ns = last_ns - first_ns;
        return true;
    }
    gs_text_add(suggestions->notes,
                "the history's times are wrong: its last row is before its first, or decades after it\n");
    return false;
}

static bool is_too_short(struct gs_suggestions *suggestions)
{
    char span[GS_UNIT_TEXT];
    size_t rows = gs_history_length(suggestions->history);
    int64_t covered_ns =
        suggestions->out->span_ns + interval_of(suggestions->history); // a row covers the time before it
    if (rows >= GS_SUGGEST_ROWS_LEAST && covered_ns >= GS_NS_PER_HOUR)
        return false;
    gs_text_add(suggestions->notes,
                "the history is too short: %zu rows over %s; at least an hour and %d rows are needed, a week "
                "is better\n",
                rows, gs_units_print_duration(covered_ns, span), GS_SUGGEST_ROWS_LEAST);
    return true;
}

static bool has_rules(const struct gs_suggestions *suggestions)
{
    size_t left = 0;
    for (size_t i = 0; i < suggestions->count; i++)
        left += !suggestions->rule[i].left_out;
    if (left == 0)
        gs_text_add(suggestions->notes,
                    "there is no metric in this history that a rule could be fitted to\n");
    return left > 0;
}

/* ---- what the rules do on the history ---------------------------------------------------------------------------- */

static void record_firings(const struct gs_suggestions *suggestions, const struct gs_suggestion *rule,
                           const struct gs_replayed *replayed)
{
    struct gs_suggested *out = suggestions->out;
    struct gs_suggested_rule *record = &out->rule[out->rule_count++];
    *record = (struct gs_suggested_rule){.metric = rule->metric};
    snprintf(record->name, sizeof record->name, "%s", rule->name);
    for (size_t i = 0; i < replayed->firing_count; i++) {
        const struct gs_firing *firing = &replayed->firing[i];
        size_t fault = gs_reader_fault_at(suggestions, rule, firing->time_ns);
        if (fault == SIZE_MAX) {
            record->otherwise_ns = record->otherwise ? record->otherwise_ns : firing->time_ns;
            record->otherwise++;
        } else if (!record->hit[fault].fires) {
            record->hit[fault] = (struct gs_hit){true, firing->time_ns, firing->value};
        }
    }
    record->otherwise += replayed->fired - replayed->firing_count; // firings that the replay has only counted
    out->otherwise += record->otherwise;
}

/* Replay all rules together. */
static int verify(const struct gs_suggestions *suggestions)
{
    struct gs_replay *run;
    int error = gs_reader_replay_suggestions(suggestions, NULL, &run);
    for (size_t i = 0, at = 0; !error && i < suggestions->count && at < run->rule_count; i++)
        if (!suggestions->rule[i].left_out)
            record_firings(suggestions, &suggestions->rule[i], &run->rule[at++]);
    gs_reader_replay_free(run);
    return error;
}

bool gs_reader_suggested_covers(const struct gs_suggested *suggested, size_t fault)
{
    for (size_t i = 0; i < suggested->rule_count; i++)
        if (suggested->rule[i].hit[fault].fires)
            return true;
    return false;
}

/* ---- the suggestion --------------------------------------------------------------------------------------------------- */

/* A rule on growth that was fitted to a climb, and had to be loosened until it does not fire on it, is fitted to the usual
 * growth. */
static int refit_growth(struct gs_suggestions *suggestions)
{
    bool changed = false;
    for (size_t i = 0; i < suggestions->count; i++) {
        struct gs_suggestion *rule = &suggestions->rule[i];
        if (rule->kind != GS_SUGGEST_LEAK || rule->fault == SIZE_MAX || rule->left_out || rule->on_faults)
            continue;
        gs_reader_suggest_usual_growth(suggestions, rule);
        changed = true;
    }
    return changed ? gs_reader_fit_suggestions(suggestions) : 0;
}

int gs_reader_study_history(struct gs_suggestions *suggestions)
{
    if (!measure_span(suggestions) || is_too_short(suggestions))
        return -ENODATA;
    choose_windows(suggestions);
    return gs_reader_find_faults(suggestions);
}

static int suggest(struct gs_suggestions *suggestions)
{
    int error = gs_reader_study_history(suggestions);
    if (!error)
        error = gs_reader_first_suggestions(suggestions);
    if (!error)
        error = gs_reader_fit_suggestions(suggestions);
    if (!error)
        error = refit_growth(suggestions);
    if (!error && !has_rules(suggestions))
        return -ENODATA;
    if (!error)
        error = verify(suggestions);
    if (!error)
        gs_reader_print_suggestions(suggestions, NULL, &suggestions->out->rules);
    return error ? error : suggestions->out->rules.failed || suggestions->notes->failed ? -ENOMEM : 0;
}

int gs_reader_suggest(const struct gs_history *history, const struct gs_suggest_constraints *constraints,
                      struct gs_suggested **out)
{
    struct gs_suggestions *suggestions = gs_alloc(sizeof *suggestions);
    *out = gs_alloc(sizeof **out);
    int error = -ENOMEM;
    if (suggestions && *out) {
        suggestions->history = history;
        suggestions->constraints = constraints;
        suggestions->out = *out;
        suggestions->notes = &(*out)->notes;
        error = suggest(suggestions);
    }
    gs_free(suggestions);
    if (error && error != -ENODATA) {
        gs_reader_suggested_free(*out);
        *out = NULL;
    }
    return error;
}

void gs_reader_suggested_free(struct gs_suggested *suggested)
{
    if (!suggested)
        return;
    gs_text_fini(&suggested->rules);
    gs_text_fini(&suggested->notes);
    gs_free(suggested);
}
