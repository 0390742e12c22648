/* peak.c - what an incident says of the heap's peak: a part of summary.txt, and "peak" in incident.json.
 *
 *   heap.peak.pb.gz ──▶ who held most ──▶ "The heap peaked at 1.2 GiB 12 min before; then held by", and its heaviest stacks
 *
 * Context: watcher, CLI. */
#include "base/clock.h"
#include "gather/gather.h"
#include "incident/inside.h"
#include <stdio.h>

enum {
    NOTABLE_DIVISOR = 20
}; // the heap was higher than the copy by more than the step from one copy to the next

void gs_incident_find_peak(struct gs_incident_findings *findings)
{
    if (findings->peak)
        (void)gs_incident_culprit_find(findings->peak, gs_profile_sample_type(findings->peak, "inuse_space"),
                                       "in_use", &findings->peak_holder);
}

void gs_incident_add_peak(struct gs_text *out, const struct gs_incident_findings *findings)
{
    const struct gs_peak_facts *facts = &findings->peak_facts;
    char title[200], bytes[GS_UNIT_TEXT], highest[GS_UNIT_TEXT], age[GS_UNIT_TEXT], beyond[80] = "";
    if (!findings->peak)
        return;
    if (facts->highest_bytes > facts->bytes + facts->bytes / NOTABLE_DIVISOR)
        snprintf(beyond, sizeof beyond, " (for a moment: %s)",
                 gs_units_print_size((double)facts->highest_bytes, highest));
    snprintf(title, sizeof title, "The heap peaked at %s%s %s before; then held by",
             gs_units_print_size((double)facts->bytes, bytes), beyond,
             gs_units_print_duration(facts->age_ns, age));
    gs_incident_add_heap_stacks(out, findings->peak, title);
}

json_t *gs_incident_peak_json(const struct gs_incident_findings *findings)
{
    const struct gs_peak_facts *facts = &findings->peak_facts;
    if (!findings->peak)
        return json_null();
    return json_pack("{s:I, s:I, s:f, s:o}", "bytes", (json_int_t)facts->bytes, "highest",
                     (json_int_t)facts->highest_bytes, "age_s", (double)facts->age_ns / (double)GS_NS_PER_S,
                     "held_by", gs_incident_holder_json(&findings->peak_holder));
}

struct gs_peak_facts gs_incident_read_peak(const json_t *peak)
{
    enum { YEARS_MAX = 200 }; // whose nanoseconds fit
    double age_s = json_number_value(json_object_get(peak, "age_s"));
    json_int_t bytes = json_integer_value(json_object_get(peak, "bytes")),
               highest = json_integer_value(json_object_get(peak, "highest"));
    bool in_range = age_s > 0 && age_s < YEARS_MAX * 365.0 * 86400;
    return (struct gs_peak_facts){.bytes = bytes > 0 ? (uint64_t)bytes : 0,
                                  .highest_bytes = highest > 0 ? (uint64_t)highest : 0,
                                  .age_ns = in_range ? (int64_t)(age_s * (double)GS_NS_PER_S + 0.5) : 0};
}
