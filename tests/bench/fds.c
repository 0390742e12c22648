/* fds.c - what opening and closing descriptors costs: `fds open N` opens /dev/null and closes it, `fds accept N` accepts a connection
 * of a local socket and closes it, N times under 10 frames. Prints nanoseconds of CPU time for each round. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int listener;

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return 1e9 * now.tv_sec + now.tv_nsec;
}

static double open_rounds(long rounds)
{
    double began = now_ns();
    for (long i = 0; i < rounds; i++)
        close(open("/dev/null", O_RDONLY));
    return now_ns() - began;
}

/* The peer makes its call outside the measured time. */
static double accept_rounds(long rounds)
{
    double took = 0;
    for (long i = 0; i < rounds; i++) {
        int peer = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(peer, (struct sockaddr *)&address, sizeof address) != 0)
            exit(1);
        double began = now_ns();
        close(accept(listener, NULL, NULL));
        took += now_ns() - began;
        close(peer);
    }
    return took;
}

static __attribute__((noinline)) double under(int frames, double (*run)(long), long rounds)
{
    volatile double took = frames ? under(frames - 1, run, rounds) : run(rounds);
    return took;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    long rounds = atol(argv[2]);
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "gumshoe-bench-%d", (int)getpid());
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0)
        return 1;
    printf("%.1f\n", under(10, strcmp(argv[1], "open") == 0 ? open_rounds : accept_rounds, rounds) / rounds);
    return 0;
}
