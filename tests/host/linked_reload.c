/* reload.c - a host that reloads a plugin: libraries in turn at one address, in which the same instruction stands in
 * frames of different sizes. Through each it allocates twenty blocks. Its heap profile goes to standard output.
 *   reload LIBRARY…         each of them once
 *   reload storm LIBRARY…   a hundred times, and until the input ends, while two threads allocate, and the watcher names what it
 *                           sees */
#include <dlfcn.h>
#include <gumshoe/gumshoe.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t size = (size_t)16 << 20; // far beyond the sampling distance: each is sampled, and never touched
static void *volatile kept;
static bool stormy;

__attribute__((noinline)) static void allocate(void)
{
    for (int i = 0; i < 20; i++) {
        if (stormy)
            free(kept);
        kept = malloc(size);
    }
}

/* All of LIBRARIES once, in turn. 0, 2 for an error, 77 when they do not come to lie at one address. */
static int reload(char **libraries)
{
    static void *first;
    for (; *libraries; libraries++) {
        void *library = dlopen(*libraries, RTLD_NOW);
        void (*through)(void (*)(void)) = library ? (void (*)(void (*)(void)))dlsym(library, "through") : NULL;
        if (!through) {
            fprintf(stderr, "%s\n", dlerror());
            return 2;
        }
        if (first && (void *)through != first)
            return 77; // nothing would be shown
        first = (void *)through;
        through(allocate);
        if (dlclose(library))
            return 2;
    }
    return 0;
}

static volatile bool over;

static void *allocate_meanwhile(void *unused)
{
    while (!over)
        free(malloc(5000));
    return unused;
}

static int storm(char **libraries)
{
    pthread_t threads[2];
    struct gumshoe_options options = {.size = sizeof options};
    struct pollfd input = {.fd = 0, .events = POLLIN};
    if (gumshoe_start(&options))
        return 2;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, allocate_meanwhile, NULL);
    int status = 0;
    for (int i = 0; status == 0 && (i < 100 || poll(&input, 1, 0) == 0); i++)
        status = reload(libraries);
    over = true;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return status;
}

int main(int argc, char **argv)
{
    stormy = argc > 1 && strcmp(argv[1], "storm") == 0;
    if (stormy)
        size = 5000;
    int status = stormy ? storm(argv + 2) : reload(argv + 1);
    return status ? status : gumshoe_write_profile(GUMSHOE_HEAP, 1) != 0;
}
