/* climb BASE MORE MS: a host whose memory climbs. It has BASE MiB and says "calm"; after a line of input it takes MORE MiB within MS
 * milliseconds, evenly; with MS 0 as fast as it can. Then it says "full", and after another line it goes on at that pace until it
 * is killed, or has four times MORE. At the end of its input it does not wait. */
#include "say.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 256 << 10 };

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* (noipa: else the two are folded into one.) */
__attribute__((noipa)) static void *keep_table(void)
{
    void *block = malloc(BLOCK);
    if (block)
        memset(block, 1, BLOCK);
    __asm__ volatile(""); // no tail call: it stands in the stack
    return block;
}

__attribute__((noipa)) static void *fill_cache(void)
{
    void *block = malloc(BLOCK);
    if (block)
        memset(block, 2, BLOCK);
    __asm__ volatile("");
    return block;
}

static void climb(size_t mib, double ms)
{
    double began = now_ms(), count = (double)mib * (1 << 20) / BLOCK;
    for (double i = 0; i < count; i++) {
        double early = began + ms * i / count - now_ms();
        if (early > 0)
            nanosleep(&(struct timespec){(time_t)(early / 1e3), (long)(early * 1e6) % 1000000000}, NULL);
        if (!fill_cache())
            _exit(9);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    size_t base = (size_t)atol(argv[1]), more = (size_t)atol(argv[2]);
    double ms = atof(argv[3]);
    for (size_t i = 0; i < base << 20; i += BLOCK)
        if (!keep_table())
            return 9;
    say_and_wait("calm");
    climb(more, ms);
    say_and_wait("full");
    climb(3 * more, 3 * ms);
    printf("alive\n");
    return 0;
}
