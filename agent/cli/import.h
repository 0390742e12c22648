/* import.h - the options of the commands that read a history which another program wrote (import.c). */
#pragma once
#include "cli/options.h"

struct gs_cli_import {          // where the options are stored; gs_cli_import_init first
    const char *column[GS_IMPORT_COLUMNS_MAX], *series[GS_IMPORT_COLUMNS_MAX];
    struct gs_option_list columns, all_series;
    long long cpus;
};
void gs_cli_import_init(struct gs_cli_import *import);
/* What they say, for gs_cli_load_history; borrows from IMPORT. */
struct gs_import gs_cli_import_how(const struct gs_cli_import *import);

int gs_cli_check_column(const struct gs_arguments *arguments, const struct gs_option *option, const char *text);
int gs_cli_check_series(const struct gs_arguments *arguments, const struct gs_option *option, const char *text);
#define GS_HISTORY_HELP \
    "the directory of incidents (weeks, from its .history), an incident's folder, its metrics.json,\n" \
    "a black box, CSV (time,rss,gauge:queue … or Grafana's), JSON of Prometheus, OpenMetrics text, or\n" \
    "the output of pidstat; - is standard input"
#define GS_IMPORT_ARGUMENTS "[--column METRIC=NAME …] [--series LABEL=VALUE …] [--cpus N]" // of a usage line
enum { GS_CLI_CPUS_MAX = 65536 };
/* The rows of these options, stored in IMPORT. */
#define GS_OPTIONS_IMPORT(import) \
    {"column", .argument = "METRIC=NAME", .list = &(import)->columns, .check = gs_cli_check_column, \
     .help = "of another program's history: the column or series NAME is METRIC (or \"time\")"}, \
    {"series", .argument = "LABEL=VALUE", .list = &(import)->all_series, .check = gs_cli_check_series, \
     .help = "only its series, processes or containers with this label: pid=7, instance=web:9100"}, \
    {"cpus", .argument = "N", .number = &(import)->cpus, .min = 1, .max = GS_CLI_CPUS_MAX, \
     .help = "its 100 % of cpu is one CPU, and the program may use N"}
