/* linked_fault_injection.c - captures one after the other while things around it go wrong, and says what each came to.
 *   linked_fault_injection captures N            N captures; a line for each, then "done"
 *   linked_fault_injection descriptors [PAUSE]   every descriptor is used up, and a thread tries again each PAUSE µs, as an accept loop
 *                                                does; or without a pause
 *   linked_fault_injection parent                captures once, and counts the SIGCHLDs that come and asks for children until its input
 *                                     ends; then has one of its own, which it finds
 *   linked_fault_injection steps                 a capture for each line of its input
 *   linked_fault_injection latency N             serves requests for two seconds, and then while N captures are made: how long they took
 *   linked_fault_injection leave N               N captures, then exit(0) at once
 * Rules and directory: GUMSHOE_RULES and GUMSHOE_DIR. */
#include <errno.h>
#include <fcntl.h>
#include <gumshoe/gumshoe.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void **held;

/* Some live heap, so that there is something to write. */
__attribute__((noinline)) static void hold_some(void)
{
    enum { BLOCKS = 2000, BYTES = 8000 };
    held = calloc(BLOCKS, sizeof *held);
    for (int i = 0; i < BLOCKS; i++)
        held[i] = calloc(1, BYTES);
}

static const char *name_of(int result)
{
    return result ? strerrorname_np(-result) : "ok";
}

static int captures(int count)
{
    for (int i = 0; i < count; i++)
        printf("capture %s\n", name_of(gumshoe_capture("faults", GUMSHOE_HEAP | GUMSHOE_THREADS)));
    return 0;
}

static int steps(void)
{
    for (char line[16]; fgets(line, sizeof line, stdin);)
        captures(1);
    return 0;
}

static _Atomic bool over;
static int snatched;

static void *grab(void *pause_us)
{
    while (!atomic_load(&over)) {
        if (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
            snatched++;
        if (pause_us)
            usleep(*(useconds_t *)pause_us);
    }
    return NULL;
}

static int descriptors(useconds_t pause_us)
{
    pthread_t thread;
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
        ;
    if (errno != EMFILE || pthread_create(&thread, NULL, grab, pause_us ? &pause_us : NULL))
        return 2;
    captures(1);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    fprintf(stderr, "snatched %d\n", snatched);
    return 0;
}

enum { REQUESTS = 1 << 20 };
static int64_t took_ns[REQUESTS];
static int requests;

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* A request: some memory, some work. One each 100 µs. */
static void *serve(void *unused)
{
    for (requests = 0; requests < REQUESTS && !atomic_load(&over); requests++) {
        void *volatile block[50];
        int64_t began_ns = now_ns();
        for (int i = 0; i < 50; i++)
            block[i] = memset(malloc((size_t)(100 + i * 37)), i, 100);
        for (int i = 0; i < 50; i++)
            free(block[i]);
        took_ns[requests] = now_ns() - began_ns;
        usleep(100);
    }
    return unused;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void serve_during(const char *what, int count)
{
    pthread_t thread;
    atomic_store(&over, false);
    pthread_create(&thread, NULL, serve, NULL);
    for (int i = 0; i < count; i++)
        if (gumshoe_capture("faults", GUMSHOE_HEAP | GUMSHOE_THREADS))
            exit(4);
    if (count == 0)
        sleep(2);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    qsort(took_ns, (size_t)requests, sizeof *took_ns, by_time);
    printf("%s: %d requests, median %.1f us, p99 %.1f us, longest %.1f us\n", what, requests,
           (double)took_ns[requests / 2] / 1e3, (double)took_ns[requests - requests / 100 - 1] / 1e3,
           (double)took_ns[requests - 1] / 1e3);
}

static int latency(int count)
{
    serve_during("quiet", 0);
    serve_during("captures", count);
    return 0;
}

static volatile sig_atomic_t signals;

static void count(int number)
{
    (void)number;
    signals++;
}

static int parent(void)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    int found = 0, calls_ended_early = 0, forks = 0;
    int secret = open("/dev/null", O_RDONLY); // without O_CLOEXEC: programs of the host's would inherit it
    if (signal(SIGCHLD, count) == SIG_ERR || signal(SIGUSR1, SIG_IGN) == SIG_ERR || secret < 0)
        return 2;
    captures(1);
    while (poll(&input, 1, 0) == 0) {
        siginfo_t ended = {0};
        if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD || waitid(P_ALL, 0, &ended, WEXITED) == 0)
            found++;
        calls_ended_early += usleep(5000) != 0;
    }
    printf("signals %d, children %d, early %d\n", (int)signals, found, calls_ended_early);
    pid_t own = fork();
    if (own == 0)
        _exit(7);
    int status = 0;
    forks = waitpid(-1, &status, 0) == own && WEXITSTATUS(status) == 7;
    printf("own child %s, signals %d\n", forks ? "found" : "lost", (int)signals);
    return 0;
}

int main(int argc, char **argv)
{
    int status = 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("start %s\n", name_of(gumshoe_start(NULL)));
    hold_some();
    if (argc == 3 && strcmp(argv[1], "captures") == 0)
        status = captures(atoi(argv[2]));
    else if (argc == 2 && strcmp(argv[1], "steps") == 0)
        status = steps();
    else if (argc >= 2 && strcmp(argv[1], "descriptors") == 0)
        status = descriptors(argc == 3 ? (useconds_t)atoi(argv[2]) : 0);
    else if (argc == 3 && strcmp(argv[1], "latency") == 0)
        status = latency(atoi(argv[2]));
    else if (argc == 2 && strcmp(argv[1], "parent") == 0)
        status = parent();
    else if (argc == 3 && strcmp(argv[1], "leave") == 0)
        exit(captures(atoi(argv[2])));
    gumshoe_stop();
    puts("done");
    return held[0] ? status : 3;
}
