/* rule.c - one rule of the file: its members, and those that do not go together.
 *
 * The metric is read first, wherever it stands: what "above" may say depends on it.
 * Who: read.c. */
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CONDITIONS_MAX = 8 };
static const int64_t DEFAULT_COOLDOWN_NS = 600 * 1000000000LL;
static const double DEFAULT_AGAIN = 0.10, DAY_NS = 86400e9;

struct draft {                 // a rule while it is read
    const char *name, *why;
    int64_t for_ns, cooldown_ns;
    unsigned capture;
    struct gs_hold_off hold_off;
    struct gs_condition condition[CONDITIONS_MAX];
    size_t condition_count;
};

/* ---- members of their own kind --------------------------------------------------------------------------------------- */

static bool name_is_good(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");
    return name[length] == 0 && length >= 1 && length <= GS_RULE_NAME_MAX;
}

GS_FIELD_READER(read_name);
GS_FIELD_READER(read_name)
{
    (void)field;
    if (!json_is_string(value)) {
        gs_refuse_type(reader, value, place, "a string");
        return;
    }
    const char *name = json_string_value(value);
    if (!name_is_good(name))
        gs_refuse(reader, place, GS_THE_VALUE, "it becomes part of a folder's name",
                  "bad name \"%.60s\": a rule's name is 1 to %d of a-z 0-9 . _ -", name, GS_RULE_NAME_MAX);
    const char *copy = gs_keep_text(reader, name);
    memcpy(into, &copy, sizeof copy);
}

/* One word of "capture". */
static unsigned read_kind(struct gs_reader *reader, const json_t *value, const struct gs_place *place)
{
    char hint[96] = "this version captures";
    if (!json_is_string(value)) {
        gs_refuse_type(reader, value, place, "the name of a kind, such as \"heap\"");
        return 0;
    }
    for (const struct gs_kind_name *kind = gs_kinds; kind->name; kind++) {
        if (strcmp(kind->name, json_string_value(value)) == 0)
            return (unsigned)kind->kind;
        size_t used = strlen(hint);
        snprintf(hint + used, sizeof hint - used, " \"%s\"", kind->name);
    }
    const char *meant = gs_nearest(json_string_value(value), &gs_kinds[0].name, gs_kind_count(), sizeof gs_kinds[0]);
    if (meant)
        snprintf(hint, sizeof hint, "did you mean \"%s\"?", meant);
    gs_refuse(reader, place, GS_THE_VALUE, hint, "cannot capture \"%.60s\"", json_string_value(value));
    return 0;
}

GS_FIELD_READER(read_capture);
GS_FIELD_READER(read_capture)
{
    (void)field;
    unsigned kinds = 0;
    if (!json_is_array(value)) {
        gs_refuse_type(reader, value, place, "a list such as [\"heap\", \"threads\"]");
        return;
    }
    if (json_array_size(value) == 0)
        gs_refuse(reader, place, GS_THE_VALUE, "name at least \"heap\" or \"threads\"", "nothing to capture");
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct gs_place element = {.up = place, .index = i};
        unsigned kind = read_kind(reader, json_array_get(value, i), &element);
        if (kinds & kind)
            gs_refuse(reader, &element, GS_THE_VALUE, NULL, "\"%s\" stands twice",
                      json_string_value(json_array_get(value, i)));
        kinds |= kind;
    }
    memcpy(into, &kinds, sizeof kinds);
}

GS_FIELD_READER(read_again);
GS_FIELD_READER(read_again)
{
    double again = NAN; // always
    if (!json_is_string(value) || strcmp(json_string_value(value), "always") != 0) {
        struct gs_field bounds = *field;
        again = DEFAULT_AGAIN;
        gs_field_share(reader, value, place, &bounds, &again);
    }
    memcpy(into, &again, sizeof again);
}

/* "unless": the same as unless_above, on another metric. */
GS_FIELD_READER(read_unless);
GS_FIELD_READER(read_unless)
{
    struct { const char *why; struct gs_threshold above, below; } written = {0};
    struct gs_hold_off *hold_off = into;
    (void)field;
    const json_t *name = json_object_get(value, "metric");
    struct gs_place name_place = {.up = place, .key = "metric"};
    struct gs_subject subject = {.name = json_string_value(name)};
    if (name)
        subject.metric = gs_read_metric(reader, name, &name_place);
    // clang-format off
    const struct gs_field fields[] = {
        {"metric", gs_field_elsewhere, 0, 0, 0, false, NULL},
        {"above",  gs_field_threshold, (size_t)((char *)&written.above - (char *)&written), 0, 0, false, &subject},
        {"below",  gs_field_threshold, (size_t)((char *)&written.below - (char *)&written), 0, 0, false, &subject},
        {"why",    gs_field_text,      0, 0, GS_TEXT_MAX, false, NULL},
    };
    // clang-format on
    if (!gs_read_fields(reader, value, place, GS_FIELDS(fields), &written))
        return;
    if (!name)
        gs_refuse(reader, place, GS_THE_VALUE, "add \"metric\": \"cpu\"", "\"unless\" needs a \"metric\"");
    else if (!json_object_get(value, "above") && !json_object_get(value, "below"))
        gs_refuse(reader, place, GS_THE_VALUE, "add \"above\" or \"below\"", "\"unless\" needs a line");
    if (!subject.metric)
        return;
    hold_off->unless.metric = gs_keep_text(reader, subject.name);
    hold_off->unless.unit = subject.metric->unit;
    hold_off->unless.above = written.above;
    hold_off->unless.below = written.below;
}

/* ---- conditions --------------------------------------------------------------------------------------------------------- */

/* Read those conditions that the table knows, in its order: the first that holds names the incident. */
static void read_conditions(struct gs_reader *reader, const json_t *object, const struct gs_place *place,
                            const struct gs_subject *subject, struct draft *draft)
{
    for (const struct gs_condition_kind *kind = gs_condition_kinds; kind->name; kind++) {
        const json_t *value = json_object_get(object, kind->name);
        struct gs_place member = {.up = place, .key = kind->name};
        if (!value)
            continue;
        if (!kind->without_metric && !subject->name) {
            gs_refuse(reader, &member, GS_THE_KEY, "add \"metric\": \"rss\"", "\"%s\" needs a metric", kind->name);
            continue;
        }
        if (!kind->without_metric && !subject->metric)
            continue; // unknown, which is reported already
        struct gs_condition *condition = &draft->condition[draft->condition_count++];
        condition->kind = kind;
        kind->read(reader, value, &member, subject, condition);
    }
}

/* ---- what does not go together ---------------------------------------------------------------------------------------- */

static bool comparable(const struct gs_threshold *a, const struct gs_threshold *b)
{
    return a->given && b->given && a->share == b->share;
}

static const struct gs_threshold *line_of(const struct draft *draft, const char *kind)
{
    static const struct gs_threshold none;
    for (size_t i = 0; i < draft->condition_count; i++)
        if (strcmp(draft->condition[i].kind->name, kind) == 0)
            return &draft->condition[i].threshold;
    return &none;
}

static bool has_metric_condition(const json_t *object)
{
    for (const struct gs_condition_kind *kind = gs_condition_kinds; kind->name; kind++)
        if (!kind->without_metric && json_object_get(object, kind->name))
            return true;
    return false;
}

static void refuse_contradictions(struct gs_reader *reader, const json_t *object, const struct gs_place *place,
                                  const struct draft *draft)
{
    const struct gs_threshold *above = line_of(draft, "above"), *below = line_of(draft, "below");
    const struct gs_threshold *unless = &draft->hold_off.unless_above;
    struct gs_place unless_place = {.up = place, .key = "unless_above"}, below_place = {.up = place, .key = "below"};
    struct gs_place for_place = {.up = place, .key = "for"}, metric_place = {.up = place, .key = "metric"};
    bool conditions = has_metric_condition(object), every = json_object_get(object, "every") != NULL;
    if (comparable(unless, above) && unless->value <= above->value)
        gs_refuse(reader, &unless_place, GS_THE_VALUE, "put it above the line of \"above\"",
                  "\"unless_above\" is not above \"above\": the rule could never fire");
    if (comparable(below, above) && below->value > above->value)
        gs_refuse(reader, &below_place, GS_THE_VALUE, "put it below the line of \"above\"",
                  "\"below\" is above \"above\": the rule would always fire");
    if (json_object_get(object, "for") && every && !conditions)
        gs_refuse(reader, &for_place, GS_THE_KEY, NULL, "\"for\" says nothing beside \"every\" alone");
    if (json_object_get(object, "metric") && !conditions)
        gs_refuse(reader, &metric_place, GS_THE_KEY, "add \"above\", \"below\", \"jitter\", \"growth\" or \"unusual\"",
                  "the rule has a metric but no condition on it");
    else if (!conditions && !every)
        gs_refuse(reader, place, GS_THE_VALUE, "add \"metric\" and \"above\", say, or \"every\"",
                  "the rule could never fire: it has no condition");
    if (!json_object_get(object, "metric") && json_object_get(object, "unless_above"))
        gs_refuse(reader, &unless_place, GS_THE_KEY, "add \"metric\"", "\"unless_above\" needs a metric");
}

/* ---- the rule -------------------------------------------------------------------------------------------------------------- */

static void finish(struct gs_reader *reader, const struct draft *draft, const struct gs_subject *subject,
                   struct gs_rule *rule)
{
    struct gs_condition *condition = gs_keep(reader, (draft->condition_count + 1) * sizeof *condition);
    struct gs_hold_off *hold_off = gs_keep(reader, sizeof *hold_off);
    *rule = (struct gs_rule){
        .name = draft->name,
        .why = draft->why,
        .metric_index = SIZE_MAX,
        .capture = draft->capture,
        .for_ns = draft->for_ns,
        .cooldown_ns = draft->cooldown_ns,
        .condition = condition,
        .condition_count = condition ? draft->condition_count : 0,
        .hold_off = hold_off,
    };
    if (condition)
        memcpy(condition, draft->condition, draft->condition_count * sizeof *condition);
    if (hold_off)
        *hold_off = draft->hold_off;
    if (subject->metric) {
        rule->metric = gs_keep_text(reader, subject->name);
        rule->unit = subject->metric->unit;
    }
}

void gs_read_rule(struct gs_reader *reader, const json_t *object, const struct gs_place *place, struct gs_rule *rule)
{
    struct draft draft = {.cooldown_ns = DEFAULT_COOLDOWN_NS, .capture = GS_HEAP | GS_THREADS,
                          .hold_off.again = DEFAULT_AGAIN};
    const json_t *metric = json_object_get(object, "metric");
    struct gs_place metric_place = {.up = place, .key = "metric"};
    struct gs_subject subject = {.name = metric ? json_string_value(metric) : NULL};
    if (metric)
        subject.metric = gs_read_metric(reader, metric, &metric_place);
    if (metric && !subject.name)
        subject.name = ""; // not a string, which is reported already
    // clang-format off
    const struct gs_field fields[] = {
        {"name",         read_name,          offsetof(struct draft, name), 0, 0, false, NULL},
        {"why",          gs_field_text,      offsetof(struct draft, why), 0, GS_TEXT_MAX, false, NULL},
        {"metric",       gs_field_elsewhere, 0, 0, 0, false, NULL},
        {"above",        gs_field_elsewhere, 0, 0, 0, false, NULL},
        {"below",        gs_field_elsewhere, 0, 0, 0, false, NULL},
        {"jitter",       gs_field_elsewhere, 0, 0, 0, false, NULL},
        {"growth",       gs_field_elsewhere, 0, 0, 0, false, NULL},
        {"unusual",      gs_field_elsewhere, 0, 0, 0, false, NULL},
        {"every",        gs_field_elsewhere, 0, 0, 0, false, NULL},
        {"for",          gs_field_duration,  offsetof(struct draft, for_ns), 1e6, DAY_NS, true, NULL},
        {"cooldown",     gs_field_duration,  offsetof(struct draft, cooldown_ns), 1e6, 365 * DAY_NS, true, NULL},
        {"capture",      read_capture,       offsetof(struct draft, capture), 0, 0, false, NULL},
        {"again",        read_again,         offsetof(struct draft, hold_off.again), 0.001, 100, false, NULL},
        {"unless_above", gs_field_threshold, offsetof(struct draft, hold_off.unless_above), 0, 0, false, &subject},
        {"unless",       read_unless,        offsetof(struct draft, hold_off), 0, 0, false, NULL},
        {"max_per_hour", gs_field_count,     offsetof(struct draft, hold_off.max_per_hour), 1, 3600, false, NULL},
    };
    // clang-format on
    if (!gs_read_fields(reader, object, place, GS_FIELDS(fields), &draft))
        return;
    if (!json_object_get(object, "name"))
        gs_refuse(reader, place, GS_THE_VALUE, "add \"name\": \"heap-high\"", "the rule has no name");
    read_conditions(reader, object, place, &subject, &draft);
    refuse_contradictions(reader, object, place, &draft);
    finish(reader, &draft, &subject, rule);
}
