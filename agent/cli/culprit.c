/* culprit.c - an incident's culprit in a sentence, from incident.json, which anybody may have written. */
#include "base/units.h"
#include "cli/cli.h"
#include "cli/next.h"
#include "reader/reader.h"
#include <math.h>
#include <string.h>

void gs_cli_add_culprit(struct gs_text *out, const json_t *incident, size_t columns)
{
    const json_t *culprit = json_object_get(incident, "culprit");
    const char *function = gs_cli_json_text(culprit, "function", ""),
               *file = gs_cli_json_text(culprit, "file", "");
    struct gs_text place = {0};
    if (!*function)
        return;
    if (*file) {
        gs_text_add(&place, " (");
        gs_text_add_printable(&place, gs_text_base_name(file));
        gs_text_add(&place, ":%lld)", json_integer_value(json_object_get(culprit, "line_number")));
    }
    size_t taken = place.bytes ? gs_text_columns(place.bytes) : 0;
    gs_reader_add_fitted_function(out, function, columns == 0 ? 0 : columns > taken ? columns - taken : 1);
    gs_text_add(out, "%s", place.bytes ? place.bytes : "");
    gs_text_fini(&place);
}

static double number_of(const json_t *json, const char *key)
{
    return json_number_value(json_object_get(json, key));
}

/* A number from a file, as a count or as nanoseconds: bounded, so that it can be converted. */
static long long whole(double number)
{
    return number > 0 && number < 9e18 ? (long long)number : 0;
}

void gs_cli_add_charge(struct gs_text *out, const json_t *incident)
{
    const json_t *culprit = json_object_get(incident, "culprit");
    const char *kind = gs_cli_json_text(culprit, "kind", "");
    char amount[GS_UNIT_TEXT], share[GS_UNIT_TEXT], age[GS_UNIT_TEXT];
    long long count = whole(number_of(culprit, "count"));
    double fraction = number_of(culprit, "share"), age_ns = number_of(incident, "baseline_age_s") * 1e9;
    gs_units_print_size(number_of(culprit, "bytes"), amount);
    gs_units_print_percent(fraction > 0 && fraction < 1e6 ? floor(fraction * 1000 + 0.5) / 1000 : 0, share);
    gs_units_print_duration(whole(age_ns), age);
    if (strcmp(kind, "growth") == 0 && age_ns > 0)
        gs_text_add(out, "%s more than %s ago, %s of all growth", amount, age, share);
    else if (strcmp(kind, "growth") == 0)
        gs_text_add(out, "%s more, %s of all growth", amount, share);
    else if (strcmp(kind, "in_use") == 0)
        gs_text_add(out, "holds %s, %s of it all", amount, share);
    else if (strcmp(kind, "cpu") == 0)
        gs_text_add(out, "%s of CPU time, %s of all",
                    gs_units_print_duration(whole(number_of(culprit, "nanoseconds")), amount), share);
    else if (strcmp(kind, "threads") == 0)
        gs_text_add(out, "%lld thread%s, %s of all", count, gs_text_plural((double)count), share);
    else if (strcmp(kind, "deadlock") == 0)
        gs_text_add(out, "in a deadlock of %lld thread%s", count, gs_text_plural((double)count));
    else if (strcmp(kind, "lock") == 0)
        gs_text_add(out, "holds a lock that %lld thread%s", count, count == 1 ? " waits for" : "s wait for");
    else if (strcmp(kind, "crash") == 0)
        gs_text_add(out, "crashed here");
}
