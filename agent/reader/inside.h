/* reader/inside.h - what the files of reader/ share. */
#pragma once
#include "reader/reader.h"

/* The readers of one form each (history_csv.c, history_json.c); as gs_history_read. */
struct gs_history *gs_history_read_csv(const char *bytes, size_t length, const char *file, struct gs_errors *errors);
struct gs_history *gs_history_read_metrics(const char *bytes, size_t length, const char *file,
                                           struct gs_history_about *about, struct gs_errors *errors);

/* ---- figures of a history (figures.c) ---------------------------------------------------------------------------------------- */

struct gs_figures {            // of one metric, in its unit
    size_t count;              // values; 0: nothing else is set
    int64_t from_ns, to_ns;
    double least, median, high, most; // high: what it is at most for 99 % of the time
    double spread;             // 1.4826 × MAD: a deviation that outliers cannot fake
    double quiet_hour, busy_hour; // medians by the hour of the day (UTC), the least and the most; NAN: less than two days
    double jump;               // over the mean of a window before it, what one row in a thousand exceeds; NAN: no window is full
    double slope, slope_spread; // a second, of windows: the median, and how far they stray; NAN: no window is full
};
/* Of METRIC, by its number in HISTORY. 0 or -ENOMEM. */
int gs_figures_of(const struct gs_history *history, size_t metric, int64_t slope_window_ns, int64_t jump_window_ns,
                  struct gs_figures *out) GS_CHECK_RESULT;
