/* rules/rules.h - the door of rules/: read a rules file, judge values against it.
 * Pure: values in, verdict out. No clock, no I/O, no globals: the live watcher and `gumshoe replay`
 * judge with this very code.  Opened by: watcher, incident, cli, tests.  Opens: base, metrics. */
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
    const char *why;            // the owner's words, NULL when there are none
    const char *metric;         // NULL for a rule with only "every"
    size_t metric_index;        // of metric in gs_rules.metric; SIZE_MAX when metric is NULL
    enum gs_unit unit;
    enum gs_share share;        // what percentages are shares of, as thresholds on metric
    unsigned capture;           // an or of enum gs_kind
    int64_t for_ns, cooldown_ns;
    const struct gs_condition *condition; // internal to rules/
    size_t condition_count;
    const struct gs_suppression *suppression;   // unless_above, unless, again, max_per_hour; internal to rules/
};

struct gs_label { const char *key, *value; };

struct gs_rules {               // what a checked file says; never changes once read
    const char *file;           // as named by the reader's caller
    const char *text;           // the document, as read
    size_t text_length;
    const char *why;
    int64_t interval_ns;
    struct { uint64_t sample_bytes; uint32_t depth; int64_t baseline_ns; } heap;
    struct { double hertz; int64_t duration_ns, before_ns; } cpu; // before_ns 0: nothing is kept from before a trigger
    struct {
        const char *dir;
        uint64_t keep;          // incidents; 0: no limit
        uint64_t max_bytes;     // 0: no limit
        int64_t max_age_ns;     // 0: no limit
        uint64_t max_per_hour;  // 0: no limit
    } incidents;
    double budget;              // what the agent may cost: share of one CPU
    enum gs_children { GS_CHILDREN_FORKS, GS_CHILDREN_ALL, GS_CHILDREN_OFF } children;
    const char *const *only;    // names of the programs that are meant; none: all
    size_t only_count;
    const char *const *on_incident; // the program to run after each, and its arguments, then NULL; NULL: none
    const struct gs_label *label;
    size_t label_count;
    const struct gs_rule *rule;
    size_t rule_count;
    const char *const *metric;  // every metric that some rule names, once, in order of first mention
    size_t metric_count;
};

/* Read TEXT (LENGTH bytes, named FILE in messages). Returns rules that the caller frees with
 * gs_rules_free, or NULL with every error of the file in *errors, in file order.
 * Context: watcher, CLI. */
struct gs_rules *gs_rules_read(const char *text, size_t length, const char *file, struct gs_errors *errors);
void gs_rules_free(struct gs_rules *rules);

/* What rules that are right say in vain on MACHINE: lines out of reach, conditions that are always held back, a metric
 * that cannot be had. Added to *WARNINGS, in file order.  Context: watcher, CLI. */
struct gs_machine {
    uint64_t limit_bytes;           // what shares of memory are shares of; 0: unknown
    const char *limit_from;         // where that was found, in words
    const char *const *unavailable; // for each of rules->metric why it cannot be had, or NULL; NULL: all can
};
void gs_rules_advise(const struct gs_rules *rules, const struct gs_machine *machine, struct gs_errors *warnings);

/* ARGUMENT of on_incident into OUT, each word in braces as what it means; one that is not among them stays. Context: any. */
struct gs_command_word { const char *name, *means; }; // "dir", "label:service"
struct gs_text;
void gs_rules_fill_command(const char *argument, const struct gs_command_word *word, size_t count, struct gs_text *out);

/* The built-in rules: the very text of rules/default.json. */
extern const char gs_default_rules_text[];
extern const size_t gs_default_rules_length;

/* ---- judging ---------------------------------------------------------------------------------------------- */

struct gs_judge; // what judging remembers: windows, holds, cooldowns

/* A judge for RULES (borrowed for the judge's life). LIMIT_BYTES: what shares of memory are shares of, 0 when
 * unknown (rules with shares then never fire; gs_rules_judge_state says so). NULL when memory is out. */
struct gs_judge *gs_rules_judge_new(const struct gs_rules *rules, uint64_t limit_bytes) GS_CHECK_RESULT;
/* From now on LIMIT is what the percentages of SHARE are shares of; 0: unknown, as it is at first for all but memory. */
void gs_rules_judge_set_limit(struct gs_judge *judge, enum gs_share share, uint64_t limit);
void gs_rules_judge_free(struct gs_judge *judge);
/* Take over from OLD (a judge of earlier rules) what rules of the same name remember. */
void gs_rules_judge_adopt(struct gs_judge *judge, const struct gs_judge *old);

struct gs_tick {
    int64_t time_ns;         // CLOCK_MONOTONIC or any other clock that never goes back
    const double *value;     // one for each of rules->metric; NAN: missing
    bool capturing;          // keep it out of all windows; while a rule's own incident is being captured its windows
                             // stay as they are in any case
    bool early;              // between two ticks (the probe's alarm): likewise out of the windows
    int64_t step_ns;         // how much of the time before it the tick may speak for: a later one leaves a gap behind it.
                             // 0: the rules' interval
};

struct gs_verdict {
    size_t rule;             // index into rules->rule
    const char *condition;   // "above", "jitter", …: as the rules file spells it
    double value, line;      // in the metric's unit: what was seen, and what it crossed
    int64_t window_ns;       // how far back the condition looked; 0 for above and below
    char reason[240];        // one sentence with the numbers
};

/* Judge one tick. Fills at most one verdict a rule into VERDICTS (rule_count of them) and returns how many
 * fired. The caller captures and then calls gs_rules_judge_incident_over for each, or gs_rules_judge_incident_failed. */
size_t gs_rules_judge_tick(struct gs_judge *judge, const struct gs_tick *tick, struct gs_verdict *verdicts);
/* The incident of RULE is complete (its cooldown starts at END_NS). */
void gs_rules_judge_incident_over(struct gs_judge *judge, size_t rule, int64_t end_ns);
/* It could not be written: the cooldown starts all the same (a full disk is not asked every tick), but behind it
 * the rule fires again without having gone quiet, since nothing was kept. */
void gs_rules_judge_incident_failed(struct gs_judge *judge, size_t rule, int64_t end_ns);

/* The first number of bytes above the lowest line of an armed `heap_in_use above` rule; UINT64_MAX when there is
 * none. For the probe's alarm: a rule that holds already, that cools down or has fired without going quiet is not armed. */
uint64_t gs_rules_judge_alarm_line(const struct gs_judge *judge, int64_t now_ns);

/* Why a rule has or has not fired, for status and for tests. */
struct gs_rule_state {
    double value, line;      // last seen (NAN: none yet), and its nearest line (NAN: none)
    uint64_t fired, suppressed;
    bool holding;            // some condition is true now
    char reason[160];        // "window 6 of 10", "held 4 s of 10 s", "cooling for 8 m", "value 60 MiB, fires above 80 MiB"
};
void gs_rules_judge_state(const struct gs_judge *judge, size_t rule, int64_t now_ns, struct gs_rule_state *out);

/* ---- what stands in the way (obstacle.c) ------------------------------------------------------------------- */

/* What stands between a rule and an incident, from the furthest to the nearest. */
enum gs_obstacle {
    GS_NO_METRIC,            // the history has no value of its metric
    GS_NO_WINDOW,            // never full
    GS_NO_LIMIT,             // a share of a memory limit that nobody has told
    GS_NO_TURN,              // "every": its time had not come
    GS_NO_LINE,              // the value did not get there
    GS_NO_HOLD,              // "for"
    GS_NO_QUIET,             // "again": it was never quiet since its last incident
    GS_NO_COOLDOWN,          // not over
    GS_HELD_BY_UNLESS_ABOVE,
    GS_HELD_BY_UNLESS,
    GS_HELD_BY_RULES_HOUR,
    GS_HELD_BY_ALL_HOUR,
    GS_NO_OBSTACLE,
    GS_OBSTACLES = GS_NO_OBSTACLE
};
/* As the rules file spells what is to be changed: "metric", "over", "limit", "every", "line", "for", "again", "cooldown",
 * "unless_above", "unless", "max_per_hour", "incidents.max_per_hour". */
const char *gs_rules_obstacle_name(enum gs_obstacle obstacle);

struct gs_obstruction {      // of a rule that did not fire at the judge's last tick: its condition that is nearest to firing
    enum gs_obstacle obstacle;
    double nearness;         // of two moments with one obstacle the one with the larger figure was closer
    double value, line;      // in the metric's unit; NAN: none
    bool anew;               // the condition was quiet before, or goes by the clock
};
/* MISSING: the rule's metric had no value at that tick, which was at NOW_NS and speaks for STEP_NS: conditions that ask for
 * it are left out, and GS_NO_METRIC is found when there are no others. */
struct gs_obstruction gs_rules_judge_obstruction(const struct gs_judge *judge, size_t rule, bool missing, int64_t now_ns,
                                           int64_t step_ns);
/* How much of the time since the last tick a tick may speak for: a late one leaves a gap behind it. */
int64_t gs_rules_tick_stands_for(int64_t since_last_ns, int64_t step_ns);
/* Some window of RULES is given in ticks, not in time. */
bool gs_rules_count_ticks(const struct gs_rules *rules);

/* ---- what outlives the process ----------------------------------------------------------------------------- */

/* The incidents of a program: those of this process, of its siblings and of its predecessors. Cooldowns, "again", "every" and
 * max_per_hour go by it after a restart, so that a crash loop does not fill the disk (store/ledger.c keeps it on disk).
 * All times are CLOCK_REALTIME: the monotonic clock begins anew with the machine. */
enum { GS_LEDGER_MAX = 1500, GS_LEDGER_OWNER = 40 };
struct gs_ledger_incident {
    char rule[GS_RULE_NAME_MAX + 1];
    char owner[GS_LEDGER_OWNER]; // the process, as in DIR/.live: <pid>-<start time>-<namespace>
    bool of_another;             // which lives and is not this one: its cooldown is its own
    int64_t began_ns, ended_ns;  // ended_ns 0: it has not, or the process died in it
    double value;                // NAN: none
};
struct gs_ledger_due { char rule[GS_RULE_NAME_MAX + 1]; int64_t due_ns; }; // when an "every" is to fire next
struct gs_ledger {               // all zero: empty
    struct gs_ledger_incident *incident; // in the order in which they were written down
    struct gs_ledger_due *due;
    size_t count, capacity, due_count, due_capacity;
};
void gs_rules_ledger_fini(struct gs_ledger *ledger);
/* Bring LEDGER in order at NOW_NS: what is in the future (the clock was set back) is now; of what is older than an hour each
 * rule keeps its last few; at most GS_LEDGER_MAX stay. */
void gs_rules_ledger_tidy(struct gs_ledger *ledger, int64_t now_ns);
int gs_rules_ledger_add(struct gs_ledger *ledger, const struct gs_ledger_incident *incident) GS_CHECK_RESULT; // 0 or -ENOMEM

struct gs_hour_limits { uint64_t of_rule, of_all; }; // max_per_hour; 0: no limit
enum gs_hour_room { GS_HOUR_HAS_ROOM, GS_HOUR_OF_RULE_FULL, GS_HOUR_OF_ALL_FULL };
/* Has the hour before NOW_NS room for an incident of RULE? If not, *UNTIL_NS is when it will have. */
enum gs_hour_room gs_rules_ledger_room(const struct gs_ledger *ledger, const char *rule, struct gs_hour_limits limits,
                                 int64_t now_ns, int64_t *until_ns);

/* The present on both clocks. */
struct gs_now { int64_t judge_ns, real_ns; };
/* Let JUDGE, before its first tick, remember what LEDGER says. Returns how many rules cool down by it. */
size_t gs_rules_judge_recall(struct gs_judge *judge, const struct gs_ledger *ledger, struct gs_now now);
/* Write down in LEDGER when each "every" is due next. True: that was not known there. */
bool gs_rules_judge_note_due(const struct gs_judge *judge, struct gs_now now, struct gs_ledger *ledger);
struct gs_hour_limits gs_rules_judge_hour_limits(const struct gs_judge *judge, size_t rule);
/* RULE fired, but may not have its incident: ROOM says whose hour is full, until UNTIL_NS of the judge's clock. It is as if it
 * had been held back. */
void gs_rules_judge_incident_denied(struct gs_judge *judge, size_t rule, enum gs_hour_room room, int64_t until_ns);
