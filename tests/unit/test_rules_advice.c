/* Rules that are right, and surely not meant: what gumshoe warns of, where, and what it is silent about.
 * The machine of these stories has a memory limit of 512 MiB. */
#include "rules/rules.h"
#include "base/json.h"
#include "story.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define RULE(rule) "{ \"version\": 1, \"rules\": [\n" rule " ] }" // the rule begins line 2

static const struct gs_machine small = {.limit_bytes = 512 << 20, .limit_from = "cgroup /a"};

/* The warnings about TEXT on MACHINE as gumshoe prints them, a line each; "" when there are none. */
static const char *warnings_of(const char *text, const struct gs_machine *machine)
{
    static char all[4096];
    struct gs_errors errors = {0}, warnings = {0};
    struct gs_rules *rules = gs_rules_read(text, strlen(text), "f", &errors);
    if (!rules)
        print_error("refused: %s\n", errors.count ? errors.item[0].text : "");
    assert_non_null(rules);
    gs_rules_advise(rules, machine, &warnings);
    story_errors(&warnings, all, sizeof all);
    gs_rules_free(rules);
    gs_errors_fini(&errors);
    gs_errors_fini(&warnings);
    return all;
}

struct advice { const char *text, *warning; };

static int wrong(const struct advice *advice, const struct gs_machine *machine)
{
    const char *got = warnings_of(advice->text, machine);
    if (strcmp(got, advice->warning) == 0)
        return 0;
    print_error("%s\n    got    %s\n    wanted %s\n", advice->text, got, advice->warning);
    return 1;
}

// clang-format off
static const struct advice vain[] = {
    // beyond what the metric can be
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"1GiB\" }"), "f:2:42: warning: \"above\" cannot be reached: rss is at most 512 MiB here (cgroup /a); a share such as \"80%\" follows the limit"},
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"100%\" }"), "f:2:42: warning: \"above\" cannot be reached: rss is at most 512 MiB here (cgroup /a); a share such as \"80%\" follows the limit"},
    {RULE("{ \"name\": \"a\", \"metric\": \"heap_in_use\", \"above\": \"512MiB\" }"), "f:2:50: warning: \"above\" cannot be reached: heap_in_use is at most 512 MiB here (cgroup /a); a share such as \"80%\" follows the limit"},
    {RULE("{ \"name\": \"a\", \"metric\": \"cpu\", \"above\": 100 }"), "f:2:42: warning: \"above\" cannot be reached: cpu is at most 100 %"},
    {RULE("{ \"name\": \"a\", \"metric\": \"memory_pressure\", \"above\": \"100%\" }"), "f:2:54: warning: \"above\" cannot be reached: memory_pressure is at most 100 %"},
    {RULE("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 4194304 }"), "f:2:46: warning: \"above\" cannot be reached: threads is at most 4194304"},
    {RULE("{ \"name\": \"a\", \"metric\": \"cpu\", \"below\": 0 }"), "f:2:42: warning: \"below\" cannot be reached: cpu is at least 0 %"},
    {RULE("{ \"name\": \"a\", \"metric\": \"threads\", \"below\": 1 }"), "f:2:46: warning: \"below\" cannot be reached: threads is at least 1"},
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"min\": \"1GiB\" } }"), "f:2:67: warning: \"min\" cannot be reached: rss is at most 512 MiB here (cgroup /a); a share such as \"80%\" follows the limit"},
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"by\": \"512MiB\" } }"), "f:2:51: warning: \"by\" cannot be reached: rss is at most 512 MiB"},
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"unusual\": { \"min\": \"513MiB\" } }"), "f:2:53: warning: \"min\" cannot be reached: rss is at most 512 MiB here (cgroup /a); a share such as \"80%\" follows the limit"},
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"growth\": { \"rate\": \"20MiB/min\", \"over\": \"30m\" } }"), "f:2:53: warning: \"rate\" cannot go on over 30 min: that makes 600 MiB, and rss is at most 512 MiB"},
    {RULE("{ \"name\": \"a\", \"metric\": \"cpu\", \"growth\": { \"rate\": \"11/min\", \"over\": 600 } }"), "f:2:53: warning: \"rate\" cannot go on over 600 ticks: that makes 110 %, and cpu is at most 100 %"},
    // below what it always is
    {RULE("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 0 }"), "f:2:46: warning: \"above\" always holds: threads is at least 1"},
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"0\" }"), "f:2:42: warning: \"above\" always holds: rss is at least 4 KiB"},
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"below\": \"1GiB\" }"), "f:2:42: warning: \"below\" always holds: rss is at most 512 MiB here (cgroup /a)"},
    // held back, always or never
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"80%\", \"unless_above\": \"400MiB\" }"), "f:2:65: warning: \"unless_above\" holds the rule back wherever \"above\" holds: it cannot fire"},
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"80%\", \"unless_above\": \"1GiB\" }"), "f:2:65: warning: \"unless_above\" never holds the rule back: rss is at most 512 MiB here (cgroup /a)"},
    {RULE("{ \"name\": \"a\", \"metric\": \"cpu\", \"unusual\": { \"min\": 60 }, \"unless_above\": 50 }"), "f:2:75: warning: \"unless_above\" holds the rule back wherever \"unusual\" holds: it cannot fire"},
    {RULE("{ \"name\": \"a\", \"metric\": \"cpu\", \"jitter\": { \"by\": 10, \"min\": 60 }, \"unless_above\": 50 }"), "f:2:84: warning: \"unless_above\" holds the rule back wherever \"jitter\" holds: it cannot fire"},
    {RULE("{ \"name\": \"a\", \"metric\": \"fds\", \"above\": 500, \"unless\": { \"metric\": \"fds\", \"above\": 400 } }"), "f:2:85: warning: \"unless\" holds the rule back wherever \"above\" holds: it cannot fire"},
    {RULE("{ \"name\": \"a\", \"metric\": \"fds\", \"above\": 500, \"unless\": { \"metric\": \"fds\", \"below\": 400 } }"), "f:2:85: warning: \"unless\" holds nothing back: no condition of the rule holds there"},
    {RULE("{ \"name\": \"a\", \"metric\": \"fds\", \"below\": 10, \"unless\": { \"metric\": \"fds\", \"below\": 10 } }"), "f:2:84: warning: \"unless\" holds the rule back wherever \"below\" holds: it cannot fire"},
    {RULE("{ \"name\": \"a\", \"metric\": \"fds\", \"below\": 10, \"unless_above\": 10 }"), "f:2:62: warning: \"unless_above\" holds nothing back: no condition of the rule holds there"},
    {RULE("{ \"name\": \"a\", \"metric\": \"fds\", \"above\": 500, \"unless\": { \"metric\": \"cpu\", \"above\": 100 } }"), "f:2:85: warning: \"unless\" never holds the rule back: cpu is at most 100 %"},
    {RULE("{ \"name\": \"a\", \"metric\": \"fds\", \"above\": 500, \"unless\": { \"metric\": \"threads\", \"above\": 0 } }"), "f:2:89: warning: \"unless\" always holds the rule back: threads is at least 1"},
    {RULE("{ \"name\": \"a\", \"metric\": \"fds\", \"above\": 500, \"unless\": { \"metric\": \"rss\", \"below\": \"1GiB\" } }"), "f:2:85: warning: \"unless\" always holds the rule back: rss is at most 512 MiB here (cgroup /a)"},
    // said twice
    {RULE("{ \"name\": \"a\", \"metric\": \"cpu\", \"above\": 50, \"jitter\": { \"by\": 10, \"min\": 60 } }"), "f:2:75: warning: \"jitter\" looks only at values at which \"above\" holds already"},
    {RULE("{ \"name\": \"a\", \"metric\": \"cpu\", \"above\": 50, \"unusual\": { \"min\": 60 } }"), "f:2:66: warning: \"unusual\" looks only at values at which \"above\" holds already"},
    // windows and times
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"growth\": { \"rate\": \"1B/h\", \"over\": \"8d\" } }"), "f:2:69: warning: \"growth\" judges only once the program has run for 8 d; the history that is kept reaches back a week"},
    {"{ \"version\": 1, \"interval\": \"1h\", \"rules\": [\n{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\", \"over\": 240 } } ] }", "f:2:68: warning: \"jitter\" judges only once the program has run for 10 d; the history that is kept reaches back a week"},
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"unusual\": { \"over\": 9 } }"), "f:2:54: warning: fewer than 10 ticks do not show what is usual"},
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"rise\": \"25%\" }, \"for\": \"10s\" }"), "f:2:69: warning: \"for\" is as long as the window of \"jitter\" (10 ticks): by then a jump is in the mean itself"},
    {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"unusual\": { \"over\": \"10m\" }, \"for\": \"5m\" }"), "f:2:70: warning: \"for\" is half the window of \"unusual\" (10 min) or more: by then the new value is the median"},
    {RULE("{ \"name\": \"a\", \"metric\": \"fds\", \"above\": 5, \"for\": \"11m\", \"cooldown\": \"10m\" }"), "f:2:52: warning: \"for\" is longer than \"cooldown\", which is over before the condition can have held that long again"},
    {RULE("{ \"name\": \"a\", \"metric\": \"fds\", \"above\": 5, \"max_per_hour\": 13 }"), "f:2:61: warning: all rules together may make 12 an hour (incidents.max_per_hour)"},
    {RULE("{ \"name\": \"a\", \"every\": \"4m\" }"), "f:2:25: warning: every 4 min makes 15 incidents an hour, \"max_per_hour\" allows 12 of all rules together"},
    {RULE("{ \"name\": \"a\", \"every\": \"20m\", \"max_per_hour\": 2 }"), "f:2:25: warning: every 20 min makes 3 incidents an hour, \"max_per_hour\" allows 2"},
    {"{ \"version\": 1, \"interval\": \"1m\", \"rules\": [\n{ \"name\": \"a\", \"every\": \"30s\" } ] }", "f:2:25: warning: \"every\" 30 s is shorter than the interval from tick to tick, 1 min"},
    {"{ \"version\": 1,\n  \"rules\": [] }", "f:2:12: warning: there is no rule: nothing is watched"},
    {"{ \"version\": 1, \"symbolize\": \"off\", \"incidents\": {\n \"report\": true }, \"rules\": [{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"80%\" }] }", "f:2:12: warning: no page is written with \"symbolize\": \"off\"; `gumshoe report` writes one later"},
    // several at once, in the order of the file
    {"{ \"rules\": [\n{ \"max_per_hour\": 20, \"above\": 100, \"metric\": \"cpu\", \"name\": \"a\" },\n{ \"name\": \"b\", \"metric\": \"cpu\", \"below\": 0 } ], \"version\": 1 }", "f:2:19: warning: all rules together may make 12 an hour (incidents.max_per_hour)\nf:2:32: warning: \"above\" cannot be reached: cpu is at most 100 %\nf:3:42: warning: \"below\" cannot be reached: cpu is at least 0 %"},
};

static const char *const meant[] = {
    RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"99%\", \"unless_above\": \"99.9%\" }"),
    RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"511MiB\", \"below\": \"1MiB\" }"),
    RULE("{ \"name\": \"a\", \"metric\": \"cpu\", \"above\": 99.9, \"jitter\": { \"rise\": \"25%\", \"min\": 99.9 } }"),
    RULE("{ \"name\": \"a\", \"metric\": \"cpu\", \"unusual\": { \"min\": 100 } }"), // may just be reached
    RULE("{ \"name\": \"a\", \"metric\": \"cpu\", \"above\": 90, \"jitter\": { \"rise\": \"25%\" } }"),
    RULE("{ \"name\": \"a\", \"metric\": \"cpu\", \"below\": 50, \"jitter\": { \"rise\": \"25%\", \"min\": 60 }, \"unless_above\": 70 }"),
    RULE("{ \"name\": \"a\", \"metric\": \"threads\", \"above\": 500, \"unless\": { \"metric\": \"threads\", \"above\": 501 } }"),
    RULE("{ \"name\": \"a\", \"metric\": \"major_faults\", \"above\": 0 }"), // any at all
    RULE("{ \"name\": \"a\", \"metric\": \"gauge:balance\", \"below\": 0 }"),
    RULE("{ \"name\": \"a\", \"metric\": \"gauge:balance\", \"above\": 0 }"),
    RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"growth\": { \"rate\": \"17MiB/min\", \"over\": \"30m\" } }"), // 510 MiB
    RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"growth\": { \"rate\": \"1B/h\", \"over\": \"7d\" }, \"for\": \"8h\" }"), // cooldown is not written
    RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"by\": \"400MiB\" }, \"for\": \"9s\" }"),
    RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"unusual\": { \"over\": 10 }, \"for\": \"4s\" }"),
    RULE("{ \"name\": \"a\", \"metric\": \"fds\", \"above\": 5, \"for\": \"10m\", \"cooldown\": \"10m\", \"max_per_hour\": 12 }"),
    RULE("{ \"name\": \"a\", \"metric\": \"fds\", \"above\": 5, \"for\": \"10m\", \"cooldown\": \"0\" }"), // none is wanted
    RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"growth\": { \"rate\": \"100%/h\", \"over\": \"7d\" } }"), // of what it then is
    RULE("{ \"name\": \"a\", \"metric\": \"fds\", \"above\": \"80%\", \"unless_above\": 900, \"jitter\": { \"by\": \"50%\" } }"), // nobody knows of what
    RULE("{ \"name\": \"a\", \"every\": \"5m\" }"),
};
// clang-format on

static void what_is_in_vain_is_told_at_its_place(void **state)
{
    int bad = 0;
    (void)state;
    for (size_t i = 0; i < sizeof vain / sizeof *vain; i++)
        bad += wrong(&vain[i], &small);
    assert_int_equal(bad, 0);
}

static void what_makes_sense_is_not(void **state)
{
    int bad = 0;
    (void)state;
    for (size_t i = 0; i < sizeof meant / sizeof *meant; i++)
        bad += wrong(&(struct advice){meant[i], ""}, &small);
    bad += wrong(&(struct advice){gs_default_rules_text, ""}, &small);
    assert_int_equal(bad, 0);
}

/* No limit is found on this machine: shares can never fire, sizes have no end. */
static void without_a_limit_shares_are_told_of(void **state)
{
    static const struct gs_machine unlimited = {.limit_from = ""};
    (void)state;
    // clang-format off
    const struct advice advice[] = {
        {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"80%\" }"), "f:2:42: warning: \"above\" is a share of the memory limit, which is unknown here; give a size"},
        {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"jitter\": { \"by\": \"8%\", \"min\": \"10%\" } }"), "f:2:51: warning: \"by\" is a share of the memory limit, which is unknown here; give a size\nf:2:64: warning: \"min\" is a share of the memory limit, which is unknown here; give a size"},
        {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"1GiB\", \"unless_above\": \"90%\" }"), "f:2:66: warning: \"unless_above\" is a share of the memory limit, which is unknown here; give a size"},
        {RULE("{ \"name\": \"a\", \"metric\": \"fds\", \"above\": 5, \"unless\": { \"metric\": \"rss\", \"above\": \"90%\" } }"), "f:2:83: warning: \"above\" is a share of the memory limit, which is unknown here; give a size"},
        {RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"64GiB\", \"growth\": { \"rate\": \"1GiB/s\" } }"), ""},
    };
    // clang-format on
    int bad = 0;
    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++)
        bad += wrong(&advice[i], &unlimited);
    assert_int_equal(bad, 0);
}

static void a_metric_that_cannot_be_had_is_told_of_where_it_is_asked_for(void **state)
{
    static const char *const unavailable[] = {NULL, "no PSI in this kernel"};
    struct gs_machine machine = small;
    (void)state;
    machine.unavailable = unavailable; // rss can be had; memory_pressure, mentioned second, cannot
    const char rules[] =
        RULE("{ \"name\": \"a\", \"metric\": \"rss\", \"above\": \"80%\" },\n"
             "{ \"name\": \"b\", \"metric\": \"memory_pressure\", \"above\": 10 },\n"
             "{ \"name\": \"c\", \"metric\": \"rss\", \"above\": \"80%\", \"unless\": { \"metric\": \"memory_pressure\", \"above\": 50 } }");
    assert_string_equal(warnings_of(rules, &machine),
                        "f:3:26: warning: memory_pressure is not available here: no PSI in this kernel\n"
                        "f:4:71: warning: memory_pressure is not available here: no PSI in this kernel");
    machine.unavailable = NULL;
    assert_string_equal(warnings_of(rules, &machine), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_vain_is_told_at_its_place),
        cmocka_unit_test(what_makes_sense_is_not),
        cmocka_unit_test(without_a_limit_shares_are_told_of),
        cmocka_unit_test(a_metric_that_cannot_be_had_is_told_of_where_it_is_asked_for),
    };
    gs_json_use_our_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
