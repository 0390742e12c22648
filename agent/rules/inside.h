/* inside.h - what the files of rules/ share.
 *
 *   text ──document.c──▶ json_t ──read.c, rule.c──▶ gs_rules        errors: reader.c, at the line and column
 *                                   │ fields.c, conditions.c         that locate.c finds for a path
 *                                   ▼
 *   tick ──judge.c──▶ each condition: above, jitter, … (judge, explain) ──▶ verdict
 *                                   └─ window.c: the ticks before this one
 */
#pragma once
#include "base/json.h"
#include "base/numbers.h"
#include "rules/rules.h"

/* ---- tokens of a JSON text (tokens.c) --------------------------------------------------------------------------- */

/* The start of the token (a string, a number, a bracket…) that contains the byte at OFFSET. TEXT may be invalid JSON. */
size_t gs_rules_token_start(const char *text, size_t length, size_t offset);
/* The offset of the first bracket nested deeper than MAX levels; LENGTH: none. TEXT may be invalid JSON. */
size_t gs_rules_too_deep(const char *text, size_t length, unsigned max);

/* Skip blanks, commas and colons from AT on. */
const char *gs_rules_skip_separators(const char *at, const char *end);
/* AT is a string's opening quote; returns the address after its closing quote. */
const char *gs_rules_skip_string(const char *at, const char *end);
struct gs_document_entry {
    const char *key, *value;   // for an array's element both are the value
};
/* Read the next entry of an array, or of an object (HAS_KEYS), into ENTRY. *AT is after the opening bracket or after the
 * previous entry. False: no more entries. */
bool gs_rules_next_entry(const char **at, const char *end, bool has_keys, struct gs_document_entry *entry);
/* Compare and hash valid JSON strings, each given by its opening quote. An escape equals the character that it encodes. */
bool gs_rules_spells(const char *at, const char *word);
bool gs_rules_same_string(const char *a, const char *b);
uint64_t gs_rules_hash_string(const char *at);

/* ---- paths in a document (locate.c) --------------------------------------------------------------------------
 * A value is identified by its path: a chain of structs on the readers' stacks, from the value up to the document. */

struct gs_json_path {
    const struct gs_json_path *up; // NULL: this is the document itself
    const char *key;           // of an object's member; NULL for an array's element
    size_t index;              // of an array's element
};
enum gs_document_part { GS_THE_VALUE, GS_THE_KEY };
struct gs_text_position { int line, col; };

/* The offset of PATH's value (or of its key) in TEXT, which is valid JSON. Of duplicate keys the last counts, as
 * in jansson. If PATH does not exist, the offset of its nearest existing parent. */
size_t gs_rules_locate(const char *text, size_t length, const struct gs_json_path *path, enum gs_document_part part);
struct gs_text_position gs_rules_position_at(const char *text, size_t offset);

struct gs_rules_reader;
/* Report every duplicate key of an object. The reader's text is valid JSON, at most GS_NESTING_MAX deep (duplicates.c). */
enum { GS_NESTING_MAX = 32 };
void gs_rules_report_duplicates(struct gs_rules_reader *reader);

/* ---- reading (reader.c, document.c) ---------------------------------------------------------------------------- */

struct gs_rules_block {               // a block of memory that lives as long as the rules
    struct gs_rules_block *next;
    char bytes[] __attribute__((aligned(16)));
};
void gs_rules_free_blocks(struct gs_rules_block *first); // frees the whole list

struct gs_rules_reader {
    const char *text;
    size_t length;
    const char *file;
    struct gs_errors *errors;
    size_t errors_before;  // the number of errors in the caller's list at the start
    struct gs_rules_block **blocks; // the list of blocks that gs_rules_allocate extends
    const struct gs_rules *rules; // what was read so far: windows need the interval
    const char **metric;   // the metrics named so far, each once; has room for two for each rule
    size_t metric_count;
    bool reads_defaults;   // what is being read is not in the file, but a default
};

/* Report an error at PATH; HINT may be NULL. */
void gs_rules_refuse(struct gs_rules_reader *reader, const struct gs_json_path *path, enum gs_document_part part, const char *hint,
               const char *format, ...) GS_PRINTF(5, 6);
/* The same at an offset of the text, and for the file as a whole. */
void gs_rules_refuse_at(struct gs_rules_reader *reader, size_t offset, const char *hint, const char *format, ...)
    GS_PRINTF(4, 5);
void gs_rules_refuse_file(struct gs_rules_reader *reader, const char *hint, const char *format, ...) GS_PRINTF(3, 4);
/* True: an error was reported. */
bool gs_rules_refused(const struct gs_rules_reader *reader);

/* SIZE zeroed bytes that live as long as the rules. NULL: out of memory, which is reported. */
void *gs_rules_allocate(struct gs_rules_reader *reader, size_t size) GS_CHECK_RESULT;
const char *gs_rules_copy_text(struct gs_rules_reader *reader, const char *text) GS_CHECK_RESULT;

/* Parse the reader's text as JSON and report duplicate keys. NULL: the errors are reported. */
json_t *gs_rules_document_parse(struct gs_rules_reader *reader) GS_CHECK_RESULT;

/* ---- fields: the members that an object may have (fields.c) ------------------------------------------------------- */

struct gs_subject {            // the metric of a rule, for fields that depend on it
    const struct gs_metric *metric; // NULL: unknown, so thresholds cannot be checked
    const char *name;               // "rss", "gauge:queue"
};

struct gs_field {
    const char *key;
    void (*read)(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                 const struct gs_field *field, void *into);
    size_t at;                 // offset of the member in INTO
    double least, most;        // bounds, inclusive
    bool or_zero;              // 0 is allowed too (no limit, no wait)
    const struct gs_subject *subject;
};

/* Read OBJECT's members into INTO, each by its row of FIELD. Reports unknown keys. False: OBJECT is not an object. */
bool gs_rules_read_fields(struct gs_rules_reader *reader, const json_t *object, const struct gs_json_path *path,
                    const struct gs_field *field, size_t count, void *into);
#define GS_FIELDS(table) (table), sizeof(table) / sizeof(table)[0]

/* Read the defaults of OBJECT ("file", "rule", "growth", …: a row of defaults.c) into INTO, each by its row of FIELD, but
 * not of keys that GIVEN has (NULL: all). Called before the file's own object is read. PATH: that object, for errors:
 * bounds may depend on the interval. */
void gs_rules_read_defaults(struct gs_rules_reader *reader, const char *object, const json_t *given,
                            const struct gs_json_path *path, const struct gs_field *field, size_t count, void *into);

/* Readers for rows of fields. On an error they report it and do not change the member. The member's type, and the bounds: */
#define GS_FIELD_READER(name)                                                                                  \
    void name(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,                    \
              const struct gs_field *field, void *into)
GS_FIELD_READER(gs_field_duration);  // int64_t, ns
GS_FIELD_READER(gs_field_size);      // uint64_t, bytes
GS_FIELD_READER(gs_field_count);     // uint64_t
GS_FIELD_READER(gs_field_number);    // double
GS_FIELD_READER(gs_field_boolean);   // bool
GS_FIELD_READER(gs_field_share);     // double: "25%" is 0.25
GS_FIELD_READER(gs_field_frequency); // double, hertz
GS_FIELD_READER(gs_field_text);      // const char *; bounds: length
GS_FIELD_READER(gs_field_span);      // struct gs_span; bounds: ticks
GS_FIELD_READER(gs_field_threshold); // struct gs_threshold, for the row's subject
GS_FIELD_READER(gs_field_slope);     // struct gs_slope, for the row's subject
GS_FIELD_READER(gs_field_ignored_text); // a text that is checked and not stored
GS_FIELD_READER(gs_field_elsewhere); // does nothing: the key is valid, other code reads it

enum { GS_TEXT_MAX = 1024 };
#define GS_FIELD_WHY(type) {"why", gs_field_text, offsetof(type, why), 0, GS_TEXT_MAX, false, NULL}

/* True: VALUE is a number without a fraction, stored in *OUT. */
bool gs_rules_is_whole(const json_t *value, int64_t *out);
/* Report "expected EXPECTED, found a number" (the type of VALUE). */
void gs_rules_refuse_type(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                    const char *expected);
/* The metric that VALUE names; NULL: the error is reported. */
const struct gs_metric *gs_rules_read_metric(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path);
/* The index of metric NAME in the reader's list. Adds NAME if it is new; there is always room (reader.c). */
size_t gs_rules_metric_number(struct gs_rules_reader *reader, const char *name);
/* Read "on_incident" into RULES (command.c). */
void gs_rules_read_command(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path, struct gs_rules *rules);
/* Read one rule from OBJECT. The caller checks that its name is unique. */
void gs_rules_read_rule(struct gs_rules_reader *reader, const json_t *object, const struct gs_json_path *path, struct gs_rule *rule);

/* ---- parts of a rule ------------------------------------------------------------------------------------------------ */

struct gs_threshold {
    bool given;
    bool share;                // value is a share of the metric's limit, else in the metric's unit
    double value;
};
/* THRESHOLD in the metric's unit; NAN: it is not given, or is a share of an unknown limit (0). */
double gs_rules_threshold_line(const struct gs_threshold *threshold, uint64_t limit);
/* True: THRESHOLD is a share of an unknown limit. */
bool gs_rules_threshold_unknown(const struct gs_threshold *threshold, uint64_t limit);
/* "400 MiB", or "80 % of the limit (409.6 MiB of 512 MiB)". */
enum { GS_LINE_TEXT = 96 };
const char *gs_rules_print_threshold(const struct gs_threshold *threshold, enum gs_unit unit, uint64_t limit,
                               char out[GS_LINE_TEXT]);

/* Print VALUE and the threshold that it is compared with, so that they look different if they are. Returns VALUE_OUT. */
const char *gs_rules_print_apart(double value, const struct gs_threshold *threshold, enum gs_unit unit, uint64_t limit,
                                 char value_out[GS_UNIT_TEXT], char line_out[GS_LINE_TEXT]);

struct gs_span {               // the length of a window: one of the two is set
    uint32_t ticks;
    int64_t ns;
};

struct gs_slope {
    double per_second;         // in the metric's unit, or a share of the window's median
    bool share;
    int per_s;                 // the time that it was written with, in seconds: 60 for "1MiB/min"
};

struct gs_condition {
    const struct gs_condition_kind *kind;
    struct gs_span over;       // zero: the condition needs no window
    union {
        struct gs_threshold threshold;                                      // above, below
        struct { double rise; struct gs_threshold min, by; bool has_rise; } jitter;
        struct gs_slope growth;
        struct { struct gs_threshold line; int64_t within_ns; } reaches;
        struct { double score; struct gs_threshold min; } unusual;
        struct { int64_t ns; } every;
    };
};

struct gs_suppression {           // what prevents an incident although a condition holds
    struct gs_threshold unless_above;
    struct { const char *metric; size_t metric_index; enum gs_unit unit; enum gs_share share; struct gs_threshold above, below; } unless;
    double again;              // share above the last incident's value; NAN: "always"
    uint64_t max_per_hour;     // 0: no limit
};

/* ---- windows: the ticks before this one (window.c) -------------------------------------------------------------------- */

enum { GS_WINDOW_POINTS_MAX = 4096 };
struct gs_point {              // one tick; in a long window several consecutive ticks
    int64_t first_ns, last_ns;
    int64_t covered_ns;        // the time that these ticks cover
    double sum;
    uint32_t count;
};
struct gs_window {             // all zero: the condition has no window
    struct gs_span over;
    int64_t spacing_ns;
    struct gs_point *point;    // a ring
    size_t capacity, oldest, count;
    int64_t began_ns, previous_ns; // time of the first and of the last value ever added
    bool began;                // a value was added
    int64_t covered_ns;        // sum over its points
    uint64_t pushed;           // number of points ever started
    struct { uint64_t at; double per_second, median; } slope; // as gs_rules_slope computed it when PUSHED was AT
};
/* POINTS: about how many points a window of time has at most; 0: GS_WINDOW_POINTS_MAX. 0 or -ENOMEM. */
int gs_rules_window_init(struct gs_window *window, struct gs_span over, size_t points, int64_t interval_ns) GS_CHECK_RESULT;
void gs_rules_window_fini(struct gs_window *window);
void gs_rules_window_add(struct gs_window *window, int64_t time_ns, double value, int64_t step_ns);
/* Drop the points that are too old at NOW_NS. True: the window is full and has few enough gaps to judge with. */
bool gs_rules_window_ready(struct gs_window *window, int64_t now_ns);
const struct gs_point *gs_rules_window_at(const struct gs_window *window, size_t index); // 0: the oldest
double gs_rules_point_value(const struct gs_point *point);                               // the mean of its ticks
double gs_rules_window_mean(const struct gs_window *window);
int64_t gs_rules_window_reach(const struct gs_window *window, int64_t now_ns);           // from its oldest tick to now
void gs_rules_window_adopt(struct gs_window *window, const struct gs_window *old);
/* "window 6 of 10", or that it has too many gaps. */
void gs_rules_window_explain(const struct gs_window *window, int64_t now_ns, char *out, size_t size);

/* ---- ranges (range.c) ------------------------------------------------------------------------------------------------- */

struct gs_range {              // of values; an end is part of the range unless excluded
    double from, to;           // NAN: unknown
    bool excludes_from, excludes_to;
};
struct gs_range gs_rules_range_above(double line);
struct gs_range gs_rules_range_below(double line);
struct gs_range gs_rules_range_from(double least);
/* These return false when the result depends on an unknown end. */
bool gs_rules_range_ends_before(const struct gs_range *low, const struct gs_range *high); // all of LOW is below all of HIGH
bool gs_rules_range_is_apart(const struct gs_range *a, const struct gs_range *b);          // they have no value in common
bool gs_rules_range_lies_within(const struct gs_range *inner, const struct gs_range *outer);

/* ---- advice (advice.c): valid rules that are probably mistakes ------------------------------------------------------- */

struct gs_advisor {            // the rule that is being checked
    const struct gs_rules *rules;
    const struct gs_machine *machine;
    const struct gs_rule *rule;
    const struct gs_json_path *path; // of the rule
    struct gs_errors *warnings;
};
/* Add a warning about the value at PATH; HINT may be NULL. */
void gs_rules_warn_at(const struct gs_advisor *advisor, const struct gs_json_path *path, const char *hint, const char *format,
               ...) GS_PRINTF(4, 5);
/* Warn that the value at PATH is a share of an unknown limit. */
void gs_rules_warn_unknown(const struct gs_advisor *advisor, enum gs_share share, const struct gs_json_path *path);
/* The limit for SHARE on the advisor's machine; 0: unknown, or known only to the running program. */
uint64_t gs_rules_limit_of(const struct gs_advisor *advisor, enum gs_share share);
/* The values that METRIC can have on this machine. */
struct gs_range gs_rules_reachable_values(const struct gs_advisor *advisor, const struct gs_metric *metric);
/* The length of a window of OVER in time. */
int64_t gs_rules_span_ns(const struct gs_advisor *advisor, struct gs_span over);

/* ---- conditions (conditions.c has the table, each row a file) --------------------------------------------------------- */

struct gs_condition_inputs {              // what a condition is judged with at one tick
    int64_t now_ns;
    double value;              // NAN for a rule without a metric
    const char *metric;
    enum gs_unit unit;
    uint64_t limit;            // for thresholds in percent, in the metric's unit; 0: unknown
    struct gs_window *window;  // the ticks before this one
    int64_t due_ns;            // for "every"
    int64_t held_ns;           // how long the condition has been true; 0 for a rule without "for"
    double *scratch;           // room for GS_SCRATCH values
};
enum { GS_MEAN_POINTS_MAX = 240, GS_SLOPE_POINTS_MAX = 120, GS_SCRATCH = GS_SLOPE_POINTS_MAX * (GS_SLOPE_POINTS_MAX - 1) / 2 };

enum gs_condition_answer { GS_CANNOT_TELL, GS_NO, GS_YES };
struct gs_evaluation {
    enum gs_condition_answer answer;
    double line;               // in the metric's unit; NAN: none
    double usual;              // what the value is compared with: mean, median
    double measured;           // rise, slope per second, or score
    double spread;             // for unusual; for growth, the slope that the rule requires
    int64_t window_ns;
};

struct gs_condition_kind {
    const char *name;
    /* Read VALUE into CONDITION. Only called with a metric, except for "every". */
    void (*read)(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                 const struct gs_subject *subject, struct gs_condition *condition);
    struct gs_evaluation (*judge)(const struct gs_condition *condition, const struct gs_condition_inputs *inputs);
    /* Write the reason: why the condition holds, or why it does not. */
    void (*explain)(const struct gs_condition *condition, const struct gs_condition_inputs *inputs,
                    const struct gs_evaluation *evaluation, char *out, size_t size);
    bool downward;             // lower values are worse
    bool without_metric;
    size_t points;             // points of its window at most; 0: GS_WINDOW_POINTS_MAX
    /* Add the condition as a part of a sentence, after the metric's name: "is above 400 MiB". LIMIT: as in the inputs. */
    void (*describe)(const struct gs_condition *condition, const struct gs_rule *rule, uint64_t limit, struct gs_text *out);
    /* The values at which it can hold; *KEY: the member that sets the range (NULL: the condition itself). NULL: any value. */
    struct gs_range (*range)(const struct gs_condition *condition, uint64_t limit, const char **key);
    /* Warn about its figures, at PATH. NULL: nothing to check. */
    void (*advise)(const struct gs_advisor *advisor, const struct gs_condition *condition,
                   const struct gs_json_path *path);
};
extern const struct gs_condition_kind gs_condition_kinds[]; // ends with a NULL name

#define GS_CONDITION(name)                                                                                     \
    void gs_rules_##name##_read(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,        \
                          const struct gs_subject *subject, struct gs_condition *condition);                  \
    struct gs_evaluation gs_rules_##name##_judge(const struct gs_condition *condition, const struct gs_condition_inputs *inputs);  \
    void gs_rules_##name##_explain(const struct gs_condition *condition, const struct gs_condition_inputs *inputs,              \
                             const struct gs_evaluation *evaluation, char *out, size_t size);                          \
    void gs_rules_##name##_describe(const struct gs_condition *condition, const struct gs_rule *rule, uint64_t limit,       \
                              struct gs_text *out)
GS_CONDITION(above);
GS_CONDITION(below);
GS_CONDITION(jitter);
GS_CONDITION(growth);
GS_CONDITION(reaches);
GS_CONDITION(unusual);
GS_CONDITION(every);
struct gs_range gs_rules_above_range(const struct gs_condition *condition, uint64_t limit, const char **key);
struct gs_range gs_rules_below_range(const struct gs_condition *condition, uint64_t limit, const char **key);
struct gs_range gs_rules_jitter_range(const struct gs_condition *condition, uint64_t limit, const char **key);
struct gs_range gs_rules_unusual_range(const struct gs_condition *condition, uint64_t limit, const char **key);
#define GS_ADVISE(name)                                                                                        \
    void gs_rules_##name##_advise(const struct gs_advisor *advisor, const struct gs_condition *condition,           \
                            const struct gs_json_path *path)
GS_ADVISE(jitter);
GS_ADVISE(growth);
GS_ADVISE(reaches);
GS_ADVISE(unusual);

/* The slope of WINDOW per second; its median value is then in window->slope.median (slope.c). SCRATCH has room for GS_SCRATCH
 * values. NAN: all its points have the same time. */
double gs_rules_slope(struct gs_window *window, double *scratch);
/* "1.2 MiB/min"; per hour when the slope per minute is below 1. */
const char *gs_rules_print_slope(double per_second, enum gs_unit unit, char out[2 * GS_UNIT_TEXT]);
/* The slope that was found and the one that the rule wants, per SECONDS (1, 60 or 3600), as gs_units_print_apart does it. */
void gs_rules_print_slopes(double found, double wanted, enum gs_unit unit, int seconds, char found_out[2 * GS_UNIT_TEXT],
                           char wanted_out[2 * GS_UNIT_TEXT]);

/* THRESHOLD in a sentence (describe.c): "400 MiB", "80 % of the memory limit (409.6 MiB here)". Of RULE's metric, or of
 * any. */
const char *gs_rules_name_line(const struct gs_threshold *threshold, const struct gs_rule *rule, uint64_t limit,
                               char out[GS_LINE_TEXT]);

/* Parts of reasons (explain.c): "10 ticks", "30 min"; " for 10 s" for a rule with "for", else "". */
const char *gs_rules_print_span(struct gs_span over, char out[GS_UNIT_TEXT]);
const char *gs_rules_print_held(const struct gs_condition_inputs *inputs, char out[GS_UNIT_TEXT]);

/* ---- the judge's state (judge.c, adopt.c, state.c) ------------------------------------------------------------------- */

struct gs_condition_state {              // of one condition
    struct gs_window window;
    struct gs_evaluation evaluation; // at the last tick at which it was judged
    bool judged, holds;        // holds: true at the last tick with an answer
    bool quiet;                // it was false since the rule's last incident
    int64_t held_ns;           // how long it has held, without gaps
    int64_t answered_ns;       // the last tick with an answer (yes or no)
    int64_t due_ns;            // for "every"; INT64_MIN: not known before the first tick
    bool quiet_before;         // quiet and due_ns before the rule fired, to undo the firing
    int64_t due_before_ns;
};

struct gs_hour {               // at most ROOM incidents an hour; 0: no limit
    int64_t *time_ns;          // a ring: the times of the last ROOM incidents
    size_t room, count, next;
    int64_t full_until_ns;     // because of the incidents of other processes
};
int gs_rules_hour_init(struct gs_hour *hour, uint64_t room) GS_CHECK_RESULT;
void gs_rules_hour_fini(struct gs_hour *hour);
bool gs_rules_hour_has_room(const struct gs_hour *hour, int64_t now_ns);
void gs_rules_hour_add(struct gs_hour *hour, int64_t now_ns);
void gs_rules_hour_take_back(struct gs_hour *hour); // remove the last one added; an older one that it overwrote stays lost
void gs_rules_hour_adopt(struct gs_hour *hour, const struct gs_hour *old);

enum gs_held_back { GS_NOT_HELD_BACK, GS_BY_UNLESS_ABOVE, GS_BY_UNLESS, GS_BY_RULES_HOUR, GS_BY_ALL_HOUR };

struct gs_rule_record {             // of one rule
    struct gs_condition_state *state;    // one for each condition
    double value;              // the last value; NAN: none yet
    double unless_value;       // the last value of the metric of "unless"
    uint64_t fired, suppressed;
    bool busy;                 // its incident is being captured
    int64_t cool_until_ns;     // INT64_MIN: not cooling
    double incident_value;     // the value of its last incident; NAN: none to compare with ("again")
    double value_before;       // incident_value before the rule fired, to undo the firing
    enum gs_held_back held_back;
    struct gs_hour hour;
};

struct gs_judge {
    const struct gs_rules *rules;
    uint64_t limit[GS_SHARES];
    struct gs_rule_record *record;  // one for each rule
    struct gs_hour hour;       // for all rules together
    double *scratch;           // room for GS_SCRATCH values
};

/* The condition to report: the first that holds, else the one whose line is nearest to the value, else the first. */
size_t gs_rules_judge_nearest(const struct gs_rule *rule, const struct gs_rule_record *record);
struct gs_condition_inputs gs_rules_judge_inputs(const struct gs_judge *judge, size_t rule, size_t condition, int64_t now_ns);
/* True: the condition has held for as long as "for" requires, less a twentieth of STEP_NS, because ticks are not
 * punctual. */
bool gs_rules_judge_held(const struct gs_rule *rule, const struct gs_rule_record *record, size_t condition, int64_t step_ns);
/* True: "again" allows the condition to fire, because it was false since the last incident or the value is at a new high.
 * *LINE: the value required for a new high; NAN: none is required. */
bool gs_rules_judge_may_again(const struct gs_rule *rule, const struct gs_rule_record *record, size_t condition, double *line);
