/* suggest.c - rules fitted to a history: chooses the rules and their first thresholds.
 *
 *   figures.c ──▶ a tight first threshold for each rule ──▶ suggest_fit.c: loosens until few enough incidents
 *             ──▶ all rules together, replayed once more as a check ──▶ suggest_text.c: a rules file
 *
 *   near-limit  rss       above a share of the memory limit               where a limit is known
 *   X-leak      growth    over days if the history is long enough, so that a daily pattern is no leak
 *   X-high      above     above the 99 % quantile, by half of its distance from the median
 *   X-jump      jitter    above the rise over ten minutes' mean that one row in 1000 exceeds, by half
 *
 * First thresholds come from medians and quantiles, so a fault in the history hardly changes them. They are loosened only
 * as far as the allowed number of incidents requires.
 * Who: the CLI; pure. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/numbers.h"
#include "base/text.h"
#include "history/history.h"
#include "metrics/metrics.h"
#include "reader/inside.h"
#include "rules/rules.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// clang-format off
static const struct gs_metric_policy policies[] = {
    {"heap_in_use",     true,  false, "[\"heap\", \"threads\"]",         "30s", 8 << 20},
    {"rss",             true,  true,  "[\"heap\", \"threads\"]",         "30s", 8 << 20},
    {"threads",         true,  false, "[\"threads\", \"threadcreate\"]", "30s", 8},
    {"fds",             true,  false, "[\"threads\"]",                   "30s", 32},
    {"cpu",             false, false, "[\"cpu\", \"threads\"]",          "5m",  10},
    {"memory_pressure", false, false, "[\"heap\", \"threads\"]",         "1m",  5},
    {"major_faults",    false, false, "[\"threads\"]",                   "1m",  20},
    {"heap_alloc_rate", false, false, "[\"heap\", \"cpu\"]",             "1m",  1 << 20},
};
static const struct gs_metric_policy gauge_policy = {NULL, false, false, "[\"threads\"]", "30s", 1};
// clang-format on

/* ---- first thresholds ------------------------------------------------------------------------------------------------- */

/* "rss-high", "gauge.queue-high"; if a shortened name is used already, the rule's number instead. */
static void make_name(const struct gs_suggestions *suggestions, struct gs_suggestion *rule,
                      const char *suffix)
{
    const char *colon = strchr(rule->metric, ':');
    int room = (int)(GS_RULE_NAME_MAX - strlen(suffix) - 1 - (colon ? strlen("gauge.") : 0));
    snprintf(rule->name, sizeof rule->name, "%s%.*s-%s", colon ? "gauge." : "", room,
             colon ? colon + 1 : rule->metric, suffix);
    for (const struct gs_suggestion *other = suggestions->rule; other < rule; other++)
        if (strcmp(other->name, rule->name) == 0)
            snprintf(rule->name, sizeof rule->name, "gauge.%zu-%s", (size_t)(rule - suggestions->rule),
                     suffix);
}

static struct gs_suggestion *add_rule(struct gs_suggestions *suggestions, enum gs_suggestion_kind kind,
                                      const char *suffix, const struct gs_metric_policy *policy,
                                      const char *metric, const struct gs_figures *figures)
{
    if (suggestions->count == GS_SUGGESTIONS_MAX)
        return NULL;
    struct gs_suggestion *rule = &suggestions->rule[suggestions->count++];
    *rule = (struct gs_suggestion){.kind = kind,
                                   .policy = policy,
                                   .metric = metric,
                                   .metric_row = gs_metrics_find(metric),
                                   .figures = *figures};
    make_name(suggestions, rule, suffix);
    return rule;
}

/* 80 % of the limit; higher, in steps of 5 %, if the process uses that much in its busiest hour. */
static void suggest_near_limit(struct gs_suggestions *suggestions, const struct gs_metric_policy *policy,
                               const struct gs_figures *figures)
{
    struct gs_suggestion *rule =
        add_rule(suggestions, GS_SUGGEST_NEAR_LIMIT, "near-limit", policy, "rss", figures);
    double share = 0.80, usual = figures->busy_hour >= figures->median ? figures->busy_hour : figures->median;
    double usual_share = usual / (double)suggestions->constraints->limit_bytes;
    if (!rule)
        return;
    while (share < 0.95 && share < usual_share + 0.05)
        share += 0.05;
    rule->figure = share;
    rule->because = share > 0.80 ? "a twentieth of the limit above its busiest hour"
                                 : "four fifths of the limit: no more room for mistakes";
}

/* At least a tenth of the median over the window. If it grows all the time, by much more than the spread of slopes, half of
 * its slope: the history may contain a leak, which the rule shall find. */
static void suggest_leak(struct gs_suggestions *suggestions, const struct gs_metric_policy *policy,
                         const char *metric, const struct gs_figures *figures)
{
    if (isnan(figures->slope))
        return;
    struct gs_suggestion *rule = add_rule(suggestions, GS_SUGGEST_LEAK, "leak", policy, metric, figures);
    double window_s = (double)suggestions->leak_window_ns / 1e9;
    double least_slope = gs_larger(0.1 * fabs(figures->median), policy->floor) / window_s;
    bool grows = figures->slope > least_slope && figures->slope > 2 * figures->slope_spread;
    if (!rule)
        return;
    rule->figure =
        gs_larger(least_slope, grows ? figures->slope / 2 : figures->slope + 4 * figures->slope_spread);
    rule->because =
        grows ? "it has grown nearly all the time, which may be a leak that is there already: half of that"
              : "four times that beyond it, and a tenth of the median over the window at least";
    if (gs_reader_suggestion_is_out_of_reach(suggestions, rule))
        gs_reader_suggestion_leave_out(suggestions, rule, "its values are too large");
}

static void suggest_high(struct gs_suggestions *suggestions, const struct gs_metric_policy *policy,
                         const char *metric, const struct gs_figures *figures)
{
    struct gs_suggestion *rule = add_rule(suggestions, GS_SUGGEST_HIGH, "high", policy, metric, figures);
    if (!rule)
        return;
    rule->least = figures->high;
    rule->figure = figures->high + gs_larger((figures->high - figures->median) / 2,
                                             gs_larger(0.1 * fabs(figures->high), policy->floor));
    rule->because = "beyond that by half of what lies between, and by a tenth at least";
    if (gs_reader_suggestion_is_out_of_reach(suggestions, rule))
        gs_reader_suggestion_leave_out(suggestions, rule, "it has already been as high as it can get");
}

static void suggest_jump(struct gs_suggestions *suggestions, const struct gs_metric_policy *policy,
                         const char *metric, const struct gs_figures *figures)
{
    if (isnan(figures->jump))
        return;
    struct gs_suggestion *rule = add_rule(suggestions, GS_SUGGEST_JUMP, "jump", policy, metric, figures);
    if (!rule)
        return;
    rule->figure = gs_larger(1.5 * figures->jump, gs_larger(0.15 * fabs(figures->median), policy->floor));
    rule->because = "half as much again, and 15 % of the median at least";
    if (gs_reader_suggestion_is_out_of_reach(suggestions, rule))
        gs_reader_suggestion_leave_out(suggestions, rule, "its jumps span its whole range");
}

static const struct gs_metric_policy *policy_of(const char *metric)
{
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        if (strcmp(policies[i].metric, metric) == 0)
            return &policies[i];
    return &gauge_policy;
}

static int suggest_for(struct gs_suggestions *suggestions, const struct gs_metric_policy *policy,
                       const char *metric)
{
    struct gs_figures figures;
    size_t at = gs_history_find(suggestions->history, metric);
    int error = gs_reader_figures_of(suggestions->history, at, suggestions->leak_window_ns,
                                     suggestions->jump_window_ns, &figures);
    if (error)
        return error;
    if (figures.count < GS_SUGGEST_ROWS_LEAST) {
        gs_text_add(suggestions->notes, "%s: no rule, the history has only %zu values of it\n", metric,
                    figures.count);
        return 0;
    }
    if (!strcmp(metric, "rss") && suggestions->constraints->limit_bytes)
        suggest_near_limit(suggestions, policy, &figures);
    if (policy->leaks)
        suggest_leak(suggestions, policy, metric, &figures);
    suggest_high(suggestions, policy, metric, &figures);
    if (policy->jumps)
        suggest_jump(suggestions, policy, metric, &figures);
    return 0;
}

/* Suggest rules in the order of the policies, then for gauges. NOTES says which metrics the history lacks. */
static int suggest_all(struct gs_suggestions *suggestions)
{
    int error = 0;
    for (size_t i = 0; i < sizeof policies / sizeof *policies && !error; i++)
        if (gs_history_find(suggestions->history, policies[i].metric) != SIZE_MAX)
            error = suggest_for(suggestions, &policies[i], policies[i].metric);
        else if (i < 5) // the last three are optional: no note
            gs_text_add(suggestions->notes,
                        "%s: no rule, it is not in this history; add it as a column, or use a history that "
                        "gumshoe recorded\n",
                        policies[i].metric);
    for (size_t i = 0; i < gs_history_metric_count(suggestions->history) && !error; i++) {
        const char *name = gs_history_metric_name(suggestions->history, i);
        if (policy_of(name) != &gauge_policy || !gs_metrics_find(name))
            continue;
        if (suggestions->count == GS_SUGGESTIONS_MAX) {
            gs_text_add(suggestions->notes, "%s and the gauges after it: no rules, there are %d already\n",
                        name, GS_SUGGESTIONS_MAX);
            break;
        }
        error = suggest_for(suggestions, &gauge_policy, name);
    }
    if (suggestions->constraints->limit_bytes == 0)
        gs_text_add(suggestions->notes,
                    "the memory limit is not known: no rule near it; give it with --limit SIZE\n");
    return error;
}

/* ---- the suggestion --------------------------------------------------------------------------------------------------- */

/* The longest window that fits into the history three times. */
static int64_t leak_window(int64_t span_ns)
{
    static const int64_t windows[] = {3 * GS_NS_PER_DAY,   2 * GS_NS_PER_DAY,    GS_NS_PER_DAY,
                                      12 * GS_NS_PER_HOUR, 6 * GS_NS_PER_HOUR,   3 * GS_NS_PER_HOUR,
                                      GS_NS_PER_HOUR,      30 * GS_NS_PER_MINUTE};
    size_t i = 0;
    while (i + 1 < sizeof windows / sizeof *windows && windows[i] > span_ns / 3)
        i++;
    return windows[i];
}

/* The interval of the rows, in whole seconds, from one second to one hour. */
static int64_t interval_of(const struct gs_history *history)
{
    int64_t seconds = (gs_history_interval_ns(history) + GS_NS_PER_S / 2) / GS_NS_PER_S;
    return (seconds < 1 ? 1 : seconds > 3600 ? 3600 : seconds) * GS_NS_PER_S;
}

static void choose_windows(struct gs_suggestions *suggestions)
{
    int64_t weeks;
    suggestions->interval_ns = interval_of(suggestions->history);
    suggestions->leak_window_ns = leak_window(suggestions->span_ns);
    suggestions->jump_window_ns = 10 * suggestions->interval_ns > 10 * GS_NS_PER_MINUTE
                                      ? 10 * suggestions->interval_ns
                                      : 10 * GS_NS_PER_MINUTE;
    weeks = suggestions->span_ns / GS_NS_PER_WEEK;
    suggestions->allowed = suggestions->constraints->per_week * (uint64_t)(weeks < 1 ? 1 : weeks);
}

/* Set span_ns: the time from the first row to the last. False: it is impossibly long. */
static bool measure_span(struct gs_suggestions *suggestions)
{
    size_t rows = gs_history_length(suggestions->history);
    int64_t first_ns = rows ? gs_history_time(suggestions->history, 0) : 0,
            last_ns = rows ? gs_history_time(suggestions->history, rows - 1) : 0;
    if (!__builtin_sub_overflow(last_ns, first_ns, &suggestions->span_ns) &&
        last_ns < INT64_MAX - GS_NS_PER_WEEK)
        return true;
    gs_text_add(suggestions->notes, "the history's times are wrong: they are centuries apart\n");
    return false;
}

static bool is_too_short(struct gs_suggestions *suggestions)
{
    char span[GS_UNIT_TEXT];
    size_t rows = gs_history_length(suggestions->history);
    if (rows >= GS_SUGGEST_ROWS_LEAST && suggestions->span_ns >= GS_NS_PER_HOUR)
        return false;
    gs_text_add(suggestions->notes,
                "the history is too short: %zu rows over %s; at least an hour and %d rows are needed, a week "
                "is better\n",
                rows, gs_units_print_duration(suggestions->span_ns, span), GS_SUGGEST_ROWS_LEAST);
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

static int suggest(struct gs_suggestions *suggestions, struct gs_text *out)
{
    uint64_t fired = 0;
    if (!measure_span(suggestions) || is_too_short(suggestions))
        return -ENODATA;
    choose_windows(suggestions);
    int error = suggest_all(suggestions);
    if (!error)
        error = gs_reader_fit_suggestions(suggestions);
    if (!error && !has_rules(suggestions))
        return -ENODATA;
    if (!error)
        error = gs_reader_replay_suggestions(suggestions, NULL, &fired);
    if (!error && fired > suggestions->allowed)
        error = -EINVAL;
    if (!error)
        gs_reader_print_suggestions(suggestions, NULL, out);
    return error ? error : out->failed ? -ENOMEM : 0;
}

int gs_reader_suggest(const struct gs_history *history, const struct gs_suggest_constraints *constraints,
                      struct gs_text *out, struct gs_text *notes)
{
    struct gs_suggestions *suggestions = gs_alloc(sizeof *suggestions);
    if (!suggestions)
        return -ENOMEM;
    suggestions->history = history;
    suggestions->constraints = constraints;
    suggestions->notes = notes;
    int error = suggest(suggestions, out);
    gs_free(suggestions);
    return error;
}
