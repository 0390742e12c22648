/* conditions.c - the table of conditions. A new one is a row here and a file with its functions (docs/rules.md has
 * the formulas). The conditions of a rule are judged in this order; the first that holds names the incident. */
#include "rules/inside.h"

// clang-format off
const struct gs_condition_kind gs_condition_kinds[] = {
    {"above",   gs_rules_above_read,   gs_rules_above_judge,   gs_rules_above_explain,   .describe = gs_rules_above_describe, .range = gs_rules_above_range},
    {"below",   gs_rules_below_read,   gs_rules_below_judge,   gs_rules_below_explain,   .describe = gs_rules_below_describe, .range = gs_rules_below_range, .downward = true},
    {"jitter",  gs_rules_jitter_read,  gs_rules_jitter_judge,  gs_rules_jitter_explain,  .describe = gs_rules_jitter_describe, .range = gs_rules_jitter_range, .advise = gs_rules_jitter_advise, .points = GS_MEAN_POINTS_MAX},
    {"growth",  gs_rules_growth_read,  gs_rules_growth_judge,  gs_rules_growth_explain,  .describe = gs_rules_growth_describe, .advise = gs_rules_growth_advise, .points = GS_SLOPE_POINTS_MAX},
    {"reaches", gs_rules_reaches_read, gs_rules_reaches_judge, gs_rules_reaches_explain, .describe = gs_rules_reaches_describe, .advise = gs_rules_reaches_advise, .points = GS_SLOPE_POINTS_MAX},
    {"unusual", gs_rules_unusual_read, gs_rules_unusual_judge, gs_rules_unusual_explain, .describe = gs_rules_unusual_describe, .range = gs_rules_unusual_range, .advise = gs_rules_unusual_advise},
    {"every",   gs_rules_every_read,   gs_rules_every_judge,   gs_rules_every_explain,   .describe = gs_rules_every_describe, .without_metric = true},
    {.name = NULL},
};
// clang-format on
