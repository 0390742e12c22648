/* import.c - the options --column, --series and --cpus of `gumshoe replay` and `gumshoe suggest`. */
#include "cli/import.h"
#include "metrics/metrics.h"
#include <stdio.h>
#include <string.h>

void gs_cli_import_init(struct gs_cli_import *import)
{
    *import = (struct gs_cli_import){.columns = {import->column, 0, GS_IMPORT_COLUMNS_MAX, "columns"},
                                     .all_series = {import->series, 0, GS_IMPORT_COLUMNS_MAX, "labels"}};
}

struct gs_import gs_cli_import_how(const struct gs_cli_import *import)
{
    return (struct gs_import){.column = import->column,
                              .column_count = import->columns.count,
                              .series = import->series,
                              .series_count = import->all_series.count,
                              .cpus = (unsigned)import->cpus};
}

int gs_cli_check_column(const struct gs_arguments *arguments, const struct gs_option *option,
                        const char *text)
{
    char metric[GS_METRIC_NAME];
    const char *equals = strchr(text, '='), *nearest;
    (void)option;
    if (!equals || equals == text || !equals[1])
        return gs_cli_usage(arguments->command,
                            "--column takes METRIC=NAME, for example rss=\"Value #A\", not \"%s\"", text);
    snprintf(metric, sizeof metric, "%.*s", (int)(equals - text), text);
    if ((size_t)(equals - text) < sizeof metric && (strcmp(metric, "time") == 0 || gs_metrics_find(metric)))
        return GS_EXIT_OK;
    nearest = gs_errors_nearest(metric, &gs_metrics[0].name, gs_metrics_count(), sizeof gs_metrics[0]);
    return gs_cli_usage(arguments->command, "--column: there is no metric \"%s\"; %s%s%s", metric,
                        nearest ? "did you mean \"" : "a number of the program's own is \"gauge:NAME",
                        nearest ? nearest : "", nearest ? "\"?" : "\"");
}

int gs_cli_check_series(const struct gs_arguments *arguments, const struct gs_option *option,
                        const char *text)
{
    const char *equals = strchr(text, '=');
    (void)option;
    if (equals && equals > text)
        return GS_EXIT_OK;
    return gs_cli_usage(arguments->command, "--series takes LABEL=VALUE, for example pid=7, not \"%s\"",
                        text);
}
