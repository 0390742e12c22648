/* page_incident_verdict.c - the head of an incident's page: which rule fired and why, the culprit in a sentence, the facts.
 * Context: CLI. */
#include "base/clock.h"
#include "reader/page_incident.h"
#include "store/store.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STACK_MAX = 64, LABELS_MAX = 32 };

/* "leaky_server.c:61"; "" when the place is not known. An incident that was never symbolized has none, but its profile may. */
static const char *place_of(const struct gs_incident_page *page, const json_t *culprit, char *out,
                            size_t size)
{
    struct gs_page_place place = {NULL, gs_reader_report_text(culprit, "file"), 0};
    double line = gs_reader_report_number(culprit, "line_number");
    place.line = line > 0 && line < 1e9 ? (int64_t)line : 0;
    if (!*place.file)
        gs_reader_report_culprit_place(page, &place);
    if (place.line > 0)
        snprintf(out, size, "%.180s:%lld", gs_text_base_name(place.file), (long long)place.line);
    else
        snprintf(out, size, "%.180s", gs_text_base_name(place.file));
    return out;
}

static const char *share_of(const json_t *object, char *out)
{
    double share = gs_reader_report_number(object, "share");
    return gs_units_print_percent(
        share > 0 && share < 1000 ? (double)(int64_t)(share * 1000 + 0.5) / 1000 : 0, out);
}

/* ---- the culprit ----------------------------------------------------------------------------------------------------- */

/* What the culprit did, as the end of a sentence: "holds 93.2 MiB more than 4.8 s ago, 100 % of all growth". */
static void add_deed(const struct gs_incident_page *page, const json_t *culprit, struct gs_text *out)
{
    const char *kind = gs_reader_report_text(culprit, "kind");
    char share[GS_UNIT_TEXT], amount[GS_UNIT_TEXT], age[GS_UNIT_TEXT];
    double bytes = gs_reader_report_number(culprit, "bytes"),
           count = gs_reader_report_number(culprit, "count"),
           ns = gs_reader_report_number(culprit, "nanoseconds"),
           age_s = gs_reader_report_number(page->json, "baseline_age_s");
    share_of(culprit, share);
    gs_units_print_size(isnan(bytes) ? 0 : bytes, amount);
    gs_units_print_duration(age_s > 0 && age_s < 1e9 ? (int64_t)(age_s * GS_NS_PER_S) : 0, age);
    if (strcmp(kind, "growth") == 0)
        gs_text_add(out, "holds <strong>%s</strong> more than %s before: %s of all growth", amount,
                    age_s > 0 ? age : "some time", share);
    else if (strcmp(kind, "in_use") == 0)
        gs_text_add(out, "holds <strong>%s</strong>: %s of it all", amount, share);
    else if (strcmp(kind, "cpu") == 0)
        gs_text_add(out, "used <strong>%s</strong> of CPU time: %s of all",
                    gs_units_print_duration(ns > 0 && ns < 9e18 ? (int64_t)ns : 0, amount), share);
    else if (strcmp(kind, "threads") == 0)
        gs_text_add(out, "is where <strong>%.0f threads</strong> are: %s of all", isnan(count) ? 0 : count,
                    share);
    else if (strcmp(kind, "deadlock") == 0)
        gs_text_add(out, "is in a <strong>deadlock</strong> of %.0f threads", isnan(count) ? 0 : count);
    else if (strcmp(kind, "lock") == 0)
        gs_text_add(out, "holds a <strong>lock</strong> that %.0f threads wait for: %s of all",
                    isnan(count) ? 0 : count, share);
    else if (strcmp(kind, "crash") == 0)
        gs_text_add(out, "is where the program <strong>crashed</strong>");
    else
        gs_text_add(out, "is the culprit");
    gs_text_add(out, ".");
}

/* Why another function may be to blame; who called; what was passed over. */
static void add_doubts(const json_t *culprit, struct gs_text *out)
{
    char share[GS_UNIT_TEXT];
    const json_t *caller = json_object_get(culprit, "caller"),
                 *second = json_object_get(culprit, "runner_up");
    if (*gs_reader_report_text(caller, "function")) {
        gs_text_add(out, "<p>Called by ");
        gs_reader_report_element(out, "code", NULL, gs_reader_report_text(caller, "function"));
        gs_text_add(out, " for %s of that.</p>\n", share_of(caller, share));
    }
    if (strcmp(gs_reader_report_text(culprit, "confidence"), "low") == 0)
        gs_text_add(out, "<p class=\"doubt\">This is not certain.</p>\n");
    if (*gs_reader_report_text(second, "function")) {
        gs_text_add(out, "<p class=\"doubt\">Close behind: ");
        gs_reader_report_element(out, "code", NULL, gs_reader_report_text(second, "function"));
        gs_text_add(out, ", %s.</p>\n", share_of(second, share));
    }
}

static void add_culprit(struct gs_incident_page *page)
{
    char place[240];
    struct gs_text *out = &page->body;
    const json_t *culprit = json_object_get(page->json, "culprit"), *frame;
    size_t i;
    if (!*gs_reader_report_text(culprit, "function")) {
        gs_text_add(out, "<p class=\"culprit\">No culprit was found.</p>\n");
        return;
    }
    gs_text_add(out, "<p class=\"culprit\">");
    gs_reader_report_element(out, "code", "function", gs_reader_report_text(culprit, "function"));
    gs_text_add(out, " ");
    gs_reader_report_element(out, "span", "place", place_of(page, culprit, place, sizeof place));
    gs_text_add(out, " ");
    add_deed(page, culprit, out);
    gs_text_add(out, "</p>\n");
    add_doubts(culprit, out);
    const json_t *stack = gs_reader_report_list(culprit, "stack");
    if (!json_array_size(stack))
        return;
    gs_text_add(
        out,
        "<details><summary>Its heaviest stack, the innermost function first</summary><ol class=\"stack\">");
    json_array_foreach(stack, i, frame)
    {
        const char *name = json_string_value(frame);
        if (i < STACK_MAX)
            gs_reader_report_element(out, "li", NULL, name ? name : "");
    }
    gs_text_add(out, "</ol></details>\n");
}

/* ---- the facts -------------------------------------------------------------------------------------------------------- */

static void add_fact(struct gs_text *out, const char *name, const char *words)
{
    if (!*words)
        return;
    gs_text_add(out, "<div><dt>%s</dt>", name);
    gs_reader_report_element(out, "dd", NULL, words);
    gs_text_add(out, "</div>");
}

static void add_number_fact(struct gs_text *out, const char *name, double value, const char *format)
{
    char text[64];
    if (isnan(value))
        return;
    snprintf(text, sizeof text, format, value);
    add_fact(out, name, text);
}

static void add_process_facts(const struct gs_incident_page *page, struct gs_text *out)
{
    const json_t *json = page->json, *value;
    const char *key;
    char text[300];
    size_t shown = 0;
    const char *program = gs_reader_report_text(json, "program"), *exe = gs_reader_report_text(json, "exe");
    add_fact(out, "Program", *program ? program : gs_text_base_name(exe));
    add_fact(out, "File", exe);
    add_number_fact(out, "Process", gs_reader_report_number(json, "pid"), "%.0f");
    add_fact(out, "Host", gs_reader_report_text(json, "host"));
    add_fact(out, "Container", gs_reader_report_text(json_object_get(json, "container"), "id"));
    add_fact(out, "Pod", gs_reader_report_text(json, "pod"));
    add_fact(out, "Build id", gs_reader_report_text(json, "build_id"));
    json_object_foreach((json_t *)json_object_get(json, "labels"), key, value)
    {
        if (json_is_string(value) && shown++ < LABELS_MAX) {
            snprintf(text, sizeof text, "%.120s = %.160s", key, json_string_value(value));
            add_fact(out, "Label", text);
        }
    }
}

static void add_facts(const struct gs_incident_page *page, struct gs_text *out)
{
    const json_t *json = page->json;
    char time[GS_TIME_TEXT], text[GS_UNIT_TEXT + 160];
    int64_t started_ns;
    double limit = gs_reader_report_number(json, "limit");
    gs_text_add(out, "<dl class=\"facts\">");
    if (page->triggered_ns)
        add_fact(out, "When", gs_clock_print(page->triggered_ns, GS_TIME_ISO, time));
    if (page->triggered_ns && gs_store_time_read(gs_reader_report_text(json, "started"), &started_ns) &&
        started_ns < page->triggered_ns)
        add_fact(out, "Running for", gs_units_print_duration(page->triggered_ns - started_ns, text));
    add_process_facts(page, out);
    if (limit > 0) {
        const char *from = gs_reader_report_text(json, "limit_from");
        char size[GS_UNIT_TEXT];
        snprintf(text, sizeof text, "%s%s%.120s%s", gs_units_print_size(limit, size), *from ? " (" : "", from,
                 *from ? ")" : "");
        add_fact(out, "Memory limit", text);
    }
    add_fact(out, "Fingerprint", gs_reader_report_text(json, "fingerprint"));
    gs_text_add(out, "</dl>\n");
}

/* How a process died, which an incident of a box or a core file tells. */
static void add_death(const struct gs_incident_page *page, struct gs_text *out)
{
    const json_t *died = json_object_get(page->json, "died");
    if (!json_is_object(died))
        return;
    gs_text_add(out, "<p class=\"died\">The last sign of life of this process was at ");
    gs_reader_page_escape(out, gs_reader_report_text(died, "last_seen"));
    gs_text_add(out, ".</p>\n<dl class=\"facts\">");
    add_fact(out, "Cause", gs_reader_report_text(died, "cause"));
    add_fact(out, "Address", gs_reader_report_text(died, "address"));
    add_fact(out, "Thread", gs_reader_report_text(died, "thread"));
    add_fact(out, "Message", gs_reader_report_text(died, "message"));
    add_fact(out, "Sender", gs_reader_report_text(died, "sender"));
    gs_text_add(out, "</dl>\n");
}

void gs_reader_report_verdict(struct gs_incident_page *page)
{
    struct gs_text *out = &page->body;
    const json_t *json = page->json;
    bool died = json_is_object(json_object_get(json, "died"));
    gs_text_add(out, "<header id=\"verdict\"><p class=\"rule\">%s", died ? "" : "Rule ");
    gs_reader_report_element(out, "code", NULL, gs_reader_report_text(json, "rule"));
    gs_text_add(out, died ? "</p>\n" : " fired</p>\n");
    gs_reader_report_element(out, "h1", NULL, gs_reader_report_text(json, "reason"));
    if (!json_is_true(json_object_get(json, "complete")))
        gs_text_add(out, "<p class=\"problem\">This incident is not complete: see the notes below.</p>\n");
    add_culprit(page);
    add_death(page, out);
    if (*gs_reader_report_text(json, "why")) {
        gs_text_add(out, "<p class=\"why\">Why this rule: ");
        gs_reader_page_escape(out, gs_reader_report_text(json, "why"));
        gs_text_add(out, "</p>\n");
    }
    add_facts(page, out);
    gs_text_add(out, "</header>\n");
}
