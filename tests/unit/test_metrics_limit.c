/* test_metrics_limit.c - how much memory the process may have: control groups of both versions, from where they can be seen, and
 * the machine. */
#include "machine.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h> // wants the others before it

static void assert_limit(const char *root, double bytes, const char *where)
{
    char from[256] = "?";
    assert_true((double)gs_metrics_memory_limit(root, from, sizeof from) == bytes);
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
    assert_true(gs_metrics_memory_limit(FIXTURE("bare"), small, sizeof small) > 0);
    assert_string_equal(small, "machine");
    assert_true(gs_metrics_memory_limit(FIXTURE("bare"), NULL, 0) > 0);
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
    struct machine_dir m = machine_new();
    machine_put_group(&m, "0::/a\n");
    machine_put(&m, "/cg/a/memory.max", "4096\n");
    assert_limit(m.root, 4096, "cgroup /cg/a/memory.max"); // the stage is set: what follows is read
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        machine_put(&m, "/cg/a/memory.max", odd[i]);
        assert_limit(m.root, MIB, "machine memory");
    }
    machine_drop(&m);
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
    struct machine_dir m = machine_new();
    machine_put(&m, "/proc/meminfo", "MemFree: 1 kB\nMemTotal: 5 kB\n");
    assert_limit(m.root, 5120, "machine memory");
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        machine_put(&m, "/proc/meminfo", odd[i]);
        assert_limit(m.root, 0, "");
    }
    machine_drop(&m);
}

static void mountinfo_and_cgroup_may_be_cut_anywhere(void **state)
{
    (void)state;
    static const char group[] = "9:cpu:/x\n0::/a b:c/d\n";
    static const char mounts[] =
        "1 1 0:1 / /a\\04 rw x:1 - tmpfs t rw\n2 1 0:2 /a\\040b:c /cg rw - cgroup2 none rw\n";
    struct machine_dir m = machine_new();
    char cut[128];
    machine_put_group(&m, group);
    machine_put(&m, "/proc/self/mountinfo", mounts);
    machine_put(&m, "/cg/d/memory.max", "8192\n");
    machine_put(&m, "/cg/memory.max", "12288\n");
    assert_limit(m.root, 8192, "cgroup /cg/d/memory.max");
    for (int length = 0; length < (int)sizeof mounts - 1; length++) {
        snprintf(cut, sizeof cut, "%.*s", length, mounts);
        machine_put(&m, "/proc/self/mountinfo", cut);
        uint64_t limit = gs_metrics_memory_limit(m.root, NULL, 0);
        assert_true(limit == (uint64_t)MIB || limit == 8192);
    }
    machine_put(&m, "/proc/self/mountinfo", mounts);
    for (int length = 0; length < (int)sizeof group - 1; length++) {
        snprintf(cut, sizeof cut, "%.*s", length, group);
        machine_put(&m, "/proc/self/cgroup", cut);
        uint64_t limit = gs_metrics_memory_limit(m.root, NULL, 0);
        assert_true(limit == (uint64_t)MIB || limit == 8192 || limit == 12288);
    }
    machine_drop(&m);
}

/* Of 4096 bytes 3000 are used, 500 of them cache that goes when it has to; the machine has more. The group above has less left. */
static void what_is_left_is_what_the_tightest_group_leaves(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put_group(&m, "0::/a/b\n");
    machine_put(&m, "/proc/meminfo", "MemTotal: 900 kB\nMemFree: 1 kB\nMemAvailable:   500 kB\n");
    assert_int_equal(gs_metrics_memory_room(m.root), 500 << 10);
    machine_put(&m, "/cg/a/b/memory.max", "4096\n");
    machine_put(&m, "/cg/a/b/memory.current", "3000\n");
    machine_put(&m, "/cg/a/b/memory.stat", "anon 2000\nunevictable_inactive_file 7\ninactive_file 500\n");
    assert_int_equal(gs_metrics_memory_room(m.root), 4096 - 2500);
    machine_put(&m, "/cg/a/memory.max", "5000\n");
    machine_put(&m, "/cg/a/memory.current", "4900\n");
    assert_int_equal(gs_metrics_memory_room(m.root), 100);
    machine_put(&m, "/cg/a/memory.current", "5100\n");
    assert_int_equal(gs_metrics_memory_room(m.root), 0);
    machine_drop(&m);
}

static void tasks_are_counted_likewise(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put_group(&m, "0::/a\n");
    assert_true(gs_metrics_task_room(m.root) == UINT64_MAX);
    machine_put(&m, "/cg/a/pids.current", "17\n");
    machine_put(&m, "/cg/a/pids.max", "max\n");
    assert_true(gs_metrics_task_room(m.root) == UINT64_MAX);
    machine_put(&m, "/cg/a/pids.max", "20\n");
    assert_int_equal(gs_metrics_task_room(m.root), 3);
    assert_true(gs_metrics_tasks_are_scarce(m.root));
    machine_put(&m, "/cg/a/pids.max", "67\n");
    assert_true(gs_metrics_tasks_are_scarce(m.root));
    machine_put(&m, "/cg/a/pids.max", "68\n");
    assert_false(gs_metrics_tasks_are_scarce(m.root));
    machine_put(&m, "/cg/a/pids.max", "max\n");
    assert_false(gs_metrics_tasks_are_scarce(m.root));
    assert_true(gs_metrics_memory_room(FIXTURE("no-such-machine")) == UINT64_MAX);
    machine_drop(&m);
}

/* 3000 groups, one in the other: the deepest paths cannot be opened at all, the others stand above. */
static void a_very_deep_tree_is_walked_to_its_root(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    char group[6100] = "0::";
    for (int i = 0; i < 3000; i++)
        strcat(group, "/g");
    machine_put_group(&m, group);
    machine_put(&m, "/cg/g/g/memory.max", "4096\n");
    machine_put(&m, "/cg/memory.max", "8192\n");
    assert_limit(m.root, 4096, "cgroup /cg/g/g/memory.max");
    machine_drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pods_limit_is_found_above_its_container),
        cmocka_unit_test(version_1_in_a_container_starts_at_what_is_mounted),
        cmocka_unit_test(a_group_out_of_sight_leaves_the_mount_point),
        cmocka_unit_test(of_two_mounts_the_one_that_shows_the_group_counts),
        cmocka_unit_test(without_groups_the_machine_is_the_limit),
        cmocka_unit_test(figures_that_are_no_limit_are_passed_over),
        cmocka_unit_test(a_meminfo_that_makes_no_sense_is_no_limit),
        cmocka_unit_test(mountinfo_and_cgroup_may_be_cut_anywhere),
        cmocka_unit_test(what_is_left_is_what_the_tightest_group_leaves),
        cmocka_unit_test(tasks_are_counted_likewise),
        cmocka_unit_test(a_very_deep_tree_is_walked_to_its_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
