/* slope.c - the slope of a window, robust against outliers, for "growth" and "reaches".
 *
 *   Theil-Sen: the median of the slopes of all pairs of ticks in the window
 *
 * A single spike, or a quarter of wrong ticks, does not change the slope. n points have n²/2 pairs, so at most
 * GS_SLOPE_POINTS_MAX points are used. A window of time has no more points: each is the mean of consecutive ticks. From a
 * longer window of ticks, evenly spaced ones are chosen, with the first and the last. */
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>

/* The point number I of COUNT points that are evenly spaced in the window. */
static const struct gs_point *chosen_point(const struct gs_window *window, size_t i, size_t count)
{
    return gs_rules_window_at(window, count > 1 ? i * (window->count - 1) / (count - 1) : 0);
}

static double middle_ns(const struct gs_point *point)
{
    return (double)(point->first_ns + (point->last_ns - point->first_ns) / 2);
}

/* The median slope per second, and the median value in *MEDIAN. NAN: all points have the same time. */
static double compute_slope(const struct gs_window *window, double *scratch, double *median)
{
    double at_ns[GS_SLOPE_POINTS_MAX], value[GS_SLOPE_POINTS_MAX];
    size_t count = window->count < GS_SLOPE_POINTS_MAX ? window->count : GS_SLOPE_POINTS_MAX, slopes = 0;
    for (size_t i = 0; i < count; i++) {
        at_ns[i] = middle_ns(chosen_point(window, i, count));
        value[i] = gs_rules_point_value(chosen_point(window, i, count));
    }
    for (size_t i = 0; i + 1 < count; i++)
        for (size_t j = i + 1; j < count; j++)
            if (at_ns[j] > at_ns[i])
                scratch[slopes++] = (value[j] - value[i]) / (at_ns[j] - at_ns[i]);
    *median = gs_median(value, count);
    return slopes ? gs_median(scratch, slopes) * 1e9 : NAN;
}

/* Computed once for each new point: it hardly changes within a point's few ticks, and all pairs of 120 points take about 40 µs,
 * too much for every tick. */
double gs_rules_slope(struct gs_window *window, double *scratch)
{
    if (window->slope.at != window->pushed)
        window->slope.per_second = compute_slope(window, scratch, &window->slope.median);
    window->slope.at = window->pushed;
    return window->slope.per_second;
}

static const char *time_name(int seconds)
{
    return seconds == 1 ? "s" : seconds == 60 ? "min" : "h";
}

const char *gs_rules_print_slope(double per_second, enum gs_unit unit, char out[2 * GS_UNIT_TEXT])
{
    char amount[GS_UNIT_TEXT];
    int seconds = per_second * 60 < 1 && per_second * 60 > -1 ? 3600 : 60;
    snprintf(out, 2 * GS_UNIT_TEXT, "%s/%s", gs_units_print_value(per_second * seconds, unit, amount),
             time_name(seconds));
    return out;
}

void gs_rules_print_slopes(double found, double wanted, enum gs_unit unit, int seconds,
                           char found_out[2 * GS_UNIT_TEXT], char wanted_out[2 * GS_UNIT_TEXT])
{
    char found_amount[GS_UNIT_TEXT], wanted_amount[GS_UNIT_TEXT];
    gs_units_print_apart(found * seconds, wanted * seconds, unit, found_amount, wanted_amount);
    snprintf(found_out, 2 * GS_UNIT_TEXT, "%s/%s", found_amount, time_name(seconds));
    snprintf(wanted_out, 2 * GS_UNIT_TEXT, "%s/%s", wanted_amount, time_name(seconds));
}
