/* test_metrics.c - where the numbers come from, and what becomes of them where files are odd and clocks late. */
#include "machine.h"
#include "metrics/metrics.h"
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h> // wants the others before it

/* ---- the table ----------------------------------------------------------------------------------------- */

static void the_table_is_the_designs(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum gs_unit unit;
        enum gs_share share;
    } design[] = {
        {"rss", GS_BYTES, GS_OF_MEMORY_LIMIT},
        {"heap_in_use", GS_BYTES, GS_OF_MEMORY_LIMIT},
        {"heap_alloc_rate", GS_BYTES_PER_SECOND, GS_OF_NOTHING},
        {"threads", GS_COUNT, GS_OF_NOTHING},
        {"cpu", GS_PERCENT, GS_OF_NOTHING},
        {"fds", GS_COUNT, GS_OF_FILE_LIMIT},
        {"major_faults", GS_PER_SECOND, GS_OF_NOTHING},
        {"memory_pressure", GS_PERCENT, GS_OF_NOTHING},
        {"group_memory", GS_BYTES, GS_OF_MEMORY_LIMIT},
        {"swap", GS_BYTES, GS_OF_MEMORY_LIMIT},
        {"largest_alloc", GS_BYTES, GS_OF_MEMORY_LIMIT},
        {"alloc_failures", GS_PER_SECOND, GS_OF_NOTHING},
        {"context_switches", GS_PER_SECOND, GS_OF_NOTHING},
        {"run_delay", GS_PERCENT, GS_OF_NOTHING},
        {"io_wait", GS_PERCENT, GS_OF_NOTHING},
    };
    assert_int_equal(gs_metrics_count(), COUNT_OF(design));
    assert_null(gs_metrics[gs_metrics_count()].name);
    for (size_t i = 0; i < COUNT_OF(design); i++) {
        const struct gs_metric *metric = gs_metrics_find(design[i].name);
        assert_ptr_equal(metric, &gs_metrics[i]);
        assert_int_equal(metric->unit, design[i].unit);
        assert_int_equal(metric->share, design[i].share);
        assert_true(strlen(metric->help) > 0);
    }
}

static void gauges_are_found_by_well_formed_names_only(void **state)
{
    (void)state;
    static const char *const good[] = {"gauge:q", "gauge:queue.len_2-b",
                                       "gauge:0123456789012345678901234567890123456789"};
    static const char *const bad[] = {
        "",          "gauge:",    "gauge",          "gauge:Queue",
        "gauge:a b", "gauge:a:b", "gauge:\xc3\xa4", "gauge:01234567890123456789012345678901234567890",
        "RSS",       "rss ",      "gauges:a"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        const struct gs_metric *metric = gs_metrics_find(good[i]);
        assert_non_null(metric);
        assert_int_equal(metric->unit, GS_COUNT);
        assert_int_equal(metric->share, GS_OF_NOTHING);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_null(gs_metrics_find(bad[i]));
}

/* A process of 5 threads that has used TICKS of CPU time, a third of them in the kernel, and waited FAULTS
 * times. */
static void put_stat(const struct machine_dir *m, unsigned ticks, unsigned faults)
{
    char text[256];
    snprintf(text, sizeof text,
             "77 (web) S 1 77 77 0 -1 4194560 901 0 %u 0 %u %u 0 0 20 0 5 0 320540 209715200 1\n", faults,
             ticks - ticks / 3, ticks / 3);
    machine_put(m, "/proc/self/stat", text);
}

/* ---- reading a machine that stands still --------------------------------------------------------------- */

/* 25600 pages in a program that calls itself "web ) R 9) x", five descriptors, and its group's
 * pressure rather than the machine's. Rates need a second tick. */
static void a_pod_is_read(void **state)
{
    (void)state;
    static const char *const names[] = {"rss", "fds", "memory_pressure", "cpu", "major_faults"};
    struct gs_metric_set *watch = gs_metrics_set_new(names, COUNT_OF(names), FIXTURE("pod-v2"));
    double value[COUNT_OF(names)];
    assert_int_equal(gs_metrics_set_count(watch), COUNT_OF(names));
    gs_metrics_set_read(watch, SECONDS(1), value);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_string_equal(gs_metrics_set_name(watch, i), names[i]);
        assert_null(gs_metrics_set_unavailable(watch, i));
    }
    assert_about(value[0], 25600.0 * (double)sysconf(_SC_PAGESIZE));
    assert_about(value[1], 5);
    assert_about(value[2], 12.34);
    assert_true(isnan(value[3]) && isnan(value[4]));
    gs_metrics_set_read(watch, SECONDS(2), value);
    assert_true(value[3] == 0 && value[4] == 0);
    gs_metrics_set_free(watch);
}

static void what_a_machine_cannot_give_has_a_reason_from_the_start(void **state)
{
    (void)state;
    static const char *const names[] = {"rss", "threads", "fds", "memory_pressure", "cpu", "no_such_metric"};
    struct gs_metric_set *watch = gs_metrics_set_new(names, COUNT_OF(names), FIXTURE("bare"));
    assert_null(gs_metrics_set_unavailable(watch, 0));
    assert_non_null(strstr(gs_metrics_set_unavailable(watch, 1), "bare/proc/self/task: No such file or directory"));
    assert_non_null(strstr(gs_metrics_set_unavailable(watch, 2), "bare/proc/self/fd: No such file or directory"));
    assert_non_null(strstr(gs_metrics_set_unavailable(watch, 3), "no pressure figures (PSI) in this kernel"));
    assert_non_null(strstr(gs_metrics_set_unavailable(watch, 4), "bare/proc/self/stat: No such file or directory"));
    assert_string_equal(gs_metrics_set_unavailable(watch, 5), "there is no such metric");
    double value[COUNT_OF(names)];
    gs_metrics_set_read(watch, SECONDS(1), value);
    assert_about(value[0], 250.0 * (double)sysconf(_SC_PAGESIZE));
    for (size_t i = 1; i < COUNT_OF(names); i++)
        assert_true(isnan(value[i]));
    gs_metrics_set_free(watch);
}

static void a_watch_of_nothing_is_harmless(void **state)
{
    (void)state;
    struct gs_metric_set *watch = gs_metrics_set_new(NULL, 0, "");
    assert_int_equal(gs_metrics_set_count(watch), 0);
    gs_metrics_set_read(watch, SECONDS(1), NULL);
    gs_metrics_set_free(watch);
    gs_metrics_set_free(NULL);
    assert_null(gs_metrics_set_new(NULL, SIZE_MAX / 4, "")); // more bytes than can be counted
}

/* ---- odd files ----------------------------------------------------------------------------------------- */

/* For each of ODD in PATH: no value and a reason. For GOOD, before and after: EXPECTED, and the reason is
 * gone. */
static void odd_then_good(const char *metric, const char *path, const char *const *odd, size_t count,
                          const char *good, double expected)
{
    struct machine_dir m = machine_new();
    machine_put(&m, path, good);
    struct gs_metric_set *watch = watch_one(metric, m.root);
    double second = 1;
    (void)read_one(watch, 0); // what a rate begins with
    for (size_t i = 0; i < count; i++, second += 20) { // no metric is read more seldom than every 10 s
        machine_put(&m, path, good);
        assert_about(read_one(watch, second), expected);
        assert_null(gs_metrics_set_unavailable(watch, 0));
        machine_put(&m, path, odd[i]);
        assert_missing(watch, second + 10, path);
    }
    machine_put(&m, path, good);
    assert_about(read_one(watch, second), expected);
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

static void a_broken_statm_gives_no_rss(void **state)
{
    (void)state;
    static const char *const odd[] = {"",
                                      "7",
                                      "7 ",
                                      "7 8",
                                      "-7 8 9\n",
                                      "7 -8 9\n",
                                      "a b c\n",
                                      "7  8 9\n",
                                      "7 99999999999999999999 9\n",
                                      "0 0 0 0 0 0 0\n"};
    odd_then_good("rss", "/proc/self/statm", odd, COUNT_OF(odd), "7 8 9 0 0 5 0\n",
                  8.0 * (double)sysconf(_SC_PAGESIZE));
}

static void a_broken_stat_gives_no_faults(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "",
        "77",
        "77 (web",
        "77 (web)",
        "77 (web) S 1 2 3",
        "77 (web) S 1 77 77 0 -1 0 901 0 6 0 3 4", // cut within the field: 4 of 47?
        "77 (web) S 1 77 77 0 -1 0 901 0 -6 0 3 4 0 0 20 0 5 0\n",
        "77 (web) S 1 77 77 0 -1 0 901 0 0 0 x 4 0 0 20 0 5 0\n",
        "77 (web) S 1 77 77 0 -1 0 901 0 0 0 18446744073709551615 4 0 0 20 0 5 0\n",
        "77 (web) S 1 77 77 0 -1 0 901 0 18446744073709551616 0 3 4 0 0 20 0 5 0\n",
    };
    odd_then_good("major_faults", "/proc/self/stat", odd, COUNT_OF(odd),
                  "77 (a) S 1 9 (b) S 1 77 77 0 -1 0 901 0 6 0 3 4 0 0 20 0 5 0\n", 0);
}

static void a_broken_pressure_file_gives_no_pressure(void **state)
{
    (void)state;
    static const char *const odd[] = {"",
                                      "some",
                                      "some avg10=",
                                      "some avg10=\n",
                                      "some avg10=-1.00 avg60=0.00\n",
                                      "full avg10=1.00 avg60=0.00\n",
                                      "some avg10=1.5",
                                      "some avg10=101.00 avg60=0\n",
                                      "some avg10=nan avg60=0.00\n",
                                      "some avg10=1,50 avg60=0.00\n"};
    odd_then_good("memory_pressure", "/proc/pressure/memory", odd, COUNT_OF(odd),
                  "some avg10=1.53 avg60=0.00 avg300=0.00 total=1\n", 1.53);
}

/* A planted directory, and a FIFO that nobody writes to: neither is waited for. */
static void a_file_of_the_wrong_kind_is_a_reason(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    char path[512];
    machine_path(&m, "/proc/self/statm/x", path, sizeof path);
    machine_path(&m, "/proc/self/stat", path, sizeof path);
    assert_int_equal(mkfifo(path, 0600), 0);
    machine_put(&m, "/proc/self/fd", "a file");
    machine_put(&m, "/proc/self/task", "a file");
    struct gs_metric_set *rss = watch_one("rss", m.root), *faults = watch_one("major_faults", m.root),
                    *threads = watch_one("threads", m.root), *fds = watch_one("fds", m.root);
    assert_missing(rss, 1, "Is a directory");
    assert_missing(faults, 1, "Illegal seek");
    assert_missing(threads, 1, "is not as expected");
    assert_missing(fds, 1, "is not a directory");
    gs_metrics_set_free(rss);
    gs_metrics_set_free(faults);
    gs_metrics_set_free(threads);
    gs_metrics_set_free(fds);
    machine_drop(&m);
}

/* Kernels with PSI built in but switched off show the group's file and refuse to read it; here it is a
 * directory. */
static void pressure_comes_from_the_machine_when_the_group_refuses(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    char path[512];
    machine_put_group(&m, "0::/a\n");
    machine_path(&m, "/cg/a/memory.pressure/x", path, sizeof path);
    machine_put(&m, "/proc/pressure/memory", "some avg10=7.50 avg60=0.00 avg300=0.00 total=1\n");
    struct gs_metric_set *watch = watch_one("memory_pressure", m.root);
    assert_about(read_one(watch, 1), 7.5);
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

/* ---- rates --------------------------------------------------------------------------------------------- */

/* 50 ms of CPU time in 2 s, where the parent group grants a quarter of a CPU and the group itself half of
 * one: 10 %. */
static void cpu_is_a_share_of_the_smallest_quota(void **state)
{
    (void)state;
    assert_int_equal(sysconf(_SC_CLK_TCK), 100);
    struct machine_dir m = machine_new();
    machine_put_group(&m, "0::/a/b\n");
    machine_put(&m, "/cg/a/b/cpu.max", "50000 100000\n");
    machine_put(&m, "/cg/a/cpu.max", "25000 100000\n");
    machine_put(&m, "/cg/cpu.max", "max 100000\n");
    put_stat(&m, 444, 0);
    struct gs_metric_set *watch = watch_one("cpu", m.root);
    assert_missing(watch, 1, NULL); // the first tick is early, not unavailable
    put_stat(&m, 449, 0);
    assert_about(read_one(watch, 3), 10);
    machine_put(&m, "/cg/a/cpu.max", "12500 100000\n"); // someone halves it; noticed within ten seconds
    put_stat(&m, 499, 0);
    assert_about(read_one(watch, 23), 20);
    machine_put(&m, "/cg/a/cpu.max", "max 100000\n"); // half a CPU is left
    put_stat(&m, 509, 0);
    assert_about(read_one(watch, 33), 2);
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

/* Version 1: 40 ms in 1 s of a fifth of a CPU is 20 %. The parent has no quota: -1. Its parent's is nonsense. */
static void cpu_knows_quotas_of_version_1(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put(&m, "/proc/self/cgroup", "4:cpuacct,cpu:/x/y\n0::/\n");
    machine_put(&m, "/proc/self/mountinfo", "1 1 0:1 / /cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
    machine_put(&m, "/cpu/x/y/cpu.cfs_quota_us", "20000\n");
    machine_put(&m, "/cpu/x/y/cpu.cfs_period_us", "100000\n");
    machine_put(&m, "/cpu/x/cpu.cfs_quota_us", "-1\n");
    machine_put(&m, "/cpu/x/cpu.cfs_period_us", "100000\n");
    machine_put(&m, "/cpu/cpu.cfs_quota_us", "0\n");
    machine_put(&m, "/cpu/cpu.cfs_period_us", "100000\n");
    put_stat(&m, 100, 0);
    struct gs_metric_set *watch = watch_one("cpu", m.root);
    assert_missing(watch, 1, NULL);
    put_stat(&m, 104, 0);
    assert_about(read_one(watch, 2), 20);
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

/* Confined to one CPU by its affinity, five seconds of CPU time in ten are 50 %; with two, 25 %. It is looked up every 10 s. */
static void cpu_is_a_share_of_the_affinity(void **state)
{
    (void)state;
    cpu_set_t all, some;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&some);
    struct machine_dir m = machine_new();
    put_stat(&m, 1000, 0);
    struct gs_metric_set *watch = watch_one("cpu", m.root);
    assert_missing(watch, 0, NULL);
    int wanted = CPU_COUNT(&all) > 1 ? 2 : 1;
    int tick = 1;
    for (size_t cpu = 0; tick <= wanted; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        CPU_SET(cpu, &some);
        assert_int_equal(sched_setaffinity(0, sizeof some, &some), 0);
        put_stat(&m, 1000 + 500 * (unsigned)tick, 0);
        assert_about(read_one(watch, 10 * tick), 50.0 / tick);
        tick++;
    }
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

/* Of 300 threads the CPU time is asked for once in five seconds; what it was stands meanwhile. */
static void cpu_of_a_crowd_is_read_less_often(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put_group(&m, "0::/a\n");
    machine_put(&m, "/cg/a/cpu.max", "50000 100000\n"); // half a CPU
    for (int i = 0; i < 300; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", i);
        machine_put(&m, path, "");
    }
    put_stat(&m, 0, 0);
    struct gs_metric_set *watch = watch_one("cpu", m.root);
    assert_missing(watch, 1, NULL);
    put_stat(&m, 10, 0);
    assert_about(read_one(watch, 2), 20); // 100 ms in a second of half a CPU
    put_stat(&m, 60, 0);
    assert_about(read_one(watch, 6), 20);
    assert_about(read_one(watch, 7), 20); // 500 ms in five seconds
    put_stat(&m, 85, 0);
    assert_about(read_one(watch, 12), 10);
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

/* 100 faults in 4 s. The counter starts anew (it never should): one tick is missing, the next counts from
 * there. */
static void major_faults_are_counted_per_second(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    put_stat(&m, 0, 901);
    struct gs_metric_set *watch = watch_one("major_faults", m.root);
    assert_missing(watch, 10, NULL);
    put_stat(&m, 0, 1001);
    assert_about(read_one(watch, 14), 25);
    put_stat(&m, 0, 3);
    assert_missing(watch, 15, NULL);
    put_stat(&m, 0, 8);
    assert_about(read_one(watch, 16), 5);
    assert_missing(watch, 12, NULL); // a clock that goes back has nothing to divide by
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

/* The probe's alarm calls a tick 5 ms after another. One fault since is no 200 a second: the last rate
 * stands, and the fault counts in the next whole tick. */
static void a_tick_right_after_another_repeats_the_rate(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    put_stat(&m, 0, 0);
    struct gs_metric_set *watch = watch_one("major_faults", m.root);
    assert_missing(watch, 1, NULL);
    assert_missing(watch, 1.005, NULL);
    put_stat(&m, 0, 3);
    assert_about(read_one(watch, 2), 3);
    put_stat(&m, 0, 4);
    assert_about(read_one(watch, 2.005), 3);
    assert_about(read_one(watch, 2), 3); // no time at all
    put_stat(&m, 0, 5);
    assert_about(read_one(watch, 3), 2);
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

/* ---- many descriptors ---------------------------------------------------------------------------------- */

/* Before Linux 6.2 they must be counted: few at every tick, many once in ten seconds. */
static void many_descriptors_are_counted_rarely(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    char path[64];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", i);
        machine_put(&m, path, "");
    }
    struct gs_metric_set *watch = watch_one("fds", m.root);
    assert_about(read_one(watch, 1), 3);
    for (int i = 3; i < 1500; i++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", i);
        machine_put(&m, path, "");
    }
    assert_about(read_one(watch, 2), 1500);
    machine_remove(&m, "/proc/self/fd/7");
    assert_about(read_one(watch, 3), 1500);
    assert_about(read_one(watch, 12), 1499);
    gs_metrics_set_free(watch);
    machine_drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_the_designs),
        cmocka_unit_test(gauges_are_found_by_well_formed_names_only),
        cmocka_unit_test(a_pod_is_read),
        cmocka_unit_test(what_a_machine_cannot_give_has_a_reason_from_the_start),
        cmocka_unit_test(a_watch_of_nothing_is_harmless),
        cmocka_unit_test(a_broken_statm_gives_no_rss),
        cmocka_unit_test(a_broken_stat_gives_no_faults),
        cmocka_unit_test(a_broken_pressure_file_gives_no_pressure),
        cmocka_unit_test(a_file_of_the_wrong_kind_is_a_reason),
        cmocka_unit_test(pressure_comes_from_the_machine_when_the_group_refuses),
        cmocka_unit_test(cpu_is_a_share_of_the_smallest_quota),
        cmocka_unit_test(cpu_knows_quotas_of_version_1),
        cmocka_unit_test(cpu_is_a_share_of_the_affinity),
        cmocka_unit_test(cpu_of_a_crowd_is_read_less_often),
        cmocka_unit_test(major_faults_are_counted_per_second),
        cmocka_unit_test(a_tick_right_after_another_repeats_the_rate),
        cmocka_unit_test(many_descriptors_are_counted_rarely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
