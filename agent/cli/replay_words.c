/* replay_words.c - texts of `gumshoe replay` that both the plain and the JSON output contain. */
#include "cli/replay.h"
#include <stdio.h>
#include <string.h>

const char *gs_cli_print_moment(const struct gs_session *session, int64_t time_ns, char out[GS_TIME_TEXT])
{
    if (!session->about.no_date) {
        char *fraction = strstr(gs_clock_print(time_ns, GS_TIME_ISO, out), ".000Z");
        if (fraction)
            strcpy(fraction, "Z");
        return out;
    }
    int length = snprintf(out, GS_TIME_TEXT, "%.3f", (double)time_ns / GS_NS_PER_S);
    while (out[length - 1] == '0')
        out[--length] = 0;
    if (out[length - 1] == '.')
        out[--length] = 0;
    return out;
}

const char *gs_cli_print_times(uint64_t times, char out[GS_UNIT_TEXT])
{
    snprintf(out, GS_UNIT_TEXT, "%llu time%s", (unsigned long long)times, times == 1 ? "" : "s");
    return out;
}

const char *gs_cli_print_held_back(const struct gs_replayed *replayed, char out[GS_HELD_BACK_TEXT])
{
    snprintf(out, GS_HELD_BACK_TEXT, "%s%s", replayed->held_back,
             replayed->obstacle == GS_NO_LIMIT ? "; give the limit with --limit SIZE" : "");
    return out;
}

size_t gs_cli_find_rule(const struct gs_candidate *candidate, const char *name, size_t length)
{
    for (size_t i = 0; i < candidate->rules->rule_count; i++)
        if (strlen(candidate->rules->rule[i].name) == length &&
            strncmp(candidate->rules->rule[i].name, name, length) == 0)
            return i;
    return SIZE_MAX;
}

/* Does CANDIDATE have a rule that the sampler's alarm serves: `heap_in_use` with `above`, judged at once and not at the tick? */
static bool has_alarm(const struct gs_candidate *candidate, uint64_t limit_bytes)
{
    struct gs_judge *judge = gs_rules_judge_new(candidate->rules, limit_bytes);
    bool has = judge && gs_rules_judge_alarm_line(judge, 0) != UINT64_MAX;
    gs_rules_judge_free(judge);
    return has;
}

struct gs_notes gs_cli_replay_notes(const struct gs_session *session, const struct gs_candidate *candidate)
{
    struct gs_notes notes = {0};
    char step[GS_UNIT_TEXT], interval[GS_UNIT_TEXT];
    int64_t step_ns = gs_history_interval_ns(session->history);
    if (candidate->replay->counts_ticks && step_ns != candidate->rules->interval_ns)
        snprintf(notes.text[notes.count++], sizeof *notes.text,
                 "rows are %s apart, the rules' interval is %s: a window of 10 ticks is replayed as 10 rows",
                 gs_units_print_duration(step_ns, step),
                 gs_units_print_duration(candidate->rules->interval_ns, interval));
    if (has_alarm(candidate, session->limit_bytes))
        snprintf(
            notes.text[notes.count++], sizeof *notes.text,
            "in a running process heap_in_use \"above\" is also judged between ticks: it may fire earlier");
    return notes;
}
