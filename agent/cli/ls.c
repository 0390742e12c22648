/* ls.c - `gumshoe ls`: lists the incidents of directories. Incidents of one cause share an item, whichever directory they are in:
 *
 *   2026-11-27 15:54:45  heap-high       100 MiB  cache_insert (leaky_server.c:61)
 *     97 MiB more than 5.1 s ago, 100 % of all growth; 3 times since 15:50:01; on web-1, web-2; builds 6e9e10e294cc, 77aa01c3d5f2
 *     incidents/20261127T155445.032Z-heap-high-18269                                               the newest of them
 */
#include "base/clock.h"
#include "base/units.h"
#include "cli/causes.h"
#include "cli/cli.h"
#include "cli/next.h"
#include "cli/options.h"
#include "cli/terminal.h"
#include "metrics/metrics.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TIME_COLUMNS = 19,
    RULE_COLUMNS_MAX = 24,
    VALUE_COLUMNS = 11,
    GAP = 2,
    NAMES_MAX = 8,
    BUILD_ID_SHOWN = 12
};

static const char *text_of(const json_t *json, const char *key)
{
    return gs_cli_json_text(json, key, "");
}

/* ---- one line of facts ------------------------------------------------------------------------------------------------- */

/* Print "2026-11-27 15:54:45", UTC, into OUT. */
static void print_time(const struct gs_listed *incident, char out[GS_TIME_TEXT])
{
    gs_clock_print(incident->entry->triggered_ns, GS_TIME_ISO, out);
    out[TIME_COLUMNS] = 0;
    out[10] = ' ';
}

static void print_value(const json_t *json, char out[GS_UNIT_TEXT])
{
    const struct gs_metric *metric = gs_metrics_find(text_of(json, "metric"));
    const json_t *value = json_object_get(json, "value");
    snprintf(out, GS_UNIT_TEXT, "-");
    if (metric && json_is_number(value))
        gs_units_print_value(json_number_value(value), metric->unit, out);
}

/* Add WORDS, and spaces up to COLUMNS. */
static void add_column(struct gs_text *out, const char *words, size_t columns)
{
    struct gs_text escaped = {0};
    gs_text_add_printable(&escaped, words);
    gs_text_add(out, "%s", escaped.bytes ? escaped.bytes : "");
    for (size_t width = gs_text_columns(escaped.bytes ? escaped.bytes : ""); width < columns; width++)
        gs_text_add(out, " ");
    gs_text_fini(&escaped);
}

/* The columns of the widest rule's name. */
static size_t rule_columns(const struct gs_causes *causes)
{
    size_t widest = strlen("RULE");
    for (size_t i = 0; i < causes->count; i++) {
        size_t columns = gs_text_columns(text_of(gs_cli_cause_last(&causes->cause[i])->entry->json, "rule"));
        widest = columns > widest ? columns : widest;
    }
    return widest < RULE_COLUMNS_MAX ? widest : RULE_COLUMNS_MAX;
}

static void print_facts(const struct gs_listed *incident, size_t rule_width)
{
    const json_t *json = incident->entry->json;
    char time[GS_TIME_TEXT], value[GS_UNIT_TEXT];
    struct gs_text rule = {0}, culprit = {0};
    size_t left = TIME_COLUMNS + GAP + rule_width + GAP + VALUE_COLUMNS + GAP, columns = gs_cli_columns();
    print_time(incident, time);
    print_value(json, value);
    add_column(&rule, text_of(json, "rule"), rule_width);
    gs_cli_add_culprit(&culprit, json, columns == 0 ? 0 : columns > left ? columns - left : 1);
    printf("%s%s%s  %s  %*s  %s%s%s%s%s\n", gs_cli_style(GS_STYLE_FAINT), time, gs_cli_style(GS_STYLE_PLAIN),
           rule.bytes ? rule.bytes : "", VALUE_COLUMNS, value, gs_cli_style(GS_STYLE_STRONG),
           culprit.length ? culprit.bytes : "-", gs_cli_style(GS_STYLE_PLAIN),
           json_boolean_value(json_object_get(json, "complete")) ? "" : "  ",
           json_boolean_value(json_object_get(json, "complete")) ? "" : "(not complete)");
    gs_text_fini(&rule);
    gs_text_fini(&culprit);
}

/* ---- repeats ----------------------------------------------------------------------------------------------------------- */

/* The distinct texts at KEY of CAUSE's incidents, newest first. Returns how many there are, also beyond NAMES_MAX. */
static size_t distinct(const struct gs_cause *cause, const char *key, const char *name[NAMES_MAX])
{
    size_t count = 0;
    for (size_t i = cause->count; i-- > 0;) {
        const char *text = text_of(cause->incident[i].entry->json, key);
        bool known = !*text;
        for (size_t n = 0; n < count && n < NAMES_MAX; n++)
            known |= strcmp(name[n], text) == 0;
        if (!known && count < NAMES_MAX)
            name[count] = text;
        count += !known;
    }
    return count;
}

/* Add "; on web-1, web-2": LABEL, or LABELS if there are several, and the texts at KEY, each cut after LENGTH bytes. */
static void add_names(struct gs_text *out, const struct gs_cause *cause, const char *key,
                      const char *labels[2], int length)
{
    const char *name[NAMES_MAX];
    size_t count = distinct(cause, key, name);
    for (size_t i = 0; i < count && i < NAMES_MAX; i++) {
        char start[256];
        snprintf(start, sizeof start, "%.*s", length, name[i]);
        gs_text_add(out, "%s", i > 0 ? ", " : out->length ? "; " : "");
        gs_text_add(out, "%s", i > 0 ? "" : labels[count > 1]);
        gs_text_add_printable(out, start);
    }
    if (count > NAMES_MAX)
        gs_text_add(out, " and more");
}

static void add_repeats(struct gs_text *out, const struct gs_cause *cause)
{
    char first[GS_TIME_TEXT], last[GS_TIME_TEXT];
    if (cause->count < 2)
        return;
    print_time(&cause->incident[0], first);
    print_time(gs_cli_cause_last(cause), last);
    bool same_day = memcmp(first, last, 10) == 0;
    gs_text_add(out, "%s%zu times since %s", out->length ? "; " : "", cause->count,
                same_day ? first + 11 : first);
}

static void print_cause(const struct gs_cause *cause, size_t rule_width)
{
    const struct gs_listed *last = gs_cli_cause_last(cause);
    struct gs_text charge = {0}, line = {0};
    print_facts(last, rule_width);
    gs_cli_add_charge(&charge, last->entry->json);
    add_repeats(&charge, cause);
    add_names(&charge, cause, "host", (const char *[2]){"on ", "on "}, 64);
    add_names(&charge, cause, "build_id", (const char *[2]){"build ", "builds "}, BUILD_ID_SHOWN);
    gs_text_add(&line, "  %s", charge.bytes ? charge.bytes : "");
    if (charge.length)
        gs_cli_print_wrapped(line.bytes, 2, GS_STYLE_PLAIN);
    fputs("  ", stdout); // the path is never cut or wrapped: it is there to be copied
    gs_text_fini(&line);
    gs_text_add(&line, "%s/%s", last->dir, last->entry->name);
    gs_cli_print_line(line.bytes ? line.bytes : "");
    gs_text_fini(&line);
    gs_text_fini(&charge);
}

/* On a terminal, tell how to go on. */
static void print_hint(const struct gs_causes *causes)
{
    const struct gs_listed *newest = gs_cli_cause_last(&causes->cause[0]);
    struct gs_text path = {0}, line = {0};
    if (!gs_cli_columns())
        return;
    gs_text_add(&path, "%s%s/%s", *newest->dir == '-' ? "./" : "", newest->dir, newest->entry->name);
    gs_text_add(&line, "next: gumshoe show ");
    gs_cli_add_quoted(&line, path.bytes ? path.bytes : "");
    printf("\n%s\n", line.bytes ? line.bytes : "");
    gs_text_fini(&path);
    gs_text_fini(&line);
}

static int print_causes(const struct gs_store_list *list, char *const *dir, size_t count)
{
    struct gs_causes causes;
    bool found = gs_cli_causes_find(list, dir, count, &causes);
    int width = found ? (int)rule_columns(&causes) : 0;
    if (found && causes.count) {
        printf("%-*s  %-*s  %*s  %s\n", TIME_COLUMNS, "TIME (UTC)", width, "RULE", VALUE_COLUMNS, "VALUE",
               "CULPRIT");
        for (size_t i = 0; i < causes.count; i++)
            print_cause(&causes.cause[i], (size_t)width);
        print_hint(&causes);
    }
    gs_cli_causes_fini(&causes);
    return found ? GS_EXIT_OK : gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
}

/* ---- the command ------------------------------------------------------------------------------------------------------- */

static int print_as_json(const struct gs_store_list *list, char *const *dir, size_t count)
{
    struct gs_json all = gs_json_array();
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at < list[i].count; at++) {
            char path[PATH_MAX];
            json_t *json = list[i].entry[at].json;
            snprintf(path, sizeof path, "%s/%s", dir[i], list[i].entry[at].name);
            bool added = json_object_set_new(json, "dir", gs_json_text(path)) == 0;
            gs_json_add(&all, added ? json_incref(json) : NULL);
        }
    json_t *json = gs_json_take(&all);
    int status = gs_cli_print_json(json);
    json_decref(json);
    return status;
}

/* Read the incidents of DIR. Returns an exit status; an error was printed. */
static int read_directory(const char *dir, struct gs_store_list *out)
{
    int error = gs_store_list(dir, out);
    if (error)
        return gs_cli_complain(GS_EXIT_IO, "%s: %s", dir, strerrordesc_np(-error));
    if (out->unreadable)
        gs_cli_complain(GS_EXIT_OK,
                        out->unreadable == 1 ? "%s: %zu incident is damaged and not shown"
                                             : "%s: %zu incidents are damaged and not shown",
                        dir, out->unreadable);
    return GS_EXIT_OK;
}

static int list_directories(char *const *dir, size_t count, bool json)
{
    struct gs_store_list *list = calloc(count, sizeof *list);
    int status = list ? GS_EXIT_OK : gs_cli_complain(GS_EXIT_IO, "there is not enough memory");
    size_t incidents = 0;
    for (size_t i = 0; list && i < count; i++) {
        int read = read_directory(dir[i], &list[i]);
        status = read ? read : status;
        incidents += list[i].count;
    }
    if (list && (incidents || status == GS_EXIT_OK)) {
        int printed = json ? print_as_json(list, dir, count) : print_causes(list, dir, count);
        status = printed ? printed : status;
    }
    if (incidents == 0 && status == GS_EXIT_OK) {
        for (size_t i = 0; !json && i < count; i++)
            gs_cli_complain(GS_EXIT_NEGATIVE, "no incidents in %s", dir[i]);
        status = GS_EXIT_NEGATIVE;
    }
    for (size_t i = 0; list && i < count; i++)
        gs_store_list_fini(&list[i]);
    free(list);
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
    char *default_dir[] = {(char *)gs_cli_default_dir()};
    return arguments->operand_count ? list_directories(arguments->operand, arguments->operand_count, json)
                                    : list_directories(default_dir, 1, json);
}
