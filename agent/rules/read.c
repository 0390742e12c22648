/* read.c - reads a whole rules file: its top level, and the memory of the result.
 *
 *   gs_rules_read ──▶ document.c ──▶ top level (tables below) ──▶ rule.c for each rule ──▶ gs_rules, or the errors
 *
 * All memory that the rules point to is in one list, which gs_rules_free frees.
 * Who: the watcher at start and at a reload, the CLI. Bounds: RULES_MAX rules, LABELS_MAX labels. */
#include "base/memory.h"
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <stdio.h>
#include <string.h>

enum {
    RULES_MAX = 1000,
    LABELS_MAX = 64,
    LABEL_TEXT_MAX = 256,
    ONLY_MAX = 64,
    NAME_MAX_BYTES = 255,
    PLUMBING_MAX = 256,
    PATTERN_MAX_BYTES = 255,
    DIR_MAX = 2048
};

#define SECOND 1e9
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

struct rules_owner { // gs_rules_read returns the address of its first member
    struct gs_rules rules;
    struct gs_rules_block *blocks;
};

/* ---- the top level ---------------------------------------------------------------------------------------------------- */

static GS_FIELD_READER(read_version)
{
    (void)field, (void)into;
    int64_t version;
    if (!gs_rules_is_whole(value, &version))
        gs_rules_refuse_type(reader, value, path, "the number 1");
    else if (version != 1)
        gs_rules_refuse(reader, path, GS_THE_VALUE, "only version 1 is supported", "unknown version %lld",
                        (long long)version);
}

static GS_FIELD_READER(read_depth)
{
    uint64_t depth = 0;
    gs_field_count(reader, value, path, field, &depth);
    if (depth > 0)
        *(uint32_t *)into = (uint32_t)depth;
}

struct heap_fields {
    const char *why;
    uint64_t sample_bytes;
    uint32_t depth;
    int64_t baseline_ns, peak_ns, focus_ns;
};

static GS_FIELD_READER(read_heap)
{
    (void)field;
    // clang-format off
    static const struct gs_field fields[] = {
        {"sample",   gs_field_size,     offsetof(struct heap_fields, sample_bytes), 1 << 10, 1 << 30, false, NULL},
        {"depth",    read_depth,        offsetof(struct heap_fields, depth), 1, 256, false, NULL},
        {"baseline", gs_field_duration, offsetof(struct heap_fields, baseline_ns), SECOND, 30 * DAY, false, NULL},
        {"peak",     gs_field_duration, offsetof(struct heap_fields, peak_ns), SECOND, 30 * DAY, true, NULL},
        {"focus",    gs_field_duration, offsetof(struct heap_fields, focus_ns), SECOND, 30 * DAY, true, NULL},
        GS_FIELD_WHY(struct heap_fields),
    };
    // clang-format on
    struct gs_rules *rules = into;
    struct heap_fields written = {NULL,
                                  rules->heap.sample_bytes,
                                  rules->heap.depth,
                                  rules->heap.baseline_ns,
                                  rules->heap.peak_ns,
                                  rules->heap.focus_ns};
    gs_rules_read_fields(reader, value, path, GS_FIELDS(fields), &written);
    rules->heap.sample_bytes = written.sample_bytes;
    rules->heap.depth = written.depth;
    rules->heap.baseline_ns = written.baseline_ns;
    rules->heap.peak_ns = written.peak_ns;
    rules->heap.focus_ns = written.focus_ns;
}

struct cpu_fields {
    const char *why;
    double hertz;
    int64_t duration_ns, before_ns;
};

static GS_FIELD_READER(read_cpu)
{
    (void)field;
    // clang-format off
    static const struct gs_field fields[] = {
        {"rate",     gs_field_frequency, offsetof(struct cpu_fields, hertz), 1, 1000, false, NULL},
        {"duration", gs_field_duration,  offsetof(struct cpu_fields, duration_ns), SECOND / 10, HOUR, false, NULL},
        {"before",   gs_field_duration,  offsetof(struct cpu_fields, before_ns), SECOND, 10 * MINUTE, true, NULL},
        GS_FIELD_WHY(struct cpu_fields),
    };
    // clang-format on
    struct gs_rules *rules = into;
    struct cpu_fields written = {NULL, rules->cpu.hertz, rules->cpu.duration_ns, rules->cpu.before_ns};
    gs_rules_read_fields(reader, value, path, GS_FIELDS(fields), &written);
    rules->cpu.hertz = written.hertz;
    rules->cpu.duration_ns = written.duration_ns;
    rules->cpu.before_ns = written.before_ns;
}

static GS_FIELD_READER(read_incidents)
{
    (void)field;
    // clang-format off
    static const struct gs_field fields[] = {
        {"dir",          gs_field_text,      offsetof(struct gs_rules, incidents.dir), 1, DIR_MAX, false, NULL},
        {"keep",         gs_field_count,     offsetof(struct gs_rules, incidents.keep), 0, 1e6, false, NULL},
        {"max_bytes",    gs_field_size,      offsetof(struct gs_rules, incidents.max_bytes), 1 << 20, 0x1p62, true, NULL},
        {"max_age",      gs_field_duration,  offsetof(struct gs_rules, incidents.max_age_ns), MINUTE, 3650 * DAY, true, NULL},
        {"max_per_hour", gs_field_count,     offsetof(struct gs_rules, incidents.max_per_hour), 0, 1000, false, NULL},
        {"report",       gs_field_boolean,   offsetof(struct gs_rules, incidents.report), 0, 0, false, NULL},
        {"why",          gs_field_ignored_text,     0, 0, GS_TEXT_MAX, false, NULL},
    };
    // clang-format on
    gs_rules_read_fields(reader, value, path, GS_FIELDS(fields), into);
}

static GS_FIELD_READER(read_labels)
{
    (void)field;
    struct gs_rules *rules = into;
    if (!json_is_object(value)) {
        gs_rules_refuse_type(reader, value, path, "an object");
        return;
    }
    if (json_object_size(value) > LABELS_MAX) {
        gs_rules_refuse(reader, path, GS_THE_VALUE, NULL, "more than %d labels", LABELS_MAX);
        return;
    }
    struct gs_label *label = gs_rules_allocate(reader, json_object_size(value) * sizeof *label);
    rules->label = label;
    const char *key;
    json_t *text;
    json_object_foreach((json_t *)value, key, text)
    {
        struct gs_json_path member = {.up = path, .key = key};
        const struct gs_field row = {.key = key, .most = LABEL_TEXT_MAX};
        if (!label)
            return;
        if (!*key || strlen(key) > LABEL_TEXT_MAX)
            gs_rules_refuse(reader, &member, GS_THE_KEY, NULL, "a label's name is 1 to %d bytes",
                            LABEL_TEXT_MAX);
        label[rules->label_count].key = gs_rules_copy_text(reader, key);
        gs_field_text(reader, text, &member, &row, &label[rules->label_count++].value);
    }
}

/* The index in NAMES of VALUE, which is one of them; else the file is refused, and -1. EXPECTED: the type, for a value of
 * another. */
static int read_choice(struct gs_rules_reader *reader, const json_t *value, const struct gs_json_path *path,
                       const char *const *names, size_t count, const char *expected)
{
    const char *name = json_string_value(value);
    char hint[GS_HINT_TEXT];
    if (!name) {
        gs_rules_refuse_type(reader, value, path, expected);
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return (int)i;
    gs_errors_suggest(name, names, count, sizeof *names, NULL, hint);
    gs_rules_refuse(reader, path, GS_THE_VALUE, hint, "unknown choice \"%.40s\"", name);
    return -1;
}

static GS_FIELD_READER(read_children)
{
    static const char *const names[] = {"forks", "all", "off"}; // in the order of enum gs_children
    (void)field;
    int choice = read_choice(reader, value, path, names, 3, "\"forks\", \"all\" or \"off\"");
    if (choice >= 0)
        *(enum gs_children *)into = (enum gs_children)choice;
}

/* "off" or "on", into a bool. */
static GS_FIELD_READER(read_on_off)
{
    static const char *const names[] = {"off", "on"};
    (void)field;
    int choice = read_choice(reader, value, path, names, 2, "\"on\" or \"off\"");
    if (choice >= 0)
        *(bool *)into = choice == 1;
}

static GS_FIELD_READER(read_history)
{
    (void)field;
    // clang-format off
    static const struct gs_field fields[] = {
        {"file", read_on_off,           offsetof(struct gs_rules, history.on), 0, 0, false, NULL},
        {"max",  gs_field_size,         offsetof(struct gs_rules, history.max_bytes), 1 << 18, 64 << 20, false, NULL},
        {"why",  gs_field_ignored_text, 0, 0, GS_TEXT_MAX, false, NULL},
    };
    // clang-format on
    gs_rules_read_fields(reader, value, path, GS_FIELDS(fields), into);
}

static GS_FIELD_READER(read_symbolize)
{
    static const char *const names[] = {"auto", "off"}; // in the order of enum gs_symbolize
    (void)field;
    int choice = read_choice(reader, value, path, names, 2, "\"auto\" or \"off\"");
    if (choice >= 0)
        *(enum gs_symbolize *)into = (enum gs_symbolize)choice;
}

static GS_FIELD_READER(read_only)
{
    const struct gs_field row = {.key = field->key, .least = 1, .most = NAME_MAX_BYTES};
    struct gs_rules *rules = into;
    size_t count = json_array_size(value);
    if (!json_is_array(value)) {
        gs_rules_refuse_type(reader, value, path, "an array of program names");
        return;
    }
    if (count == 0 || count > ONLY_MAX) {
        gs_rules_refuse(reader, path, GS_THE_VALUE,
                        count ? NULL : "leave \"only\" out to watch every program", "%s",
                        count ? "more than 64 names" : "no program is named");
        return;
    }
    const char **only = gs_rules_allocate(reader, count * sizeof *only);
    for (size_t i = 0; i < count && only; i++) {
        struct gs_json_path element = {.up = path, .index = i};
        gs_field_text(reader, json_array_get(value, i), &element, &row, &only[i]);
        if (only[i] && strchr(only[i], '/'))
            gs_rules_refuse(reader, &element, GS_THE_VALUE, "write the last part of it",
                            "\"%.60s\" is a path, not a program's name", only[i]);
    }
    rules->only = only;
    rules->only_count = only ? count : 0;
}

static GS_FIELD_READER(read_plumbing)
{
    const struct gs_field row = {.key = field->key, .least = 1, .most = PATTERN_MAX_BYTES};
    struct gs_rules *rules = into;
    size_t count = json_array_size(value);
    if (!json_is_array(value)) {
        gs_rules_refuse_type(reader, value, path, "an array of function names");
        return;
    }
    if (count == 0 || count > PLUMBING_MAX) {
        gs_rules_refuse(reader, path, GS_THE_VALUE, NULL, "%s",
                        count ? "more than 256 patterns" : "no pattern is given");
        return;
    }
    const char **plumbing = gs_rules_allocate(reader, count * sizeof *plumbing);
    for (size_t i = 0; i < count && plumbing; i++) {
        struct gs_json_path element = {.up = path, .index = i};
        gs_field_text(reader, json_array_get(value, i), &element, &row, &plumbing[i]);
        if (plumbing[i] && plumbing[i][strspn(plumbing[i], "*?")] == 0)
            gs_rules_refuse(reader, &element, GS_THE_VALUE, "write a part of the functions' names",
                            "\"%.40s\" matches every function", plumbing[i]);
    }
    rules->plumbing = plumbing;
    rules->plumbing_count = plumbing ? count : 0;
}

/* Read all members but the rules, which are read later: their windows need the interval. */
static void read_top(struct gs_rules_reader *reader, const json_t *document, const struct gs_json_path *path,
                     struct gs_rules *rules)
{
    // clang-format off
    static const struct gs_field fields[] = {
        {"$schema",     gs_field_ignored_text,     0, 0, GS_TEXT_MAX, false, NULL}, // for editors
        {"version",     read_version,       0, 1, 1, false, NULL},
        GS_FIELD_WHY(struct gs_rules),
        {"interval",    gs_field_duration,  offsetof(struct gs_rules, interval_ns), SECOND / 100, HOUR, false, NULL},
        {"heap",        read_heap,          0, 0, 0, false, NULL},
        {"incidents",   read_incidents,     0, 0, 0, false, NULL},
        {"history",     read_history,       0, 0, 0, false, NULL},
        {"labels",      read_labels,        0, 0, 0, false, NULL},
        {"rules",       gs_field_elsewhere, 0, 0, 0, false, NULL},
        {"cpu",         read_cpu,           0, 0, 0, false, NULL},
        {"children",    read_children,      offsetof(struct gs_rules, children), 0, 0, false, NULL},
        {"crash",       read_on_off,        offsetof(struct gs_rules, crash), 0, 0, false, NULL},
        {"only",        read_only,          0, 0, 0, false, NULL},
        {"plumbing",    read_plumbing,      0, 0, 0, false, NULL},
        {"budget",      gs_field_share,     offsetof(struct gs_rules, budget), 0.0001, 1, false, NULL},
        {"on_incident", gs_field_elsewhere, 0, 0, 0, false, NULL},
        {"symbolize",   read_symbolize,     offsetof(struct gs_rules, symbolize), 0, 0, false, NULL},
    };
    // clang-format on
    gs_rules_read_defaults(reader, "file", NULL, path, GS_FIELDS(fields), rules);
    if (gs_rules_read_fields(reader, document, path, GS_FIELDS(fields), rules) &&
        !json_object_get(document, "version"))
        gs_rules_refuse(reader, path, GS_THE_VALUE, "add \"version\": 1", "\"version\" is missing");
}

/* Read "on_incident" after the top level: its placeholders may name labels, which may come later in the file. */
static void read_command(struct gs_rules_reader *reader, const json_t *document,
                         const struct gs_json_path *top, struct gs_rules *rules)
{
    const json_t *command = json_object_get(document, "on_incident");
    struct gs_json_path path = {.up = top, .key = "on_incident"};
    if (command)
        gs_rules_read_command(reader, command, &path, rules);
}

/* ---- the rules -------------------------------------------------------------------------------------------------------- */

static void check_name(struct gs_rules_reader *reader, const struct gs_rule *rule, size_t at,
                       const struct gs_json_path *the_rules)
{
    for (size_t i = 0; i < at && rule[at].name; i++) {
        if (!rule[i].name || strcmp(rule[i].name, rule[at].name) != 0)
            continue;
        struct gs_json_path first = {.up = the_rules, .index = i}, this = {.up = the_rules, .index = at};
        struct gs_json_path first_name = {.up = &first, .key = "name"}, name = {.up = &this, .key = "name"};
        char hint[64];
        size_t offset = gs_rules_locate(reader->text, reader->length, &first_name, GS_THE_VALUE);
        snprintf(hint, sizeof hint, "the rule in line %d has it",
                 gs_rules_position_at(reader->text, offset).line);
        gs_rules_refuse(reader, &name, GS_THE_VALUE, hint, "duplicate name \"%.40s\"", rule[at].name);
        return;
    }
}

static void read_rules(struct gs_rules_reader *reader, const json_t *document, const struct gs_json_path *top,
                       struct gs_rules *rules)
{
    const json_t *list = json_object_get(document, "rules");
    struct gs_json_path path = {.up = top, .key = "rules"};
    size_t count = json_array_size(list);
    if (json_is_object(document) && !list)
        gs_rules_refuse(reader, top, GS_THE_VALUE, "add \"rules\": [ … ]", "\"rules\" is missing");
    else if (list && !json_is_array(list))
        gs_rules_refuse_type(reader, list, &path, "an array of rules");
    else if (count > RULES_MAX)
        gs_rules_refuse(reader, &path, GS_THE_VALUE, NULL, "more than %d rules", RULES_MAX);
    if (count == 0 || count > RULES_MAX)
        return;
    struct gs_rule *rule = gs_rules_allocate(reader, count * sizeof *rule);
    reader->metric = gs_rules_allocate(
        reader, 2 * count * sizeof *reader->metric); // the rule's metric, and that of "unless"
    for (size_t i = 0; i < count && rule && reader->metric; i++) {
        struct gs_json_path element = {.up = &path, .index = i};
        gs_rules_read_rule(reader, json_array_get(list, i), &element, &rule[i]);
        check_name(reader, rule, i, &path);
    }
    rules->rule = rule;
    rules->rule_count = count;
    rules->metric = reader->metric;
    rules->metric_count = reader->metric_count;
}

/* ---- the file --------------------------------------------------------------------------------------------------------- */

static void read_all(struct gs_rules_reader *reader, struct gs_rules *rules)
{
    const struct gs_json_path top = {0};
    json_t *document = gs_rules_document_parse(reader);
    if (!document)
        return;
    read_top(reader, document, &top, rules);
    read_command(reader, document, &top, rules);
    read_rules(reader, document, &top, rules);
    json_decref(document);
}

struct gs_rules *gs_rules_read(const char *text, size_t length, const char *file, struct gs_errors *errors)
{
    struct rules_owner *owner = gs_alloc(sizeof *owner);
    size_t before = errors->count;
    if (!owner) {
        gs_errors_add(errors, GS_ERROR, file, 0, 0, NULL, "out of memory");
        return NULL;
    }
    struct gs_rules_reader reader = {.text = text,
                                     .length = length,
                                     .file = file,
                                     .errors = errors,
                                     .errors_before = before + errors->lost,
                                     .blocks = &owner->blocks,
                                     .rules = &owner->rules};
    read_all(&reader, &owner->rules);
    char *copy = gs_rules_refused(&reader) ? NULL : gs_rules_allocate(&reader, length + 1);
    if (copy) {
        owner->rules.text = memcpy(copy, text, length);
        owner->rules.text_length = length;
        owner->rules.file = gs_rules_copy_text(&reader, file);
    }
    if (!gs_rules_refused(&reader))
        return &owner->rules;
    gs_errors_sort(errors, before);
    gs_rules_free(&owner->rules);
    return NULL;
}

void gs_rules_free(struct gs_rules *rules)
{
    if (!rules)
        return;
    struct rules_owner *owner = (struct rules_owner *)(void *)rules;
    gs_rules_free_blocks(owner->blocks);
    gs_free(owner);
}
