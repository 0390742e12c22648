/* What a person writes into a rules file, and what gumshoe answers: every error at its place, with a way out. */
#include "rules/rules.h"
#include "base/clock.h"
#include "base/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define RULES(rule) "{ \"version\": 1,\n  \"rules\": [\n    " rule " ] }"

/* The errors of TEXT as gumshoe prints them, a line each; "" when there are none. */
static const char *errors_of(const char *text, size_t length)
{
    static char all[8192];
    struct gs_errors errors = {0};
    struct gs_rules *rules = gs_rules_read(text, length, "f", &errors);
    all[0] = 0;
    assert_true((rules != NULL) == (errors.count == 0));
    for (size_t i = 0; i < errors.count; i++) {
        char line[640];
        gs_error_format(&errors.item[i], line, sizeof line);
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? "\n" : "", line);
    }
    gs_rules_free(rules);
    gs_errors_fini(&errors);
    return all;
}

struct bad { const char *text, *error; };

// clang-format off
static const struct bad documents[] = {
    {"", "f: error: the file is empty; a rules file begins {\"version\": 1, \"rules\": ["},
    {"  \n ", "f: error: the file is empty; a rules file begins {\"version\": 1, \"rules\": ["},
    {"[]", "f:1:1: error: expected an object, found an array"},
    {"{ \"version\": 1, \"rules\": [", "f:1:27: error: the file ends too early; a bracket or a quote is not closed"},
    {"{ \"version\": 1, }", "f:1:17: error: not JSON: string or '}' expected near '}'; the comma before it is one too many"},
    {"\xef\xbb\xbf{}", "f:1:1: error: the file begins with a byte order mark; save it as UTF-8 without one"},
    {"{ \"version\": \"\xff\" }", "f:1:15: error: invalid UTF-8"},
    {"{}", "f:1:1: error: \"rules\" is missing; add \"rules\": [ … ]\nf:1:1: error: \"version\" is missing; add \"version\": 1"},
    {"{ \"version\": 2, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:14: error: unknown version 2; this is what version 1 can read"},
    {"{ \"version\": 1, \"rules\": {} }", "f:1:26: error: expected an array of rules, found an object"},
    {"{ \"version\": 1,\n  \"intervall\": \"1s\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:2:3: error: unknown key \"intervall\"; did you mean \"interval\"?"},
    {"{ \"version\": 1, \"interval\": 1, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:29: error: expected a duration such as \"10s\", found a number"},
    {"{ \"version\": 1, \"interval\": \"1ms\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:29: error: 1 ms is out of range: \"interval\" may be 10 ms to 1 h"},
    {"{ \"version\": 1, \"interval\": \"1s\", \"interval\": \"2s\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", NULL}, // see duplicates
    {"{ \"version\": 1, \"children\": \"all\", \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:17: error: \"children\" is not in this version"},
    {"{ \"version\": 1, \"cpu\": {\"rate\": \"99hz\"}, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:33: error: unknown unit \"hz\"; did you mean \"Hz\"?"},
    {"{ \"version\": 1, \"cpu\": {\"rate\": \"2000Hz\"}, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:33: error: 2000Hz is out of range: \"rate\" may be 1Hz to 1000Hz"},
    {"{ \"version\": 1, \"cpu\": {\"duration\": \"10ms\", \"before\": \"1h\"}, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:37: error: 10 ms is out of range: \"duration\" may be 100 ms to 1 h\nf:1:55: error: 1 h is out of range: \"before\" may be 0 or 1 s to 10 m"},
    {"{ \"version\": 1, \"heap\": {\"depth\": 300}, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:35: error: 300 is out of range: \"depth\" may be 1 to 256"},
    {"{ \"version\": 1, \"heap\": {\"sample\": \"512kb\"}, \"rules\": [{\"name\":\"a\",\"every\":\"1h\"}] }", "f:1:36: error: unknown unit \"kb\"; did you mean \"kB\"?"},
    {RULES("{ \"metric\": \"rss\", \"above\": \"1GiB\" }"), "f:3:5: error: the rule has no name; add \"name\": \"rss-high\""},
    {RULES("{ \"name\": \"Heap High\", \"metric\": \"rss\", \"above\": \"1GiB\" }"), "f:3:15: error: bad name \"Heap High\"; a rule's name is 1 to 40 of a-z 0-9 . _ -"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rsss\", \"above\": \"1GiB\" }"), "f:3:30: error: unknown metric \"rsss\"; did you mean \"rss\"?"},
    {RULES("{ \"name\": \"a\", \"metric\": \"gauge:Bad Name\", \"above\": 1 }"), "f:3:30: error: unknown metric \"gauge:Bad Name\"; a gauge's name is 1 to 40 of a-z 0-9 . _ -"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"512MiBs\" }"), "f:3:46: error: unknown unit \"MiBs\"; did you mean \"MiB\"?"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": 512 }"), "f:3:46: error: expected a size such as \"512MiB\", found a number"},
    {RULES("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": \"80%\" }"), "f:3:50: error: threads has no limit that \"80%\" could be a share of; give a number"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"180%\" }"), "f:3:46: error: 180 % is out of range: \"above\" may be 0.1 % to 100 %"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\" }"), "f:3:20: error: \"metric\" stands without a condition on it; add \"above\", \"below\", \"jitter\", \"growth\" or \"unusual\""},
    {RULES("{ \"name\": \"a\", \"above\": \"1GiB\" }"), "f:3:20: error: \"above\" needs a metric; add \"metric\": \"rss\""},
    {RULES("{ \"name\": \"a\" }"), "f:3:5: error: the rule has no condition; add \"metric\" and \"above\", or \"every\""},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"for\": \"5s\" }"), "f:3:35: error: \"for\" has no meaning for \"every\""},
    {RULES("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 500, \"unless_above\": 400 }"), "f:3:71: error: \"unless_above\" is not higher than \"above\": the rule could never fire; it must be higher than \"above\""},
    {RULES("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 5, \"below\": 9 }"), "f:3:50: error: \"above\" is not higher than \"below\": one of them always holds"},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"over\": 10 } }"), "f:3:47: error: \"jitter\" needs \"rise\" or \"by\"; add \"rise\": \"25%\""},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rize\": \"25%\" } }"), NULL},
    {RULES("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"over\": 0 } }"), "f:3:72: error: 0 is out of range: \"over\" may be 1 to 4096"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"capture\": [] }"), "f:3:46: error: \"capture\" is empty; leave it out to capture what goes with the metric"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"capture\": \"heap\" }"), "f:3:46: error: expected an array such as [\"heap\", \"threads\"], found a string"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"capture\": [\"heap\", \"cpus\"] }"), "f:3:55: error: this version cannot capture \"cpus\"; did you mean \"cpu\"?"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"capture\": [\"hepa\"] }"), "f:3:47: error: this version cannot capture \"hepa\"; did you mean \"heap\"?"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"capture\": [\"heap\", \"heap\"] }"), "f:3:55: error: \"heap\" is captured already"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\" }, { \"name\": \"a\", \"every\": \"2h\" }"), "f:3:47: error: duplicate name \"a\"; the rule in line 3 has it"},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"cooldown\": \"-5s\" }"), NULL},
    {RULES("{ \"name\": \"a\", \"every\": \"1h\", \"max_per_hour\": 1.5 }"), "f:3:51: error: expected a whole number, found a number"},
    {RULES("17"), "f:3:5: error: expected an object, found a number"},
};
// clang-format on

static void every_error_has_its_place(void **state)
{
    int wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        const char *got = errors_of(documents[i].text, strlen(documents[i].text));
        bool right = documents[i].error ? strcmp(got, documents[i].error) == 0 : *got != 0; // refused, whatever the words
        if (!right)
            print_error("%s\n    got    %s\n    wanted %s\n", documents[i].text, got, documents[i].error);
        wrong += !right;
    }
    assert_int_equal(wrong, 0);
}

static void all_errors_are_told_in_the_files_order(void **state)
{
    (void)state;
    const char text[] = "{ \"version\": 1,\n"
                        "  \"rules\": [ { \"name\": \"A\", \"metric\": \"rss\", \"above\": \"x\" } ],\n"
                        "  \"interval\": \"1 parsec\" }";
    const char *got = errors_of(text, strlen(text));
    const char *name = strstr(got, "f:2:24"), *above = strstr(got, "f:2:55"), *interval = strstr(got, "f:3:15");
    assert_true(name && above && interval && name < above && above < interval);
}

static void a_duplicate_key_is_refused_where_it_stands_again(void **state)
{
    (void)state;
    const char text[] = "{ \"version\": 1,\n  \"interval\": \"1s\",\n  \"interval\": \"2s\",\n"
                        "  \"rules\": [ { \"name\": \"a\", \"every\": \"1h\" } ] }";
    assert_non_null(strstr(errors_of(text, strlen(text)), "f:3:3: error: "));
}

static void a_nul_byte_is_no_text(void **state)
{
    (void)state;
    const char text[] = "{ \"version\": 1 \0}";
    assert_string_equal(errors_of(text, sizeof text - 1), "f:1:16: error: a NUL byte stands here: the file is not text");
}

static void nesting_without_end_is_refused(void **state)
{
    (void)state;
    char *text = malloc(200000);
    memset(text, '[', 200000);
    assert_non_null(strstr(errors_of(text, 200000), "nested more than 32 levels deep"));
    free(text);
}

static void a_file_beyond_all_reason_is_refused(void **state)
{
    (void)state;
    size_t length = GS_RULES_TEXT_MAX + 1;
    char *text = malloc(length);
    memset(text, ' ', length);
    assert_string_equal(errors_of(text, length), "f: error: the file is larger than 1 MiB");
    free(text);
}

/* Every prefix of a good file, and every file with one byte changed: an answer, never a crash. */
static void damaged_files_get_an_answer(void **state)
{
    (void)state;
    char *copy = malloc(gs_default_rules_length);
    unsigned seed = 1;
    for (size_t length = 0; length < gs_default_rules_length; length += 7)
        (void)errors_of(gs_default_rules_text, length);
    for (int i = 0; i < 2000; i++) {
        memcpy(copy, gs_default_rules_text, gs_default_rules_length);
        copy[(unsigned)rand_r(&seed) % gs_default_rules_length] = (char)rand_r(&seed);
        (void)errors_of(copy, gs_default_rules_length);
    }
    free(copy);
}

static void defaults_are_those_of_the_documentation(void **state)
{
    (void)state;
    const char text[] = "{ \"version\": 1, \"rules\": [ { \"name\": \"a\", \"metric\": \"gauge:queue\", \"above\": -3 } ] }";
    struct gs_errors errors = {0};
    struct gs_rules *rules = gs_rules_read(text, strlen(text), "f", &errors);
    assert_non_null(rules);
    assert_int_equal(rules->interval_ns, GS_NS_PER_S);
    assert_int_equal(rules->heap.sample_bytes, 512 << 10);
    assert_int_equal(rules->heap.depth, 64);
    assert_int_equal(rules->heap.baseline_ns, 600 * GS_NS_PER_S);
    assert_string_equal(rules->incidents.dir, "incidents");
    assert_int_equal(rules->incidents.keep, 50);
    assert_int_equal(rules->incidents.max_bytes, 1 << 30);
    assert_int_equal(rules->incidents.max_per_hour, 12);
    assert_int_equal(rules->rule[0].cooldown_ns, 600 * GS_NS_PER_S);
    assert_int_equal(rules->rule[0].capture, GS_HEAP | GS_THREADS);
    assert_int_equal(rules->metric_count, 1);
    assert_string_equal(rules->metric[0], "gauge:queue");
    gs_rules_free(rules);
}

static void the_built_in_rules_are_right(void **state)
{
    (void)state;
    assert_string_equal(errors_of(gs_default_rules_text, gs_default_rules_length), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_place),
        cmocka_unit_test(all_errors_are_told_in_the_files_order),
        cmocka_unit_test(a_duplicate_key_is_refused_where_it_stands_again),
        cmocka_unit_test(a_nul_byte_is_no_text),
        cmocka_unit_test(nesting_without_end_is_refused),
        cmocka_unit_test(a_file_beyond_all_reason_is_refused),
        cmocka_unit_test(damaged_files_get_an_answer),
        cmocka_unit_test(defaults_are_those_of_the_documentation),
        cmocka_unit_test(the_built_in_rules_are_right),
    };
    gs_memory_for_json();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
