/* cpu.c - a host whose CPU time goes to three functions, 60 : 30 : 10. It writes the profile of its work to standard output.
 *   cpu single          one thread
 *   cpu threads         three threads, each with one of the functions, that work and sleep in turn
 *   cpu short           threads that live for 20 ms of CPU time, one after another and two at a time
 *   cpu blocked         as single, and a thread that blocks all signals works as much as all three
 *   cpu calls           one thread, whose time is spent in the kernel: read(2) of /dev/zero
 * What the threads' CPU clocks say of each function while the profile was taken goes to standard error, as NAME SECONDS: of the
 * threads that can be sampled, and under "deaf" of the one that cannot. "call" is how long the profile took by the wall clock. */
#include <fcntl.h>
#include <gumshoe/gumshoe.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

static volatile unsigned long sink;
static volatile bool over;
static _Atomic long spent_ns[3], deaf_ns, births;
static _Thread_local bool unreachable_why;

static long clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

/* Work for that much CPU time, counted as it is spent. Each function has a loop of its own: they are not to be one after
 * optimisation. */
#define WORK(name, number)                                                               \
    static NOINLINE void name(long microseconds)                                         \
    {                                                                                    \
        long now = clock_ns(CLOCK_THREAD_CPUTIME_ID), until = now + microseconds * 1000; \
        while (now < until) {                                                            \
            for (int i = 0; i < 5000; i++)                                               \
                sink += (unsigned long)i * (number + 3);                                 \
            long before = now;                                                           \
            now = clock_ns(CLOCK_THREAD_CPUTIME_ID);                                     \
            *(unreachable_why ? &deaf_ns : &spent_ns[number]) += now - before;                      \
        }                                                                                \
    }
WORK(sixty, 0)
WORK(thirty, 1)
WORK(ten, 2)

static NOINLINE void all_three(long microseconds)
{
    sixty(microseconds * 6 / 10);
    thirty(microseconds * 3 / 10);
    ten(microseconds / 10);
    __asm__ volatile("" ::: "memory");
}

static void *go_on(void *unused)
{
    gumshoe_label_set("tenant", "acme");
    while (!over)
        all_three(1000000); // long stretches: where a thread changes functions, samples may fall on the wrong side
    return unused;
}

/* Works and sleeps: on a machine with nothing else to do 18, 9 and 3 ms of each 40. */
static void *take_share(void *which)
{
    void (*const work[])(long) = {sixty, thirty, ten};
    static const long each[] = {18000, 9000, 3000};
    int i = (int)(long)which;
    while (!over) {
        work[i](each[i]);
        usleep((useconds_t)(40000 - each[i]));
    }
    return which;
}

/* For 20 ms, more or less: in step with the kernel's clock ticks, threads would be seen at the same places always. */
static void *live_shortly(void *unused)
{
    static _Atomic unsigned seed;
    unsigned mine = seed++;
    all_three(18000 + rand_r(&mine) % 4000);
    return unused;
}

static void *give_birth(void *unused)
{
    while (!over) {
        pthread_t thread[2];
        for (int i = 0; i < 2; i++)
            pthread_create(&thread[i], NULL, live_shortly, NULL), births++;
        for (int i = 0; i < 2; i++)
            pthread_join(thread[i], NULL);
    }
    return unused;
}

static void *go_on_deaf(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    unreachable_why = true;
    return go_on(unused);
}

static NOINLINE void read_zeros(void)
{
    static char room[1 << 20];
    int file = open("/dev/zero", O_RDONLY);
    while (!over)
        sink += (unsigned long)read(file, room, sizeof room);
    close(file);
}

static void *make_calls(void *unused)
{
    read_zeros();
    return unused;
}

int main(int argc, char **argv)
{
    struct {
        const char *name;
        void *(*work[3])(void *);
    } modes[] = {
        {"single", {go_on}},     {"threads", {take_share, take_share, take_share}},
        {"short", {give_birth}}, {"blocked", {go_on, go_on_deaf}},
        {"calls", {make_calls}},
    };
    struct gumshoe_options options = {.size = sizeof options};
    pthread_t thread[3];
    int count = 0;
    if (argc != 2 || gumshoe_start(&options))
        return 2;
    for (size_t m = 0; m < sizeof modes / sizeof *modes; m++)
        for (int i = 0; i < 3 && strcmp(argv[1], modes[m].name) == 0 && modes[m].work[i]; i++)
            pthread_create(&thread[count++], NULL, modes[m].work[i], (void *)(long)i);
    usleep(50000);
    spent_ns[0] = spent_ns[1] = spent_ns[2] = deaf_ns = births = 0;
    long began = clock_ns(CLOCK_MONOTONIC);
    int error = gumshoe_write_profile(GUMSHOE_CPU, 1);
    fprintf(stderr, "sixty %.3f thirty %.3f ten %.3f deaf %.3f call %.3f births %ld\n",
            (double)spent_ns[0] / 1e9, (double)spent_ns[1] / 1e9, (double)spent_ns[2] / 1e9,
            (double)deaf_ns / 1e9, (double)(clock_ns(CLOCK_MONOTONIC) - began) / 1e9, births);
    over = true;
    for (int i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
    return error != 0;
}
