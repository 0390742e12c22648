/* read.c - a rules file, from text to rules that are right in every part, or to the list of all that is wrong.
 *
 * Settings are read before the rules, wherever they stand: a window's bounds depend on the interval. Errors are put
 * into the file's order at the end. Who: gs_rules_read's callers. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/sort.h"
#include "rules/inside.h"
#include <limits.h>
#include <string.h>

enum { RULES_MAX = 1000, LABELS_MAX = 64 };
static const double MS = 1e6, S = 1e9, HOUR = 3600e9, DAY = 86400e9, KiB = 1024, MiB = 1 << 20, GiB = 1 << 30;

static const struct gs_place document_itself;

struct file {                  // the rules and what they are kept in; rules first: gs_rules_free gets them
    struct gs_rules rules;
    struct gs_kept *kept;
};

/* ---- sections ----------------------------------------------------------------------------------------------------- */

GS_FIELD_READER(read_version);
GS_FIELD_READER(read_version)
{
    (void)field, (void)into;
    if (!json_is_integer(value))
        gs_refuse_type(reader, value, place, "1");
    else if (json_integer_value(value) != 1)
        gs_refuse(reader, place, GS_THE_VALUE, "write 1", "this gumshoe reads version 1 of rules files, not %lld",
                  (long long)json_integer_value(value));
}

GS_FIELD_READER(read_heap);
GS_FIELD_READER(read_heap)
{
    struct { uint64_t sample; uint64_t depth; int64_t baseline; const char *why; } written;
    struct gs_rules *rules = into;
    (void)field;
    written.sample = rules->heap.sample_bytes;
    written.depth = rules->heap.depth;
    written.baseline = rules->heap.baseline_ns;
    // clang-format off
    const struct gs_field fields[] = {
        {"sample",   gs_field_size,     0,                     KiB, GiB, false, NULL},
        {"depth",    gs_field_count,    sizeof(uint64_t),      1, 256, false, NULL},
        {"baseline", gs_field_duration, 2 * sizeof(uint64_t),  S, 30 * DAY, false, NULL},
        {"why",      gs_field_text,     3 * sizeof(uint64_t),  0, GS_TEXT_MAX, false, NULL},
    };
    // clang-format on
    gs_read_fields(reader, value, place, GS_FIELDS(fields), &written);
    rules->heap.sample_bytes = written.sample;
    rules->heap.depth = (uint32_t)written.depth;
    rules->heap.baseline_ns = written.baseline;
}

GS_FIELD_READER(read_incidents);
GS_FIELD_READER(read_incidents)
{
    // clang-format off
    static const struct gs_field fields[] = {
        {"dir",          gs_field_text,     offsetof(struct gs_rules, incidents.dir), 1, PATH_MAX - 1, false, NULL},
        {"keep",         gs_field_count,    offsetof(struct gs_rules, incidents.keep), 1, 1e6, true, NULL},
        {"max_bytes",    gs_field_size,     offsetof(struct gs_rules, incidents.max_bytes), MiB, 0x1p62, true, NULL},
        {"max_age",      gs_field_duration, offsetof(struct gs_rules, incidents.max_age_ns), 60 * S, 3650 * DAY, true, NULL},
        {"max_per_hour", gs_field_count,    offsetof(struct gs_rules, incidents.max_per_hour), 1, 3600, true, NULL},
        {"why",          gs_field_elsewhere, 0, 0, 0, false, NULL},
    };
    // clang-format on
    (void)field;
    gs_read_fields(reader, value, place, GS_FIELDS(fields), into);
}

GS_FIELD_READER(read_labels);
GS_FIELD_READER(read_labels)
{
    struct gs_rules *rules = into;
    const char *key;
    json_t *text;
    (void)field;
    if (!json_is_object(value) || json_object_size(value) > LABELS_MAX) {
        gs_refuse_type(reader, value, place, "an object of at most 64 texts, such as {\"service\": \"checkout\"}");
        return;
    }
    struct gs_label *label = gs_keep(reader, (json_object_size(value) + 1) * sizeof *label);
    rules->label = label;
    json_object_foreach((json_t *)value, key, text)
    {
        struct gs_place member = {.up = place, .key = key};
        if (!json_is_string(text))
            gs_refuse_type(reader, text, &member, "a string");
        else if (label)
            label[rules->label_count++] =
                (struct gs_label){gs_keep_text(reader, key), gs_keep_text(reader, json_string_value(text))};
    }
}

static void read_settings(struct gs_reader *reader, const json_t *document, struct gs_rules *rules)
{
    // clang-format off
    static const struct gs_field fields[] = {
        {"version",     read_version,       0, 0, 0, false, NULL},
        {"why",         gs_field_text,      offsetof(struct gs_rules, why), 0, GS_TEXT_MAX, false, NULL},
        {"interval",    gs_field_duration,  offsetof(struct gs_rules, interval_ns), 10 * MS, HOUR, false, NULL},
        {"heap",        read_heap,          0, 0, 0, false, NULL},
        {"incidents",   read_incidents,     0, 0, 0, false, NULL},
        {"labels",      read_labels,        0, 0, 0, false, NULL},
        {"rules",       gs_field_elsewhere, 0, 0, 0, false, NULL},
        {"cpu",         gs_field_later,     0, 0, 0, false, NULL},
        {"children",    gs_field_later,     0, 0, 0, false, NULL},
        {"only",        gs_field_later,     0, 0, 0, false, NULL},
        {"budget",      gs_field_later,     0, 0, 0, false, NULL},
        {"on_incident", gs_field_later,     0, 0, 0, false, NULL},
    };
    // clang-format on
    *rules = (struct gs_rules){
        .file = rules->file, .text = rules->text, .text_length = rules->text_length,
        .interval_ns = GS_NS_PER_S,
        .heap = {.sample_bytes = 512 << 10, .depth = 64, .baseline_ns = 600 * GS_NS_PER_S},
        .incidents = {.dir = "incidents", .keep = 50, .max_bytes = 1 << 30, .max_age_ns = 14 * 86400 * GS_NS_PER_S,
                      .max_per_hour = 12},
    };
    gs_read_fields(reader, document, &document_itself, GS_FIELDS(fields), rules);
    if (!json_object_get(document, "version"))
        gs_refuse(reader, &document_itself, GS_THE_VALUE, "add \"version\": 1", "\"version\" is missing");
}

/* ---- rules ----------------------------------------------------------------------------------------------------------- */

static void refuse_equal_names(struct gs_reader *reader, const struct gs_place *list, const struct gs_rule *rule,
                               size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t before = 0; before < i; before++)
            if (rule[i].name && rule[before].name && strcmp(rule[i].name, rule[before].name) == 0) {
                struct gs_place of = {.up = list, .index = i}, name = {.up = &of, .key = "name"};
                gs_refuse(reader, &name, GS_THE_VALUE, "names tell incidents apart",
                          "two rules are called \"%s\"", rule[i].name);
                break;
            }
}

static void read_rules(struct gs_reader *reader, const json_t *document, struct gs_rules *rules)
{
    const json_t *list = json_object_get(document, "rules");
    struct gs_place place = {.up = &document_itself, .key = "rules"};
    if (!list) {
        gs_refuse(reader, &document_itself, GS_THE_VALUE, "add \"rules\": [ … ]", "\"rules\" is missing");
        return;
    }
    if (!json_is_array(list)) {
        gs_refuse_type(reader, list, &place, "a list of rules");
        return;
    }
    size_t count = json_array_size(list);
    if (count == 0 || count > RULES_MAX) {
        gs_refuse(reader, &place, GS_THE_VALUE, NULL, count ? "there are more than 1000 rules" : "there are no rules");
        return;
    }
    struct gs_rule *rule = gs_keep(reader, count * sizeof *rule);
    for (size_t i = 0; rule && i < count; i++) {
        struct gs_place element = {.up = &place, .index = i};
        gs_read_rule(reader, json_array_get(list, i), &element, &rule[i]);
    }
    rules->rule = rule;
    rules->rule_count = rule ? count : 0;
    if (rule)
        refuse_equal_names(reader, &place, rule, count);
}

/* The number of NAME among the metrics in LIST, added if it is new. */
static size_t number_of(const char **list, size_t *count, const char *name)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(list[i], name) == 0)
            return i;
    list[*count] = name;
    return (*count)++;
}

/* Number the metrics of RULES, those of "unless" included. */
static void number_metrics(struct gs_reader *reader, struct gs_rules *rules)
{
    const char **list = gs_keep(reader, (2 * rules->rule_count + 1) * sizeof *list);
    size_t count = 0;
    for (size_t i = 0; list && i < rules->rule_count; i++) {
        struct gs_rule *rule = (struct gs_rule *)&rules->rule[i];         // ours until the reading is over
        struct gs_hold_off *hold_off = (struct gs_hold_off *)rule->hold_off;
        if (rule->metric)
            rule->metric_index = number_of(list, &count, rule->metric);
        if (hold_off && hold_off->unless.metric)
            hold_off->unless.metric_index = number_of(list, &count, hold_off->unless.metric);
    }
    rules->metric = list;
    rules->metric_count = count;
}

/* ---- the file ---------------------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
    const struct gs_error *x = a, *y = b;
    return x->line != y->line ? (x->line > y->line) - (x->line < y->line) : (x->col > y->col) - (x->col < y->col);
}

static void read_document(struct gs_reader *reader, const json_t *document, struct gs_rules *rules)
{
    if (!json_is_object(document)) {
        gs_refuse_type(reader, document, &document_itself, "an object: {\"version\": 1, \"rules\": [ … ]}");
        return;
    }
    read_settings(reader, document, rules);
    read_rules(reader, document, rules);
    number_metrics(reader, rules);
}

struct gs_rules *gs_rules_read(const char *text, size_t length, const char *file, struct gs_errors *errors)
{
    struct file *read = gs_alloc(sizeof *read);
    if (!read) {
        gs_errors_add(errors, file, 0, 0, NULL, "out of memory");
        return NULL;
    }
    struct gs_reader reader = {.text = text, .length = length, .file = file, .errors = errors,
                               .errors_before = errors->count, .kept = &read->kept, .rules = &read->rules};
    json_t *document = gs_document_parse(&reader);
    if (document) {
        read->rules.file = gs_keep_text(&reader, file);
        char *copy = gs_keep(&reader, length + 1);
        read->rules.text = copy ? memcpy(copy, text, length) : "";
        read->rules.text_length = copy ? length : 0;
        read_document(&reader, document, &read->rules);
    }
    json_decref(document);
    if (!gs_refused(&reader))
        return &read->rules;
    gs_sort(errors->item + reader.errors_before, errors->count - reader.errors_before, sizeof *errors->item, by_place);
    gs_rules_free(&read->rules);
    return NULL;
}

void gs_rules_free(struct gs_rules *rules)
{
    struct file *read = (struct file *)rules;
    if (!read)
        return;
    gs_kept_free(read->kept);
    gs_free(read);
}
