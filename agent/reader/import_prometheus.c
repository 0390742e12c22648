/* import_prometheus.c - reads a history from the JSON of Prometheus' HTTP API, /api/v1/query_range.
 *
 *   {"status":"success","data":{"resultType":"matrix","result":[
 *      {"metric":{"__name__":"process_resident_memory_bytes","instance":"a:9100"},"values":[[1764000300,"104857600"],…]}, …]}}
 *
 * Also the array "result" alone, as promtool and jq print it. jansson keeps no positions of values: errors name the path instead. */
#include "base/clock.h"
#include "base/text.h"
#include "reader/import.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX 9e9

static const struct gs_import_place nowhere = {0};

/* Add `key="value",…` of all labels but the name; a quote or backslash is escaped as Prometheus does. */
static void add_labels(const json_t *metric, struct gs_text *out)
{
    const char *key;
    json_t *value;
    gs_text_add_bytes(out, "", 0);
    json_object_foreach((json_t *)metric, key, value)
    {
        if (strcmp(key, "__name__") == 0 || !json_is_string(value))
            continue;
        gs_text_add(out, "%s%s=\"", out->length ? "," : "", key);
        for (const char *at = json_string_value(value); *at; at++) {
            if (*at == '"' || *at == '\\')
                gs_text_add_bytes(out, "\\", 1);
            gs_text_add_bytes(out, at, 1);
        }
        gs_text_add_bytes(out, "\"", 1);
    }
}

/* A value is a string: "NaN" and infinities are no JSON numbers. */
static bool read_value(const json_t *json, double *value)
{
    const char *text = json_string_value(json);
    char *end = NULL;
    *value = json_is_number(json) ? json_number_value(json) : NAN;
    if (text)
        *value = strtod(text, &end);
    return json_is_number(json) || (text && end > text && *end == 0);
}

static void add_pair(struct gs_importer *importer, uint32_t series, const json_t *pair, size_t result,
                     size_t at)
{
    const json_t *time = json_array_get(pair, 0);
    double seconds = json_is_number(time) ? json_number_value(time) : NAN, value;
    if (json_array_size(pair) != 2 || !(fabs(seconds) <= SECONDS_MAX) ||
        !read_value(json_array_get(pair, 1), &value)) {
        gs_reader_import_refuse(importer, GS_BAD_VALUE, nowhere, NULL,
                                "result[%zu].values[%zu]: expected [seconds, \"value\"]", result, at);
        return;
    }
    int64_t ms = (int64_t)(seconds * 1e3 + (seconds < 0 ? -0.5 : 0.5)); // Prometheus counts milliseconds
    gs_reader_import_add(importer, series, ms * GS_NS_PER_MS, isfinite(value) ? value : NAN, nowhere);
}

static void read_series(struct gs_importer *importer, const json_t *item, size_t result)
{
    const json_t *metric = json_object_get(item, "metric"), *values = json_object_get(item, "values"), *pair;
    const char *name = json_string_value(json_object_get(metric, "__name__"));
    struct gs_text labels = {0};
    size_t i;
    if (!json_is_object(metric) || !json_is_array(values)) {
        gs_reader_import_refuse(importer, GS_BAD_ROW, nowhere,
                                json_object_get(item, "value") ? "ask query_range: one moment is no history"
                                                               : NULL,
                                "result[%zu]: expected \"metric\" and \"values\"", result);
        return;
    }
    add_labels(metric, &labels);
    importer->no_memory |= labels.failed;
    uint32_t series = gs_reader_import_series_of(importer, GS_DIALECT_PROMETHEUS, name ? name : "",
                                                 labels.bytes ? labels.bytes : "", nowhere);
    gs_text_fini(&labels);
    if (series != GS_NO_SERIES)
        json_array_foreach(values, i, pair) add_pair(importer, series, pair, result, i);
}

void gs_reader_import_prometheus(struct gs_importer *importer, const json_t *json)
{
    const json_t *data = json_object_get(json, "data"), *item;
    const json_t *result = json_is_array(json) ? json : json_object_get(data, "result");
    const char *error = json_string_value(json_object_get(json, "error"));
    size_t i;
    importer->clock = GS_CLOCK_ISO; // its times have dates and a zone
    if (error) {
        gs_reader_import_refuse(importer, GS_BAD_HEADER, nowhere, NULL, "Prometheus answered: %.120s", error);
        return;
    }
    if (!json_is_array(result)) {
        gs_reader_import_refuse(importer, GS_BAD_HEADER, nowhere, "save the answer of /api/v1/query_range",
                                "\"data\" has no array \"result\"");
        return;
    }
    if (json_array_size(result) == 0)
        gs_reader_import_refuse(importer, GS_BAD_HEADER, nowhere, "check the query, its start and its end",
                                "the query found no series");
    json_array_foreach(result, i, item) read_series(importer, item, i);
    if (importer->series_count == 0 && !gs_reader_import_failed(importer) && !importer->how->series_count)
        gs_reader_import_refuse_names(importer, nowhere, NULL);
}
