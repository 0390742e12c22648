/* page_incident_source.c - source lines of the culprit's stack, with what each line holds. Only with a folder that the user names:
 * the profile may name any path, so nothing outside of that folder is read. Context: CLI. */
#include "base/memory.h"
#include "reader/page_incident.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PLACES_MAX = 6, MARGIN = 5, LINE_MAX_BYTES = 300 };

/* The view that says most about the culprit: its profile and sample type. */
static struct gs_profile *find_profile(const struct gs_incident_page *page, int *type)
{
    static const char *const of_kind[][3] = {{"cpu", "cpu.pb.gz", "cpu"},
                                             {"growth", "heap.pb.gz", "inuse_space"},
                                             {"in_use", "heap.pb.gz", "inuse_space"}};
    const char *kind = gs_reader_report_text(json_object_get(page->json, "culprit"), "kind");
    struct gs_profile *profile = NULL;
    for (size_t i = 0; i < sizeof of_kind / sizeof *of_kind; i++)
        if (strcmp(of_kind[i][0], kind) == 0) {
            profile = gs_reader_report_find_profile(page, of_kind[i][1]);
            *type = profile ? gs_profile_sample_type(profile, of_kind[i][2]) : -1;
        }
    if (!profile || *type < 0) {
        profile = gs_reader_report_find_profile(page, "threads.pb.gz");
        *type = profile && profile->sample_type_count ? gs_profile_sample_type(profile, NULL) : -1;
    }
    return *type >= 0 ? profile : NULL;
}

/* The line of FUNCTION on the stack of SAMPLE; NULL: it is not there. */
static const struct gs_line *line_of(const struct gs_profile *profile, const struct gs_sample *sample,
                                     const char *function)
{
    for (uint32_t i = 0; i < sample->depth; i++) {
        const struct gs_location *at = &profile->location[sample->location[i]];
        for (uint32_t k = 0; k < at->line_count; k++)
            if (strcmp(profile->function[at->line[k].function].name, function) == 0)
                return &at->line[k];
    }
    return NULL;
}

/* The heaviest sample with the culprit's function, else the heaviest. NULL: there is none. */
static const struct gs_sample *find_sample(const struct gs_profile *profile, int type, const char *function)
{
    const struct gs_sample *best = NULL;
    bool best_has = false;
    for (size_t i = 0; i < profile->sample_count; i++) {
        const struct gs_sample *sample = &profile->sample[i];
        bool has = *function && line_of(profile, sample, function);
        if (!best || (has && !best_has) || (has == best_has && sample->value[type] > best->value[type])) {
            best = sample;
            best_has = has;
        }
    }
    return best;
}

void gs_reader_report_culprit_place(const struct gs_incident_page *page, struct gs_page_place *place)
{
    int type = -1;
    const char *function = gs_reader_report_text(json_object_get(page->json, "culprit"), "function");
    const struct gs_profile *profile = find_profile(page, &type);
    const struct gs_sample *sample = profile ? find_sample(profile, type, function) : NULL;
    const struct gs_line *line = sample ? line_of(profile, sample, function) : NULL;
    if (line && line->line > 0)
        *place = (struct gs_page_place){function, profile->function[line->function].file, line->line};
}

/* ---- one place ------------------------------------------------------------------------------------------------------- */

static void add_value(struct gs_text *out, int64_t value, const char *unit)
{
    char text[64];
    gs_reader_report_element(out, "span", "value",
                             value ? gs_reader_print_label(value, unit, text, sizeof text) : "");
}

/* What the line LINE of FILE has in GRAPH, callees included. */
static int64_t value_at(const struct gs_graph *graph, const char *file, int64_t line)
{
    int64_t value = 0;
    for (size_t i = 0; i < graph->order_count; i++) {
        const struct gs_graph_node *node = &graph->node[graph->order[i]];
        if (node->line == line && strcmp(node->file, file) == 0 && node->cum > value)
            value = node->cum;
    }
    return value;
}

/* Add a line of source code, cut to LINE_MAX_BYTES; a tab is four blanks. */
static void add_code(struct gs_text *out, const char *line)
{
    char text[4 * LINE_MAX_BYTES + 1];
    size_t length = 0;
    for (size_t i = 0; line[i] && i < LINE_MAX_BYTES; i++)
        for (int blanks = line[i] == '\t' ? 4 : 1; blanks > 0; blanks--)
            text[length++] = line[i] == '\t' ? ' ' : line[i];
    text[length] = 0;
    gs_reader_page_escape(out, text);
}

static void add_lines(struct gs_text *out, const struct gs_page_place *place, const struct gs_graph *graph,
                      const struct gs_source_text *source, const char *unit)
{
    int64_t from = place->line - MARGIN < 1 ? 1 : place->line - MARGIN, to = place->line + MARGIN;
    gs_text_add(out, "<pre class=\"source\" tabindex=\"0\">");
    for (int64_t line = from; line <= to && (uint64_t)line <= source->count; line++) {
        gs_text_add(out, line == place->line ? "<mark>" : "<span>");
        add_value(out, value_at(graph, place->file, line), unit);
        gs_text_add(out, " <span class=\"line\">%lld</span> ", (long long)line);
        add_code(out, source->line[line - 1]);
        gs_text_add(out, line == place->line ? "</mark>\n" : "</span>\n");
    }
    gs_text_add(out, "</pre>\n");
}

static void add_place(struct gs_incident_page *page, const struct gs_page_place *place,
                      const struct gs_graph *graph, const char *unit)
{
    struct gs_source_text source;
    struct gs_text *out = &page->body;
    int error = gs_reader_source_below(place->file, page->from->source_dir, &source);
    gs_text_add(out, "<h3>");
    gs_reader_report_element(out, "code", NULL, place->function);
    gs_text_add(out, " <span class=\"place\">");
    gs_reader_page_escape(out, place->file);
    gs_text_add(out, ":%lld</span></h3>\n", (long long)place->line);
    if (error)
        gs_text_add(out, "<p>This file was not found below the folder of the sources.</p>\n");
    else if (place->line > (int64_t)source.count)
        gs_text_add(out,
                    "<p class=\"problem\">The file found has only %zu lines: it is another version.</p>\n",
                    source.count);
    else
        add_lines(out, place, graph, &source, unit);
    if (!error)
        gs_reader_source_fini(&source);
}

/* ---- the section ------------------------------------------------------------------------------------------------------ */

/* Collect places of SAMPLE's stack from the first frame of own code outwards. */
static size_t places_of(struct gs_profile *profile, const struct gs_sample *sample, struct gs_page_place *out)
{
    size_t count = 0;
    if (!sample->depth)
        return 0;
    for (uint32_t i = gs_profile_own_frame(profile, sample->location, sample->depth); i < sample->depth;
         i++) {
        const struct gs_location *at = &profile->location[sample->location[i]];
        for (uint32_t k = 0; k < at->line_count && count < PLACES_MAX; k++) {
            const struct gs_function *function = &profile->function[at->line[k].function];
            if (*function->file && at->line[k].line > 0 &&
                gs_profile_code_of(profile, sample->location[i], &(uint32_t){0}) == GS_CODE_OWN)
                out[count++] = (struct gs_page_place){
                    function->name, gs_reader_clean_path(profile, function->file), at->line[k].line};
        }
    }
    return count;
}

void gs_reader_report_sources(struct gs_incident_page *page)
{
    static const struct gs_graph_limits limits = {.no_edges = true};
    struct gs_page_place place[PLACES_MAX];
    int type = -1;
    if (!page->from->source_dir)
        return;
    struct gs_page_mark mark =
        gs_reader_report_section(&page->body, "source", "Source of the heaviest stack");
    struct gs_profile *profile = find_profile(page, &type);
    const char *function = gs_reader_report_text(json_object_get(page->json, "culprit"), "function");
    const struct gs_sample *sample = profile ? find_sample(profile, type, function) : NULL;
    size_t count = sample ? places_of(profile, sample, place) : 0;
    struct gs_graph *graph = count ? gs_reader_graph(profile, type, GS_BY_LINE, &limits) : NULL;
    page->failed |= count && !graph;
    for (size_t i = 0; graph && i < count; i++)
        add_place(page, &place[i], graph, profile->sample_type[type].unit);
    if (!count)
        gs_text_add(&page->body, "<p>The profile names no source lines.</p>\n");
    gs_reader_graph_free(graph);
    gs_reader_report_section_end(&page->body, mark);
}
