/* reader/inside.h - what the files of reader/ share. */
#pragma once
#include "base/clock.h"
#include "metrics/metrics.h"
#include "reader/reader.h"
#include <regex.h>

/* Parse JSON of a history (history_json.c). NULL: an error was reported. */
json_t *gs_reader_history_parse(const char *bytes, size_t length, const char *file, struct gs_errors *errors) GS_CHECK_RESULT;
/* Read metrics.json; result as gs_reader_history. */
struct gs_history *gs_reader_history_json(const json_t *json, const char *file, struct gs_history_about *about,
                                           struct gs_errors *errors);
/* Read what another program wrote (import.c): JSON (NULL: none), else the LENGTH bytes. HOW may be NULL. Result as
 * gs_reader_history. */
struct gs_history *gs_reader_import(const char *bytes, size_t length, const json_t *json, const char *file, struct gs_import *how,
                                    struct gs_history_about *about, struct gs_errors *errors);

/* ---- filters (pattern.c, filter_labels.c) --------------------------------------------------------------------- */

struct gs_pattern { bool used; regex_t compiled; }; // an extended regular expression
/* Compile TEXT (NULL: not used), the argument of --OPTION. False: WHY says what is wrong with it. */
bool gs_reader_pattern_compile(struct gs_pattern *expression, const char *text, const char *option, char *why,
                                  size_t why_size) GS_CHECK_RESULT;
void gs_reader_pattern_fini(struct gs_pattern *expression);
/* Does a compiled expression match a part of TEXT? */
bool gs_reader_pattern_matches(const struct gs_pattern *expression, const char *text);
/* The part of gs_reader_filter about labels. */
int gs_reader_filter_labels(struct gs_profile *profile, const struct gs_filter *filter, struct gs_text *warnings, char *why,
                            size_t why_size) GS_CHECK_RESULT;

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
/* Compute the figures of METRIC (its index in HISTORY). 0 or -ENOMEM. */
int gs_reader_figures_of(const struct gs_history *history, size_t metric, int64_t slope_window_ns, int64_t jump_window_ns,
                  struct gs_figures *out) GS_CHECK_RESULT;

/* ---- suggested rules while they are made (suggest.c) ------------------------------------------------------------- */

#define GS_NS_PER_MINUTE (60 * GS_NS_PER_S)
#define GS_NS_PER_HOUR   (60 * GS_NS_PER_MINUTE)
#define GS_NS_PER_DAY    (24 * GS_NS_PER_HOUR)
#define GS_NS_PER_WEEK   (7 * GS_NS_PER_DAY)

enum gs_suggestion_kind { GS_SUGGEST_NEAR_LIMIT, GS_SUGGEST_LEAK, GS_SUGGEST_HIGH, GS_SUGGEST_JUMP };

struct gs_metric_policy {      // which rules are suggested for a metric
    const char *metric;        // NULL: any gauge
    bool leaks, jumps;         // suggest such rules
    const char *capture, *for_time;
    double floor;              // least distance of a line from the usual value, in the metric's unit
};

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
    unsigned loosened;         // how many times
    uint64_t fired;            // in the last replay of this rule alone
    bool left_out;             // not part of the rules file
};

enum { GS_SUGGESTIONS_MAX = 200 };
struct gs_suggestions {
    const struct gs_history *history;
    const struct gs_suggest_constraints *constraints;
    struct gs_text *notes;     // for the user: what was left out, and why
    int64_t span_ns;           // from the history's first row to its last
    int64_t interval_ns, leak_window_ns, jump_window_ns;
    uint64_t allowed;          // incidents allowed in the whole history
    struct gs_suggestion rule[GS_SUGGESTIONS_MAX];
    size_t count;
};

/* Append the rules file to OUT, with all rules that are not left out, or with the rule ONLY (suggest_text.c). */
void gs_reader_print_suggestions(const struct gs_suggestions *suggestions, const struct gs_suggestion *only, struct gs_text *out);
/* *FIRED: how often the rules file with the rule ONLY (NULL: with all) fires in the history (suggest_fit.c). 0, -ENOMEM, or
 * -EINVAL: the rules reader rejects the text. */
int gs_reader_replay_suggestions(const struct gs_suggestions *suggestions, const struct gs_suggestion *only, uint64_t *fired) GS_CHECK_RESULT;
/* Loosen rules, or leave them out, until the sum of their firings is allowed. Results as above. */
int gs_reader_fit_suggestions(struct gs_suggestions *suggestions) GS_CHECK_RESULT;
/* Leave RULE out, and note WHY. */
void gs_reader_suggestion_leave_out(struct gs_suggestions *suggestions, struct gs_suggestion *rule, const char *why);
/* True: the metric cannot exceed the rule's figure, or a rules file cannot express it. */
bool gs_reader_suggestion_is_out_of_reach(const struct gs_suggestions *suggestions, const struct gs_suggestion *rule);
