/* A server for tests of names and lines: a cache that grows, in a function that the compiler inlines; a thread that burns CPU;
 * one that waits. Reads a number of MiB on each line of its input, lets the cache grow by that, and says so. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct entry {
    struct entry *next;
    char text[4000];
};
static struct entry *cache;
static volatile unsigned long spun;
static volatile int burning;

static inline __attribute__((always_inline)) struct entry *new_entry(const char *text)
{
    struct entry *entry = malloc(sizeof *entry); /* PLANTED: the leak */
    if (!entry)
        abort();
    strcpy(entry->text, text);
    return entry;
}

__attribute__((noinline)) void cache_insert(const char *text)
{
    struct entry *entry = new_entry(text); /* PLANTED: its caller */
    entry->next = cache;
    cache = entry;
}

__attribute__((noinline)) void rank_hits(void)
{
    for (int i = 0; i < 1000; i++)
        spun += (unsigned long)i * spun + 1;
}

static void *burn(void *unused)
{
    for (;;) {
        if (burning)
            rank_hits();
        else
            usleep(10000);
    }
    return unused;
}

__attribute__((noinline)) void serve(long mib)
{
    char text[100];
    for (long i = 0; i < mib * 256; i++) {
        snprintf(text, sizeof text, "page %ld", i);
        cache_insert(text);
    }
}

static void *wait_for_input(void *unused)
{
    char line[100];
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "burn\n") == 0)
            burning = 1;
        else
            serve(atol(line));
        printf("done %s", line);
        fflush(stdout);
    }
    return unused;
}

int main(void)
{
    pthread_t burner, reader;
    pthread_create(&burner, NULL, burn, NULL);
    pthread_create(&reader, NULL, wait_for_input, NULL);
    printf("ready\n");
    fflush(stdout);
    pthread_join(reader, NULL);
    return 0;
}
