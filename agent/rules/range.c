/* range.c - ranges of values: in which a condition can hold, and which a metric can have.
 *
 *   above 80     ( 80 ───────▶        excludes its lower end       rss of 512 MiB   [ 4 KiB ──── 512 MiB ]
 *
 * When an end is unknown (NAN), every function returns false.
 * Who: advice.c, the conditions. Context: any (pure). */
#include "rules/inside.h"
#include <math.h>

struct gs_range gs_rules_range_above(double line)
{
    return (struct gs_range){.from = line, .to = INFINITY, .excludes_from = true};
}

struct gs_range gs_rules_range_below(double line)
{
    return (struct gs_range){.from = -INFINITY, .to = line, .excludes_to = true};
}

struct gs_range gs_rules_range_from(double least)
{
    return (struct gs_range){.from = least, .to = INFINITY};
}

bool gs_rules_range_ends_before(const struct gs_range *low, const struct gs_range *high)
{
    return low->to < high->from || (low->to == high->from && (low->excludes_to || high->excludes_from));
}

bool gs_rules_range_is_apart(const struct gs_range *a, const struct gs_range *b)
{
    return gs_rules_range_ends_before(a, b) || gs_rules_range_ends_before(b, a);
}

bool gs_rules_range_lies_within(const struct gs_range *inner, const struct gs_range *outer)
{
    bool low = outer->from < inner->from ||
               (outer->from == inner->from && (inner->excludes_from || !outer->excludes_from));
    bool high =
        outer->to > inner->to || (outer->to == inner->to && (inner->excludes_to || !outer->excludes_to));
    return low && high;
}
