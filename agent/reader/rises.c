/* rises.c - the rises of one metric that are large enough to matter: where each begins, where it is high, where it is over.
 *
 *     to ─────────────────────┬ * * * *
 *                          *  │        *
 *                       *     │         *
 *                    *        │          *┬───── a third of the rise is left
 *   from ─ * * * * *          │           │ * * * *
 *                  │begin     │reach      │end
 *
 * A rise is over, for the search, when it has lost two thirds of its height, or when it has made no progress for the time
 * SETTLE_NS; what follows is compared with the level reached. Values are medians of three neighbours, so that a single wrong
 * value neither makes nor ends a rise; a rise of a single value is looked for separately.
 * Who: faults.c. Context: CLI; pure. Bounds: reads each value a few times. */
#include "base/memory.h"
#include "base/numbers.h"
#include "base/sort.h"
#include "reader/suggest.h"
#include <errno.h>
#include <math.h>

enum { LEVEL_VALUES_MAX = 512 }; // values that the level before a rise is taken from

struct scan { // the search, at some value
    const struct gs_track *track;
    const struct gs_rise_scale *scale;
    size_t base_at;         // the first value after the last rise
    size_t low_at, high_at; // lowest value, and the highest one after it
    double low, high;       // these values
    double progress;        // the last value that was clearly higher than those before
    size_t progress_at;
};

/* The median of the value AT and its neighbours. */
static double smooth(const struct gs_track *track, size_t at)
{
    double a = track->value[at ? at - 1 : at], b = track->value[at],
           c = track->value[at + 1 < track->count ? at + 1 : at];
    return gs_larger(gs_smaller(a, b), gs_smaller(gs_larger(a, b), c));
}

double gs_reader_rise_least(const struct gs_rise_scale *scale, double level)
{
    double share = scale->share * fabs(level);
    if (scale->most > 0)
        share = gs_smaller(share, scale->most);
    return gs_larger(share, scale->floor);
}

double gs_reader_noise(const struct gs_track *track, double *scratch)
{
    if (track->count < 2)
        return 0;
    for (size_t i = 1; i < track->count; i++)
        scratch[i - 1] = fabs(track->value[i] - track->value[i - 1]);
    return 1.4826 * gs_median(scratch, track->count - 1) / 1.4142;
}

/* ---- the search ------------------------------------------------------------------------------------------------------- */

static void start_again(struct scan *scan, size_t at)
{
    scan->low_at = scan->high_at = scan->progress_at = at;
    scan->low = scan->high = scan->progress = smooth(scan->track, at);
}

/* Take the value AT. True: a rise is over. */
static bool advance(struct scan *scan, size_t at)
{
    double value = smooth(scan->track, at), least = gs_reader_rise_least(scan->scale, scan->low);
    if (value > scan->high) {
        scan->high = value;
        scan->high_at = at;
    }
    double gain = scan->high - scan->low;
    if (scan->high - scan->progress >= 0.05 * gain && gain > 0) {
        scan->progress = scan->high;
        scan->progress_at = at;
    }
    if (gain < least) {
        if (value < scan->low || scan->high - value > least / 2)
            start_again(scan, at);
        return false;
    }
    bool fell = scan->high - value >= gain * 2 / 3;
    return fell ||
           scan->track->time_ns[at] - scan->track->time_ns[scan->progress_at] > scan->scale->settle_ns;
}

/* ---- the ends of a rise ------------------------------------------------------------------------------------------- */

/* The first value from AT on, before END, that is at least LEVEL; else END. */
static size_t first_from(const struct gs_track *track, size_t at, size_t end, double level)
{
    while (at < end && smooth(track, at) < level)
        at++;
    return at;
}

/* The median of the values FROM to TO, of the last LEVEL_VALUES_MAX of them. */
static double level_of(const struct gs_track *track, size_t from, size_t to)
{
    double value[LEVEL_VALUES_MAX];
    size_t count = 0;
    for (size_t i = to + 1; i > from && count < LEVEL_VALUES_MAX; i--)
        value[count++] = track->value[i - 1];
    return gs_median(value, count);
}

/* Where the straight line through the values TENTH and HALF leaves the level FROM: an index from FIRST to TENTH. */
static size_t extrapolate(const struct gs_track *track, size_t first, size_t tenth, size_t half, double from)
{
    double low = smooth(track, tenth), rise = smooth(track, half) - low;
    int64_t tenth_ns = track->time_ns[tenth];
    if (rise <= 0 || low <= from)
        return tenth;
    double back_ns = (low - from) / rise * (double)(track->time_ns[half] - tenth_ns);
    size_t at = tenth;
    while (at > first && (double)(tenth_ns - track->time_ns[at - 1]) <= back_ns)
        at--;
    return at;
}

static struct gs_rise describe(const struct scan *scan)
{
    const struct gs_track *track = scan->track;
    double gain = scan->high - scan->low;
    struct gs_rise rise = {.to = scan->high};
    size_t tenth = scan->high_at;
    while (tenth > scan->low_at && smooth(track, tenth) > scan->low + gain / 10)
        tenth--;
    rise.reach = first_from(track, tenth, scan->high_at, scan->low + 0.95 * gain);
    rise.from = gs_smaller(level_of(track, scan->base_at, tenth), scan->low + gain / 2);
    size_t half = first_from(track, tenth, rise.reach, scan->low + gain / 2);
    rise.begin = extrapolate(track, scan->base_at, tenth, half, rise.from);
    rise.end = rise.reach;
    while (rise.end + 1 < track->count && smooth(track, rise.end) > rise.from + (rise.to - rise.from) / 3)
        rise.end++;
    rise.returned = smooth(track, rise.end) <= rise.from + (rise.to - rise.from) / 3;
    rise.falls = rise.reach;
    for (size_t i = rise.reach; i < rise.end; i++)
        if (smooth(track, i) >= rise.to - gain / 10)
            rise.falls = i;
    return rise;
}

static bool add(struct gs_rises *rises, struct gs_rise rise)
{
    if (gs_grow(&rises->item, &rises->capacity, rises->count + 1, sizeof *rises->item))
        return false;
    rises->item[rises->count++] = rise;
    return true;
}

/* ---- rises of a single value -------------------------------------------------------------------------------------- */

static bool find_single(const struct gs_track *track, const struct gs_rise_scale *scale,
                        struct gs_rises *rises)
{
    for (size_t i = 1; i + 1 < track->count && rises->count < GS_RISES_MAX; i++) {
        double beside = gs_larger(track->value[i - 1], track->value[i + 1]);
        if (track->value[i] - beside < gs_reader_rise_least(scale, beside))
            continue;
        struct gs_rise rise = {.begin = i, .reach = i, .falls = i, .end = i + 1};
        rise.from = beside;
        rise.to = track->value[i];
        rise.returned = true;
        if (!add(rises, rise))
            return false;
    }
    return true;
}

static int compare_begins(const void *a, const void *b)
{
    const struct gs_rise *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

int gs_reader_find_rises(const struct gs_track *track, const struct gs_rise_scale *scale,
                         struct gs_rises *rises)
{
    struct scan scan = {.track = track, .scale = scale};
    bool ok = true;
    if (track->count < 2)
        return 0;
    start_again(&scan, 0);
    for (size_t i = 1; i < track->count && ok && rises->count < GS_RISES_MAX; i++) {
        bool last = i + 1 == track->count;
        bool over = advance(&scan, i);
        bool matters = scan.high - scan.low >= gs_reader_rise_least(scale, scan.low);
        if (!over && !(last && matters))
            continue;
        ok = add(rises, describe(&scan));
        scan.base_at = i;
        start_again(&scan, i);
    }
    if (ok)
        ok = find_single(track, scale, rises);
    gs_sort(rises->item, rises->count, sizeof *rises->item, compare_begins);
    return ok ? 0 : -ENOMEM;
}

int gs_reader_find_rises_of(const struct gs_track *track, size_t first, size_t end,
                            const struct gs_rise_scale *scale, struct gs_rises *rises)
{
    const struct gs_track part = {track->time_ns + first, track->value + first, end - first};
    struct gs_rises found = {0};
    int error = gs_reader_find_rises(&part, scale, &found);
    for (size_t i = 0; !error && i < found.count; i++) {
        struct gs_rise rise = found.item[i];
        rise.begin += first;
        rise.reach += first;
        rise.falls += first;
        rise.end += first;
        error = add(rises, rise) ? 0 : -ENOMEM;
    }
    gs_free(found.item);
    return error;
}
