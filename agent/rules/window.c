/* window.c - the window of a condition: the ticks before this one.
 *
 *   over: 10      the last ten values, however far apart
 *   over: "30m"   the values of the last 30 minutes
 *
 *   time ──▶   ■ ■ ■ □ □ ■ ■ ■ ■ ■ ■ ■ │ now       ■ a point   □ a gap (missing, late, or kept out)
 *              └ oldest        newest ┘            ready: full, and at least half of its time is covered
 *
 * A tick covers the time since the tick before it; a late tick covers one interval only, and the rest is a gap.
 * Bounds: GS_WINDOW_POINTS_MAX points, or the condition's number of points, allocated once. A longer window merges
 * neighbouring ticks into one point, which keeps their sum: the mean stays exact, and slopes and medians use means
 * of a few ticks.
 * Who: judge.c adds ticks; conditions read. */
#include "base/memory.h"
#include "rules/inside.h"
#include <errno.h>
#include <stdio.h>

int64_t gs_rules_tick_stands_for(int64_t since_last_ns, int64_t step_ns)
{
    bool late = since_last_ns > step_ns + step_ns / 2;
    return late ? step_ns : since_last_ns;
}

/* The least time between two points of a window of time: half an interval, because ticks are not punctual; more if the
 * points of a long window would not fit otherwise. */
static int64_t point_spacing_ns(int64_t window_ns, size_t points, int64_t interval_ns)
{
    int64_t least = window_ns / (int64_t)(points - 2) + 1;
    return least > interval_ns / 2 ? least : interval_ns / 2;
}

int gs_rules_window_init(struct gs_window *window, struct gs_span over, size_t points, int64_t interval_ns)
{
    *window = (struct gs_window){.over = over, .capacity = over.ticks};
    if (over.ns) {
        window->spacing_ns = point_spacing_ns(over.ns, points ? points : GS_WINDOW_POINTS_MAX, interval_ns);
        window->capacity = (size_t)(over.ns / window->spacing_ns) + 2;
    }
    if (window->capacity == 0)
        return 0;
    window->point = gs_alloc(window->capacity * sizeof *window->point);
    return window->point ? 0 : -ENOMEM;
}

void gs_rules_window_fini(struct gs_window *window)
{
    gs_free(window->point);
    *window = (struct gs_window){0};
}

static struct gs_point *point_at(const struct gs_window *window, size_t index)
{
    size_t at = window->oldest + index;
    return &window->point[at < window->capacity ? at : at - window->capacity];
}

const struct gs_point *gs_rules_window_at(const struct gs_window *window, size_t index)
{
    return point_at(window, index);
}

static void drop_oldest(struct gs_window *window)
{
    window->covered_ns -= point_at(window, 0)->covered_ns;
    window->oldest = window->oldest + 1 < window->capacity ? window->oldest + 1 : 0;
    window->count--;
}

static void push_point(struct gs_window *window, struct gs_point point)
{
    struct gs_point *newest = window->count ? point_at(window, window->count - 1) : NULL;
    window->covered_ns += point.covered_ns;
    if (newest && window->over.ns && point.first_ns - newest->first_ns < window->spacing_ns) {
        newest->last_ns = point.last_ns;
        newest->covered_ns += point.covered_ns;
        newest->sum += point.sum;
        newest->count += point.count;
        return;
    }
    if (window->count == window->capacity)
        drop_oldest(window);
    *point_at(window, window->count++) = point;
    window->pushed++;
}

void gs_rules_window_add(struct gs_window *window, int64_t time_ns, double value, int64_t step_ns)
{
    if (window->capacity == 0)
        return;
    int64_t covered_ns = step_ns;
    if (window->began)
        covered_ns = gs_rules_tick_stands_for(time_ns - window->previous_ns, step_ns);
    else
        window->began_ns = time_ns;
    window->began = true;
    window->previous_ns = time_ns;
    push_point(window, (struct gs_point){time_ns, time_ns, covered_ns, value, 1});
}

int64_t gs_rules_window_reach(const struct gs_window *window, int64_t now_ns)
{
    if (window->over.ns)
        return window->over.ns;
    return window->count ? now_ns - point_at(window, 0)->first_ns : 0;
}

static bool is_full(const struct gs_window *window, int64_t now_ns)
{
    if (window->over.ns)
        return window->began && now_ns - window->began_ns >= window->over.ns;
    return window->count == window->capacity;
}

static bool mostly_gaps(const struct gs_window *window, int64_t now_ns)
{
    return window->covered_ns < gs_rules_window_reach(window, now_ns) / 2;
}

bool gs_rules_window_ready(struct gs_window *window, int64_t now_ns)
{
    while (window->over.ns && window->count && point_at(window, 0)->last_ns < now_ns - window->over.ns)
        drop_oldest(window);
    return window->count > 0 && is_full(window, now_ns) && !mostly_gaps(window, now_ns);
}

double gs_rules_point_value(const struct gs_point *point)
{
    return point->sum / point->count;
}

double gs_rules_window_mean(const struct gs_window *window)
{
    double sum = 0;
    uint64_t count = 0;
    const struct gs_point *point = point_at(window, 0), *end = window->point + window->capacity;
    for (size_t i = 0; i < window->count; i++) {
        sum += point->sum;
        count += point->count;
        point = point + 1 < end ? point + 1 : window->point;
    }
    return sum / (double)count;
}

void gs_rules_window_adopt(struct gs_window *window, const struct gs_window *old)
{
    if (window->capacity == 0 || old->count == 0)
        return;
    for (size_t i = 0; i < old->count; i++)
        push_point(window, *point_at(old, i));
    window->began = true;
    window->previous_ns = old->previous_ns;
    // a longer window starts at the oldest point that the old window still has
    window->began_ns = window->over.ns > old->over.ns ? point_at(old, 0)->first_ns : old->began_ns;
}

void gs_rules_window_explain(const struct gs_window *window, int64_t now_ns, char *out, size_t size)
{
    char have[GS_UNIT_TEXT], want[GS_UNIT_TEXT];
    if (is_full(window, now_ns))
        snprintf(out, size, "too many gaps in the window: more than half of the last %s",
                 gs_rules_print_span(window->over, want));
    else if (window->over.ns)
        snprintf(out, size, "window %s of %s",
                 gs_units_print_duration(window->began ? now_ns - window->began_ns : 0, have),
                 gs_units_print_duration(window->over.ns, want));
    else
        snprintf(out, size, "window %zu of %zu", window->count, window->capacity);
}
