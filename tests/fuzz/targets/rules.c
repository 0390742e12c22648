/* A rules file: read; if it is one, advised upon and judged over a few odd ticks. */
#include "rules/rules.h"
#include "base/json.h"
#include "base/text.h"
#include "fuzz.h"
#include <math.h>
#include <string.h>

enum { RULES_JUDGED_MAX = 4 }; // windows are large, and no larger for more rules

static const double odd_values[] = {0, 1, -1, 1e15, NAN, 4096, 1e18, 50, INFINITY};

/* Every error has its place within the text. */
static void check_places(const struct gs_errors *errors, const char *text, size_t length)
{
    for (size_t i = 0; i < errors->count; i++) {
        const struct gs_error *error = &errors->item[i];
        const char *line = text, *end = text + length;
        char printed[1024];
        gs_must((error->line > 0) == (error->col > 0) && error->text[0]);
        for (int n = 1; n < error->line; n++) {
            line = memchr(line, '\n', (size_t)(end - line));
            gs_must(line != NULL);
            line++;
        }
        gs_must(error->line == 0 || error->col <= end - line + 1);
        gs_errors_format(error, printed, sizeof printed);
    }
}

static void judge(const struct gs_rules *rules)
{
    struct gs_judge *judge = gs_rules_judge_new(rules, 512 << 20);
    struct gs_verdict verdicts[RULES_JUDGED_MAX];
    double values[2 * RULES_JUDGED_MAX];
    gs_must(judge != NULL && rules->metric_count <= 2 * RULES_JUDGED_MAX);
    for (int tick = 0; tick < 24; tick++) {
        for (size_t i = 0; i < rules->metric_count; i++)
            values[i] = odd_values[(size_t)tick * (i + 1) % (sizeof odd_values / sizeof *odd_values)];
        struct gs_tick now = {.time_ns = (int64_t)tick * rules->interval_ns, .value = values};
        size_t fired = gs_rules_judge_tick(judge, &now, verdicts);
        gs_must(fired <= rules->rule_count);
        for (size_t i = 0; i < fired; i++)
            gs_rules_judge_incident_over(judge, verdicts[i].rule, now.time_ns);
        for (size_t i = 0; i < rules->rule_count; i++) {
            struct gs_rule_state state;
            gs_rules_judge_state(judge, i, now.time_ns, &state);
        }
        (void)gs_rules_judge_alarm_line(judge, now.time_ns);
    }
    gs_rules_judge_free(judge);
}

/* The file in sentences: all of it can be printed. */
static void describe(const struct gs_rules *rules, const struct gs_machine *machine)
{
    struct gs_text text = {0};
    for (size_t i = 0; i < rules->rule_count; i++)
        gs_rules_describe_rule(rules, i, machine, &text);
    gs_must(rules->rule_count == 0 || (text.length > 0 && gs_text_is_printable(text.bytes)));
    gs_rules_describe_settings(rules, &text);
    gs_must(!text.failed);
    gs_text_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const struct gs_machine machine = {.limit_bytes = 512 << 20, .limit_from = "cgroup"};
    struct gs_errors errors = {0};
    char *text = gs_fuzz_copy(bytes, length, 0);
    gs_json_use_our_memory();
    struct gs_rules *rules = gs_rules_read(text, length, "f", &errors);
    gs_must((rules == NULL) == (errors.count > 0));
    if (rules)
        gs_rules_advise(rules, &machine, &errors);
    if (rules)
        describe(rules, &machine);
    check_places(&errors, text, length);
    if (rules && rules->rule_count <= RULES_JUDGED_MAX)
        judge(rules);
    gs_rules_free(rules);
    gs_errors_fini(&errors);
    free(text);
    return 0;
}
