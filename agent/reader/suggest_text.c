/* suggest_text.c - writes suggested rules as a rules file, with rounded figures and a "why" that explains each.
 *
 * Lines are rounded up, because a higher line never fires more often.
 * Who: suggest_fit.c, which replays this text; suggest.c. Context: CLI; pure. */
#include "base/clock.h"
#include "base/text.h"
#include "history/history.h"
#include "metrics/metrics.h"
#include "reader/suggest.h"
#include "rules/rules.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LINE_TEXT = 96, HITS_SAID = 3 };

/* ---- rounded figures ---------------------------------------------------------------------------------- */

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

/* A figure of the rule's metric in the syntax of the rules file, with quotes. */
static const char *print_line(const struct gs_suggestion *rule, double value, char out[LINE_TEXT])
{
    char text[GS_UNIT_TEXT];
    if (rule->metric_row->unit == GS_BYTES || rule->metric_row->unit == GS_BYTES_PER_SECOND) {
        print_bytes_up(value, rule->metric_row->unit == GS_BYTES ? "" : "/s", text);
        snprintf(out, LINE_TEXT, "\"%s\"", text);
    } else if (value < 0) {
        snprintf(out, LINE_TEXT, "%lld", (long long)value);
    } else {
        print_up(value, "", text);
        snprintf(out, LINE_TEXT, "%s", text);
    }
    return out;
}

static const char *print_rate(const struct gs_suggestion *rule, double per_second, char out[LINE_TEXT])
{
    char text[GS_UNIT_TEXT];
    if (rule->metric_row->unit == GS_BYTES)
        print_bytes_up(per_second * 3600, "/h", text);
    else
        print_up(per_second * 3600, "/h", text);
    snprintf(out, LINE_TEXT, "\"%s\"", text);
    return out;
}

/* "90s", "10m", "2d": in the largest unit that divides it. */
static const char *print_time(int64_t ns, char out[GS_UNIT_TEXT])
{
    static const struct {
        int64_t ns;
        const char *unit;
    } units[] = {{GS_NS_PER_DAY, "d"},
                 {GS_NS_PER_HOUR, "h"},
                 {GS_NS_PER_MINUTE, "m"},
                 {GS_NS_PER_S, "s"},
                 {GS_NS_PER_MS, "ms"}};
    size_t i = 0;
    while (i + 1 < sizeof units / sizeof *units && ns % units[i].ns)
        i++;
    snprintf(out, GS_UNIT_TEXT, "%lld%s", (long long)(ns / units[i].ns), units[i].unit);
    return out;
}

/* ---- a rule's text ---------------------------------------------------------------------------------------------------- */

static void add_loosened(const struct gs_suggestions *suggestions, const struct gs_suggestion *rule,
                         struct gs_text *out)
{
    if (rule->loosened)
        gs_text_add(out, "; widened until this history has no more than %llu incident%s a week",
                    (unsigned long long)suggestions->constraints->per_week,
                    suggestions->constraints->per_week == 1 ? "" : "s");
}

static void add_usual(const struct gs_suggestion *rule, struct gs_text *out)
{
    const struct gs_figures *figures = &rule->figures;
    char median[GS_UNIT_TEXT], high[GS_UNIT_TEXT], most[GS_UNIT_TEXT], quiet[GS_UNIT_TEXT],
        busy[GS_UNIT_TEXT];
    enum gs_unit unit = rule->metric_row->unit;
    gs_text_add(out, "the median is %s, 99 %% of the time it is at most %s, its highest value is %s",
                gs_units_print_value(figures->median, unit, median),
                gs_units_print_value(figures->high, unit, high),
                gs_units_print_value(figures->most, unit, most));
    if (!isnan(figures->busy_hour))
        gs_text_add(out, "; by the hour of the day %s to %s",
                    gs_units_print_value(figures->quiet_hour, unit, quiet),
                    gs_units_print_value(figures->busy_hour, unit, busy));
}

static void add_usual_growth(const struct gs_suggestions *suggestions, const struct gs_suggestion *rule,
                             struct gs_text *out)
{
    char window[GS_UNIT_TEXT], amount[GS_UNIT_TEXT], stray[GS_UNIT_TEXT];
    const struct gs_figures *figures = &rule->figures;
    if (isnan(figures->slope))
        return;
    gs_text_add(out, "its usual growth over %s is %s an hour, give or take %s; ",
                print_time(suggestions->leak_window_ns, window),
                gs_units_print_value(figures->slope * 3600, rule->metric_row->unit, amount),
                gs_units_print_value(figures->slope_spread * 3600, rule->metric_row->unit, stray));
}

static bool has_fault(const struct gs_suggestions *suggestions, const char *metric)
{
    for (size_t i = 0; i < suggestions->out->fault_count; i++)
        if (gs_reader_fault_concerns(suggestions, i, metric))
            return true;
    return false;
}

static void add_reason(const struct gs_suggestions *suggestions, const struct gs_suggestion *rule,
                       struct gs_text *out)
{
    char text[GS_UNIT_TEXT], window[GS_UNIT_TEXT];
    if (rule->kind == GS_SUGGEST_NEAR_LIMIT)
        gs_text_add(out, "the limit is %s; ",
                    gs_units_print_size((double)suggestions->constraints->limit_bytes, text));
    if (has_fault(suggestions, rule->metric))
        gs_text_add(out, "apart from faults: ");
    switch (rule->kind) {
    case GS_SUGGEST_LEAK: add_usual_growth(suggestions, rule, out); break;
    case GS_SUGGEST_JUMP:
        gs_text_add(out, "it rises over the mean of %s by more than %s only once in a thousand rows; ",
                    print_time(rule->window_ns, window),
                    gs_units_print_value(rule->figures.jump, rule->metric_row->unit, text));
        break;
    case GS_SUGGEST_NEAR_LIMIT:
    case GS_SUGGEST_HIGH:
        add_usual(rule, out);
        gs_text_add(out, "; ");
        break;
    }
    gs_text_add(out, "%s", rule->because);
}

/* METRIC if it shows the fault, else the first that does. */
static const char *metric_of(const struct gs_fault *fault, const char *metric)
{
    for (size_t i = 0; i < fault->part_count; i++)
        if (strcmp(fault->part[i].metric, metric) == 0)
            return metric;
    return fault->part[0].metric;
}

/* Once all rules were replayed: the faults on which RULE fires. */
static void add_hits(const struct gs_suggestions *suggestions, const struct gs_suggestion *rule,
                     struct gs_text *out)
{
    const struct gs_suggested *found = suggestions->out;
    char when[GS_HIT_TEXT];
    size_t at = 0;
    while (at < found->rule_count && strcmp(found->rule[at].name, rule->name) != 0)
        at++;
    if (at == found->rule_count)
        return;
    for (size_t i = 0, said = 0; i < found->fault_count && said < HITS_SAID; i++) {
        const struct gs_hit *hit = &found->rule[at].hit[i];
        if (!hit->fires)
            continue;
        gs_text_add(out, "; fires on the %s of %s in this history, %s",
                    gs_reader_fault_name(found->fault[i].kind), metric_of(&found->fault[i], rule->metric),
                    gs_reader_print_hit(&found->fault[i], hit, when));
        said++;
    }
}

static void add_why(const struct gs_suggestions *suggestions, const struct gs_suggestion *rule,
                    struct gs_text *out)
{
    gs_text_add(out, "      \"why\": \"");
    add_reason(suggestions, rule, out);
    add_loosened(suggestions, rule, out);
    add_hits(suggestions, rule, out);
    gs_text_add(out, "\",\n");
}

/* At least as long as "for": else the cooldown would be over before the rule could fire again. */
static const char *print_cooldown(const struct gs_suggestion *rule, char out[GS_UNIT_TEXT])
{
    bool waits_longer = rule->kind == GS_SUGGEST_NEAR_LIMIT && rule->for_ns > rule->cooldown_ns;
    return print_time(waits_longer ? rule->for_ns : rule->cooldown_ns, out);
}

static void add_condition(const struct gs_suggestion *rule, struct gs_text *out)
{
    char line[LINE_TEXT], time[GS_UNIT_TEXT], cooldown[GS_UNIT_TEXT];
    switch (rule->kind) {
    case GS_SUGGEST_NEAR_LIMIT:
        gs_text_add(out, "      \"above\": \"%d%%\",\n      \"for\": \"%s\",\n      \"cooldown\": \"%s\",\n",
                    (int)(rule->figure * 100 + 0.5), print_time(rule->for_ns, time),
                    print_cooldown(rule, cooldown));
        break;
    case GS_SUGGEST_LEAK:
        gs_text_add(out, "      \"growth\": { \"rate\": %s, ", print_rate(rule, rule->figure, line));
        gs_text_add(out, "\"over\": \"%s\" },\n      \"cooldown\": \"7d\",\n",
                    print_time(rule->window_ns, time));
        break;
    case GS_SUGGEST_HIGH:
        gs_text_add(out, "      \"above\": %s,\n      \"for\": \"%s\",\n      \"cooldown\": \"%s\",\n",
                    print_line(rule, rule->figure, line), print_time(rule->for_ns, time),
                    print_cooldown(rule, cooldown));
        break;
    case GS_SUGGEST_JUMP:
        gs_text_add(out, "      \"jitter\": { \"by\": %s, ", print_line(rule, rule->figure, line));
        gs_text_add(out, "\"over\": \"%s\" },\n      \"cooldown\": \"%s\",\n",
                    print_time(rule->window_ns, time), print_cooldown(rule, cooldown));
        break;
    }
}

static void add_rule(const struct gs_suggestions *suggestions, const struct gs_suggestion *rule, bool first,
                     struct gs_text *out)
{
    gs_text_add(out, "%s    {\n      \"name\": \"%s\",\n", first ? "" : ",\n", rule->name);
    add_why(suggestions, rule, out);
    gs_text_add(out, "      \"metric\": \"%s\",\n", rule->metric);
    add_condition(rule, out);
    gs_text_add(out, "      \"capture\": %s\n    }", rule->policy->capture);
}

void gs_reader_print_suggestions(const struct gs_suggestions *suggestions, const struct gs_suggestion *only,
                                 struct gs_text *out)
{
    char span[GS_UNIT_TEXT], step[GS_UNIT_TEXT];
    bool first = true;
    gs_text_add(out, "{\n  \"version\": 1,\n");
    gs_text_add(out,
                "  \"why\": \"fitted to a history of %s, %zu rows: with these rules it has no more than %llu "
                "incident%s a week%s\",\n",
                gs_units_print_duration(suggestions->out->span_ns, span),
                gs_history_length(suggestions->history),
                (unsigned long long)suggestions->constraints->per_week,
                suggestions->constraints->per_week == 1 ? "" : "s",
                suggestions->out->fault_count ? ", apart from its faults" : "");
    gs_text_add(out, "  \"interval\": \"%s\",\n  \"rules\": [\n",
                print_time(suggestions->out->interval_ns, step));
    for (size_t i = 0; i < suggestions->count; i++)
        if (!suggestions->rule[i].left_out && (!only || only == &suggestions->rule[i])) {
            add_rule(suggestions, &suggestions->rule[i], first, out);
            first = false;
        }
    gs_text_add(out, "\n  ]\n}\n");
}

/* ---- what a rule does on a fault ------------------------------------------------------------------------------------- */

const char *gs_reader_fault_name(enum gs_fault_kind kind)
{
    static const char *const names[] = {
        [GS_FAULT_STEP] = "step", [GS_FAULT_CLIMB] = "climb", [GS_FAULT_SPIKE] = "spike"};
    return names[kind];
}

/* "44.2 min after it began", "as it began". */
static const char *print_delay(int64_t since_ns, char out[2 * GS_UNIT_TEXT])
{
    char delay[GS_UNIT_TEXT];
    if (since_ns > 0)
        snprintf(out, 2 * GS_UNIT_TEXT, "%s after it began", gs_units_print_duration(since_ns, delay));
    else
        snprintf(out, 2 * GS_UNIT_TEXT, "as it began");
    return out;
}

const char *gs_reader_print_hit(const struct gs_fault *fault, const struct gs_hit *hit, char out[GS_HIT_TEXT])
{
    char after[2 * GS_UNIT_TEXT], left[GS_UNIT_TEXT];
    int64_t to_peak_ns = fault->peak_ns - hit->time_ns, to_end_ns = fault->end_ns - hit->time_ns;
    bool climbs = fault->kind == GS_FAULT_CLIMB;
    print_delay(hit->time_ns - fault->begin_ns, after);
    if (to_end_ns < 0)
        snprintf(out, GS_HIT_TEXT, "%s after it was over", gs_units_print_duration(-to_end_ns, left));
    else if (climbs && to_peak_ns >= 0)
        snprintf(out, GS_HIT_TEXT, "%s, %s before its peak", after,
                 gs_units_print_duration(to_peak_ns, left));
    else if (climbs)
        snprintf(out, GS_HIT_TEXT, "%s, %s after its peak", after,
                 gs_units_print_duration(-to_peak_ns, left));
    else
        snprintf(out, GS_HIT_TEXT, "%s, %s before %s", after, gs_units_print_duration(to_end_ns, left),
                 fault->lasts ? "the end of the history" : "it was over");
    return out;
}
