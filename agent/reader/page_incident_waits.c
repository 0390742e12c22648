/* page_incident_waits.c - what threads wait for: a deadlock, which the script draws as a ring, and locks with their holders.
 * Context: CLI. */
#include "base/memory.h"
#include "reader/page_incident.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { RING_MAX = 32, WAITS_MAX = 20, FRAMES_MAX = 12 };

/* "worker/1234"; "thread 1234" without a name. */
static void add_thread(struct gs_text *out, const char *name, double tid)
{
    if (!*name)
        gs_text_add(out, "thread ");
    gs_reader_page_escape(out, name);
    if (!isnan(tid))
        gs_text_add(out, *name ? "/%.0f" : "%.0f", tid);
}

static const char *name_of_tid(const json_t *ring, double tid)
{
    size_t i;
    const json_t *thread;
    json_array_foreach(ring, i, thread)
    {
        if (gs_reader_report_number(thread, "tid") == tid)
            return gs_reader_report_text(thread, "name");
    }
    return "";
}

/* The name of the variable at ADDRESS, as the waits have it; "". */
static const char *variable_at(const struct gs_incident_page *page, const char *address)
{
    size_t i;
    const json_t *wait;
    json_array_foreach(gs_reader_report_list(page->json, "waits"), i, wait)
    {
        if (*address && strcmp(gs_reader_report_text(wait, "address"), address) == 0)
            return gs_reader_report_text(wait, "name");
    }
    return "";
}

static void add_link(struct gs_incident_page *page, struct gs_json *drawn, const json_t *ring,
                     const json_t *thread)
{
    struct gs_text *out = &page->body;
    double tid = gs_reader_report_number(thread, "tid"), holder = gs_reader_report_number(thread, "held_by");
    const char *address = gs_reader_report_text(thread, "mutex"),
               *what = gs_reader_report_text(thread, "what"), *variable = variable_at(page, address);
    bool join = strcmp(what, "join") == 0;
    struct gs_json json = gs_json_object();
    gs_text_add(out, "<li>");
    add_thread(out, gs_reader_report_text(thread, "name"), tid);
    gs_text_add(out, " in ");
    gs_reader_report_element(out, "code", NULL, gs_reader_report_text(thread, "function"));
    gs_text_add(out, join ? " waits for the end of " : " waits for ");
    if (!join) {
        gs_reader_page_escape(out, *what ? what : "lock");
        gs_text_add(out, " ");
        gs_reader_report_element(out, "code", NULL, *variable ? variable : address);
        gs_text_add(out, ", which is held by ");
    }
    add_thread(out, name_of_tid(ring, holder), holder);
    gs_text_add(out, "</li>\n");
    gs_json_set(&json, "tid", gs_json_real(tid));
    gs_json_set(&json, "held_by", gs_json_real(holder));
    gs_json_set(&json, "name", gs_json_printable(gs_reader_report_text(thread, "name")));
    gs_json_set(&json, "function", gs_json_printable(gs_reader_report_text(thread, "function")));
    gs_json_set(&json, "what", gs_json_printable(what));
    gs_json_set(&json, "lock", gs_json_printable(*variable ? variable : address));
    gs_json_add(drawn, gs_json_take(&json));
}

void gs_reader_report_deadlock(struct gs_incident_page *page)
{
    size_t i;
    const json_t *thread, *ring = gs_reader_report_list(page->json, "deadlock");
    struct gs_json drawn = gs_json_array();
    struct gs_page_mark mark = gs_reader_report_section(&page->body, "deadlock", "Deadlock");
    if (json_array_size(ring)) {
        gs_text_add(&page->body,
                    "<p>%zu threads wait for each other; none of them can go on.</p>\n"
                    "<div id=\"ring\" class=\"picture\"></div>\n<ol>\n",
                    json_array_size(ring));
        json_array_foreach(ring, i, thread)
        {
            if (i < RING_MAX)
                add_link(page, &drawn, ring, thread);
        }
        gs_text_add(&page->body, "</ol>\n");
        if (json_array_size(ring) > RING_MAX)
            gs_text_add(&page->body, "<p>%zu more threads are in threads.txt.</p>\n",
                        json_array_size(ring) - RING_MAX);
    }
    gs_json_set(&page->drawn, "deadlock", gs_json_take(&drawn));
    gs_reader_report_section_end(&page->body, mark);
}

/* ---- waits ----------------------------------------------------------------------------------------------------------- */

static void add_holder(struct gs_text *out, const json_t *wait)
{
    size_t i;
    const json_t *holder = json_object_get(wait, "held_by"), *frame;
    double readers = gs_reader_report_number(wait, "readers");
    if (readers > 0)
        gs_text_add(out, "%.0f readers", readers);
    if (!json_is_object(holder))
        return;
    add_thread(out, gs_reader_report_text(holder, "name"), gs_reader_report_number(holder, "tid"));
    if (json_is_false(json_object_get(holder, "exists")))
        gs_text_add(out, ", which does not exist any more");
    const json_t *stack = gs_reader_report_list(holder, "stack");
    json_array_foreach(stack, i, frame)
    {
        if (i < FRAMES_MAX && json_is_string(frame)) {
            gs_text_add(out, i ? " ← " : " in ");
            gs_reader_report_element(out, "code", NULL, json_string_value(frame));
        }
    }
}

static void add_wait(struct gs_text *out, const json_t *wait)
{
    const char *name = gs_reader_report_text(wait, "name"), *address = gs_reader_report_text(wait, "address");
    gs_text_add(out, "<tr>");
    gs_reader_report_cell(out, gs_reader_report_number(wait, "threads"), GS_COUNT);
    gs_reader_report_element(out, "td", NULL, gs_reader_report_text(wait, "what"));
    gs_text_add(out, "<td>");
    if (*name)
        gs_reader_report_element(out, "code", NULL, name);
    if (*address) {
        gs_text_add(out, *name ? " " : "");
        gs_reader_report_element(out, "span", "place", address);
    }
    gs_text_add(out, "</td><td>");
    add_holder(out, wait);
    gs_text_add(out, "</td></tr>\n");
}

void gs_reader_report_waits(struct gs_incident_page *page)
{
    size_t i;
    struct gs_text *out = &page->body;
    const json_t *wait, *waits = gs_reader_report_list(page->json, "waits");
    struct gs_page_mark mark = gs_reader_report_section(out, "waits", "What threads wait for");
    if (json_is_true(json_object_get(page->json, "nobody_runs")))
        gs_text_add(out, "<p class=\"problem\">Every thread waits, without a timeout; no thread is left that "
                         "could wake another.</p>\n");
    if (json_array_size(waits)) {
        gs_text_add(out, "<div class=\"scroll\"><table><thead><tr><th class=\"number\">Threads</th><th>Wait "
                         "for</th><th>Which</th><th>Held by</th></tr></thead><tbody>\n");
        json_array_foreach(waits, i, wait)
        {
            if (i < WAITS_MAX)
                add_wait(out, wait);
        }
        gs_text_add(out, "</tbody></table></div>\n");
    }
    gs_reader_report_section_end(out, mark);
}
