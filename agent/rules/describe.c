/* describe.c - a rules file in sentences, with every default filled in: what `gumshoe check --explain` prints.
 *
 *   leak: when rss grows by at least 1 MiB/min over 10 min, for 5 min without a break, it captures heap and threads; at most
 *         once in 10 min; …
 *         └─ each condition's own part: its `describe` in the table of conditions
 *
 * Who: the CLI, for people. Pure. */
#include "base/text.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>

static const char *name_line_of(const struct gs_threshold *threshold, enum gs_unit unit, enum gs_share share,
                                uint64_t limit, char out[GS_LINE_TEXT])
{
    char part[GS_UNIT_TEXT], line[GS_UNIT_TEXT];
    if (!threshold->share)
        snprintf(out, GS_LINE_TEXT, "%s", gs_units_print_value(threshold->value, unit, line));
    else if (share == GS_OF_FILE_LIMIT)
        snprintf(out, GS_LINE_TEXT, "%s of the limit of open files",
                 gs_units_print_percent(threshold->value, part));
    else if (limit == 0)
        snprintf(out, GS_LINE_TEXT, "%s of the memory limit", gs_units_print_percent(threshold->value, part));
    else
        snprintf(out, GS_LINE_TEXT, "%s of the memory limit (%s here)",
                 gs_units_print_percent(threshold->value, part),
                 gs_units_print_value(threshold->value * (double)limit, unit, line));
    return out;
}

const char *gs_rules_name_line(const struct gs_threshold *threshold, const struct gs_rule *rule,
                               uint64_t limit, char out[GS_LINE_TEXT])
{
    return name_line_of(threshold, rule->unit, rule->share, limit, out);
}

static uint64_t limit_of(const struct gs_machine *machine, enum gs_share share)
{
    return share == GS_OF_MEMORY_LIMIT ? machine->limit_bytes : 0;
}

/* ---- a rule ----------------------------------------------------------------------------------------------------------- */

/* Add the conditions on the metric: "when rss is above 1 GiB or grows by …", how long they must hold, and "every". */
static void add_conditions(const struct gs_rule *rule, const struct gs_machine *machine, struct gs_text *out)
{
    const char *before = "when ";
    char time[GS_UNIT_TEXT];
    for (size_t i = 0; i < rule->condition_count; i++) {
        const struct gs_condition *condition = &rule->condition[i];
        if (condition->kind->without_metric)
            continue;
        gs_text_add(out, "%s%s ", before, rule->metric);
        condition->kind->describe(condition, rule, limit_of(machine, rule->share), out);
        before = ", or when ";
    }
    if (rule->for_ns > 0)
        gs_text_add(out, ", for %s without a break", gs_units_print_duration(rule->for_ns, time));
    for (size_t i = 0; i < rule->condition_count; i++)
        if (rule->condition[i].kind->without_metric) {
            gs_text_add(out, "%s", i > 0 ? ", and in any case " : "");
            rule->condition[i].kind->describe(&rule->condition[i], rule, 0, out);
        }
}

static const char *name_of_kind(unsigned kind)
{
    for (const struct gs_kind_entry *entry = gs_kinds; entry->name; entry++)
        if ((unsigned)entry->kind == kind)
            return entry->name;
    return "";
}

/* Add "captures heap, threads and cpu (10 s at 99 Hz)". */
static void add_capture(const struct gs_rules *rules, const struct gs_rule *rule, struct gs_text *out)
{
    char time[GS_UNIT_TEXT], rate[GS_UNIT_TEXT];
    gs_text_add(out, ", it captures");
    for (unsigned kind = 1, left = rule->capture; left; kind <<= 1) {
        if (!(left & kind))
            continue;
        left &= ~kind;
        gs_text_add(out, "%s %s",
                    kind == (rule->capture & -rule->capture) ? ""
                    : left                                   ? ","
                                                             : " and",
                    name_of_kind(kind));
        if (kind == GS_CPU)
            gs_text_add(out, " (%s at %s Hz)", gs_units_print_duration(rules->cpu.duration_ns, time),
                        gs_units_print_count(rules->cpu.hertz, rate));
    }
}

static void add_pace(const struct gs_rule *rule, struct gs_text *out)
{
    char time[GS_UNIT_TEXT], share[GS_UNIT_TEXT];
    double again = rule->suppression->again;
    unsigned long long most = (unsigned long long)rule->suppression->max_per_hour;
    if (rule->cooldown_ns > 0)
        gs_text_add(out, "; at most once in %s", gs_units_print_duration(rule->cooldown_ns, time));
    else if (rule->metric)
        gs_text_add(out, "; without a cooldown");
    if (most == 1)
        gs_text_add(out, "; at most once an hour");
    else if (most)
        gs_text_add(out, "; at most %llu times an hour", most);
    if (rule->metric && isnan(again))
        gs_text_add(out, "; while it keeps holding, again and again");
    else if (rule->metric)
        gs_text_add(out, "; while it keeps holding, again only from %s beyond the value of the last incident",
                    gs_units_print_percent(again, share));
}

static void add_exceptions(const struct gs_rule *rule, const struct gs_machine *machine, struct gs_text *out)
{
    const struct gs_suppression *suppression = rule->suppression;
    char line[GS_LINE_TEXT];
    if (suppression->unless_above.given)
        gs_text_add(
            out, "; never while %s is above %s", rule->metric,
            gs_rules_name_line(&suppression->unless_above, rule, limit_of(machine, rule->share), line));
    const struct {
        const struct gs_threshold *line;
        const char *side;
    } unless[] = {{&suppression->unless.above, "above"}, {&suppression->unless.below, "below"}};
    for (size_t i = 0; i < 2 && suppression->unless.metric; i++)
        if (unless[i].line->given)
            gs_text_add(out, "; never while %s is %s %s", suppression->unless.metric, unless[i].side,
                        name_line_of(unless[i].line, suppression->unless.unit, suppression->unless.share,
                                     limit_of(machine, suppression->unless.share), line));
}

void gs_rules_describe_rule(const struct gs_rules *rules, size_t number, const struct gs_machine *machine,
                            struct gs_text *out)
{
    const struct gs_rule *rule = &rules->rule[number];
    gs_text_add(out, "%s: ", rule->name);
    add_conditions(rule, machine, out);
    add_capture(rules, rule, out);
    add_pace(rule, out);
    add_exceptions(rule, machine, out);
    gs_text_add(out, ".");
}

/* ---- the rest of the file ----------------------------------------------------------------------------------------------- */

static void add_sampling(const struct gs_rules *rules, struct gs_text *out)
{
    char one[GS_UNIT_TEXT], other[GS_UNIT_TEXT];
    unsigned depth = rules->heap.depth;
    gs_text_add(out, "Metrics are read and rules judged every %s.\n",
                gs_units_print_duration(rules->interval_ns, one));
    gs_text_add(
        out,
        "The heap is sampled every %s allocated, with stacks of at most %u frame%s; its first baseline "
        "is taken after %s.\n",
        gs_units_print_size((double)rules->heap.sample_bytes, one), depth, depth == 1 ? "" : "s",
        gs_units_print_duration(rules->heap.baseline_ns, other));
    if (rules->cpu.before_ns)
        gs_text_add(out, "CPU time is sampled all the time: a CPU profile begins %s before its trigger.\n",
                    gs_units_print_duration(rules->cpu.before_ns, one));
    gs_text_add(out, "The agent uses at most %s of one CPU.\n", gs_units_print_percent(rules->budget, one));
}

static void add_store(const struct gs_rules *rules, struct gs_text *out)
{
    char text[GS_UNIT_TEXT];
    unsigned long long keep = (unsigned long long)rules->incidents.keep,
                       most = (unsigned long long)rules->incidents.max_per_hour;
    gs_text_add(out, "Incidents go to ");
    gs_text_add_printable(out, rules->incidents.dir);
    if (keep)
        gs_text_add(out, "; at most %llu %s kept", keep, keep == 1 ? "is" : "are");
    if (rules->incidents.max_bytes)
        gs_text_add(out, "; together they have at most %s",
                    gs_units_print_size((double)rules->incidents.max_bytes, text));
    if (rules->incidents.max_age_ns)
        gs_text_add(out, "; they are removed after %s",
                    gs_units_print_duration(rules->incidents.max_age_ns, text));
    if (!keep && !rules->incidents.max_bytes && !rules->incidents.max_age_ns)
        gs_text_add(out, "; none is ever removed");
    if (most)
        gs_text_add(out, "; all rules together make at most %llu an hour.\n", most);
    else
        gs_text_add(out, "; nothing limits how many are made.\n");
}

static void add_processes(const struct gs_rules *rules, struct gs_text *out)
{
    static const char *const children[] = {
        [GS_CHILDREN_FORKS] = "Forked children are watched too; programs that they exec are not.",
        [GS_CHILDREN_ALL] = "Children are watched too, also programs that they exec.",
        [GS_CHILDREN_OFF] = "Children are not watched.",
    };
    for (size_t i = 0; i < rules->only_count; i++) {
        gs_text_add(out, "%s", i == 0 ? "Only these programs are watched: " : ", ");
        gs_text_add_printable(out, rules->only[i]);
    }
    gs_text_add(out, "%s%s\n", rules->only_count ? ".\n" : "", children[rules->children]);
    gs_text_add(out, "%s\n",
                rules->crash ? "Fatal signals are noted in the black box." : "Fatal signals are not noted.");
}

static void add_afterwards(const struct gs_rules *rules, struct gs_text *out)
{
    if (rules->symbolize == GS_SYMBOLIZE_OFF)
        gs_text_add(out, "Source lines are not added to incidents.\n");
    else
        gs_text_add(out, "Source lines%s are added to each incident once it is complete.\n",
                    rules->incidents.report ? " and a page (report.html)" : "");
    if (!rules->on_incident)
        return;
    gs_text_add(out, "After each incident this is run:");
    for (size_t i = 0; rules->on_incident[i]; i++) {
        gs_text_add(out, " ");
        gs_text_add_printable(out, rules->on_incident[i]);
    }
    gs_text_add(out, "\n");
}

void gs_rules_describe_settings(const struct gs_rules *rules, struct gs_text *out)
{
    add_sampling(rules, out);
    add_store(rules, out);
    add_processes(rules, out);
    add_afterwards(rules, out);
}
