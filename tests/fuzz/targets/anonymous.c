/* What is made anonymous: a profile, incident.json and its like, maps. Nothing of it is left but figures, our own words and stand-ins. */
#include "base/memory.h"
#include "fuzz.h"
#include "reader/reader.h"
#include <string.h>

static bool is_stand_in(const char *text)
{
    const char *digits = strrchr(text, '_');
    digits = digits ? digits + 1 : strncmp(text, "gauge:", 6) == 0 ? text + 6 : text;
    return strlen(digits) == 16 && strspn(digits, "0123456789abcdef") == 16;
}

static bool may_stay(const char *text)
{
    return !*text || is_stand_in(text) || gs_reader_is_our_word(text);
}

static void check_profile(const struct gs_profile *profile)
{
    for (size_t i = 0; i < profile->function_count; i++)
        gs_must(may_stay(profile->function[i].name) && may_stay(profile->function[i].system_name) &&
                may_stay(profile->function[i].file));
    for (size_t i = 0; i < profile->mapping_count; i++)
        gs_must(may_stay(profile->mapping[i].path) && may_stay(profile->mapping[i].build_id));
    for (size_t i = 0; i < profile->sample_count; i++)
        for (uint32_t at = 0; at < profile->sample[i].label_count; at++) {
            const struct gs_label_value *label = &profile->sample[i].label[at];
            gs_must(!label->text || may_stay(label->text));
        }
    gs_must(profile->comment_count == 1 && !*profile->drop_frames);
}

static void try_profile(struct gs_anonymizer *anonymizer, const char *bytes, size_t length)
{
    char why[160];
    struct gs_profile *profile = gs_reader_profile(bytes, length, why, sizeof why);
    struct gs_profile *anonymous = profile ? gs_reader_anonymize_profile(anonymizer, profile) : NULL;
    gs_must(!profile || anonymous);
    if (anonymous)
        check_profile(anonymous);
    gs_profile_free(anonymous);
    gs_profile_free(profile);
}

static void try_json(struct gs_anonymizer *anonymizer, const char *bytes, size_t length)
{
    json_error_t error;
    struct gs_text summary = {0}, printed = {0};
    json_t *json = gs_json_read(bytes, length, JSON_REJECT_DUPLICATES, &error);
    json_t *anonymous = json ? gs_reader_anonymize_json(anonymizer, json) : NULL;
    gs_must(!json || anonymous);
    if (anonymous) {
        gs_json_print(anonymous, 0, &printed);
        gs_reader_anonymous_summary(anonymous, &summary);
        gs_must(!strstr(printed.bytes, "secret") && (!summary.bytes || !strstr(summary.bytes, "secret")));
    }
    gs_text_fini(&printed);
    gs_text_fini(&summary);
    json_decref(anonymous);
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct gs_anonymizer anonymizer = {.key = "0123456789abcdef"};
    struct gs_text maps = {0}, names = {0};
    char *copy = gs_fuzz_copy(bytes, length, 1);
    gs_json_use_our_memory();
    try_profile(&anonymizer, copy, length);
    try_json(&anonymizer, copy, length);
    gs_reader_anonymize_maps(&anonymizer, copy, &maps);
    gs_must(!maps.bytes || !strstr(maps.bytes, "secret"));
    gs_reader_anonymizer_print(&anonymizer, &names);
    gs_text_fini(&maps);
    gs_text_fini(&names);
    gs_reader_anonymizer_fini(&anonymizer);
    free(copy);
    return 0;
}
