/* page_incident_notes.c - the end of an incident's page: descriptors, notes and what was dropped, the rules in force.
 * Context: CLI. */
#include "base/memory.h"
#include "reader/page_incident.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NOTES_MAX = 200, FILES_MAX = 64 };

static void add_file_text(struct gs_incident_page *page, const char *name, size_t max)
{
    char *text = NULL;
    size_t length;
    if (!gs_reader_report_file(page, name, max, &text, &length))
        return;
    gs_reader_page_pre(&page->body, text, length);
    gs_free(text);
}

void gs_reader_report_descriptors(struct gs_incident_page *page)
{
    struct gs_page_mark mark = gs_reader_report_section(&page->body, "descriptors", "Open descriptors");
    add_file_text(page, "fds.txt", 16 << 20);
    gs_reader_report_section_end(&page->body, mark);
}

void gs_reader_report_rules(struct gs_incident_page *page)
{
    struct gs_page_mark mark = gs_reader_report_section(&page->body, "rules", "Rules in force");
    add_file_text(page, "rules.json", GS_RULES_TEXT_MAX);
    gs_reader_report_section_end(&page->body, mark);
}

/* ---- notes ----------------------------------------------------------------------------------------------------------- */

static void add_list(struct gs_text *out, const json_t *list, const char *title, const char *class_name)
{
    size_t i;
    const json_t *item;
    if (!json_array_size(list))
        return;
    gs_text_add(out, "<h3>%s</h3><ul>\n", title);
    json_array_foreach(list, i, item)
    {
        if (i < NOTES_MAX && json_is_string(item))
            gs_reader_report_element(out, "li", class_name, json_string_value(item));
    }
    gs_text_add(out, "</ul>\n");
}

/* Has PROFILE something to say beside the reason of the incident, which each repeats? */
static bool has_comments(const struct gs_profile *profile, const char *reason)
{
    for (size_t i = 0; profile && i < profile->comment_count; i++)
        if (strcmp(profile->comment[i], reason) != 0)
            return true;
    return false;
}

/* What each profile says of itself: what was dropped, how it was sampled. */
static void add_comments(const struct gs_incident_page *page, struct gs_text *out)
{
    const char *reason = gs_reader_report_text(page->json, "reason");
    for (size_t i = 0; i < page->profile_count; i++) {
        const struct gs_profile *profile = page->profile[i].profile;
        if (!has_comments(profile, reason))
            continue;
        gs_text_add(out, "<h3><code>");
        gs_reader_page_escape(out, page->profile[i].name);
        gs_text_add(out, "</code></h3><ul>\n");
        for (size_t k = 0; k < profile->comment_count && k < NOTES_MAX; k++)
            if (strcmp(profile->comment[k], reason) != 0)
                gs_reader_report_element(out, "li", NULL, profile->comment[k]);
        gs_text_add(out, "</ul>\n");
    }
}

static void add_files(const struct gs_incident_page *page, struct gs_text *out)
{
    size_t i;
    const json_t *file, *step;
    const json_t *files = gs_reader_report_list(page->json, "files"),
                 *steps = gs_reader_report_list(page->json, "steps");
    if (json_array_size(files)) {
        gs_text_add(out, "<h3>Files</h3><ul class=\"files\">\n");
        json_array_foreach(files, i, file)
        {
            char size[GS_UNIT_TEXT];
            double bytes = gs_reader_report_number(file, "size");
            if (i == FILES_MAX)
                break;
            gs_text_add(out, "<li><code>");
            gs_reader_page_escape(out, gs_reader_report_text(file, "name"));
            gs_text_add(out, "</code> %s</li>\n", bytes >= 0 ? gs_units_print_size(bytes, size) : "");
        }
        gs_text_add(out, "</ul>\n");
    }
    if (!json_array_size(steps))
        return;
    gs_text_add(out, "<h3>Time of each step</h3><ul class=\"files\">\n");
    json_array_foreach(steps, i, step)
    {
        double ms = gs_reader_report_number(step, "ms");
        if (i == FILES_MAX)
            break;
        gs_text_add(out, "<li>");
        gs_reader_page_escape(out, gs_reader_report_text(step, "name"));
        gs_text_add(out, isnan(ms) ? "</li>\n" : " %.1f ms</li>\n", ms);
    }
    gs_text_add(out, "</ul>\n");
}

/* The summary as it was written at the capture: what a page of an older or newer incident lacks may be in it. */
static void add_summary(struct gs_incident_page *page)
{
    gs_text_add(
        &page->body,
        "<details id=\"summary\"><summary>The summary, as <code>gumshoe show</code> prints it</summary>\n");
    add_file_text(page, "summary.txt", 1 << 20);
    gs_text_add(&page->body, "</details>\n");
}

void gs_reader_report_notes(struct gs_incident_page *page)
{
    struct gs_text *out = &page->body;
    struct gs_page_mark mark = gs_reader_report_section(out, "notes", "Notes, and what was dropped");
    add_list(out, gs_reader_report_list(page->json, "errors"), "What failed", "problem");
    if (page->problems.length) {
        gs_text_add(out, "<h3>What this page does not show</h3><ul>\n");
        gs_text_add_bytes(out, page->problems.bytes, page->problems.length);
        gs_text_add(out, "</ul>\n");
    }
    add_list(out, gs_reader_report_list(page->json, "notes"), "Notes", NULL);
    add_comments(page, out);
    add_files(page, out);
    add_summary(page);
    gs_reader_report_section_end(out, mark);
}
