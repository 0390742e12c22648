/* import_history.c - makes a history of the series that were read from another program's file.
 *
 *   series   rss{pid="7"} ▬▬▬▬▬▬             one after the other (a restart): joined, and noted
 *            rss{pid="9"}         ▬▬▬▬▬      at the same time: an error, because nobody can tell which one is meant
 *            cswch/s, nvcswch/s ▬▬▬▬▬▬       parts of one metric: added
 *
 *   points   sorted by time; those of one time are a row. The step of all rows is the median distance of two.
 * Bounds: CELLS_MAX values; a file with many metrics at many different times could claim more. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/sort.h"
#include "reader/import.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CELLS_MAX = 64 << 20 };

/* ---- one series a metric ------------------------------------------------------------------------------------------- */

static bool overlap(const struct gs_import_series *a, const struct gs_import_series *b)
{
    return a->metric == b->metric && a->started && b->started && a->first_ns <= b->last_ns &&
           b->first_ns <= a->last_ns;
}

/* Are both parts of a sum: two columns of the same process? */
static bool are_added(const struct gs_import_series *a, const struct gs_import_series *b)
{
    const char *a_labels = a->name + a->base_length, *b_labels = b->name + b->base_length;
    bool same_name = a->base_length == b->base_length && strncmp(a->name, b->name, a->base_length) == 0;
    return a->meaning.adds && b->meaning.adds && !same_name && strcmp(a_labels, b_labels) == 0;
}

/* Write to OUT "KEY=VALUE" of the first label of A that B does not have. False: there is none. */
static bool differing_label(const struct gs_import_series *a, const struct gs_import_series *b, char *out,
                            size_t size)
{
    const char *b_labels = b->name + b->base_length;
    for (const char *at = a->name + a->base_length; *at == '{' || *at == ',';) {
        const char *key = at + 1 + strspn(at + 1, " "), *equals = strstr(key, "=\"");
        const char *quote = equals ? strchr(equals + 2, '"') : NULL;
        if (!quote)
            return false;
        if (!gs_reader_import_has_label(b_labels, key, (size_t)(equals - key), equals + 2,
                                        (size_t)(quote - equals - 2))) {
            snprintf(out, size, "%.*s=%.*s", (int)(equals - key), key, (int)(quote - equals - 2), equals + 2);
            return true;
        }
        at = quote + 1;
    }
    return false;
}

static void refuse_overlap(struct gs_importer *importer, const struct gs_import_series *a,
                           const struct gs_import_series *b)
{
    char label[64], hint[96];
    bool labelled = differing_label(a, b, label, sizeof label);
    if (labelled)
        snprintf(hint, sizeof hint, "choose one, for example with --series '%.50s'", label);
    else
        snprintf(hint, sizeof hint, "choose one with --column %.40s=NAME", a->meaning.metric);
    gs_reader_import_refuse(importer, GS_BAD_SERIES, (struct gs_import_place){0}, hint,
                            "%.40s is there more than once at the same time: %.45s and %.45s",
                            a->meaning.metric, a->name, b->name);
}

/* Report the first two series of each metric that overlap; note how many were joined. */
static void check_metric(struct gs_importer *importer, uint32_t metric)
{
    const struct gs_import_series *series = importer->series, *end = series + importer->series_count;
    size_t joined = 0;
    for (const struct gs_import_series *a = series; a < end; a++) {
        bool added = false;
        if (a->metric != metric || !a->started)
            continue;
        for (const struct gs_import_series *b = a + 1; b < end; b++) {
            added |= b->metric == metric && are_added(a, b);
            if (overlap(a, b) && !are_added(a, b)) {
                refuse_overlap(importer, a, b);
                return;
            }
        }
        joined += !added;
    }
    if (joined > 1)
        gs_text_add(&importer->how->notes, "%s: %zu series, one after the other, were joined\n",
                    importer->metric[metric], joined);
}

/* ---- rows ----------------------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    const struct gs_import_point *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return x->series < y->series ? -1 : x->series > y->series;
}

/* Sort the points, unless the file had them in order. */
static void sort_points(struct gs_importer *importer)
{
    bool sorted = true;
    for (size_t i = 1; i < importer->points && sorted; i++)
        sorted = by_time(&importer->point[i - 1], &importer->point[i]) <= 0;
    if (!sorted)
        gs_sort(importer->point, importer->points, sizeof *importer->point, by_time);
}

static size_t count_rows(const struct gs_importer *importer)
{
    size_t rows = importer->points > 0;
    for (size_t i = 1; i < importer->points; i++)
        rows += importer->point[i].time_ns != importer->point[i - 1].time_ns;
    return rows;
}

static int compare_distances(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The median distance of the ROWS rows; a second if there is only one row. 0: out of memory. */
static int64_t distance_ns(const struct gs_importer *importer, size_t rows)
{
    size_t count = 0;
    if (rows < 2)
        return GS_NS_PER_S;
    int64_t median = 0, *distance = gs_alloc((rows - 1) * sizeof *distance);
    for (size_t i = 1; distance && i < importer->points; i++) {
        int64_t ns;
        if (__builtin_sub_overflow(importer->point[i].time_ns, importer->point[i - 1].time_ns, &ns))
            ns = INT64_MAX;
        if (ns > 0)
            distance[count++] = ns;
    }
    if (distance) {
        gs_sort(distance, count, sizeof *distance, compare_distances);
        median =
            distance[(count - 1) / 2]; // of an even number the lower one, because gaps make distances longer
    }
    gs_free(distance);
    return median;
}

static void put_rows(const struct gs_importer *importer, struct gs_history *history, int64_t step_ns,
                     double *row)
{
    for (size_t i = 0; i < importer->points;) {
        int64_t time_ns = importer->point[i].time_ns;
        for (size_t metric = 0; metric < importer->metrics; metric++)
            row[metric] = NAN;
        for (; i < importer->points && importer->point[i].time_ns == time_ns; i++) {
            const struct gs_import_point *point = &importer->point[i];
            double *value = &row[importer->series[point->series].metric];
            if (!isnan(point->value))
                *value = isnan(*value) ? point->value : *value + point->value;
        }
        gs_history_put(history, time_ns, step_ns, row);
    }
}

static struct gs_history *make_history(struct gs_importer *importer, size_t rows)
{
    int64_t step_ns = distance_ns(importer, rows);
    const char **names = gs_alloc(importer->metrics * sizeof *names);
    double *row = gs_alloc(importer->metrics * sizeof *row);
    struct gs_history *history = NULL;
    for (size_t i = 0; names && i < importer->metrics; i++)
        names[i] = importer->metric[i];
    if (step_ns && names && row)
        history = gs_history_shaped(names, importer->metrics, &(struct gs_history_shape){{{rows, step_ns}}});
    if (history)
        put_rows(importer, history, step_ns, row);
    importer->no_memory |= !history;
    gs_free(names);
    gs_free(row);
    return history;
}

struct gs_history *gs_reader_import_history(struct gs_importer *importer)
{
    if (gs_reader_import_failed(importer))
        return NULL;
    for (uint32_t metric = 0; metric < importer->metrics; metric++)
        check_metric(importer, metric);
    if (importer->points == 0)
        gs_reader_import_refuse(importer, GS_BAD_SERIES, (struct gs_import_place){0}, NULL,
                                importer->how->series_count ? "no series with these labels has a value"
                                                            : "there is no value of a metric");
    if (gs_reader_import_failed(importer))
        return NULL;
    sort_points(importer);
    size_t rows = count_rows(importer);
    if (importer->metrics > GS_HISTORY_METRICS_MAX || rows > CELLS_MAX / importer->metrics) {
        gs_reader_import_refuse(importer, GS_BAD_SERIES, (struct gs_import_place){0}, NULL,
                                "too many values: %zu times of %zu metrics", rows, importer->metrics);
        return NULL;
    }
    return make_history(importer, rows);
}
