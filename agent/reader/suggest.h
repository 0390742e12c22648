/* reader/suggest.h - what the files of `gumshoe suggest` share: rises.c, faults.c, figures.c, suggest*.c.
 *
 *   history ──rises.c──▶ rises ──faults.c──▶ faults │ usual rises
 *           ──figures.c, without the faults──▶ figures ──suggest.c──▶ rules ──suggest_fit.c──▶ fitted ──suggest_text.c──▶ text
 */
#pragma once
#include "metrics/metrics.h"
#include "reader/inside.h"
#include "rules/rules.h"

/* ---- rises of one metric (rises.c) ------------------------------------------------------------------------------- */

struct gs_track {              // the values of a metric, without gaps, in the order of time
    int64_t *time_ns;
    double *value;             // finite
    size_t count;
};
struct gs_rise_scale {         // which rises matter
    double share, most;        // from this share of the level before it, but no more than MOST (0: no bound)
    double floor;              // and never less than this
    int64_t settle_ns;         // without progress for so long, a rise is over
};
struct gs_rise {               // indexes into the track, and values
    size_t begin;              // the last value before it
    size_t reach, falls;       // first value above 95 % of the rise, and last one above 90 %
    size_t end;                // first value below a third of the rise; the last value if there is none
    bool returned;             // there is such a value
    double from, to;           // the level before, the highest value
};
enum { GS_RISES_MAX = 256 };   // further ones are not looked for
struct gs_rises { struct gs_rise *item; size_t count, capacity; }; // the caller frees ITEM with gs_free
/* Append to RISES, by their begins. 0 or -ENOMEM. */
int gs_reader_find_rises(const struct gs_track *track, const struct gs_rise_scale *scale, struct gs_rises *rises) GS_CHECK_RESULT;
/* The same for the values [FIRST, END) of TRACK, which are of one process. */
int gs_reader_find_rises_of(const struct gs_track *track, size_t first, size_t end, const struct gs_rise_scale *scale,
                            struct gs_rises *rises) GS_CHECK_RESULT;
/* The least rise above LEVEL that matters. */
double gs_reader_rise_least(const struct gs_rise_scale *scale, double level);
/* The noise of a value, as a standard deviation: from the median distance of neighbours. SCRATCH has room for track->count. */
double gs_reader_noise(const struct gs_track *track, double *scratch);

/* ---- figures of a history (figures.c) ---------------------------------------------------------------------------- */

struct gs_figures {            // of one metric, in its unit
    size_t count;              // number of values; 0: nothing else is set
    int64_t from_ns, to_ns;
    double least, median, high, most; // high: the 99 % quantile over time
    double spread;             // 1.4826 × MAD: a deviation that is robust against outliers
    double quiet_hour, busy_hour; // lowest and highest median of an hour of the day (UTC); NAN: less than two days
    double jump;               // rise over the mean of the window before, exceeded by one row in 1000; NAN: no window is full
    double slope, slope_spread; // per second: median and spread of the windows' slopes; NAN: no window is full
};
struct gs_periods {            // parts of the time, ends included
    struct { int64_t from_ns, to_ns; } item[GS_FAULTS_MAX];
    size_t count;
};
bool gs_reader_is_within(const struct gs_periods *periods, int64_t time_ns);
/* Compute the figures of METRIC (its index in HISTORY) from the rows outside of WITHOUT. 0 or -ENOMEM. */
int gs_reader_figures_of(const struct gs_history *history, size_t metric, const struct gs_periods *without,
                         int64_t slope_window_ns, int64_t jump_window_ns, struct gs_figures *out) GS_CHECK_RESULT;

/* ---- suggested rules while they are made (suggest.c) ------------------------------------------------------------- */

enum gs_suggestion_kind { GS_SUGGEST_NEAR_LIMIT, GS_SUGGEST_LEAK, GS_SUGGEST_HIGH, GS_SUGGEST_JUMP };

/* Metrics of one family show the same fault, so they are judged as one. */
enum gs_metric_family { GS_FAMILY_MEMORY, GS_FAMILY_THREADS, GS_FAMILY_DESCRIPTORS, GS_FAMILY_CPU, GS_FAMILY_OWN };

struct gs_metric_policy {      // which rules are suggested for a metric
    const char *metric;        // NULL: any gauge
    enum gs_metric_family family; // GS_FAMILY_OWN: each such metric is a family
    bool leaks, jumps;         // suggest such rules
    bool never;                // usually it is 0: whatever goes up and down above that is no noise
    const char *capture, *for_time; // capture NULL: no rule is suggested for it, and no fault is looked for in it
    double floor;              // least distance of a line from the usual value, in the metric's unit
};
/* The policy of METRIC; a gauge's if it has none of its own. */
const struct gs_metric_policy *gs_reader_metric_policy(const char *metric);
/* The policy number AT of the built-in metrics, in the order of the rules; NULL: there are no more. */
const struct gs_metric_policy *gs_reader_metric_policy_at(size_t at);

struct gs_suggestion {         // one rule
    enum gs_suggestion_kind kind;
    char name[GS_RULE_NAME_MAX + 1];
    const struct gs_metric_policy *policy;
    const char *metric;
    const struct gs_metric *metric_row; // of METRIC, in the table of metrics
    struct gs_figures figures;
    double figure;             // its threshold: the line, the rise, the slope per second, or the share
    const char *because;       // how the figure follows from the usual values, for "why"
    double least;              // loosening widens its distance from this value
    int64_t for_ns;            // NEAR_LIMIT, HIGH
    int64_t window_ns;         // LEAK, JUMP: "over"
    int64_t cooldown_ns;       // not of LEAK
    size_t fault;              // LEAK: fitted to the climb of this fault; SIZE_MAX: to usual growth
    unsigned loosened;         // how many times
    uint64_t otherwise, on_faults; // incidents on no fault, and on faults, in the last replay of this rule alone
    bool too_often;            // cannot be loosened further, and is kept
    bool left_out;             // not part of the rules file
};

struct gs_suggestions {
    const struct gs_history *history;
    const struct gs_suggest_constraints *constraints;
    struct gs_suggested *out;
    struct gs_text *notes;     // of OUT
    int64_t leak_window_ns, jump_window_ns;
    uint64_t allowed;          // incidents allowed in the whole history
    struct gs_suggestion rule[GS_SUGGESTIONS_MAX];
    size_t count;
};

/* Add the rules with their first thresholds (suggest_rules.c); NOTES says which metrics the history lacks. 0 or -ENOMEM. */
int gs_reader_first_suggestions(struct gs_suggestions *suggestions) GS_CHECK_RESULT;
/* The longest window for growth that fits three times into SPAN_NS (suggest_policy.c); the shortest one, 30 m, if none does. */
int64_t gs_reader_growth_window(int64_t span_ns);
/* Fit a rule on growth to the usual growth, instead of to a climb. */
void gs_reader_suggest_usual_growth(struct gs_suggestions *suggestions, struct gs_suggestion *rule);

/* Choose the windows, and find the faults (suggest.c). 0; -ENODATA: the history is too short, the notes say so; or -ENOMEM. */
int gs_reader_study_history(struct gs_suggestions *suggestions) GS_CHECK_RESULT;
/* Find the faults of the history, and the usual rises, and store them in OUT (faults.c). 0 or -ENOMEM. */
int gs_reader_find_faults(struct gs_suggestions *suggestions) GS_CHECK_RESULT;
/* Is METRIC of the family that shows fault number FAULT? */
bool gs_reader_fault_concerns(const struct gs_suggestions *suggestions, size_t fault, const char *metric);
/* The parts of the time whose values of METRIC are not usual. If little would be left of the history, the first fifth of each
 * climb counts as usual. */
void gs_reader_fault_periods(const struct gs_suggestions *suggestions, const char *metric, struct gs_periods *out);

/* Append the rules file to OUT, with all rules that are not left out, or with the rule ONLY (suggest_text.c). Incidents that OUT
 * of SUGGESTIONS knows already are told in "why". */
void gs_reader_print_suggestions(const struct gs_suggestions *suggestions, const struct gs_suggestion *only, struct gs_text *out);
/* Replay the rules file with the rule ONLY (NULL: with all) on the history (suggest_fit.c). 0, -ENOMEM, or -EINVAL: the rules
 * reader rejects the text. The caller frees *RUN. */
int gs_reader_replay_suggestions(const struct gs_suggestions *suggestions, const struct gs_suggestion *only,
                                 struct gs_replay **run) GS_CHECK_RESULT;
/* The fault that RULE fires on when it fires at TIME_NS; SIZE_MAX: none. */
size_t gs_reader_fault_at(const struct gs_suggestions *suggestions, const struct gs_suggestion *rule, int64_t time_ns);
/* Loosen rules, or leave them out, until the sum of their incidents on no fault is allowed. Results as above. */
int gs_reader_fit_suggestions(struct gs_suggestions *suggestions) GS_CHECK_RESULT;
/* Leave RULE out, and note WHY. */
void gs_reader_suggestion_leave_out(struct gs_suggestions *suggestions, struct gs_suggestion *rule, const char *why);
/* True: the metric cannot exceed the rule's figure, or a rules file cannot express it. */
bool gs_reader_suggestion_is_out_of_reach(const struct gs_suggestions *suggestions, const struct gs_suggestion *rule);
