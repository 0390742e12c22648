/* test_metrics_notices.c - the kernel's notices of scarce memory: which of them a machine gives, and what is taken for one. The files
 * of these machines are ordinary ones, which never wake anybody: tests/host/memory_lines.sh has the kernel's. */
#include "machine.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h> // wants the others before it

static void assert_says(const struct machine_dir *m, const char *path, const char *text)
{
    char whole[512], said[512] = "";
    machine_path(m, path, whole, sizeof whole);
    int fd = open(whole, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, said, sizeof said - 1) >= 0);
    close(fd);
    assert_string_equal(said, text);
}

static void assert_none(struct gs_notices *notices, enum gs_notice which, const char *why)
{
    const char *said = notices->source[which].why;
    assert_int_equal(notices->source[which].fd, -1);
    assert_int_equal(gs_metrics_notices_poll(notices, which).fd, -1);
    assert_non_null(said);
    if (!strstr(said, why))
        fail_msg("said \"%s\" instead of \"%s\"", said, why);
    assert_false(gs_metrics_notices_take(notices, which, -1)); // whatever a poll said
}

static void assert_about_file(struct gs_notices *notices, enum gs_notice which, const char *path)
{
    const char *found = notices->source[which].path;
    assert_non_null(found);
    assert_non_null(strstr(found, path));
    assert_null(notices->source[which].why);
    assert_true(notices->source[which].fd >= 0);
}

static void put_group(const struct machine_dir *m, const char *group, const char *limit, const char *events)
{
    char path[64];
    snprintf(path, sizeof path, "/cg%s/memory.max", group);
    machine_put(m, path, limit);
    snprintf(path, sizeof path, "/cg%s/memory.events.local", group);
    machine_put(m, path, events);
}

/* The limit is the pod's, not the container's: the kernel counts "max" where the limit is. */
static void events_are_those_of_the_group_with_the_limit(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    struct gs_notices notices;
    machine_put_group(&m, "0::/pod/web\n");
    put_group(&m, "/pod/web", "max\n", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
    put_group(&m, "/pod", "400000\n", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
    put_group(&m, "", "900000\n", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
    gs_metrics_notices_open(&notices, m.root, 0.05);
    assert_about_file(&notices, GS_NOTICE_EVENTS, "/cg/pod/memory.events.local");
    assert_none(&notices, GS_NOTICE_THRESHOLDS, "no memory group of cgroup version 1");
    assert_none(&notices, GS_NOTICE_PRESSURE, "No such file");
    assert_false(gs_metrics_notices_register(&notices)); // nothing to register
    gs_metrics_notices_close(&notices);

    machine_remove(&m, "/cg/pod/memory.events.local"); // before Linux 5.2
    machine_put(&m, "/cg/pod/memory.events", "max 0\n");
    gs_metrics_notices_open(&notices, m.root, 0.05);
    assert_about_file(&notices, GS_NOTICE_EVENTS, "/cg/pod/memory.events");
    gs_metrics_notices_close(&notices);
    machine_drop(&m);
}

/* "low" and "oom_group_kill" are no shortage of ours; a file that is gone or spoilt ends it, with the reason. */
static void only_a_shortage_is_a_notice(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool notice;
    } step[] = {
        {"low 7\nhigh 0\nmax 0\noom 0\noom_kill 0\n", false},
        {"low 7\nhigh 0\nmax 3\noom 0\noom_kill 0\n", true},
        {"low 7\nhigh 0\nmax 3\noom 0\noom_kill 0\n", false},
        {"low 7\nhigh 1\nmax 3\noom 0\noom_kill 0\n", true},
        {"low 7\nhigh 1\nmax 3\noom 0\noom_group_kill 9\n", false},
        {"high 1\nmax 3\noom 1\n", true},
        {"max 18446744073709551615\n", true},
    };
    static const char *const spoilt[] = {"", "maximum 3\n", "max x\n", "max 99999999999999999999999\n"};
    struct machine_dir m = machine_new();
    struct gs_notices notices;
    machine_put_group(&m, "0::/web\n");
    for (size_t odd = 0; odd < COUNT_OF(spoilt); odd++) {
        put_group(&m, "/web", "400000\n", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
        gs_metrics_notices_open(&notices, m.root, 0.05);
        for (size_t i = 0; i < COUNT_OF(step); i++) {
            put_group(&m, "/web", "400000\n", step[i].text);
            if (gs_metrics_notices_take(&notices, GS_NOTICE_EVENTS, POLLPRI | POLLERR) != step[i].notice)
                fail_msg("step %zu", i);
        }
        put_group(&m, "/web", "400000\n", spoilt[odd]);
        assert_false(gs_metrics_notices_take(&notices, GS_NOTICE_EVENTS, POLLPRI | POLLERR));
        assert_none(&notices, GS_NOTICE_EVENTS, "not as expected");
        gs_metrics_notices_close(&notices);
    }
    machine_drop(&m);
}

/* A trigger is written into the file that it is about. In a file of somebody else that text would be damage. */
static void nothing_is_written_to_a_file_that_is_not_the_kernels(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    struct gs_notices notices;
    machine_put(&m, "/proc/self/cgroup", "4:memory:/x\n0::/y\n");
    machine_put(&m, "/proc/self/mountinfo",
                "1 1 0:1 / /mem rw - cgroup cgroup rw,memory\n1 1 0:2 / /cg rw - cgroup2 cgroup2 rw\n");
    machine_put(&m, "/mem/x/memory.limit_in_bytes", "9000000\n");
    machine_put(&m, "/mem/x/memory.usage_in_bytes", "8000000\n");
    machine_put(&m, "/mem/x/cgroup.event_control", "mine\n");
    machine_put(&m, "/cg/y/memory.pressure", "mine, too\n");
    machine_put(&m, "/proc/pressure/memory", "and this\n");
    gs_metrics_notices_open(&notices, m.root, 0.05);
    while (gs_metrics_notices_register(&notices))
        ;
    assert_none(&notices, GS_NOTICE_THRESHOLDS, "Invalid argument");
    assert_none(&notices, GS_NOTICE_PRESSURE, "Invalid argument");
    assert_int_equal(notices.limit_bytes, 9000000);
    assert_says(&m, "/mem/x/cgroup.event_control", "mine\n");
    assert_says(&m, "/cg/y/memory.pressure", "mine, too\n");
    assert_says(&m, "/proc/pressure/memory", "and this\n");
    gs_metrics_notices_close(&notices);
    machine_drop(&m);
}

/* 2^63 less a page is version 1's way to say that there is no limit. */
static void without_a_limit_there_are_no_thresholds(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    struct gs_notices notices;
    machine_put(&m, "/proc/self/cgroup", "4:memory:/x\n");
    machine_put(&m, "/proc/self/mountinfo", "1 1 0:1 / /mem rw - cgroup cgroup rw,memory\n");
    machine_put(&m, "/mem/x/memory.limit_in_bytes", "9223372036854771712\n");
    gs_metrics_notices_open(&notices, m.root, 0.05);
    assert_none(&notices, GS_NOTICE_THRESHOLDS, "its memory has no limit");
    assert_none(&notices, GS_NOTICE_EVENTS, "No such file");
    gs_metrics_notices_close(&notices);
    machine_drop(&m);
}

/* ---- what a look reads ---------------------------------------------------------------------------------------------------------------- */

/* The group is at its limit, half of it file cache. Other memory takes its place: the use stays the same, which a look at a line that
 * the use is past does not believe. A look at a line above the use has no need to. */
static void a_look_past_the_line_does_not_trust_the_cache_it_has(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put_group(&m, "0::/web\n");
    machine_put(&m, "/cg/web/memory.max", "1000\n");
    machine_put(&m, "/cg/web/memory.current", "1000\n");
    machine_put(&m, "/cg/web/memory.stat", "inactive_file 500\n");
    struct gs_metric_set *watch = watch_one("group_memory", m.root);
    assert_about(read_one(watch, 1), 500);
    assert_int_equal(gs_metrics_set_group_used(watch), 1000);
    machine_put(&m, "/cg/web/memory.stat", "inactive_file 100\n");
    assert_about(gs_metrics_set_look(watch, 0, 1200, SECONDS(2)), 500);
    assert_about(gs_metrics_set_look(watch, 0, 800, SECONDS(2)), 900);
    assert_about(read_one(watch, 3), 900);
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

/* A large file is read: from 1000 to 1600 within a second, by cache alone. No rule may take that for memory of the program. */
static void a_use_that_grew_by_file_cache_alone_is_no_growth(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put_group(&m, "0::/web\n");
    machine_put(&m, "/cg/web/memory.current", "1000\n");
    machine_put(&m, "/cg/web/memory.stat", "inactive_file 0\n");
    struct gs_metric_set *watch = watch_one("group_memory", m.root);
    assert_about(read_one(watch, 1), 1000);
    machine_put(&m, "/cg/web/memory.current", "1600\n");
    machine_put(&m, "/cg/web/memory.stat", "inactive_file 600\n");
    assert_about(read_one(watch, 2), 1000);
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

/* ---- changes of the limit ---------------------------------------------------------------------------------------------------------- */

static void a_changed_limit_and_another_group_are_noticed(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    struct gs_limit_files *files = NULL;
    machine_put_group(&m, "0::/pod/web\n");
    put_group(&m, "/pod/web", "max\n", "max 0\n");
    put_group(&m, "/pod", "400000\n", "max 0\n");
    put_group(&m, "/other", "400000\n", "max 0\n");
    uint64_t first = gs_metrics_limit_fingerprint(&files, m.root);
    assert_true(first != 0);
    assert_true(gs_metrics_limit_fingerprint(&files, m.root) == first);
    machine_put(&m, "/cg/pod/memory.max", "500000\n"); // a parent's
    uint64_t raised = gs_metrics_limit_fingerprint(&files, m.root);
    assert_true(raised != first);
    machine_put(&m, "/cg/pod/web/memory.max", "500000\n"); // the same limit, at another level
    assert_true(gs_metrics_limit_fingerprint(&files, m.root) != raised);
    machine_put(&m, "/proc/self/cgroup", "0::/other\n");
    uint64_t moved = gs_metrics_limit_fingerprint(&files, m.root);
    machine_put(&m, "/cg/pod/memory.max", "600000\n"); // of a group that it has left
    assert_true(gs_metrics_limit_fingerprint(&files, m.root) == moved);
    machine_put(&m, "/cg/other/memory.max", "600000\n");
    assert_true(gs_metrics_limit_fingerprint(&files, m.root) != moved);
    gs_metrics_limit_files_free(files);
    machine_drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_those_of_the_group_with_the_limit),
        cmocka_unit_test(only_a_shortage_is_a_notice),
        cmocka_unit_test(nothing_is_written_to_a_file_that_is_not_the_kernels),
        cmocka_unit_test(without_a_limit_there_are_no_thresholds),
        cmocka_unit_test(a_look_past_the_line_does_not_trust_the_cache_it_has),
        cmocka_unit_test(a_use_that_grew_by_file_cache_alone_is_no_growth),
        cmocka_unit_test(a_changed_limit_and_another_group_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
