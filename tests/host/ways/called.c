/* A program with eight threads that each ask for a heap profile over an hour; it says "calling" when they are all about to call. */
#include <fcntl.h>
#include <gumshoe/gumshoe.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { CALLERS = 8 };
static pthread_barrier_t ready;

static void *call(void *unused)
{
    int fd = open("/dev/null", O_WRONLY);
    pthread_barrier_wait(&ready);
    gumshoe_write_profile_for(GUMSHOE_HEAP, fd, 3600);
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_barrier_init(&ready, NULL, CALLERS + 1);
    if (gumshoe_start(NULL) != 0)
        return 9;
    for (int i = 0; i < CALLERS; i++)
        pthread_create(&thread, NULL, call, NULL);
    pthread_barrier_wait(&ready);
    puts("calling");
    fflush(stdout);
    for (;;)
        pause();
}
