/* test_metrics_process.c - metrics of this very process and machine: what they see come and go, which of its descriptors and what of
 * its memory they take, and what the probe counts. */
#include "machine.h"
#include "metrics/metrics.h"
#include "probe/probe.h"
#include "sys/owned_fd.h"
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
#include <time.h>
#include <unistd.h>

#include <cmocka.h> // wants the others before it

/* ---- this process, this machine ------------------------------------------------------------------------ */

static void rss_sees_memory_come_and_go(void **state)
{
    (void)state;
    struct gs_metric_set *watch = watch_one("rss", "");
    double before = read_one(watch, 1);
    size_t size = 64 << 20;
    char *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(block != MAP_FAILED);
    memset(block, 1, size);
    double grown = read_one(watch, 2) - before;
    assert_true(grown > 60 * MIB && grown < 68 * MIB);
    munmap(block, size);
    assert_true(fabs(read_one(watch, 3) - before) < 4 * MIB);
    gs_metrics_set_free(watch);
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
    struct gs_metric_set *watch = watch_one("threads", "");
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
    gs_metrics_set_free(watch);
}

static void descriptors_are_counted(void **state)
{
    (void)state;
    struct gs_metric_set *watch = watch_one("fds", "");
    double before = read_one(watch, 1);
    int fd[20];
    for (int i = 0; i < 20; i++)
        fd[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_about(read_one(watch, 2), before + 20);
    for (int i = 0; i < 20; i++)
        close(fd[i]);
    assert_about(read_one(watch, 3), before);
    gs_metrics_set_free(watch);
}

/* 200 ms of CPU time, said to have been taken within ten seconds, by one thread: 2 % of one CPU. */
static void cpu_of_this_very_process(void **state)
{
    (void)state;
    cpu_set_t all;
    struct timespec time;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    struct gs_metric_set *watch = watch_one("cpu", "");
    assert_missing(watch, 1, NULL);
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time), 0);
    int64_t end = time.tv_sec * 1000000000LL + time.tv_nsec + 200000000;
    while (time.tv_sec * 1000000000LL + time.tv_nsec < end)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    double cpu = read_one(watch, 11) * CPU_COUNT(&all); // more where a quota makes the machine smaller
    assert_true(cpu >= 2 && cpu <= 100);
    gs_metrics_set_free(watch);
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
    struct gs_metric_set *watch = gs_metrics_set_new(names, COUNT_OF(names), FIXTURE("pod-v2"));
    static const char *const file[] = {"/proc/self/statm", "/proc/self/stat", "/cpu.max"};
    for (size_t i = 0; i < COUNT_OF(file); i++) {
        int count = find_descriptors(file[i], fd);
        assert_int_equal(count, i < 2 ? 1 : 3); // three groups, one above the other
        for (int k = 0; k < count; k++)
            assert_int_equal(fcntl(fd[k], F_GETFD), FD_CLOEXEC);
    }
    gs_metrics_set_free(watch);
    for (size_t i = 0; i < COUNT_OF(file); i++)
        assert_int_equal(find_descriptors(file[i], fd), 0);
}

/* The thread that reads has ended, and another begins with a table of its own, in which the number is of something else: the right
 * file is read again, and the other neither moved nor closed. */
static void another_table_is_begun_afresh(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put(&m, "/proc/self/statm", "7 8 9 0 0 5 0\n");
    machine_put(&m, "/var/log", "99999 88888 77777 other words\n");
    char path[512];
    int fd[KEPT_MAX];
    struct gs_metric_set *watch = watch_one("rss", m.root);
    double expected = 8.0 * (double)sysconf(_SC_PAGESIZE);
    assert_about(read_one(watch, 1), expected);
    assert_int_equal(find_descriptors("/proc/self/statm", fd), 1);
    int ours = fd[0];
    machine_path(&m, "/var/log", path, sizeof path);
    int log = open(path, O_RDONLY | O_CLOEXEC);
    gs_owned_fd_new_table();
    assert_int_equal(dup2(log, ours), ours);
    assert_int_equal(lseek(ours, 6, SEEK_SET), 6);
    assert_about(read_one(watch, 2), expected);
    assert_int_equal(lseek(ours, 0, SEEK_CUR), 6);
    gs_metrics_set_free(watch);
    assert_int_not_equal(fcntl(ours, F_GETFD), -1);
    close(ours);
    close(log);
    machine_drop(&m);
}

/* After a chroot there is no /proc. The metric is missing with a reason, tried again once in ten seconds, and
 * back when the file is. */
static void a_file_that_went_away_is_missing_until_it_returns(void **state)
{
    (void)state;
    struct machine_dir m = machine_new();
    machine_put(&m, "/proc/self/statm", "7 8 9 0 0 5 0\n");
    struct gs_metric_set *watch = watch_one("rss", m.root);
    int fd[KEPT_MAX];
    assert_int_equal(find_descriptors("/proc/self/statm", fd), 1);
    machine_remove(&m, "/proc/self/statm");
    close(fd[0]);
    assert_missing(watch, 1, "No such file or directory");
    machine_put(&m, "/proc/self/statm", "7 8 9 0 0 5 0\n");
    assert_missing(watch, 10.9, "No such file or directory");
    assert_about(read_one(watch, 11), 8.0 * (double)sysconf(_SC_PAGESIZE));
    assert_null(gs_metrics_set_unavailable(watch, 0));
    gs_metrics_set_free(watch);
    machine_drop(&m);
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
    struct gs_metric_set *watch = watch_one("rss", FIXTURE("pod-v2"));
    assert_missing(watch, 1, "Too many open files");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_about(read_one(watch, 11), 25600.0 * (double)sysconf(_SC_PAGESIZE));
    gs_metrics_set_free(watch);
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
    struct gs_metric_set *watch = gs_metrics_set_new(names, count, "");
    double value[16];
    assert_int_not_equal(__sanitizer_install_malloc_and_free_hooks(note_malloc, note_free), 0);
    void *volatile block = malloc(1); // volatile: the compiler would leave the pair out
    free(block);
    assert_int_equal(allocations, 1); // the hook sees
    allocations = 0;
    for (int second = 1; second < 30; second++)
        gs_metrics_set_read(watch, SECONDS(second), value);
    assert_int_equal(allocations, 0);
    gs_metrics_set_free(watch);
}

/* ---- what the probe counts ----------------------------------------------------------------------------- */

static void a_gauge_is_missing_until_it_is_set(void **state)
{
    (void)state;
    struct gs_metric_set *watch = watch_one("gauge:queue", "");
    assert_missing(watch, 1, NULL);
    gs_probe_gauge("queue", 12.5);
    assert_about(read_one(watch, 2), 12.5);
    gs_probe_gauge("queue", -3);
    assert_about(read_one(watch, 3), -3);
    gs_metrics_set_free(watch);
}

/* Nothing was allocated before the eyes of the probe; then a pool of 64 MiB is reported: far more than the
 * sampling distance, so it is surely sampled and stands for itself. 64 MiB in 2 s are 32 MiB/s, also after it
 * is given back. */
static void the_heap_is_there_once_an_allocation_was_seen(void **state)
{
    (void)state;
    static char byte, pool;
    static const char *const names[] = {"heap_in_use", "heap_alloc_rate"};
    struct gs_metric_set *watch = gs_metrics_set_new(names, 2, "");
    double value[2];
    assert_false(gs_probe_hooks_seen());
    gs_metrics_set_read(watch, SECONDS(1), value);
    assert_true(isnan(value[0]) && isnan(value[1]));
    assert_non_null(strstr(gs_metrics_set_unavailable(watch, 0), "no allocation was seen"));
    assert_non_null(strstr(gs_metrics_set_unavailable(watch, 1), "no allocation was seen"));
    gs_probe_note_alloc(&byte, 1);
    gs_metrics_set_read(watch, SECONDS(2), value);
    assert_null(gs_metrics_set_unavailable(watch, 0));
    assert_null(gs_metrics_set_unavailable(watch, 1));
    assert_true(isnan(value[1]));
    double before = value[0];
    gs_probe_note_alloc(&pool, 64 << 20);
    gs_metrics_set_read(watch, SECONDS(4), value);
    assert_about(value[0] - before, 64 * MIB);
    assert_about(value[1], 32 * MIB);
    gs_probe_note_free(&pool);
    gs_metrics_set_read(watch, SECONDS(6), value);
    assert_about(value[0], before);
    assert_true(value[1] == 0);
    gs_metrics_set_free(watch);
}

/* 1 PiB cannot be live: a process has no room for it. Somebody gives blocks back unseen, and no figure is better than that. */
static void a_heap_that_cannot_be_is_not_reported(void **state)
{
    (void)state;
    static char pool;
    static const char *const names[] = {"heap_in_use"};
    struct gs_metric_set *watch = gs_metrics_set_new(names, 1, "");
    double value;
    gs_probe_note_alloc(&pool, (size_t)1 << 50);
    gs_metrics_set_read(watch, SECONDS(1), &value);
    assert_true(isnan(value));
    assert_non_null(strstr(gs_metrics_set_unavailable(watch, 0), "1024 TiB are counted"));
    assert_non_null(strstr(gs_metrics_set_unavailable(watch, 0), "that the library does not see"));
    gs_probe_alarm_at(0); // asks for nobody to be woken
    assert_true(gs_probe_wait(0) == GS_WAKE_TIMEOUT);
    gs_probe_note_free(&pool);
    gs_metrics_set_read(watch, SECONDS(2), &value);
    assert_true(!isnan(value));
    assert_null(gs_metrics_set_unavailable(watch, 0));
    gs_metrics_set_free(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heap_is_there_once_an_allocation_was_seen), // first: before anyone is sampled
        cmocka_unit_test(a_heap_that_cannot_be_is_not_reported),
        cmocka_unit_test(cpu_of_this_very_process),
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
