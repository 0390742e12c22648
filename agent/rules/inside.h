/* inside.h - what the files of rules/ share.
 *
 *   text ──document.c──▶ json_t ──read.c, rule.c──▶ gs_rules        every error: reader.c, at the path that
 *                                   │ fields.c, conditions.c         locate.c finds for its path
 *                                   ▼
 *   tick ──judge.c──▶ one trial a condition ──▶ above, jitter, … (judge, explain) ──▶ verdict
 *                                   └─ window.c: the ticks before this one
 */
#pragma once
#include "base/json.h"
#include "base/numbers.h"
#include "rules/rules.h"

/* ---- tokens of a JSON text (tokens.c) --------------------------------------------------------------------------- */

/* The start of the token (a string, a number, a bracket…) that holds the byte at OFFSET, in any text. */
size_t gs_rules_token_start(const char *text, size_t length, size_t offset);
/* The offset of the first bracket that stands deeper than MAX levels, or LENGTH; in any text. */
size_t gs_rules_too_deep(const char *text, size_t length, unsigned max);

/* AT past blanks, and past the commas and colons that part values. */
const char *gs_rules_skip_separators(const char *at, const char *end);
/* AT is a string's opening quote: past its closing one. */
const char *gs_rules_skip_string(const char *at, const char *end);
struct gs_document_entry {
    const char *key, *value;   // of an array's element: both the value
};
/* The next entry of an array, or of an object (HAS_KEYS), into ENTRY; *AT is behind its opening bracket or behind the entry
 * before. False: there is none. */
bool gs_rules_next_entry(const char **at, const char *end, bool has_keys, struct gs_document_entry *entry);
/* Of valid strings, each by its opening quote; an escape is the same as what it stands for. Does AT spell WORD? Are A and B the
 * same? A hash that is equal for those that are. */
bool gs_rules_spells(const char *at, const char *word);
bool gs_rules_same_string(const char *a, const char *b);
uint64_t gs_rules_hash_string(const char *at);

/* ---- places in a document (locate.c) -------------------------------------------------------------------------
 * Where a value stands is told by its path: a chain of places on the readers' stacks, from the value up. */

struct gs_json_path {
    const struct gs_json_path *up; // NULL: this is the document itself
    const char *key;           // of an object's member; NULL for an array's element
    size_t index;              // of an array's element
};
enum gs_document_part { GS_THE_VALUE, GS_THE_KEY };
struct gs_text_position { int line, col; };

/* The offset of PATH's value (or of its key) in TEXT, which is valid JSON. Of duplicate keys the last counts, as
 * in jansson. A path that is not there gives that of the nearest one above it. */
size_t gs_rules_locate(const char *text, size_t length, const struct gs_json_path *path, enum gs_document_part part);
struct gs_text_position gs_rules_position_at(const char *text, size_t offset);

struct gs_rules_reader;
/* Report every key that stands twice in its object. TEXT is valid JSON, not deeper than GS_NESTING_MAX (duplicates.c). */
enum { GS_NESTING_MAX = 32 };
void gs_rules_report_duplicates(struct gs_rules_reader *reader);

/* ---- reading (reader.c, document.c) ---------------------------------------------------------------------------- */

struct gs_rules_block {               // a block of memory that lives as long as the rules
    struct gs_rules_block *next;
    char bytes[] __attribute__((aligned(16)));
};
void gs_rules_free_blocks(struct gs_rules_block *kept); // and all that hang on it

struct gs_rules_reader {
    const char *text;
    size_t length;
    const char *file;
    struct gs_errors *errors;
    size_t errors_before;  // what the caller's list held already
    struct gs_rules_block **kept; // where gs_rules_allocate hangs its blocks
    const struct gs_rules *rules; // as far as they are read: the interval, for windows
    const char **metric;   // the metrics that were named so far, each once; room for two a rule
    size_t metric_count;
};

/* Report an error at PATH; HINT may be NULL. */
void gs_rules_refuse(struct gs_rules_reader *reader, const struct gs_json_path *path, enum gs_document_part part, const char *hint,
               const char *format, ...) GS_PRINTF(5, 6);
/* The same at an offset of the text, and without any path. */
void gs_rules_refuse_at(struct gs_rules_reader *reader, size_t offset, const char *hint, const char *format, ...)
    GS_PRINTF(4, 5);
void gs_rules_refuse_file(struct gs_rules_reader *reader, const char *hint, const char *format, ...) GS_PRINTF(3, 4);
/* True once something was refused. */
bool gs_rules_refused(const struct gs_rules_reader *reader);

/* SIZE zeroed bytes that live as long as the rules. NULL when memory is out, which is refused then. */
void *gs_rules_allocate(struct gs_rules_reader *reader, size_t size) GS_CHECK_RESULT;
const char *gs_rules_copy_text(struct gs_rules_reader *reader, const char *text) GS_CHECK_RESULT;

/* The reader's text as JSON, sound in every way that needs no meaning; NULL with the errors told. */
json_t *gs_rules_document_parse(struct gs_rules_reader *reader) GS_CHECK_RESULT;

/* ---- fields: the members that an object may have (fields.c) ------------------------------------------------------- */

struct gs_subject {            // what a rule is about, for those fields that depend on it
    const struct gs_metric *metric; // NULL: unknown, so that nothing can be said about thresholds
    const char *name;               // "rss", "gauge:queue"
};

struct gs_field {
    const char *key;
    void (*read)(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                 const struct gs_field *field, void *into);
    size_t at;                 // of the member in what is read into
    double least, most;        // bounds, both allowed
    bool or_zero;              // 0 is allowed too (no limit, no waiting)
    const struct gs_subject *subject;
};

/* Read OBJECT's members, each by its row of FIELD, into INTO. Refuses unknown keys. False: it is no object. */
bool gs_rules_read_fields(struct gs_rules_reader *reader, const json_t *object, const struct gs_json_path *path,
                    const struct gs_field *field, size_t count, void *into);
#define GS_FIELDS(table) (table), sizeof(table) / sizeof(table)[0]

/* Readers for rows of fields. Each leaves the member alone when it refuses. Its type, and what bounds mean: */
#define GS_FIELD_READER(name)                                                                                  \
    void name(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,                    \
              const struct gs_field *field, void *into)
GS_FIELD_READER(gs_field_duration);  // int64_t, ns
GS_FIELD_READER(gs_field_size);      // uint64_t, bytes
GS_FIELD_READER(gs_field_count);     // uint64_t
GS_FIELD_READER(gs_field_number);    // double
GS_FIELD_READER(gs_field_share);     // double: "25%" is 0.25
GS_FIELD_READER(gs_field_frequency); // double, hertz
GS_FIELD_READER(gs_field_text);      // const char *; bounds: length
GS_FIELD_READER(gs_field_span);      // struct gs_span; bounds: ticks
GS_FIELD_READER(gs_field_threshold); // struct gs_threshold, on the row's subject
GS_FIELD_READER(gs_field_slope);     // struct gs_slope, on the row's subject
GS_FIELD_READER(gs_field_aside);     // words that are checked and not kept
GS_FIELD_READER(gs_field_elsewhere); // read by other means: only known, so that it is not refused

enum { GS_TEXT_MAX = 1024 };
#define GS_FIELD_WHY(type) {"why", gs_field_text, offsetof(type, why), 0, GS_TEXT_MAX, false, NULL}

/* VALUE is a number without a fraction: *OUT. */
bool gs_rules_is_whole(const json_t *value, int64_t *out);
/* "a string", "a number", … for messages. */
const char *gs_rules_type_name(const json_t *value);
/* Refuse VALUE: "expected EXPECTED, found a number". */
void gs_rules_refuse_type(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                    const char *expected);
/* The metric that VALUE names, or NULL with the error told. */
const struct gs_metric *gs_rules_read_metric(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path);
/* The number of metric NAME in the reader's list, which it is added to when it is not there; there is room (reader.c). */
size_t gs_rules_metric_number(struct gs_rules_reader *reader, const char *name);
/* "on_incident". */
void gs_rules_read_command(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path, struct gs_rules *rules);
/* The rule that OBJECT describes; that its name is unlike the others' is the caller's care. */
void gs_rules_read_rule(struct gs_rules_reader *reader, const json_t *object, const struct gs_json_path *path, struct gs_rule *rule);

/* ---- what a rule says ------------------------------------------------------------------------------------------------ */

struct gs_threshold {
    bool given;
    bool share;                // value is a share of the metric's limit, else in the metric's unit
    double value;
};
/* Where THRESHOLD lies in the metric's unit; NAN when it is not given, or a share of an unknown limit (0). */
double gs_rules_threshold_line(const struct gs_threshold *threshold, uint64_t limit);
/* It is a share of a limit that is unknown. */
bool gs_rules_threshold_unknown(const struct gs_threshold *threshold, uint64_t limit);
/* "400 MiB", or "80 % of the limit (409.6 MiB of 512 MiB)". */
enum { GS_LINE_TEXT = 96 };
const char *gs_rules_print_threshold(const struct gs_threshold *threshold, enum gs_unit unit, uint64_t limit,
                               char out[GS_LINE_TEXT]);

struct gs_span {               // how far back a window reaches: one of the two
    uint32_t ticks;
    int64_t ns;
};

struct gs_slope {
    double per_second;         // in the metric's unit, or a share of the window's median
    bool share;
};

struct gs_condition {
    const struct gs_condition_kind *kind;
    struct gs_span over;       // zero for those that look at this tick alone
    union {
        struct gs_threshold threshold;                                      // above, below
        struct { double rise; struct gs_threshold min, by; bool has_rise; } jitter;
        struct gs_slope growth;
        struct { double score; struct gs_threshold min; } unusual;
        struct { int64_t ns; } every;
    };
};

struct gs_suppression {           // what keeps a rule silent although a condition holds
    struct gs_threshold unless_above;
    struct { const char *metric; size_t metric_index; enum gs_unit unit; enum gs_share share; struct gs_threshold above, below; } unless;
    double again;              // share above the last incident's value; NAN: "always"
    uint64_t max_per_hour;     // 0: no limit
};

/* ---- windows: the ticks before this one (window.c) --------------------------------------------------------------------- */

enum { GS_WINDOW_POINTS_MAX = 4096 };
struct gs_point {              // one tick, or in a long window some ticks in a row
    int64_t first_ns, last_ns;
    int64_t seen_ns;           // time that these ticks stand for
    double sum;
    uint32_t count;
};
struct gs_window {             // all zero: of a condition that has none
    struct gs_span over;
    int64_t spacing_ns;
    struct gs_point *point;    // a ring
    size_t capacity, oldest, count;
    int64_t began_ns, previous_ns; // time of the first and of the last value it ever got
    bool began;
    int64_t seen_ns;           // of all its points
    uint64_t pushed;           // points that were ever begun
    struct { uint64_t at; double per_second, median; } slope; // of growth: as worked out when AT points had been begun
};
/* POINTS: a window of time holds about that many at most; 0: GS_WINDOW_POINTS_MAX. */
int gs_rules_window_init(struct gs_window *window, struct gs_span over, size_t points, int64_t interval_ns) GS_CHECK_RESULT;
void gs_rules_window_fini(struct gs_window *window);
void gs_rules_window_add(struct gs_window *window, int64_t time_ns, double value, int64_t step_ns);
/* Let go what is too old at NOW_NS. True when the window is full, so that it may be judged against. */
bool gs_rules_window_ready(struct gs_window *window, int64_t now_ns);
const struct gs_point *gs_rules_window_at(const struct gs_window *window, size_t index); // 0: the oldest
double gs_rules_point_value(const struct gs_point *point);                               // its mean
double gs_rules_window_mean(const struct gs_window *window);
int64_t gs_rules_window_reach(const struct gs_window *window, int64_t now_ns);           // from its oldest tick to now
void gs_rules_window_adopt(struct gs_window *window, const struct gs_window *old);
/* "window 6 of 10", or that gaps fill it. */
void gs_rules_window_explain(const struct gs_window *window, int64_t now_ns, char *out, size_t size);

/* ---- ranges (range.c) ------------------------------------------------------------------------------------------------------ */

struct gs_range {              // of values; both ends are in it, unless it is without them
    double from, to;           // NAN: unknown
    bool without_from, without_to;
};
struct gs_range gs_rules_range_above(double line);
struct gs_range gs_rules_range_below(double line);
struct gs_range gs_rules_range_from(double least);
/* False when an end that decides is unknown. */
bool gs_rules_range_ends_before(const struct gs_range *low, const struct gs_range *high); // no value of LOW reaches the first of HIGH
bool gs_rules_range_is_apart(const struct gs_range *a, const struct gs_range *b);          // they have no value in common
bool gs_rules_range_lies_within(const struct gs_range *inner, const struct gs_range *outer);

/* ---- advice (advice.c): rules that are right, and surely not meant ------------------------------------------------------- */

struct gs_advisor {            // one rule under advice
    const struct gs_rules *rules;
    const struct gs_machine *machine;
    const struct gs_rule *rule;
    const struct gs_json_path *path; // of the rule
    struct gs_errors *warnings;
};
/* Warn of the value at PATH; HINT may be NULL. */
void gs_rules_warn_at(const struct gs_advisor *advisor, const struct gs_json_path *path, const char *hint, const char *format,
               ...) GS_PRINTF(4, 5);
/* Warn that the value at PATH is a share of a limit that nobody knows. */
void gs_rules_warn_unknown(const struct gs_advisor *advisor, enum gs_share share, const struct gs_json_path *path);
/* What shares are shares of on the advisor's machine; 0: unknown, or known only to the program itself. */
uint64_t gs_rules_limit_of(const struct gs_advisor *advisor, enum gs_share share);
/* The values that METRIC can have on the machine. */
struct gs_range gs_rules_reachable_values(const struct gs_advisor *advisor, const struct gs_metric *metric);
/* How long a window of OVER is. */
int64_t gs_rules_span_ns(const struct gs_advisor *advisor, struct gs_span over);

/* ---- conditions (conditions.c has the table, each row a file) ------------------------------------------------------------- */

struct gs_condition_inputs {              // what a condition sees at one tick
    int64_t now_ns;
    double value;              // NAN for a rule without a metric
    const char *metric;
    enum gs_unit unit;
    uint64_t limit;            // what shares are shares of, in the metric's unit; 0: unknown
    struct gs_window *window;  // the ticks before this one
    int64_t due_ns;            // for every
    int64_t held_ns;           // how long the condition has been true; 0 where the rule does not ask
    double *scratch;           // GS_SCRATCH of them
};
enum { GS_MEAN_POINTS_MAX = 240, GS_SLOPE_POINTS_MAX = 120, GS_SCRATCH = GS_SLOPE_POINTS_MAX * (GS_SLOPE_POINTS_MAX - 1) / 2 };

enum gs_condition_answer { GS_CANNOT_TELL, GS_NO, GS_YES };
struct gs_evaluation {
    enum gs_condition_answer answer;
    double line;               // in the metric's unit; NAN: none
    double usual;              // what the value was compared with: mean, median
    double measured;           // rise, slope a second, score
    double spread;             // of unusual; of growth the slope that was asked for
    int64_t window_ns;
};

struct gs_condition_kind {
    const char *name;
    /* Read VALUE into CONDITION. Only called with a metric, except for every. */
    void (*read)(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                 const struct gs_subject *subject, struct gs_condition *condition);
    struct gs_evaluation (*judge)(const struct gs_condition *condition, const struct gs_condition_inputs *inputs);
    /* The finding in a few words: the reason when it is yes, else why not. */
    void (*explain)(const struct gs_condition *condition, const struct gs_condition_inputs *inputs,
                    const struct gs_evaluation *evaluation, char *out, size_t size);
    bool downward;             // worse is lower
    bool without_metric;
    size_t points;             // that its window holds at most, where that is less than GS_WINDOW_POINTS_MAX
    /* The values at which it can hold, and in *KEY which member says so (NULL: the condition itself). NULL: any. */
    struct gs_range (*range)(const struct gs_condition *condition, uint64_t limit, const char **key);
    /* Warn of its own figures at PATH. NULL: there is nothing to warn of. */
    void (*advise)(const struct gs_advisor *advisor, const struct gs_condition *condition,
                   const struct gs_json_path *path);
};
extern const struct gs_condition_kind gs_condition_kinds[]; // ends with a NULL name

#define GS_CONDITION(name)                                                                                     \
    void gs_rules_##name##_read(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,        \
                          const struct gs_subject *subject, struct gs_condition *condition);                  \
    struct gs_evaluation gs_rules_##name##_judge(const struct gs_condition *condition, const struct gs_condition_inputs *inputs);  \
    void gs_rules_##name##_explain(const struct gs_condition *condition, const struct gs_condition_inputs *inputs,              \
                             const struct gs_evaluation *evaluation, char *out, size_t size)
GS_CONDITION(above);
GS_CONDITION(below);
GS_CONDITION(jitter);
GS_CONDITION(growth);
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
GS_ADVISE(unusual);

/* Words of reasons (explain.c): "10 ticks", "30 m"; " for 10 s" where the rule has to hold, else "". */
const char *gs_rules_print_span(struct gs_span over, char out[GS_UNIT_TEXT]);
const char *gs_rules_print_held(const struct gs_condition_inputs *inputs, char out[GS_UNIT_TEXT]);

/* ---- what judging remembers (judge.c, adopt.c, state.c) ------------------------------------------------------------------- */

struct gs_condition_state {              // of one condition
    struct gs_window window;
    struct gs_evaluation evaluation; // at the last tick that it was judged at
    bool judged, holds;        // holds: true at the last tick that could tell
    bool quiet;                // it was false since the rule's last incident
    int64_t held_ns;           // how long it has held, gaps left out
    int64_t told_ns;           // the last tick that could tell
    int64_t due_ns;            // for every; INT64_MIN: not known before the first tick
    bool quiet_before;         // as they were before the rule fired
    int64_t due_before_ns;
};

struct gs_hour {               // at most ROOM incidents an hour; 0: no limit
    int64_t *time_ns;          // a ring of the last ROOM incidents' times
    size_t room, count, next;
    int64_t full_until_ns;     // with the incidents of other processes
};
int gs_rules_hour_init(struct gs_hour *hour, uint64_t room) GS_CHECK_RESULT;
void gs_rules_hour_fini(struct gs_hour *hour);
bool gs_rules_hour_has_room(const struct gs_hour *hour, int64_t now_ns);
void gs_rules_hour_add(struct gs_hour *hour, int64_t now_ns);
void gs_rules_hour_take_back(struct gs_hour *hour); // the one that was added last; an older one may be lost to it
void gs_rules_hour_adopt(struct gs_hour *hour, const struct gs_hour *old);

enum gs_held_back { GS_NOT_HELD_BACK, GS_BY_UNLESS_ABOVE, GS_BY_UNLESS, GS_BY_RULES_HOUR, GS_BY_ALL_HOUR };

struct gs_rule_record {             // of one rule
    struct gs_condition_state *trial;    // one for each condition
    double value;              // last seen; NAN: none yet
    double unless_value;       // of the metric of "unless"
    uint64_t fired, suppressed;
    bool busy;                 // its incident is being captured
    int64_t cool_until_ns;     // INT64_MIN: not cooling
    double incident_value;     // of its last incident; NAN: there was none that counts
    double value_before;       // of the one before that
    enum gs_held_back held_back;
    struct gs_hour hour;
};

struct gs_judge {
    const struct gs_rules *rules;
    uint64_t limit[GS_SHARES];
    struct gs_rule_record *record;  // one for each rule
    struct gs_hour hour;       // of all rules together
    double *scratch;
};

/* The condition to speak of: one that holds, else the one whose line is nearest to the value, else the first. */
size_t gs_rules_judge_nearest(const struct gs_rule *rule, const struct gs_rule_record *record);
struct gs_condition_inputs gs_rules_judge_sight(const struct gs_judge *judge, size_t rule, size_t condition, int64_t now_ns);
/* The condition has been true for as long as its rule asks; a tick of STEP_NS need not be punctual. */
bool gs_rules_judge_held(const struct gs_rule *rule, const struct gs_rule_record *record, size_t condition, int64_t step_ns);
/* The condition may fire: it was quiet since the last incident, or stands at a new high (*LINE, if it is waited
 * for; NAN else). */
bool gs_rules_judge_may_again(const struct gs_rule *rule, const struct gs_rule_record *record, size_t condition, double *line);
