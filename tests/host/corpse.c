/* corpse.c - a host that ends in a core file: some memory that grew in grow_cache, a thread that waits in await_work, and an end in
 * take_order.   corpse abort | segv | wait   (wait: lives until it is told to end, so that a debugger may write the core)
 * It says "calm" before it grows, which it does after a line of input, and then "ready". */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 16 };
static char *cache[4096];
static volatile int *volatile nowhere = (int *)(uintptr_t)8;

static __attribute__((noinline)) void grow_cache(int from, int to)
{
    for (int i = from; i < to; i++) {
        cache[i] = malloc(BLOCK);
        memset(cache[i], 1, BLOCK);
    }
}

static __attribute__((noinline)) void *await_work(void *unused)
{
    pause();
    return unused;
}

static __attribute__((noinline)) void take_order(const char *end)
{
    if (strcmp(end, "abort") == 0)
        abort();
    if (strcmp(end, "segv") == 0)
        *nowhere = 1;
    pause();
    __asm__ volatile("" ::: "memory"); /* no tail call */
}

int main(int argc, char **argv)
{
    pthread_t thread;
    pthread_create(&thread, NULL, await_work, NULL);
    free(malloc(100 << 20)); /* past the gap that was drawn before the rules were read */
    grow_cache(0, 160);      /* 10 MiB */
    puts("calm");
    fflush(stdout);
    for (char byte = 0; byte != '\n' && read(0, &byte, 1) == 1;)
        ;
    grow_cache(160, 800); /* 40 MiB more */
    usleep(300000);
    puts("ready");
    fflush(stdout);
    take_order(argc > 1 ? argv[1] : "abort");
    return 0;
}
