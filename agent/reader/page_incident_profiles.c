/* page_incident_profiles.c - the profiles of an incident's page: the views between which the graph is switched, and the same as
 * tables. The views of one file share its tree. A profile of a later kind is a view of its own, with its default sample type.
 * Context: CLI. */
#include "reader/page_incident.h"
#include <stdio.h>
#include <string.h>

/* The views of files that are known. A view with a base shows what grew since. */
static const struct known_view {
    const char *file, *base, *type, *id, *label;
} known[] = {
    {"heap.pb.gz", "heap.base.pb.gz", "inuse_space", "grew", "Grew since the baseline"},
    {"heap.pb.gz", NULL, "inuse_space", "held", "Held now"},
    {"heap.pb.gz", NULL, "inuse_old", "old", "Held since before the baseline"},
    {"heap.pb.gz", NULL, "alloc_space", "allocated", "Allocated"},
    {"heap.peak.pb.gz", NULL, "inuse_space", "peak", "Held at the peak"},
    {"heap.pages.pb.gz", NULL, "inuse_resident", "resident", "In use and in memory"},
    {"heap.pages.pb.gz", NULL, "inuse_swapped", "swapped", "In use, swapped out"},
    {"heap.pages.pb.gz", NULL, "inuse_untouched", "untouched", "In use, never touched"},
    {"heap.pages.pb.gz", NULL, "inuse_unwritten", "unwritten", "In memory, not written"},
    {"waste.pb.gz", NULL, "waste_space", "waste", "Free memory, by who pins it"},
    {"lifetimes.pb.gz", NULL, "freed_space", "freed", "Allocated and freed again"},
    {"cpu.pb.gz", NULL, "cpu", "cpu", "CPU time"},
    {"threads.pb.gz", NULL, "threads", "threads", "Threads"},
    {"threadcreate.pb.gz", NULL, "live_threads", "threadcreate", "Threads by creator"},
    {"fds.pb.gz", NULL, "descriptors", "fds", "Descriptors by opener"},
};
enum { KNOWN = sizeof known / sizeof *known };

/* The view that shows the culprit; the page shows it when it is opened. NULL: there is none. */
static const struct known_view *find_first(const struct gs_incident_page *page)
{
    static const char *const of_kind[][2] = {
        {"growth", "grew"},  {"in_use", "held"},      {"cpu", "cpu"},       {"threads", "threads"},
        {"lock", "threads"}, {"deadlock", "threads"}, {"crash", "threads"}, {"fds", "fds"}};
    const char *kind = gs_reader_report_text(json_object_get(page->json, "culprit"), "kind");
    for (size_t i = 0; i < sizeof of_kind / sizeof *of_kind; i++)
        for (size_t k = 0; k < KNOWN; k++)
            if (strcmp(of_kind[i][0], kind) == 0 && strcmp(of_kind[i][1], known[k].id) == 0)
                return &known[k];
    return NULL;
}

static void add_tree(struct gs_incident_page *page, const struct gs_profile *profile,
                     const struct gs_profile *base, const struct gs_page_view *view, size_t count)
{
    struct gs_text *out = &page->body;
    struct gs_page_tree *tree = gs_reader_page_tree(profile, base, view, count);
    page->failed |= !tree;
    if (!tree)
        return;
    gs_reader_page_views(tree, &page->profiles);
    for (size_t i = 0; i < count; i++) {
        gs_text_add(out, "<details class=\"text\"><summary>");
        gs_reader_page_escape(out, view[i].label);
        gs_text_add(out, " as a table</summary>\n");
        gs_reader_page_text(tree, i, out);
        gs_text_add(out, "</details>\n");
    }
    gs_reader_page_tree_free(tree);
}

/* Add a profile of which no view is known: "heap.later.pb.gz" has the id "heap.later". */
static void add_other(struct gs_incident_page *page, const struct gs_incident_page_profile *file)
{
    char id[GS_PAGE_FILE_NAME], label[GS_PAGE_FILE_NAME + 80];
    size_t length = 0;
    for (const char *at = file->name; *at && strcmp(at, ".pb.gz") != 0; at++)
        id[length++] = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '.' ? *at : '_';
    id[length] = 0;
    int type = gs_profile_sample_type(file->profile, NULL);
    snprintf(label, sizeof label, "%s: %.70s", id,
             gs_reader_page_label(file->profile->sample_type[type].type));
    const struct gs_page_view view = {.id = id, .label = label, .type = type};
    add_tree(page, file->profile, NULL, &view, 1);
}

/* Is TYPE worth a view? The default of PROFILE always is; another one if any of its values is not 0. */
static bool shows_something(const struct gs_profile *profile, int type)
{
    bool shows = type >= 0 && (unsigned)type == profile->default_sample_type;
    for (size_t i = 0; type >= 0 && !shows && i < profile->sample_count; i++)
        shows = profile->sample[i].value[type] != 0;
    return shows;
}

/* Collect the views of FILE: FIRST, if it is one of them, then the others. Returns how many. */
static size_t views_of(const struct gs_incident_page_profile *file, bool has_base,
                       const struct known_view *first, struct gs_page_view *out)
{
    size_t count = 0;
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < KNOWN; i++) {
            int type = gs_profile_sample_type(file->profile, known[i].type);
            if (strcmp(known[i].file, file->name) == 0 && shows_something(file->profile, type) &&
                (has_base || !known[i].base) && (turn == 0) == (&known[i] == first))
                out[count++] =
                    (struct gs_page_view){known[i].id, known[i].label, type, .alone = !known[i].base};
        }
    return count;
}

static const char *base_of(const char *file)
{
    for (const struct gs_kind_entry *kind = gs_kinds; kind->name; kind++)
        if (kind->base_file && strcmp(kind->file, file) == 0)
            return kind->base_file;
    return NULL;
}

static bool is_base(const char *file)
{
    for (const struct gs_kind_entry *kind = gs_kinds; kind->name; kind++)
        if (kind->base_file && strcmp(kind->base_file, file) == 0)
            return true;
    return false;
}

static void add_file(struct gs_incident_page *page, const struct gs_incident_page_profile *file,
                     const struct known_view *first)
{
    struct gs_page_view view[KNOWN];
    if (!file->profile || !file->profile->sample_type_count || is_base(file->name))
        return;
    const char *base_file = base_of(file->name);
    const struct gs_profile *base = base_file ? gs_reader_report_find_profile(page, base_file) : NULL;
    size_t count = views_of(file, base != NULL, first, view);
    if (count)
        add_tree(page, file->profile, base, view, count);
    else
        add_other(page, file);
}

void gs_reader_report_profiles(struct gs_incident_page *page)
{
    const struct known_view *first = find_first(page);
    struct gs_page_mark mark = gs_reader_report_section(&page->body, "profiles", "Profiles");
    if (page->early.length)
        gs_text_add_bytes(&page->body, page->early.bytes, page->early.length);
    if (page->profile_count)
        gs_text_add(&page->body, "<div id=\"graph\"></div>\n");
    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < page->profile_count; i++) {
            bool is_first = first && strcmp(first->file, page->profile[i].name) == 0;
            if ((turn == 0) == is_first)
                add_file(page, &page->profile[i], first);
        }
    gs_reader_report_section_end(&page->body, mark);
}
