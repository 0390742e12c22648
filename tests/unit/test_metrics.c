/* test_metrics.c - where the numbers come from.
 *
 * Machines that stand still are under fixtures/machines; those that change while a story goes on are built in
 * a directory of their own (struct machine). Some stories are told of this very process and machine. */
#include "base/clock.h"
#include "sys/owned_fd.h"
#include "metrics/metrics.h"
#include "probe/probe.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h> // wants the others before it

#define MIB            (1024.0 * 1024)
#define FIXTURE(name)  TEST_SOURCE_DIR "/tests/unit/fixtures/machines/" name
#define ONE(name)      ((const char *const[]){name}), 1
#define SECONDS(s)     ((int64_t)((s)*1e9))
#define COUNT_OF(list) (sizeof(list) / sizeof *(list))

/* ---- a machine that changes ---------------------------------------------------------------------------- */

struct machine {
    char root[64];
};

static struct machine new_machine(void)
{
    struct machine m;
    strcpy(m.root, "/tmp/gumshoe-machine-XXXXXX");
    assert_non_null(mkdtemp(m.root));
    return m;
}

static void drop_machine(struct machine *m)
{
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", m->root);
    assert_int_equal(system(command), 0);
}

static void locate(const struct machine *m, const char *path, char *out, size_t size)
{
    snprintf(out, size, "%s%s", m->root, path);
    for (char *slash = strchr(out + strlen(m->root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(out, 0700))
            assert_int_equal(errno, EEXIST);
        *slash = '/';
    }
}

/* PATH now says TEXT; the file stays the same one, as in /proc. */
static void put(const struct machine *m, const char *path, const char *text)
{
    char whole[512];
    locate(m, path, whole, sizeof whole);
    int fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void drop(const struct machine *m, const char *path)
{
    char whole[512];
    locate(m, path, whole, sizeof whole);
    assert_int_equal(unlink(whole), 0);
}

/* A process of 5 threads that has used TICKS of CPU time, a third of them in the kernel, and waited FAULTS
 * times. */
static void put_stat(const struct machine *m, unsigned ticks, unsigned faults)
{
    char text[256];
    snprintf(text, sizeof text,
             "77 (web) S 1 77 77 0 -1 4194560 901 0 %u 0 %u %u 0 0 20 0 5 0 320540 209715200 1\n", faults,
             ticks - ticks / 3, ticks / 3);
    put(m, "/proc/self/stat", text);
}

static struct gs_watch *watch_one(const char *name, const char *root)
{
    struct gs_watch *watch = gs_watch_new(ONE(name), root);
    assert_non_null(watch);
    return watch;
}

static double read_one(struct gs_watch *watch, double at_second)
{
    double value = -1;
    gs_watch_read(watch, SECONDS(at_second), &value);
    return value;
}

static void assert_about(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-9 * fabs(expected)))
        fail_msg("%.17g is not %.17g", value, expected);
}

static void assert_missing(struct gs_watch *watch, double at_second, const char *why)
{
    double value = read_one(watch, at_second);
    if (!isnan(value))
        fail_msg("%g where nothing should be", value);
    const char *said = gs_watch_unavailable(watch, 0);
    if (why ? !said || !strstr(said, why) : said != NULL)
        fail_msg("said \"%s\" instead of \"%s\"", said ? said : "(nothing)", why ? why : "(nothing)");
}

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
    };
    assert_int_equal(gs_metric_count(), COUNT_OF(design));
    assert_null(gs_metrics[gs_metric_count()].name);
    for (size_t i = 0; i < COUNT_OF(design); i++) {
        const struct gs_metric *metric = gs_metric_find(design[i].name);
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
        const struct gs_metric *metric = gs_metric_find(good[i]);
        assert_non_null(metric);
        assert_int_equal(metric->unit, GS_COUNT);
        assert_int_equal(metric->share, GS_OF_NOTHING);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_null(gs_metric_find(bad[i]));
}

/* ---- the memory limit ---------------------------------------------------------------------------------- */

static void assert_limit(const char *root, double bytes, const char *where)
{
    char from[256] = "?";
    assert_true((double)gs_memory_limit(root, from, sizeof from) == bytes);
    assert_string_equal(from, where);
}

/* The container itself has no limit; its pod has 512 MiB, all pods together 8 GiB, the machine 15.6 GiB. */
static void a_pods_limit_is_found_above_its_container(void **state)
{
    (void)state;
    assert_limit(FIXTURE("pod-v2"), 512 * MIB,
                 "cgroup /sys/fs/cgroup/kubepods.slice/kubepods-pod7.slice/memory.max");
}

/* /proc/self/cgroup tells the machine's path /docker/f00d/jobs; the mount shows only what lies below
 * /docker/f00d. The group has none (2^63 less a page), the container 256 MiB. */
static void version_1_in_a_container_starts_at_what_is_mounted(void **state)
{
    (void)state;
    assert_limit(FIXTURE("docker-v1"), 256 * MIB, "cgroup /sys/fs/cgroup/memory/memory.limit_in_bytes");
}

/* The group is called /../../user.slice/session-3.scope: taken literally below the mount point it would lead
 * to another file, which says 4096. The mount point has a space in its name. */
static void a_group_out_of_sight_leaves_the_mount_point(void **state)
{
    (void)state;
    assert_limit(FIXTURE("container-elsewhere"), 1024 * MIB, "cgroup /sys/fs/cgroup of mine/memory.max");
}

static void of_two_mounts_the_one_that_shows_the_group_counts(void **state)
{
    (void)state;
    assert_limit(FIXTURE("two-views"), 700 * MIB, "cgroup /mnt/all/user.slice/memory.max");
}

static void without_groups_the_machine_is_the_limit(void **state)
{
    (void)state;
    assert_limit(FIXTURE("bare"), 2000 * MIB, "machine memory");
    assert_limit(FIXTURE("no-such-machine"), 0, "");
    char small[8];
    assert_true(gs_memory_limit(FIXTURE("bare"), small, sizeof small) > 0);
    assert_string_equal(small, "machine");
    assert_true(gs_memory_limit(FIXTURE("bare"), NULL, 0) > 0);
}

static void put_group(const struct machine *m, const char *group)
{
    put(m, "/proc/meminfo", "MemTotal: 1024 kB\n");
    put(m, "/proc/self/cgroup", group);
    put(m, "/proc/self/mountinfo", "1 1 0:1 / /cg rw - cgroup2 cgroup2 rw\n");
}

static void figures_that_are_no_limit_are_passed_over(void **state)
{
    (void)state;
    static const char *const odd[] = {"",
                                      "\n",
                                      "max\n",
                                      "0\n",
                                      "-1\n",
                                      "512x\n",
                                      "512 512\n",
                                      " 512\n",
                                      "1e3\n",
                                      "99999999999999999999999999\n",
                                      "9223372036854771712\n",
                                      "512\n512\n"};
    struct machine m = new_machine();
    put_group(&m, "0::/a\n");
    put(&m, "/cg/a/memory.max", "4096\n");
    assert_limit(m.root, 4096, "cgroup /cg/a/memory.max"); // the stage is set: what follows is read
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        put(&m, "/cg/a/memory.max", odd[i]);
        assert_limit(m.root, MIB, "machine memory");
    }
    drop_machine(&m);
}

static void a_meminfo_that_makes_no_sense_is_no_limit(void **state)
{
    (void)state;
    static const char *const odd[] = {"",
                                      "MemTotal:",
                                      "MemTotal: kB\n",
                                      "MemTotal: 77 MB\n",
                                      "MemTotal: -5 kB\n",
                                      "MemTotal: 18446744073709551615 kB\n",
                                      "NotMemTotal: 5 kB\n",
                                      "MemTotal: 5 k"};
    struct machine m = new_machine();
    put(&m, "/proc/meminfo", "MemFree: 1 kB\nMemTotal: 5 kB\n");
    assert_limit(m.root, 5120, "machine memory");
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        put(&m, "/proc/meminfo", odd[i]);
        assert_limit(m.root, 0, "");
    }
    drop_machine(&m);
}

static void mountinfo_and_cgroup_may_be_cut_anywhere(void **state)
{
    (void)state;
    static const char group[] = "9:cpu:/x\n0::/a b:c/d\n";
    static const char mounts[] =
        "1 1 0:1 / /a\\04 rw x:1 - tmpfs t rw\n2 1 0:2 /a\\040b:c /cg rw - cgroup2 none rw\n";
    struct machine m = new_machine();
    char cut[128];
    put_group(&m, group);
    put(&m, "/proc/self/mountinfo", mounts);
    put(&m, "/cg/d/memory.max", "8192\n");
    put(&m, "/cg/memory.max", "12288\n");
    assert_limit(m.root, 8192, "cgroup /cg/d/memory.max");
    for (int length = 0; length < (int)sizeof mounts - 1; length++) {
        snprintf(cut, sizeof cut, "%.*s", length, mounts);
        put(&m, "/proc/self/mountinfo", cut);
        uint64_t limit = gs_memory_limit(m.root, NULL, 0);
        assert_true(limit == (uint64_t)MIB || limit == 8192);
    }
    put(&m, "/proc/self/mountinfo", mounts);
    for (int length = 0; length < (int)sizeof group - 1; length++) {
        snprintf(cut, sizeof cut, "%.*s", length, group);
        put(&m, "/proc/self/cgroup", cut);
        uint64_t limit = gs_memory_limit(m.root, NULL, 0);
        assert_true(limit == (uint64_t)MIB || limit == 8192 || limit == 12288);
    }
    drop_machine(&m);
}

/* 3000 groups, one in the other: the deepest paths cannot be opened at all, the others stand above. */
static void a_very_deep_tree_is_walked_to_its_root(void **state)
{
    (void)state;
    struct machine m = new_machine();
    char group[6100] = "0::";
    for (int i = 0; i < 3000; i++)
        strcat(group, "/g");
    put_group(&m, group);
    put(&m, "/cg/g/g/memory.max", "4096\n");
    put(&m, "/cg/memory.max", "8192\n");
    assert_limit(m.root, 4096, "cgroup /cg/g/g/memory.max");
    drop_machine(&m);
}

/* ---- reading a machine that stands still --------------------------------------------------------------- */

/* 25600 pages in a program that calls itself "web ) R 9) x", five descriptors, and its group's
 * pressure rather than the machine's. Rates need a second tick. */
static void a_pod_is_read(void **state)
{
    (void)state;
    static const char *const names[] = {"rss", "fds", "memory_pressure", "cpu", "major_faults"};
    struct gs_watch *watch = gs_watch_new(names, COUNT_OF(names), FIXTURE("pod-v2"));
    double value[COUNT_OF(names)];
    assert_int_equal(gs_watch_count(watch), COUNT_OF(names));
    gs_watch_read(watch, SECONDS(1), value);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_string_equal(gs_watch_name(watch, i), names[i]);
        assert_null(gs_watch_unavailable(watch, i));
    }
    assert_about(value[0], 25600.0 * (double)sysconf(_SC_PAGESIZE));
    assert_about(value[1], 5);
    assert_about(value[2], 12.34);
    assert_true(isnan(value[3]) && isnan(value[4]));
    gs_watch_read(watch, SECONDS(2), value);
    assert_true(value[3] == 0 && value[4] == 0);
    gs_watch_free(watch);
}

static void what_a_machine_cannot_give_has_a_reason_from_the_start(void **state)
{
    (void)state;
    static const char *const names[] = {"rss", "threads", "fds", "memory_pressure", "cpu", "no_such_metric"};
    struct gs_watch *watch = gs_watch_new(names, COUNT_OF(names), FIXTURE("bare"));
    assert_null(gs_watch_unavailable(watch, 0));
    assert_non_null(strstr(gs_watch_unavailable(watch, 1), "bare/proc/self/task: No such file or directory"));
    assert_non_null(strstr(gs_watch_unavailable(watch, 2), "bare/proc/self/fd: No such file or directory"));
    assert_non_null(strstr(gs_watch_unavailable(watch, 3), "no pressure figures (PSI) in this kernel"));
    assert_non_null(strstr(gs_watch_unavailable(watch, 4), "bare/proc/self/stat: No such file or directory"));
    assert_string_equal(gs_watch_unavailable(watch, 5), "there is no such metric");
    double value[COUNT_OF(names)];
    gs_watch_read(watch, SECONDS(1), value);
    assert_about(value[0], 250.0 * (double)sysconf(_SC_PAGESIZE));
    for (size_t i = 1; i < COUNT_OF(names); i++)
        assert_true(isnan(value[i]));
    gs_watch_free(watch);
}

static void a_watch_of_nothing_is_harmless(void **state)
{
    (void)state;
    struct gs_watch *watch = gs_watch_new(NULL, 0, "");
    assert_int_equal(gs_watch_count(watch), 0);
    gs_watch_read(watch, SECONDS(1), NULL);
    gs_watch_free(watch);
    gs_watch_free(NULL);
    assert_null(gs_watch_new(NULL, SIZE_MAX / 4, "")); // more bytes than can be counted
}

/* ---- odd files ----------------------------------------------------------------------------------------- */

/* For each of ODD in PATH: no value and a reason. For GOOD, before and after: EXPECTED, and the reason is
 * gone. */
static void odd_then_good(const char *metric, const char *path, const char *const *odd, size_t count,
                          const char *good, double expected)
{
    struct machine m = new_machine();
    put(&m, path, good);
    struct gs_watch *watch = watch_one(metric, m.root);
    double second = 1;
    (void)read_one(watch, 0); // what a rate begins with
    for (size_t i = 0; i < count; i++, second += 2) {
        put(&m, path, good);
        assert_about(read_one(watch, second), expected);
        assert_null(gs_watch_unavailable(watch, 0));
        put(&m, path, odd[i]);
        assert_missing(watch, second + 1, path);
    }
    put(&m, path, good);
    assert_about(read_one(watch, second), expected);
    gs_watch_free(watch);
    drop_machine(&m);
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
    odd_then_good("rss", "/proc/self/statm", odd, COUNT_OF(odd), "7 8 9 0\n",
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
    struct machine m = new_machine();
    char path[512];
    locate(&m, "/proc/self/statm/x", path, sizeof path);
    locate(&m, "/proc/self/stat", path, sizeof path);
    assert_int_equal(mkfifo(path, 0600), 0);
    put(&m, "/proc/self/fd", "a file");
    put(&m, "/proc/self/task", "a file");
    struct gs_watch *rss = watch_one("rss", m.root), *faults = watch_one("major_faults", m.root),
                    *threads = watch_one("threads", m.root), *fds = watch_one("fds", m.root);
    assert_missing(rss, 1, "Is a directory");
    assert_missing(faults, 1, "Illegal seek");
    assert_missing(threads, 1, "is not as expected");
    assert_missing(fds, 1, "is not a directory");
    gs_watch_free(rss);
    gs_watch_free(faults);
    gs_watch_free(threads);
    gs_watch_free(fds);
    drop_machine(&m);
}

/* Kernels with PSI built in but switched off show the group's file and refuse to read it; here it is a
 * directory. */
static void pressure_comes_from_the_machine_when_the_group_refuses(void **state)
{
    (void)state;
    struct machine m = new_machine();
    char path[512];
    put_group(&m, "0::/a\n");
    locate(&m, "/cg/a/memory.pressure/x", path, sizeof path);
    put(&m, "/proc/pressure/memory", "some avg10=7.50 avg60=0.00 avg300=0.00 total=1\n");
    struct gs_watch *watch = watch_one("memory_pressure", m.root);
    assert_about(read_one(watch, 1), 7.5);
    gs_watch_free(watch);
    drop_machine(&m);
}

/* ---- rates --------------------------------------------------------------------------------------------- */

/* 50 ms of CPU time in 2 s, where the parent group grants a quarter of a CPU and the group itself half of
 * one: 10 %. */
static void cpu_is_a_share_of_the_smallest_quota(void **state)
{
    (void)state;
    assert_int_equal(sysconf(_SC_CLK_TCK), 100);
    struct machine m = new_machine();
    put_group(&m, "0::/a/b\n");
    put(&m, "/cg/a/b/cpu.max", "50000 100000\n");
    put(&m, "/cg/a/cpu.max", "25000 100000\n");
    put(&m, "/cg/cpu.max", "max 100000\n");
    put_stat(&m, 444, 0);
    struct gs_watch *watch = watch_one("cpu", m.root);
    assert_missing(watch, 1, NULL); // the first tick is early, not unavailable
    put_stat(&m, 449, 0);
    assert_about(read_one(watch, 3), 10);
    put(&m, "/cg/a/cpu.max", "12500 100000\n"); // someone halves it; noticed within ten seconds
    put_stat(&m, 499, 0);
    assert_about(read_one(watch, 23), 20);
    put(&m, "/cg/a/cpu.max", "max 100000\n"); // half a CPU is left
    put_stat(&m, 509, 0);
    assert_about(read_one(watch, 33), 2);
    gs_watch_free(watch);
    drop_machine(&m);
}

/* Version 1: 40 ms in 1 s of a fifth of a CPU is 20 %. The parent has no quota: -1. Its parent's is nonsense. */
static void cpu_knows_quotas_of_version_1(void **state)
{
    (void)state;
    struct machine m = new_machine();
    put(&m, "/proc/self/cgroup", "4:cpuacct,cpu:/x/y\n0::/\n");
    put(&m, "/proc/self/mountinfo", "1 1 0:1 / /cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
    put(&m, "/cpu/x/y/cpu.cfs_quota_us", "20000\n");
    put(&m, "/cpu/x/y/cpu.cfs_period_us", "100000\n");
    put(&m, "/cpu/x/cpu.cfs_quota_us", "-1\n");
    put(&m, "/cpu/x/cpu.cfs_period_us", "100000\n");
    put(&m, "/cpu/cpu.cfs_quota_us", "0\n");
    put(&m, "/cpu/cpu.cfs_period_us", "100000\n");
    put_stat(&m, 100, 0);
    struct gs_watch *watch = watch_one("cpu", m.root);
    assert_missing(watch, 1, NULL);
    put_stat(&m, 104, 0);
    assert_about(read_one(watch, 2), 20);
    gs_watch_free(watch);
    drop_machine(&m);
}

/* Confined to one CPU by its affinity, five seconds of CPU time in ten are 50 %; with two, 25 %. It is looked up every 10 s. */
static void cpu_is_a_share_of_the_affinity(void **state)
{
    (void)state;
    cpu_set_t all, some;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&some);
    struct machine m = new_machine();
    put_stat(&m, 1000, 0);
    struct gs_watch *watch = watch_one("cpu", m.root);
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
    gs_watch_free(watch);
    drop_machine(&m);
}

/* Of 300 threads the CPU time is asked for once in five seconds; what it was stands meanwhile. */
static void cpu_of_a_crowd_is_read_less_often(void **state)
{
    (void)state;
    struct machine m = new_machine();
    put_group(&m, "0::/a\n");
    put(&m, "/cg/a/cpu.max", "50000 100000\n"); // half a CPU
    for (int i = 0; i < 300; i++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", i);
        put(&m, path, "");
    }
    put_stat(&m, 0, 0);
    struct gs_watch *watch = watch_one("cpu", m.root);
    assert_missing(watch, 1, NULL);
    put_stat(&m, 10, 0);
    assert_about(read_one(watch, 2), 20); // 100 ms in a second of half a CPU
    put_stat(&m, 60, 0);
    assert_about(read_one(watch, 6), 20);
    assert_about(read_one(watch, 7), 20); // 500 ms in five seconds
    put_stat(&m, 85, 0);
    assert_about(read_one(watch, 12), 10);
    gs_watch_free(watch);
    drop_machine(&m);
}

/* 200 ms of CPU time, said to have been taken within ten seconds, by one thread: 2 % of one CPU. */
static void cpu_of_this_very_process(void **state)
{
    (void)state;
    cpu_set_t all;
    struct timespec time;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    struct gs_watch *watch = watch_one("cpu", "");
    assert_missing(watch, 1, NULL);
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time), 0);
    int64_t end = time.tv_sec * 1000000000LL + time.tv_nsec + 200000000;
    while (time.tv_sec * 1000000000LL + time.tv_nsec < end)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    double cpu = read_one(watch, 11) * CPU_COUNT(&all); // more where a quota makes the machine smaller
    assert_true(cpu >= 2 && cpu <= 100);
    gs_watch_free(watch);
}

/* 100 faults in 4 s. The counter starts anew (it never should): one tick is missing, the next counts from
 * there. */
static void major_faults_are_counted_per_second(void **state)
{
    (void)state;
    struct machine m = new_machine();
    put_stat(&m, 0, 901);
    struct gs_watch *watch = watch_one("major_faults", m.root);
    assert_missing(watch, 10, NULL);
    put_stat(&m, 0, 1001);
    assert_about(read_one(watch, 14), 25);
    put_stat(&m, 0, 3);
    assert_missing(watch, 15, NULL);
    put_stat(&m, 0, 8);
    assert_about(read_one(watch, 16), 5);
    assert_missing(watch, 12, NULL); // a clock that goes back has nothing to divide by
    gs_watch_free(watch);
    drop_machine(&m);
}

/* The probe's alarm calls a tick 5 ms after another. One fault since is no 200 a second: the last rate
 * stands, and the fault counts in the next whole tick. */
static void a_tick_right_after_another_repeats_the_rate(void **state)
{
    (void)state;
    struct machine m = new_machine();
    put_stat(&m, 0, 0);
    struct gs_watch *watch = watch_one("major_faults", m.root);
    assert_missing(watch, 1, NULL);
    assert_missing(watch, 1.005, NULL);
    put_stat(&m, 0, 3);
    assert_about(read_one(watch, 2), 3);
    put_stat(&m, 0, 4);
    assert_about(read_one(watch, 2.005), 3);
    assert_about(read_one(watch, 2), 3); // no time at all
    put_stat(&m, 0, 5);
    assert_about(read_one(watch, 3), 2);
    gs_watch_free(watch);
    drop_machine(&m);
}

/* ---- many descriptors ---------------------------------------------------------------------------------- */

/* Before Linux 6.2 they must be counted: few at every tick, many once in ten seconds. */
static void many_descriptors_are_counted_rarely(void **state)
{
    (void)state;
    struct machine m = new_machine();
    char path[64];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", i);
        put(&m, path, "");
    }
    struct gs_watch *watch = watch_one("fds", m.root);
    assert_about(read_one(watch, 1), 3);
    for (int i = 3; i < 1500; i++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", i);
        put(&m, path, "");
    }
    assert_about(read_one(watch, 2), 1500);
    drop(&m, "/proc/self/fd/7");
    assert_about(read_one(watch, 3), 1500);
    assert_about(read_one(watch, 12), 1499);
    gs_watch_free(watch);
    drop_machine(&m);
}

/* ---- this process, this machine ------------------------------------------------------------------------ */

static void rss_sees_memory_come_and_go(void **state)
{
    (void)state;
    struct gs_watch *watch = watch_one("rss", "");
    double before = read_one(watch, 1);
    size_t size = 64 << 20;
    char *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(block != MAP_FAILED);
    memset(block, 1, size);
    double grown = read_one(watch, 2) - before;
    assert_true(grown > 60 * MIB && grown < 68 * MIB);
    munmap(block, size);
    assert_true(fabs(read_one(watch, 3) - before) < 4 * MIB);
    gs_watch_free(watch);
}

static void *wait_at(void *barrier)
{
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    return NULL;
}

static void threads_are_counted(void **state)
{
    (void)state;
    struct gs_watch *watch = watch_one("threads", "");
    double before = read_one(watch, 1);
    pthread_barrier_t barrier;
    pthread_t thread[3];
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, wait_at, &barrier), 0);
    pthread_barrier_wait(&barrier);
    assert_about(read_one(watch, 2), before + 3);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&barrier);
    gs_watch_free(watch);
}

static void descriptors_are_counted(void **state)
{
    (void)state;
    struct gs_watch *watch = watch_one("fds", "");
    double before = read_one(watch, 1);
    int fd[20];
    for (int i = 0; i < 20; i++)
        fd[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_about(read_one(watch, 2), before + 20);
    for (int i = 0; i < 20; i++)
        close(fd[i]);
    assert_about(read_one(watch, 3), before);
    gs_watch_free(watch);
}

/* ---- a stranger's descriptors -------------------------------------------------------------------------- */

enum { KEPT_MAX = 64 };

/* The numbers of our open descriptors whose file's name ends in WORD; how many. */
static int find_descriptors(const char *word, int *number)
{
    char link[64], target[512];
    int found = 0;
    for (int fd = 0; fd < 1024; fd++) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, target, sizeof target - 1);
        if (length < (ssize_t)strlen(word) || found == KEPT_MAX)
            continue;
        target[length] = 0;
        if (strcmp(target + length - strlen(word), word) == 0)
            number[found++] = fd;
    }
    return found;
}

/* One descriptor a file, however many metrics read it; gone at exec; closed at the end. */
static void descriptors_are_few_and_close_on_exec(void **state)
{
    (void)state;
    static const char *const names[] = {"rss", "threads", "cpu", "major_faults", "rss", "threads"};
    int fd[KEPT_MAX];
    struct gs_watch *watch = gs_watch_new(names, COUNT_OF(names), FIXTURE("pod-v2"));
    static const char *const file[] = {"/proc/self/statm", "/proc/self/stat", "/cpu.max"};
    for (size_t i = 0; i < COUNT_OF(file); i++) {
        int count = find_descriptors(file[i], fd);
        assert_int_equal(count, i < 2 ? 1 : 3); // three groups, one above the other
        for (int k = 0; k < count; k++)
            assert_int_equal(fcntl(fd[k], F_GETFD), FD_CLOEXEC);
    }
    gs_watch_free(watch);
    for (size_t i = 0; i < COUNT_OF(file); i++)
        assert_int_equal(find_descriptors(file[i], fd), 0);
}

/* The thread that reads has ended, and another begins with a table of its own, in which the number is of something else: the right
 * file is read again, and the other neither moved nor closed. */
static void another_table_is_begun_afresh(void **state)
{
    (void)state;
    struct machine m = new_machine();
    put(&m, "/proc/self/statm", "7 8 9 0\n");
    put(&m, "/var/log", "99999 88888 77777 other words\n");
    char path[512];
    int fd[KEPT_MAX];
    struct gs_watch *watch = watch_one("rss", m.root);
    double expected = 8.0 * (double)sysconf(_SC_PAGESIZE);
    assert_about(read_one(watch, 1), expected);
    assert_int_equal(find_descriptors("/proc/self/statm", fd), 1);
    int ours = fd[0];
    locate(&m, "/var/log", path, sizeof path);
    int log = open(path, O_RDONLY | O_CLOEXEC);
    gs_held_new_table();
    assert_int_equal(dup2(log, ours), ours);
    assert_int_equal(lseek(ours, 6, SEEK_SET), 6);
    assert_about(read_one(watch, 2), expected);
    assert_int_equal(lseek(ours, 0, SEEK_CUR), 6);
    gs_watch_free(watch);
    assert_int_not_equal(fcntl(ours, F_GETFD), -1);
    close(ours);
    close(log);
    drop_machine(&m);
}

/* After a chroot there is no /proc. The metric is missing with a reason, tried again once in ten seconds, and
 * back when the file is. */
static void a_file_that_went_away_is_missing_until_it_returns(void **state)
{
    (void)state;
    struct machine m = new_machine();
    put(&m, "/proc/self/statm", "7 8 9 0\n");
    struct gs_watch *watch = watch_one("rss", m.root);
    int fd[KEPT_MAX];
    assert_int_equal(find_descriptors("/proc/self/statm", fd), 1);
    drop(&m, "/proc/self/statm");
    close(fd[0]);
    assert_missing(watch, 1, "No such file or directory");
    put(&m, "/proc/self/statm", "7 8 9 0\n");
    assert_missing(watch, 10.9, "No such file or directory");
    assert_about(read_one(watch, 11), 8.0 * (double)sysconf(_SC_PAGESIZE));
    assert_null(gs_watch_unavailable(watch, 0));
    gs_watch_free(watch);
    drop_machine(&m);
}

/* With no descriptor left there is a reason, and a value once there is room again. */
static void without_a_descriptor_there_is_a_reason(void **state)
{
    (void)state;
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct gs_watch *watch = watch_one("rss", FIXTURE("pod-v2"));
    assert_missing(watch, 1, "Too many open files");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_about(read_one(watch, 11), 25600.0 * (double)sysconf(_SC_PAGESIZE));
    gs_watch_free(watch);
}

/* libasan has it, gcc 12's headers do not. */
int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *, size_t),
                                              void (*free_hook)(const volatile void *));
static size_t allocations;

static void note_malloc(const volatile void *ptr, size_t size)
{
    (void)ptr;
    (void)size;
    allocations++;
}

static void note_free(const volatile void *ptr)
{
    (void)ptr;
}

/* Every metric there is, on this machine: what is unavailable, too, is unavailable without asking for memory.
 * */
static void a_tick_allocates_nothing(void **state)
{
    (void)state;
    const char *names[16] = {"gauge:never-set"};
    size_t count = 1;
    for (const struct gs_metric *metric = gs_metrics; metric->name; metric++)
        names[count++] = metric->name;
    struct gs_watch *watch = gs_watch_new(names, count, "");
    double value[16];
    assert_int_not_equal(__sanitizer_install_malloc_and_free_hooks(note_malloc, note_free), 0);
    void *volatile block = malloc(1); // volatile: the compiler would leave the pair out
    free(block);
    assert_int_equal(allocations, 1); // the hook sees
    allocations = 0;
    for (int second = 1; second < 30; second++)
        gs_watch_read(watch, SECONDS(second), value);
    assert_int_equal(allocations, 0);
    gs_watch_free(watch);
}

/* ---- what the probe counts ----------------------------------------------------------------------------- */

static void a_gauge_is_missing_until_it_is_set(void **state)
{
    (void)state;
    struct gs_watch *watch = watch_one("gauge:queue", "");
    assert_missing(watch, 1, NULL);
    gs_probe_gauge("queue", 12.5);
    assert_about(read_one(watch, 2), 12.5);
    gs_probe_gauge("queue", -3);
    assert_about(read_one(watch, 3), -3);
    gs_watch_free(watch);
}

/* Nothing was allocated before the eyes of the probe; then a pool of 64 MiB is reported: far more than the
 * sampling distance, so it is surely sampled and stands for itself. 64 MiB in 2 s are 32 MiB/s, also after it
 * is given back. */
static void the_heap_is_there_once_an_allocation_was_seen(void **state)
{
    (void)state;
    static char byte, pool;
    static const char *const names[] = {"heap_in_use", "heap_alloc_rate"};
    struct gs_watch *watch = gs_watch_new(names, 2, "");
    double value[2];
    assert_false(gs_probe_hooks_seen());
    gs_watch_read(watch, SECONDS(1), value);
    assert_true(isnan(value[0]) && isnan(value[1]));
    assert_non_null(strstr(gs_watch_unavailable(watch, 0), "no allocation was seen"));
    assert_non_null(strstr(gs_watch_unavailable(watch, 1), "no allocation was seen"));
    gs_probe_note_alloc(&byte, 1);
    gs_watch_read(watch, SECONDS(2), value);
    assert_null(gs_watch_unavailable(watch, 0));
    assert_null(gs_watch_unavailable(watch, 1));
    assert_true(isnan(value[1]));
    double before = value[0];
    gs_probe_note_alloc(&pool, 64 << 20);
    gs_watch_read(watch, SECONDS(4), value);
    assert_about(value[0] - before, 64 * MIB);
    assert_about(value[1], 32 * MIB);
    gs_probe_note_free(&pool);
    gs_watch_read(watch, SECONDS(6), value);
    assert_about(value[0], before);
    assert_true(value[1] == 0);
    gs_watch_free(watch);
}

/* 1 PiB cannot be live: a process has no room for it. Somebody gives blocks back unseen, and no figure is better than that. */
static void a_heap_that_cannot_be_is_not_reported(void **state)
{
    (void)state;
    static char pool;
    static const char *const names[] = {"heap_in_use"};
    struct gs_watch *watch = gs_watch_new(names, 1, "");
    double value;
    gs_probe_note_alloc(&pool, (size_t)1 << 50);
    gs_watch_read(watch, SECONDS(1), &value);
    assert_true(isnan(value));
    assert_non_null(strstr(gs_watch_unavailable(watch, 0), "1024 TiB are counted"));
    assert_non_null(strstr(gs_watch_unavailable(watch, 0), "that the library does not see"));
    gs_probe_alarm_at(0); // asks for nobody to be woken
    assert_true(gs_probe_wait(0) == GS_WAKE_TIMEOUT);
    gs_probe_note_free(&pool);
    gs_watch_read(watch, SECONDS(2), &value);
    assert_true(!isnan(value));
    assert_null(gs_watch_unavailable(watch, 0));
    gs_watch_free(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heap_is_there_once_an_allocation_was_seen), // first: before anyone is sampled
        cmocka_unit_test(a_heap_that_cannot_be_is_not_reported),
        cmocka_unit_test(the_table_is_the_designs),
        cmocka_unit_test(gauges_are_found_by_well_formed_names_only),
        cmocka_unit_test(a_pods_limit_is_found_above_its_container),
        cmocka_unit_test(version_1_in_a_container_starts_at_what_is_mounted),
        cmocka_unit_test(a_group_out_of_sight_leaves_the_mount_point),
        cmocka_unit_test(of_two_mounts_the_one_that_shows_the_group_counts),
        cmocka_unit_test(without_groups_the_machine_is_the_limit),
        cmocka_unit_test(figures_that_are_no_limit_are_passed_over),
        cmocka_unit_test(a_meminfo_that_makes_no_sense_is_no_limit),
        cmocka_unit_test(mountinfo_and_cgroup_may_be_cut_anywhere),
        cmocka_unit_test(a_very_deep_tree_is_walked_to_its_root),
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
        cmocka_unit_test(cpu_of_this_very_process),
        cmocka_unit_test(major_faults_are_counted_per_second),
        cmocka_unit_test(a_tick_right_after_another_repeats_the_rate),
        cmocka_unit_test(many_descriptors_are_counted_rarely),
        cmocka_unit_test(rss_sees_memory_come_and_go),
        cmocka_unit_test(threads_are_counted),
        cmocka_unit_test(descriptors_are_counted),
        cmocka_unit_test(descriptors_are_few_and_close_on_exec),
        cmocka_unit_test(another_table_is_begun_afresh),
        cmocka_unit_test(a_file_that_went_away_is_missing_until_it_returns),
        cmocka_unit_test(without_a_descriptor_there_is_a_reason),
        cmocka_unit_test(a_tick_allocates_nothing),
        cmocka_unit_test(a_gauge_is_missing_until_it_is_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
