/* every.c - "every": by the clock, whatever the figures. The first time is one period after the first tick. */
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>

void gs_every_read(struct gs_reader *reader, const json_t *value, const struct gs_place *place,
                   const struct gs_subject *subject, struct gs_condition *condition)
{
    (void)subject;
    const struct gs_field field = {.key = "every", .least = 1e9, .most = 365 * 86400e9};
    gs_field_duration(reader, value, place, &field, &condition->every.ns);
}

struct gs_finding gs_every_judge(const struct gs_condition *condition, const struct gs_sight *sight)
{
    bool due = sight->now_ns >= sight->due_ns;
    return (struct gs_finding){
        .answer = due ? GS_YES : GS_NO, .line = NAN, .window_ns = condition->every.ns};
}

void gs_every_explain(const struct gs_condition *condition, const struct gs_sight *sight,
                      const struct gs_finding *finding, char *out, size_t size)
{
    char time[GS_UNIT_TEXT];
    if (finding->answer == GS_YES)
        snprintf(out, size, "%s have passed", gs_print_duration(condition->every.ns, time));
    else
        snprintf(out, size, "next in %s", gs_print_duration(sight->due_ns - sight->now_ns, time));
}
