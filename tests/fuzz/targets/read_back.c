/* A published incident that anybody may have written: incident.json, summary.txt and a profile, with a NUL behind each of the first
 * two. The first is also taken for a memory.json, and the second for a threads.txt. It is described again; renaming it to the words that it has changes nothing in the summary, and renaming it to other words
 * leaves the keys that this version does not know. */
#include "base/memory.h"
#include "fuzz.h"
#include "incident/incident.h"
#include "reader/reader.h"
#include <string.h>

static void rename_all(const struct gs_incident_words *before, const struct gs_incident_words *after,
                       const char *stored, json_t *json)
{
    struct gs_text summary = {0};
    gs_text_add_bytes(&summary, stored, strlen(stored));
    gs_incident_rename_summary(before, after, &summary);
    gs_must(!summary.failed);
    gs_must(before != after ||
            (summary.length == strlen(stored) && (!stored[0] || strcmp(summary.bytes, stored) == 0)));
    gs_incident_rename_blocks(after, &summary);
    gs_must(!summary.failed);
    gs_text_fini(&summary);
    gs_must(gs_incident_rename_json(before, after, json) == 0);
    if (gs_incident_has_culprit_of(json, before))
        gs_must(gs_incident_rename_culprit(after, json) == 0);
    gs_must(json_is_true(json_object_get(json, "unknown to this version")));
}

/* STORED as threads.txt, JSON as memory.json. */
static void rename_texts(const struct gs_incident_evidence *evidence, const struct gs_incident_words *words,
                         const struct gs_profile *profile, const char *stored, const json_t *json)
{
    struct gs_text threads = {0};
    gs_text_add_bytes(&threads, stored, strlen(stored));
    gs_incident_rename_threads(words, words, profile, &threads);
    gs_must(!threads.failed && threads.bytes);
    gs_text_fini(&threads);
    json_t *memory = json_deep_copy(json);
    struct gs_profile *stacks = gs_incident_memory_profile(memory, profile->mapping, profile->mapping_count);
    gs_must(memory && stacks);
    gs_must(gs_incident_rename_memory(evidence, stacks, memory) == 0);
    gs_must(json_is_true(json_object_get(memory, "unknown to this version")));
    gs_must(!gs_incident_memory_has_more_names(json, memory));
    gs_profile_free(stacks);
    json_decref(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char why[160], *copy = gs_fuzz_copy(bytes, length, 1);
    json_error_t error;
    size_t json_length = strlen(copy);
    const char *stored = json_length < length ? copy + json_length + 1 : "";
    size_t behind = json_length < length ? json_length + 1 + strlen(stored) + 1 : length;
    json_t *json = gs_json_read(copy, json_length, 0, &error);
    struct gs_profile *profile =
        behind < length ? gs_reader_profile(copy + behind, length - behind, why, sizeof why) : NULL;
    if (json_is_object(json)) {
        struct gs_incident_evidence evidence = {.json = json, .path = "d"}, no_profiles = evidence;
        struct gs_incident_words words, bare;
        for (size_t i = 0; gs_kinds[i].name; i++)
            evidence.profile[i] = evidence.base[i] = profile;
        gs_must(gs_incident_read_back(&evidence, &words) == 0);
        gs_must(gs_incident_read_back(&no_profiles, &bare) == 0);
        gs_must(json_object_set_new(json, "unknown to this version", json_true()) == 0);
        rename_all(&words, &words, stored, json);
        rename_all(&words, &bare, stored, json);
        rename_all(&bare, &words, stored, json);
        if (profile)
            rename_texts(&evidence, &words, profile, stored, json);
        gs_incident_words_fini(&words);
        gs_incident_words_fini(&bare);
    }
    gs_profile_free(profile);
    json_decref(json);
    free(copy);
    return 0;
}
