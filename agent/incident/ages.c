/* ages.c - how old the heap is: a line of summary.txt, and "ages" in incident.json.
 *
 *   bytes older than 10 s, 1 m, 10 m, … ──▶ "Of 1.2 GiB in use, 900 MiB (75 %) are older than 1 h"
 *
 * A leak is of all ages; a burst is young, and what always was there is old.
 * Context: watcher, CLI. */
#include "base/clock.h"
#include "gather/gather.h"
#include "incident/inside.h"

/* "75 %" of ALL. */
static const char *print_share(uint64_t part, uint64_t all, char out[GS_UNIT_TEXT])
{
    double exact = (double)part / (double)all;
    return gs_units_print_percent((double)(int64_t)(exact * 1000 + 0.5) / 1000, out);
}

/* The highest bound of age that at least half of the heap is older than; 0: most of it is younger than the lowest bound. */
static unsigned find_bound(const struct gs_heap_ages *ages)
{
    unsigned class = GS_AGE_CLASSES - 1;
    while (class > 0 && ages->older[class] < ages->older[0] - ages->older[class])
        class --;
    return class;
}

void gs_incident_add_ages(struct gs_text *out, const struct gs_incident_findings *findings)
{
    const struct gs_heap_ages *ages = &findings->ages;
    char all[GS_UNIT_TEXT], part[GS_UNIT_TEXT], share[GS_UNIT_TEXT], bound[GS_UNIT_TEXT];
    if (!ages->known || ages->older[0] == 0)
        return;
    unsigned class = find_bound(ages);
    uint64_t bytes = class ? ages->older[class] : ages->older[0] - ages->older[1];
    gs_text_add(out, "\nOf %s in use, %s (%s) are %s than %s",
                gs_units_print_size((double)ages->older[0], all), gs_units_print_size((double)bytes, part),
                print_share(bytes, ages->older[0], share), class ? "older" : "younger",
                gs_units_print_duration(gs_gather_age_from_ns(class ? class : 1), bound));
    if (ages->baseline)
        gs_text_add(out, ", %s (%s) older than the baseline (%s)",
                    gs_units_print_size((double)ages->older_than_baseline, part),
                    print_share(ages->older_than_baseline, ages->older[0], share),
                    gs_units_print_duration(findings->base_age_ns, bound));
    gs_text_add(out, "\n");
}

json_t *gs_incident_ages_json(const struct gs_heap_ages *ages)
{
    if (!ages->known)
        return json_null();
    struct gs_json list = gs_json_array();
    for (unsigned class = 0; class < GS_AGE_CLASSES; class ++)
        gs_json_add(&list, json_pack("{s:f, s:I}", "older_than_s",
                                     (double)gs_gather_age_from_ns(class) / (double)GS_NS_PER_S, "bytes",
                                     (json_int_t)ages->older[class]));
    json_t *baseline = ages->baseline ? json_integer((json_int_t)ages->older_than_baseline) : json_null();
    return json_pack("{s:o, s:o}", "classes", gs_json_take(&list), "older_than_baseline", baseline);
}

static uint64_t read_bytes(const json_t *bytes)
{
    return json_integer_value(bytes) > 0 ? (uint64_t)json_integer_value(bytes) : 0;
}

struct gs_heap_ages gs_incident_read_ages(const json_t *json)
{
    const json_t *list = json_object_get(json, "classes"),
                 *baseline = json_object_get(json, "older_than_baseline");
    struct gs_heap_ages ages = {.known = json_array_size(list) == GS_AGE_CLASSES,
                                .baseline = json_is_integer(baseline),
                                .older_than_baseline = read_bytes(baseline)};
    for (unsigned class = 0; class < GS_AGE_CLASSES; class ++)
        ages.older[class] = read_bytes(json_object_get(json_array_get(list, class), "bytes"));
    for (unsigned class = 1; class < GS_AGE_CLASSES; class ++) // anybody may have written it
        if (ages.older[class] > ages.older[class - 1])
            ages.older[class] = ages.older[class - 1];
    if (ages.older_than_baseline > ages.older[0])
        ages.older_than_baseline = ages.older[0];
    return ages;
}
