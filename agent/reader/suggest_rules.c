/* suggest_rules.c - the rules that are suggested, and their first thresholds.
 *
 *   near-limit  rss       above a share of the memory limit               where a limit is known
 *   X-leak      growth    half as fast as the climb in the history; if there is none, beyond what is usual over days, so that a
 *                         daily pattern is no leak
 *   X-high      above     above the 99 % quantile, by half of its distance from the median
 *   X-jump      jitter    above the rise over ten minutes' mean that one row in 1000 exceeds, by half
 *
 * First thresholds come from medians and quantiles of the time without faults. suggest_fit.c loosens them as far as the allowed
 * number of incidents requires.
 * Who: suggest.c. Context: CLI; pure. */
#include "base/numbers.h"
#include "base/text.h"
#include "history/history.h"
#include "reader/suggest.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { EXPECTED = 5 }; // a history without one of the first five metrics is said

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

/* "for" is at least three rows, because a single row may be an outlier. */
static int64_t for_time(const struct gs_suggestions *suggestions, const struct gs_metric_policy *policy)
{
    int64_t least_ns = 3 * suggestions->out->interval_ns, for_ns = 0;
    struct gs_unit_error error;
    return gs_units_read_duration(policy->for_time, &for_ns, &error) || for_ns < least_ns ? least_ns : for_ns;
}

static struct gs_suggestion *add_rule(struct gs_suggestions *suggestions, enum gs_suggestion_kind kind,
                                      const char *suffix, const char *metric,
                                      const struct gs_figures *figures)
{
    if (suggestions->count == GS_SUGGESTIONS_MAX)
        return NULL;
    struct gs_suggestion *rule = &suggestions->rule[suggestions->count++];
    *rule = (struct gs_suggestion){.kind = kind,
                                   .policy = gs_reader_metric_policy(metric),
                                   .metric = metric,
                                   .metric_row = gs_metrics_find(metric),
                                   .figures = *figures,
                                   .fault = SIZE_MAX};
    rule->for_ns = for_time(suggestions, rule->policy);
    rule->cooldown_ns = GS_NS_PER_HOUR;
    make_name(suggestions, rule, suffix);
    return rule;
}

/* 80 % of the limit; higher, in steps of 5 %, if the process uses that much in its busiest hour. */
static void suggest_near_limit(struct gs_suggestions *suggestions, const struct gs_figures *figures)
{
    struct gs_suggestion *rule = add_rule(suggestions, GS_SUGGEST_NEAR_LIMIT, "near-limit", "rss", figures);
    double share = 0.80, usual = figures->busy_hour >= figures->median ? figures->busy_hour : figures->median;
    double usual_share = usual / (double)suggestions->constraints->limit_bytes;
    if (!rule)
        return;
    while (share < 0.95 && share < usual_share + 0.05)
        share += 0.05;
    rule->figure = share;
    rule->because = share > 0.80 ? "the line is a twentieth of the limit above its busiest hour"
                                 : "the line is four fifths of the limit";
}

/* ---- growth --------------------------------------------------------------------------------------------------------- */

/* At least a tenth of the median over the window. If it grows all the time, by much more than the spread of slopes, half of
 * its slope: the history may contain a leak, which the rule shall find. */
void gs_reader_suggest_usual_growth(struct gs_suggestions *suggestions, struct gs_suggestion *rule)
{
    const struct gs_figures *figures = &rule->figures;
    double window_s = (double)suggestions->leak_window_ns / 1e9;
    double least_slope = gs_larger(0.1 * fabs(figures->median), rule->policy->floor) / window_s;
    bool grows = figures->slope > least_slope && figures->slope > 2 * figures->slope_spread;
    rule->fault = SIZE_MAX;
    rule->loosened = 0;
    rule->window_ns = suggestions->leak_window_ns;
    rule->figure =
        gs_larger(least_slope, grows ? figures->slope / 2 : figures->slope + 4 * figures->slope_spread);
    rule->because = grows ? "it has grown nearly all the time, which may be a leak that is there already: "
                            "the rate is half of that"
                          : "the rate is four times the latter above that, and a tenth of the median over "
                            "the window at least";
    if (isnan(figures->slope))
        gs_reader_suggestion_leave_out(suggestions, rule,
                                       "a rate that fires on the climb fires without it as well");
    else if (gs_reader_suggestion_is_out_of_reach(suggestions, rule))
        gs_reader_suggestion_leave_out(suggestions, rule, "its values are too large");
}

static int64_t climbs_for(const struct gs_fault *fault)
{
    return fault->peak_ns - fault->begin_ns;
}

/* The longest climb that METRIC shows; SIZE_MAX: none. *HEIGHT: by how much the metric grows. */
static size_t longest_climb(const struct gs_suggestions *suggestions, const char *metric, double *height)
{
    const struct gs_suggested *out = suggestions->out;
    size_t longest = SIZE_MAX;
    for (size_t i = 0; i < out->fault_count; i++) {
        const struct gs_fault *fault = &out->fault[i];
        for (size_t k = 0; k < fault->part_count; k++)
            if (fault->kind == GS_FAULT_CLIMB && strcmp(fault->part[k].metric, metric) == 0 &&
                (longest == SIZE_MAX || climbs_for(fault) > climbs_for(&out->fault[longest]))) {
                longest = i;
                *height = fault->part[k].to - fault->part[k].from;
            }
    }
    return longest;
}

/* Half as fast as the climb FAULT, over a third of its time at most; over half of one of days, so that whole days are in the window.
 * False: it is too short for such a rule. */
static bool fit_to_climb(struct gs_suggestions *suggestions, struct gs_suggestion *rule, size_t fault,
                         double height)
{
    int64_t climbs_ns = climbs_for(&suggestions->out->fault[fault]);
    int64_t fits_ns = climbs_ns >= 3 * GS_NS_PER_DAY ? climbs_ns / 2 : climbs_ns / 3;
    rule->window_ns = gs_reader_growth_window(3 * fits_ns);
    if (rule->window_ns > fits_ns || rule->window_ns < 16 * suggestions->out->interval_ns)
        return false;
    rule->fault = fault;
    rule->figure = height / ((double)climbs_ns / 1e9) / 2;
    rule->because = "the rate is half that of the longest climb in this history";
    return !gs_reader_suggestion_is_out_of_reach(suggestions, rule);
}

static void suggest_leak(struct gs_suggestions *suggestions, const char *metric,
                         const struct gs_figures *figures)
{
    double height = 0;
    size_t fault = longest_climb(suggestions, metric, &height);
    if (isnan(figures->slope) && fault == SIZE_MAX)
        return;
    struct gs_suggestion *rule = add_rule(suggestions, GS_SUGGEST_LEAK, "leak", metric, figures);
    if (rule && (fault == SIZE_MAX || !fit_to_climb(suggestions, rule, fault, height)))
        gs_reader_suggest_usual_growth(suggestions, rule);
}

/* ---- values and jumps ------------------------------------------------------------------------------------------------ */

static void suggest_high(struct gs_suggestions *suggestions, const char *metric,
                         const struct gs_figures *figures)
{
    struct gs_suggestion *rule = add_rule(suggestions, GS_SUGGEST_HIGH, "high", metric, figures);
    if (!rule)
        return;
    rule->least = figures->high;
    rule->figure = figures->high + gs_larger((figures->high - figures->median) / 2,
                                             gs_larger(0.1 * fabs(figures->high), rule->policy->floor));
    rule->because =
        "the line is above the 99 % value by half of its distance from the median, and by a tenth at least";
    if (gs_reader_suggestion_is_out_of_reach(suggestions, rule))
        gs_reader_suggestion_leave_out(suggestions, rule, "it has already been as high as it can get");
}

static void suggest_jump(struct gs_suggestions *suggestions, const char *metric,
                         const struct gs_figures *figures)
{
    if (isnan(figures->jump))
        return;
    struct gs_suggestion *rule = add_rule(suggestions, GS_SUGGEST_JUMP, "jump", metric, figures);
    if (!rule)
        return;
    rule->window_ns = suggestions->jump_window_ns;
    rule->figure =
        gs_larger(1.5 * figures->jump, gs_larger(0.15 * fabs(figures->median), rule->policy->floor));
    rule->because = "the rule allows half as much again, and 15 % of the median at least";
    if (gs_reader_suggestion_is_out_of_reach(suggestions, rule))
        gs_reader_suggestion_leave_out(suggestions, rule, "its jumps span its whole range");
}

/* Does METRIC show a fault that comes at once? */
static bool has_sudden_fault(const struct gs_suggestions *suggestions, const char *metric)
{
    for (size_t i = 0; i < suggestions->out->fault_count; i++)
        if (suggestions->out->fault[i].kind != GS_FAULT_CLIMB &&
            gs_reader_fault_concerns(suggestions, i, metric))
            return true;
    return false;
}

static int suggest_for(struct gs_suggestions *suggestions, const char *metric)
{
    const struct gs_metric_policy *policy = gs_reader_metric_policy(metric);
    struct gs_figures figures;
    struct gs_periods without;
    gs_reader_fault_periods(suggestions, metric, &without);
    int error =
        gs_reader_figures_of(suggestions->history, gs_history_find(suggestions->history, metric), &without,
                             suggestions->leak_window_ns, suggestions->jump_window_ns, &figures);
    if (error)
        return error;
    if (figures.count < GS_SUGGEST_ROWS_LEAST) {
        gs_text_add(suggestions->notes, "%s: no rule, the history has only %zu values of it%s\n", metric,
                    figures.count, without.count ? " without faults" : "");
        return 0;
    }
    if (!strcmp(metric, "rss") && suggestions->constraints->limit_bytes)
        suggest_near_limit(suggestions, &figures);
    if (policy->leaks)
        suggest_leak(suggestions, metric, &figures);
    suggest_high(suggestions, metric, &figures);
    if (policy->jumps || has_sudden_fault(suggestions, metric))
        suggest_jump(suggestions, metric, &figures);
    return 0;
}

/* Rules for the gauges, after those of the built-in metrics. */
static int suggest_for_gauges(struct gs_suggestions *suggestions)
{
    int error = 0;
    for (size_t i = 0; i < gs_history_metric_count(suggestions->history) && !error; i++) {
        const char *name = gs_history_metric_name(suggestions->history, i);
        if (gs_reader_metric_policy(name)->metric || !gs_metrics_find(name))
            continue;
        if (suggestions->count == GS_SUGGESTIONS_MAX) {
            gs_text_add(suggestions->notes, "%s and the gauges after it: no rules, there are %d already\n",
                        name, GS_SUGGESTIONS_MAX);
            break;
        }
        error = suggest_for(suggestions, name);
    }
    return error;
}

int gs_reader_first_suggestions(struct gs_suggestions *suggestions)
{
    const struct gs_metric_policy *policy;
    int error = 0;
    for (size_t i = 0; !error && (policy = gs_reader_metric_policy_at(i)); i++)
        if (!policy->capture)
            continue;
        else if (gs_history_find(suggestions->history, policy->metric) != SIZE_MAX)
            error = suggest_for(suggestions, policy->metric);
        else if (i < EXPECTED)
            gs_text_add(suggestions->notes,
                        "%s: no rule, it is not in this history; add it as a column, or use a history that "
                        "gumshoe recorded\n",
                        policy->metric);
    if (!error)
        error = suggest_for_gauges(suggestions);
    if (suggestions->constraints->limit_bytes == 0)
        gs_text_add(suggestions->notes,
                    "the memory limit is not known: no rule near it; give it with --limit SIZE\n");
    return error;
}
