/* spike TABLE SECONDS CACHE MS HOW: a host that dies of a spike. A table of TABLE MiB, SECONDS of calm, then a cache of CACHE MiB
 * filled within MS milliseconds,
 * and then HOW:
 *   kill    SIGKILL, at that very moment        stay    sleep until somebody ends it
 *   exit    exit(0)    _exit  _exit(0)    abort    exec PROGRAM …
 * It says "calm" and "full" as it comes to be so. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 64 << 10 };

static void **blocks;
static size_t count;

static long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000ll + now.tv_nsec / 1000;
}

__attribute__((always_inline)) static inline void keep(size_t size)
{
    void *block = malloc(size);
    if (!block)
        _exit(9);
    memset(block, 1, size);
    blocks[count++] = block;
}

__attribute__((noinline)) static void build_table(size_t bytes)
{
    for (size_t at = 0; at < bytes; at += BLOCK)
        keep(BLOCK);
    __asm__ volatile(""); // no tail call: it stands in the stack
}

__attribute__((noinline)) static void fill_cache(size_t bytes, long long us)
{
    long long began = now_us();
    for (size_t at = 0; at < bytes; at += BLOCK) {
        keep(BLOCK);
        while (us && now_us() - began < (long long)((double)at / (double)bytes * (double)us))
            ; // evenly over the time
    }
    __asm__ volatile("");
}

static void say(const char *word)
{
    printf("%s\n", word);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    size_t table = (size_t)atol(argv[1]) << 20, cache = (size_t)atol(argv[3]) << 20;
    blocks = calloc((table + cache) / BLOCK + 1, sizeof *blocks);
    build_table(table);
    say("calm");
    usleep((useconds_t)(atof(argv[2]) * 1e6));
    fill_cache(cache, atoll(argv[4]) * 1000);
    if (strcmp(argv[5], "kill") == 0)
        kill(getpid(), SIGKILL);
    say("full");
    if (strcmp(argv[5], "abort") == 0)
        abort();
    if (strcmp(argv[5], "_exit") == 0)
        _exit(0);
    if (strcmp(argv[5], "exec") == 0)
        execvp(argv[6], argv + 6);
    if (strcmp(argv[5], "stay") == 0)
        for (;;)
            pause();
    return 0;
}
