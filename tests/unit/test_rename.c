/* test_rename.c - a published incident gets new names: inlined functions become frames, what is not about names stays. */
#include "base/memory.h"
#include "incident/incident.h"
#include "profile/profile.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h> // wants the others before it

/* A heap of 3000 bytes, all by one stack: an unnamed function of /srv/shop, called by main. With LINES it is known to be cache_insert,
 * called by serve, which the compiler has put inline into main. */
static struct gs_profile *heap(bool lines)
{
    struct gs_profile *profile = gs_profile_new();
    gs_profile_add_sample_type(profile, "inuse_space", "bytes");
    uint32_t mapping = gs_profile_add_mapping(
        profile,
        &(struct gs_profile_mapping){.start = 0x1000, .end = 0x9000, .path = "/srv/shop", .build_id = ""});
    struct gs_line insert = {gs_profile_add_function(profile, lines ? "cache_insert" : "shop+0x1234",
                                                     lines ? "cache_insert" : "", lines ? "/src/cache.c" : "",
                                                     0),
                             lines ? 88 : 0},
                   outer[2] = {
                       {gs_profile_add_function(profile, "serve", "serve", "/src/serve.c", 0), 12},
                       {gs_profile_add_function(profile, "main", "main", lines ? "/src/main.c" : "", 0),
                        lines ? 40 : 0}};
    uint32_t location[] = {
        gs_profile_add_location(profile, &(struct gs_location){.address = 0x1234,
                                                               .mapping = mapping + 1,
                                                               .line_count = 1,
                                                               .line = &insert}),
        gs_profile_add_location(profile, &(struct gs_location){.address = 0x2000,
                                                               .mapping = mapping + 1,
                                                               .line_count = lines ? 2 : 1,
                                                               .line = lines ? outer : outer + 1}),
    };
    int64_t value = 3000;
    gs_profile_append_sample(profile, &(struct gs_sample){.location = location, .value = &value, .depth = 2});
    return profile;
}

static json_t *incident(void)
{
    json_t *json = json_pack("{s:i, s:b, s:s, s:s, s:s, s:s, s:i, s:s, s:s}", "version", 1, "complete", 1,
                             "rule", "leak", "reason", "it grew", "triggered", "2026-11-24T03:05:09.123Z",
                             "metric", "heap_in_use", "pid", 7, "exe", "/srv/shop", "host", "web1");
    assert_non_null(json);
    return json;
}

static void read_back(const json_t *json, bool lines, struct gs_incident_words *out)
{
    struct gs_incident_evidence evidence = {.json = json, .path = "/d/leak"};
    for (size_t i = 0; gs_kinds[i].name; i++)
        if (gs_kinds[i].kind == GS_HEAP)
            evidence.profile[i] = heap(lines);
    assert_int_equal(gs_incident_read_back(&evidence, out), 0);
    for (size_t i = 0; gs_kinds[i].name; i++)
        if (evidence.profile[i])
            gs_profile_free((struct gs_profile *)evidence.profile[i]);
}

static void an_inlined_function_is_a_frame(void **state)
{
    (void)state;
    struct gs_profile *profile = heap(true), *split = gs_profile_split_inlined(profile);
    static const char *const names[] = {"cache_insert", "serve", "main"};
    static const int64_t lines[] = {88, 12, 40};
    char room[300];
    assert_non_null(split);
    assert_int_equal(split->sample_count, 1);
    assert_int_equal(split->sample[0].depth, 3);
    for (size_t i = 0; i < 3; i++) {
        uint32_t location = split->sample[0].location[i];
        assert_string_equal(gs_profile_frame_name(split, location, room, sizeof room), names[i]);
        assert_int_equal(split->location[location].line[0].line, lines[i]);
    }
    gs_profile_free(split);
    gs_profile_free(profile);
}

/* The stored summary has an account of memory, which no profile has; a line of another version in the culprit's block; and a note. */
static void names_change_and_nothing_else(void **state)
{
    (void)state;
    static const char memory[] = "Memory: RSS 3 KiB = live heap 3 KiB\n  a sentence about shop+0x1234\n";
    json_t *json = incident();
    struct gs_incident_words before, after;
    struct gs_text summary = {0};
    read_back(json, false, &before);
    read_back(json, true, &after);
    const char *holders = strstr(before.summary.bytes, "What holds"),
               *culprit = strstr(before.summary.bytes, "Culprit: main → shop+0x1234 in shop: ");
    assert_non_null(culprit);
    gs_text_add_bytes(&summary, before.summary.bytes, (size_t)(holders - before.summary.bytes) - 1);
    gs_text_add(&summary, "a line of another version\n\n%s\n%snote: one\n", memory, holders);

    gs_incident_rename_summary(&before, &after, &summary);
    assert_non_null(strstr(summary.bytes, "Culprit: cache_insert in shop, cache.c:88: holds 2.9 KiB, 100 % "
                                          "of the heap in use\na line of another version\n"));
    assert_non_null(strstr(summary.bytes, memory));
    assert_non_null(
        strstr(summary.bytes, "cache_insert (cache.c:88) ← serve (serve.c:12) ← main (main.c:40)\n"));
    assert_non_null(strstr(summary.bytes, "read on: gumshoe top /d/leak\nnote: one\n"));
    gs_text_fini(&summary);
    gs_incident_words_fini(&before);
    gs_incident_words_fini(&after);
    json_decref(json);
}

/* A culprit of another version has more keys; one of another function is not ours to name. */
static void a_culprit_is_renamed_if_it_is_the_same(void **state)
{
    (void)state;
    json_t *json = incident();
    struct gs_incident_words before, after;
    read_back(json, false, &before);
    read_back(json, true, &after);
    json_t *culprit = json_deep_copy(json_object_get(before.json, "culprit"));
    assert_int_equal(json_object_set_new(culprit, "verdict", json_string("a leak")), 0);
    assert_int_equal(json_object_set_new(json, "culprit", culprit), 0);
    assert_int_equal(json_object_set_new(json, "fingerprint", json_string("0123456789abcdef")), 0);

    assert_int_equal(gs_incident_rename_json(&before, &after, json), 0);
    assert_string_equal(json_string_value(json_object_get(culprit, "function")), "cache_insert");
    assert_int_equal(json_integer_value(json_object_get(culprit, "line_number")), 88);
    assert_int_equal(json_array_size(json_object_get(culprit, "stack")), 3);
    assert_string_equal(json_string_value(json_object_get(culprit, "verdict")), "a leak");
    assert_string_equal(json_string_value(json_object_get(json, "fingerprint")), "0123456789abcdef");

    assert_int_equal(json_object_set_new(culprit, "function", json_string("another")), 0);
    assert_int_equal(gs_incident_rename_json(&before, &after, json), 0);
    assert_string_equal(json_string_value(json_object_get(culprit, "function")), "another");
    gs_incident_words_fini(&before);
    gs_incident_words_fini(&after);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_inlined_function_is_a_frame),
        cmocka_unit_test(names_change_and_nothing_else),
        cmocka_unit_test(a_culprit_is_renamed_if_it_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
