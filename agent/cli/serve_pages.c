/* serve_pages.c - the first page: incidents, those of one cause together, and the processes that are watched. */
#include "base/memory.h"
#include "base/units.h"
#include "cli/cli.h"
#include "cli/serve.h"
#include "metrics/metrics.h"
#include "reader/reader.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LISTED = 20 }; // incidents of one cause that are listed

/* ---- causes ------------------------------------------------------------------------------------------------------------- */

/* Incidents of one cause: of one rule and fingerprint. One without a fingerprint is a cause of its own. */
struct cause {
    char fingerprint[40], rule[GS_RULE_NAME_MAX + 1];
    char program[96], culprit[120], reason[260], value[GS_UNIT_TEXT], share[GS_UNIT_TEXT];
    bool complete;
    size_t count, listed;
    const struct gs_incident_row *row[LISTED]; // newest first
};

static void describe(struct cause *cause, const json_t *json)
{
    const json_t *culprit = json_object_get(json, "culprit"), *value = json_object_get(json, "value");
    const struct gs_metric *metric = gs_metrics_find(gs_cli_json_text(json, "metric", ""));
    snprintf(cause->fingerprint, sizeof cause->fingerprint, "%s", gs_cli_json_text(json, "fingerprint", ""));
    snprintf(cause->rule, sizeof cause->rule, "%s", gs_cli_json_text(json, "rule", ""));
    snprintf(cause->program, sizeof cause->program, "%s",
             gs_text_base_name(gs_cli_json_text(json, "exe", "")));
    snprintf(cause->culprit, sizeof cause->culprit, "%s", gs_cli_json_text(culprit, "function", ""));
    snprintf(cause->reason, sizeof cause->reason, "%s", gs_cli_json_text(json, "reason", ""));
    cause->complete = json_is_true(json_object_get(json, "complete"));
    if (metric && json_is_number(value))
        gs_units_print_value(json_number_value(value), metric->unit, cause->value);
    if (json_is_number(json_object_get(culprit, "share")))
        gs_units_print_percent(
            (double)(int)(json_number_value(json_object_get(culprit, "share")) * 100 + 0.5) / 100,
            cause->share);
}

static struct cause *find_cause(struct cause *causes, size_t count, const json_t *json)
{
    const char *fingerprint = gs_cli_json_text(json, "fingerprint", ""),
               *rule = gs_cli_json_text(json, "rule", "");
    for (size_t i = 0; i < count && *fingerprint; i++)
        if (strncmp(causes[i].fingerprint, fingerprint, sizeof causes[i].fingerprint - 1) == 0 &&
            strcmp(causes[i].rule, rule) == 0)
            return &causes[i];
    return NULL;
}

/* Group ROWS into CAUSES, which has room for all of them. Returns how many causes there are. */
static size_t group(const struct gs_served *served, const struct gs_incident_rows *rows, struct cause *causes)
{
    size_t count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        json_t *json = gs_cli_incident_load(served, &rows->row[i]);
        if (!json)
            continue;
        struct cause *cause = find_cause(causes, count, json);
        if (!cause) {
            cause = &causes[count++];
            describe(cause, json); // by the newest one
        }
        cause->count++;
        if (cause->listed < LISTED)
            cause->row[cause->listed++] = &rows->row[i];
        json_decref(json);
    }
    return count;
}

static void add_link(struct gs_text *out, const struct gs_incident_row *row, const char *shown)
{
    gs_text_add(out, "<a href=\"incident/%zu/", row->dir);
    gs_reader_page_escape(out, row->key);
    gs_text_add(out, "/\">");
    gs_reader_page_escape(out, shown);
    gs_text_add(out, "</a> <a href=\"incident/%zu/", row->dir);
    gs_reader_page_escape(out, row->key);
    gs_text_add(out, "/files\">files</a>");
}

/* "2026-11-24 03:05:09" of a folder's name, which begins with 20261124T030509.123Z; a user and "@" may stand before it. */
static const char *time_of(const struct gs_incident_row *row, char out[24])
{
    struct gs_store_user user;
    const char *folder = gs_store_key_split(row->key, &user), *n = folder ? folder : row->key;
    snprintf(out, 24, "%.4s-%.2s-%.2s %.2s:%.2s:%.2s", n, n + 4, n + 6, n + 9, n + 11, n + 13);
    return out;
}

static void add_cause(struct gs_text *out, const struct cause *cause)
{
    char time[24];
    gs_text_add(out, "<tr><td class=\"t\">");
    add_link(out, cause->row[0], time_of(cause->row[0], time));
    if (cause->count > 1) {
        gs_text_add(out, "<details><summary>%zu times</summary><ul>\n", cause->count);
        for (size_t i = 0; i < cause->listed; i++) {
            gs_text_add(out, "<li>");
            add_link(out, cause->row[i], time_of(cause->row[i], time));
            gs_text_add(out, "\n");
        }
        gs_text_add(out,
                    cause->count > cause->listed ? "<li>and %zu older</ul></details>" : "</ul></details>",
                    cause->count - cause->listed);
    }
    gs_text_add(out, "<td>");
    gs_reader_page_escape(out, cause->rule);
    gs_text_add(out, "<td>");
    gs_reader_page_escape(out, cause->program);
    gs_text_add(out, "<td class=\"w\"><code>");
    gs_reader_page_escape(out, *cause->culprit ? cause->culprit : "–");
    gs_text_add(out, "</code>%s%s%s<td class=\"n\">%s<td class=\"w\">",
                *cause->share ? " <span class=\"soft\">" : "", cause->share, *cause->share ? "</span>" : "",
                cause->value);
    gs_reader_page_escape(out, cause->reason);
    gs_text_add(out, cause->complete ? "\n" : " <span class=\"bad\">(not complete)</span>\n");
}

static void add_causes(const struct gs_served *served, struct gs_text *out)
{
    struct gs_incident_rows *rows = gs_alloc(sizeof *rows);
    struct cause *causes = gs_alloc(GS_INCIDENTS_SHOWN * sizeof *causes);
    out->failed |= !rows || !causes;
    if (rows && causes) {
        gs_cli_incidents_find(served, rows);
        size_t count = group(served, rows, causes);
        if (count == 0)
            gs_text_add(out, "<p class=\"empty\">No incidents. When a rule fires, or a process dies, it "
                             "appears here.</p>\n");
        else
            gs_text_add(out, "<div class=\"wide\"><table><thead><tr><th>Latest "
                             "(UTC)<th>Rule<th>Program<th>Culprit<th class=\"n\">"
                             "Value<th>Why</thead><tbody>\n");
        for (size_t i = 0; i < count; i++)
            add_cause(out, &causes[i]);
        gs_text_add(out, count ? "</tbody></table></div>\n" : "");
        if (rows->left_out)
            gs_text_add(out,
                        "<p class=\"soft\">%zu older incidents are not shown: gumshoe ls lists them.</p>\n",
                        rows->left_out);
    }
    gs_free(rows);
    gs_free(causes);
}

/* ---- processes ---------------------------------------------------------------------------------------------------------- */

static void add_size(struct gs_text *out, double bytes)
{
    char text[GS_UNIT_TEXT];
    gs_text_add(out, "<td class=\"n\">%s", isnan(bytes) ? "–" : gs_units_print_size(bytes, text));
}

static void add_count(struct gs_text *out, double count)
{
    char text[GS_UNIT_TEXT];
    gs_text_add(out, "<td class=\"n\">%s", isnan(count) ? "–" : gs_units_print_count(count, text));
}

static void add_row(struct gs_text *out, const struct gs_process_row *row)
{
    char started[24] = "";
    if (strlen(row->started) >= 19)
        snprintf(started, sizeof started, "%.10s %.8s", row->started, row->started + 11);
    gs_text_add(out, "<tr><td>");
    gs_reader_page_escape(out, *row->program ? row->program : "–");
    gs_text_add(out, "<td class=\"n\">");
    gs_reader_page_escape(out, row->agent.key);
    add_size(out, row->rss);
    add_size(out, row->heap_in_use);
    add_count(out, row->threads);
    gs_text_add(out, "<td class=\"t\">");
    gs_reader_page_escape(out, started);
    add_count(out, row->fired);
    gs_text_add(out, "<td><a href=\"pid/");
    gs_reader_page_escape(out, row->agent.key);
    gs_text_add(out, "/debug/pprof/\">profiles</a>");
    gs_text_add(out, "<td class=\"%s\">", *row->why ? "bad w" : "good");
    gs_reader_page_escape(out, *row->why ? row->why : "watched");
    gs_text_add(out, "\n");
}

static void add_processes(void *argument, const struct gs_process_row *row, size_t count)
{
    struct gs_text *out = argument;
    if (count == 0) {
        gs_text_add(out, "<p class=\"empty\">No process is watched now. <code>gumshoe run -- PROGRAM</code> "
                         "starts one.</p>\n");
        return;
    }
    gs_text_add(
        out,
        "<div class=\"wide\"><table><thead><tr><th>Program<th class=\"n\">Pid<th class=\"n\">RSS<th "
        "class=\"n\">Heap in "
        "use<th class=\"n\">Threads<th>Started (UTC)<th class=\"n\">Incidents<th><th>State</thead><tbody>\n");
    for (size_t i = 0; i < count; i++)
        add_row(out, &row[i]);
    gs_text_add(out, "</tbody></table></div>\n");
}

/* ---- the page ------------------------------------------------------------------------------------------------------------- */

void gs_cli_serve_index(const struct gs_web_request *request, struct gs_web_answer *answer)
{
    gs_cli_html_begin(answer, "Incidents", "");
    gs_text_add(&answer->body, "<h1 id=\"incidents\">Incidents</h1>\n");
    add_causes(request->served, &answer->body);
    gs_text_add(&answer->body, "<h2 id=\"processes\">Processes</h2>\n");
    gs_cli_processes_use(request->served, add_processes, &answer->body);
    gs_text_add(&answer->body, "<p class=\"soft\">In ");
    for (size_t i = 0; i < request->served->dir_count; i++) {
        gs_text_add(&answer->body, i ? ", <code>" : "<code>");
        gs_reader_page_escape(&answer->body, request->served->dir[i]);
        gs_text_add(&answer->body, "</code>");
    }
    gs_text_add(&answer->body, "</p>\n");
    gs_cli_html_end(answer);
}
