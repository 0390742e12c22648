/* The names by which its owner knows a process: program, pod, container. */
#include "sys/identity.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ID    "3f2a91bc04d7e8b6a5f4c3d2e1f00112233445566778899aabbccddeeff00aa1"
#define OTHER "aaaa91bc04d7e8b6a5f4c3d2e1f00112233445566778899aabbccddeeff00bbb"

static struct gs_identity seen;

static void assert_program(const char *comm, const char *argument, const char *exe, const char *wanted)
{
    gs_identity_choose_program(comm, argument, exe, &seen);
    assert_string_equal(seen.program, wanted);
}

static void a_program_has_the_name_that_it_was_called_by(void **state)
{
    (void)state;
    assert_program("redis-server", "redis-server", "/usr/bin/redis-check-rdb", "redis-server"); // a link
    assert_program("backup.py", "/usr/bin/python3", "/usr/bin/python3.11", "backup.py");        // a script
    assert_program("nginx", "web-frontend", "/usr/sbin/nginx", "web-frontend");                 // exec -a
    assert_program("a-program-with-", "./a-program-with-a-link", "/opt/program",
                   "a-program-with-a-link");                  // cut after 15
    assert_program("bash", "-bash", "/usr/bin/bash", "bash"); // a login shell
}

static void the_files_name_is_the_programs_where_nothing_else_is_known(void **state)
{
    (void)state;
    assert_program("nginx", "/usr/sbin/nginx", "/usr/sbin/nginx", "nginx");
    assert_program("python3", "python3", "/usr/bin/python3.11", "python3.11");
    assert_program("a-program-with-", NULL, "/opt/a-program-with-a-long-name", "a-program-with-a-long-name");
    assert_program("", NULL, "/usr/sbin/nginx", "nginx");
    assert_program("nginx", "nginx: master process /usr/sbin/nginx", "/usr/sbin/nginx",
                   "nginx"); // it wrote over argv[0]
    assert_program("postgres", "postgres: checkpointer", "/usr/lib/postgresql/15/bin/postgres", "postgres");
    assert_program("", NULL, "", "");
    assert_program("redis-server", NULL, "", "redis-server");
}

static void read_environment(const char *block, size_t length)
{
    seen = (struct gs_identity){0};
    gs_identity_read_environment(block, length, &seen);
}

static void the_environment_names_the_pod(void **state)
{
    static const char block[] =
        "PATH=/"
        "bin\0POD_NAMESPACE=shop\0SECRET=POD_NAME=x\0POD_NAME=cache-0\0HOSTNAME=web-3\0MY_POD_NAME=other";
    (void)state;
    read_environment(block, sizeof block);
    assert_string_equal(seen.pod, "cache-0");
    assert_string_equal(seen.pod_namespace, "shop");
    assert_string_equal(seen.host, "web-3");
    assert_string_equal(seen.container, "");
}

/* Only names: what has other characters, is too long, or has no end is not taken. */
static void what_is_no_name_is_not_taken(void **state)
{
    static const char block[] = "POD_NAME=a b\0POD_NAMESPACE=\033[31m\0HOSTNAME=";
    char longest[400] = "POD_NAME=";
    (void)state;
    read_environment(block, sizeof block);
    assert_string_equal(seen.pod, "");
    assert_string_equal(seen.pod_namespace, "");
    assert_string_equal(seen.host, "");
    memset(longest + 9, 'x', 254);
    read_environment(longest, 9 + 254 + 1);
    assert_string_equal(seen.pod, "");
    longest[9 + 253] = 0;
    read_environment(longest, 9 + 253);
    assert_string_equal(seen.pod, "");
    read_environment(longest, 9 + 253 + 1);
    assert_int_equal(strlen(seen.pod), 253);
}

static void assert_cgroup(const char *cgroup, const char *wanted)
{
    seen = (struct gs_identity){0};
    gs_identity_read_cgroup(cgroup, &seen);
    assert_string_equal(seen.container, wanted);
}

static void the_cgroup_names_the_container(void **state)
{
    (void)state;
    assert_cgroup("0::/system.slice/docker-" ID ".scope\n", ID);
    assert_cgroup("12:memory:/docker/" ID "\n11:cpu:/\n", ID);
    assert_cgroup("0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1234abcd_12.slice/"
                  "cri-containerd-" ID ".scope\n",
                  ID);
    assert_cgroup("5:cpu:/kubepods/besteffort/pod12ab/" ID, ID);
    assert_cgroup(
        "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container\n", ID);
    assert_cgroup("0::/docker/" OTHER "/docker/" ID "\n", ID); // a container in a container
    assert_cgroup("0::/\n", "");
    assert_cgroup("", "");
    assert_cgroup("0::/docker/" ID "a\n", "");
    assert_cgroup("0::/docker/x" ID "\n", "");
    assert_cgroup("0::/docker/3f2a91bc04d7\n", "");
}

static void assert_mounts(const char *mounts, const char *wanted)
{
    seen = (struct gs_identity){0};
    gs_identity_read_mounts(mounts, &seen);
    assert_string_equal(seen.container, wanted);
}

static void mounted_files_name_the_container_in_its_own_cgroup_namespace(void **state)
{
    (void)state;
    assert_mounts("1 2 8:1 / / rw - overlay overlay rw,upperdir=/x/" OTHER "/diff\n"
                  "3 2 8:1 /var/lib/docker/containers/" ID "/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n",
                  ID);
    assert_mounts("3 2 0:9 /containers/overlay-containers/" ID
                  "/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n",
                  ID);
    assert_mounts("3 2 8:1 /data/" ID "/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n", "");
    assert_mounts("3 2 8:1 /var/lib/docker/containers/" ID "/data /data rw - ext4 /dev/sda1 rw\n", "");
    assert_mounts("", "");
}

/* What it has written over its arguments and environment since does not matter. */
static void names_are_those_of_the_start(void **state)
{
    char argument[] = "./start-name", pod[] = "POD_NAME=cache-0";
    char *argv[] = {argument, NULL}, *envp[] = {pod, NULL};
    (void)state;
    gs_identity_remember(argv, envp);
    memset(argument, 'x', sizeof argument - 1);
    memset(pod, 'x', sizeof pod - 1);
    gs_identity_of_self("/usr/bin/test_identity", &seen);
    assert_string_equal(seen.program, "start-name");
    assert_string_equal(seen.pod, "cache-0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_has_the_name_that_it_was_called_by),
        cmocka_unit_test(the_files_name_is_the_programs_where_nothing_else_is_known),
        cmocka_unit_test(the_environment_names_the_pod),
        cmocka_unit_test(what_is_no_name_is_not_taken),
        cmocka_unit_test(the_cgroup_names_the_container),
        cmocka_unit_test(mounted_files_name_the_container_in_its_own_cgroup_namespace),
        cmocka_unit_test(names_are_those_of_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
