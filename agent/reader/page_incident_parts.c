/* page_incident_parts.c - what the sections of an incident's page are made with: files read within bounds, JSON of unknown origin, and
 * HTML. Context: CLI. */
#include "reader/page_incident.h"
#include "store/store.h"
#include "sys/file.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- JSON of unknown origin ----------------------------------------------------------------------------------------- */

const char *gs_reader_report_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

double gs_reader_report_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const json_t *gs_reader_report_list(const json_t *object, const char *key)
{
    const json_t *list = json_object_get(object, key);
    return json_is_array(list) ? list : NULL;
}

/* ---- HTML ------------------------------------------------------------------------------------------------------------ */

void gs_reader_report_element(struct gs_text *out, const char *tag, const char *class_name, const char *words)
{
    gs_text_add(out, class_name ? "<%s class=\"%s\">" : "<%s>", tag, class_name);
    gs_reader_page_escape(out, words);
    gs_text_add(out, "</%s>", tag);
}

void gs_reader_report_cell(struct gs_text *out, double value, enum gs_unit unit)
{
    char text[GS_UNIT_TEXT];
    gs_text_add(out, "<td class=\"number\">");
    if (!isnan(value))
        gs_reader_page_escape(out, gs_units_print_value(value, unit, text));
    gs_text_add(out, "</td>");
}

struct gs_page_mark gs_reader_report_section(struct gs_text *out, const char *id, const char *title)
{
    struct gs_page_mark mark = {.before = out->length};
    gs_text_add(out, "<section id=\"%s\"><h2>%s</h2>\n", id, title);
    mark.after = out->length;
    return mark;
}

void gs_reader_report_section_end(struct gs_text *out, struct gs_page_mark mark)
{
    if (out->length > mark.after || out->failed)
        gs_text_add(out, "</section>\n");
    else
        out->bytes[out->length = mark.before] = 0;
}

void gs_reader_report_problem(struct gs_incident_page *page, const char *file, const char *why)
{
    struct gs_text *const outs[] = {&page->body, &page->problems};
    for (size_t i = 0; i < sizeof outs / sizeof *outs; i++) {
        const char *tag = i ? "li" : "p";
        gs_text_add(outs[i], "<%s class=\"problem\"><code>", tag);
        gs_reader_page_escape(outs[i], file);
        gs_text_add(outs[i], "</code> is not shown: ");
        gs_reader_page_escape(outs[i], why);
        gs_text_add(outs[i], "</%s>\n", tag);
    }
}

/* ---- files ----------------------------------------------------------------------------------------------------------- */

static const char *words_of(int error, char *out, size_t size)
{
    if (error == -EFBIG)
        snprintf(out, size, "it is too large");
    else
        snprintf(out, size, "%s",
                 error == -EINVAL || error == -ELOOP ? "it is not a file" : strerrordesc_np(-error));
    return out;
}

bool gs_reader_report_file(struct gs_incident_page *page, const char *name, size_t max, char **bytes,
                           size_t *length)
{
    char why[120];
    int fd = gs_store_open_regular(page->from->folder, name);
    int error = fd < 0 ? fd : gs_file_read_all(fd, max, bytes, length);
    if (fd >= 0)
        close(fd);
    if (error && error != -ENOENT)
        gs_reader_report_problem(page, name, words_of(error, why, sizeof why));
    return !error;
}

struct gs_profile *gs_reader_report_find_profile(const struct gs_incident_page *page, const char *name)
{
    for (size_t i = 0; i < page->profile_count; i++)
        if (strcmp(page->profile[i].name, name) == 0)
            return page->profile[i].profile;
    return NULL;
}
