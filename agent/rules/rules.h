/* rules/rules.h - the door of rules/: read a rules file, judge values against it.
 * Pure: values in, verdict out. No clock, no I/O, no globals: the live watcher and `gumshoe replay`
 * run the same code.  Opened by: watcher, incident, cli, tests.  Opens: base, metrics. */
#pragma once
#include "base/attributes.h"
#include "base/errors.h"
#include "base/kinds.h"
#include "metrics/metrics.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- what a file says ------------------------------------------------------------------------------------ */

enum { GS_RULE_NAME_MAX = 40, GS_RULES_TEXT_MAX = 1 << 20 }; // a rules file is at most 1 MiB

struct gs_condition; // one way for a rule to fire; rules/conditions.c has the table

struct gs_rule {
    const char *name;
    const char *why;            // the author's explanation; NULL: none
    const char *metric;         // NULL for a rule with only "every"
    size_t metric_index;        // index into gs_rules.metric; SIZE_MAX when metric is NULL
    enum gs_unit unit;
    enum gs_share share;        // what a threshold in percent is a share of
    unsigned capture;           // bits of enum gs_kind
    int64_t for_ns, cooldown_ns;
    const struct gs_condition *condition; // internal to rules/
    size_t condition_count;
    const struct gs_suppression *suppression;   // unless_above, unless, again, max_per_hour; internal to rules/
};

struct gs_label { const char *key, *value; };

struct gs_rules {               // what a checked file says; never changes once read
    const char *file;           // its name in messages, as the caller of gs_rules_read gave it
    const char *text;           // the document, as read
    size_t text_length;
    const char *why;
    int64_t interval_ns;
    struct { uint64_t sample_bytes; uint32_t depth; int64_t baseline_ns, peak_ns, focus_ns; } heap; // peak_ns 0: no peak is kept; focus_ns: how long
                                // samples are denser after an incident of a rule that captures the waste
    struct { double hertz; int64_t duration_ns, before_ns; } cpu; // before_ns 0: no samples from before the trigger
    struct {
        const char *dir;
        uint64_t keep;          // incidents; 0: no limit
        uint64_t max_bytes;     // 0: no limit
        int64_t max_age_ns;     // 0: no limit
        uint64_t max_per_hour;  // 0: no limit
        bool report;            // does `gumshoe symbolize` write the incident's page, report.html?
    } incidents;
    struct { bool on; uint64_t max_bytes; } history; // the program's history file (DIR/.history)
    double budget;              // CPU time that the agent may use, as a share of one CPU
    enum gs_children { GS_CHILDREN_FORKS, GS_CHILDREN_ALL, GS_CHILDREN_OFF } children;
    bool crash;                 // handle fatal signals, and note them in the black box
    enum gs_symbolize { GS_SYMBOLIZE_AUTO, GS_SYMBOLIZE_OFF } symbolize; // is `gumshoe symbolize` run after an incident?
    const char *const *only;    // names of the programs to watch; none: all
    size_t only_count;
    const char *const *plumbing; // patterns of functions that are never culprits (gs_symbol_matches)
    size_t plumbing_count;
    const char *const *on_incident; // the program to run after each incident, its arguments, then NULL; NULL: none
    const struct gs_label *label;
    size_t label_count;
    const struct gs_rule *rule;
    size_t rule_count;
    const char *const *metric;  // every metric that a rule names, once, in order of first use
    size_t metric_count;
};

/* Read TEXT (LENGTH bytes, named FILE in messages). Returns rules that the caller frees with
 * gs_rules_free, or NULL with every error of the file in *errors, in file order.
 * Context: watcher, CLI. */
struct gs_rules *gs_rules_read(const char *text, size_t length, const char *file, struct gs_errors *errors);
void gs_rules_free(struct gs_rules *rules);

/* Warn of valid rules that cannot work on MACHINE: thresholds that are out of reach, conditions that are always
 * suppressed, metrics that are not available. Adds to *WARNINGS, in file order.  Context: watcher, CLI. */
struct gs_machine {
    uint64_t limit_bytes;           // the memory limit; 0: unknown
    const char *limit_from;         // the source of the limit, for messages
    const char *const *unavailable; // for each of rules->metric: why it is not available, or NULL; NULL: all are
    const char *cannot_run;         // why the program of on_incident cannot be run; NULL: it can
};
void gs_rules_advise(const struct gs_rules *rules, const struct gs_machine *machine, struct gs_errors *warnings);

/* Add RULES in English sentences to OUT, with the defaults of what the file leaves out: a rule's, without a newline
 * ("leak: when rss grows by …"), and those of all other settings, a line each.  Context: CLI. */
struct gs_text;
void gs_rules_describe_rule(const struct gs_rules *rules, size_t rule, const struct gs_machine *machine, struct gs_text *out);
void gs_rules_describe_settings(const struct gs_rules *rules, struct gs_text *out);

/* The name or path of on_incident's program. NULL: there is none, or its words in braces make it known only at an
 * incident. */
const char *gs_rules_program(const struct gs_rules *rules);
/* Write ARGUMENT of on_incident to OUT and replace each {NAME} by its value. An unknown {NAME} stays as it is.
 * Context: any. */
struct gs_command_word { const char *name, *value; }; // name: "dir", "label:service"
void gs_rules_fill_command(const char *argument, const struct gs_command_word *word, size_t count, struct gs_text *out);

/* The built-in rules: the text of rules/default.json. */
extern const char gs_default_rules_text[];
extern const size_t gs_default_rules_length;

/* ---- judging ---------------------------------------------------------------------------------------------- */

struct gs_judge; // the state of all rules between ticks: windows, hold times, cooldowns

/* A judge for RULES (borrowed for the judge's life). LIMIT_BYTES: the memory limit, for thresholds in percent; 0: unknown
 * (rules with such thresholds then never fire, and gs_rules_judge_state says why). NULL: out of memory. */
struct gs_judge *gs_rules_judge_new(const struct gs_rules *rules, uint64_t limit_bytes) GS_CHECK_RESULT;
/* Set the LIMIT that percentages of kind SHARE refer to; 0: unknown, which is the start value of all but memory. */
void gs_rules_judge_set_limit(struct gs_judge *judge, enum gs_share share, uint64_t limit);
void gs_rules_judge_free(struct gs_judge *judge);
/* Copy the state of rules with the same name from OLD, the judge of the rules before a reload. */
void gs_rules_judge_adopt(struct gs_judge *judge, const struct gs_judge *old);

struct gs_tick {
    int64_t time_ns;         // CLOCK_MONOTONIC or any other clock that never goes back
    const double *value;     // one for each of rules->metric; NAN: missing
    bool capturing;          // a capture is running: do not add the tick to any window. The windows of a rule whose own
                             // incident is being captured never get the tick
    bool early;              // an extra tick between two others (the probe's alarm): do not add it to windows either
    int64_t step_ns;         // the time before it that the tick covers at most; a longer distance leaves a gap.
                             // 0: the rules' interval
};

struct gs_verdict {
    size_t rule;             // index into rules->rule
    const char *condition;   // "above", "jitter", …: as the rules file spells it
    double value, line;      // in the metric's unit: the value, and the line that it crossed
    int64_t window_ns;       // how far back the condition looked; 0 for above and below
    char reason[240];        // one sentence with the numbers
};

/* Judge one tick. Fills at most one verdict a rule into VERDICTS (rule_count of them) and returns how many
 * fired. For each the caller captures, then calls gs_rules_judge_incident_over, _failed or _denied. */
size_t gs_rules_judge_tick(struct gs_judge *judge, const struct gs_tick *tick, struct gs_verdict *verdicts);
/* The incident of RULE is complete (its cooldown starts at END_NS). */
void gs_rules_judge_incident_over(struct gs_judge *judge, size_t rule, int64_t end_ns);
/* The incident of RULE could not be written. The cooldown starts nevertheless, so that a full disk is not tried at
 * every tick. After it the rule may fire again although its condition was never false, because no evidence was stored. */
void gs_rules_judge_incident_failed(struct gs_judge *judge, size_t rule, int64_t end_ns);

/* The smallest number of bytes above the lowest line of an armed `heap_in_use above` rule; UINT64_MAX: no rule is armed.
 * For the probe's alarm. A rule is not armed while its condition holds, while it is busy or cools down. */
uint64_t gs_rules_judge_alarm_line(const struct gs_judge *judge, int64_t now_ns);
/* The lowest line of the armed rules on METRIC that fire as soon as a value is above it: with "above", without "for".
 * INFINITY: there is none. For looks between ticks. */
double gs_rules_judge_line_above(const struct gs_judge *judge, const char *metric, int64_t now_ns);
/* The same of all rules, armed or not. LIMIT_BYTES: the memory limit; 0: unknown. */
double gs_rules_line_above(const struct gs_rules *rules, const char *metric, uint64_t limit_bytes);

/* Why a rule has or has not fired, for status and for tests. */
struct gs_rule_state {
    double value, line;      // the last value (NAN: none yet), and the line nearest to it (NAN: none)
    uint64_t fired, suppressed;
    bool holding;            // a condition is true now
    char reason[160];        // "window 6 of 10", "held 4 s of 10 s", "cooldown, 9.7 min left", "value 60 MiB, fires above 80 MiB"
};
void gs_rules_judge_state(const struct gs_judge *judge, size_t rule, int64_t now_ns, struct gs_rule_state *out);

/* ---- why a rule does not fire (obstacle.c) ----------------------------------------------------------------- */

/* What prevents an incident of a rule, from the furthest from firing to the nearest. */
enum gs_obstacle {
    GS_NO_METRIC,            // the history has no value of its metric
    GS_NO_WINDOW,            // the window is not full
    GS_NO_LIMIT,             // the threshold is a share of a limit that is unknown
    GS_NOT_DUE,              // "every": the period is not over
    GS_NO_LINE,              // the value did not reach the line
    GS_NO_HOLD,              // "for": the condition has not held for long enough
    GS_NO_QUIET,             // "again": the condition was never false since the rule's last incident
    GS_NO_COOLDOWN,          // the cooldown is not over
    GS_HELD_BY_UNLESS_ABOVE,
    GS_HELD_BY_UNLESS,
    GS_HELD_BY_RULES_HOUR,
    GS_HELD_BY_ALL_HOUR,
    GS_NO_OBSTACLE,
    GS_OBSTACLES = GS_NO_OBSTACLE
};
/* The key of the rules file to change: "metric", "over", "limit", "every", "line", "for", "again", "cooldown",
 * "unless_above", "unless", "max_per_hour", "incidents.max_per_hour". */
const char *gs_rules_obstacle_name(enum gs_obstacle obstacle);

struct gs_obstruction {      // why a rule did not fire at the last tick, for its condition that is nearest to firing
    enum gs_obstacle obstacle;
    double nearness;         // with the same obstacle, the larger figure is closer to firing
    double value, line;      // in the metric's unit; NAN: none
    bool was_quiet;          // the condition was false since the last incident, or is "every"
};
/* The obstruction of RULE at the last tick, which was at NOW_NS and covers STEP_NS. MISSING: the metric had no value at that
 * tick; conditions on it are then skipped, and the obstacle is GS_NO_METRIC when there are no others. */
struct gs_obstruction gs_rules_judge_obstruction(const struct gs_judge *judge, size_t rule, bool missing, int64_t now_ns,
                                           int64_t step_ns);
/* How much of the time since the last tick a tick covers: all of it, or only STEP_NS when it is late (the rest is a gap). */
int64_t gs_rules_tick_stands_for(int64_t since_last_ns, int64_t step_ns);
/* True: RULES have a window that is given in ticks, not in time. */
bool gs_rules_count_ticks(const struct gs_rules *rules);

/* ---- state that survives a restart ----------------------------------------------------------------------------- */

/* The incidents of a program: of this process, of its siblings and of its predecessors. After a restart, cooldowns, "again",
 * "every" and max_per_hour continue from here, so that a crash loop does not fill the disk. store/ledger.c stores it
 * on disk. All times are CLOCK_REALTIME, because the monotonic clock restarts with the machine. */
enum { GS_LEDGER_MAX = 1500, GS_LEDGER_OWNER = 40 };
struct gs_ledger_incident {
    char rule[GS_RULE_NAME_MAX + 1];
    char owner[GS_LEDGER_OWNER]; // the process, as in DIR/.live: <pid>-<start time>-<namespace>
    bool of_other_process;             // the owner is another live process, which has its own cooldown
    int64_t began_ns, ended_ns;  // ended_ns 0: still being captured, or the process died during the capture
    double value;                // NAN: none
};
struct gs_ledger_due { char rule[GS_RULE_NAME_MAX + 1]; int64_t due_ns; }; // when "every" of RULE fires next
struct gs_ledger {               // all zero: empty
    struct gs_ledger_incident *incident; // in the order in which they were added
    struct gs_ledger_due *due;
    size_t count, capacity, due_count, due_capacity;
};
void gs_rules_ledger_fini(struct gs_ledger *ledger);
/* Clean LEDGER up: a time after NOW_NS (the clock was set back) becomes NOW_NS; of incidents older than an hour only
 * the last few of each rule stay; at most GS_LEDGER_MAX stay in all. */
void gs_rules_ledger_tidy(struct gs_ledger *ledger, int64_t now_ns);
int gs_rules_ledger_add(struct gs_ledger *ledger, const struct gs_ledger_incident *incident) GS_CHECK_RESULT; // 0 or -ENOMEM

struct gs_hour_limits { uint64_t of_rule, of_all; }; // max_per_hour; 0: no limit
enum gs_hour_room { GS_HOUR_HAS_ROOM, GS_HOUR_OF_RULE_FULL, GS_HOUR_OF_ALL_FULL };
/* Does max_per_hour allow one more incident of RULE at NOW_NS? If not, *UNTIL_NS is when it will. */
enum gs_hour_room gs_rules_ledger_room(const struct gs_ledger *ledger, const char *rule, struct gs_hour_limits limits,
                                 int64_t now_ns, int64_t *until_ns);

/* The current time on the judge's clock and on CLOCK_REALTIME. */
struct gs_now { int64_t judge_ns, real_ns; };
/* Set the state of JUDGE from LEDGER, before its first tick. Returns how many rules are in their cooldown. */
size_t gs_rules_judge_recall(struct gs_judge *judge, const struct gs_ledger *ledger, struct gs_now now);
/* Record in LEDGER when each "every" is due next. True: LEDGER has changed. */
bool gs_rules_judge_record_due(const struct gs_judge *judge, struct gs_now now, struct gs_ledger *ledger);
struct gs_hour_limits gs_rules_judge_hour_limits(const struct gs_judge *judge, size_t rule);
/* RULE fired, but max_per_hour allows no incident until UNTIL_NS (judge's clock); ROOM says which limit. The firing
 * is undone and counted as a suppression. */
void gs_rules_judge_incident_denied(struct gs_judge *judge, size_t rule, enum gs_hour_room room, int64_t until_ns);
