/* suggest_report.c - prints for people what `gumshoe suggest` has found: first the faults on which no rule fires, then each fault,
 * rises that are usual, and what each rule does on the history. */
#include "cli/replay.h"
#include "cli/suggest.h"
#include "metrics/metrics.h"
#include <stdio.h>
#include <string.h>

enum { SHOWN = 12, NAME_WIDTH = 24, FAULT_WIDTH = 58 };

static const char *print_value(const char *metric, double value, char out[GS_UNIT_TEXT])
{
    return gs_units_print_value(value, gs_metrics_find(metric)->unit, out);
}

/* As `gumshoe replay` prints times. */
static const char *print_moment(const struct gs_suggest_session *session, int64_t time_ns,
                                char out[GS_TIME_TEXT])
{
    const struct gs_session moment = {.about = session->about};
    return gs_cli_print_moment(&moment, time_ns, out);
}

/* "rss from 400 MiB to 1.3 GiB, heap_in_use from …". */
static void add_parts(const struct gs_fault *fault, struct gs_text *out)
{
    char from[GS_UNIT_TEXT], to[GS_UNIT_TEXT];
    for (size_t i = 0; i < fault->part_count; i++)
        gs_text_add(out, "%s%s from %s to %s", i ? ", " : "", fault->part[i].metric,
                    print_value(fault->part[i].metric, fault->part[i].from, from),
                    print_value(fault->part[i].metric, fault->part[i].to, to));
    if (fault->to_limit)
        gs_text_add(out, " (the memory limit)");
}

/* ---- faults ----------------------------------------------------------------------------------------------------------- */

static void add_uncovered(const struct gs_suggest_session *session, struct gs_text *out)
{
    const struct gs_suggested *suggested = session->suggested;
    for (size_t i = 0; i < suggested->fault_count; i++) {
        if (gs_reader_suggested_covers(suggested, i))
            continue;
        gs_text_add(out, "No suggested rule fires on fault %zu, the %s of ", i + 1,
                    gs_reader_fault_name(suggested->fault[i].kind));
        add_parts(&suggested->fault[i], out);
        gs_text_add(out, ".\n");
    }
}

/* The rule that fires first on fault number AT; NULL: none. */
static const struct gs_suggested_rule *first_on(const struct gs_suggested *suggested, size_t at)
{
    const struct gs_suggested_rule *first = NULL;
    for (size_t i = 0; i < suggested->rule_count; i++) {
        const struct gs_suggested_rule *rule = &suggested->rule[i];
        if (rule->hit[at].fires && (!first || rule->hit[at].time_ns < first->hit[at].time_ns))
            first = rule;
    }
    return first;
}

static void add_fault(const struct gs_suggest_session *session, size_t at, struct gs_text *out)
{
    const struct gs_fault *fault = &session->suggested->fault[at];
    const struct gs_suggested_rule *first = first_on(session->suggested, at);
    char begin[GS_TIME_TEXT], end[GS_TIME_TEXT], lasts[GS_UNIT_TEXT], when[GS_HIT_TEXT];
    gs_text_add(out, "  %zu. %s, ", at + 1, gs_reader_fault_name(fault->kind));
    add_parts(fault, out);
    gs_text_add(out, "\n     from %s to %s (%s)", print_moment(session, fault->begin_ns, begin),
                print_moment(session, fault->end_ns, end),
                gs_units_print_duration(fault->end_ns - fault->begin_ns, lasts));
    if (fault->lasts)
        gs_text_add(out, ", the end of the history");
    gs_text_add(out, "\n     ");
    if (first)
        gs_text_add(out, "%s fires first, %s\n", first->name,
                    gs_reader_print_hit(fault, &first->hit[at], when));
    else
        gs_text_add(out, "no rule fires\n");
}

static void add_faults(const struct gs_suggest_session *session, struct gs_text *out)
{
    const struct gs_suggested *suggested = session->suggested;
    size_t count = suggested->fault_count;
    char span[GS_UNIT_TEXT];
    gs_units_print_duration(suggested->span_ns, span);
    if (count == 0) {
        gs_text_add(out, "No fault is visible in this history of %s; all of it counts as usual.\n", span);
        return;
    }
    gs_text_add(out, "%zu fault%s visible in this history of %s, and left out of what is usual:\n", count,
                count == 1 ? " is" : "s are", span);
    for (size_t i = 0; i < count; i++)
        add_fault(session, i, out);
    if (suggested->faults_lost)
        gs_text_add(out, "  and %zu more, which count as usual\n", suggested->faults_lost);
}

/* ---- usual rises ------------------------------------------------------------------------------------------------------ */

const char *gs_cli_usual_name(enum gs_usual_cause cause)
{
    static const char *const names[GS_USUAL_CAUSES] = {
        [GS_USUAL_RECURS] = "recurs", [GS_USUAL_AT_START] = "start", [GS_USUAL_SEEN_BEFORE] = "seen before",
        [GS_USUAL_DAY] = "day",       [GS_USUAL_LOAD] = "load",
    };
    return names[cause];
}

static void add_cause(const struct gs_suggest_session *session, const struct gs_usual_rise *usual,
                      struct gs_text *out)
{
    char every[GS_UNIT_TEXT], first[GS_TIME_TEXT];
    int64_t between_ns =
        usual->count > 1 ? (usual->last_ns - usual->first_ns) / (int64_t)(usual->count - 1) : 0;
    print_moment(session, usual->first_ns, first);
    switch (usual->cause) {
    case GS_USUAL_RECURS:
        gs_text_add(out, "%zu times, about every %s", usual->count,
                    gs_units_print_duration(between_ns, every));
        break;
    case GS_USUAL_AT_START: gs_text_add(out, "at the start of the history"); break;
    case GS_USUAL_SEEN_BEFORE: gs_text_add(out, "at %s: it had been that high before", first); break;
    case GS_USUAL_DAY: gs_text_add(out, "at %s: it rises and falls as slowly as a day's load", first); break;
    default:
        gs_text_add(out, "at %s: CPU time and connections or threads rise as well, so there is more load",
                    first);
    }
}

static void add_usual(const struct gs_suggest_session *session, struct gs_text *out)
{
    const struct gs_suggested *suggested = session->suggested;
    char from[GS_UNIT_TEXT], to[GS_UNIT_TEXT];
    if (suggested->usual_count)
        gs_text_add(out, "\nLarge rises that count as usual:\n");
    for (size_t i = 0; i < suggested->usual_count && i < SHOWN; i++) {
        const struct gs_usual_rise *usual = &suggested->usual[i];
        gs_text_add(out, "  %s from %s to %s, ", usual->metric, print_value(usual->metric, usual->from, from),
                    print_value(usual->metric, usual->to, to));
        add_cause(session, usual, out);
        gs_text_add(out, "\n");
    }
    if (suggested->usual_count > SHOWN)
        gs_text_add(out, "  and %zu more\n", suggested->usual_count - SHOWN);
}

/* ---- rules ------------------------------------------------------------------------------------------------------------ */

static void add_rule(const struct gs_suggest_session *session, const struct gs_suggested_rule *rule,
                     struct gs_text *out)
{
    const struct gs_suggested *suggested = session->suggested;
    char when[GS_HIT_TEXT], cell[GS_HIT_TEXT + GS_UNIT_TEXT], times[GS_UNIT_TEXT];
    size_t rows = 0;
    for (size_t i = 0; i <= suggested->fault_count; i++) {
        bool last = i == suggested->fault_count;
        if (last ? rows > 0 : !rule->hit[i].fires)
            continue;
        if (last)
            snprintf(cell, sizeof cell, "-");
        else
            snprintf(cell, sizeof cell, "%zu: %s", i + 1,
                     gs_reader_print_hit(&suggested->fault[i], &rule->hit[i], when));
        gs_text_add(out, "  %-*s  ", NAME_WIDTH, rows ? "" : rule->name);
        if (rows++)
            gs_text_add(out, "%s\n", cell);
        else
            gs_text_add(out, "%-*s  %s\n", FAULT_WIDTH, cell,
                        rule->otherwise ? gs_cli_print_times(rule->otherwise, times) : "-");
    }
}

static void add_rules(const struct gs_suggest_session *session, struct gs_text *out)
{
    const struct gs_suggested *suggested = session->suggested;
    char times[GS_UNIT_TEXT];
    gs_text_add(out, "\n  %-*s  %-*s  %s\n", NAME_WIDTH, "RULE", FAULT_WIDTH, "FIRES ON FAULT", "OTHERWISE");
    for (size_t i = 0; i < suggested->rule_count; i++)
        add_rule(session, &suggested->rule[i], out);
    gs_text_add(out, "\nApart from faults ");
    if (suggested->otherwise)
        gs_text_add(out, "the rules fire %s on this history",
                    gs_cli_print_times(suggested->otherwise, times));
    else
        gs_text_add(out, "no rule fires on this history");
    gs_text_add(out, "; %llu a week %s allowed.\n", (unsigned long long)session->constraints.per_week,
                session->constraints.per_week == 1 ? "is" : "are");
}

void gs_cli_suggest_report(const struct gs_suggest_session *session, struct gs_text *out)
{
    add_uncovered(session, out);
    add_faults(session, out);
    add_usual(session, out);
    add_rules(session, out);
}
