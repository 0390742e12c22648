/* waste.c - a host whose heap is full of holes. It does what the lines of its input say, and prints "done WORD RESULT" after each:
 *   pin       fills 48 MiB with blocks of 256 bytes, each eighth of keep_session, then 24 MiB, each eighth of keep_route; then frees the
 *             others
 *   gaps      24 MiB of blocks of 64 KiB, each followed by 256 bytes of keep_session; frees the large ones
 *   leak      fills 48 MiB with blocks of 256 bytes of leak_block
 *   threads   8 threads that allocate, and stay
 *   trim      malloc_trim; RESULT: by how many bytes the resident memory has shrunk */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
enum { MIB = 1 << 20, BLOCK = 256, EIGHTH = 8, LARGE = 64 << 10, THREADS = 8 };

static void *passing[72 * MIB / BLOCK];
static size_t passed;

/* The callers' VALUES differ, so that the compiler makes different functions. */
static void *touch(void *block, size_t size, int value)
{
    return block ? memset(block, value, size) : NULL;
}

static NOINLINE void *keep_session(void)
{
    void *volatile block = touch(malloc(BLOCK), BLOCK, 1);
    return block;
}

static NOINLINE void *keep_route(void)
{
    void *volatile block = touch(malloc(BLOCK), BLOCK, 2);
    return block;
}

static NOINLINE void *leak_block(void)
{
    void *volatile block = touch(malloc(BLOCK), BLOCK, 3);
    return block;
}

static NOINLINE void burst(size_t size)
{
    void *volatile block = touch(malloc(size), size, 0);
    passing[passed++] = block;
}

static void end_burst(void)
{
    while (passed)
        free(passing[--passed]);
}

static void fill(size_t bytes, void *keep(void))
{
    for (size_t i = 0; i < bytes / BLOCK; i++)
        if (i % EIGHTH == 0)
            keep();
        else
            burst(BLOCK);
}

static void fill_with_gaps(size_t bytes)
{
    for (size_t i = 0; i < bytes / LARGE; i++) {
        burst(LARGE);
        keep_session();
    }
}

static long resident(void)
{
    char text[128] = "";
    long all = 0, pages = 0;
    int fd = open("/proc/self/statm", O_RDONLY);
    if (read(fd, text, sizeof text - 1) > 0)
        sscanf(text, "%ld %ld", &all, &pages);
    close(fd);
    return pages * 4096;
}

static void *stay(void *ready)
{
    keep_session();
    pthread_barrier_wait(ready);
    pause();
    return NULL;
}

static void start_threads(void)
{
    static pthread_barrier_t ready;
    pthread_t thread;
    pthread_barrier_init(&ready, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread, NULL, stay, &ready);
    pthread_barrier_wait(&ready);
}

static long obey(const char *word)
{
    if (strcmp(word, "pin") == 0) {
        fill(48 * MIB, keep_session);
        fill(24 * MIB, keep_route);
    } else if (strcmp(word, "gaps") == 0) {
        fill_with_gaps(24 * MIB);
    } else if (strcmp(word, "leak") == 0) {
        for (int i = 0; i < 48 * MIB / BLOCK; i++)
            leak_block();
    } else if (strcmp(word, "threads") == 0) {
        start_threads();
    } else if (strcmp(word, "trim") == 0) {
        long before = resident();
        malloc_trim(0);
        return before - resident();
    }
    end_burst();
    return 0;
}

int main(void)
{
    char word[32];
    setvbuf(stdout, NULL, _IONBF, 0);
    free(malloc(1 << 20));
    while (scanf("%31s", word) == 1)
        printf("done %s %ld\n", word, obey(word));
    return 0;
}
