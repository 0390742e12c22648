/* ls.c - `gumshoe ls`: lists the incidents of a directory. Incidents of one cause (same rule and fingerprint) share a line. */
#include "base/units.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "metrics/metrics.h"
#include "store/store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *json, const char *key)
{
    return gs_cli_json_text(json, key, "");
}

static bool same_cause(const json_t *a, const json_t *b)
{
    return *text_of(a, "fingerprint") && strcmp(text_of(a, "fingerprint"), text_of(b, "fingerprint")) == 0 &&
           strcmp(text_of(a, "rule"), text_of(b, "rule")) == 0;
}

/* Print TEXT in WIDTH columns, with control characters escaped. */
static void print_column(const char *text, int width)
{
    struct gs_text escaped = {0};
    gs_text_add_printable(&escaped, text);
    printf("%-*s  ", width, escaped.bytes ? escaped.bytes : "");
    gs_text_fini(&escaped);
}

static void print_value(const json_t *json)
{
    const struct gs_metric *metric = gs_metrics_find(text_of(json, "metric"));
    const json_t *value = json_object_get(json, "value");
    char text[GS_UNIT_TEXT] = "-";
    if (metric && json_is_number(value))
        gs_units_print_value(json_number_value(value), metric->unit, text);
    printf("%10s  ", text);
}

static void print_culprit(const json_t *json)
{
    const json_t *culprit = json_object_get(json, "culprit");
    char text[160], share[GS_UNIT_TEXT];
    const char *function = text_of(culprit, "function");
    if (!json_boolean_value(json_object_get(json, "complete")))
        function = *function ? function : "(not complete)";
    snprintf(text, sizeof text, "%s", *function ? function : "-");
    print_column(text, 24);
    double fraction = json_number_value(json_object_get(culprit, "share"));
    printf("%5s  ", json_is_object(culprit)
                        ? gs_units_print_percent((double)(int)(fraction * 100 + 0.5) / 100, share)
                        : "-");
}

static void print_row(const struct gs_store_list *list, size_t at, size_t repeats)
{
    const json_t *json = list->entry[at].json;
    print_column(text_of(json, "triggered"), 24);
    print_column(text_of(json, "rule"), 14);
    print_value(json);
    print_culprit(json);
    char times[32] = "";
    if (repeats > 1)
        snprintf(times, sizeof times, "%zu×", repeats);
    printf("%4s  %s\n", times, list->entry[at].name);
}

/* Newest first. An older incident of a cause that was listed already is only counted. */
static void print_table(const struct gs_store_list *list)
{
    bool *listed = calloc(list->count + 1, sizeof *listed);
    printf("%-24s  %-14s  %10s  %-24s  %5s  %4s  %s\n", "TIME", "RULE", "VALUE", "CULPRIT", "SHARE", "",
           "FOLDER");
    for (size_t i = list->count; listed && i-- > 0;) {
        size_t repeats = 1;
        if (listed[i])
            continue;
        for (size_t older = 0; older < i; older++)
            if (!listed[older] && same_cause(list->entry[i].json, list->entry[older].json)) {
                listed[older] = true;
                repeats++;
            }
        print_row(list, i, repeats);
    }
    free(listed);
}

static int print_as_json(const struct gs_store_list *list, const char *dir)
{
    struct gs_json all = gs_json_array();
    for (size_t i = 0; i < list->count; i++) {
        char path[PATH_MAX];
        json_t *json = list->entry[i].json;
        snprintf(path, sizeof path, "%s/%s", dir, list->entry[i].name);
        gs_json_add(&all,
                    json_object_set_new(json, "dir", gs_json_text(path)) == 0 ? json_incref(json) : NULL);
    }
    json_t *json = gs_json_take(&all);
    int status = gs_cli_print_json(json);
    json_decref(json);
    return status;
}

static int list_directory(const char *dir, bool json)
{
    struct gs_store_list list;
    int error = gs_store_list(dir, &list), status = GS_EXIT_OK;
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", dir, strerrordesc_np(-error));
    if (json)
        status = print_as_json(&list, dir);
    else if (list.count)
        print_table(&list);
    if (list.unreadable)
        gs_cli_complain(GS_EXIT_OK,
                        list.unreadable == 1 ? "%s: %zu incident is damaged and not shown"
                                             : "%s: %zu incidents are damaged and not shown",
                        dir, list.unreadable);
    if (list.count == 0) {
        if (!json)
            fprintf(stderr, "gumshoe: no incidents in %s\n", dir);
        status = GS_EXIT_NEGATIVE;
    }
    gs_store_list_fini(&list);
    return status;
}

int gs_cli_run_ls(struct gs_arguments *arguments)
{
    bool json = false;
    int status;
    const struct gs_option options[] = {
        {"json", .set = &json, .help = "every incident's incident.json, with its \"dir\""},
        {.argument = "DIR", .help = "default: $GUMSHOE_DIR, else ./incidents"},
        {0},
    };
    if (!gs_cli_read_options(arguments, options, &status))
        return status;
    if (arguments->operand_count > 1)
        return gs_cli_usage(arguments->command, "one directory at a time");
    return list_directory(arguments->operand_count ? arguments->operand[0] : gs_cli_default_dir(), json);
}
