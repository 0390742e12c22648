/* causes.c - groups incidents by their cause: rule and fingerprint. One without a fingerprint is a cause of its own. */
#include "cli/causes.h"
#include "cli/cli.h"
#include <stdlib.h>
#include <string.h>

static const char *text_of(const struct gs_listed *incident, const char *key)
{
    return gs_cli_json_text(incident->entry->json, key, "");
}

static int compare_causes(const struct gs_listed *a, const struct gs_listed *b)
{
    int order = strcmp(text_of(a, "rule"), text_of(b, "rule"));
    return order ? order : strcmp(text_of(a, "fingerprint"), text_of(b, "fingerprint"));
}

static int compare_times(const struct gs_listed *a, const struct gs_listed *b)
{
    int64_t a_ns = a->entry->triggered_ns, b_ns = b->entry->triggered_ns;
    int order = a_ns < b_ns ? -1 : a_ns > b_ns;
    order = order ? order : strcmp(a->dir, b->dir);
    return order ? order : strcmp(gs_text_base_name(a->entry->name), gs_text_base_name(b->entry->name));
}

static int by_cause(const void *a, const void *b)
{
    int order = compare_causes(a, b);
    return order ? order : compare_times(a, b);
}

static int newest_first(const void *a, const void *b)
{
    return compare_times(gs_cli_cause_last(b), gs_cli_cause_last(a));
}

const struct gs_listed *gs_cli_cause_last(const struct gs_cause *cause)
{
    return &cause->incident[cause->count - 1];
}

static void collect_incidents(const struct gs_store_list *list, char *const *dir, size_t count,
                              struct gs_causes *out)
{
    for (size_t i = 0; i < count; i++)
        for (size_t entry = 0; entry < list[i].count; entry++)
            out->incident[out->incident_count++] = (struct gs_listed){&list[i].entry[entry], dir[i]};
}

bool gs_cli_causes_find(const struct gs_store_list *list, char *const *dir, size_t count,
                        struct gs_causes *out)
{
    size_t incidents = 0;
    for (size_t i = 0; i < count; i++)
        incidents += list[i].count;
    *out = (struct gs_causes){.incident = calloc(incidents + 1, sizeof *out->incident),
                              .cause = calloc(incidents + 1, sizeof *out->cause)};
    if (!out->incident || !out->cause)
        return false;
    collect_incidents(list, dir, count, out);
    qsort(out->incident, out->incident_count, sizeof *out->incident, by_cause);
    for (size_t i = 0; i < out->incident_count; i++) {
        struct gs_listed *incident = &out->incident[i];
        bool repeats =
            i > 0 && *text_of(incident, "fingerprint") && compare_causes(incident - 1, incident) == 0;
        if (!repeats)
            out->cause[out->count++].incident = incident;
        out->cause[out->count - 1].count++;
    }
    qsort(out->cause, out->count, sizeof *out->cause, newest_first);
    return true;
}

void gs_cli_causes_fini(struct gs_causes *causes)
{
    free(causes->incident);
    free(causes->cause);
    *causes = (struct gs_causes){0};
}
