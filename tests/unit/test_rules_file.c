/* The rules file as it is followed: real files, and a clock that the test sets. */
#include "base/clock.h"
#include "sys/log.h"
#include "base/memory.h"
#include "watch/rules_file.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define GOOD(name) \
    "{\"version\": 1, \"rules\": [{\"name\": \"" name "\", \"metric\": \"rss\", \"above\": \"1GiB\"}]}"
#define MS(n) ((n)*GS_NS_PER_MS)

static char dir[] = "/tmp/gumshoe-rules-XXXXXX";
static struct gs_rules_file file;
static struct gs_rules *in_force;
static int64_t now_ns;

static void put(const char *name, const char *text, size_t length)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, length), length);
    close(fd);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static int begin(void **state)
{
    (void)state;
    char *text;
    size_t length;
    struct gs_errors errors = {0};
    put_text("rules.json", GOOD("a"));
    usleep(310000); // older than what could still change unseen
    if (gs_watch_rules_file_begin(&file, "rules.json", &text, &length))
        return -1;
    in_force = gs_rules_read(text, length, "rules.json", &errors);
    gs_free(text);
    now_ns = 0;
    return in_force ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    gs_rules_free(in_force);
    return system("rm -rf rules.json other.json");
}

/* Look every 50 ms for a while, as far as the file is due; take what has changed. True: there are new rules. */
static bool follow(int64_t for_ns)
{
    bool news = false;
    for (int64_t until_ns = now_ns + for_ns; now_ns < until_ns; now_ns += MS(50)) {
        if (!gs_watch_rules_file_look(&file, now_ns))
            continue;
        struct gs_rules *rules = gs_watch_rules_file_take(&file, in_force);
        if (!rules)
            continue;
        gs_rules_free(in_force);
        in_force = rules;
        gs_watch_rules_file_taken(&file);
        news = true;
    }
    return news;
}

static void what_stands_still_is_looked_at_and_not_read(void **state)
{
    (void)state;
    for (; now_ns < MS(10000); now_ns += MS(50))
        assert_false(gs_watch_rules_file_look(&file, now_ns));
    assert_true(gs_watch_rules_file_pause_ns(&file, now_ns) <= MS(1000));
    assert_int_equal(file.reload_count, 0);
}

static void a_path_holds_wherever_the_host_goes(void **state)
{
    (void)state;
    char wanted[300];
    snprintf(wanted, sizeof wanted, "%s/rules.json", dir);
    assert_string_equal(file.path, wanted);
    assert_int_equal(chdir("/"), 0);
    assert_false(follow(MS(3000)));
    assert_int_equal(file.refused_ns, 0);
    assert_int_equal(chdir(dir), 0);
}

/* A change is seen within a second, has to look the same for 300 ms, and is taken: 1.3 s at most. */
static void a_change_is_taken_within_two_seconds(void **state)
{
    (void)state;
    follow(MS(1050)); // just after a look: the longest wait
    put_text("rules.json", GOOD("b"));
    int64_t since_ns = now_ns;
    while (!follow(MS(50)) && now_ns - since_ns < MS(5000))
        ;
    assert_true(now_ns - since_ns <= MS(1400));
    assert_string_equal(in_force->rule[0].name, "b");
}

static void the_same_size_and_another_text_is_a_change(void **state)
{
    (void)state;
    put_text("rules.json", GOOD("z"));
    assert_true(follow(MS(2000)));
    assert_string_equal(in_force->rule[0].name, "z");
}

static void a_text_that_is_the_same_is_none(void **state)
{
    (void)state;
    put_text("other.json", GOOD("a"));
    assert_int_equal(rename("other.json", "rules.json"), 0);
    assert_false(follow(MS(3000)));
    assert_int_equal(file.refused_ns, 0);
}

static void what_does_not_stand_still_is_not_read(void **state)
{
    (void)state;
    const char *whole = GOOD("b");
    for (size_t length = 1; length <= strlen(whole); length++) { // half-written: a byte every 250 ms
        put("rules.json", whole, length);
        assert_false(follow(MS(250)));
        usleep(5000); // a step of the file system's clock
    }
    assert_int_equal(file.refused_ns, 0);
    assert_true(follow(MS(1500)));
}

static void refused(const char *why)
{
    file.refused_ns = 0;
    assert_false(follow(MS(2000)));
    assert_true(file.refused_ns != 0);
    if (!strstr(file.refused, why))
        fail_msg("wanted \"%s\", got \"%s\"", why, file.refused);
    int64_t at_ns = file.refused_ns;
    follow(MS(5000)); // and that once
    assert_int_equal(file.refused_ns, at_ns);
    assert_string_equal(in_force->rule[0].name, "a");
    assert_int_equal(system("rm -rf rules.json"), 0);
}

static void odd_files_are_refused_and_the_old_rules_stay(void **state)
{
    (void)state;
    assert_int_equal(unlink("rules.json"), 0);
    refused("rules.json: error: the file is gone");
    assert_int_equal(mkdir("rules.json", 0700), 0);
    refused("it is a directory now");
    assert_int_equal(mkfifo("rules.json", 0600), 0);
    refused("it is not a regular file now");
    assert_int_equal(symlink("/dev/zero", "rules.json"), 0);
    refused("it is not a regular file now");
    assert_int_equal(symlink("rules.json", "rules.json"), 0);
    refused("Too many levels of symbolic links");
    put("rules.json", "", 0);
    assert_int_equal(truncate("rules.json", 1 << 30), 0);
    refused("it is larger than 1 MiB");
    put("rules.json", "", 0);
    refused("the file is empty");
    put("rules.json", "{\"version\": 1,\0", 16);
    refused("rules.json:1:15: error");
    put_text("rules.json", "{\"version\": 1, \"rules\": 7}");
    refused("rules.json:1:25: error");
    put("rules.json", GOOD("b"), strlen(GOOD("b")) - 1);
    refused("rules.json:1:");
    if (geteuid() != 0) {
        put_text("rules.json", GOOD("b"));
        assert_int_equal(chmod("rules.json", 0), 0);
        refused("Permission denied");
    }
    put_text("rules.json", GOOD("a"));
    assert_false(follow(MS(2000)));
    assert_int_equal(file.refused_ns, 0); // it is as in force again
    put_text("rules.json", GOOD("c"));
    assert_true(follow(MS(2000)));
}

static void all_errors_are_counted(void **state)
{
    (void)state;
    put_text("rules.json", "{\"version\": 2, \"interval\": \"1x\", \"rules\": [{}]}");
    assert_false(follow(MS(2000)));
    assert_true(file.refused_errors >= 3);
    assert_non_null(strstr(file.refused, "rules.json:1:13: error"));
}

/* Begin with a file that was written just before. False: the machine was away for longer than the moment in question. */
static bool begin_with_a_new_file(void)
{
    char *text;
    size_t length;
    int64_t began_ns = gs_clock_realtime_ns();
    put_text("rules.json", GOOD("a"));
    assert_int_equal(gs_watch_rules_file_begin(&file, "rules.json", &text, &length), 0);
    gs_free(text);
    return gs_clock_realtime_ns() - began_ns < MS(250);
}

/* It was written in this very moment, as far as the file system's clock can tell: it is looked at once more. */
static void a_file_that_is_new_at_the_start_is_looked_at_again(void **state)
{
    (void)state;
    while (!begin_with_a_new_file())
        ;
    assert_true(gs_watch_rules_file_look(&file, MS(5000)) || gs_watch_rules_file_look(&file, MS(5400)));
    assert_null(gs_watch_rules_file_take(&file, in_force));
    assert_int_equal(file.refused_ns, 0);
    assert_false(follow(MS(3000)));
}

static void rules_from_no_file_are_not_followed(void **state)
{
    (void)state;
    file = (struct gs_rules_file){0};
    assert_true(gs_watch_rules_file_pause_ns(&file, MS(5)) == INT64_MAX);
    assert_false(gs_watch_rules_file_look(&file, MS(5000)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_stands_still_is_looked_at_and_not_read, begin, end),
        cmocka_unit_test_setup_teardown(a_path_holds_wherever_the_host_goes, begin, end),
        cmocka_unit_test_setup_teardown(a_change_is_taken_within_two_seconds, begin, end),
        cmocka_unit_test_setup_teardown(the_same_size_and_another_text_is_a_change, begin, end),
        cmocka_unit_test_setup_teardown(a_text_that_is_the_same_is_none, begin, end),
        cmocka_unit_test_setup_teardown(what_does_not_stand_still_is_not_read, begin, end),
        cmocka_unit_test_setup_teardown(odd_files_are_refused_and_the_old_rules_stay, begin, end),
        cmocka_unit_test_setup_teardown(all_errors_are_counted, begin, end),
        cmocka_unit_test_setup_teardown(a_file_that_is_new_at_the_start_is_looked_at_again, begin, end),
        cmocka_unit_test_setup_teardown(rules_from_no_file_are_not_followed, begin, end),
    };
    gs_log_to("off");
    if (!mkdtemp(dir) || chdir(dir) != 0)
        return 1;
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    return chdir("/") == 0 && rmdir(dir) == 0 ? failures : 1;
}
