/* ends.c - a host that works on two threads until its input ends, and then ends in one of many ways; or execs itself, or gets
 * signals.
 *   ends WAY [COUNT] */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;
static volatile sig_atomic_t handled, unattributed;

static void work(long milliseconds)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    long until = t.tv_sec * 1000 + t.tv_nsec / 1000000 + milliseconds;
    do {
        for (int i = 0; i < 1000; i++)
            sink += (unsigned long)i;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    } while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < until);
}

static void *work_on(void *unused)
{
    for (;;)
        work(1000);
    return unused;
}

static void on_crash(int signal)
{
    static const char text[] = "crashed\n";
    if (write(1, text, sizeof text - 1) < 0)
        _exit(signal);
    _exit(9);
}

/* On which thread does the program's signal arrive? */
static void on_signal(int signal)
{
    char name[16];
    (void)signal;
    prctl(PR_GET_NAME, name);
    unattributed += strncmp(name, "gumshoe", 7) == 0;
    handled++;
}

static void at_exit(void)
{
    puts("at exit");
}

static void get_signals(int count)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    for (int i = 0; i < count; i++) {
        kill(getpid(), SIGUSR1);
        work(1);
    }
    printf("%d strangers, %s\n", (int)unattributed, handled > 0 ? "handled" : "not handled");
}

/* One thread waits for signals, as some servers have it; all others block them. Its CPU time was sampled before it did so. */
static void wait_for_signals(int count)
{
    sigset_t set;
    int got, wrong = 0;
    sigfillset(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < count; i++) {
        kill(getpid(), SIGUSR2);
        sigwait(&set, &got);
        wrong += got != SIGUSR2;
        work(1);
    }
    printf("%d wrong\n", wrong);
}

static void exec_again(char **argv, int count)
{
    char left[12];
    if (count == 0)
        return;
    work(4);
    snprintf(left, sizeof left, "%d", count - 1);
    execl("/proc/self/exe", argv[0], argv[1], left, (char *)NULL);
}

static void exec_in_children(int count)
{
    int bad = 0;
    for (int i = 0; i < count; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            work(2);
            execl("/bin/true", "true", (char *)NULL);
        }
        waitpid(child, &status, 0);
        bad += status != 0;
    }
    printf("%d bad\n", bad);
}

/* The program takes our signals for itself in the middle of it all: once that was noticed it is to get its own, and none of ours. */
static void take_over(int count)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGURG, &action, NULL);
    sigaction(SIGWINCH, &action, NULL);
    do {
        handled = 0;
        work(300);
    } while (handled); // a timer's: one in a millisecond
    for (int i = 0; i < count; i++) {
        raise(SIGURG);
        work(10);
    }
    printf("%d of %d\n", (int)handled, count);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    int count = argc > 2 ? atoi(argv[2]) : 0;
    struct pollfd input = {.fd = 0, .events = POLLIN};
    pthread_t thread;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (strcmp(way, "wait") != 0)
        pthread_create(&thread, NULL, work_on, NULL);
    while (strcmp(way, "again") != 0 && poll(&input, 1, 0) == 0)
        work(10);
    if (!strcmp(way, "exit")) atexit(at_exit), exit(3);
    if (!strcmp(way, "_exit")) _exit(4);
    if (!strcmp(way, "quick_exit")) at_quick_exit(at_exit), quick_exit(5);
    if (!strcmp(way, "abort")) abort();
    if (!strcmp(way, "segv")) *(volatile int *)8 = 1;
    if (!strcmp(way, "handled")) signal(SIGSEGV, on_crash), *(volatile int *)8 = 1;
    if (!strcmp(way, "term")) raise(SIGTERM);
    if (!strcmp(way, "signals")) get_signals(count);
    if (!strcmp(way, "wait")) wait_for_signals(count);
    if (!strcmp(way, "again")) exec_again(argv, count);
    if (!strcmp(way, "children")) exec_in_children(count);
    if (!strcmp(way, "take")) take_over(count);
    puts("returns");
    return 7;
}
