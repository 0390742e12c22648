/* What on_incident's words become: those of the incident, and nothing else. There is no shell, so nothing is quoted. */
#include "base/json.h"
#include "base/text.h"
#include "rules/rules.h"
#include "story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const struct gs_command_word words[] = {
    {"dir", "/var/lib/d i r"}, {"rule", "rss-high"}, {"reason", "rss {pid} \"is\" $(high)"}, {"pid", "4711"}, {"line", ""},
    {"label:service", "shop"}, {"label:a b", "with a space"},
};

static void becomes(const char *argument, const char *wanted)
{
    struct gs_text text = {0};
    gs_rules_fill_command(argument, words, sizeof words / sizeof *words, &text);
    assert_string_equal(text.bytes ? text.bytes : "", wanted);
    gs_text_fini(&text);
}

static void words_in_braces_become_what_they_mean(void **state)
{
    (void)state;
    becomes("{dir}", "/var/lib/d i r");
    becomes("--at={dir}/heap.pb.gz", "--at=/var/lib/d i r/heap.pb.gz");
    becomes("{rule}{pid}", "rss-high4711");
    becomes("[{line}]", "[]");
    becomes("{label:service}/{label:a b}", "shop/with a space");
}

static void what_they_mean_is_not_looked_at_again(void **state)
{
    (void)state;
    becomes("{reason}", "rss {pid} \"is\" $(high)");
}

static void other_braces_are_braces(void **state)
{
    (void)state;
    becomes("{\"text\": \"{rule}\"}", "{\"text\": \"rss-high\"}");
    becomes("{}{ dir }{Dir}{dir", "{}{ dir }{Dir}{dir");
    becomes("{{rule}}", "{rss-high}");
    becomes("{label:}{label:{pid}}", "{label:}{label:4711}");
    becomes("ä{", "ä{");
    becomes("", "");
}

static void only_what_is_given_is_run(void **state)
{
    (void)state;
    struct gs_rules *rules = story_rules("\"on_incident\": [\"page\", \"{dir}\"],", "");
    assert_string_equal(rules->on_incident[0], "page");
    assert_string_equal(rules->on_incident[1], "{dir}");
    assert_null(rules->on_incident[2]);
    gs_rules_free(rules);
    rules = story_rules("", "");
    assert_null(rules->on_incident);
    gs_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_in_braces_become_what_they_mean),
        cmocka_unit_test(what_they_mean_is_not_looked_at_again),
        cmocka_unit_test(other_braces_are_braces),
        cmocka_unit_test(only_what_is_given_is_run),
    };
    gs_json_use_our_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
