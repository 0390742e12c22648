/* late.c - a program that opens the library at run time, with threads already there, and starts the watcher through it.
 *   late LIBRARY */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *work(void *unused)
{
    for (int i = 0; i < 100; i++) {
        free(malloc(100000));
        usleep(10000);
    }
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    void *library = dlopen(argv[argc - 1], RTLD_NOW);
    int (*start)(const void *) = library ? (int (*)(const void *))dlsym(library, "gumshoe_start") : NULL;
    int (*capture)(const char *, unsigned) = library ? (int (*)(const char *, unsigned))dlsym(library, "gumshoe_capture") : NULL;
    if (!start || !capture) {
        printf("%s\n", dlerror());
        return 1;
    }
    printf("start %d\n", start(NULL));
    printf("capture %d\n", capture("late", 1 | 4));
    printf("close %d\n", dlclose(library)); // refused in effect: it stays
    pthread_join(thread, NULL);
    puts("works on");
    return 0;
}
