/* shipped.c - a server with memory, CPU time, threads and labels of a known shape, whose incidents are sent away: 40 MB that
 * keep_block allocated, 3/4 of it for the tenant "acme". */
#include <gumshoe/gumshoe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#pragma weak gumshoe_label_set /* there when the library is preloaded */
static void *volatile held[4000];
static volatile unsigned sum;

static __attribute__((noinline)) void *keep_block(size_t size)
{
    char *block = malloc(size);
    if (block)
        *block = 1; // no tail call: malloc's caller is this function
    return block;
}

static __attribute__((noinline)) void burn(void)
{
    for (unsigned i = 0; i < 1000000; i++)
        sum += i;
}

static void *work(void *unused)
{
    for (;;) {
        burn();
        usleep(2000);
    }
    return unused;
}

int main(void)
{
    pthread_t thread;
    for (int i = 0; i < 4000; i++) {
        if (gumshoe_label_set)
            gumshoe_label_set("tenant", i % 4 ? "acme" : "initech");
        held[i] = keep_block(10000);
    }
    pthread_create(&thread, NULL, work, NULL);
    puts("ready");
    fflush(stdout);
    pause();
}
