/* page_incident_memory.c - the memory account of an incident's page: memory.json as a table, and as a band for the script.
 * Context: CLI. */
#include "base/clock.h"
#include "base/memory.h"
#include "reader/page_incident.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STACKS_MAX = 20, FRAMES_MAX = 8, PARTS_MAX = 32 };

static const struct part_words {
    const char *name, *words;
} parts[] = {
    {"heap_live", "live heap"},  {"heap_kept", "kept by the allocator"},
    {"stacks", "thread stacks"}, {"files", "files"},
    {"shared", "shared memory"}, {"anonymous", "other anonymous"},
    {"agent", "gumshoe"},
};

static const char *words_of(const char *name)
{
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcmp(parts[i].name, name) == 0)
            return parts[i].words;
    return name;
}

static double bytes_of(const json_t *object, const char *name)
{
    double bytes = gs_reader_report_number(object, name);
    return bytes >= 0 ? bytes : NAN;
}

/* A cell with GROWTH, in bytes, and its sign; NAN: an empty one. */
static void add_growth(struct gs_text *out, double growth)
{
    char size[GS_UNIT_TEXT], text[GS_UNIT_TEXT + 4];
    snprintf(text, sizeof text, "%s%s", growth < 0 ? "−" : "+", gs_units_print_size(fabs(growth), size));
    gs_reader_report_element(out, "td", "number", isnan(growth) ? "" : text);
}

static void add_row(struct gs_incident_page *page, struct gs_json *drawn, const json_t *now,
                    const json_t *before, const char *name)
{
    struct gs_text *out = &page->body;
    double bytes = bytes_of(now, name), earlier = bytes_of(before, name);
    struct gs_json part = gs_json_object();
    gs_text_add(out, "<tr>");
    gs_reader_report_element(out, "th", "part", words_of(name));
    gs_reader_report_cell(out, bytes, GS_BYTES);
    if (before) {
        gs_reader_report_cell(out, earlier, GS_BYTES);
        add_growth(out, bytes - earlier);
    }
    gs_text_add(out, "</tr>\n");
    gs_json_set(&part, "name", gs_json_printable(words_of(name)));
    gs_json_set(&part, "now", gs_json_real(bytes));
    gs_json_set(&part, "before", gs_json_real(earlier));
    gs_json_add(drawn, gs_json_take(&part));
}

/* The parts that this version knows in its order, then others. */
static void add_parts(struct gs_incident_page *page, const json_t *now, const json_t *before, double age_s)
{
    struct gs_json drawn = gs_json_array(), memory = gs_json_object();
    const char *name;
    const json_t *value;
    size_t count = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (json_object_get(now, parts[i].name))
            add_row(page, &drawn, now, before, parts[i].name);
    json_object_foreach((json_t *)now, name, value)
    {
        if (words_of(name) == name && json_is_number(value) && count++ < PARTS_MAX)
            add_row(page, &drawn, now, before, name);
    }
    gs_json_set(&memory, "parts", gs_json_take(&drawn));
    gs_json_set(&memory, "age_s", gs_json_real(before ? age_s : NAN));
    gs_json_set(&page->drawn, "memory", gs_json_take(&memory));
}

static void add_table(struct gs_incident_page *page, const json_t *json)
{
    struct gs_text *out = &page->body;
    const json_t *base = json_object_get(json, "baseline"), *before = json_object_get(base, "parts");
    char age[GS_UNIT_TEXT];
    double age_s = gs_reader_report_number(base, "age_s");
    before = json_is_object(before) && age_s >= 0 && age_s < 1e9 ? before : NULL;
    gs_text_add(out, "<div id=\"band\" class=\"picture\"></div>\n<div "
                     "class=\"scroll\"><table><thead><tr><th>Part</th><th class=\"number\">Now</th>");
    if (before)
        gs_text_add(out, "<th class=\"number\">%s before</th><th class=\"number\">Growth</th>",
                    gs_units_print_duration((int64_t)(age_s * GS_NS_PER_S), age));
    gs_text_add(out, "</tr></thead><tbody>\n");
    add_parts(page, json_object_get(json, "parts"), before, age_s);
    gs_text_add(out, "</tbody><tfoot><tr><th>resident in all</th>");
    gs_reader_report_cell(out, bytes_of(json, "rss"), GS_BYTES);
    gs_text_add(out, before ? "<td></td><td></td></tr>" : "</tr>");
    gs_text_add(out, "</tfoot></table></div>\n");
    if (*gs_reader_report_text(json, "heap_unseen")) {
        gs_text_add(out, "<p class=\"problem\">The heap is not seen: ");
        gs_reader_page_escape(out, gs_reader_report_text(json, "heap_unseen"));
        gs_text_add(out, "</p>\n");
    }
}

/* Memory by the stacks of LIST. FOLDED: its title unfolds it. */
static void add_stacks(struct gs_text *out, const json_t *list, const char *title, bool folded)
{
    size_t i, k;
    const json_t *item, *frame;
    if (!json_array_size(list))
        return;
    gs_text_add(out, folded ? "<details><summary>%s</summary>" : "<h3>%s</h3>", title);
    gs_text_add(out,
                "<div class=\"scroll\"><table><thead><tr><th class=\"number\">Resident</th><th>Stack, the "
                "innermost function first</th></tr></thead><tbody>\n");
    json_array_foreach(list, i, item)
    {
        if (i == STACKS_MAX)
            break;
        gs_text_add(out, "<tr>");
        gs_reader_report_cell(out, bytes_of(item, "bytes"), GS_BYTES);
        gs_text_add(out, "<td>");
        json_array_foreach(gs_reader_report_list(item, "stack"), k, frame)
        {
            if (k < FRAMES_MAX && json_is_string(frame)) {
                gs_text_add(out, k ? " ← " : "");
                gs_reader_report_element(out, "code", NULL, json_string_value(frame));
            }
        }
        gs_text_add(out, "</td></tr>\n");
    }
    gs_text_add(out, "</tbody></table></div>\n");
    if (json_array_size(list) > STACKS_MAX)
        gs_text_add(out, "<p>%zu more stacks are in memory.json.</p>\n", json_array_size(list) - STACKS_MAX);
    gs_text_add(out, folded ? "</details>\n" : "");
}

/* A table of named things that hold memory: areas without a stack, threads. Its title unfolds it. */
static void add_names(struct gs_text *out, const json_t *list, const char *title, const char *what)
{
    size_t i;
    const json_t *item;
    if (!json_array_size(list))
        return;
    gs_text_add(out,
                "<details><summary>%s</summary><div class=\"scroll\"><table><thead><tr><th "
                "class=\"number\">Resident</th>"
                "<th class=\"number\">Growth</th><th>%s</th></tr></thead><tbody>\n",
                title, what);
    json_array_foreach(list, i, item)
    {
        if (i == STACKS_MAX)
            break;
        double growth = gs_reader_report_number(item, "growth");
        gs_text_add(out, "<tr>");
        gs_reader_report_cell(out, bytes_of(item, "bytes"), GS_BYTES);
        add_growth(out, growth == 0 ? NAN : growth);
        gs_text_add(out, "<td>");
        gs_reader_report_element(out, "code", NULL, gs_reader_report_text(item, "name"));
        gs_text_add(out, "</td></tr>\n");
    }
    gs_text_add(out, "</tbody></table></div>\n");
    if (json_array_size(list) > STACKS_MAX)
        gs_text_add(out, "<p>%zu more are in memory.json.</p>\n", json_array_size(list) - STACKS_MAX);
    gs_text_add(out, "</details>\n");
}

static void add_details(struct gs_text *out, const json_t *json)
{
    static const struct {
        const char *key, *title;
        bool folded;
    } stacks[] = {
        {"anonymous_by_stack", "Memory that the program mapped itself", false},
        {"shared_by_stack", "Shared memory that it mapped", false},
        {"stacks_by_function", "Deep stacks of threads, by the function whose frames are most of it", true},
        {"stacks_by_creator", "Other stacks of threads, by what created the threads", true}};
    for (size_t i = 0; i < sizeof stacks / sizeof *stacks; i++)
        add_stacks(out, gs_reader_report_list(json, stacks[i].key), stacks[i].title, stacks[i].folded);
    add_names(out, gs_reader_report_list(json, "stacks_by_thread"), "Stacks by thread", "Thread");
    add_names(out, gs_reader_report_list(json, "areas"),
              "Memory whose mapping was not seen, and mapped files", "Area");
}

void gs_reader_report_memory(struct gs_incident_page *page)
{
    char *text = NULL;
    size_t length;
    json_error_t error;
    struct gs_page_mark mark = gs_reader_report_section(&page->body, "memory", "Resident memory");
    if (gs_reader_report_file(page, "memory.json", 4 << 20, &text, &length)) {
        json_t *json = gs_json_read(text, length, 0, &error);
        if (json_is_object(json_object_get(json, "parts"))) {
            add_table(page, json);
            add_details(&page->body, json);
        } else {
            gs_reader_report_problem(page, "memory.json", "it is not a memory account");
        }
        json_decref(json);
        gs_free(text);
    }
    gs_reader_report_section_end(&page->body, mark);
}
