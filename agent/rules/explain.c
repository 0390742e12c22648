/* explain.c - text that the reasons of all conditions share. Who: the conditions, window.c. Context: any (pure). */
#include "rules/inside.h"
#include <stdio.h>

const char *gs_rules_print_held(const struct gs_condition_inputs *inputs, char out[GS_UNIT_TEXT])
{
    char time[GS_UNIT_TEXT];
    out[0] = 0;
    if (inputs->held_ns > 0)
        snprintf(out, GS_UNIT_TEXT, " for %.26s", gs_units_print_duration(inputs->held_ns, time));
    return out;
}

const char *gs_rules_print_span(struct gs_span over, char out[GS_UNIT_TEXT])
{
    if (over.ns)
        return gs_units_print_duration(over.ns, out);
    snprintf(out, GS_UNIT_TEXT, "%u tick%s", over.ticks, over.ticks == 1 ? "" : "s");
    return out;
}
