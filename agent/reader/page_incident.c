/* page_incident.c - the page of an incident: reads the profiles, and writes the sections in their order. Context: CLI. */
#include "reader/page_incident.h"
#include "base/memory.h"
#include "store/store.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- profiles -------------------------------------------------------------------------------------------------------- */

/* Give PROFILE the lines that debug information on this machine has. */
static struct gs_profile *with_lines(struct gs_profile *profile)
{
    enum { SECONDS = 20 };
    const struct gs_symbolize_options options = {.seconds = SECONDS, .only_failures = true};
    struct gs_text notes = {0};
    struct gs_profile *filled =
        gs_reader_lacks_lines(profile) ? gs_reader_symbolize_apart(profile, &options, &notes) : NULL;
    gs_text_fini(&notes);
    if (!filled)
        return profile;
    gs_profile_free(profile);
    return filled;
}

static struct gs_profile *parse_profile(struct gs_incident_page *page, const char *name, const char *bytes,
                                        size_t length)
{
    char why[160];
    struct gs_profile *profile = gs_reader_profile(bytes, length, why, sizeof why);
    if (!profile)
        gs_reader_report_problem(page, name, why);
    else if (page->from->symbolize)
        profile = with_lines(profile);
    if (profile && gs_profile_apply_drop_frames(profile) != 0)
        page->failed = true;
    return profile;
}

static bool is_known(const struct gs_incident_page *page, const char *name)
{
    for (size_t i = 0; i < page->profile_count; i++)
        if (strcmp(page->profile[i].name, name) == 0)
            return true;
    return false;
}

static void add_profile(struct gs_incident_page *page, const char *name)
{
    char *bytes = NULL;
    size_t length;
    if (!name || strlen(name) >= GS_PAGE_FILE_NAME || page->profile_count == GS_PAGE_PROFILES_MAX ||
        is_known(page, name))
        return;
    struct gs_incident_page_profile *added = &page->profile[page->profile_count];
    if (!gs_reader_report_file(page, name, GS_PROFILE_BYTES_MAX, &bytes, &length))
        return;
    strcpy(added->name, name);
    added->profile = parse_profile(page, name, bytes, length);
    page->profile_count++;
    gs_free(bytes);
}

/* Read the profiles of the kinds that this version knows, then others that incident.json lists: later kinds. */
static void read_profiles(struct gs_incident_page *page)
{
    size_t i;
    const json_t *entry;
    for (const struct gs_kind_entry *kind = gs_kinds; kind->name; kind++) {
        add_profile(page, kind->file);
        add_profile(page, kind->base_file);
    }
    json_array_foreach(gs_reader_report_list(page->json, "files"), i, entry)
    {
        const char *name = gs_reader_report_text(entry, "name");
        size_t length = strlen(name);
        if (length > 6 && strcmp(name + length - 6, ".pb.gz") == 0 && *name != '.' && !strchr(name, '/') &&
            !gs_reader_is_original(name))
            add_profile(page, name);
    }
}

/* ---- the page -------------------------------------------------------------------------------------------------------- */

static void add_sections(struct gs_incident_page *page)
{
    read_profiles(page);
    page->early = page->body;
    page->body = (struct gs_text){0};
    gs_reader_report_verdict(page);
    gs_reader_report_deadlock(page);
    gs_reader_report_history(page);
    gs_reader_report_memory(page);
    gs_reader_report_profiles(page);
    gs_reader_report_sources(page);
    gs_reader_report_waits(page);
    gs_reader_report_threads(page);
    gs_reader_report_descriptors(page);
    gs_reader_report_notes(page);
    gs_reader_report_rules(page);
    page->failed |= page->early.failed || page->body.failed || page->problems.failed;
}

/* The page's data: {"version","kind","title","profiles","incident"}. NULL: no memory. */
static json_t *data_of(struct gs_incident_page *page, const char *title)
{
    struct gs_json data = gs_json_object();
    gs_json_set(&data, "version", json_integer(1));
    gs_json_set(&data, "kind", json_string("report"));
    gs_json_set(&data, "title", gs_json_printable(title));
    gs_json_set(&data, "profiles", gs_json_take(&page->profiles));
    gs_json_set(&data, "incident", gs_json_take(&page->drawn));
    return gs_json_take(&data);
}

static int write_page(struct gs_incident_page *page, struct gs_text *out)
{
    char title[300];
    snprintf(title, sizeof title, "%.80s: %.200s", gs_reader_report_text(page->json, "rule"),
             gs_reader_report_text(page->json, "reason"));
    json_t *data = data_of(page, title);
    int error = data && !page->failed ? 0 : -ENOMEM;
    if (!error) {
        gs_reader_page_begin(out, GS_PAGE_REPORT, title);
        gs_text_add_bytes(out, page->body.bytes, page->body.length);
        gs_reader_page_end(out, GS_PAGE_REPORT, data);
        error = out->failed ? -ENOMEM : 0;
    }
    json_decref(data);
    return error;
}

int gs_reader_page_incident(const struct gs_page_incident *from, struct gs_text *out, char *why,
                            size_t why_size)
{
    json_t *json = gs_store_read_incident(from->folder, why, why_size);
    struct gs_incident_page *page = json ? gs_alloc(sizeof *page) : NULL;
    if (!json)
        return -EBADMSG;
    int error = -ENOMEM;
    if (page) {
        page->from = from;
        page->json = json;
        page->drawn = gs_json_object();
        page->profiles = gs_json_array();
        if (!gs_store_time_read(gs_reader_report_text(json, "triggered"), &page->triggered_ns))
            page->triggered_ns = 0;
        add_sections(page);
        error = write_page(page, out);
        for (size_t i = 0; i < page->profile_count; i++)
            gs_profile_free(page->profile[i].profile);
        gs_text_fini(&page->body);
        gs_text_fini(&page->early);
        gs_text_fini(&page->problems);
        gs_free(page);
    }
    json_decref(json);
    if (error)
        snprintf(why, why_size, "%s",
                 error == -ENOMEM ? "there is not enough memory" : strerrordesc_np(-error));
    return error;
}
