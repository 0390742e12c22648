/* anonymous_json.c - anonymous copies of an incident's JSON documents: keys that the table knows are copied, all others are left out.
 * Numbers, true, false and null stay as they are; what becomes of a text, the table says. */
#include "base/units.h"
#include "metrics/metrics.h"
#include "reader/anonymous.h"
#include <stdio.h>
#include <string.h>

enum treatment { // of a text; of the texts below, for an array or object
    LEFT_OUT,    // null
    WORD,        // one of ours, else left out
    TIME,
    HEX,
    QUANTITY, // if it is well-formed, else left out
    METRIC,
    CALL, // a system call, else the stand-in of a variable
    NAME, // + enum gs_named: its stand-in
};
#define NAMED(what) (NAME + GS_NAMED_##what)

// clang-format off
static const struct key_rule {
    const char *within, *key; // the key of the object or array that KEY is in; NULL: any
    int treatment;
} rules[] = {
    /* incident.json */
    {NULL, "version", LEFT_OUT}, {NULL, "complete", LEFT_OUT}, {NULL, "rule", NAMED(RULE)}, {NULL, "metric", METRIC},
    {NULL, "condition", WORD}, {NULL, "value", LEFT_OUT}, {NULL, "line", QUANTITY}, {NULL, "triggered", TIME},
    {NULL, "started", TIME}, {NULL, "exe", NAMED(MODULE)}, {NULL, "program", NAMED(MODULE)}, {NULL, "build_id", NAMED(ID)},
    {NULL, "host", NAMED(HOST)}, {NULL, "limit", LEFT_OUT}, {NULL, "fingerprint", NAMED(ID)}, {NULL, "baseline_age_s", LEFT_OUT},
    {NULL, "culprit", LEFT_OUT}, {NULL, "kind", WORD}, {NULL, "bytes", LEFT_OUT}, {NULL, "count", LEFT_OUT},
    {NULL, "nanoseconds", LEFT_OUT}, {NULL, "share", LEFT_OUT}, {NULL, "stack", NAMED(FUNCTION)},
    {NULL, "function", NAMED(FUNCTION)}, {NULL, "module", NAMED(MODULE)}, {NULL, "file", NAMED(FILE)},
    {NULL, "line_number", LEFT_OUT}, {NULL, "caller", LEFT_OUT}, {NULL, "via", NAMED(FUNCTION)}, {NULL, "confidence", WORD},
    {NULL, "runner_up", LEFT_OUT}, {NULL, "deadlock", LEFT_OUT}, {NULL, "tid", LEFT_OUT}, {NULL, "mutex", HEX}, {NULL, "what", WORD},
    {NULL, "held_by", LEFT_OUT}, {NULL, "exists", LEFT_OUT}, {NULL, "waits", LEFT_OUT}, {NULL, "address", HEX},
    {NULL, "readers", LEFT_OUT}, {NULL, "threads", LEFT_OUT}, {NULL, "nobody_runs", LEFT_OUT}, {NULL, "steps", LEFT_OUT}, {"steps", "name", WORD},
    {NULL, "ms", LEFT_OUT}, {"deadlock", "name", NAMED(THREAD)}, {"held_by", "name", NAMED(THREAD)}, {"waits", "name", CALL},
    {NULL, "died", LEFT_OUT}, {NULL, "signal", LEFT_OUT}, {NULL, "last_seen", TIME}, {NULL, "code", LEFT_OUT},
    {NULL, "thread", NAMED(THREAD)}, {NULL, "stack_overflow", LEFT_OUT}, {NULL, "frames", LEFT_OUT},
    /* memory.json */
    {NULL, "rss", LEFT_OUT}, {NULL, "counted", LEFT_OUT}, {NULL, "parts", LEFT_OUT}, {"parts", "heap_live", LEFT_OUT},
    {"parts", "heap_kept", LEFT_OUT}, {"parts", "stacks", LEFT_OUT}, {"parts", "files", LEFT_OUT}, {"parts", "shared", LEFT_OUT},
    {"parts", "anonymous", LEFT_OUT}, {"parts", "agent", LEFT_OUT}, {NULL, "anonymous_by_stack", LEFT_OUT},
    {NULL, "shared_by_stack", LEFT_OUT}, {NULL, "areas", LEFT_OUT}, {"areas", "name", NAMED(FILE)}, {"areas", "part", WORD},
    {NULL, "stacks_by_function", LEFT_OUT}, {NULL, "stacks_by_creator", LEFT_OUT}, {NULL, "stacks_by_thread", LEFT_OUT},
    {"stacks_by_thread", "name", NAMED(THREAD)}, {"stacks_by_thread", "in_use", LEFT_OUT}, {"areas", "start", HEX}, {"areas", "end", HEX}, {"areas", "size_at_baseline", LEFT_OUT}, {NULL, "age_s", LEFT_OUT}, {NULL, "baseline", QUANTITY},
    /* metrics.json; the keys in "series" are metrics */
    {NULL, "interval_ms", LEFT_OUT}, {NULL, "series", LEFT_OUT},
    /* rules.json */
    {NULL, "interval", QUANTITY}, {NULL, "heap", LEFT_OUT}, {NULL, "sample", QUANTITY}, {NULL, "depth", LEFT_OUT},
    {NULL, "cpu", LEFT_OUT}, {NULL, "rate", QUANTITY}, {NULL, "duration", QUANTITY}, {NULL, "before", QUANTITY},
    {NULL, "incidents", LEFT_OUT}, {NULL, "keep", LEFT_OUT}, {NULL, "max_bytes", QUANTITY}, {NULL, "max_age", QUANTITY},
    {NULL, "max_per_hour", LEFT_OUT}, {NULL, "children", WORD}, {NULL, "crash", WORD}, {NULL, "symbolize", WORD},
    {NULL, "budget", QUANTITY}, {NULL, "rules", LEFT_OUT}, {"rules", "name", NAMED(RULE)}, {NULL, "above", QUANTITY},
    {NULL, "below", QUANTITY}, {NULL, "for", QUANTITY}, {NULL, "cooldown", QUANTITY}, {NULL, "jitter", LEFT_OUT},
    {NULL, "rise", QUANTITY}, {NULL, "over", QUANTITY}, {NULL, "min", QUANTITY}, {NULL, "by", QUANTITY}, {NULL, "growth", LEFT_OUT},
    {NULL, "unusual", LEFT_OUT}, {NULL, "score", LEFT_OUT}, {NULL, "every", QUANTITY}, {NULL, "unless", LEFT_OUT},
    {NULL, "unless_above", QUANTITY}, {NULL, "again", QUANTITY}, {NULL, "capture", WORD}, {NULL, "reaches", LEFT_OUT},
    {NULL, "within", QUANTITY},
};
// clang-format on

static const struct key_rule *rule_of(const char *within, const char *key)
{
    static const struct key_rule metric = {"series", NULL, LEFT_OUT};
    const struct key_rule *found = NULL;
    if (strcmp(within, "series") == 0)
        return &metric;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].key, key) == 0 && (!rules[i].within || strcmp(rules[i].within, within) == 0))
            found = rules[i].within || !found ? &rules[i] : found;
    return found;
}

/* ---- texts ------------------------------------------------------------------------------------------------------ */

/* Has TEXT at most MAX characters, all of them in ALLOWED? */
static bool is_made_of(const char *text, const char *allowed, size_t max)
{
    return strnlen(text, max + 1) <= max && text[strspn(text, allowed)] == 0;
}

static bool is_quantity(const char *text)
{
    struct gs_unit_error error;
    uint64_t size;
    int64_t time;
    double number;
    return gs_units_read_size(text, &size, &error) == 0 || gs_units_read_duration(text, &time, &error) == 0 ||
           gs_units_read_rate(text, &number, &error) == 0 ||
           gs_units_read_count_rate(text, &number, &error) == 0 ||
           gs_units_read_share_rate(text, &number, &error) == 0 ||
           gs_units_read_frequency(text, &number, &error) == 0 ||
           gs_units_read_percent(text, &number, &error) == 0;
}

/* A metric of ours, or the stand-in of a gauge's name. */
static const char *metric_of(struct gs_anonymizer *anonymizer, const char *text, char out[GS_STAND_IN])
{
    const struct gs_metric *metric = gs_metrics_find(text);
    if (metric && strcmp(metric->name, text) == 0)
        return text;
    return gs_reader_stand_in(anonymizer, GS_NAMED_GAUGE, strncmp(text, "gauge:", 6) == 0 ? text + 6 : text,
                              out);
}

/* What stands for TEXT; NULL: it is left out. */
static const char *treated(struct gs_anonymizer *anonymizer, const char *text, int treatment,
                           char out[GS_STAND_IN])
{
    bool keep = false;
    switch (treatment) {
    case LEFT_OUT: return NULL;
    case WORD: keep = gs_reader_is_our_word(text); break;
    case TIME: keep = is_made_of(text, "0123456789-T:.Z", 24); break;
    case HEX: keep = is_made_of(text, "0123456789abcdefx", 18); break;
    case QUANTITY: keep = gs_reader_is_our_word(text) || is_quantity(text); break;
    case METRIC: return metric_of(anonymizer, text, out);
    case CALL:
        return gs_reader_is_our_word(text) ? text : gs_reader_stand_in(anonymizer, GS_NAMED_VALUE, text, out);
    case NAMED(MODULE): return gs_reader_module_stand_in(anonymizer, text, out);
    default: return gs_reader_stand_in(anonymizer, (enum gs_named)(treatment - NAME), text, out);
    }
    return keep ? text : NULL;
}

/* ---- documents -------------------------------------------------------------------------------------------------- */

static json_t *copy(struct gs_anonymizer *anonymizer, const json_t *json, const char *key, int treatment);

static json_t *copy_object(struct gs_anonymizer *anonymizer, const json_t *json, const char *within)
{
    struct gs_json object = gs_json_object();
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)json, key, value)
    {
        char out[GS_STAND_IN];
        const struct key_rule *rule = rule_of(within, key);
        if (rule)
            gs_json_set(&object, rule->key ? key : metric_of(anonymizer, key, out),
                        copy(anonymizer, value, key, rule->treatment));
    }
    return gs_json_take(&object);
}

static json_t *copy_array(struct gs_anonymizer *anonymizer, const json_t *json, const char *key,
                          int treatment)
{
    struct gs_json array = gs_json_array();
    size_t i;
    const json_t *item;
    json_array_foreach(json, i, item)
    {
        gs_json_add(&array, copy(anonymizer, item, key, treatment));
    }
    return gs_json_take(&array);
}

/* A copy of the value of KEY, whose texts get TREATMENT. */
static json_t *copy(struct gs_anonymizer *anonymizer, const json_t *json, const char *key, int treatment)
{
    char out[GS_STAND_IN];
    if (json_is_object(json))
        return copy_object(anonymizer, json, key);
    if (json_is_array(json))
        return copy_array(anonymizer, json, key, treatment);
    if (!json_is_string(json))
        return json_deep_copy(json);
    const char *text = treated(anonymizer, json_string_value(json), treatment, out);
    return text ? gs_json_text(text) : json_null();
}

/* "heap_in_use 21193740 is above 20971520", of the anonymous INCIDENT: its own reason is text of the rules. */
static json_t *reason_of(const json_t *incident)
{
    const char *metric = json_string_value(json_object_get(incident, "metric")),
               *condition = json_string_value(json_object_get(incident, "condition"));
    const struct gs_metric *row = metric ? gs_metrics_find(metric) : NULL;
    enum gs_unit unit = row ? row->unit : GS_COUNT;
    char value[GS_UNIT_TEXT], line[GS_UNIT_TEXT], reason[160];
    snprintf(reason, sizeof reason, "%s%s%s", metric ? metric : "", metric ? ": " : "",
             condition ? condition : "unknown");
    size_t length = strlen(reason);
    if (metric && json_is_number(json_object_get(incident, "value")))
        length += (size_t)snprintf(
            reason + length, sizeof reason - length, ", value %s",
            gs_units_print_value(json_number_value(json_object_get(incident, "value")), unit, value));
    if (metric && length < sizeof reason && json_is_number(json_object_get(incident, "line")))
        snprintf(reason + length, sizeof reason - length, ", line %s",
                 gs_units_print_value(json_number_value(json_object_get(incident, "line")), unit, line));
    return gs_json_text(reason);
}

json_t *gs_reader_anonymize_json(struct gs_anonymizer *anonymizer, const json_t *json)
{
    json_t *out = copy(anonymizer, json, "", LEFT_OUT);
    if (json_is_object(out) && json_object_get(json, "reason")) {
        struct gs_json incident = {.json = out};
        gs_json_set(&incident, "reason", reason_of(out));
        gs_json_set(
            &incident, "notes",
            json_pack("[s]", "an anonymous copy: names are replaced by stand-ins, texts are left out"));
        gs_json_set(&incident, "errors", json_array());
        out = gs_json_take(&incident);
    }
    if (!anonymizer->failed)
        return out;
    json_decref(out);
    return NULL;
}
