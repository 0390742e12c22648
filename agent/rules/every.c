/* every.c - "every": fires periodically, whatever the values. The first time is one period after the first tick. */
#include "base/text.h"
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>

void gs_rules_every_read(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                         const struct gs_subject *subject, struct gs_condition *condition)
{
    (void)subject;
    const struct gs_field field = {.key = "every", .least = 1e9, .most = 365 * 86400e9};
    gs_field_duration(reader, value, path, &field, &condition->every.ns);
}

struct gs_evaluation gs_rules_every_judge(const struct gs_condition *condition,
                                          const struct gs_condition_inputs *inputs)
{
    bool due = inputs->now_ns >= inputs->due_ns;
    return (struct gs_evaluation){
        .answer = due ? GS_YES : GS_NO, .line = NAN, .window_ns = condition->every.ns};
}

void gs_rules_every_explain(const struct gs_condition *condition, const struct gs_condition_inputs *inputs,
                            const struct gs_evaluation *evaluation, char *out, size_t size)
{
    char time[GS_UNIT_TEXT];
    if (evaluation->answer == GS_YES)
        snprintf(out, size, "%s have passed", gs_units_print_duration(condition->every.ns, time));
    else
        snprintf(out, size, "next in %s", gs_units_print_duration(inputs->due_ns - inputs->now_ns, time));
}

void gs_rules_every_describe(const struct gs_condition *condition, const struct gs_rule *rule, uint64_t limit,
                             struct gs_text *out)
{
    char time[GS_UNIT_TEXT];
    (void)rule, (void)limit;
    gs_text_add(out, "every %s", gs_units_print_duration(condition->every.ns, time));
}
