/* waste.c - what an incident says of the heap's free memory: a part of summary.txt, "waste" in incident.json and memory.json.
 *
 *   waste.pb.gz ──▶ whose blocks pin most ──▶ "Heap: 1.2 GiB of 1.6 GiB resident is free; blocks of conn_new pin 900 MiB of it (oldest 3 h)"
 *   the facts   ──▶ what malloc_trim would return, arenas, how thin the samples are
 *
 * Context: watcher, CLI. */
#include "base/clock.h"
#include "base/units.h"
#include "incident/inside.h"
#include "symbol/symbol.h"
#include <stdio.h>
#include <string.h>

enum {
    NOTABLE_DIVISOR = 10, // less than this part of the heap is what every heap has
    NOTABLE_BYTES = 4 << 20, // of free memory; of a heap
    ARENAS_MANY = 8,
};

/* How long before the incident the oldest block of FUNCTION was allocated, of those that pin memory. */
static int64_t oldest_of(const struct gs_profile *waste, const char *function)
{
    int64_t seconds = 0;
    char room[300];
    for (size_t i = 0; i < waste->sample_count; i++) {
        const struct gs_sample *sample = &waste->sample[i];
        uint32_t own = gs_profile_own_frame(waste, sample->location, sample->depth);
        if (own >= sample->depth ||
            strcmp(gs_profile_own_name(waste, sample->location[own], room, sizeof room), function) != 0)
            continue;
        for (uint32_t n = 0; n < sample->label_count; n++)
            if (strcmp(sample->label[n].key, "oldest") == 0 && sample->label[n].number > seconds)
                seconds = sample->label[n].number;
    }
    return seconds;
}

void gs_incident_find_waste(struct gs_incident_findings *findings)
{
    struct gs_profile *waste = findings->waste;
    if (waste && gs_incident_culprit_find(waste, gs_profile_sample_type(waste, "waste_space"), "waste",
                                          &findings->pinner))
        findings->pinner_oldest_s = oldest_of(waste, findings->pinner.function);
}

/* ---- the summary ------------------------------------------------------------------------------------------------------------ */

static bool is_notable(const struct gs_waste_facts *facts)
{
    return facts->waste >= NOTABLE_BYTES && facts->waste >= facts->heap / NOTABLE_DIVISOR;
}

static void add_pinner(struct gs_text *out, const struct gs_incident_findings *findings)
{
    const struct gs_culprit *pinner = &findings->pinner;
    char bytes[GS_UNIT_TEXT], age[GS_UNIT_TEXT];
    if (!pinner->function) {
        gs_text_add(out, "; no live sample shows who pins it");
        return;
    }
    gs_text_add(out, "; blocks of ");
    gs_symbol_add_short_name(out, pinner->function);
    gs_text_add(out, " pin %s of it", gs_units_print_size((double)pinner->value, bytes));
    if (findings->pinner_oldest_s > 0 && findings->pinner_oldest_s < INT64_MAX / GS_NS_PER_S)
        gs_text_add(out, " (oldest %s)",
                    gs_units_print_duration(findings->pinner_oldest_s * GS_NS_PER_S, age));
    if (pinner->doubts & GS_DOUBT_SAMPLES)
        gs_text_add(out, ", which only about %lld sample%s", (long long)(pinner->samples + 0.5),
                    pinner->samples < 1.5 ? " shows" : "s show");
}

/* What can be done, and what it rests on. */
static void add_remedies(struct gs_text *out, const struct gs_waste_facts *facts)
{
    char bytes[GS_UNIT_TEXT], of[GS_UNIT_TEXT];
    double mib = (double)facts->heap / (1 << 20);
    if (facts->trimmable >= NOTABLE_BYTES)
        gs_text_add(out, "  malloc_trim would return %s: whole free pages, by glibc's headers of %s\n",
                    gs_units_print_size((double)facts->trimmable, bytes),
                    gs_units_print_size((double)facts->walked, of));
    if (facts->arenas >= ARENAS_MANY)
        gs_text_add(out,
                    "  glibc has %u arenas, each with free memory of its own: MALLOC_ARENA_MAX limits them\n",
                    facts->arenas);
    gs_text_add(out, "  from %llu live sample%s, %.2g a MiB", (unsigned long long)facts->samples,
                gs_text_plural((double)facts->samples), mib > 0 ? (double)facts->samples / mib : 0);
    if (facts->walked < facts->heap)
        gs_text_add(out, facts->walked ? "; no headers were read of %s" : "; by pages and samples alone",
                    gs_units_print_size((double)(facts->heap - facts->walked), bytes));
    gs_text_add(out, "\n");
}

void gs_incident_add_waste(struct gs_text *out, const struct gs_incident_findings *findings)
{
    const struct gs_waste_facts *facts = &findings->waste_facts;
    char bytes[GS_UNIT_TEXT], of[GS_UNIT_TEXT];
    if (!findings->waste || facts->heap < NOTABLE_BYTES)
        return;
    gs_text_add(out, "\nHeap: %s of %s resident is free", gs_units_print_size((double)facts->waste, bytes),
                gs_units_print_size((double)facts->heap, of));
    if (!is_notable(facts)) {
        gs_text_add(out, "\n");
        return;
    }
    add_pinner(out, findings);
    gs_text_add(out, "\n");
    add_remedies(out, facts);
    gs_incident_add_stacks(out, findings->waste, "waste_space",
                           "Free memory by the stacks of the blocks that lie in it");
}

/* ---- JSON --------------------------------------------------------------------------------------------------------------------- */

json_t *gs_incident_waste_facts_json(const struct gs_waste_facts *facts)
{
    return facts ? json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "heap", (json_int_t)facts->heap, "free",
                             (json_int_t)facts->waste, "pinned", (json_int_t)facts->pinned, "trimmable",
                             (json_int_t)facts->trimmable, "headers_read", (json_int_t)facts->walked,
                             "samples", (json_int_t)facts->samples, "arenas", (json_int_t)facts->arenas)
                 : json_null();
}

static json_t *pinner_json(const struct gs_incident_findings *findings)
{
    const struct gs_culprit *pinner = &findings->pinner;
    double free_bytes = (double)findings->waste_facts.waste;
    if (!pinner->function)
        return json_null();
    return json_pack("{s:o, s:o, s:I, s:f, s:I, s:f, s:s}", "function", gs_json_printable(pinner->function),
                     "module", gs_json_printable(pinner->module), "bytes", (json_int_t)pinner->value, "share",
                     free_bytes > 0 ? (double)pinner->value / free_bytes : 0, "oldest_s",
                     (json_int_t)findings->pinner_oldest_s, "samples", pinner->samples, "confidence",
                     pinner->doubts ? "low" : "high");
}

json_t *gs_incident_waste_json(const struct gs_incident_findings *findings)
{
    if (!findings->waste)
        return json_null();
    struct gs_json json = {.json = gs_incident_waste_facts_json(&findings->waste_facts)};
    json.failed = !json.json;
    gs_json_set(&json, "pinned_by", pinner_json(findings));
    return gs_json_take(&json);
}

static uint64_t number_of(const json_t *waste, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(waste, key));
    return number > 0 ? (uint64_t)number : 0;
}

struct gs_waste_facts gs_incident_read_waste(const json_t *waste)
{
    uint64_t arenas = number_of(waste, "arenas");
    return (struct gs_waste_facts){.heap = number_of(waste, "heap"),
                                   .waste = number_of(waste, "free"),
                                   .pinned = number_of(waste, "pinned"),
                                   .trimmable = number_of(waste, "trimmable"),
                                   .walked = number_of(waste, "headers_read"),
                                   .samples = number_of(waste, "samples"),
                                   .arenas = arenas < UINT32_MAX ? (uint32_t)arenas : UINT32_MAX};
}
