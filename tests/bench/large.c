/* large.c - a server whose debug information is large: it is linked with copies of large_unit.cc, of each of which the heap keeps
 * blocks. A request is due each millisecond; its latency is from then to its end, so that a delay counts for all that had to wait.
 *   large        for each line of its input, it begins to measure, or ends and prints: p50 p99 p99.9 (us), number of requests */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { BLOCKS = 8, BLOCK = 4000, REQUESTS_MAX = 1 << 20, PERIOD_NS = 1000000 };

extern void *(*const units[])(unsigned long); // generated: one for each copy, then NULL
static void *kept[1 << 16];
static double latency_us[REQUESTS_MAX];

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static __attribute__((noinline)) uint32_t serve(uint32_t seed)
{
    static unsigned char page[16 << 10];
    unsigned char *answer = malloc(sizeof page);
    for (size_t i = 0; answer && i < sizeof page; i++)
        answer[i] = (unsigned char)(page[i] ^ (seed = seed * 1664525 + 1013904223) >> 24);
    for (size_t i = 0; answer && i < sizeof page; i++)
        page[i] = answer[sizeof page - 1 - i];
    free(answer);
    return seed;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Is there a line of input, or its end? */
static int has_line(int timeout_ms)
{
    struct pollfd input = {.events = POLLIN};
    return poll(&input, 1, timeout_ms) > 0;
}

static int read_line(void)
{
    char byte = 0;
    while (read(0, &byte, 1) == 1 && byte != '\n')
        ;
    return byte == '\n';
}

static void measure(void)
{
    size_t count = 0;
    uint32_t seed = 1;
    for (int64_t due = now_ns() + PERIOD_NS; !(count % 16 == 0 && has_line(0)) && count < REQUESTS_MAX; due += PERIOD_NS) {
        struct timespec until = {due / 1000000000, due % 1000000000};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
            ;
        seed = serve(seed);
        latency_us[count++] = (double)(now_ns() - due) / 1e3;
    }
    qsort(latency_us, count, sizeof *latency_us, by_value);
    printf("%.1f %.1f %.1f %zu\n", latency_us[count / 2], latency_us[count * 99 / 100], latency_us[count * 999 / 1000], count);
    fflush(stdout);
}

int main(void)
{
    size_t count = 0;
    for (int i = 0; units[i]; i++)
        for (int block = 0; block < BLOCKS; block++)
            kept[count++] = units[i](BLOCK);
    puts("ready");
    fflush(stdout);
    while (read_line()) {
        measure();
        if (!read_line())
            break;
    }
    return kept[0] == NULL;
}
