/* test_metrics_group.c - swap, the control group's memory, I/O pressure, and how threads are scheduled. */
#include "machine.h"
#include "metrics/metrics.h"
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h> // wants the others before it

/* 96 KiB, read again after five seconds only. */
static void swap_is_read_every_five_seconds(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put(&m, "/proc/self/status",
                "Name:\tVmSwap: 1 kB\nVmSwapX:\t 7 kB\nVmSwap:\t      96 kB\nThreads:\t1\n");
    struct gs_metric_set *watch = watch_one("swap", m.root);
    assert_about(read_one(watch, 1), 96 * 1024.0);
    machine_put(&m, "/proc/self/status", "VmSwap:\t 128 kB\n");
    assert_about(read_one(watch, 5.9), 96 * 1024.0);
    assert_about(read_one(watch, 6), 128 * 1024.0);
    machine_put(&m, "/proc/self/status", "Name:\tweb\n");
    assert_missing(watch, 11, "has no VmSwap");
    assert_missing(watch, 12, "has no VmSwap"); // the reason stands until the next reading
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

/* The group /a/b has no limit, its parent /a has one: the parent's use counts, without its inactive file cache. */
static void the_group_with_the_lowest_limit_counts(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put_group(&m, "0::/a/b\n");
    machine_put(&m, "/cg/a/b/memory.max", "max\n");
    machine_put(&m, "/cg/a/b/memory.current", "1000\n");
    machine_put(&m, "/cg/a/b/memory.stat", "inactive_file 1\n");
    machine_put(&m, "/cg/a/memory.max", "400000\n");
    machine_put(&m, "/cg/a/memory.current", "300000\n");
    machine_put(&m, "/cg/a/memory.stat", "anon 7\nfile 60000\nactive_file 1\ninactive_file 50000\n");
    struct gs_metric_set *watch = watch_one("group_memory", m.root);
    assert_about(read_one(watch, 1), 250000);
    machine_put(&m, "/cg/a/memory.current",
                "40000\n"); // the cache is read every five seconds: not below nothing
    assert_about(read_one(watch, 2), 0);
    machine_put(&m, "/cg/a/memory.stat", "inactive_file 10000\n");
    assert_about(read_one(watch, 7), 30000);
    machine_put(&m, "/cg/a/memory.current", "many\n");
    assert_missing(watch, 8, "is not as expected");
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

/* No rule is about it: every two seconds are enough for the record. Whoever must know earlier what the group uses is told. */
static void without_a_rule_it_is_read_every_two_seconds(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put_group(&m, "0::/a\n");
    machine_put(&m, "/cg/a/memory.current", "1000\n");
    struct gs_metric_set *watch = watch_one("group_memory", m.root);
    gs_metrics_set_rest(watch, 0);
    assert_about(read_one(watch, 1), 1000);
    machine_put(&m, "/cg/a/memory.current", "2000\n");
    assert_about(read_one(watch, 2), 1000);
    assert_int_equal(gs_metrics_set_group_used(watch), 2000);
    assert_about(read_one(watch, 2.9), 1000);
    assert_about(read_one(watch, 3), 2000);
    struct gs_metric_set *reloaded = watch_one("group_memory", m.root); // with a rule on it
    gs_metrics_set_adopt(reloaded, watch);
    gs_metrics_set_free(watch);
    watch = reloaded;
    machine_put(&m, "/cg/a/memory.current", "3000\n");
    assert_about(read_one(watch, 3.1), 3000);
    assert_int_equal(gs_metrics_set_group_used(watch), 3000);
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

static void without_a_limit_the_own_group_counts(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put_group(&m, "0::/a/b\n");
    machine_put(&m, "/cg/a/b/memory.current", "1000\n");
    machine_put(&m, "/cg/a/memory.current", "5000\n");
    struct gs_metric_set *watch = watch_one("group_memory", m.root);
    assert_about(read_one(watch, 1), 1000); // no memory.stat: nothing is taken off
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

static void version_1_has_other_names(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put(&m, "/proc/self/cgroup", "4:memory:/x\n0::/\n");
    machine_put(&m, "/proc/self/mountinfo", "1 1 0:1 / /mem rw - cgroup cgroup rw,memory\n");
    machine_put(&m, "/mem/x/memory.limit_in_bytes", "9000000\n");
    machine_put(&m, "/mem/x/memory.usage_in_bytes", "8000000\n");
    machine_put(&m, "/mem/x/memory.stat", "inactive_file 5\ntotal_inactive_file 1000000\n");
    struct gs_metric_set *watch = watch_one("group_memory", m.root);
    assert_about(read_one(watch, 1), 7000000);
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

static void without_a_group_there_is_no_group_memory(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    struct gs_metric_set *watch = watch_one("group_memory", m.root);
    assert_missing(watch, 1, "in no control group that counts memory");
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

static void io_wait_is_the_groups_then_the_machines(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put_group(&m, "0::/a\n");
    machine_put(&m, "/proc/pressure/io", "some avg10=7.50 avg60=0.00 avg300=0.00 total=1\n");
    struct gs_metric_set *watch = watch_one("io_wait", m.root);
    assert_about(read_one(watch, 1), 7.5);
    gs_metrics_set_free(watch);
    machine_put(&m, "/cg/a/io.pressure", "some avg10=2.25 avg60=0.00 avg300=0.00 total=1\n");
    watch = watch_one("io_wait", m.root);
    assert_about(read_one(watch, 1), 2.25);
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

/* Within the ten seconds between two readings, three threads, one of them new, ran for 6.5 s and waited for 3.5 s: 35 %. The one
 * that ends takes nothing away. */
static void run_delay_is_a_share_of_what_all_threads_wanted(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put(&m, "/proc/self/task/1000001/schedstat", "5000000000 1000000000 1\n");
    machine_put(&m, "/proc/self/task/1000002/schedstat", "5000000000 4000000000 1\n");
    struct gs_metric_set *watch = watch_one("run_delay", m.root);
    assert_true(isnan(read_one(watch, 100)));
    machine_put(&m, "/proc/self/task/1000001/schedstat", "9000000000 3000000000 1\n");
    machine_put(&m, "/proc/self/task/1000002/schedstat", "7000000000 5000000000 1\n");
    machine_put(&m, "/proc/self/task/1000003/schedstat", "500000000 500000000 1\n");
    assert_about(read_one(watch, 110), 35);
    machine_remove(&m, "/proc/self/task/1000002/schedstat");
    assert_about(read_one(watch, 120), 0);
    machine_remove(&m, "/proc/self/task/1000001/schedstat");
    machine_remove(&m, "/proc/self/task/1000003/schedstat");
    assert_missing(watch, 130, "no thread has a schedstat");
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

static void *sleep_often(void *times)
{
    for (int i = 0; i < *(int *)times; i++)
        nanosleep(&(struct timespec){0, 1}, NULL);
    return NULL;
}

/* A thread that sleeps 200 times is switched at least 200 times, also after it has ended. */
static void context_switches_are_of_all_threads(void **state)
{
    (void)state;
    int times = 200;
    pthread_t thread;
    struct gs_metric_set *watch = watch_one("context_switches", "");
    assert_missing(watch, 1, NULL);
    assert_int_equal(pthread_create(&thread, NULL, sleep_often, &times), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(read_one(watch, 2) >= times);
    gs_metrics_set_free(watch);
}

/* Rules were reloaded, or a gauge is new: rates go on, and what is read every five seconds is not read earlier. */
static void a_new_set_goes_on_where_the_old_one_was(void **state)
{
    (void)state;
    static const char *const names[] = {"swap", "major_faults"};
    double value[2];
    struct machine_dir m = machine_new();
    machine_put(&m, "/proc/self/status", "VmSwap:\t 96 kB\n");
    machine_put(&m, "/proc/self/stat", "77 (a) S 1 77 77 0 -1 0 901 0 6 0 3 4 0 0 20 0 5 0\n");
    struct gs_metric_set *old = gs_metrics_set_new(ONE("major_faults"), m.root);
    assert_true(isnan(read_one(old, 1)));
    struct gs_metric_set *fresh = gs_metrics_set_new(names, COUNT_OF(names), m.root);
    gs_metrics_set_adopt(fresh, old);
    gs_metrics_set_free(old);
    machine_put(&m, "/proc/self/stat", "77 (a) S 1 77 77 0 -1 0 901 0 16 0 3 4 0 0 20 0 5 0\n");
    gs_metrics_set_read(fresh, SECONDS(3), value);
    assert_about(value[0], 96 * 1024.0);
    assert_about(value[1], 5); // ten in two seconds
    struct gs_metric_set *later = gs_metrics_set_new(names, COUNT_OF(names), m.root);
    gs_metrics_set_adopt(later, fresh);
    gs_metrics_set_free(fresh);
    machine_put(&m, "/proc/self/status", "VmSwap:\t 128 kB\n");
    gs_metrics_set_read(later, SECONDS(4), value);
    assert_about(value[0], 96 * 1024.0);
    gs_metrics_set_free(later);
    machine_drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swap_is_read_every_five_seconds),
        cmocka_unit_test(the_group_with_the_lowest_limit_counts),
        cmocka_unit_test(without_a_rule_it_is_read_every_two_seconds),
        cmocka_unit_test(without_a_limit_the_own_group_counts),
        cmocka_unit_test(version_1_has_other_names),
        cmocka_unit_test(without_a_group_there_is_no_group_memory),
        cmocka_unit_test(io_wait_is_the_groups_then_the_machines),
        cmocka_unit_test(run_delay_is_a_share_of_what_all_threads_wanted),
        cmocka_unit_test(context_switches_are_of_all_threads),
        cmocka_unit_test(a_new_set_goes_on_where_the_old_one_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
