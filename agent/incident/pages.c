/* pages.c - what an incident says of the pages of the heap: a line of summary.txt, and "pages" in incident.json.
 *
 *   heap.pages.pb.gz ──▶ sums, and who has most ──▶ "Of the 1.2 GiB in use: 800 MiB swapped out (conn_new 640 MiB), …"
 *
 * Context: watcher, CLI. */
#include "base/numbers.h"
#include "base/units.h"
#include "incident/inside.h"
#include "symbol/symbol.h"

static const struct page_state {
    const char *type; // sample type of the profile
    const char *words;
    bool names; // is it told who has most of it?
} states[GS_PAGE_STATES] = {
    [GS_PAGES_RESIDENT] = {"inuse_resident", "in memory", false},
    [GS_PAGES_SWAPPED] = {"inuse_swapped", "swapped out", true},
    [GS_PAGES_UNTOUCHED] = {"inuse_untouched", "never touched", true},
    [GS_PAGES_UNKNOWN] = {"inuse_unknown", "not known", false},
    [GS_PAGES_UNWRITTEN] = {"inuse_unwritten", "not written since the soft-dirty bits were cleared", true},
};

static int64_t sum_of(const struct gs_profile *profile, int type)
{
    int64_t sum = 0;
    for (size_t i = 0; i < profile->sample_count; i++)
        sum = gs_sum(sum, profile->sample[i].value[type]);
    return sum > 0 ? sum : 0;
}

void gs_incident_find_pages(struct gs_incident_findings *findings)
{
    for (int i = 0; findings->pages && i < GS_PAGE_STATES; i++) {
        struct gs_page_finding *found = &findings->page_state[i];
        int type = gs_profile_sample_type(findings->pages, states[i].type);
        found->bytes = type < 0 ? 0 : sum_of(findings->pages, type);
        if (found->bytes && states[i].names)
            (void)gs_incident_culprit_find(findings->pages, type, "in_use", &found->holder);
    }
}

static int64_t sum_of_states(const struct gs_incident_findings *findings)
{
    int64_t sum = 0;
    for (int i = 0; i < GS_PAGES_UNWRITTEN; i++)
        sum = gs_sum(sum, findings->page_state[i].bytes);
    return sum;
}

/* "800 MiB swapped out (conn_new 640 MiB)" */
static void add_state(struct gs_text *out, const struct gs_page_finding *found,
                      const struct page_state *state)
{
    char size[GS_UNIT_TEXT];
    gs_text_add(out, "%s %s", gs_units_print_size((double)found->bytes, size), state->words);
    if (!found->holder.function)
        return;
    gs_text_add(out, " (");
    gs_symbol_add_short_name(out, found->holder.function);
    gs_text_add(out, " %s)", gs_units_print_size((double)found->holder.value, size));
}

void gs_incident_add_pages(struct gs_text *out, const struct gs_incident_findings *findings)
{
    const struct gs_page_finding *found = findings->page_state;
    char size[GS_UNIT_TEXT];
    int64_t all = sum_of_states(findings);
    const char *before = ": ";
    if (!findings->pages || all == 0)
        return;
    gs_text_add(out, "\nOf the %s in use", gs_units_print_size((double)all, size));
    for (int i = 0; i < GS_PAGES_UNWRITTEN; i++) {
        if (!found[i].bytes)
            continue;
        gs_text_add(out, "%s", before);
        add_state(out, &found[i], &states[i]);
        before = ", ";
    }
    if (found[GS_PAGES_UNWRITTEN].bytes) {
        gs_text_add(out, "\n  of what is in memory, ");
        add_state(out, &found[GS_PAGES_UNWRITTEN], &states[GS_PAGES_UNWRITTEN]);
    }
    gs_text_add(out, "\n");
}

json_t *gs_incident_holder_json(const struct gs_culprit *holder)
{
    return holder->function
               ? json_pack("{s:o, s:o, s:I, s:f}", "function", gs_json_printable(holder->function), "module",
                           gs_json_printable(holder->module), "bytes", (json_int_t)holder->value, "share",
                           holder->share)
               : json_null();
}

json_t *gs_incident_pages_json(const struct gs_incident_findings *findings)
{
    const struct gs_page_finding *state = findings->page_state;
    if (!findings->pages)
        return json_null();
    bool tracks_writes = gs_profile_sample_type(findings->pages, states[GS_PAGES_UNWRITTEN].type) >= 0;
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "resident", (json_int_t)state[GS_PAGES_RESIDENT].bytes,
        "swapped", (json_int_t)state[GS_PAGES_SWAPPED].bytes, "untouched",
        (json_int_t)state[GS_PAGES_UNTOUCHED].bytes, "unknown", (json_int_t)state[GS_PAGES_UNKNOWN].bytes,
        "swapped_by", gs_incident_holder_json(&state[GS_PAGES_SWAPPED].holder), "untouched_by",
        gs_incident_holder_json(&state[GS_PAGES_UNTOUCHED].holder), "unwritten",
        tracks_writes ? json_integer((json_int_t)state[GS_PAGES_UNWRITTEN].bytes) : json_null(),
        "unwritten_by", gs_incident_holder_json(&state[GS_PAGES_UNWRITTEN].holder));
}

bool gs_incident_pages_are_known(const struct gs_profile *profile)
{
    for (int i = 0; i < GS_PAGES_UNWRITTEN; i++)
        if (gs_profile_sample_type(profile, states[i].type) < 0)
            return false;
    return true;
}
