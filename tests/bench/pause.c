/* pause.c - what it costs a thread that computes to be asked for its stack: the gap in its work. It stands under 20 frames,
 * and reads the clock without end; each time it is asked, the longest gap meanwhile is noted. The window is as short as the
 * answer takes, so that the kernel's own ticks are rarely in it. The controls are a signal whose handler does nothing, and
 * windows of that length in which nobody asks.
 *   pause COUNT        prints: median and 99th percentile, microseconds; a line for each: asked, signalled, left alone */
#include "probe/inside.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct {
    _Atomic double longest, last; // ns
    _Atomic pid_t tid;
    _Atomic bool over;
} watched;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static __attribute__((noinline)) void compute(int depth)
{
    if (depth > 0)
        compute(depth - 1);
    else
        for (double last = now_ns(), now; !watched.over; last = now) {
            now = now_ns();
            if (now - last > watched.longest)
                watched.longest = now - last;
            watched.last = now;
        }
    __asm__ volatile("" ::: "memory"); // no tail call
}

static void *run(void *unused)
{
    watched.tid = (pid_t)syscall(SYS_gettid);
    compute(17);
    return unused;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(double *gap, int count)
{
    qsort(gap, (size_t)count, sizeof *gap, by_value);
    printf("%.2f %.2f\n", gap[count / 2] / 1e3, gap[count * 99 / 100] / 1e3);
}

/* Until the thread has worked beyond NS. */
static void wait_beyond(double ns)
{
    while (watched.last < ns)
        ;
}

static void ask(int task)
{
    static struct gs_thread_stack stack;
    gs_probe_thread_stack(task, watched.tid, 100000000, &stack);
    if (stack.depth < 20)
        exit(1);
}

static _Atomic int handled;

static void do_nothing(int signal)
{
    (void)signal;
    handled++;
}

static void send_signal(int unused)
{
    int before = handled;
    (void)unused;
    syscall(SYS_tgkill, getpid(), watched.tid, SIGUSR1);
    while (handled == before)
        ;
}

/* The longest gap while WORK goes on; how long that took into *TOOK. */
static double gap_during(void (*work)(int), int task, double *took)
{
    double began = now_ns();
    watched.longest = 0;
    work(task);
    *took = now_ns() - began;
    wait_beyond(now_ns());
    double longest = watched.longest;
    usleep(500);
    return longest;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 1000, task = open("/proc/self/task", O_RDONLY | O_DIRECTORY);
    double *asked = calloc((size_t)count, sizeof *asked), *sent = calloc((size_t)count, sizeof *sent),
           *left = calloc((size_t)count, sizeof *left), took;
    struct sigaction action = {.sa_handler = do_nothing, .sa_flags = SA_RESTART | SA_ONSTACK};
    pthread_t thread;
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&thread, NULL, run, NULL);
    while (!watched.tid || !watched.last)
        ;
    gs_probe_borrow_signal();
    for (int i = 0; i < count; i++) {
        sent[i] = gap_during(send_signal, task, &took);
        asked[i] = gap_during(ask, task, &took);
        watched.longest = 0;
        wait_beyond(now_ns() + took);
        left[i] = watched.longest;
    }
    gs_probe_return_signal();
    watched.over = true;
    pthread_join(thread, NULL);
    report(asked, count);
    report(sent, count);
    report(left, count);
    return 0;
}
