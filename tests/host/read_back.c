/* read_back INCIDENT: describe the incident in that folder again, from its profiles and incident.json, and compare with what its
 * agent wrote: the culprit, and each block of summary.txt. Not compared are the headline's second line, whose "up 262.3 ms" is more
 * exact than the times in incident.json, and the last block: notes may have been added since.
 * Prints what differs; status 1 if anything does. */
#include "base/memory.h"
#include "incident/incident.h"
#include "reader/reader.h"
#include "store/store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 64 << 20 };

static struct gs_profile *profile_of(const char *path, const char *name)
{
    char *bytes, why[160];
    size_t length;
    if (!name || gs_store_read_incident_file(path, name, MAX, &bytes, &length))
        return NULL;
    struct gs_profile *profile = gs_reader_profile(bytes, length, why, sizeof why);
    if (!profile) {
        fprintf(stderr, "%s: %s\n", name, why);
        exit(2);
    }
    gs_free(bytes);
    return profile;
}

/* How many blocks of WORDS are not in STORED. */
static int compare_summary(char *words, const char *stored)
{
    int missing = 0, blocks = 0;
    for (char *block = words, *next; block; block = next, blocks++) {
        if ((next = strstr(block, "\n\n"))) {
            *next = 0;
            next += 2;
        }
        if (blocks == 0)
            block[strcspn(block, "\n")] = 0;
        if (next && !strstr(stored, block)) {
            printf("--- not in summary.txt:\n%s\n", block);
            missing++;
        }
    }
    printf("%d of %d blocks are the same\n", blocks - 1 - missing, blocks - 1);
    return missing;
}

static int compare_culprit(const json_t *words, const json_t *stored)
{
    json_t *a = json_object_get(words, "culprit"), *b = json_object_get(stored, "culprit");
    if (json_equal(a, b) &&
        json_equal(json_object_get(words, "fingerprint"), json_object_get(stored, "fingerprint")) &&
        json_equal(json_object_get(words, "deadlock"), json_object_get(stored, "deadlock")))
        return 0;
    char *now = json_dumps(a, JSON_INDENT(1) | JSON_ENCODE_ANY),
         *then = json_dumps(b, JSON_INDENT(1) | JSON_ENCODE_ANY);
    printf("--- the culprit: stored %s, now %s\n", then, now);
    free(now);
    free(then);
    return 1;
}

int main(int count, char **argument)
{
    struct gs_incident_evidence evidence = {.path = argument[count - 1]};
    struct gs_incident_words words;
    struct gs_errors errors = {0};
    char why[160], *summary, *rules = NULL;
    size_t length;
    json_t *json = gs_store_load_incident(evidence.path, why, sizeof why);
    if (!json || gs_store_read_incident_file(evidence.path, "summary.txt", MAX, &summary, &length)) {
        fprintf(stderr, "%s: %s\n", evidence.path, why);
        return 2;
    }
    evidence.json = json;
    if (gs_store_read_incident_file(evidence.path, "rules.json", MAX, &rules, &length) == 0)
        evidence.rules = gs_rules_read(rules, length, "rules.json", &errors);
    for (size_t i = 0; gs_kinds[i].name; i++) {
        evidence.profile[i] = profile_of(evidence.path, gs_kinds[i].file);
        evidence.base[i] = profile_of(evidence.path, gs_kinds[i].base_file);
    }
    if (gs_incident_read_back(&evidence, &words))
        return 2;
    int differ = compare_summary(words.summary.bytes, summary) + compare_culprit(words.json, json);
    return differ ? 1 : 0;
}
