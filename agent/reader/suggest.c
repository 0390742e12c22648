/* suggest.c - rules fitted to a history.
 *
 *   figures.c ──▶ a first figure for each rule, tight ──▶ replay ──▶ too many incidents? loosen that rule, replay it again
 *                                                                └──▶ few enough: all rules together, once more: the proof
 *
 *   near-limit  rss       above a share of the memory limit               where a limit is known
 *   X-leak      growth    over days where there are days enough, so that a day's ups and downs are no leak
 *   X-high      above     beyond what it is for 99 % of the time, by half of what lies between that and the median
 *   X-jump      jitter    beyond what one row in a thousand rises over the mean of ten minutes, by half
 *
 * First figures come from medians and quantiles, so a fault in the history does not teach them; they are loosened no
 * further than the incidents wished for ask. Of rules that fire as often, the later in this list gives way.
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

enum { SUGGESTED_MAX = 200, LOOSENINGS_MAX = 40, LINE_TEXT = 96 };
#define MINUTE (60 * GS_NS_PER_S)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define WEEK   (7 * DAY)

enum kind { NEAR_LIMIT, LEAK, HIGH, JUMP };

struct habit { // how a metric is watched
    const char *metric;
    bool leaks, jumps;
    const char *capture, *for_time;
    double floor; // no line is nearer than this to what is usual
};

// clang-format off
static const struct habit habits[] = {
    {"heap_in_use",     true,  false, "[\"heap\", \"threads\"]",         "30s", 8 << 20},
    {"rss",             true,  true,  "[\"heap\", \"threads\"]",         "30s", 8 << 20},
    {"threads",         true,  false, "[\"threads\", \"threadcreate\"]", "30s", 8},
    {"fds",             true,  false, "[\"threads\"]",                   "30s", 32},
    {"cpu",             false, false, "[\"cpu\", \"threads\"]",          "5m",  10},
    {"memory_pressure", false, false, "[\"heap\", \"threads\"]",         "1m",  5},
    {"major_faults",    false, false, "[\"threads\"]",                   "1m",  20},
    {"heap_alloc_rate", false, false, "[\"heap\", \"cpu\"]",             "1m",  1 << 20},
};
static const struct habit of_gauges = {NULL, false, false, "[\"threads\"]", "30s", 1};
// clang-format on

struct suggested { // one rule
    enum kind kind;
    char name[GS_RULE_NAME_MAX + 1];
    const struct habit *habit;
    const char *metric;
    const struct gs_metric *row;
    struct gs_figures figures;
    double figure;       // the line, the rise, the slope a second, the share
    const char *because; // how the figure follows from what is usual
    double least;        // what it starts from when it is loosened
    unsigned loosened;
    uint64_t fired;
    bool left_out;
};

struct suggesting {
    const struct gs_history *history;
    const struct gs_suggest_wish *wish;
    struct gs_text *notes;
    int64_t span_ns, interval_ns, leak_window_ns, jump_window_ns;
    uint64_t allowed;
    struct suggested rule[SUGGESTED_MAX];
    size_t count;
};

/* ---- figures as people write them ---------------------------------------------------------------------------------- */

/* VALUE, 0 or more, with at most one decimal, rounded up. */
static void print_up(double value, const char *unit, char out[GS_UNIT_TEXT])
{
    uint64_t tenths = (uint64_t)(value * 10);
    tenths += (double)tenths < value * 10;
    if (tenths >= 1000 || tenths % 10 == 0)
        snprintf(out, GS_UNIT_TEXT, "%llu%s", (unsigned long long)((tenths + 9) / 10), unit);
    else
        snprintf(out, GS_UNIT_TEXT, "%llu.%llu%s", (unsigned long long)(tenths / 10),
                 (unsigned long long)(tenths % 10), unit);
}

static void print_bytes_up(double bytes, const char *per, char out[GS_UNIT_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    char name[16];
    for (; bytes >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        bytes /= 1024;
    snprintf(name, sizeof name, "%s%s", units[unit], per);
    print_up(unit ? bytes : bytes + 1, name, out); // no fractions of a byte
}

/* A figure of the rule's metric as the rules file spells it, quotes and all. */
static const char *print_line(const struct suggested *rule, double value, char out[LINE_TEXT])
{
    char text[GS_UNIT_TEXT];
    if (rule->row->unit == GS_BYTES || rule->row->unit == GS_BYTES_PER_SECOND) {
        print_bytes_up(value, rule->row->unit == GS_BYTES ? "" : "/s", text);
        snprintf(out, LINE_TEXT, "\"%s\"", text);
    } else if (value < 0) {
        snprintf(out, LINE_TEXT, "%lld", (long long)value);
    } else {
        print_up(value, "", text);
        snprintf(out, LINE_TEXT, "%s", text);
    }
    return out;
}

static const char *print_rate(const struct suggested *rule, double per_second, char out[LINE_TEXT])
{
    char text[GS_UNIT_TEXT];
    if (rule->row->unit == GS_BYTES)
        print_bytes_up(per_second * 3600, "/h", text);
    else
        print_up(per_second * 3600, "/h", text);
    snprintf(out, LINE_TEXT, "\"%s\"", text);
    return out;
}

/* "90s", "10m", "2d": what divides it. */
static const char *print_time(int64_t ns, char out[GS_UNIT_TEXT])
{
    static const struct {
        int64_t ns;
        const char *unit;
    } units[] = {{DAY, "d"}, {HOUR, "h"}, {MINUTE, "m"}, {GS_NS_PER_S, "s"}, {GS_NS_PER_MS, "ms"}};
    size_t i = 0;
    while (i + 1 < sizeof units / sizeof *units && ns % units[i].ns)
        i++;
    snprintf(out, GS_UNIT_TEXT, "%lld%s", (long long)(ns / units[i].ns), units[i].unit);
    return out;
}

/* ---- a rule's text ---------------------------------------------------------------------------------------------------- */

static void add_loosened(const struct suggesting *s, const struct suggested *rule, struct gs_text *out)
{
    if (rule->loosened)
        gs_text_add(out, "; widened until this history has no more than %llu incident%s a week",
                    (unsigned long long)s->wish->per_week, s->wish->per_week == 1 ? "" : "s");
}

static void add_usual(const struct suggested *rule, struct gs_text *out)
{
    const struct gs_figures *f = &rule->figures;
    char median[GS_UNIT_TEXT], high[GS_UNIT_TEXT], most[GS_UNIT_TEXT], quiet[GS_UNIT_TEXT],
        busy[GS_UNIT_TEXT];
    enum gs_unit unit = rule->row->unit;
    gs_text_add(out, "the median is %s, 99 %% of the time it is at most %s, once it was %s",
                gs_print_value(f->median, unit, median), gs_print_value(f->high, unit, high),
                gs_print_value(f->most, unit, most));
    if (!isnan(f->busy_hour))
        gs_text_add(out, "; by the hour of the day %s to %s", gs_print_value(f->quiet_hour, unit, quiet),
                    gs_print_value(f->busy_hour, unit, busy));
}

static void add_slope(const struct suggesting *s, const struct suggested *rule, struct gs_text *out)
{
    char window[GS_UNIT_TEXT], amount[GS_UNIT_TEXT], stray[GS_UNIT_TEXT];
    const struct gs_figures *f = &rule->figures;
    gs_text_add(out, "over %s it usually grows by %s an hour, give or take %s",
                print_time(s->leak_window_ns, window),
                gs_print_value(f->slope * 3600, rule->row->unit, amount),
                gs_print_value(f->slope_spread * 3600, rule->row->unit, stray));
}

static void add_why(const struct suggesting *s, const struct suggested *rule, struct gs_text *out)
{
    char text[GS_UNIT_TEXT], limit[GS_UNIT_TEXT], window[GS_UNIT_TEXT];
    gs_text_add(out, "      \"why\": \"");
    if (rule->kind == NEAR_LIMIT)
        gs_text_add(out, "the limit is %s; ", gs_print_size((double)s->wish->limit_bytes, limit));
    if (rule->kind == LEAK)
        add_slope(s, rule, out);
    else if (rule->kind == JUMP)
        gs_text_add(out, "it rises over the mean of %s by more than %s only once in a thousand rows",
                    print_time(s->jump_window_ns, window),
                    gs_print_value(rule->figures.jump, rule->row->unit, text));
    else
        add_usual(rule, out);
    gs_text_add(out, "; %s", rule->because);
    add_loosened(s, rule, out);
    gs_text_add(out, "\",\n");
}

/* A line is held for at least three rows: one alone may be an accident. */
static const char *print_for(const struct suggesting *s, const struct suggested *rule, char out[GS_UNIT_TEXT])
{
    int64_t least_ns = 3 * s->interval_ns, habit_ns = 0;
    struct gs_unit_error error;
    if (gs_read_duration(rule->habit->for_time, &habit_ns, &error) || habit_ns < least_ns)
        habit_ns = least_ns;
    return print_time(habit_ns, out);
}

static void add_condition(const struct suggesting *s, const struct suggested *rule, struct gs_text *out)
{
    char line[LINE_TEXT], time[GS_UNIT_TEXT];
    switch (rule->kind) {
    case NEAR_LIMIT:
        gs_text_add(out, "      \"above\": \"%d%%\",\n      \"for\": \"%s\",\n      \"cooldown\": \"1h\",\n",
                    (int)(rule->figure * 100 + 0.5), print_for(s, rule, time));
        break;
    case LEAK:
        gs_text_add(out, "      \"growth\": { \"rate\": %s, ", print_rate(rule, rule->figure, line));
        gs_text_add(out, "\"over\": \"%s\" },\n      \"cooldown\": \"7d\",\n",
                    print_time(s->leak_window_ns, time));
        break;
    case HIGH:
        gs_text_add(out, "      \"above\": %s,\n      \"for\": \"%s\",\n      \"cooldown\": \"1h\",\n",
                    print_line(rule, rule->figure, line), print_for(s, rule, time));
        break;
    case JUMP:
        gs_text_add(out, "      \"jitter\": { \"by\": %s, ", print_line(rule, rule->figure, line));
        gs_text_add(out, "\"over\": \"%s\" },\n      \"cooldown\": \"1h\",\n",
                    print_time(s->jump_window_ns, time));
        break;
    }
}

static void add_rule(const struct suggesting *s, const struct suggested *rule, bool first,
                     struct gs_text *out)
{
    gs_text_add(out, "%s    {\n      \"name\": \"%s\",\n", first ? "" : ",\n", rule->name);
    add_why(s, rule, out);
    gs_text_add(out, "      \"metric\": \"%s\",\n", rule->metric);
    add_condition(s, rule, out);
    gs_text_add(out, "      \"capture\": %s\n    }", rule->habit->capture);
}

/* The document with all rules, or with ONLY one. */
static void write_document(const struct suggesting *s, const struct suggested *only, struct gs_text *out)
{
    char span[GS_UNIT_TEXT], step[GS_UNIT_TEXT];
    bool first = true;
    gs_text_add(out, "{\n  \"version\": 1,\n");
    gs_text_add(out,
                "  \"why\": \"fitted to a history of %s, %zu rows: with these rules it has no more than %llu "
                "incident%s a week\",\n",
                gs_print_duration(s->span_ns, span), gs_history_length(s->history),
                (unsigned long long)s->wish->per_week, s->wish->per_week == 1 ? "" : "s");
    gs_text_add(out, "  \"interval\": \"%s\",\n  \"rules\": [\n", print_time(s->interval_ns, step));
    for (size_t i = 0; i < s->count; i++)
        if (!s->rule[i].left_out && (!only || only == &s->rule[i])) {
            add_rule(s, &s->rule[i], first, out);
            first = false;
        }
    gs_text_add(out, "\n  ]\n}\n");
}

/* ---- replaying ----------------------------------------------------------------------------------------------------------- */

/* How often the document with ONLY that rule (NULL: with all) fires, into *FIRED. */
static int replay(const struct suggesting *s, const struct suggested *only, uint64_t *fired)
{
    struct gs_text text = {0};
    struct gs_errors errors = {0};
    write_document(s, only, &text);
    struct gs_rules *rules =
        text.failed ? NULL : gs_rules_read(text.bytes, text.length, "(suggestion)", &errors);
    struct gs_replay *run = rules ? gs_replay_run(rules, s->history, s->wish->limit_bytes, 0) : NULL;
    *fired = 0;
    for (size_t i = 0; run && i < run->rule_count; i++)
        *fired += run->rule[i].fired;
    int error = run ? 0 : errors.count ? -EINVAL : -ENOMEM;
    gs_replay_free(run);
    gs_rules_free(rules);
    gs_errors_fini(&errors);
    gs_text_fini(&text);
    return error;
}

static void leave_out(struct suggesting *s, struct suggested *rule, const char *why)
{
    rule->left_out = true;
    rule->fired = 0;
    gs_text_add(s->notes, "%s: left out, %s\n", rule->name, why);
}

/* The metric cannot get above the rule's figure here, or no rules file can spell it. */
static bool out_of_reach(const struct suggesting *s, const struct suggested *rule)
{
    static const double spelled_max = 1e15;
    bool of_memory = rule->row->share == GS_OF_MEMORY_LIMIT && s->wish->limit_bytes;
    double most = gs_smaller(of_memory ? (double)s->wish->limit_bytes : rule->row->most, spelled_max);
    return !(rule->figure > -spelled_max && rule->figure < (rule->kind == LEAK ? spelled_max : 0.98 * most));
}

static void loosen(struct suggesting *s, struct suggested *rule)
{
    double step = rule->loosened < 6 ? 1.2 : 1.5;
    rule->loosened++;
    if (rule->kind == NEAR_LIMIT)
        rule->figure += 0.05;
    else
        rule->figure = rule->least + (rule->figure - rule->least) * step;
    if (rule->loosened > LOOSENINGS_MAX || (rule->kind == NEAR_LIMIT && rule->figure > 0.96) ||
        out_of_reach(s, rule))
        leave_out(s, rule, "it would fire more often than was wished for, whatever its figure");
}

/* The one that fires most; of several the last. NULL: none fires. */
static struct suggested *loudest(struct suggesting *s)
{
    struct suggested *most = NULL;
    for (size_t i = 0; i < s->count; i++)
        if (s->rule[i].fired && (!most || s->rule[i].fired >= most->fired))
            most = &s->rule[i];
    return most;
}

static uint64_t total(const struct suggesting *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->count; i++)
        sum += s->rule[i].fired;
    return sum;
}

static int fit(struct suggesting *s)
{
    int error = 0;
    for (size_t i = 0; i < s->count && !error; i++)
        error = replay(s, &s->rule[i], &s->rule[i].fired);
    while (!error && total(s) > s->allowed) {
        struct suggested *rule = loudest(s);
        loosen(s, rule);
        if (!rule->left_out)
            error = replay(s, rule, &rule->fired);
    }
    return error;
}

/* ---- first figures ------------------------------------------------------------------------------------------------------- */

/* "rss-high", "gauge.queue-high"; where a long name would be another's as well, its number. */
static void name_it(const struct suggesting *s, struct suggested *rule, const char *suffix)
{
    const char *colon = strchr(rule->metric, ':');
    int room = (int)(GS_RULE_NAME_MAX - strlen(suffix) - 1 - (colon ? strlen("gauge.") : 0));
    snprintf(rule->name, sizeof rule->name, "%s%.*s-%s", colon ? "gauge." : "", room,
             colon ? colon + 1 : rule->metric, suffix);
    for (const struct suggested *other = s->rule; other < rule; other++)
        if (strcmp(other->name, rule->name) == 0)
            snprintf(rule->name, sizeof rule->name, "gauge.%zu-%s", (size_t)(rule - s->rule), suffix);
}

static struct suggested *add(struct suggesting *s, enum kind kind, const char *suffix,
                             const struct habit *habit, const char *metric, const struct gs_figures *figures)
{
    if (s->count == SUGGESTED_MAX)
        return NULL;
    struct suggested *rule = &s->rule[s->count++];
    *rule = (struct suggested){
        .kind = kind, .habit = habit, .metric = metric, .row = gs_metric_find(metric), .figures = *figures};
    name_it(s, rule, suffix);
    return rule;
}

/* Four fifths of the limit; higher, in steps of a twentieth, where the process lives there in its busiest hour. */
static void suggest_near_limit(struct suggesting *s, const struct habit *habit, const struct gs_figures *f)
{
    struct suggested *rule = add(s, NEAR_LIMIT, "near-limit", habit, "rss", f);
    double share = 0.80, usual = f->busy_hour >= f->median ? f->busy_hour : f->median;
    double lives_at = usual / (double)s->wish->limit_bytes;
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
static void suggest_leak(struct suggesting *s, const struct habit *habit, const char *metric,
                         const struct gs_figures *f)
{
    if (isnan(f->slope))
        return;
    struct suggested *rule = add(s, LEAK, "leak", habit, metric, f);
    double window_s = (double)s->leak_window_ns / 1e9;
    double worth_it = gs_larger(0.1 * fabs(f->median), habit->floor) / window_s;
    bool grows = f->slope > worth_it && f->slope > 2 * f->slope_spread;
    if (!rule)
        return;
    rule->figure = gs_larger(worth_it, grows ? f->slope / 2 : f->slope + 4 * f->slope_spread);
    rule->because =
        grows ? "it has grown nearly all the time, which may be a leak that is there already: half of that"
              : "four times that beyond it, and a tenth of the median over the window at least";
    if (out_of_reach(s, rule))
        leave_out(s, rule, "its figures are beyond all measure");
}

static void suggest_high(struct suggesting *s, const struct habit *habit, const char *metric,
                         const struct gs_figures *f)
{
    struct suggested *rule = add(s, HIGH, "high", habit, metric, f);
    if (!rule)
        return;
    rule->least = f->high;
    rule->figure =
        f->high + gs_larger((f->high - f->median) / 2, gs_larger(0.1 * fabs(f->high), habit->floor));
    rule->because = "beyond that by half of what lies between, and by a tenth at least";
    if (out_of_reach(s, rule))
        leave_out(s, rule, "it has stood as high as it can get");
}

static void suggest_jump(struct suggesting *s, const struct habit *habit, const char *metric,
                         const struct gs_figures *f)
{
    if (isnan(f->jump))
        return;
    struct suggested *rule = add(s, JUMP, "jump", habit, metric, f);
    if (!rule)
        return;
    rule->figure = gs_larger(1.5 * f->jump, gs_larger(0.15 * fabs(f->median), habit->floor));
    rule->because = "half as much again, and 15 % of the median at least";
    if (out_of_reach(s, rule))
        leave_out(s, rule, "it jumps by all that there is");
}

static const struct habit *habit_of(const char *metric)
{
    for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
        if (strcmp(habits[i].metric, metric) == 0)
            return &habits[i];
    return &of_gauges;
}

static int suggest_for(struct suggesting *s, const struct habit *habit, const char *metric)
{
    struct gs_figures figures;
    size_t at = gs_history_find(s->history, metric);
    int error = gs_figures_of(s->history, at, s->leak_window_ns, s->jump_window_ns, &figures);
    if (error)
        return error;
    if (figures.count < GS_SUGGEST_ROWS_LEAST) {
        gs_text_add(s->notes, "%s: no rule, the history has only %zu values of it\n", metric, figures.count);
        return 0;
    }
    if (!strcmp(metric, "rss") && s->wish->limit_bytes)
        suggest_near_limit(s, habit, &figures);
    if (habit->leaks)
        suggest_leak(s, habit, metric, &figures);
    suggest_high(s, habit, metric, &figures);
    if (habit->jumps)
        suggest_jump(s, habit, metric, &figures);
    return 0;
}

/* In the order of the habits, then the gauges; what the history lacks is said. */
static int suggest_all(struct suggesting *s)
{
    int error = 0;
    for (size_t i = 0; i < sizeof habits / sizeof *habits && !error; i++)
        if (gs_history_find(s->history, habits[i].metric) != SIZE_MAX)
            error = suggest_for(s, &habits[i], habits[i].metric);
        else if (i < 5) // the last three are for those who have them
            gs_text_add(s->notes,
                        "%s: no rule, it is not in this history; add it as a column, or take a history of "
                        "gumshoe's own\n",
                        habits[i].metric);
    for (size_t i = 0; i < gs_history_metric_count(s->history) && !error; i++) {
        const char *name = gs_history_metric_name(s->history, i);
        if (habit_of(name) != &of_gauges || !gs_metric_find(name))
            continue;
        if (s->count == SUGGESTED_MAX) {
            gs_text_add(s->notes, "%s and what follows it: no rule, these are %d already\n", name,
                        SUGGESTED_MAX);
            break;
        }
        error = suggest_for(s, &of_gauges, name);
    }
    if (s->wish->limit_bytes == 0)
        gs_text_add(s->notes, "the memory limit is not known: no rule near it; give it with --limit SIZE\n");
    return error;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------- */

/* The longest that is in the history three times. */
static int64_t leak_window(int64_t span_ns)
{
    static const int64_t windows[] = {3 * DAY,  2 * DAY,  DAY,  12 * HOUR,
                                      6 * HOUR, 3 * HOUR, HOUR, 30 * MINUTE};
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

static void begin(struct suggesting *s)
{
    int64_t weeks;
    s->interval_ns = interval_of(s->history);
    s->leak_window_ns = leak_window(s->span_ns);
    s->jump_window_ns = 10 * s->interval_ns > 10 * MINUTE ? 10 * s->interval_ns : 10 * MINUTE;
    weeks = s->span_ns / WEEK;
    s->allowed = s->wish->per_week * (uint64_t)(weeks < 1 ? 1 : weeks);
}

/* From the first row to the last, into *SPAN_NS. False when no clock counts that far. */
static bool measure(struct suggesting *s)
{
    size_t rows = gs_history_length(s->history);
    int64_t first_ns = rows ? gs_history_time(s->history, 0) : 0,
            last_ns = rows ? gs_history_time(s->history, rows - 1) : 0;
    if (!__builtin_sub_overflow(last_ns, first_ns, &s->span_ns) && last_ns < INT64_MAX - WEEK)
        return true;
    gs_text_add(s->notes, "the history's times cannot be true: they lie centuries apart\n");
    return false;
}

static bool is_too_short(struct suggesting *s)
{
    char span[GS_UNIT_TEXT];
    size_t rows = gs_history_length(s->history);
    if (rows >= GS_SUGGEST_ROWS_LEAST && s->span_ns >= HOUR)
        return false;
    gs_text_add(
        s->notes,
        "the history is too short: %zu rows over %s; an hour and %d rows are the least, a week is better\n",
        rows, gs_print_duration(s->span_ns, span), GS_SUGGEST_ROWS_LEAST);
    return true;
}

static bool has_rules(const struct suggesting *s)
{
    size_t left = 0;
    for (size_t i = 0; i < s->count; i++)
        left += !s->rule[i].left_out;
    if (left == 0)
        gs_text_add(s->notes, "there is no metric in this history that a rule could be fitted to\n");
    return left > 0;
}

static int suggest(struct suggesting *s, struct gs_text *out)
{
    uint64_t fired = 0;
    if (!measure(s) || is_too_short(s))
        return -ENODATA;
    begin(s);
    int error = suggest_all(s);
    if (!error)
        error = fit(s);
    if (!error && !has_rules(s))
        return -ENODATA;
    if (!error)
        error = replay(s, NULL, &fired);
    if (!error && fired > s->allowed)
        error = -EINVAL;
    if (!error)
        write_document(s, NULL, out);
    return error ? error : out->failed ? -ENOMEM : 0;
}

int gs_suggest(const struct gs_history *history, const struct gs_suggest_wish *wish, struct gs_text *out,
               struct gs_text *notes)
{
    struct suggesting *s = gs_alloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    s->history = history;
    s->wish = wish;
    s->notes = notes;
    int error = suggest(s, out);
    gs_free(s);
    return error;
}
