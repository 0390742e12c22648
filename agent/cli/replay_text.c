/* replay_text.c - prints the result of `gumshoe replay` for people: the history, a table that compares the files, then each
 * rule. */
#include "cli/replay.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FIRINGS_SHOWN = 20, CELL_WIDTH = 20, CELL_WIDTH_OF_MOMENTS = 36 };

/* ---- rule by rule --------------------------------------------------------------------------------------------------- */

static void print_history(const struct gs_session *session)
{
    char from[GS_TIME_TEXT], to[GS_TIME_TEXT], step[GS_UNIT_TEXT], oldest[GS_UNIT_TEXT], limit[GS_UNIT_TEXT];
    const struct gs_history *history = session->history;
    size_t length = gs_history_length(history), gaps = session->candidate[0].replay->gaps;
    int64_t oldest_ns = gs_history_step_ns(history, 0), step_ns = gs_history_interval_ns(history);
    gs_cli_print_escaped(session->path, strlen(session->path));
    printf(": %zu row%s, every %s", length, length == 1 ? "" : "s", gs_units_print_duration(step_ns, step));
    if (oldest_ns != gs_history_step_ns(history, length - 1))
        printf(" (the oldest every %s)", gs_units_print_duration(oldest_ns, oldest));
    printf(", from %s to %s", gs_cli_print_moment(session, gs_history_time(history, 0), from),
           gs_cli_print_moment(session, gs_history_time(history, length - 1), to));
    if (session->about.processes > 1)
        printf(", %zu processes (each begins with empty windows)", session->about.processes);
    if (gaps)
        printf(", %zu gap%s", gaps, gaps == 1 ? "" : "s");
    if (session->limit_bytes)
        printf("; memory limit %s", gs_units_print_size((double)session->limit_bytes, limit));
    putchar('\n');
}

static void print_firings(const struct gs_session *session, const struct gs_replayed *replayed)
{
    char time[GS_TIME_TEXT];
    for (size_t i = 0; i < replayed->firing_count && i < FIRINGS_SHOWN; i++) {
        printf("  at %s: ", gs_cli_print_moment(session, replayed->firing[i].time_ns, time));
        gs_cli_print_line(replayed->firing[i].reason);
    }
    if (replayed->fired > FIRINGS_SHOWN)
        printf("  and %llu more\n", (unsigned long long)replayed->fired - FIRINGS_SHOWN);
}

static void print_closest(const struct gs_session *session, const struct gs_rule *rule,
                          const struct gs_replayed *replayed)
{
    char time[GS_TIME_TEXT], value[GS_UNIT_TEXT], line[GS_UNIT_TEXT], text[GS_HELD_BACK_TEXT];
    if (replayed->obstacle != GS_NO_METRIC) {
        printf("  closest at %s", gs_cli_print_moment(session, replayed->time_ns, time));
        gs_units_print_apart(replayed->value, replayed->line, rule->unit, value, line);
        if (isfinite(replayed->value))
            printf(": value %s", value);
        if (isfinite(replayed->line))
            printf(", line %s", line);
        putchar('\n');
    }
    printf("  held back by \"%s\": ", gs_rules_obstacle_name(replayed->obstacle));
    gs_cli_print_line(gs_cli_print_held_back(replayed, text));
}

static void print_missed(const struct gs_replayed *replayed)
{
    char times[GS_UNIT_TEXT];
    for (int i = 0; i < GS_OBSTACLES; i++)
        if (replayed->missed[i])
            printf("  held back %s by \"%s\"\n", gs_cli_print_times(replayed->missed[i], times),
                   gs_rules_obstacle_name((enum gs_obstacle)i));
}

static void print_rule(const struct gs_session *session, const struct gs_candidate *candidate, size_t rule)
{
    const struct gs_rule *the_rule = &candidate->rules->rule[rule];
    const struct gs_replayed *replayed = &candidate->replay->rule[rule];
    char times[GS_UNIT_TEXT], from[GS_TIME_TEXT], to[GS_TIME_TEXT];
    int64_t last_ns = gs_history_time(session->history, candidate->replay->rows - 1);
    if (replayed->fired) {
        printf("\n%s fires %s\n", the_rule->name, gs_cli_print_times(replayed->fired, times));
        print_firings(session, replayed);
    } else {
        printf("\n%s does not fire\n", the_rule->name);
        print_closest(session, the_rule, replayed);
    }
    print_missed(replayed);
    gs_cli_print_plot(replayed->column, candidate->replay->column_count, the_rule->unit,
                      gs_cli_print_moment(session, gs_history_time(session->history, 0), from),
                      gs_cli_print_moment(session, last_ns, to));
}

static void print_candidate(const struct gs_session *session, const struct gs_candidate *candidate)
{
    struct gs_notes notes = gs_cli_replay_notes(session, candidate);
    if (session->count > 1) {
        putchar('\n');
        gs_cli_print_line(candidate->rules->file);
    }
    for (size_t i = 0; i < notes.count; i++)
        printf("note: %s\n", notes.text[i]);
    for (size_t i = 0; i < candidate->rules->rule_count; i++)
        print_rule(session, candidate, i);
}

/* ---- files side by side ------------------------------------------------------------------------------------------- */

/* The width of a table column: ISO 8601 times need more room. */
static int cell_width(const struct gs_session *session)
{
    return session->about.no_date ? CELL_WIDTH : CELL_WIDTH_OF_MOMENTS;
}

/* Print "2, first 110" (fired twice), "never", or "-" if the file does not have the rule. */
static void print_cell(const struct gs_session *session, const struct gs_candidate *candidate,
                       const char *rule)
{
    size_t at = gs_cli_find_rule(candidate, rule, strlen(rule));
    char cell[64] = "-", time[GS_TIME_TEXT];
    const struct gs_replayed *replayed = at == SIZE_MAX ? NULL : &candidate->replay->rule[at];
    if (replayed && replayed->fired)
        snprintf(cell, sizeof cell, "%llu, first %s", (unsigned long long)replayed->fired,
                 gs_cli_print_moment(session, replayed->firing[0].time_ns, time));
    else if (replayed)
        snprintf(cell, sizeof cell, "never");
    bool last = candidate == &session->candidate[session->count - 1];
    printf("  %-*s", last ? 0 : cell_width(session), cell);
}

static void print_row(const struct gs_session *session, const char *rule)
{
    printf("%-20s", rule);
    for (size_t i = 0; i < session->count; i++)
        print_cell(session, &session->candidate[i], rule);
    putchar('\n');
}

static bool was_in_earlier_file(const struct gs_session *session, size_t file, const char *rule)
{
    for (size_t i = 0; i < file; i++)
        if (gs_cli_find_rule(&session->candidate[i], rule, strlen(rule)) != SIZE_MAX)
            return true;
    return false;
}

/* FILE, or its last WIDTH bytes if it is longer than a column. */
static const char *short_name(const char *file, size_t width)
{
    size_t length = strlen(file);
    return length > width ? file + length - width : file;
}

static void print_table(const struct gs_session *session)
{
    int width = cell_width(session);
    printf("\n%-20s", "RULE");
    for (size_t i = 0; i < session->count; i++) {
        struct gs_text name = {0};
        gs_text_add_printable(&name, session->candidate[i].rules->file);
        printf("  %-*s", i + 1 == session->count ? 0 : width,
               name.bytes ? short_name(name.bytes, (size_t)width) : "");
        gs_text_fini(&name);
    }
    putchar('\n');
    for (size_t i = 0; i < session->count; i++)
        for (size_t k = 0; k < session->candidate[i].rules->rule_count; k++)
            if (!was_in_earlier_file(session, i, session->candidate[i].rules->rule[k].name))
                print_row(session, session->candidate[i].rules->rule[k].name);
}

void gs_cli_replay_print(const struct gs_session *session)
{
    print_history(session);
    if (session->count > 1)
        print_table(session);
    for (size_t i = 0; i < session->count; i++)
        print_candidate(session, &session->candidate[i]);
}
