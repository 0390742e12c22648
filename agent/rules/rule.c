/* rule.c - reads one rule of the file and checks which members can be combined.
 *
 * The metric is read first, wherever it is in the text, because the syntax of "above" depends on it. Conditions are read
 * in the order of their table, which is the order in which they are judged.
 * Who: read.c. */
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FIELDS_MAX = 40, CONDITIONS_MAX = 16 };

static const double day_ns = 86400e9;

struct draft { // the rule's members, while they are read
    const char *name, *why;
    int64_t for_ns, cooldown_ns;
    unsigned capture;
    struct gs_suppression suppression;
    struct gs_condition condition[CONDITIONS_MAX];
    size_t condition_count;
};

/* ---- members with their own reader ---------------------------------------------------------------------------------- */

static bool name_is_good(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");
    return name[length] == 0 && length >= 1 && length <= GS_RULE_NAME_MAX;
}

static GS_FIELD_READER(read_name)
{
    (void)field;
    if (!json_is_string(value)) {
        gs_rules_refuse_type(reader, value, path, "a string");
        return;
    }
    const char *name = json_string_value(value);
    if (!name_is_good(name))
        gs_rules_refuse(reader, path, GS_THE_VALUE, "a rule's name is 1 to 40 of a-z 0-9 . _ -",
                        "bad name \"%.60s\"", name);
    *(const char **)into = gs_rules_copy_text(reader, name);
}

static GS_FIELD_READER(read_again)
{
    double *again = into;
    const char *text = json_string_value(value);
    if (!text)
        gs_rules_refuse_type(reader, value, path, "a percentage such as \"10%\", or \"always\"");
    else if (!strcmp(text, "always"))
        *again = NAN;
    else if (strchr("-.0123456789", text[0]))
        gs_field_share(reader, value, path, field, into);
    else
        gs_rules_refuse(reader, path, GS_THE_VALUE, NULL,
                        "expected a percentage such as \"10%%\", or \"always\", found \"%.40s\"", text);
}

/* The kind of evidence that VALUE names; 0: the error is reported. */
static unsigned read_kind(struct gs_rules_reader *reader, const json_t *value,
                          const struct gs_json_path *path)
{
    char hint[GS_HINT_TEXT];
    if (!json_is_string(value)) {
        gs_rules_refuse_type(reader, value, path, "the name of a kind of evidence");
        return 0;
    }
    const char *name = json_string_value(value);
    for (size_t i = 0; i < gs_kinds_count(); i++)
        if (!strcmp(gs_kinds[i].name, name))
            return gs_kinds[i].kind;
    gs_errors_suggest(name, &gs_kinds[0].name, gs_kinds_count(), sizeof gs_kinds[0], NULL, hint);
    gs_rules_refuse(reader, path, GS_THE_VALUE, hint, "unknown kind of evidence \"%.40s\"", name);
    return 0;
}

static GS_FIELD_READER(read_capture)
{
    (void)field;
    unsigned *capture = into, kinds = 0;
    if (!json_is_array(value)) {
        gs_rules_refuse_type(reader, value, path, "an array such as [\"heap\", \"threads\"]");
        return;
    }
    if (json_array_size(value) == 0)
        gs_rules_refuse(reader, path, GS_THE_VALUE, "leave it out to capture what goes with the metric",
                        "\"capture\" is empty");
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct gs_json_path element = {.up = path, .index = i};
        unsigned kind = read_kind(reader, json_array_get(value, i), &element);
        if (kinds & kind)
            gs_rules_refuse(reader, &element, GS_THE_VALUE, NULL, "\"%.40s\" is captured already",
                            json_string_value(json_array_get(value, i)));
        kinds |= kind;
    }
    *capture = kinds;
}

struct unless_fields {
    const char *why;
    struct gs_threshold above, below;
};

static GS_FIELD_READER(read_unless)
{
    (void)field;
    struct gs_suppression *suppression = into;
    const json_t *name = json_object_get(value, "metric");
    struct gs_json_path name_path = {.up = path, .key = "metric"};
    if (json_is_object(value) && !name) {
        gs_rules_refuse(reader, path, GS_THE_VALUE, "add \"metric\": \"cpu\"", "\"unless\" needs a metric");
        return;
    }
    struct gs_subject subject = {.name = json_string_value(name)};
    subject.metric = name ? gs_rules_read_metric(reader, name, &name_path) : NULL;
    // clang-format off
    const struct gs_field fields[] = {
        {"metric", gs_field_elsewhere, 0, 0, 0, false, NULL},
        {"above",  gs_field_threshold, offsetof(struct unless_fields, above), 0, 0, false, &subject},
        {"below",  gs_field_threshold, offsetof(struct unless_fields, below), 0, 0, false, &subject},
        GS_FIELD_WHY(struct unless_fields),
    };
    // clang-format on
    struct unless_fields written = {0};
    if (!gs_rules_read_fields(reader, value, path, GS_FIELDS(fields), &written))
        return;
    if (!json_object_get(value, "above") && !json_object_get(value, "below"))
        gs_rules_refuse(reader, path, GS_THE_VALUE, NULL, "\"unless\" needs \"above\" or \"below\"");
    if (!subject.metric)
        return;
    suppression->unless.metric = gs_rules_copy_text(reader, subject.name);
    if (!suppression->unless.metric)
        return;
    suppression->unless.metric_index = gs_rules_metric_number(reader, suppression->unless.metric);
    suppression->unless.unit = subject.metric->unit;
    suppression->unless.share = subject.metric->share;
    suppression->unless.above = written.above;
    suppression->unless.below = written.below;
}

/* ---- combinations ------------------------------------------------------------------------------------------- */

static bool has_member(const json_t *object, const char *key)
{
    return json_object_get(object, key) != NULL;
}

/* Report an error if the rule at PATH has member KEY: "KEY" WHAT. */
static void refuse_member(struct gs_rules_reader *reader, const json_t *object,
                          const struct gs_json_path *path, const char *key, const char *hint,
                          const char *what)
{
    struct gs_json_path member = {.up = path, .key = key};
    if (has_member(object, key))
        gs_rules_refuse(reader, &member, GS_THE_KEY, hint, "\"%s\" %s", key, what);
}

static bool has_condition_on_metric(const json_t *object)
{
    for (const struct gs_condition_kind *kind = gs_condition_kinds; kind->name; kind++)
        if (!kind->without_metric && has_member(object, kind->name))
            return true;
    return false;
}

/* Refuse conditions without a metric, a metric without conditions, and a rule without any condition. */
static void check_subject(struct gs_rules_reader *reader, const json_t *object,
                          const struct gs_json_path *path)
{
    static const char add_metric[] = "add \"metric\": \"rss\"";
    bool has_metric = has_member(object, "metric"), judges_metric = has_condition_on_metric(object);
    for (const struct gs_condition_kind *kind = gs_condition_kinds; kind->name && !has_metric; kind++)
        if (!kind->without_metric)
            refuse_member(reader, object, path, kind->name, add_metric, "needs a metric");
    if (!has_metric)
        refuse_member(reader, object, path, "unless_above", add_metric, "needs a metric");
    if (has_metric && !judges_metric)
        refuse_member(reader, object, path, "metric",
                      "add \"above\", \"below\", \"jitter\", \"growth\", \"reaches\" or \"unusual\"",
                      "has no condition");
    if (!has_metric && !judges_metric && !has_member(object, "every"))
        gs_rules_refuse(reader, path, GS_THE_VALUE, "add \"metric\" and \"above\", or \"every\"",
                        "the rule has no condition");
    if (has_member(object, "every") && !judges_metric) {
        refuse_member(reader, object, path, "for", NULL, "has no meaning for \"every\"");
        refuse_member(reader, object, path, "again", NULL, "has no meaning for \"every\"");
    }
}

static const struct gs_condition *find_condition(const struct draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->condition_count; i++)
        if (!strcmp(draft->condition[i].kind->name, name))
            return &draft->condition[i];
    return NULL;
}

/* HIGH and LOW have the same unit, and HIGH is not higher than LOW. */
static bool not_above(const struct gs_threshold *high, const struct gs_threshold *low)
{
    return high->given && low->given && high->share == low->share && high->value <= low->value;
}

/* Refuse lines with which the rule can never fire, or always fires. */
static void check_lines(struct gs_rules_reader *reader, const json_t *object, const struct gs_json_path *path,
                        const struct draft *draft)
{
    const struct gs_condition *above = find_condition(draft, "above"),
                              *below = find_condition(draft, "below");
    const struct gs_condition *every = find_condition(draft, "every");
    struct gs_json_path unless_above = {.up = path, .key = "unless_above"},
                        above_path = {.up = path, .key = "above"};
    struct gs_json_path cooldown = {.up = path, .key = "cooldown"};
    if (above && not_above(&draft->suppression.unless_above, &above->threshold))
        gs_rules_refuse(reader, &unless_above, GS_THE_VALUE, "it must be higher than \"above\"",
                        "\"unless_above\" is not higher than \"above\": the rule could never fire");
    if (above && below && not_above(&above->threshold, &below->threshold))
        gs_rules_refuse(reader, &above_path, GS_THE_VALUE, NULL,
                        "\"above\" is not higher than \"below\": one of them always holds");
    if (every && has_member(object, "cooldown") && draft->cooldown_ns > every->every.ns &&
        every->every.ns > 0)
        gs_rules_refuse(reader, &cooldown, GS_THE_VALUE, NULL, "\"cooldown\" is longer than \"every\"");
}

/* ---- the rule --------------------------------------------------------------------------------------------------------- */

/* Make the rows for all members: the fixed ones, and one for each condition. */
static size_t list_fields(const struct gs_subject *subject, struct gs_field out[FIELDS_MAX])
{
    // clang-format off
    const struct gs_field fixed[] = {
        {"name",         read_name,          offsetof(struct draft, name), 0, 0, false, NULL},
        GS_FIELD_WHY(struct draft),
        {"metric",       gs_field_elsewhere, 0, 0, 0, false, NULL},
        {"for",          gs_field_duration,  offsetof(struct draft, for_ns), 0, day_ns, false, NULL},
        {"cooldown",     gs_field_duration,  offsetof(struct draft, cooldown_ns), 0, 30 * day_ns, false, NULL},
        {"again",        read_again,         offsetof(struct draft, suppression.again), 0, 100, false, NULL},
        {"unless_above", gs_field_threshold, offsetof(struct draft, suppression.unless_above), 0, 0, false, subject},
        {"unless",       read_unless,        offsetof(struct draft, suppression), 0, 0, false, NULL},
        {"max_per_hour", gs_field_count,     offsetof(struct draft, suppression.max_per_hour), 0, 1000, false, NULL},
        {"capture",      read_capture,       offsetof(struct draft, capture), 0, 0, false, NULL},
    };
    // clang-format on
    size_t count = sizeof fixed / sizeof fixed[0];
    memcpy(out, fixed, sizeof fixed);
    for (const struct gs_condition_kind *kind = gs_condition_kinds; kind->name && count < FIELDS_MAX; kind++)
        out[count++] = (struct gs_field){.key = kind->name, .read = gs_field_elsewhere};
    return count;
}

static void read_conditions(struct gs_rules_reader *reader, const json_t *object,
                            const struct gs_json_path *path, const struct gs_subject *subject,
                            struct draft *draft)
{
    for (const struct gs_condition_kind *kind = gs_condition_kinds; kind->name; kind++) {
        struct gs_json_path member = {.up = path, .key = kind->name};
        const json_t *value = json_object_get(object, kind->name);
        bool readable = kind->without_metric || subject->metric;
        if (!value || !readable || draft->condition_count == CONDITIONS_MAX)
            continue;
        struct gs_condition *condition = &draft->condition[draft->condition_count++];
        condition->kind = kind;
        kind->read(reader, value, &member, subject, condition);
    }
}

static struct gs_subject read_subject(struct gs_rules_reader *reader, const json_t *object,
                                      const struct gs_json_path *path)
{
    const json_t *name = json_object_get(object, "metric");
    struct gs_json_path member = {.up = path, .key = "metric"};
    const struct gs_metric *metric = name ? gs_rules_read_metric(reader, name, &member) : NULL;
    const char *name_copy = metric ? gs_rules_copy_text(reader, json_string_value(name)) : NULL;
    if (!name_copy)
        return (struct gs_subject){NULL, NULL};
    (void)gs_rules_metric_number(reader,
                                 name_copy); // before that of "unless", to keep the order of first use
    return (struct gs_subject){metric, name_copy};
}

static void *copy_memory(struct gs_rules_reader *reader, const void *from, size_t size)
{
    void *copy = gs_rules_allocate(reader, size);
    return copy ? memcpy(copy, from, size) : NULL;
}

static void fill_rule(struct gs_rules_reader *reader, const struct gs_subject *subject,
                      const struct draft *draft, struct gs_rule *rule)
{
    rule->name = draft->name;
    rule->why = draft->why;
    rule->metric = subject->metric ? subject->name : NULL;
    rule->metric_index = rule->metric ? gs_rules_metric_number(reader, rule->metric) : SIZE_MAX;
    rule->unit = subject->metric ? subject->metric->unit : GS_COUNT;
    rule->share = subject->metric ? subject->metric->share : GS_OF_NOTHING;
    rule->capture = draft->capture;
    rule->for_ns = draft->for_ns;
    rule->cooldown_ns = draft->cooldown_ns;
    rule->condition =
        copy_memory(reader, draft->condition, draft->condition_count * sizeof draft->condition[0]);
    rule->condition_count = rule->condition ? draft->condition_count : 0;
    rule->suppression = copy_memory(reader, &draft->suppression, sizeof draft->suppression);
}

void gs_rules_read_rule(struct gs_rules_reader *reader, const json_t *object, const struct gs_json_path *path,
                        struct gs_rule *rule)
{
    struct gs_subject subject = read_subject(reader, object, path);
    struct draft draft = {0};
    struct gs_field fields[FIELDS_MAX];
    size_t count = list_fields(&subject, fields);
    gs_rules_read_defaults(reader, "rule", NULL, path, fields, count, &draft);
    if (subject.metric && strcmp(subject.name, "cpu") == 0)
        gs_rules_read_defaults(reader, "rule on cpu", NULL, path, fields, count, &draft);
    else if (has_member(object, "every") && !has_condition_on_metric(object))
        gs_rules_read_defaults(reader, "rule without metric", NULL, path, fields, count, &draft);
    if (!gs_rules_read_fields(reader, object, path, fields, count, &draft))
        return;
    read_conditions(reader, object, path, &subject, &draft);
    if (!has_member(object, "name"))
        gs_rules_refuse(reader, path, GS_THE_VALUE, "add \"name\": \"rss-high\"", "the rule has no name");
    check_subject(reader, object, path);
    check_lines(reader, object, path, &draft);
    fill_rule(reader, &subject, &draft, rule);
}
