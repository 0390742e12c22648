/* import_columns.c - what each column of the file becomes: a metric, by --column or by its name, or left out. And what is said of it.
 *
 *   --column METRIC=NAME   decides before the known names (import_names.c); METRIC is then no other column */
#include "base/text.h"
#include "metrics/metrics.h"
#include "reader/import.h"
#include <stdio.h>
#include <string.h>

/* ---- --column ----------------------------------------------------------------------------------------------------------- */

/* The metric that --column gives to NAME{LABELS}, in METRIC; false: none does. Of two, the first. */
static bool find_column(struct gs_importer *importer, const char *name, const char *labels,
                        char metric[GS_METRIC_NAME])
{
    bool found = false;
    for (size_t i = 0; i < importer->how->column_count; i++) {
        const char *column = importer->how->column[i], *equals = strchr(column, '=');
        size_t length = strlen(name);
        if (!equals || strncmp(equals + 1, name, length) != 0)
            continue;
        const char *rest = equals + 1 + length;
        size_t rest_length = strlen(rest);
        bool whole = rest_length == strlen(labels) + 2 && rest[0] == '{' &&
                     strncmp(rest + 1, labels, rest_length - 2) == 0 && rest[rest_length - 1] == '}';
        if (*rest && !whole)
            continue;
        importer->used_columns |= i < 64 ? 1ULL << i : 0;
        if (!found)
            snprintf(metric, GS_METRIC_NAME, "%.*s", (int)(equals - column), column);
        found = true;
    }
    return found;
}

/* Does a --column say what METRIC is? */
static bool is_given(const struct gs_importer *importer, const char *metric)
{
    size_t length = strlen(metric);
    for (size_t i = 0; i < importer->how->column_count; i++)
        if (strncmp(importer->how->column[i], metric, length) == 0 && importer->how->column[i][length] == '=')
            return true;
    return false;
}

bool gs_reader_import_is_chosen(struct gs_importer *importer, const char *name)
{
    char metric[GS_METRIC_NAME];
    return find_column(importer, name, "", metric);
}

static void leave_out(struct gs_importer *importer, const char *name)
{
    char shown[GS_LEFT_OUT_NAME];
    snprintf(shown, sizeof shown, "%.*s", GS_LEFT_OUT_NAME - 1, name);
    for (char *c = shown; *c; c++)
        *c = *c == '\n' ? ' ' : *c; // a note is a line
    for (size_t i = 0; i < importer->left_out_count; i++)
        if (strcmp(importer->left_out[i], shown) == 0)
            return;
    if (importer->left_out_count < GS_LEFT_OUT_MAX)
        memcpy(importer->left_out[importer->left_out_count++], shown, sizeof shown);
    else
        importer->left_out_more = true;
}

/* Divide what is of one CPU by the number of CPUs, if that is known. */
static void scale_cpu(struct gs_importer *importer, const char *name, struct gs_import_meaning *meaning)
{
    unsigned cpus = importer->how->cpus ? importer->how->cpus : importer->file_cpus;
    if (strcmp(meaning->metric, "cpu") != 0)
        return;
    if (importer->how->cpus || (meaning->of_one_cpu && cpus)) {
        meaning->cpus = cpus;
        importer->cpu_of_machine |= !importer->how->cpus;
    } else if (meaning->of_one_cpu)
        snprintf(importer->unscaled_cpu, sizeof importer->unscaled_cpu, "%.*s", GS_LEFT_OUT_NAME - 1, name);
}

bool gs_reader_import_meaning_of(struct gs_importer *importer, enum gs_import_dialect dialect,
                                 const char *name, const char *labels, struct gs_import_meaning *out)
{
    char metric[GS_METRIC_NAME];
    bool kilobytes = dialect == GS_DIALECT_SYSSTAT && (strncmp(name, "kb", 2) == 0 || !strcmp(name, "VSZ"));
    if (find_column(importer, name, labels, metric)) {
        if (!gs_reader_import_known(dialect, name, labels, out) || strcmp(out->metric, metric) != 0)
            (void)gs_reader_import_mean(metric, name, out);
        if (out->factor <= 0)
            out->factor = 1; // the user knows
        if (kilobytes && out->unit == GS_BYTES)
            out->factor = 1024;
        scale_cpu(importer, name, out);
        return true;
    }
    if (gs_reader_import_known(dialect, name, labels, out) && !is_given(importer, out->metric)) {
        scale_cpu(importer, name, out);
        return true;
    }
    leave_out(importer, *name ? name : *labels ? labels : "{}");
    return false;
}

bool gs_reader_import_is_time(struct gs_importer *importer, const char *name)
{
    char metric[GS_METRIC_NAME];
    if (!is_given(importer, "time"))
        return gs_reader_import_names_time(name);
    return find_column(importer, name, "", metric) && strcmp(metric, "time") == 0;
}

/* ---- what is said ----------------------------------------------------------------------------------------------------- */

/* Add to OUT the columns that the file has: "A", "B". */
static void add_all_names(const struct gs_importer *importer, struct gs_text *out)
{
    const char *between = "";
    for (size_t i = 0; i < importer->series_count && i < GS_LEFT_OUT_MAX; i++, between = ", ")
        gs_text_add(out, "%s\"%.60s\"", between, importer->series[i].name);
    for (size_t i = 0; i < importer->left_out_count; i++, between = ", ")
        gs_text_add(out, "%s\"%s\"", between, importer->left_out[i]);
}

void gs_reader_import_check_columns(struct gs_importer *importer)
{
    for (size_t i = 0; i < importer->how->column_count && i < 64; i++) {
        const char *equals = strchr(importer->how->column[i], '=');
        struct gs_text names = {0};
        char hint[96];
        if (!equals || importer->used_columns >> i & 1)
            continue;
        add_all_names(importer, &names);
        snprintf(hint, sizeof hint, "it has %.80s", names.bytes ? names.bytes : "none");
        gs_reader_import_refuse(importer, GS_BAD_HEADER, (struct gs_import_place){0}, hint,
                                "--column: the file has no column or series \"%.60s\"", equals + 1);
        gs_text_fini(&names);
    }
}

void gs_reader_import_refuse_names(struct gs_importer *importer, struct gs_import_place place,
                                   const char *advice)
{
    struct gs_text names = {0};
    char hint[96];
    const char *nearest = NULL;
    gs_reader_import_check_columns(importer);
    for (size_t i = 0; i < importer->left_out_count && !nearest; i++)
        nearest = gs_errors_nearest(importer->left_out[i], &gs_metrics[0].name, gs_metrics_count(),
                                    sizeof gs_metrics[0]);
    snprintf(hint, sizeof hint, "%s", advice ? advice : "name one, for example with --column rss=NAME");
    if (nearest)
        snprintf(hint, sizeof hint, "did you mean \"%s\"?", nearest);
    add_all_names(importer, &names);
    if (!importer->refused[GS_BAD_HEADER])
        gs_reader_import_refuse(importer, GS_BAD_HEADER, place, hint, "no column is a metric: %.110s%s",
                                names.bytes ? names.bytes : "there is none",
                                importer->left_out_more ? " …" : "");
    gs_text_fini(&names);
}

/* Is series AT the first one of its name? */
static bool is_first_of_name(const struct gs_importer *importer, size_t at)
{
    const struct gs_import_series *series = &importer->series[at];
    for (size_t i = 0; i < at; i++)
        if (importer->series[i].base_length == series->base_length &&
            strncmp(importer->series[i].name, series->name, series->base_length) == 0)
            return false;
    return true;
}

/* "rss is "RSS (bytes)", cpu is "CPU %"": each name that is not its metric's. */
static void note_taken(struct gs_importer *importer)
{
    enum { SHOWN = 16 };
    struct gs_text *notes = &importer->how->notes;
    const char *between = "";
    for (size_t i = 0; i < importer->series_count && i < SHOWN; i++) {
        const struct gs_import_series *series = &importer->series[i];
        const char *metric = series->meaning.metric;
        size_t base = series->base_length;
        if ((strlen(metric) == base && strncmp(metric, series->name, base) == 0) ||
            !is_first_of_name(importer, i))
            continue;
        gs_text_add(notes, "%s%s is%s \"%.*s\"", between, metric,
                    series->meaning.counter ? " the increase of" : "", base < 80 ? (int)base : 80,
                    series->name);
        between = ", ";
    }
    if (*between)
        gs_text_add(notes, "\n");
}

static void note_left_out(struct gs_importer *importer)
{
    struct gs_text *notes = &importer->how->notes;
    for (size_t i = 0; i < importer->left_out_count; i++) {
        const char *name = importer->left_out[i];
        const char *nearest =
            gs_errors_nearest(name, &gs_metrics[0].name, gs_metrics_count(), sizeof gs_metrics[0]);
        gs_text_add(notes, i ? ", \"%s\"" : "left out, because they are no metrics: \"%s\"", name);
        if (nearest && !is_given(importer, nearest))
            gs_text_add(notes, " (did you mean \"%s\"?)", nearest);
    }
    if (importer->left_out_count)
        gs_text_add(notes, "%s; --column METRIC=NAME takes one\n",
                    importer->left_out_more ? " and more" : "");
}

void gs_reader_import_note_names(struct gs_importer *importer)
{
    note_taken(importer);
    note_left_out(importer);
    if (*importer->unscaled_cpu)
        gs_text_add(&importer->how->notes,
                    "cpu: if 100 %% of \"%s\" is one CPU, give --cpus N, the CPUs that the program may use\n",
                    importer->unscaled_cpu);
    else if (importer->cpu_of_machine)
        gs_text_add(&importer->how->notes,
                    "cpu is a share of the machine's %u CPU%s; if the program may use fewer, give --cpus N\n",
                    importer->file_cpus, importer->file_cpus == 1 ? "" : "s");
}
