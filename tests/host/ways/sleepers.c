/* sleepers.c - a program which sleepers.sh compiles in several ways: threads that sleep in every way there is, and
 * count how often a system call returns early; threads that work; threads that cannot be asked.
 *   sleepers DUMPS RULES-DIRECTORY     asks for DUMPS incidents, prints the count, leaves the profile in threads.pb.gz */
#include <errno.h>
#include <fcntl.h>
#include <gumshoe/gumshoe.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define END __asm__ volatile("" ::: "memory") /* no tail call */

static _Atomic long interrupted;
static _Atomic int asleep;
static pid_t sleeper[64]; /* their threads; 0: one that works */
static int quiet[2]; /* a pipe in which nothing ever comes */
static sem_t never;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static NOINLINE void count(int result)
{
    if (result < 0 && errno == EINTR)
        interrupted++;
}

static NOINLINE void in_epoll(void)
{
    struct epoll_event event;
    int epoll = epoll_create1(0);
    for (;;)
        count(epoll_wait(epoll, &event, 1, -1));
}

static NOINLINE void in_poll(void)
{
    struct pollfd fd = {.fd = quiet[0], .events = POLLIN};
    for (;;)
        count(poll(&fd, 1, -1));
}

static NOINLINE void in_select(void)
{
    for (;;) {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(quiet[0], &set);
        count(select(quiet[0] + 1, &set, NULL, NULL, NULL));
    }
}

static NOINLINE void in_nanosleep(void)
{
    struct timespec long_time = {.tv_sec = 1000};
    for (;;)
        count(nanosleep(&long_time, NULL));
}

static NOINLINE void in_usleep_of_big_frame(void)
{
    volatile char room[6000]; /* rbp is far up the stack */
    memset((char *)room, 1, sizeof room);
    for (;;)
        count(usleep(900000000));
}

static NOINLINE void in_read(void)
{
    char byte;
    for (;;)
        count((int)read(quiet[0], &byte, 1));
}

static NOINLINE void in_accept(void)
{
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr any = {.sa_family = AF_UNIX};
    bind(server, &any, sizeof any.sa_family);
    listen(server, 1);
    for (;;)
        count(accept(server, NULL, NULL));
}

static NOINLINE void in_semaphore(void)
{
    for (;;)
        count(sem_wait(&never));
}

static NOINLINE void in_condition(void)
{
    pthread_mutex_lock(&mutex);
    for (;;)
        pthread_cond_wait(&condition, &mutex);
}

static NOINLINE void in_sigwait(void)
{
    sigset_t all;
    int signal;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    sigwait(&all, &signal);
    interrupted++; /* a signal of somebody else's came out */
    pause();
}

static NOINLINE void at_work(void)
{
    static volatile unsigned long work;
    for (;;)
        work++;
}

static NOINLINE void at_work_deaf(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    at_work();
    END;
}

/* How a thread comes to its sleep: through an own frame that calls by pointer. */
static NOINLINE void *by_pointer(void *function)
{
    static _Atomic int begun;
    int number = begun++;
    gumshoe_label_set("role", "sleeper");
    if (function != (void *)at_work && function != (void *)at_work_deaf)
        sleeper[number] = (pid_t)syscall(SYS_gettid);
    asleep++;
    ((void (*)(void))function)();
    END;
    return NULL;
}

static int all_sleep(void)
{
    for (int i = 0; i < asleep; i++) {
        char path[64], state = 'S';
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)sleeper[i]);
        FILE *file = sleeper[i] ? fopen(path, "re") : NULL;
        if (file && (fscanf(file, "%*d (%*[^)]) %c", &state) != 1 || fclose(file)))
            return 0;
        if (state != 'S')
            return 0;
    }
    return 1;
}

int main(int argc, char **argv)
{
    void (*const all[])(void) = {in_epoll, in_poll, in_select, in_nanosleep, in_usleep_of_big_frame, in_read, in_accept,
                                 in_semaphore, in_condition, in_sigwait, at_work, at_work_deaf};
    struct gumshoe_options options = {.size = sizeof options, .dir = argv[2],
        .rules_json = "{\"version\": 1, \"incidents\": {\"max_per_hour\": 0}, \"rules\": [{\"name\": \"n\", \"every\": \"1h\"}]}"};
    pthread_t thread;
    if (argc != 3 || pipe(quiet) || sem_init(&never, 0, 0) || gumshoe_start(&options))
        return 2;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (int n = 0; n < 3; n++)
            if (pthread_create(&thread, NULL, by_pointer, (void *)all[i]))
                return 2;
    while (asleep < 3 * (int)(sizeof all / sizeof *all) || !all_sleep())
        usleep(1000);
    interrupted = 0;
    for (int i = 0; i < atoi(argv[1]); i++)
        if (gumshoe_capture("dump", GUMSHOE_THREADS))
            return 2;
    int file = open("threads.pb.gz", O_CREAT | O_WRONLY, 0600);
    if (gumshoe_write_profile(GUMSHOE_THREADS, file))
        return 2;
    printf("%ld\n", interrupted);
    fflush(stdout);
    _exit(0);
}
