/* Memory runs out in the middle: each allocation fails once, under sanitizers, in what reads and writes documents. */
#include "base/clock.h"
#include "sys/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "host/ways/failing_memory.h"
#include "box/box.h"
#include "fresh_store.h"
#include "history/history.h"
#include "incident/incident.h"
#include "probe/probe.h"
#include "rules/rules.h"
#include "store/store.h"
#include "probe/heap/inside.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* Texts of many lengths, so that each quote stands once where the reader's room ends. */
static char *texts(size_t count)
{
    struct gs_text out = {0};
    gs_text_add(&out, "[");
    for (size_t length = 0; length < count; length++)
        gs_text_add(&out, "%s\"%.*s\"", length ? "," : "", (int)length,
                    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz");
    gs_text_add(&out, "]");
    return out.bytes;
}

static void a_document_is_read_whole_or_not_at_all(void **state)
{
    char *text = texts(80);
    json_error_t why;
    json_t *whole = gs_json_read(text, strlen(text), 0, &why);
    (void)state;
    assert_non_null(whole);
    bool failed = true;
    for (long n = 1; failed; n++) {
        failing_memory_arm(n, 1);
        json_t *json = gs_json_read(text, strlen(text), 0, &why);
        failed = failing_memory_disarm();
        if (failed)
            assert_int_equal(json_error_code(&why), json_error_out_of_memory);
        assert_true(failed ? json == NULL : json_equal(json, whole));
        json_decref(json);
    }
    json_decref(whole);
    gs_free(text);
}

/* A quote that finds no room is the worst: what is behind it in memory is not text. */
static void a_text_whose_end_finds_no_room_is_not_run_over(void **state)
{
    (void)state;
    for (int length = 1; length < 80; length++) {
        char text[128];
        bool failed = true;
        snprintf(text, sizeof text, "[\"%0*d\"]", length, 7);
        for (long n = 1; failed; n++) {
            json_error_t why;
            failing_memory_arm(n, 1);
            json_t *json = gs_json_read(text, strlen(text), 0, &why);
            failed = failing_memory_disarm();
            assert_true(failed == (json == NULL));
            json_decref(json);
        }
    }
}

static void rules_are_taken_whole_or_refused(void **state)
{
    static const char text[] =
        "{ \"version\": 1, \"labels\": { \"service\": \"a name that is not short\" }, \"only\": [\"server\", \"worker\"],\n"
        "  \"on_incident\": [\"/bin/true\", \"{dir}\", \"{label:service}\"], \"rules\": [\n"
        "  { \"name\": \"rss-high\", \"metric\": \"rss\", \"above\": \"80%\", \"for\": \"10s\", \"why\": \"the cache has no bound\" },\n"
        "  { \"name\": \"jump\", \"metric\": \"heap_in_use\", \"jitter\": { \"rise\": \"50%\", \"over\": 100 } } ] }";
    bool failed = true;
    (void)state;
    for (long n = 1; failed; n++) {
        struct gs_errors errors = {0};
        failing_memory_arm(n, 1);
        struct gs_rules *rules = gs_rules_read(text, strlen(text), "rules.json", &errors);
        failed = failing_memory_disarm();
        assert_true(failed == (rules == NULL));
        assert_true(rules || errors.count + errors.lost > 0);
        if (rules)
            assert_string_equal(rules->rule[0].why, "the cache has no bound");
        gs_rules_free(rules);
        gs_errors_fini(&errors);
    }
}

/* ---- an incident, and the black box --------------------------------------------------------------------------------------- */

static char dir[FRESH_DIR];
static struct gs_store *store;
static struct gs_incident_context scene;

static int set_the_scene(void **state)
{
    static const char text[] = "{ \"version\": 1, \"labels\": { \"service\": \"cache\" }, \"rules\": [ { \"name\": \"a\", \"metric\": \"rss\", \"above\": \"80%\" } ] }";
    struct gs_errors errors = {0};
    (void)state;
    store = fresh_store(dir);
    scene.rules = gs_rules_read(text, strlen(text), "rules.json", &errors);
    struct gs_history *history = gs_history_new(scene.rules->metric, 1, GS_NS_PER_S);
    scene.history = history;
    gs_history_add(history, gs_clock_realtime_ns(), (const double[]){1e6});
    uintptr_t frames[] = {(uintptr_t)set_the_scene + 8, (uintptr_t)a_document_is_read_whole_or_not_at_all + 4};
    gs_heap_stack_count_alloc(gs_heap_stack_intern(frames, 2, false, 0), (uint64_t)100 << GS_OBJECT_SHIFT, 100 << 20);
    return store && history ? 0 : -1;
}

static int clear_the_scene(void **state)
{
    (void)state;
    gs_rules_free((struct gs_rules *)scene.rules);
    gs_history_free((struct gs_history *)scene.history);
    return remove_store_at(store, dir);
}

static int capture(char path[PATH_MAX])
{
    const struct gs_incident_trigger facts = {.rule = "a", .why = "w", .metric = "rss", .condition = "above", .reason = "r", .value = 1,
                                            .line = 1, .capture = GS_HEAP | GS_THREADCREATE, .triggered_ns = gs_clock_realtime_ns()};
    struct gs_incident *incident;
    int error = gs_incident_begin(store, &facts, &scene, &incident);
    return error ? error : gs_incident_end(incident, path);
}

static json_t *index_of(const char *path)
{
    char why[256];
    json_t *json = gs_store_load_incident(path, why, sizeof why);
    if (!json)
        fail_msg("%s: %s", path, why);
    return json;
}

static void an_incident_is_complete_or_says_what_it_lacks(void **state)
{
    enum { STRIDE = 61 };
    char path[PATH_MAX];
    (void)state;
    assert_int_equal(capture(path), 0);
    json_t *whole = index_of(path);
    assert_true(json_is_true(json_object_get(whole, "complete")));
    bool failed = true;
    for (long n = 1; failed; n += STRIDE) {
        failing_memory_arm(n, 1);
        int error = capture(path);
        failed = failing_memory_disarm();
        if (error)
            continue;
        json_t *json = index_of(path);
        bool complete = json_is_true(json_object_get(json, "complete"));
        assert_int_equal(json_object_size(json), json_object_size(whole));
        assert_true(complete == (json_array_size(json_object_get(json, "errors")) == 0));
        if (complete)
            assert_int_equal(json_array_size(json_object_get(json, "files")), json_array_size(json_object_get(whole, "files")));
        json_decref(json);
    }
    json_decref(whole);
}

static void what_was_written_of_a_box_can_be_read(void **state)
{
    struct gs_box *box = gs_box_open(store);
    bool failed = true;
    (void)state;
    assert_non_null(box);
    for (long n = 1; failed; n++) {
        char why[200], name[GS_LIVE_NAME], path[256], *bytes;
        size_t length;
        gs_box_request_rewrite(box);
        failing_memory_arm(n, 1);
        gs_box_write(box, &scene, 0, GS_BOX_TICK);
        failed = failing_memory_disarm();
        gs_box_close(box);
        box = gs_box_open(store);
        gs_box_write(box, &scene, 0, GS_BOX_TICK);
        gs_store_live_name((int)getpid(), name);
        snprintf(path, sizeof path, "%s/.live/%s.box", dir, name);
        assert_int_equal(gs_file_read(AT_FDCWD, path, 64 << 20, &bytes, &length), 0);
        failing_memory_arm(n, 1);
        struct gs_box_contents *contents = gs_box_read(bytes, length, why, sizeof why);
        failed |= failing_memory_disarm();
        gs_box_contents_free(contents);
        gs_free(bytes);
    }
    gs_box_close(box);
}

int main(void)
{
    gs_json_use_our_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_is_read_whole_or_not_at_all),
        cmocka_unit_test(a_text_whose_end_finds_no_room_is_not_run_over),
        cmocka_unit_test(rules_are_taken_whole_or_refused),
        cmocka_unit_test_setup_teardown(an_incident_is_complete_or_says_what_it_lacks, set_the_scene, clear_the_scene),
        cmocka_unit_test_setup_teardown(what_was_written_of_a_box_can_be_read, set_the_scene, clear_the_scene),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
