/* advice.c - warnings about valid rules that are probably mistakes: they cannot fire, or always do.
 *
 *   each rule ──▶ the range in which its conditions can hold  against  the values that the metric can have here
 *            ├──▶ its suppressions (unless_above, unless)     against  both
 *            ├──▶ a condition's own figures (jitter.c, growth.c, reaches.c, unusual.c)
 *            └──▶ times: windows, for, cooldown, incidents per hour
 *
 * Pure, like everything in this folder: the caller describes the machine.
 * Who: gumshoe check; the watcher at its start. Bounds: those of the rules. */
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const int64_t second_ns = 1000000000LL, hour_ns = 3600 * 1000000000LL,
                     week_ns = 7 * 86400 * 1000000000LL;

void gs_rules_warn_at(const struct gs_advisor *advisor, const struct gs_json_path *path, const char *hint,
                      const char *format, ...)
{
    const struct gs_rules *rules = advisor->rules;
    char text[sizeof advisor->warnings->item->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t offset = gs_rules_locate(rules->text, rules->text_length, path, GS_THE_VALUE);
    struct gs_text_position position = gs_rules_position_at(rules->text, offset);
    gs_errors_add(advisor->warnings, GS_WARNING, rules->file, position.line, position.col, hint, "%s", text);
}

uint64_t gs_rules_limit_of(const struct gs_advisor *advisor, enum gs_share share)
{
    return share == GS_OF_MEMORY_LIMIT ? advisor->machine->limit_bytes : 0;
}

void gs_rules_warn_unknown(const struct gs_advisor *advisor, enum gs_share share,
                           const struct gs_json_path *path)
{
    if (share == GS_OF_MEMORY_LIMIT) // the limit of file descriptors is known only while the program runs
        gs_rules_warn_at(advisor, path, "give a size",
                         "\"%s\" is a share of the memory limit, which is unknown here", path->key);
}

/* ---- the values that a metric can have -------------------------------------------------------------------------------- */

struct gs_range gs_rules_reachable_values(const struct gs_advisor *advisor, const struct gs_metric *metric)
{
    struct gs_range reach = {.from = metric->least, .to = metric->most};
    if (metric->share == GS_OF_MEMORY_LIMIT && advisor->machine->limit_bytes)
        reach.to = (double)advisor->machine->limit_bytes;
    return reach;
}

/* "rss is at most 512 MiB here (cgroup …)", or "at least" (not HIGHEST): one end of what metric NAME can be. */
static const char *print_reach(const struct gs_advisor *advisor, const char *name, bool highest,
                               char out[128])
{
    const struct gs_metric *metric = gs_metrics_find(name);
    struct gs_range reach = gs_rules_reachable_values(advisor, metric);
    char end[GS_UNIT_TEXT];
    bool by_limit = highest && metric->share == GS_OF_MEMORY_LIMIT;
    gs_units_print_value(highest ? reach.to : reach.from, metric->unit, end);
    snprintf(out, 128, "%s is %s %s%s%.64s%s", name, highest ? "at most" : "at least", end,
             by_limit ? " here (" : "", by_limit ? advisor->machine->limit_from : "", by_limit ? ")" : "");
    return out;
}

/* ---- thresholds out of reach ------------------------------------------------------------------------------------------ */

static const char *memory_hint(const char *name)
{
    return gs_metrics_find(name)->share == GS_OF_MEMORY_LIMIT ? "a share such as \"80%\" follows the limit"
                                                              : NULL;
}

/* Warn when CONDITION, which holds in RANGE, can never hold or always holds. */
static void check_reach(const struct gs_advisor *advisor, const struct gs_condition *condition,
                        const struct gs_range *range, const struct gs_json_path *path)
{
    const char *name = advisor->rule->metric;
    struct gs_range reach = gs_rules_reachable_values(advisor, gs_metrics_find(name));
    bool looks_at_one_tick = !condition->over.ticks && !condition->over.ns,
         too_high = gs_rules_range_ends_before(&reach, range);
    char text[128];
    if (gs_rules_range_is_apart(range, &reach))
        gs_rules_warn_at(advisor, path, too_high ? memory_hint(name) : NULL, "\"%s\" cannot be reached: %s",
                         path->key, print_reach(advisor, name, too_high, text));
    else if (looks_at_one_tick && gs_rules_range_lies_within(&reach, range))
        gs_rules_warn_at(advisor, path, NULL, "\"%s\" always holds: %s", path->key,
                         print_reach(advisor, name, condition->kind->downward, text));
}

/* ---- suppressions ----------------------------------------------------------------------------------------------------- */

struct suppressor {  // one line that suppresses the rule
    const char *key; // "unless_above", "unless"
    const struct gs_json_path *path;
    const char *metric;
    struct gs_range range;
};

/* Compare SUPPRESSOR, which is on the rule's own metric, with the ranges of the rule's conditions. */
static void check_against_conditions(const struct gs_advisor *advisor, const struct suppressor *suppressor)
{
    const struct gs_rule *rule = advisor->rule;
    bool overlaps = false;
    for (size_t i = 0; i < rule->condition_count; i++) {
        const struct gs_condition *condition = &rule->condition[i];
        if (!condition->kind->range) {
            overlaps = true;
            continue;
        }
        const char *key = NULL;
        struct gs_range range =
            condition->kind->range(condition, gs_rules_limit_of(advisor, advisor->rule->share), &key);
        overlaps |= !gs_rules_range_is_apart(&range, &suppressor->range);
        if (gs_rules_range_lies_within(&range, &suppressor->range))
            gs_rules_warn_at(advisor, suppressor->path, NULL,
                             "\"%s\" holds the rule back wherever \"%s\" holds: it cannot fire",
                             suppressor->key, condition->kind->name);
    }
    if (!overlaps)
        gs_rules_warn_at(advisor, suppressor->path, NULL,
                         "\"%s\" holds nothing back: no condition of the rule holds there", suppressor->key);
}

static void check_suppressor(const struct gs_advisor *advisor, const struct suppressor *suppressor)
{
    struct gs_range reach = gs_rules_reachable_values(advisor, gs_metrics_find(suppressor->metric));
    bool too_high = gs_rules_range_ends_before(&reach, &suppressor->range);
    char text[128];
    if (gs_rules_range_is_apart(&reach, &suppressor->range))
        gs_rules_warn_at(advisor, suppressor->path, NULL, "\"%s\" never holds the rule back: %s",
                         suppressor->key, print_reach(advisor, suppressor->metric, too_high, text));
    else if (gs_rules_range_lies_within(&reach, &suppressor->range))
        gs_rules_warn_at(advisor, suppressor->path, NULL, "\"%s\" always holds the rule back: %s",
                         suppressor->key,
                         print_reach(advisor, suppressor->metric, isinf(suppressor->range.from), text));
    else if (advisor->rule->metric && strcmp(suppressor->metric, advisor->rule->metric) == 0)
        check_against_conditions(advisor, suppressor);
}

static void check_unavailable(const struct gs_advisor *advisor, size_t metric,
                              const struct gs_json_path *owner)
{
    const char *const *unavailable = advisor->machine->unavailable;
    struct gs_json_path path = {.up = owner, .key = "metric"};
    if (unavailable && unavailable[metric])
        gs_rules_warn_at(advisor, &path, NULL, "%s is not available here: %s", advisor->rules->metric[metric],
                         unavailable[metric]);
}

static void check_suppressions(const struct gs_advisor *advisor)
{
    const struct gs_suppression *suppression = advisor->rule->suppression;
    uint64_t limit = gs_rules_limit_of(advisor, advisor->rule->share),
             other_limit = gs_rules_limit_of(advisor, suppression->unless.share);
    struct gs_json_path unless_above = {.up = advisor->path, .key = "unless_above"};
    struct gs_json_path unless = {.up = advisor->path, .key = "unless"};
    struct gs_json_path above = {.up = &unless, .key = "above"}, below = {.up = &unless, .key = "below"};
    const struct {
        const struct gs_threshold *threshold;
        enum gs_share share;
        struct suppressor suppressor;
    } suppressors[] = {
        {&suppression->unless_above,
         advisor->rule->share,
         {"unless_above", &unless_above, advisor->rule->metric,
          gs_rules_range_above(gs_rules_threshold_line(&suppression->unless_above, limit))}},
        {&suppression->unless.above,
         suppression->unless.share,
         {"unless", &above, suppression->unless.metric,
          gs_rules_range_above(gs_rules_threshold_line(&suppression->unless.above, other_limit))}},
        {&suppression->unless.below,
         suppression->unless.share,
         {"unless", &below, suppression->unless.metric,
          gs_rules_range_below(gs_rules_threshold_line(&suppression->unless.below, other_limit))}},
    };
    for (size_t i = 0; i < sizeof suppressors / sizeof *suppressors; i++)
        if (gs_rules_threshold_unknown(suppressors[i].threshold,
                                       gs_rules_limit_of(advisor, suppressors[i].share)))
            gs_rules_warn_unknown(advisor, suppressors[i].share, suppressors[i].suppressor.path);
        else if (suppressors[i].threshold->given)
            check_suppressor(advisor, &suppressors[i].suppressor);
    if (suppression->unless.metric)
        check_unavailable(advisor, suppression->unless.metric_index, &unless);
}

/* ---- conditions ------------------------------------------------------------------------------------------------------- */

int64_t gs_rules_span_ns(const struct gs_advisor *advisor, struct gs_span over)
{
    return over.ns ? over.ns : over.ticks * advisor->rules->interval_ns;
}

/* Warn of a condition whose range lies within that of "above", which is judged before it. */
static void check_earlier_conditions(const struct gs_advisor *advisor, const struct gs_condition *condition,
                                     const struct gs_range *range, const struct gs_json_path *path)
{
    for (const struct gs_condition *other = advisor->rule->condition; other < condition; other++) {
        const char *key = NULL;
        if (other->over.ticks || other->over.ns || !other->kind->range)
            continue;
        struct gs_range other_range =
            other->kind->range(other, gs_rules_limit_of(advisor, advisor->rule->share), &key);
        if (gs_rules_range_lies_within(range, &other_range))
            gs_rules_warn_at(advisor, path, NULL, "\"%s\" looks only at values at which \"%s\" holds already",
                             condition->kind->name, other->kind->name);
    }
}

static void check_window(const struct gs_advisor *advisor, const struct gs_condition *condition,
                         const struct gs_json_path *path)
{
    struct gs_json_path over = {.up = path, .key = "over"};
    int64_t window_ns = gs_rules_span_ns(advisor, condition->over);
    char time[GS_UNIT_TEXT];
    if (window_ns > week_ns)
        gs_rules_warn_at(advisor, &over, "the history that is kept reaches back a week",
                         "\"%s\" judges only once the program has run for %s", condition->kind->name,
                         gs_units_print_duration(window_ns, time));
}

static void check_condition(const struct gs_advisor *advisor, const struct gs_condition *condition)
{
    struct gs_json_path path = {.up = advisor->path, .key = condition->kind->name};
    check_window(advisor, condition, &path);
    if (condition->kind->advise)
        condition->kind->advise(advisor, condition, &path);
    if (!condition->kind->range)
        return;
    const char *key = NULL;
    struct gs_range range =
        condition->kind->range(condition, gs_rules_limit_of(advisor, advisor->rule->share), &key);
    struct gs_json_path member = {.up = &path, .key = key};
    const struct gs_json_path *line = key ? &member : &path;
    if (isnan(range.from) || isnan(range.to))
        gs_rules_warn_unknown(advisor, advisor->rule->share, line);
    check_reach(advisor, condition, &range, line);
    check_earlier_conditions(advisor, condition, &range, line);
}

/* ---- times ------------------------------------------------------------------------------------------------------------ */

/* True: MEMBER is in the rules file, so its value is not the default. */
static bool is_written(const struct gs_advisor *advisor, const struct gs_json_path *member)
{
    const struct gs_rules *rules = advisor->rules;
    return gs_rules_locate(rules->text, rules->text_length, member, GS_THE_KEY) !=
           gs_rules_locate(rules->text, rules->text_length, member->up, GS_THE_KEY);
}

static void check_every(const struct gs_advisor *advisor, const struct gs_condition *every)
{
    struct gs_json_path path = {.up = advisor->path, .key = every->kind->name};
    uint64_t of_rule = advisor->rule->suppression->max_per_hour,
             of_all = advisor->rules->incidents.max_per_hour;
    uint64_t most = of_rule && (!of_all || of_rule < of_all) ? of_rule : of_all;
    char period[GS_UNIT_TEXT], interval[GS_UNIT_TEXT];
    int64_t times = hour_ns / every->every.ns;
    gs_units_print_duration(every->every.ns, period);
    if (every->every.ns < advisor->rules->interval_ns)
        gs_rules_warn_at(advisor, &path, NULL,
                         "\"every\" %s is shorter than the interval from tick to tick, %s", period,
                         gs_units_print_duration(advisor->rules->interval_ns, interval));
    else if (most && (uint64_t)times > most)
        gs_rules_warn_at(advisor, &path, NULL,
                         "every %s makes %lld incidents an hour, \"max_per_hour\" allows %llu%s", period,
                         (long long)times, (unsigned long long)most,
                         most == of_all ? " of all rules together" : "");
}

static void check_times(const struct gs_advisor *advisor)
{
    const struct gs_rule *rule = advisor->rule;
    struct gs_json_path for_path = {.up = advisor->path, .key = "for"};
    struct gs_json_path cooldown = {.up = advisor->path, .key = "cooldown"};
    struct gs_json_path hour_path = {.up = advisor->path, .key = "max_per_hour"};
    uint64_t of_rule = rule->suppression->max_per_hour, of_all = advisor->rules->incidents.max_per_hour;
    if (rule->cooldown_ns >= second_ns && rule->for_ns > rule->cooldown_ns && is_written(advisor, &cooldown))
        gs_rules_warn_at(
            advisor, &for_path, NULL,
            "\"for\" is longer than \"cooldown\", which is over before the condition can have held "
            "that long again");
    if (of_rule && of_all && of_rule > of_all)
        gs_rules_warn_at(advisor, &hour_path, NULL,
                         "all rules together may make %llu an hour (incidents.max_per_hour)",
                         (unsigned long long)of_all);
}

/* ---- the rules -------------------------------------------------------------------------------------------------------- */

static void check_rule(const struct gs_advisor *advisor)
{
    const struct gs_rule *rule = advisor->rule;
    for (size_t i = 0; i < rule->condition_count; i++)
        if (rule->condition[i].kind->without_metric)
            check_every(advisor, &rule->condition[i]);
        else
            check_condition(advisor, &rule->condition[i]);
    if (rule->metric)
        check_unavailable(advisor, rule->metric_index, advisor->path);
    check_suppressions(advisor);
    check_times(advisor);
}

/* The page of an incident is written by the process that fills in its source lines. */
static void check_report(const struct gs_advisor *advisor, const struct gs_json_path *top)
{
    const struct gs_json_path incidents = {.up = top, .key = "incidents"},
                              report = {.up = &incidents, .key = "report"};
    if (advisor->rules->incidents.report && advisor->rules->symbolize == GS_SYMBOLIZE_OFF)
        gs_rules_warn_at(advisor, &report, "`gumshoe report` writes one later",
                         "no page is written with \"symbolize\": \"off\"");
}

static void check_program(const struct gs_advisor *advisor, const struct gs_json_path *top)
{
    const struct gs_json_path command = {.up = top, .key = "on_incident"},
                              program = {.up = &command, .index = 0};
    const char *name = advisor->rules->on_incident ? advisor->rules->on_incident[0] : NULL;
    bool relative = name && name[0] != '/' && strchr(name, '/');
    if (name && advisor->machine->cannot_run)
        gs_rules_warn_at(advisor, &program,
                         relative ? "a relative path begins at the program's current directory" : NULL,
                         "\"on_incident\" cannot run %.60s: %s", name, advisor->machine->cannot_run);
}

void gs_rules_advise(const struct gs_rules *rules, const struct gs_machine *machine,
                     struct gs_errors *warnings)
{
    const struct gs_json_path top = {0}, list = {.up = &top, .key = "rules"};
    size_t before = warnings->count;
    struct gs_advisor advisor = {.rules = rules, .machine = machine, .warnings = warnings};
    if (rules->rule_count == 0)
        gs_rules_warn_at(&advisor, &list, NULL, "there is no rule: nothing is watched");
    check_report(&advisor, &top);
    check_program(&advisor, &top);
    for (size_t i = 0; i < rules->rule_count; i++) {
        struct gs_json_path path = {.up = &list, .index = i};
        advisor.rule = &rules->rule[i];
        advisor.path = &path;
        check_rule(&advisor);
    }
    gs_errors_sort(warnings, before);
}
