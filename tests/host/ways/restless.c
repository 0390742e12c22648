/* restless.c - threads that work and sleep by turns, a little while each, so that a dump that finds one at work may reach it when it
 * has just gone to sleep. No call may return early because of that; but every signal of the program's own has to interrupt.
 *   restless MASK SECONDS RULES-DIRECTORY
 * MASK: "empty" or "full", the signals that the program's handler blocks. Prints "interrupted N, lost N". */
#include <errno.h>
#include <gumshoe/gumshoe.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

enum { SLEEPERS = 6, SIGNALS = 300 };

static _Atomic long interrupted, interrupts; /* calls that returned EINTR: of the restless threads; of the one that is signaled */
static _Atomic int over;

static void work(unsigned *seed)
{
    for (volatile unsigned left = rand_r(seed) % 20000; left; left--)
        ;
}

static int sleep_somehow(int way, int epoll)
{
    struct timespec little = {.tv_nsec = 50000};
    struct timeval small = {.tv_usec = 50};
    struct epoll_event event;
    switch (way % 6) {
    case 0: return nanosleep(&little, NULL);
    case 1: return usleep(50);
    case 2: return poll(NULL, 0, 1);
    case 3: return select(0, NULL, NULL, NULL, &small);
    case 4: return epoll_wait(epoll, &event, 1, 1);
    default: return ppoll(NULL, 0, &little, NULL);
    }
}

static void *be_restless(void *argument)
{
    int way = (int)(long)argument, epoll = epoll_create1(0);
    unsigned seed = (unsigned)way + 1;
    while (!over) {
        work(&seed);
        if (sleep_somehow(way, epoll) < 0 && errno == EINTR)
            interrupted++;
    }
    return NULL;
}

static void on_own_signal(int number)
{
    (void)number;
}

/* Sleeps for ever, except for the program's own signal, whose EINTR it has to see. */
static void *be_signaled(void *unused)
{
    (void)unused;
    while (!over) {
        if (poll(NULL, 0, -1) < 0 && errno == EINTR)
            interrupts++;
        struct timespec end, now; /* work a little, so that a dump finds it at work */
        clock_gettime(CLOCK_MONOTONIC, &end);
        do
            clock_gettime(CLOCK_MONOTONIC, &now);
        while ((now.tv_sec - end.tv_sec) * 1000000000L + now.tv_nsec - end.tv_nsec < 100000);
    }
    return NULL;
}

/* Signal THREAD: each time it has to see an EINTR, or it would sleep on. A signal that comes while it works does not count: it is
 * sent again. Returns how many were lost. */
static int signal_often(pthread_t thread)
{
    for (int i = 0; i < SIGNALS; i++) {
        long before = interrupts;
        for (int wait = 0; interrupts == before; wait++) {
            if (wait % 1000 == 0) /* every second at the latest */
                pthread_kill(thread, SIGRTMIN + 3);
            if (wait == 60000)
                return SIGNALS - i;
            usleep(1000);
        }
    }
    return 0;
}

static void *dump(void *unused)
{
    (void)unused;
    int out = open("/dev/null", O_WRONLY);
    while (!over) {
        gumshoe_write_profile(GUMSHOE_THREADS, out);
        usleep(500);
    }
    close(out);
    return NULL;
}

static void *profile(void *unused)
{
    (void)unused;
    int out = open("/dev/null", O_WRONLY);
    while (!over)
        gumshoe_write_profile(GUMSHOE_CPU, out);
    close(out);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[SLEEPERS + 3];
    struct sigaction own = {.sa_handler = on_own_signal};
    struct gumshoe_options options = {.size = sizeof options, .rules_json = "{\"version\": 1, \"cpu\": {\"rate\": \"250Hz\", \"duration\": \"1s\"}, \"rules\": []}"};
    if (argc < 4)
        return 2;
    options.dir = argv[3];
    if (strcmp(argv[1], "full") == 0)
        sigfillset(&own.sa_mask);
    sigaction(SIGRTMIN + 3, &own, NULL);
    if (gumshoe_start(&options) != 0)
        return 3;
    for (long i = 0; i < SLEEPERS; i++)
        pthread_create(&thread[i], NULL, be_restless, (void *)i);
    pthread_create(&thread[SLEEPERS], NULL, be_signaled, NULL);
    pthread_create(&thread[SLEEPERS + 1], NULL, dump, NULL);
    pthread_create(&thread[SLEEPERS + 2], NULL, profile, NULL);
    sleep((unsigned)atoi(argv[2]));
    int lost = signal_often(thread[SLEEPERS]);
    long early = interrupted;
    over = 1;
    for (int i = 0; i < SLEEPERS + 3; i++) {
        if (i == SLEEPERS)
            pthread_kill(thread[i], SIGRTMIN + 3);
        if (i != SLEEPERS)
            pthread_join(thread[i], NULL);
    }
    printf("interrupted %ld, lost %d\n", early, lost);
    return 0;
}
