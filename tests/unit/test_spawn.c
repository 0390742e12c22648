/* A program beside the host: how it ends is told, and of the host it gets nothing. */
#include "base/clock.h"
#include "host/spawn.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static volatile sig_atomic_t signals;

static void count(int number)
{
    (void)number;
    signals++;
}

enum { LONG_MS = 300000 }; // for what ends by itself

/* Run SCRIPT for at most LIMIT_MS. This process gets no signal, and has no child afterwards. */
static struct gs_spawn_end run(const char *script, int limit_ms)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL}, *envp[] = {(char *)"A=b", NULL};
    struct gs_spawn command = {
        .program = "/bin/sh", .argv = argv, .envp = envp, .limit_ns = limit_ms * GS_NS_PER_MS};
    struct gs_spawn_end end;
    signals = 0;
    signal(SIGCHLD, count);
    gs_spawn_run(&command, &end);
    assert_int_equal(signals, 0);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
    assert_int_equal(errno, ECHILD);
    return end;
}

static void its_end_is_told(void **state)
{
    (void)state;
    struct gs_spawn_end end = run("exit 0", LONG_MS);
    assert_true(!end.error && !end.too_long && end.status == 0 && end.took_ns > 0);
    end = run("exit 7", LONG_MS);
    assert_true(!end.error && WIFEXITED(end.status) && WEXITSTATUS(end.status) == 7);
    end = run("kill -SEGV $$", LONG_MS);
    assert_true(!end.error && !end.too_long && WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGSEGV);
}

static void what_cannot_be_run_is_told(void **state)
{
    char *argv[] = {(char *)"x", NULL}, *envp[] = {NULL};
    struct gs_spawn command = {
        .program = "/no/such/program", .argv = argv, .envp = envp, .limit_ns = GS_NS_PER_S};
    struct gs_spawn_end end;
    (void)state;
    gs_spawn_run(&command, &end);
    assert_int_equal(end.error, ENOENT);
    command.program = "/";
    gs_spawn_run(&command, &end);
    assert_int_equal(end.error, EACCES);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
}

static void it_is_made_to_end_in_time(void **state)
{
    (void)state;
    struct gs_spawn_end end = run("sleep 1000", 100);
    assert_true(end.too_long && WTERMSIG(end.status) == SIGTERM && end.took_ns >= 100 * GS_NS_PER_MS);
    int limit_ms = 100;
    do { // on a busy machine the limit may come before the trap
        end = run("trap '' TERM; sleep 1000 & wait; sleep 1000", limit_ms); // and its own children with it
        limit_ms *= 3;
    } while (WTERMSIG(end.status) == SIGTERM && limit_ms < LONG_MS);
    assert_true(end.too_long && WTERMSIG(end.status) == SIGKILL);
    assert_true(end.took_ns > GS_NS_PER_S); // of mercy
}

static void it_gets_nothing_of_ours(void **state)
{
    char list[] = "/tmp/gumshoe-test-XXXXXX", script[1024];
    sigset_t all, old;
    (void)state;
    close(mkstemp(list));
    FILE *open_file = tmpfile(); // without close-on-exec
    assert_non_null(open_file);
    signal(SIGPIPE, SIG_IGN);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    snprintf(
        script, sizeof script,
        "ls -l /proc/self/fd > %s &&" // 0 to 2, the last but one of them the list itself; and the folder that is read
        " test $(grep -c /dev/null %s) = 2 && test $(grep -c -e '->' %s) = 4 &&"
        " test \"$(env | grep -cvE '^(A=b|PWD=|_=|SHLVL=|OLDPWD=)')\" = 0 &&"
        // by the shell itself: while it waits for a program of its own it blocks signals
        " while read -r key value; do case $key in Sig[BI]*) test $value = 0000000000000000 || exit 5; esac; "
        "done < /proc/self/status &&"
        " test $(ps -o sid= -p $$) = $$",
        list, list, list);
    struct gs_spawn_end end = run(script, LONG_MS);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, SIG_DFL);
    fclose(open_file);
    unlink(list);
    assert_int_equal(end.error, 0);
    assert_int_equal(end.status, 0);
}

static void read_oom_score(char *out, size_t size)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "r");
    assert_non_null(file);
    assert_non_null(fgets(out, (int)size, file));
    fclose(file);
}

/* What the host did not ask for weighs little, and this process keeps its own weight, folder and limits: the program is made by a
 * process that shares its memory. */
static void in_the_background_it_weighs_little(void **state)
{
    char script[] =
        "test $(cut -d' ' -f19 /proc/self/stat) = 19 && test $(cat /proc/self/oom_score_adj) = 1000 &&"
        " test $(pwd) = / && test $(ulimit -d) = 65536 && test $(ulimit -c) = 0 && grep -q 'NoNewPrivs:.1' "
        "/proc/self/status &&"
        " ionice | grep -q idle";
    char *argv[] = {(char *)"sh", (char *)"-c", script, NULL}, *envp[] = {(char *)"PATH=/usr/bin:/bin", NULL};
    struct gs_spawn command = {.program = "/bin/sh",
                               .argv = argv,
                               .envp = envp,
                               .limit_ns = LONG_MS * GS_NS_PER_MS,
                               .background = true,
                               .data_bytes = 64 << 20};
    struct gs_spawn_end end;
    struct rlimit data, data_after;
    char folder[4096], folder_after[4096], oom[16], oom_after[16];
    (void)state;
    int nice_before = getpriority(PRIO_PROCESS, 0);
    getrlimit(RLIMIT_DATA, &data);
    read_oom_score(oom, sizeof oom);
    assert_non_null(getcwd(folder, sizeof folder));
    gs_spawn_run(&command, &end);
    assert_int_equal(end.error, 0);
    assert_int_equal(end.status, 0);
    assert_int_equal(end.pid, 0);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), nice_before);
    getrlimit(RLIMIT_DATA, &data_after);
    read_oom_score(oom_after, sizeof oom_after);
    assert_non_null(getcwd(folder_after, sizeof folder_after));
    assert_memory_equal(&data, &data_after, sizeof data);
    assert_string_equal(oom, oom_after);
    assert_string_equal(folder, folder_after);
}

/* Where /dev/null cannot be opened the program runs all the same, and finds its first three descriptors taken: no file of its own
 * becomes its standard output. Here /dev/null is a socket, in a mount namespace of a child of ours. */
static int run_without_dev_null(void)
{
    char folder[] = "/tmp/gumshoe-test-XXXXXX", script[300];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int spaces = geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
    if (!mkdtemp(folder) || unshare(spaces) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return 77;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/null", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        mount(address.sun_path, "/dev/null", NULL, MS_BIND, NULL) != 0)
        return 77;
    snprintf(script, sizeof script,
             "ls -l /proc/$$/fd > %s/list; test $(grep -c -- '[012] -> /$' %s/list) = 3 || exit 8; echo "
             "ignored; exit 7",
             folder, folder);
    char *argv[] = {(char *)"sh", (char *)"-c", script, NULL}, *envp[] = {(char *)"PATH=/usr/bin:/bin", NULL};
    struct gs_spawn command = {
        .program = "/bin/sh", .argv = argv, .envp = envp, .limit_ns = 60 * GS_NS_PER_S};
    struct gs_spawn_end end;
    gs_spawn_run(&command, &end);
    snprintf(script, sizeof script, "rm -r %s", folder);
    if (end.error || !WIFEXITED(end.status) || system(script) != 0)
        return 99;
    return WEXITSTATUS(end.status);
}

static void it_runs_where_dev_null_cannot_be_opened(void **state)
{
    int status;
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        _exit(run_without_dev_null());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); // no mount namespaces here
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_end_is_told),
        cmocka_unit_test(what_cannot_be_run_is_told),
        cmocka_unit_test(it_is_made_to_end_in_time),
        cmocka_unit_test(it_gets_nothing_of_ours),
        cmocka_unit_test(in_the_background_it_weighs_little),
        cmocka_unit_test(it_runs_where_dev_null_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
