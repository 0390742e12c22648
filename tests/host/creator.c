/* creator.c - a host whose pool grows: 20 threads that stay, from grow_pool, and 300 that end, from run_errand. Says
 * "ready" and waits for its standard input to end. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int stay[2];

static void *wait_for_end(void *unused)
{
    char byte;
    (void)!read(stay[0], &byte, 1);
    return unused;
}

static void *end_at_once(void *argument)
{
    return argument;
}

__attribute__((noinline)) static int grow_pool(pthread_t *thread)
{
    int error = pthread_create(thread, NULL, wait_for_end, NULL);
    return error ? 1 : 0; // a call behind it, so that the frame stays
}

__attribute__((noinline)) static int run_errand(void)
{
    static char argument;
    pthread_t thread;
    void *answer;
    return pthread_create(&thread, NULL, end_at_once, &argument) || pthread_join(thread, &answer) || answer != &argument;
}

int main(void)
{
    pthread_t pool[20];
    char byte;
    int wrong = pipe(stay);
    for (int i = 0; i < 20; i++)
        wrong |= grow_pool(&pool[i]);
    for (int i = 0; i < 300; i++)
        wrong |= run_errand();
    puts("ready");
    fflush(stdout);
    (void)!read(0, &byte, 1);
    close(stay[1]);
    for (int i = 0; i < 20; i++)
        pthread_join(pool[i], NULL);
    return wrong;
}
