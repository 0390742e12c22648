/* A program beside the host: how it ends is told, and of the host it gets nothing. */
#include "base/clock.h"
#include "command.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
static struct gs_command_end run(const char *script, int limit_ms)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL}, *envp[] = {(char *)"A=b", NULL};
    struct gs_command command = {"/bin/sh", argv, envp, limit_ms * GS_NS_PER_MS};
    struct gs_command_end end;
    signals = 0;
    signal(SIGCHLD, count);
    gs_command_run(&command, &end);
    assert_int_equal(signals, 0);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
    assert_int_equal(errno, ECHILD);
    return end;
}

static void its_end_is_told(void **state)
{
    (void)state;
    struct gs_command_end end = run("exit 0", LONG_MS);
    assert_true(!end.error && !end.too_long && end.status == 0 && end.took_ns > 0);
    end = run("exit 7", LONG_MS);
    assert_true(!end.error && WIFEXITED(end.status) && WEXITSTATUS(end.status) == 7);
    end = run("kill -SEGV $$", LONG_MS);
    assert_true(!end.error && !end.too_long && WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGSEGV);
}

static void what_cannot_be_run_is_told(void **state)
{
    char *argv[] = {(char *)"x", NULL}, *envp[] = {NULL};
    struct gs_command command = {"/no/such/program", argv, envp, GS_NS_PER_S};
    struct gs_command_end end;
    (void)state;
    gs_command_run(&command, &end);
    assert_int_equal(end.error, ENOENT);
    command.program = "/";
    gs_command_run(&command, &end);
    assert_int_equal(end.error, EACCES);
    assert_int_equal(waitpid(-1, NULL, 0), -1);
}

static void it_is_made_to_end_in_time(void **state)
{
    (void)state;
    struct gs_command_end end = run("sleep 1000", 100);
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
    snprintf(script, sizeof script,
             "ls -l /proc/self/fd > %s &&" // 0 to 2, the last but one of them the list itself; and the folder that is read
             " test $(grep -c /dev/null %s) = 2 && test $(grep -c -e '->' %s) = 4 &&"
             " test \"$(env | grep -cvE '^(A=b|PWD=|_=|SHLVL=|OLDPWD=)')\" = 0 &&"
             // by the shell itself: while it waits for a program of its own it blocks signals
             " while read -r key value; do case $key in Sig[BI]*) test $value = 0000000000000000 || exit 5; esac; done < /proc/self/status &&"
             " test $(ps -o sid= -p $$) = $$", list, list, list);
    struct gs_command_end end = run(script, LONG_MS);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, SIG_DFL);
    fclose(open_file);
    unlink(list);
    assert_int_equal(end.error, 0);
    assert_int_equal(end.status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_end_is_told),
        cmocka_unit_test(what_cannot_be_run_is_told),
        cmocka_unit_test(it_is_made_to_end_in_time),
        cmocka_unit_test(it_gets_nothing_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
