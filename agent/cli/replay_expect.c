/* replay_expect.c - checks --expect and --expect-none of `gumshoe replay`, for continuous integration. */
#include "cli/replay.h"
#include <stdlib.h>
#include <string.h>

bool gs_cli_read_expectation(const char *text, struct gs_expectation *out)
{
    const char *equals = strchr(text, '=');
    char *end = NULL;
    *out = (struct gs_expectation){
        .rule = text, .length = equals ? (size_t)(equals - text) : strlen(text), .times = -1};
    if (equals)
        out->times = strtoll(equals + 1, &end, 10);
    return out->length > 0 && (!equals || (equals[1] >= '0' && equals[1] <= '9' && *end == 0));
}

static bool check_one(const struct gs_expectation *expected, const struct gs_candidate *candidate,
                      uint64_t fired)
{
    int length = (int)expected->length;
    char wanted[GS_UNIT_TEXT], times[GS_UNIT_TEXT];
    if (expected->times < 0 ? fired > 0 : fired == (uint64_t)expected->times)
        return true;
    if (expected->times < 0)
        gs_cli_complain(GS_EXIT_NEGATIVE, "%s: %.*s was expected to fire, and does not",
                        candidate->rules->file, length, expected->rule);
    else
        gs_cli_complain(GS_EXIT_NEGATIVE, "%s: %.*s was expected to fire %s, and fires %s",
                        candidate->rules->file, length, expected->rule,
                        gs_cli_print_times((uint64_t)expected->times, wanted),
                        gs_cli_print_times(fired, times));
    return false;
}

/* Check EXPECTED in every file that has the rule. It is an error if no file has it. */
static int check_expectation(const struct gs_session *session, const struct gs_expectation *expected)
{
    int status = GS_EXIT_OK;
    bool known = false;
    for (size_t i = 0; i < session->count; i++) {
        size_t rule = gs_cli_find_rule(&session->candidate[i], expected->rule, expected->length);
        if (rule == SIZE_MAX)
            continue;
        known = true;
        if (!check_one(expected, &session->candidate[i], session->candidate[i].replay->rule[rule].fired))
            status = GS_EXIT_NEGATIVE;
    }
    return known ? status
                 : gs_cli_usage(session->command, "--expect: there is no rule \"%.*s\"",
                                (int)expected->length, expected->rule);
}

static int check_none(const struct gs_candidate *candidate)
{
    int status = GS_EXIT_OK;
    char times[GS_UNIT_TEXT];
    for (size_t i = 0; i < candidate->rules->rule_count; i++)
        if (candidate->replay->rule[i].fired)
            status = gs_cli_complain(GS_EXIT_NEGATIVE, "%s: no rule was expected to fire, and %s fires %s",
                                     candidate->rules->file, candidate->rules->rule[i].name,
                                     gs_cli_print_times(candidate->replay->rule[i].fired, times));
    return status;
}

int gs_cli_check_expectations(const struct gs_session *session)
{
    int status = GS_EXIT_OK;
    for (size_t i = 0; i < session->expected_count; i++)
        status = gs_cli_worse_status(status, check_expectation(session, &session->expected[i]));
    for (size_t i = 0; session->expect_none && i < session->count; i++)
        status = gs_cli_worse_status(status, check_none(&session->candidate[i]));
    return status;
}
