/* fields.c - reads the members of an object of a rules file, by a table with one row for each member.
 *
 *   { "interval", gs_field_duration, offsetof(…), 10 ms, 1 h }   key, reader, where to store, bounds
 *
 * Who: read.c, rule.c and the conditions, each with a table of its own. */
#include "metrics/metrics.h"
#include "rules/inside.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* "a string", "a number", … for messages. */
static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER:
    case JSON_REAL: return "a number";
    case JSON_TRUE: return "true";
    case JSON_FALSE: return "false";
    case JSON_NULL: break;
    }
    return "null";
}

void gs_rules_refuse_type(struct gs_rules_reader *reader, const json_t *value,
                          const struct gs_json_path *path, const char *expected)
{
    gs_rules_refuse(reader, path, GS_THE_VALUE, NULL, "expected %s, found %s", expected, type_name(value));
}

/* ---- objects ------------------------------------------------------------------------------------------------------ */

static const struct gs_field *find_field(const char *key, const struct gs_field *field, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(field[i].key, key))
            return &field[i];
    return NULL;
}

static void refuse_key(struct gs_rules_reader *reader, const struct gs_json_path *path,
                       const struct gs_field *field, size_t count)
{
    char hint[GS_HINT_TEXT];
    gs_errors_suggest(path->key, &field[0].key, count, sizeof field[0], NULL, hint);
    gs_rules_refuse(reader, path, GS_THE_KEY, hint, "unknown key \"%.60s\"", path->key);
}

bool gs_rules_read_fields(struct gs_rules_reader *reader, const json_t *object,
                          const struct gs_json_path *path, const struct gs_field *field, size_t count,
                          void *into)
{
    if (!json_is_object(object)) {
        gs_rules_refuse_type(reader, object, path, "an object");
        return false;
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        struct gs_json_path member = {.up = path, .key = key};
        const struct gs_field *row = find_field(key, field, count);
        if (row)
            row->read(reader, value, &member, row, (char *)into + row->at);
        else
            refuse_key(reader, &member, field, count);
    }
    return true;
}

/* ---- numbers in bounds ----------------------------------------------------------------------------------------------- */

typedef const char *print_bound(double value, char *out);

static const char *print_ns(double ns, char *out)
{
    return gs_units_print_duration((int64_t)ns, out);
}

/* Is VALUE within FIELD's bounds? If not, reports the error. */
static bool check_bounds(struct gs_rules_reader *reader, const struct gs_json_path *path,
                         const struct gs_field *field, double value, print_bound *print)
{
    char least[GS_UNIT_TEXT], most[GS_UNIT_TEXT], found[GS_UNIT_TEXT], hint[64] = "";
    if ((value >= field->least && value <= field->most) || (field->or_zero && value == 0))
        return true;
    if (reader->reads_defaults)
        snprintf(hint, sizeof hint, "add \"%s\"", field->key);
    gs_rules_refuse(reader, path, GS_THE_VALUE, hint, "%s%s is out of range: \"%s\" may be %s%s to %s",
                    reader->reads_defaults ? "the default " : "", print(value, found), field->key,
                    field->or_zero ? "0 or " : "", print(field->least, least), print(field->most, most));
    return false;
}

/* The text of VALUE, for a reader of base/units.h. NULL: it is not a string, and the error is reported. */
static const char *unit_text(struct gs_rules_reader *reader, const json_t *value,
                             const struct gs_json_path *path, const char *expected)
{
    if (!json_is_string(value))
        gs_rules_refuse_type(reader, value, path, expected);
    return json_string_value(value);
}

static void refuse_unit(struct gs_rules_reader *reader, const struct gs_json_path *path,
                        const struct gs_unit_error *error)
{
    gs_rules_refuse(reader, path, GS_THE_VALUE, error->hint, "%s", error->why);
}

GS_FIELD_READER(gs_field_duration)
{
    struct gs_unit_error error;
    int64_t ns;
    const char *text = unit_text(reader, value, path, "a duration such as \"10s\"");
    if (!text)
        return;
    if (gs_units_read_duration(text, &ns, &error))
        refuse_unit(reader, path, &error);
    else if (check_bounds(reader, path, field, (double)ns, print_ns))
        *(int64_t *)into = ns;
}

GS_FIELD_READER(gs_field_size)
{
    struct gs_unit_error error;
    uint64_t bytes;
    const char *text = unit_text(reader, value, path, "a size such as \"512MiB\"");
    if (!text)
        return;
    if (gs_units_read_size(text, &bytes, &error))
        refuse_unit(reader, path, &error);
    else if (check_bounds(reader, path, field, (double)bytes, gs_units_print_size))
        *(uint64_t *)into = bytes;
}

/* With decimals: bounds of shares are as small as 0.01 %. */
static const char *print_share(double share, char *out)
{
    char percent[GS_UNIT_TEXT];
    snprintf(out, GS_UNIT_TEXT, "%.28s %%", gs_units_print_count(share * 100, percent));
    return out;
}

GS_FIELD_READER(gs_field_share)
{
    struct gs_unit_error error;
    double share;
    const char *text = unit_text(reader, value, path, "a percentage such as \"25%\"");
    if (!text)
        return;
    if (gs_units_read_percent(text, &share, &error))
        refuse_unit(reader, path, &error);
    else if (check_bounds(reader, path, field, share, print_share))
        *(double *)into = share;
}

static const char *print_hertz(double hertz, char *out)
{
    char count[GS_UNIT_TEXT];
    snprintf(out, GS_UNIT_TEXT, "%.27sHz", gs_units_print_count(hertz, count));
    return out;
}

GS_FIELD_READER(gs_field_frequency)
{
    struct gs_unit_error error;
    double hertz;
    const char *text = unit_text(reader, value, path, "a frequency such as \"99Hz\"");
    if (!text)
        return;
    if (gs_units_read_frequency(text, &hertz, &error))
        refuse_unit(reader, path, &error);
    else if (check_bounds(reader, path, field, hertz, print_hertz))
        *(double *)into = hertz;
}

bool gs_rules_is_whole(const json_t *value, int64_t *out)
{
    static const double exact_max = 1e15;
    double number = json_number_value(value);
    if (json_is_integer(value))
        *out = json_integer_value(value);
    else if (json_is_real(value) && fabs(number) <= exact_max && (double)(int64_t)number == number)
        *out = (int64_t)number; // 10.0 is 10: some programs write whole numbers so
    else
        return false;
    return true;
}

GS_FIELD_READER(gs_field_count)
{
    int64_t count;
    if (!gs_rules_is_whole(value, &count))
        gs_rules_refuse_type(reader, value, path, json_is_real(value) ? "a whole number" : "a number");
    else if (check_bounds(reader, path, field, (double)count, gs_units_print_count))
        *(uint64_t *)into = (uint64_t)count;
}

GS_FIELD_READER(gs_field_number)
{
    double number = json_number_value(value);
    if (!json_is_number(value))
        gs_rules_refuse_type(reader, value, path, "a number");
    else if (check_bounds(reader, path, field, number, gs_units_print_count))
        *(double *)into = number;
}

GS_FIELD_READER(gs_field_boolean)
{
    (void)field;
    if (!json_is_boolean(value))
        gs_rules_refuse_type(reader, value, path, "true or false");
    else
        *(bool *)into = json_is_true(value);
}

/* ---- texts ----------------------------------------------------------------------------------------------------------- */

/* The string VALUE, with a length within FIELD's bounds. NULL: the error is reported. */
static const char *text_of(struct gs_rules_reader *reader, const json_t *value,
                           const struct gs_json_path *path, const struct gs_field *field)
{
    size_t length = json_string_length(value);
    if (!json_is_string(value))
        gs_rules_refuse_type(reader, value, path, "a string");
    else if ((double)length < field->least)
        gs_rules_refuse(reader, path, GS_THE_VALUE, NULL, "\"%s\" is empty", field->key);
    else if ((double)length > field->most)
        gs_rules_refuse(reader, path, GS_THE_VALUE, NULL, "\"%.40s\" is longer than %u bytes", field->key,
                        (unsigned)field->most);
    else
        return json_string_value(value);
    return NULL;
}

GS_FIELD_READER(gs_field_text)
{
    const char *text = text_of(reader, value, path, field);
    if (text)
        *(const char **)into = gs_rules_copy_text(reader, text);
}

GS_FIELD_READER(gs_field_ignored_text)
{
    (void)into;
    (void)text_of(reader, value, path, field);
}

GS_FIELD_READER(gs_field_elsewhere)
{
    (void)reader, (void)value, (void)path, (void)field, (void)into;
}

/* ---- metrics and windows ------------------------------------------------------------------------------------------- */

const struct gs_metric *gs_rules_read_metric(struct gs_rules_reader *reader, const json_t *value,
                                             const struct gs_json_path *path)
{
    if (!json_is_string(value)) {
        gs_rules_refuse_type(reader, value, path, "the name of a metric");
        return NULL;
    }
    const char *name = json_string_value(value);
    const struct gs_metric *metric = gs_metrics_find(name);
    if (metric)
        return metric;
    char hint[GS_HINT_TEXT] = "a gauge's name is 1 to 40 of a-z 0-9 . _ -";
    if (strncmp(name, "gauge:", 6) != 0)
        gs_errors_suggest(name, &gs_metrics[0].name, gs_metrics_count(), sizeof gs_metrics[0], "gauge:NAME",
                          hint);
    gs_rules_refuse(reader, path, GS_THE_VALUE, hint, "unknown metric \"%.60s\"", name);
    return NULL;
}

/* A window in ticks, within FIELD's bounds. */
static void read_ticks(struct gs_rules_reader *reader, int64_t ticks, const struct gs_json_path *path,
                       const struct gs_field *field, struct gs_span *into)
{
    if (check_bounds(reader, path, field, (double)ticks, gs_units_print_count))
        *into = (struct gs_span){.ticks = (uint32_t)ticks};
}

/* A window in time: at least the time of FIELD's least number of ticks, at most 30 days. */
static void read_window_time(struct gs_rules_reader *reader, const json_t *value,
                             const struct gs_json_path *path, const struct gs_field *field,
                             struct gs_span *into)
{
    static const double window_ns_max = 30 * 86400e9;
    struct gs_unit_error error;
    struct gs_field bounds = *field;
    bounds.least *= (double)reader->rules->interval_ns;
    bounds.most = window_ns_max;
    int64_t ns;
    if (gs_units_read_duration(json_string_value(value), &ns, &error))
        refuse_unit(reader, path, &error);
    else if (check_bounds(reader, path, &bounds, (double)ns, print_ns))
        *into = (struct gs_span){.ns = ns};
}

GS_FIELD_READER(gs_field_span)
{
    int64_t ticks;
    if (gs_rules_is_whole(value, &ticks))
        read_ticks(reader, ticks, path, field, into);
    else if (json_is_string(value))
        read_window_time(reader, value, path, field, into);
    else
        gs_rules_refuse_type(reader, value, path, "a number of ticks or a duration such as \"10m\"");
}
