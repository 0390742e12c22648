/* import_series.c - the series of a history that is being read, and their points.
 *
 * A series is found by its name with all labels. One that is no metric has no number, and costs nothing.
 * Bounds: SERIES_MAX series, of which the one before is tried first; 24 bytes a value. */
#include "base/hash.h"
#include "base/memory.h"
#include "reader/import.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SERIES_MAX = 4096 };

/* ---- series ------------------------------------------------------------------------------------------------------- */

/* Has a series with LABELS every label that --series asks for? */
static bool is_wanted(const struct gs_import *how, const char *labels)
{
    for (size_t i = 0; i < how->series_count; i++) {
        const char *equals = strchr(how->series[i], '=');
        size_t length = equals ? (size_t)(equals - how->series[i]) : 0;
        if (equals &&
            !gs_reader_import_has_label(labels, how->series[i], length, equals + 1, strlen(equals + 1)))
            return false;
    }
    return true;
}

static uint32_t metric_number(struct gs_importer *importer, const char *metric)
{
    for (size_t i = 0; i < importer->metrics; i++)
        if (strcmp(importer->metric[i], metric) == 0)
            return (uint32_t)i;
    if (gs_grow(&importer->metric, &importer->metric_capacity, importer->metrics + 1,
                sizeof *importer->metric)) {
        importer->no_memory = true;
        return 0;
    }
    snprintf(importer->metric[importer->metrics], GS_METRIC_NAME, "%.*s", GS_METRIC_NAME - 1, metric);
    return (uint32_t)importer->metrics++;
}

static uint32_t add_series(struct gs_importer *importer, uint64_t hash, const char *name, const char *labels,
                           const struct gs_import_meaning *meaning)
{
    struct gs_text text = {0};
    gs_text_add(&text, *labels ? "%s{%s}" : "%s", name, labels);
    if (text.failed || gs_grow(&importer->series, &importer->series_capacity, importer->series_count + 1,
                               sizeof *importer->series)) {
        importer->no_memory = true;
        gs_text_fini(&text);
        return GS_NO_SERIES;
    }
    importer->series[importer->series_count] =
        (struct gs_import_series){.hash = hash,
                                  .name = text.bytes ? text.bytes : gs_strdup(""),
                                  .base_length = strlen(name),
                                  .metric = metric_number(importer, meaning->metric),
                                  .meaning = *meaning};
    importer->no_memory |= !importer->series[importer->series_count].name;
    return (uint32_t)importer->series_count++;
}

static uint64_t hash_of(const char *name, const char *labels)
{
    return gs_hash_mix(gs_hash_bytes(name, strlen(name)) * 31 + gs_hash_bytes(labels, strlen(labels)));
}

static bool is_series(const struct gs_import_series *series, uint64_t hash, const char *name,
                      const char *labels)
{
    size_t base = series->base_length, rest = strlen(labels);
    const char *tail = series->name + base;
    if (series->hash != hash || strncmp(series->name, name, base) != 0 || name[base])
        return false;
    return rest == 0
               ? *tail == 0
               : *tail == '{' && strncmp(tail + 1, labels, rest) == 0 && strcmp(tail + 1 + rest, "}") == 0;
}

uint32_t gs_reader_import_series_of(struct gs_importer *importer, enum gs_import_dialect dialect,
                                    const char *name, const char *labels, struct gs_import_place place)
{
    struct gs_import_meaning meaning;
    uint64_t hash = hash_of(name, labels);
    for (size_t i = 0; i < importer->series_count; i++) {
        uint32_t at = (uint32_t)((importer->last_series + i) % importer->series_count);
        if (is_series(&importer->series[at], hash, name, labels))
            return importer->last_series = at;
    }
    if (!is_wanted(importer->how, labels) ||
        !gs_reader_import_meaning_of(importer, dialect, name, labels, &meaning))
        return GS_NO_SERIES;
    if (importer->series_count == SERIES_MAX) {
        gs_reader_import_refuse(importer, GS_BAD_SERIES, place, "choose with --series LABEL=VALUE",
                                "more than %d series are metrics", SERIES_MAX);
        return GS_NO_SERIES;
    }
    return importer->last_series = add_series(importer, hash, name, labels, &meaning);
}

/* ---- points ------------------------------------------------------------------------------------------------------- */

/* The increase per second of a counter since its last value. NAN at its first one, and where it began anew. */
static double rate_of(struct gs_import_series *series, int64_t time_ns, double count)
{
    double rate = NAN, before = series->count;
    if (isnan(count))
        return NAN;
    if (series->counted && count >= before)
        rate = (count - before) / ((double)(time_ns - series->counted_ns) / 1e9);
    series->counted = true;
    series->count = count;
    series->counted_ns = time_ns;
    return rate;
}

void gs_reader_import_add(struct gs_importer *importer, uint32_t series, int64_t time_ns, double value,
                          struct gs_import_place place)
{
    struct gs_import_series *to = &importer->series[series];
    if (to->started && time_ns <= to->last_ns) {
        gs_reader_import_refuse(importer, GS_BAD_ORDER, place,
                                "values must be in the order of their times, one at a time",
                                "%.60s: this time is not after the one before", to->name);
        return;
    }
    if (!to->started)
        to->first_ns = time_ns;
    to->started = true;
    to->last_ns = time_ns;
    double read =
        (to->meaning.counter ? rate_of(to, time_ns, value) : value) * to->meaning.factor / to->meaning.cpus;
    if (gs_grow(&importer->point, &importer->point_capacity, importer->points + 1, sizeof *importer->point)) {
        importer->no_memory = true;
        return;
    }
    importer->point[importer->points++] =
        (struct gs_import_point){time_ns, isfinite(read) ? read : NAN, series};
}

void gs_reader_importer_fini(struct gs_importer *importer)
{
    for (size_t i = 0; i < importer->series_count; i++)
        gs_free(importer->series[i].name);
    gs_free(importer->series);
    gs_free(importer->metric);
    gs_free(importer->point);
}
