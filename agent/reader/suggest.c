/* suggest.c - rules fitted to a history: which rules, and their first figures.
 *
 *   figures.c ──▶ a first figure for each rule, tight ──▶ suggest_fit.c: loosened until the replay is quiet enough
 *             ──▶ all rules together, replayed once more: the proof ──▶ suggest_text.c: a rules file
 *
 *   near-limit  rss       above a share of the memory limit               where a limit is known
 *   X-leak      growth    over days where there are days enough, so that a day's ups and downs are no leak
 *   X-high      above     beyond what it is for 99 % of the time, by half of what lies between that and the median
 *   X-jump      jitter    beyond what one row in a thousand rises over the mean of ten minutes, by half
 *
 * First figures come from medians and quantiles, so a fault in the history does not teach them; they are loosened no
 * further than the incidents wished for ask.
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

/* ---- first figures ------------------------------------------------------------------------------------------------------- */

/* "rss-high", "gauge.queue-high"; where a long name would be another's as well, its number. */
static void make_name(const struct gs_suggestions *s, struct gs_suggestion *rule, const char *suffix)
{
    const char *colon = strchr(rule->metric, ':');
    int room = (int)(GS_RULE_NAME_MAX - strlen(suffix) - 1 - (colon ? strlen("gauge.") : 0));
    snprintf(rule->name, sizeof rule->name, "%s%.*s-%s", colon ? "gauge." : "", room,
             colon ? colon + 1 : rule->metric, suffix);
    for (const struct gs_suggestion *other = s->rule; other < rule; other++)
        if (strcmp(other->name, rule->name) == 0)
            snprintf(rule->name, sizeof rule->name, "gauge.%zu-%s", (size_t)(rule - s->rule), suffix);
}

static struct gs_suggestion *add(struct gs_suggestions *s, enum gs_suggestion_kind kind, const char *suffix,
                                 const struct gs_metric_policy *policy, const char *metric,
                                 const struct gs_figures *figures)
{
    if (s->count == GS_SUGGESTIONS_MAX)
        return NULL;
    struct gs_suggestion *rule = &s->rule[s->count++];
    *rule = (struct gs_suggestion){.kind = kind,
                                   .policy = policy,
                                   .metric = metric,
                                   .row = gs_metrics_find(metric),
                                   .figures = *figures};
    make_name(s, rule, suffix);
    return rule;
}

/* Four fifths of the limit; higher, in steps of a twentieth, where the process lives there in its busiest hour. */
static void suggest_near_limit(struct gs_suggestions *s, const struct gs_metric_policy *policy,
                               const struct gs_figures *f)
{
    struct gs_suggestion *rule = add(s, GS_SUGGEST_NEAR_LIMIT, "near-limit", policy, "rss", f);
    double share = 0.80, usual = f->busy_hour >= f->median ? f->busy_hour : f->median;
    double lives_at = usual / (double)s->constraints->limit_bytes;
    if (!rule)
        return;
    while (share < 0.95 && share < lives_at + 0.05)
        share += 0.05;
    rule->figure = share;
    rule->because = share > 0.80 ? "a twentieth of the limit above its busiest hour"
                                 : "four fifths of the limit: no more room for mistakes";
}

/* A tenth of its size over the window at least. Where it grows already, far beyond how slopes stray, half of that: a leak
 * that is in the history is to be found by the rule, not to be its measure. */
static void suggest_leak(struct gs_suggestions *s, const struct gs_metric_policy *policy, const char *metric,
                         const struct gs_figures *f)
{
    if (isnan(f->slope))
        return;
    struct gs_suggestion *rule = add(s, GS_SUGGEST_LEAK, "leak", policy, metric, f);
    double window_s = (double)s->leak_window_ns / 1e9;
    double worth_it = gs_larger(0.1 * fabs(f->median), policy->floor) / window_s;
    bool grows = f->slope > worth_it && f->slope > 2 * f->slope_spread;
    if (!rule)
        return;
    rule->figure = gs_larger(worth_it, grows ? f->slope / 2 : f->slope + 4 * f->slope_spread);
    rule->because =
        grows ? "it has grown nearly all the time, which may be a leak that is there already: half of that"
              : "four times that beyond it, and a tenth of the median over the window at least";
    if (gs_reader_suggestion_is_out_of_reach(s, rule))
        gs_reader_suggestion_leave_out(s, rule, "its figures are beyond all measure");
}

static void suggest_high(struct gs_suggestions *s, const struct gs_metric_policy *policy, const char *metric,
                         const struct gs_figures *f)
{
    struct gs_suggestion *rule = add(s, GS_SUGGEST_HIGH, "high", policy, metric, f);
    if (!rule)
        return;
    rule->least = f->high;
    rule->figure =
        f->high + gs_larger((f->high - f->median) / 2, gs_larger(0.1 * fabs(f->high), policy->floor));
    rule->because = "beyond that by half of what lies between, and by a tenth at least";
    if (gs_reader_suggestion_is_out_of_reach(s, rule))
        gs_reader_suggestion_leave_out(s, rule, "it has stood as high as it can get");
}

static void suggest_jump(struct gs_suggestions *s, const struct gs_metric_policy *policy, const char *metric,
                         const struct gs_figures *f)
{
    if (isnan(f->jump))
        return;
    struct gs_suggestion *rule = add(s, GS_SUGGEST_JUMP, "jump", policy, metric, f);
    if (!rule)
        return;
    rule->figure = gs_larger(1.5 * f->jump, gs_larger(0.15 * fabs(f->median), policy->floor));
    rule->because = "half as much again, and 15 % of the median at least";
    if (gs_reader_suggestion_is_out_of_reach(s, rule))
        gs_reader_suggestion_leave_out(s, rule, "it jumps by all that there is");
}

static const struct gs_metric_policy *policy_of(const char *metric)
{
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        if (strcmp(policies[i].metric, metric) == 0)
            return &policies[i];
    return &gauge_policy;
}

static int suggest_for(struct gs_suggestions *s, const struct gs_metric_policy *policy, const char *metric)
{
    struct gs_figures figures;
    size_t at = gs_history_find(s->history, metric);
    int error = gs_reader_figures_of(s->history, at, s->leak_window_ns, s->jump_window_ns, &figures);
    if (error)
        return error;
    if (figures.count < GS_SUGGEST_ROWS_LEAST) {
        gs_text_add(s->notes, "%s: no rule, the history has only %zu values of it\n", metric, figures.count);
        return 0;
    }
    if (!strcmp(metric, "rss") && s->constraints->limit_bytes)
        suggest_near_limit(s, policy, &figures);
    if (policy->leaks)
        suggest_leak(s, policy, metric, &figures);
    suggest_high(s, policy, metric, &figures);
    if (policy->jumps)
        suggest_jump(s, policy, metric, &figures);
    return 0;
}

/* In the order of the policies, then the gauges; what the history lacks is said. */
static int suggest_all(struct gs_suggestions *s)
{
    int error = 0;
    for (size_t i = 0; i < sizeof policies / sizeof *policies && !error; i++)
        if (gs_history_find(s->history, policies[i].metric) != SIZE_MAX)
            error = suggest_for(s, &policies[i], policies[i].metric);
        else if (i < 5) // the last three are for those who have them
            gs_text_add(s->notes,
                        "%s: no rule, it is not in this history; add it as a column, or take a history of "
                        "gumshoe's own\n",
                        policies[i].metric);
    for (size_t i = 0; i < gs_history_metric_count(s->history) && !error; i++) {
        const char *name = gs_history_metric_name(s->history, i);
        if (policy_of(name) != &gauge_policy || !gs_metrics_find(name))
            continue;
        if (s->count == GS_SUGGESTIONS_MAX) {
            gs_text_add(s->notes, "%s and what follows it: no rule, these are %d already\n", name,
                        GS_SUGGESTIONS_MAX);
            break;
        }
        error = suggest_for(s, &gauge_policy, name);
    }
    if (s->constraints->limit_bytes == 0)
        gs_text_add(s->notes, "the memory limit is not known: no rule near it; give it with --limit SIZE\n");
    return error;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------- */

/* The longest that is in the history three times. */
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

/* Seconds, a minute at most, as the rows have it. */
static int64_t interval_of(const struct gs_history *history)
{
    int64_t seconds = (gs_history_interval_ns(history) + GS_NS_PER_S / 2) / GS_NS_PER_S;
    return (seconds < 1 ? 1 : seconds > 3600 ? 3600 : seconds) * GS_NS_PER_S;
}

static void begin(struct gs_suggestions *s)
{
    int64_t weeks;
    s->interval_ns = interval_of(s->history);
    s->leak_window_ns = leak_window(s->span_ns);
    s->jump_window_ns =
        10 * s->interval_ns > 10 * GS_NS_PER_MINUTE ? 10 * s->interval_ns : 10 * GS_NS_PER_MINUTE;
    weeks = s->span_ns / GS_NS_PER_WEEK;
    s->allowed = s->constraints->per_week * (uint64_t)(weeks < 1 ? 1 : weeks);
}

/* From the first row to the last, into *SPAN_NS. False when no clock counts that far. */
static bool measure(struct gs_suggestions *s)
{
    size_t rows = gs_history_length(s->history);
    int64_t first_ns = rows ? gs_history_time(s->history, 0) : 0,
            last_ns = rows ? gs_history_time(s->history, rows - 1) : 0;
    if (!__builtin_sub_overflow(last_ns, first_ns, &s->span_ns) && last_ns < INT64_MAX - GS_NS_PER_WEEK)
        return true;
    gs_text_add(s->notes, "the history's times cannot be true: they lie centuries apart\n");
    return false;
}

static bool is_too_short(struct gs_suggestions *s)
{
    char span[GS_UNIT_TEXT];
    size_t rows = gs_history_length(s->history);
    if (rows >= GS_SUGGEST_ROWS_LEAST && s->span_ns >= GS_NS_PER_HOUR)
        return false;
    gs_text_add(
        s->notes,
        "the history is too short: %zu rows over %s; an hour and %d rows are the least, a week is better\n",
        rows, gs_units_print_duration(s->span_ns, span), GS_SUGGEST_ROWS_LEAST);
    return true;
}

static bool has_rules(const struct gs_suggestions *s)
{
    size_t left = 0;
    for (size_t i = 0; i < s->count; i++)
        left += !s->rule[i].left_out;
    if (left == 0)
        gs_text_add(s->notes, "there is no metric in this history that a rule could be fitted to\n");
    return left > 0;
}

static int suggest(struct gs_suggestions *s, struct gs_text *out)
{
    uint64_t fired = 0;
    if (!measure(s) || is_too_short(s))
        return -ENODATA;
    begin(s);
    int error = suggest_all(s);
    if (!error)
        error = gs_reader_fit_suggestions(s);
    if (!error && !has_rules(s))
        return -ENODATA;
    if (!error)
        error = gs_reader_replay_suggestions(s, NULL, &fired);
    if (!error && fired > s->allowed)
        error = -EINVAL;
    if (!error)
        gs_reader_print_suggestions(s, NULL, out);
    return error ? error : out->failed ? -ENOMEM : 0;
}

int gs_reader_suggest(const struct gs_history *history, const struct gs_suggest_constraints *constraints,
                      struct gs_text *out, struct gs_text *notes)
{
    struct gs_suggestions *s = gs_alloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    s->history = history;
    s->constraints = constraints;
    s->notes = notes;
    int error = suggest(s, out);
    gs_free(s);
    return error;
}
