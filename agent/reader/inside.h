/* reader/inside.h - what the files of reader/ share. */
#pragma once
#include "base/clock.h"
#include "metrics/metrics.h"
#include "reader/reader.h"

/* The readers of one form each (history_csv.c, history_json.c); as gs_reader_history. */
struct gs_history *gs_reader_history_csv(const char *bytes, size_t length, const char *file, struct gs_errors *errors);
struct gs_history *gs_reader_history_json(const char *bytes, size_t length, const char *file,
                                           struct gs_history_about *about, struct gs_errors *errors);

/* ---- figures of a history (figures.c)
 * ---------------------------------------------------------------------------------------- */

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
int gs_reader_figures_of(const struct gs_history *history, size_t metric, int64_t slope_window_ns, int64_t jump_window_ns,
                  struct gs_figures *out) GS_CHECK_RESULT;

/* ---- suggested rules while they are made (suggest.c)
 * --------------------------------------------------------------------------- */

#define GS_NS_PER_MINUTE (60 * GS_NS_PER_S)
#define GS_NS_PER_HOUR   (60 * GS_NS_PER_MINUTE)
#define GS_NS_PER_DAY    (24 * GS_NS_PER_HOUR)
#define GS_NS_PER_WEEK   (7 * GS_NS_PER_DAY)

enum gs_suggestion_kind { GS_SUGGEST_NEAR_LIMIT, GS_SUGGEST_LEAK, GS_SUGGEST_HIGH, GS_SUGGEST_JUMP };

struct gs_metric_policy {      // how a metric is watched
    const char *metric;        // NULL: any gauge
    bool leaks, jumps;         // rules for these are worth having
    const char *capture, *for_time;
    double floor;              // no line is nearer than this to what is usual; in the metric's unit
};

struct gs_suggestion {         // one rule
    enum gs_suggestion_kind kind;
    char name[GS_RULE_NAME_MAX + 1];
    const struct gs_metric_policy *policy;
    const char *metric;
    const struct gs_metric *row; // of METRIC
    struct gs_figures figures;
    double figure;             // the line, the rise, the slope a second, the share
    const char *because;       // how the figure follows from what is usual
    double least;              // what it starts from when it is loosened
    unsigned loosened;         // how often
    uint64_t fired;            // in the last replay of this rule alone
    bool left_out;             // it is not part of the document
};

enum { GS_SUGGESTIONS_MAX = 200 };
struct gs_suggestions {
    const struct gs_history *history;
    const struct gs_suggest_constraints *constraints;
    struct gs_text *notes;     // for the person who asked: what was left out, and why
    int64_t span_ns;           // from the history's first row to its last
    int64_t interval_ns, leak_window_ns, jump_window_ns;
    uint64_t allowed;          // incidents in the whole history
    struct gs_suggestion rule[GS_SUGGESTIONS_MAX];
    size_t count;
};

/* Add the rules file with all rules that are not left out, or with ONLY one of them, to OUT (suggest_text.c). */
void gs_reader_print_suggestions(const struct gs_suggestions *s, const struct gs_suggestion *only, struct gs_text *out);
/* How often the rules file with ONLY that rule (NULL: with all) fires in the history, into *FIRED (suggest_fit.c). 0, -ENOMEM, or
 * -EINVAL: the rules reader refuses what was printed. */
int gs_reader_replay_suggestions(const struct gs_suggestions *s, const struct gs_suggestion *only, uint64_t *fired) GS_CHECK_RESULT;
/* Loosen rules, or leave them out, until what each fires by itself adds up to no more than is allowed. As above. */
int gs_reader_fit_suggestions(struct gs_suggestions *s) GS_CHECK_RESULT;
/* Leave RULE out, and note WHY. */
void gs_reader_suggestion_leave_out(struct gs_suggestions *s, struct gs_suggestion *rule, const char *why);
/* The metric cannot get above the rule's figure here, or no rules file can spell it. */
bool gs_reader_suggestion_is_out_of_reach(const struct gs_suggestions *s, const struct gs_suggestion *rule);
