/* figures.c - statistics of one metric of a history, robust against outliers.
 *
 *   values, each with the time it covers      ──▶ least, median, 99 %, most; spread
 *   by the hour of the day                   ──▶ the median of the quietest hour and of the busiest
 *   value − mean of the ten minutes before   ──▶ the jump that one row in a thousand exceeds
 *   Theil-Sen slopes of windows, overlapping ──▶ the median slope, and the spread of slopes
 *
 * Rows in faults (faults.c) are left out. Jumps and slopes are those of each process: a restart is neither.
 * Who: suggest.c, in the CLI. Bounds: about 40 bytes a row, freed before it returns. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/numbers.h"
#include "base/sort.h"
#include "history/history.h"
#include "reader/suggest.h"
#include <errno.h>
#include <math.h>

enum { HOURS = 24, PARTS = 24, PARTS_LEAST = 16, SLOPES_MAX = 4096 };

struct timed_value { // a row that has a value
    int64_t time_ns, step_ns;
    double value;
    bool begins; // it is the first of a process
};

struct rows {
    struct timed_value *timed;
    size_t count;
    double *scratch; // room for COUNT + SLOPES_MAX values
};

static int compare_values(const void *a, const void *b)
{
    double x = ((const struct timed_value *)a)->value, y = ((const struct timed_value *)b)->value;
    return x < y ? -1 : x > y;
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The value that the metric did not exceed for SHARE of the time; TIMED is sorted by value. */
static double quantile(const struct timed_value *timed, size_t count, double share)
{
    double total = 0, sum = 0;
    for (size_t i = 0; i < count; i++)
        total += (double)timed[i].step_ns;
    for (size_t i = 0; i < count; i++) {
        sum += (double)timed[i].step_ns;
        if (sum >= share * total)
            return timed[i].value;
    }
    return timed[count - 1].value;
}

static double spread_of(double *value, size_t count, double median)
{
    for (size_t i = 0; i < count; i++)
        value[i] = fabs(value[i] - median);
    return 1.4826 * gs_median(value, count);
}

/* ---- the hours of the day -------------------------------------------------------------------------------------- */

static double median_of_hour(const struct rows *rows, unsigned hour)
{
    size_t count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        int64_t of_day = rows->timed[i].time_ns / GS_NS_PER_S % 86400;
        if ((unsigned)((of_day < 0 ? of_day + 86400 : of_day) / 3600) == hour)
            rows->scratch[count++] = rows->timed[i].value;
    }
    return count ? gs_median(rows->scratch, count) : NAN;
}

static void find_hours(const struct rows *rows, struct gs_figures *out)
{
    int64_t span_ns = rows->timed[rows->count - 1].time_ns - rows->timed[0].time_ns;
    out->quiet_hour = out->busy_hour = NAN;
    for (unsigned hour = 0; span_ns >= 2 * 86400 * GS_NS_PER_S && hour < HOURS; hour++) {
        double median = median_of_hour(rows, hour);
        if (!(out->quiet_hour <= median))
            out->quiet_hour = isnan(median) ? out->quiet_hour : median;
        if (!(out->busy_hour >= median))
            out->busy_hour = isnan(median) ? out->busy_hour : median;
    }
}

/* ---- jumps -------------------------------------------------------------------------------------------------------- */

/* The rise of a row over the mean of the rows of its process within WINDOW_NS before it, which one row in 1000 exceeds. */
static double jump_of(const struct rows *rows, int64_t window_ns)
{
    size_t first = 0, count = 0, start = 0;
    double sum = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const struct timed_value *row = &rows->timed[i];
        if (row->begins) {
            first = start = i;
            sum = 0;
        }
        for (; first < i && row->time_ns - rows->timed[first].time_ns > window_ns; first++)
            sum -= rows->timed[first].value;
        if (i > first && row->time_ns - rows->timed[start].time_ns >= window_ns)
            rows->scratch[count++] = row->value - sum / (double)(i - first);
        sum += row->value;
    }
    if (count == 0)
        return NAN;
    gs_sort(rows->scratch, count, sizeof *rows->scratch, compare_numbers);
    return rows->scratch[count - 1 - count / 1000];
}

/* ---- slopes -------------------------------------------------------------------------------------------------------- */

/* The Theil-Sen slope per second of COUNT points; NAN: too few points. */
static double slope_of(const double *time_s, const double *value, size_t count)
{
    double slope[PARTS * (PARTS - 1) / 2];
    size_t slopes = 0;
    for (size_t i = 0; i + 1 < count; i++)
        for (size_t k = i + 1; k < count; k++)
            slope[slopes++] = (value[k] - value[i]) / (time_s[k] - time_s[i]);
    return count >= PARTS_LEAST ? gs_median(slope, slopes) : NAN;
}

/* *MEAN: the mean of the rows from *NEXT on that are before END_NS. Returns their number. */
static size_t mean_until(const struct rows *rows, size_t *next, int64_t end_ns, double *mean)
{
    double sum = 0;
    size_t count = 0;
    for (; *next < rows->count && rows->timed[*next].time_ns < end_ns; ++*next, count++)
        sum += rows->timed[*next].value;
    *mean = count ? sum / (double)count : NAN;
    return count;
}

/* Slopes of overlapping windows of WINDOW_NS of one process, each starting WINDOW_NS / PARTS after the last, at most ROOM. Returns
 * their number. */
static size_t slopes_of(const struct rows *rows, int64_t window_ns, double *out, size_t room)
{
    double time_s[PARTS], value[PARTS];
    size_t have = 0, next = 0, slopes = 0;
    int64_t part_ns = window_ns / PARTS, start_ns = rows->timed[0].time_ns;
    for (int64_t end_ns = start_ns + part_ns; next < rows->count && slopes < room; end_ns += part_ns) {
        double mean, at_s = (double)(end_ns - start_ns) / 1e9;
        size_t found = mean_until(rows, &next, end_ns, &mean);
        size_t old = 0;
        while (old < have && at_s - time_s[old] >= (double)window_ns / 1e9 - (double)part_ns / 2e9)
            old++;
        for (size_t i = old; i < have; i++) {
            time_s[i - old] = time_s[i];
            value[i - old] = value[i];
        }
        have -= old;
        if (found) {
            time_s[have] = at_s;
            value[have++] = mean;
        }
        double slope = slope_of(time_s, value, have);
        if (!isnan(slope) && end_ns - start_ns >= window_ns)
            out[slopes++] = slope;
    }
    return slopes;
}

static void find_slopes(const struct rows *rows, int64_t window_ns, struct gs_figures *out)
{
    out->slope = out->slope_spread = NAN;
    size_t count = 0;
    for (size_t first = 0, end; first < rows->count; first = end) {
        for (end = first + 1; end < rows->count && !rows->timed[end].begins; end++)
            ;
        const struct rows process = {rows->timed + first, end - first, NULL};
        count += slopes_of(&process, window_ns, rows->scratch + count, SLOPES_MAX - count);
    }
    if (count == 0)
        return;
    out->slope = gs_median(rows->scratch, count);
    out->slope_spread = spread_of(rows->scratch, count, out->slope);
}

/* ---- all figures ------------------------------------------------------------------------------------------------------ */

bool gs_reader_is_within(const struct gs_periods *periods, int64_t time_ns)
{
    for (size_t i = 0; i < periods->count; i++)
        if (time_ns >= periods->item[i].from_ns && time_ns <= periods->item[i].to_ns)
            return true;
    return false;
}

static int gather_rows(const struct gs_history *history, size_t metric, const struct gs_periods *without,
                       struct rows *rows)
{
    size_t length = gs_history_length(history);
    rows->timed = gs_alloc((length + 1) * sizeof *rows->timed);
    rows->scratch = gs_alloc((length + SLOPES_MAX) * sizeof *rows->scratch);
    if (!rows->timed || !rows->scratch)
        return -ENOMEM;
    for (size_t i = 0; i < length; i++) {
        double value = gs_history_value(history, i, metric);
        bool begins = rows->timed[rows->count].begins | gs_history_starts_process(history, i);
        rows->timed[rows->count].begins = begins; // whichever row of the process is the first with a value
        if (isfinite(value) && !gs_reader_is_within(without, gs_history_time(history, i)))
            rows->timed[rows->count++] = (struct timed_value){gs_history_time(history, i),
                                                              gs_history_step_ns(history, i), value, begins};
    }
    return 0;
}

static void compute_figures(const struct rows *rows, int64_t slope_window_ns, int64_t jump_window_ns,
                            struct gs_figures *out)
{
    size_t count = rows->count;
    out->from_ns = rows->timed[0].time_ns;
    out->to_ns = rows->timed[count - 1].time_ns;
    find_hours(rows, out);
    find_slopes(rows, slope_window_ns, out);
    out->jump = jump_of(rows, jump_window_ns);
    gs_sort(rows->timed, count, sizeof *rows->timed,
            compare_values); // last, because it destroys the order of times
    out->least = rows->timed[0].value;
    out->median = quantile(rows->timed, count, 0.5);
    out->high = quantile(rows->timed, count, 0.99);
    out->most = rows->timed[count - 1].value;
    for (size_t i = 0; i < count; i++)
        rows->scratch[i] = rows->timed[i].value;
    out->spread = spread_of(rows->scratch, count, out->median);
}

int gs_reader_figures_of(const struct gs_history *history, size_t metric, const struct gs_periods *without,
                         int64_t slope_window_ns, int64_t jump_window_ns, struct gs_figures *out)
{
    struct rows rows = {0};
    *out = (struct gs_figures){0};
    int error = gather_rows(history, metric, without, &rows);
    out->count = rows.count;
    if (!error && rows.count)
        compute_figures(&rows, slope_window_ns, jump_window_ns, out);
    gs_free(rows.timed);
    gs_free(rows.scratch);
    return error;
}
